//! Draft: the values of a configuration as they are written, wherever that is.

use std::env;
use std::path::{Path, PathBuf};

use dht::message::Routing;
use dht::ownership::Ownership;
use dht::placement::Hash;
use figment::error::Kind;
use figment::providers::{Format as _, Serialized, Toml};
use figment::{Figment, Metadata};
use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::config::Error;
use crate::config::environment::{Environment, name_of_set};
use crate::config::listed::{Membership, Placement};

/// Values, and where each of them comes from.
pub(super) struct Draft {
    pub(super) values: Values,
    sources: Figment,
}

/// Every value that can be configured.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Values {
    pub(super) address: String,
    pub(super) name: Option<String>,
    pub(super) network: String,
    pub(super) incarnation: Option<u32>,
    pub(super) ring: Vec<String>,
    pub(super) again: Vec<String>,
    pub(super) join: Vec<String>,
    pub(super) membership: Membership,
    pub(super) members: Vec<String>,
    pub(super) consul: Option<String>,
    pub(super) service: Option<String>,
    pub(super) placement: Option<Placement>,
    pub(super) partitions: Option<u16>,
    pub(super) positions: Option<u16>,
    pub(super) hash: Option<Hash>,
    pub(super) label: Option<String>,
    pub(super) weight: Option<u16>,
    pub(super) socket_address: Option<String>,
    pub(super) view: Vec<String>,
    pub(super) shard_count: Option<u32>,
    pub(super) causal_wait_ms: Option<u32>,
    pub(super) ownership: Ownership,
    pub(super) routing: Routing,
    pub(super) successors: u8,
    pub(super) replicas: u8,
    pub(super) zone: Option<String>,
    pub(super) fetch_rate: Option<u32>,
    pub(super) stabilize_ms: u64,
    pub(super) fingers_ms: u64,
    pub(super) predecessor_ms: u64,
    pub(super) self_check_ms: u64,
    pub(super) store: Engine,
    pub(super) data: Option<PathBuf>,
    pub(super) memcached_port: Option<u16>,
    pub(super) zeromq: Vec<String>,
    pub(super) workers: usize,
    pub(super) trace: Option<PathBuf>,
    pub(super) fault_injection: bool,
}

impl Default for Values {
    fn default() -> Values {
        Values {
            address: "127.0.0.1:10001".to_owned(),
            name: None,
            network: "default".to_owned(),
            incarnation: None,
            ring: Vec::new(),
            again: Vec::new(),
            join: Vec::new(),
            membership: Membership::Chord,
            members: Vec::new(),
            consul: None,
            service: None,
            placement: None,
            partitions: None,
            positions: None,
            hash: None,
            label: None,
            weight: None,
            socket_address: None,
            view: Vec::new(),
            shard_count: None,
            causal_wait_ms: None,
            ownership: Ownership::Successor,
            routing: Routing::Finger,
            successors: 4,
            replicas: 1,
            zone: None,
            fetch_rate: None,
            stabilize_ms: 1_000,
            fingers_ms: 3_000,
            predecessor_ms: 2_000,
            self_check_ms: 30_000,
            store: Engine::Memory,
            data: None,
            memcached_port: None,
            zeromq: Vec::new(),
            workers: 1,
            trace: None,
            fault_injection: false,
        }
    }
}

/// What keeps the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) enum Engine {
    Memory,
    Disk,
    /// The rest of what is written: host and port.
    Memcached(String),
}

impl TryFrom<String> for Engine {
    type Error = String;

    fn try_from(text: String) -> Result<Engine, String> {
        match text.as_str() {
            "memory" => Ok(Engine::Memory),
            "disk" => Ok(Engine::Disk),
            text => match text.strip_prefix(MEMCACHED) {
                Some(address) => Ok(Engine::Memcached(address.to_owned())),
                None => Err(format!(
                    "it must be memory, disk or memcached://HOST:PORT, not {text}"
                )),
            },
        }
    }
}

impl From<Engine> for String {
    fn from(engine: Engine) -> String {
        match engine {
            Engine::Memory => "memory".to_owned(),
            Engine::Disk => "disk".to_owned(),
            Engine::Memcached(address) => format!("{MEMCACHED}{address}"),
        }
    }
}

const MEMCACHED: &str = "memcached://";

/// What kind of value a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Number,
    List,
    /// `true` or `false`.
    Switch,
}

