//! Config: all that a node is told at its start, in types that cannot hold nonsense.
//!
//! Defaults < `node.toml` < `DHT_*` in the environment < flags. `draft` holds the values as they are
//! written, this file what they mean together. An error names the place where the value stands.

mod causal;
mod draft;
mod endpoint;
mod environment;
mod listed;
mod member;

use std::borrow::Cow;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dht::Id;
use dht::message::Routing;
use dht::node::{REPLICAS_MAX, SUCCESSORS_MAX};
use dht::ownership::Ownership;

pub use self::causal::Causal;
pub use self::endpoint::{Endpoint, NotAnEndpoint, Side};
pub use self::listed::{
    Listed, Listing, Membership, Placement, Source, placement_name, scheme_flags,
};
pub use self::member::{Member, NotAMember};
use crate::Peer;
use crate::args::Args;
use crate::config::draft::{Draft, Engine};

/// What a node is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// Its position, where it is reached, and which start it is.
    pub me: Peer,
    /// Its network.
    pub network: String,
    /// How it gets into a ring.
    pub entry: Entry,
    /// Which neighbour of a key owns it.
    pub ownership: Ownership,
    /// How lookups go unless they say otherwise.
    pub routing: Routing,
    /// Length of the successor list, 1 to [`SUCCESSORS_MAX`].
    pub successors: u8,
    /// Members of the groups that keep content; 1 where there are none.
    pub replicas: u8,
    /// Where it runs, if that matters to where copies go.
    pub zone: Option<String>,
    /// Kilobytes a second that it fetches from other members at most; nothing where there is no limit.
    pub fetch_rate: Option<u32>,
    /// How often the ring is looked after.
    pub intervals: Intervals,
    /// Where it keeps its content.
    pub storage: Storage,
    /// Where clients of memcached are let in, if they are; port 0 is one that the system gives.
    pub memcached: Option<SocketAddr>,
    /// Ways in for clients of ZeroMQ.
    pub zeromq: Vec<Endpoint>,
    /// Threads.
    pub workers: NonZeroUsize,
    /// Where all that happens to it is written down, if anywhere.
    pub trace: Option<PathBuf>,
    /// Whether it takes faults, for experiments: anyone who reaches the node can cut it off then.
    pub fault_injection: bool,
}

/// How a node gets into a ring.
#[derive(Clone, Debug)]
pub enum Entry {
    /// As a member of an ideal ring of these, itself included.
    Ring(Vec<Peer>),
    /// As a member of an ideal ring of these, itself included, which was there before and was stopped as a
    /// whole: what the stores know of it counts.
    Again(Vec<Peer>),
    /// Through the first of these members that answers: host and port.
    Join(Vec<String>),
    /// Not at all: somebody lists who is a member.
    Listed(Listed),
    /// As a node of a causal store.
    Causal(Causal),
}

/// Where a node keeps its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory, as long as it runs.
    Memory,
    /// On disk, in this folder.
    Disk(PathBuf),
    /// In the memcached server at this host and port, as long as that keeps it.
    Memcached(String),
}

/// How often the ring is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Between two comparisons of notes with the successor.
    pub stabilize: Duration,
    /// Between two refreshes of a finger.
    pub fingers: Duration,
    /// Between two checks of the predecessor.
    pub predecessor: Duration,
    /// Between two lookups of the own identifier.
    pub self_check: Duration,
}

/// Why a node can't be configured so. Nothing has been started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value has the wrong form, or a name is unknown; the text names the source.
    #[error("{0}")]
    Form(String),
    /// A value has the right form but makes no sense.
    #[error("{key} = {value}: {reason} (from {source_name})")]
    Value {
        /// Its name.
        key: &'static str,
        /// As it is written.
        value: String,
        /// What is wrong with it.
        reason: String,
        /// Where it stands.
        source_name: String,
    },
    /// None of `ring`, `again` and `join` is there, or more than one.
    #[error("{0}")]
    Entry(&'static str),
}

