//! Args: the flags of a node as they are typed. What they mean together is decided in `config`.

use std::path::PathBuf;

use dht::node::{REPLICAS_MAX, SUCCESSORS_MAX};
use serde::Serialize;

/// Flags of a node. Each can also stand in the environment or in `node.toml`.
///
/// Errors: clap refuses what can't be right by itself; [`crate::Config::load`] what doesn't fit.
#[derive(clap::Args, Clone, Debug, Default, Serialize)]
pub struct Args {
    /// Listen here, and be reached here by other nodes [env: DHT_ADDRESS] [default: 127.0.0.1:10001]
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,

    /// Name of the node; its identifier is the SHA-1 of it [env: DHT_NAME] [default: the address]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Name of the network; nodes of others are refused [env: DHT_NETWORK] [default: default]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,

    /// Which start of this node it is; it must be higher each time, for pointers to an earlier start
    /// count as dead [env: DHT_INCARNATION] [default: seconds since 1970; it listens when that second is
    /// over, so that no other start gets the same]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u32>,

    /// Start as a member of the ideal ring of these nodes, itself included; each is written as
    /// NAME@HOST:PORT#INCARNATION [env: DHT_RING]
    #[arg(
        long,
        value_name = "MEMBER,…",
        value_delimiter = ',',
        conflicts_with = "join"
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ring: Vec<String>,

    /// Start again as a member of the ring of these nodes, itself included, which was stopped as a whole:
    /// each with its data folder, and a higher incarnation than before [env: DHT_AGAIN]
    #[arg(
        long,
        value_name = "MEMBER,…",
        value_delimiter = ',',
        conflicts_with_all = ["ring", "join"]
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<String>,

    /// Join the ring of one of these members, the first that answers [env: DHT_JOIN]
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<String>,

    /// Who says which members there are: the ring that keeps itself (chord), `--members` (static), or a
    /// service in Consul (consul) [env: DHT_MEMBERSHIP] [default: chord]
    #[arg(long, value_name = "SOURCE", value_parser = ["chord", "static", "consul"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<String>,

    /// Where a node of a causal store is reached, which has this instead of an address; without a port it is 8090
    /// [env: DHT_SOCKET_ADDRESS or SOCKET_ADDRESS]
    #[arg(long, value_name = "IP[:PORT]")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_address: Option<String>,

    /// All nodes of the causal store, itself included [env: DHT_VIEW or VIEW]
    #[arg(long, value_name = "IP[:PORT],…", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub view: Vec<String>,

    /// How many shards the causal store begins with, at least two nodes each; none for a node that comes later
    /// [env: DHT_SHARD_COUNT or SHARD_COUNT] [default: not divided]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_count: Option<u32>,

    /// Milliseconds that a request to the causal store waits for what its client has seen elsewhere, before it is
    /// told to come again [env: DHT_CAUSAL_WAIT_MS] [default: 0]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(..=10_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causal_wait_ms: Option<u32>,

    /// The members of a new network with `--membership static`, itself included, the same list for all; from
    /// then on `/members` changes it. A node that is to be added names those that are there, and itself
    /// [env: DHT_MEMBERS]
    #[arg(long, value_name = "[NAME@]HOST:PORT,…", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,

    /// Where Consul is, with `--membership consul`; CONSUL_HTTP_TOKEN is sent to it if it is set
    /// [env: DHT_CONSUL] [default: CONSUL_HTTP_ADDR, or else http://127.0.0.1:8500]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consul: Option<String>,

    /// Name of the service in Consul whose instances are the members; the key `cluster_size` there says how
    /// many a new network waits for [env: DHT_SERVICE] [default: dht]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,

    /// How keys are placed on listed members, the same in the whole network: to the next of many positions on
    /// a ring, by partitions in a fixed number, to whoever draws highest (rendezvous), or by jumps to numbered
    /// members, of which only the last can go [env: DHT_PLACEMENT] [default: ring]
    #[arg(long, value_name = "SCHEME", value_parser = ["ring", "partitions", "rendezvous", "jump"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<String>,

    /// How many partitions there are, with `--placement partitions`; a multiple of the largest number of
    /// members deals them evenly [env: DHT_PARTITIONS] [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u16>,

    /// How many positions each listed member has on the ring; more even out the shares and cost memory
    /// [env: DHT_POSITIONS] [default: 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positions: Option<u16>,

    /// What gives places on the ring to listed members and keys, the same in the whole network: sha1 of
    /// identifiers, or murmur3 as usual among clients of memcached, of labels and keys [env: DHT_HASH]
    /// [default: sha1]
    #[arg(long, value_parser = ["sha1", "murmur3"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,

