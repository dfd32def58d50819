//! `tasks zeromq`: a client of key-value servers over ZeroMQ, which spreads the keys over them itself.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use node::consul::{Consul, Instance};
use serde_json::{Value, json};

use crate::failure::{Failure, NOT_FOUND};
use crate::item::shown;
use crate::printer::Printer;
use crate::shards::{Item, Server, Sharding, Shards, Side};
use crate::table::counted;

/// Arguments of `zeromq`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    servers: Servers,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Put a value under a key
    Put {
        /// The key: a text
        key: String,
        /// The value: a text, up to 1 MiB
        value: String,
        /// Take VALUE as JSON: a number, a list, an object; it comes back as what it is
        #[arg(long)]
        as_json: bool,
    },
    /// Get the value under a key
    Get {
        /// The key: a text
        key: String,
    },
    /// Delete a key
    Del {
        /// The key: a text
        key: String,
    },
    /// Get all keys and values of all servers, and how many each of them has
    All,
}

/// Which servers there are, and which of them has a key.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Servers")]
struct Servers {
    /// Where they listen
    #[arg(
        long,
        global = true,
        value_name = "tcp://HOST:PORT,…",
        value_delimiter = ','
    )]
    servers: Vec<String>,

    /// Listen at these places instead, for the servers to come: nodes with `--zeromq connect:tcp://HOST:PORT`
    #[arg(long, global = true)]
    bind: bool,

    /// Ask Consul for the servers, where none are named
    #[arg(
        long,
        global = true,
        env = "CONSUL_HTTP_ADDR",
        value_name = "URL",
        hide_env_values = true
    )]
    consul: Option<String>,

    /// What they are called there
    #[arg(long, global = true, value_name = "NAME", default_value = "dht")]
    service: String,

    /// How the keys are spread over them
    #[arg(long, global = true, value_enum, default_value_t = Sharding::Ring)]
    sharding: Sharding,

    /// Milliseconds that a server may take to answer
    #[arg(
        long,
        global = true,
        value_name = "MS",
        default_value_t = 3_000,
        value_parser = clap::value_parser!(u64).range(1..=600_000)
    )]
    timeout_ms: u64,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let shards = args.servers.shards().await?;
    match args.verb {
        Verb::Put {
            key,
            value,
            as_json,
        } => put(&shards, &key, value, as_json, printer).await,
        Verb::Get { key } => get(&shards, &key, printer).await,
        Verb::Del { key } => del(&shards, &key, printer).await,
        Verb::All => all(&shards, printer).await,
    }
}