/// Every key of [`Values`].
pub(super) const KEYS: [(&str, Form); 38] = [
    ("address", Form::Text),
    ("name", Form::Text),
    ("network", Form::Text),
    ("incarnation", Form::Number),
    ("ring", Form::List),
    ("again", Form::List),
    ("join", Form::List),
    ("membership", Form::Text),
    ("members", Form::List),
    ("consul", Form::Text),
    ("service", Form::Text),
    ("placement", Form::Text),
    ("partitions", Form::Number),
    ("positions", Form::Number),
    ("hash", Form::Text),
    ("label", Form::Text),
    ("weight", Form::Number),
    ("socket_address", Form::Text),
    ("view", Form::List),
    ("shard_count", Form::Number),
    ("causal_wait_ms", Form::Number),
    ("ownership", Form::Text),
    ("routing", Form::Text),
    ("successors", Form::Number),
    ("replicas", Form::Number),
    ("zone", Form::Text),
    ("fetch_rate", Form::Number),
    ("stabilize_ms", Form::Number),
    ("fingers_ms", Form::Number),
    ("predecessor_ms", Form::Number),
    ("self_check_ms", Form::Number),
    ("store", Form::Text),
    ("data", Form::Text),
    ("memcached_port", Form::Number),
    ("zeromq", Form::List),
    ("workers", Form::Number),
    ("trace", Form::Text),
    ("fault_injection", Form::Switch),
];

impl Draft {
    pub(super) fn load(args: &Args) -> Result<Draft, Error> {
        let mut sources = Figment::from(Serialized::defaults(Values::default()));
        if let Some(file) = file(args)? {
            sources = sources.merge(Toml::file_exact(file));
        }
        let mut flags = Serialized::defaults(args);
        flags.key = None;
        let told = |is_causal| {
            let sources = sources.clone().merge(Environment { is_causal });
            sources.merge(Flags(flags.clone()))
        };
        // The address of a causal store's node may stand anywhere; what belongs to it then has its usual names.
        let is_causal = told(false).find_value("socket_address").is_ok_and(|value| {
            let text = value.as_str();
            text.is_some_and(|text| !text.is_empty())
        });
        let sources = told(is_causal);
        let values = sources.extract().map_err(|error| form(error, &sources))?;
        Ok(Draft { values, sources })
    }

    /// The error for a value that makes no sense.
    pub(super) fn refuse(
        &self,
        key: &'static str,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Error {
        Error::Value {
            key,
            value: value.to_string(),
            reason: reason.into(),
            source_name: source_name(self.sources.find_metadata(key), key),
        }
    }
}

/// The flags as a source with a name.
struct Flags<T>(Serialized<T>);

impl<T: Serialize> figment::Provider for Flags<T> {
    fn metadata(&self) -> Metadata {
        Metadata::named(FLAGS)
    }

    fn data(
        &self,
    ) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        self.0.data()
    }
}

/// The file to read, if there is one. Errors: one that is asked for is not there.
fn file(args: &Args) -> Result<Option<PathBuf>, Error> {
    let asked = match (&args.config, env::var_os("DHT_CONFIG")) {
        (Some(file), _) => Some((file.clone(), FLAGS)),
        (None, Some(file)) => Some((file.into(), "DHT_CONFIG")),
        (None, None) => None,
    };
    match asked {
        None => Ok(Some(Path::new("node.toml").to_owned()).filter(|file| file.exists())),
        Some((file, _)) if file.is_file() => Ok(Some(file)),
        Some((file, source)) => Err(Error::Value {
            key: "config",
            value: file.display().to_string(),
            reason: "there is no such file".to_owned(),
            source_name: source.to_owned(),
        }),
    }
}

/// All that is wrong with the form of the values, and where.
fn form(error: figment::Error, sources: &Figment) -> Error {
    let lines = error.into_iter().map(|error| {
        let unknown = match &error.kind {
            Kind::UnknownField(key, _) => Some(key.clone()),
            _ => None,
        };
        let key = unknown.unwrap_or_else(|| error.path.join("."));
        let metadata = error
            .metadata
            .as_ref()
            .or_else(|| sources.find_metadata(&key));
        let (what, source) = (what(&error.kind), source_name(metadata, &key));
        match key.as_str() {
            "" => format!("{what} (from {source})"),
            key => format!("{key}: {what} (from {source})"),
        }
    });
    Error::Form(lines.collect::<Vec<_>>().join("; "))
}

/// What is wrong, without the words of Rust.
fn what(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(found, expected) if INTEGERS.contains(&expected.as_str()) => {
            format!("found {found}, expected a whole number")
        }
        Kind::InvalidValue(found, expected) if INTEGERS.contains(&expected.as_str()) => {
            format!("found {found}, expected a whole number that is not so large")
        }
        other => other.to_string(),
    }
}

fn source_name(metadata: Option<&Metadata>, key: &str) -> String {
    let Some(metadata) = metadata else {
        return "the configuration".to_owned();
    };
    match &metadata.source {
        Some(figment::Source::File(file)) => file.display().to_string(),
        // What came from there and has no variable of its own came by the bare one.
        _ if metadata.name == "the environment" => name_of_set(key, true),
        _ if metadata.name == FLAGS => FLAGS.to_owned(),
        _ => "the defaults".to_owned(),
    }
}

const INTEGERS: [&str; 5] = ["u8", "u16", "u32", "u64", "usize"];

const FLAGS: &str = "the command line";