impl Config {
    /// Puts the flags, the environment and the file together.
    pub fn load(args: &Args) -> Result<Config, Error> {
        let draft = Draft::load(args)?;
        let network = network(&draft)?;
        let (host, address) = address(&draft)?;
        let name = name(&draft, &host)?;
        let (me, entry) = place(&draft, &name, address)?;
        if !(1..=SUCCESSORS_MAX).contains(&draft.values.successors) {
            let reason = format!("it must be 1 to {SUCCESSORS_MAX}");
            return Err(draft.refuse("successors", draft.values.successors, reason));
        }
        check_replicas(&draft)?;
        Ok(Config {
            me,
            network,
            entry,
            ownership: draft.values.ownership,
            routing: draft.values.routing,
            successors: draft.values.successors,
            replicas: draft.values.replicas,
            zone: zone(&draft)?,
            fetch_rate: fetch_rate(&draft)?,
            intervals: intervals(&draft)?,
            storage: storage(&draft)?,
            memcached: memcached(&draft, address)?,
            zeromq: zeromq(&draft)?,
            workers: workers(&draft)?,
            trace: draft.values.trace,
            fault_injection: draft.values.fault_injection,
            name,
        })
    }
}

fn check_replicas(draft: &Draft) -> Result<(), Error> {
    let (replicas, successors) = (draft.values.replicas, draft.values.successors);
    let reason = if !(1..=REPLICAS_MAX).contains(&replicas) {
        format!("it must be 1 to {REPLICAS_MAX}")
    } else if replicas > 1 && draft.values.ownership == Ownership::Predecessor {
        "copies lie on successors, so with ownership = predecessor only 1 is possible".to_owned()
    } else if replicas > successors && draft.values.membership == Membership::Chord && replicas > 1
    {
        format!(
            "a node knows only {successors} successors to keep copies: set successors to it, too"
        )
    } else {
        return Ok(());
    };
    Err(draft.refuse("replicas", replicas, reason))
}

fn zone(draft: &Draft) -> Result<Option<String>, Error> {
    let Some(zone) = &draft.values.zone else {
        return Ok(None);
    };
    let reason =
        if !(1..=NAME_BYTES_MAX).contains(&zone.len()) || zone.chars().any(char::is_control) {
            format!("it must be 1 to {NAME_BYTES_MAX} bytes without control characters")
        } else if draft.values.replicas == 1 {
            "one copy is in one zone in any case: set replicas, too".to_owned()
        } else {
            return Ok(Some(zone.clone()));
        };
    Err(draft.refuse("zone", zone, reason))
}

fn fetch_rate(draft: &Draft) -> Result<Option<u32>, Error> {
    let rate = draft.values.fetch_rate;
    if rate == Some(0) {
        let reason = "with nothing it would never have a copy".to_owned();
        return Err(draft.refuse("fetch_rate", 0, reason));
    }
    Ok(rate)
}

fn network(draft: &Draft) -> Result<String, Error> {
    let network = &draft.values.network;
    // It travels as a header.
    if !(1..=NAME_BYTES_MAX).contains(&network.len())
        || !network.bytes().all(|b| b.is_ascii_graphic())
    {
        let reason = format!("it must be 1 to {NAME_BYTES_MAX} visible ASCII characters");
        return Err(draft.refuse("network", network, reason));
    }
    Ok(network.clone())
}

/// Where the node is reached: as it is written, and as it is.
fn address(draft: &Draft) -> Result<(Cow<'_, str>, SocketAddr), Error> {
    let (key, text) = match &draft.values.socket_address {
        Some(text) => ("socket_address", Cow::from(causal::with_port(text))),
        None => ("address", Cow::from(&draft.values.address)),
    };
    let refuse = |reason: String| draft.refuse(key, &text, reason);
    let address = resolve(&text).map_err(refuse)?;
    if address.ip().is_unspecified() {
        let reason = "other nodes can't reach it: name the address of one interface";
        return Err(refuse(reason.to_owned()));
    }
    Ok((text, address))
}