async fn put(
    shards: &Shards,
    key: &str,
    value: String,
    as_json: bool,
    printer: Printer,
) -> Result<ExitCode> {
    let value = match as_json {
        false => Value::from(value),
        true => serde_json::from_str(&value)
            .map_err(|error| Failure::Usage(format!("VALUE is no JSON: {error}")))?,
    };
    shards.put(key, &value).await?;
    let (name, server) = (shown(key.as_bytes()), &shards.server_of(key).label);
    printer.document(&json!({"key": key, "server": server, "status": "OK"}))?;
    printer.line(format_args!("put `{name}` at {server}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn get(shards: &Shards, key: &str, printer: Printer) -> Result<ExitCode> {
    let item = shards.get(key).await?;
    let server = &shards.server_of(key).label;
    let is_there = !item.value.is_null() || item.value_base64.is_some();
    if !is_there && !printer.is_json() {
        let name = shown(key.as_bytes());
        return Err(
            Failure::NotFound(format!("there is nothing under `{name}` at {server}")).into(),
        );
    }
    printer.line(text(&item))?;
    let mut document = serde_json::to_value(&item).context("an item is plain data")?;
    document["server"] = json!(server);
    printer.document(&document)?;
    Ok(match is_there {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_FOUND),
    })
}

async fn del(shards: &Shards, key: &str, printer: Printer) -> Result<ExitCode> {
    let server = shards.server_of(key);
    server.delete(key).await?;
    let (name, label) = (shown(key.as_bytes()), &server.label);
    printer.document(&json!({"key": key, "server": label, "status": "OK"}))?;
    printer.line(format_args!("nothing is under `{name}` at {label} now"))?;
    Ok(ExitCode::SUCCESS)
}

async fn all(shards: &Shards, printer: Printer) -> Result<ExitCode> {
    let held = shards.all().await?;
    let counts = held
        .iter()
        .map(|(server, items)| (&server.label, items.len()));
    let counts: BTreeMap<&String, usize> = counts.collect();
    let items = joined(shards, &held);
    printer.document(&json!({"collection": items, "servers": counts}))?;
    for item in &items {
        let key = item.key.as_ref().or(item.key_base64.as_ref());
        printer.line(format_args!(
            "{}\t{}",
            key.map_or("", |key| key),
            text(item)
        ))?;
    }
    if !printer.is_json() {
        let each = counts
            .iter()
            .map(|(label, count)| format!("{label} has {count}"));
        let (each, all) = (
            each.collect::<Vec<_>>().join(", "),
            counted(items.len(), "item"),
        );
        printer.note(format_args!("{all}: {each}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// One of each key, where several servers have copies: that of the server which `get` asks, if it has one.
fn joined<'h>(shards: &Shards, held: &'h [(&Arc<Server>, Vec<Item>)]) -> Vec<&'h Item> {
    let mut items = BTreeMap::new();
    for (server, each) in held {
        for item in each {
            let key = item.key.as_deref();
            let is_kept = key.is_some_and(|key| shards.server_of(key).label == server.label);
            let place = (key, &item.key_base64);
            if is_kept || !items.contains_key(&place) {
                items.insert(place, item);
            }
        }
    }
    items.into_values().collect()
}

/// A value for people, and for pipes: a text as it is, anything else as JSON.
fn text(item: &Item) -> String {
    match (&item.value, &item.value_base64) {
        (_, Some(base64)) => format!("base64:{base64}"),
        (Value::String(text), None) => text.clone(),
        (value, None) => value.to_string(),
    }
}

impl Servers {
    /// The servers that are named, or those that Consul knows.
    async fn shards(&self) -> Result<Shards> {
        let servers = match (&self.servers[..], &self.consul) {
            ([], None) => {
                let text = "which servers? Name them by --servers tcp://HOST:PORT,… or let Consul do so: --consul URL";
                return Err(Failure::Usage(text.to_owned()).into());
            }
            ([], Some(_)) if self.bind => {
                let text = "--bind needs --servers: Consul knows where servers listen";
                return Err(Failure::Usage(text.to_owned()).into());
            }
            ([], Some(url)) => self.registered(url).await?,
            (named, _) => named
                .iter()
                .map(|place| self.named(place))
                .collect::<Result<_>>()?,
        };
        Shards::new(servers, self.sharding)
    }

    fn named(&self, endpoint: &str) -> Result<Arc<Server>> {
        let place = endpoint.strip_prefix("tcp://");
        if place.and_then(|place| place.rsplit_once(':')).is_none() {
            let text = format!("`{endpoint}` is no server: it must be tcp://HOST:PORT");
            return Err(Failure::Usage(text).into());
        }
        let side = if self.bind { Side::Bind } else { Side::Connect };
        Ok(self.server(endpoint, endpoint, side))
    }

    /// Those that pass their checks, and have a door for us.
    async fn registered(&self, url: &str) -> Result<Vec<Arc<Server>>> {
        let consul = Consul::of_environment(Some(url));
        let consul = consul.map_err(|error| Failure::Usage(error.to_string()))?;
        let passing = consul.passing(&self.service, 0, Duration::ZERO).await?;
        let servers = passing.instances.iter().filter_map(|instance: &Instance| {
            let endpoint = instance.meta.get("zeromq")?;
            // As nodes know each other: then the keys lie where this client looks for them.
            let label = instance.meta.get("name").unwrap_or(&instance.id);
            Some(self.server(label, endpoint, Side::Connect))
        });
        let servers: Vec<_> = servers.collect();
        if servers.is_empty() {
            let (service, all) = (&self.service, passing.instances.len());
            let text = format!(
                "Consul knows {all} of the service `{service}` that pass their checks, and none of them has a \
                 door for ZeroMQ (`node --zeromq`)"
            );
            return Err(Failure::NoNetwork(text).into());
        }
        Ok(servers)
    }

    fn server(&self, label: &str, endpoint: &str, side: Side) -> Arc<Server> {
        let patience = Duration::from_millis(self.timeout_ms);
        Arc::new(Server::new(label, endpoint, side, patience))
    }
}
