//! Settings: what every node of a network is started with, kept in `network.json` so that nodes
//! that come later get the same.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as _, FromArgMatches as _};
use dht::Id;
use dht::message::Routing;
use dht::ownership::Ownership;
use dht::placement::{Hash, Scheme};
use node::config::{Membership, Placement};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What every node of a network is started with.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[command(next_help_heading = "Settings of every node")]
pub(crate) struct Settings {
    /// Which neighbour of a key owns it: the first node at or after it (the Chord paper), or the
    /// last one at or before it (the lab)
    #[arg(
        long,
        env = "DHT_OWNERSHIP",
        value_name = "RULE",
        default_value = "successor",
        value_parser = PossibleValuesParser::new(["successor", "predecessor"]).map(ownership),
        hide_env = true
    )]
    pub(crate) ownership: Ownership,

    /// How lookups go unless they say otherwise: by fingers, or successor by successor
    #[arg(
        long,
        env = "DHT_ROUTING",
        default_value = "finger",
        value_parser = routing_parser(),
        hide_env = true
    )]
    pub(crate) routing: Routing,

    /// Who says which members there are: the ring that keeps itself (chord), a list that `tasks` keeps in
    /// step (static), or Consul
    #[arg(
        long,
        env = "DHT_MEMBERSHIP",
        value_name = "SOURCE",
        default_value = "chord",
        value_parser = PossibleValuesParser::new(["chord", "static", "consul"]).map(named::<Membership>),
        hide_env = true
    )]
    #[serde(default)]
    pub(crate) membership: Membership,

    /// How keys are placed on listed members [default: ring]
    #[arg(
        long,
        env = "DHT_PLACEMENT",
        value_name = "SCHEME",
        value_parser = PossibleValuesParser::new(["ring", "partitions", "rendezvous", "jump"])
            .map(named::<Placement>),
        hide_env = true
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) placement: Option<Placement>,

    /// How many partitions there are, with `--placement partitions` [default: 200]
    #[arg(long, env = "DHT_PARTITIONS", value_name = "N", hide_env = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partitions: Option<u16>,

    /// How many positions each member has, with `--placement ring` of listed members [default: 128]
    #[arg(long, env = "DHT_POSITIONS", value_name = "N", hide_env = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) positions: Option<u16>,

    /// What gives places on the ring to listed members and keys, with `--placement ring`: sha1, or murmur3 as
    /// usual among clients of memcached [default: sha1]
    #[arg(
        long,
        env = "DHT_HASH",
        value_name = "HASH",
        value_parser = PossibleValuesParser::new(["sha1", "murmur3"]).map(named::<Hash>),
        hide_env = true
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<Hash>,

    /// Where Consul is, with `--membership consul` [default: CONSUL_HTTP_ADDR, or http://127.0.0.1:8500]
    #[arg(long, env = "DHT_CONSUL", value_name = "URL", hide_env = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) consul: Option<String>,

    /// Name of the nodes' service in Consul [default: dht]
    #[arg(long, env = "DHT_SERVICE", value_name = "NAME", hide_env = true)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,

    /// Length of a node's successor list: one less than this many neighbours may fail at once
    #[arg(
        long,
        env = "DHT_SUCCESSORS",
        value_name = "N",
        default_value_t = 4,
        value_parser = clap::value_parser!(u8).range(1..=32),
        hide_env = true
    )]
    pub(crate) successors: u8,

    /// Copies of each item, at most as many as successors. From 2 on groups of nodes keep the content, and
    /// what a majority of a group has survives that the others die; the lab's rule knows only one
    #[arg(
        long,
        env = "DHT_REPLICAS",
        value_name = "N",
        default_value = "3",
        default_value_if("ownership", "predecessor", "1"),
        value_parser = clap::value_parser!(u8).range(1..=7),
        hide_env = true
    )]
    #[serde(default = "one")]
    pub(crate) replicas: u8,

    /// Deal the nodes in turn to so many zones, named zone1 and so on: no zone keeps two copies of the same,
    /// as long as there are others (`node --zone` names real ones)
    #[arg(
        long,
        env = "DHT_ZONES",
        value_name = "N",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=1_000),
        hide_default_value = true,
        hide_env = true
    )]
    #[serde(default)]
    pub(crate) zones: u16,

    /// What keeps a node's content: memory, as long as it runs, or its data folder on disk
    #[arg(
        long,
        env = "DHT_STORE",
        value_enum,
        default_value_t = Store::Disk,
        hide_env = true
    )]
    #[serde(default)]
    pub(crate) store: Store,

    /// Kilobytes a second, at most, that a node fetches from other members of groups, or hands over where there
    /// is one copy, so that clients do not wait where nodes join, leave or come back [default: no limit]
    #[arg(
        long,
        env = "DHT_FETCH_RATE",
        value_name = "KB",
        value_parser = clap::value_parser!(u32).range(1..),
        hide_env = true
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fetch_rate: Option<u32>,

    /// Milliseconds between two checks of the successor
    #[arg(
        long,
        env = "DHT_STABILIZE_MS",
        value_name = "MS",
        default_value_t = 1_000,
        hide_env = true
    )]
    pub(crate) stabilize_ms: u32,

    /// Milliseconds between two finger updates
    #[arg(
        long,
        env = "DHT_FINGERS_MS",
        value_name = "MS",
        default_value_t = 3_000,
        hide_env = true
    )]
    pub(crate) fingers_ms: u32,

    /// Milliseconds between two checks of the predecessor
    #[arg(
        long,
        env = "DHT_PREDECESSOR_MS",
        value_name = "MS",
        default_value_t = 2_000,
        hide_env = true
    )]
    pub(crate) predecessor_ms: u32,

    /// Milliseconds between two lookups of a node's own place
    #[arg(
        long,
        env = "DHT_SELF_CHECK_MS",
        value_name = "MS",
        default_value_t = 30_000,
        hide_env = true
    )]
    pub(crate) self_check_ms: u32,

    /// Let each node write all that happens to it beside its log, for `tasks replay`
    #[arg(long)]
    #[serde(default)]
    pub(crate) trace: bool,

    /// Let clients of memcached in at each node, at a port that the system gives: `tasks nodeinfo` names it
    #[arg(long)]
    #[serde(default)]
    pub(crate) memcached: bool,

    /// Let each node take faults at /faults, for experiments such as `tasks prove --faults partition`: lets
    /// anyone who reaches a node cut it off
    #[arg(long)]
    #[serde(default)]
    pub(crate) fault_injection: bool,

    /// How it began, if it is a causal store.
    #[arg(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) causal: Option<Founding>,
}