fn name(draft: &Draft, address: &str) -> Result<String, Error> {
    let name = draft.values.name.as_deref().unwrap_or(address);
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || name.chars().any(char::is_control) {
        let reason = format!("it must be 1 to {NAME_BYTES_MAX} bytes without control characters");
        return Err(draft.refuse("name", name, reason));
    }
    Ok(name.to_owned())
}

/// Where the node stands, and how it gets there.
fn place(draft: &Draft, name: &str, address: SocketAddr) -> Result<(Peer, Entry), Error> {
    let values = &draft.values;
    let me = || Peer {
        id: Id::of(name.as_bytes()),
        address,
        incarnation: values.incarnation.unwrap_or_else(seconds_since_1970),
    };
    if let Some(causal) = causal::causal(draft, address)? {
        return Ok((me(), Entry::Causal(causal)));
    }
    if let Some(listed) = listed::listed(draft, name, address)? {
        return Ok((me(), Entry::Listed(listed)));
    }
    match (&values.ring[..], &values.again[..], &values.join[..]) {
        ([], [], []) => Err(Error::Entry(
            "a node needs a ring: `--join` one of its members, or start a new one by `--ring`",
        )),
        ([], [], _) => Ok((me(), Entry::Join(hosts(draft)?))),
        (members, [], []) => {
            let (me, ring) = ring(draft, "ring", members, name, address)?;
            Ok((me, Entry::Ring(ring)))
        }
        ([], members, []) => {
            let (me, ring) = ring(draft, "again", members, name, address)?;
            Ok((me, Entry::Again(ring)))
        }
        _ => Err(Error::Entry(
            "`ring`, `again` and `join` exclude each other, wherever they stand",
        )),
    }
}

/// The members of a ring that stand under `key`, and this node among them.
fn ring(
    draft: &Draft,
    key: &'static str,
    members: &[String],
    name: &str,
    address: SocketAddr,
) -> Result<(Peer, Vec<Peer>), Error> {
    let refuse = |text: &str, reason: String| draft.refuse(key, text, reason);
    let mut ring: Vec<Peer> = Vec::new();
    for text in members {
        let member: Member = text
            .parse()
            .map_err(|error: NotAMember| refuse(text, error.to_string()))?;
        let address = resolve(&member.address).map_err(|reason| refuse(text, reason))?;
        let peer = Peer {
            id: Id::of(member.name.as_bytes()),
            address,
            incarnation: member.incarnation,
        };
        if ring
            .iter()
            .any(|other| other.id == peer.id || other.address == peer.address)
        {
            return Err(refuse(
                text,
                "its name or address is there twice".to_owned(),
            ));
        }
        ring.push(peer);
    }
    let refuse = |reason| draft.refuse(key, members.join(","), reason);
    let id = Id::of(name.as_bytes());
    let Some(me) = ring.iter().find(|member| member.id == id) else {
        return Err(refuse(format!("this node, `{name}`, is not among them")));
    };
    let incarnation = draft.values.incarnation.unwrap_or(me.incarnation);
    if (me.address, me.incarnation) != (address, incarnation) {
        let reason = format!("`{name}` stands there with another address or incarnation");
        return Err(refuse(reason));
    }
    Ok((*me, ring))
}

fn hosts(draft: &Draft) -> Result<Vec<String>, Error> {
    for text in &draft.values.join {
        let port = text
            .rsplit_once(':')
            .map(|(host, port)| (host, port.parse::<u16>()));
        if !matches!(port, Some((host, Ok(1..))) if !host.is_empty() && !host.contains(['/', '@']))
        {
            return Err(draft.refuse("join", text, "it must be HOST:PORT"));
        }
    }
    Ok(draft.values.join.clone())
}

