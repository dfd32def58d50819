//! Causal: what a node of a causal store is told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::draft::{Draft, Engine};
use crate::config::{Error, Membership, resolve};

/// How a node belongs to a causal store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Causal {
    /// All nodes, itself included.
    pub view: BTreeSet<SocketAddr>,
    /// How many shards they begin with; nothing where the store is not divided, and of a node that comes later.
    pub shards: Option<u32>,
    /// How long a request waits for what its client has seen, before it is told to come again.
    pub wait: Duration,
}

/// What the values about a causal store mean together; nothing where the node is no part of one.
pub(super) fn causal(draft: &Draft, me: SocketAddr) -> Result<Option<Causal>, Error> {
    let values = &draft.values;
    if values.socket_address.is_none() {
        return refuse_without(draft).map(|()| None);
    }
    refuse_others(draft)?;
    if let Engine::Memcached(_) = values.store {
        let reason = "memcached forgets when it likes to, and a replica must have all that it has shown: keep the \
                      content in memory or on disk";
        return Err(draft.refuse("store", String::from(values.store.clone()), reason));
    }
    let member = |text: &String| {
        let address = resolve(&with_port(text));
        address.map_err(|reason| draft.refuse("view", text, reason))
    };
    let view: BTreeSet<SocketAddr> = values.view.iter().map(member).collect::<Result<_, _>>()?;
    if !view.contains(&me) {
        let reason = format!("it names all nodes of the store, and this one, {me}, is one of them");
        return Err(draft.refuse("view", values.view.join(","), reason));
    }
    if let Some(shards) = values.shard_count {
        let nodes = view.len();
        if shards == 0 || nodes < shards as usize * MEMBERS_MIN {
            let reason = format!(
                "it must be at least 1, and {MEMBERS_MIN} nodes for each shard: the view has {nodes}"
            );
            return Err(draft.refuse("shard_count", shards, reason));
        }
    }
    Ok(Some(Causal {
        view,
        shards: values.shard_count,
        wait: Duration::from_millis(values.causal_wait_ms.unwrap_or(0).into()),
    }))
}

/// An address as the store's first clients write it: without a port it is the usual one.
pub(super) fn with_port(text: &str) -> String {
    match text.contains(':') {
        true => text.to_owned(),
        false => format!("{text}:{PORT}"),
    }
}

/// What makes sense only in a causal store.
fn refuse_without(draft: &Draft) -> Result<(), Error> {
    let values = &draft.values;
    let view = Some(values.view.join(",")).filter(|view| !view.is_empty());
    let given = [
        ("view", view),
        ("shard_count", values.shard_count.map(|n| n.to_string())),
        (
            "causal_wait_ms",
            values.causal_wait_ms.map(|n| n.to_string()),
        ),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            let reason = "it is for nodes of a causal store, which have a socket_address";
            return Err(draft.refuse(key, value, reason));
        }
    }
    Ok(())
}

/// What makes sense only elsewhere.
fn refuse_others(draft: &Draft) -> Result<(), Error> {
    let values = &draft.values;
    let text = |list: &Vec<String>| Some(list.join(",")).filter(|text| !text.is_empty());
    let given = [
        ("ring", text(&values.ring)),
        ("again", text(&values.again)),
        ("join", text(&values.join)),
        ("members", text(&values.members)),
        ("zone", values.zone.clone()),
        (
            "memcached_port",
            values.memcached_port.map(|port| port.to_string()),
        ),
        ("zeromq", text(&values.zeromq)),
        (
            "trace",
            values.trace.as_ref().map(|path| path.display().to_string()),
        ),
        ("fetch_rate", values.fetch_rate.map(|rate| rate.to_string())),
        (
            "replicas",
            Some(values.replicas)
                .filter(|n| *n != 1)
                .map(|n| n.to_string()),
        ),
        (
            "membership",
            Some(values.membership)
                .filter(|m| *m != Membership::Chord)
                .map(|m| m.to_string()),
        ),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            let reason = "a causal store has none of it: leave it out, or socket_address";
            return Err(draft.refuse(key, value, reason));
        }
    }
    Ok(())
}

/// The port of the store's first nodes.
const PORT: u16 = 8090;
/// So that each shard survives the loss of a node.
const MEMBERS_MIN: usize = dht::causal::layout::SHARD_MIN;