/// How a causal store began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Founding {
    /// Addresses of its nodes.
    pub(crate) nodes: Vec<String>,
    /// Into how many shards it was divided; nothing where it was not.
    pub(crate) shards: Option<u32>,
}

/// What keeps the content of a node.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Store {
    #[default]
    Memory,
    Disk,
}

impl Settings {
    /// Those of a causal store, which has hardly any.
    pub(crate) fn causal(store: Store, founding: Founding) -> Settings {
        let command = Settings::augment_args(clap::Command::new("settings"));
        let usual = command.get_matches_from(["settings"]);
        let usual = Settings::from_arg_matches(&usual).expect("every setting has a default");
        Settings {
            store,
            causal: Some(founding),
            ..usual
        }
    }

    /// As flags of a node; where it writes its trace and its data is not for the whole network to say.
    pub(crate) fn flags(&self) -> Vec<String> {
        let ownership = match self.ownership {
            Ownership::Successor => "successor",
            Ownership::Predecessor => "predecessor",
        };
        let store = match self.store {
            Store::Memory => "memory",
            Store::Disk => "disk",
        };
        if self.causal.is_some() {
            return vec!["--store".to_owned(), store.to_owned()];
        }
        let listed = [
            (
                "--placement",
                self.placement.map(|placement| placement.to_string()),
            ),
            (
                "--partitions",
                self.partitions.map(|count| count.to_string()),
            ),
            ("--positions", self.positions.map(|count| count.to_string())),
            ("--hash", self.hash.map(|hash| hash_name(hash).to_owned())),
            ("--consul", self.consul.clone()),
            ("--service", self.service.clone()),
            ("--fetch-rate", self.fetch_rate.map(|rate| rate.to_string())),
            ("--memcached-port", self.memcached.then(|| "0".to_owned())),
        ];
        [
            ("--membership", self.membership.to_string()),
            ("--ownership", ownership.to_owned()),
            ("--routing", routing_name(self.routing).to_owned()),
            ("--successors", self.successors.to_string()),
            ("--replicas", self.replicas.to_string()),
            ("--store", store.to_owned()),
            ("--stabilize-ms", self.stabilize_ms.to_string()),
            ("--fingers-ms", self.fingers_ms.to_string()),
            ("--predecessor-ms", self.predecessor_ms.to_string()),
            ("--self-check-ms", self.self_check_ms.to_string()),
        ]
        .into_iter()
        .chain(
            listed
                .into_iter()
                .filter_map(|(flag, value)| Some((flag, value?))),
        )
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect()
    }

    /// Whether somebody lists the members, so that there is no ring that keeps itself.
    pub(crate) fn is_listed(&self) -> bool {
        self.membership != Membership::Chord
    }