fn intervals(draft: &Draft) -> Result<Intervals, Error> {
    let values = &draft.values;
    let interval = |key, ms: u64| {
        if !(INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&ms) {
            let reason = format!("it must be {INTERVAL_MS_MIN} to {INTERVAL_MS_MAX} milliseconds");
            return Err(draft.refuse(key, ms, reason));
        }
        Ok(Duration::from_millis(ms))
    };
    Ok(Intervals {
        stabilize: interval("stabilize_ms", values.stabilize_ms)?,
        fingers: interval("fingers_ms", values.fingers_ms)?,
        predecessor: interval("predecessor_ms", values.predecessor_ms)?,
        self_check: interval("self_check_ms", values.self_check_ms)?,
    })
}

fn storage(draft: &Draft) -> Result<Storage, Error> {
    match (&draft.values.store, &draft.values.data) {
        (Engine::Memory, _) => Ok(Storage::Memory),
        (Engine::Disk, Some(folder)) => Ok(Storage::Disk(folder.clone())),
        (Engine::Disk, None) => Err(draft.refuse("store", "disk", "it needs a folder: `data`")),
        (Engine::Memcached(server), _) => in_memcached(draft, server),
    }
}

fn in_memcached(draft: &Draft, server: &str) -> Result<Storage, Error> {
    let reason = match resolve(server) {
        Err(reason) => reason,
        Ok(_) if draft.values.replicas > 1 && draft.values.membership == Membership::Chord => {
            "memcached forgets when it likes to, and a member of a group must have all that was \
             acknowledged: set replicas to 1, or membership to static or consul, or keep the content in \
             memory or on disk"
                .to_owned()
        }
        Ok(_) => return Ok(Storage::Memcached(server.to_owned())),
    };
    Err(draft.refuse("store", String::from(draft.values.store.clone()), reason))
}

fn memcached(draft: &Draft, address: SocketAddr) -> Result<Option<SocketAddr>, Error> {
    let Some(port) = draft.values.memcached_port else {
        return Ok(None);
    };
    if port == address.port() {
        let reason = "it is the port of `address`, where HTTP is spoken".to_owned();
        return Err(draft.refuse("memcached_port", port, reason));
    }
    Ok(Some(SocketAddr::new(address.ip(), port)))
}

fn zeromq(draft: &Draft) -> Result<Vec<Endpoint>, Error> {
    let texts = &draft.values.zeromq;
    if texts.len() > ENDPOINTS_MAX {
        let reason = format!("these are more than {ENDPOINTS_MAX}");
        return Err(draft.refuse("zeromq", texts.join(","), reason));
    }
    let endpoint = |text: &String| {
        let endpoint = text.parse();
        endpoint.map_err(|error: NotAnEndpoint| draft.refuse("zeromq", text, error.to_string()))
    };
    texts.iter().map(endpoint).collect()
}

fn workers(draft: &Draft) -> Result<NonZeroUsize, Error> {
    let workers = draft.values.workers;
    NonZeroUsize::new(workers)
        .filter(|workers| workers.get() <= WORKERS_MAX)
        .ok_or_else(|| draft.refuse("workers", workers, format!("it must be 1 to {WORKERS_MAX}")))
}

/// The socket address of `HOST:PORT`. The error is the reason in words.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|error| match text.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => {
                format!("the host is unknown ({error})")
            }
            _ => "it must be HOST:PORT".to_owned(),
        })?;
    match addresses.next() {
        Some(address) if address.port() > 0 => Ok(address),
        Some(_) => Err("port 0 is no port that others could reach".to_owned()),
        None => Err("the host has no address".to_owned()),
    }
}

pub(crate) fn seconds_since_1970() -> u32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Enough until the year 2106.
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}

const NAME_BYTES_MAX: usize = 255;
/// More often than this a node would only talk to itself.
const INTERVAL_MS_MIN: u64 = 10;
/// A day: beyond it the ring would not mend itself at all.
const INTERVAL_MS_MAX: u64 = 86_400_000;
const WORKERS_MAX: usize = 256;
/// One for each interface or client that is known by its address; others come in at one.
const ENDPOINTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