    /// What murmur3 hashes for this member, with a number behind it [env: DHT_LABEL] [default: its memcached
    /// server as `('HOST', PORT)`, or its name]
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,

    /// How much this listed member should hold compared to others, with `--placement ring` or rendezvous
    /// [env: DHT_WEIGHT] [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,

    /// Which neighbour of a key owns it, the same in the whole network: the first node at or after it
    /// (successor), or the last one at or before it (predecessor) [env: DHT_OWNERSHIP] [default:
    /// successor]
    #[arg(long, value_name = "RULE", value_parser = ["successor", "predecessor"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<String>,

    /// How lookups go unless they say otherwise: by fingers, or from successor to successor (linear)
    /// [env: DHT_ROUTING] [default: finger]
    #[arg(long, value_parser = ["finger", "linear"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<String>,

    /// Length of the successor list; with at least N + 1 members the ring survives that N - 1
    /// neighbours fail at once. 4 is ample for a lab, 16 for thousands of nodes that come and go
    /// [env: DHT_SUCCESSORS] [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(SUCCESSORS_MAX)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successors: Option<u8>,

    /// Copies of each item. From 2 on an item is kept by a group of that many nodes, and a write is
    /// acknowledged when a majority has it: 3 survive that one dies, 5 that two do. At most the length of
    /// the successor list [env: DHT_REPLICAS] [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(REPLICAS_MAX)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u8>,

    /// Where it runs: a rack, a building. Of two nodes in one zone only one keeps copies of the same, as long
    /// as there are other zones; all nodes of a network should say theirs [env: DHT_ZONE] [default: none]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,

    /// Kilobytes a second, at most, that it fetches from other members of groups, or hands over where there is
    /// one copy, so that clients do not wait where nodes join, leave or come back [env: DHT_FETCH_RATE] [default: no limit]
    #[arg(long, value_name = "KB", value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch_rate: Option<u32>,

    /// Milliseconds between two comparisons of notes with the successor. Less finds failures sooner,
    /// more saves work: each costs a small request [env: DHT_STABILIZE_MS] [default: 1000]
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stabilize_ms: Option<u64>,

    /// Milliseconds between two refreshes of a finger [env: DHT_FINGERS_MS] [default: 3000]
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingers_ms: Option<u64>,

    /// Milliseconds between two checks of the predecessor [env: DHT_PREDECESSOR_MS] [default: 2000]
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predecessor_ms: Option<u64>,

    /// Milliseconds between two lookups of the node's own identifier, by which it notices that the
    /// ring has dropped it [env: DHT_SELF_CHECK_MS] [default: 30000]
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_check_ms: Option<u64>,

    /// What keeps the content: memory, as long as the node runs; disk; or a memcached server, as long as that
    /// keeps it, which promises nothing: it evicts values when it is full, and all are gone when it or the node
    /// ends. Several nodes may share one [env: DHT_STORE] [default: memory]
    #[arg(long, value_name = "memory|disk|memcached://HOST:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,

    /// Folder for what is kept on disk; one node at a time can have it [env: DHT_DATA] [default: nowhere]
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,

    /// Let clients of memcached in at this port, on the same host; 0: one that the system gives, to be seen in
    /// the log and at `/nodeinfo` [env: DHT_MEMCACHED_PORT] [default: none]
    #[arg(long, value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memcached_port: Option<u16>,

    /// Let clients of ZeroMQ in: they connect here, or the node connects to one that listens itself (the word
    /// `connect:`). Port 0 is one that the system gives, to be seen in the log and at `/nodeinfo`; may be given
    /// more than once [env: DHT_ZEROMQ] [default: none]
    #[arg(
        long,
        value_name = "bind:tcp://HOST:PORT|connect:tcp://HOST:PORT",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zeromq: Vec<String>,

    /// Threads. One serves some 50,000 small requests a second [env: DHT_WORKERS] [default: 1]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,

    /// Write each event of the node, and what it did about it, to the end of this file, a line of JSON
    /// each, values included: `tasks replay FILE` lets the node live again by it [env: DHT_TRACE]
    /// [default: nowhere]
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,

    /// Take faults at `/faults`, for experiments: lets anyone who reaches the node cut it off
    /// [env: DHT_FAULT_INJECTION] [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_injection: Option<bool>,

    /// Configuration file, with the names of the flags (`stabilize_ms = 1000`) [env: DHT_CONFIG]
    /// [default: node.toml if it exists]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}