    /// The identifier of a key of the key-value store.
    pub(crate) fn identify(&self, key: &[u8]) -> Id {
        match self.placement {
            // A number is its own identifier there, however many partitions there are.
            Some(Placement::Partitions) => Scheme::Partitions { count: 1 }.identify(key),
            // It is the same for any number of positions, and that of a Chord ring but for murmur3.
            _ => {
                let (positions, hash) = (1, self.hash.unwrap_or_default());
                Scheme::Ring { positions, hash }.identify(key)
            }
        }
    }

    /// The zone of the node on a port, if there are zones: nodes get their ports in turn.
    pub(crate) fn zone(&self, port: u16) -> Option<String> {
        let place = port.checked_rem(self.zones)?;
        Some(format!("zone{}", place + 1))
    }

    /// How many neighbours may fail at the same moment in a ring of `members` for the ring to mend
    /// itself for certain. The protocol needs one member more than its lists are long.
    pub(crate) fn failures_survived(&self, members: usize) -> usize {
        let successors = usize::from(self.successors);
        let spare = members.saturating_sub(successors + 1);
        spare.min(successors - 1)
    }
}

impl Default for Settings {
    /// What the command line has where nothing is typed.
    fn default() -> Settings {
        let command = Settings::augment_args(clap::Command::new("settings"));
        let typed = command.get_matches_from(["settings"]);
        Settings::from_arg_matches(&typed).expect("all settings have defaults")
    }
}

/// As networks were kept that do not say so.
fn one() -> u8 {
    1
}

/// Reads `linear` or `finger`.
pub(crate) fn routing_parser() -> impl TypedValueParser<Value = Routing> {
    PossibleValuesParser::new(["finger", "linear"]).map(|name| match name.as_str() {
        "linear" => Routing::Linear,
        _ => Routing::Finger,
    })
}

/// What the node calls this routing.
pub(crate) fn routing_name(routing: Routing) -> &'static str {
    match routing {
        Routing::Linear => "linear",
        Routing::Finger => "finger",
    }
}

/// What the node calls this hash.
fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "sha1",
        Hash::Murmur3 => "murmur3",
    }
}

/// What has this name where it is kept, too.
fn named<T: DeserializeOwned>(name: String) -> T {
    serde_json::from_value(Value::String(name)).expect("one of the possible values")
}

fn ownership(name: String) -> Ownership {
    match name.as_str() {
        "predecessor" => Ownership::Predecessor,
        _ => Ownership::Successor,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The defaults of the command line.
    pub(crate) fn settings() -> Settings {
        Settings {
            ownership: Ownership::Successor,
            routing: Routing::Finger,
            membership: Membership::Chord,
            placement: None,
            partitions: None,
            positions: None,
            hash: None,
            consul: None,
            service: None,
            successors: 4,
            replicas: 1,
            zones: 0,
            fetch_rate: None,
            store: Store::Memory,
            stabilize_ms: 1_000,
            fingers_ms: 3_000,
            predecessor_ms: 2_000,
            self_check_ms: 30_000,
            trace: false,
            memcached: false,
            fault_injection: false,
            causal: None,
        }
    }

    #[test]
    fn small_rings_guarantee_nothing() {
        for members in 0..=5 {
            assert_eq!(settings().failures_survived(members), 0, "{members}");
        }
    }

    #[test]
    fn larger_rings_survive_as_many_as_lists_and_members_allow() {
        let survived = |members| settings().failures_survived(members);
        assert_eq!([6, 7, 8, 9, 100].map(survived), [1, 2, 3, 3, 3]);
    }

    #[test]
    fn a_list_of_one_survives_nothing() {
        let mut settings = settings();
        settings.successors = 1;
        assert_eq!(settings.failures_survived(100), 0);
    }

    #[test]
    fn how_fast_nodes_fetch_is_kept_and_told_to_each() {
        let command = Settings::augment_args(clap::Command::new("settings"));
        let typed = command.get_matches_from(["settings", "--fetch-rate", "700"]);
        let typed = Settings::from_arg_matches(&typed).expect("it is a setting");
        let kept = serde_json::to_string(&typed).expect("plain data");
        let found: Settings = serde_json::from_str(&kept).expect("as it was kept");
        let flags = found.flags().join(" ");
        assert!(flags.contains("--fetch-rate 700"), "{flags}");
        // Networks that were kept before it was known have no limit.
        let kept = serde_json::to_string(&settings()).expect("plain data");
        assert!(!kept.contains("fetch_rate"), "{kept}");
    }

    #[test]
    fn names_in_json_are_those_of_the_flags() {
        let json = serde_json::to_value(settings()).expect("plain data");
        assert_eq!(json["ownership"], "successor");
        assert_eq!(json["routing"], "finger");
        for flag in settings().flags().iter().step_by(2) {
            let field = flag.trim_start_matches('-').replace('-', "_");
            assert!(json.get(&field).is_some(), "{flag}");
        }
    }
}
