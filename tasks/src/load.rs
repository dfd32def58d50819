//! Load: many values stored or looked up at once.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use dht::id::Id;
use dht::message::Routing;
use dht_state::Process;
use futures::stream::{self, StreamExt as _};
use indicatif::ProgressBar;
use serde::Deserialize;

use crate::client::{Call, Client, segment};
use crate::nodeinfo::Peer;
use crate::settings::routing_name;

/// What came of storing many values.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// How many were stored, by the identifier and address of the node.
    pub(crate) per_node: BTreeMap<Id, (Peer, u64)>,
    /// How many were not.
    pub(crate) failed: u64,
    /// Why the first of those was not.
    pub(crate) failure: Option<anyhow::Error>,
}

impl Stored {
    /// How many were stored.
    pub(crate) fn count(&self) -> u64 {
        self.per_node.values().map(|(_, count)| count).sum()
    }
}

/// Makes these calls, each of which stores something, many at once, spread over the members.
pub(crate) async fn store_all(
    client: &Client,
    members: &[Process],
    calls: impl Iterator<Item = Call>,
    progress: &ProgressBar,
) -> Stored {
    let mut stored = Stored::default();
    let each = calls.map(|call| store(client, members, call));
    let mut storing = stream::iter(each).buffer_unordered(AT_ONCE);
    while let Some(outcome) = storing.next().await {
        progress.inc(1);
        match outcome {
            Ok(node) => {
                let per_node = stored.per_node.entry(node.id);
                per_node.or_insert((node, 0)).1 += 1;
            }
            Err(error) => {
                stored.failed += 1;
                stored.failure.get_or_insert(error);
            }
        }
    }
    stored
}

/// What came of looking up many values.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// How many were found.
    pub(crate) found: usize,
    /// Nodes asked after the first, in all.
    pub(crate) hops: u64,
}

impl Found {
    /// Nodes asked after the first, the owner included, per value.
    pub(crate) fn mean_hops(&self) -> f64 {
        self.hops as f64 / self.found.max(1) as f64
    }
}

/// Looks all values up, each at a random member.
pub(crate) async fn look_up_all(
    client: &Client,
    members: &[Process],
    values: &[String],
    routing: Routing,
) -> Result<Found> {
    let each = values
        .iter()
        .map(|value| look_up(client, members, value, routing));
    let mut looking = stream::iter(each).buffer_unordered(AT_ONCE);
    let mut all = Found::default();
    while let Some(hops) = looking.next().await {
        if let Some(hops) = hops? {
            all.found += 1;
            all.hops += hops;
        }
    }
    Ok(all)
}

async fn store(client: &Client, members: &[Process], call: Call) -> Result<Peer> {
    #[derive(Deserialize)]
    struct Stored {
        node: Peer,
    }
    let (answer, _) = client.ask_any(members, &call).await?;
    let Stored { node } = answer.accepted()?.read()?;
    Ok(node)
}

async fn look_up(
    client: &Client,
    members: &[Process],
    value: &str,
    routing: Routing,
) -> Result<Option<u64>> {
    #[derive(Deserialize)]
    struct Found {
        hops: u64,
    }
    let (answer, _) = client
        .ask_any(members, &look_up_call(value.as_bytes(), routing))
        .await?;
    if answer.is_missing() {
        return Ok(None);
    }
    let Found { hops } = answer
        .accepted()
        .and_then(|answer| answer.read())
        .with_context(|| format!("cannot look up `{value}`"))?;
    Ok(Some(hops))
}

/// The question for a value stored under its own identifier.
pub(crate) fn look_up_call(value: &[u8], routing: Routing) -> Call {
    let (value, routing) = (segment(value), routing_name(routing));
    Call::get(format!("/lookup/{value}?routing={routing}"))
}

const AT_ONCE: usize = 32;
