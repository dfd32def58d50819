//! Homes: which servers keep which keys, as the ring says and as they are found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use dht::Id;
use dht::placement::{Hash, Scheme, Seat};
use serde::Deserialize;
use tokio::time::sleep;

use crate::client::{Call, Client};
use crate::commands::walkthrough::memcached::pair::Pair;

/// For each key the labels of the servers that keep it, the owner first.
pub(super) struct Homes(BTreeMap<String, Vec<String>>);

impl Homes {
    /// As the ring of these servers says.
    pub(super) fn expected(pairs: &[Pair], keys: impl Iterator<Item = String>) -> Homes {
        let seats = pairs.iter().map(|pair| Seat {
            label: &pair.label,
            ..Id::of(pair.name.as_bytes()).into()
        });
        let ring = SCHEME.place(&seats.collect::<Vec<Seat>>(), &[]);
        let home = |key: String| {
            let places = ring.replicas(SCHEME.identify(key.as_bytes()), COPIES);
            let labels = places.into_iter().map(|place| pairs[place].label.clone());
            (key, labels.collect())
        };
        Homes(keys.map(home).collect())
    }

    /// Number of keys that a server keeps.
    pub(super) fn kept(&self, server: &str) -> usize {
        let is_kept = |labels: &&Vec<String>| labels.iter().any(|label| label == server);
        self.0.values().filter(is_kept).count()
    }

    /// Number of keys that it owns.
    pub(super) fn owned(&self, server: &str) -> usize {
        let is_owned = |labels: &&Vec<String>| labels[0] == server;
        self.0.values().filter(is_owned).count()
    }

    /// Number of keys that move between this and the ring `without` a server. Errors: more than must.
    pub(super) fn moves_without(&self, without: &Homes, server: &str) -> Result<usize> {
        let mut moved = 0;
        for (key, with) in &self.0 {
            let without = &without.0[key];
            moved += usize::from(with != without);
            let others = with.iter().filter(|label| *label != server);
            ensure!(
                without.iter().zip(others).all(|(one, other)| one == other)
                    && (with == without || with.iter().any(|label| label == server)),
                "{key} moves between {with:?} and {without:?}, though it is only about {server}"
            );
        }
        Ok(moved)
    }

    fn at(&self, server: &str) -> BTreeSet<String> {
        let is_kept = |(_, labels): &(&String, &Vec<String>)| labels.iter().any(|l| l == server);
        let kept = self.0.iter().filter(is_kept);
        kept.map(|(key, _)| key.clone()).collect()
    }
}

/// Waits until every server holds what it should, by its node, and nothing else. The error is a difference that
/// does not go away.
pub(super) async fn found(client: &Client, pairs: &[Pair], homes: &Homes) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match differs(client, pairs, homes).await {
            Ok(()) => return Ok(()),
            Err(difference) if Instant::now() > deadline => return Err(difference),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn differs(client: &Client, pairs: &[Pair], homes: &Homes) -> Result<()> {
    #[derive(Deserialize)]
    struct Content {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        name: String,
    }
    for pair in pairs {
        let call = Call::get("/content?limit=1000");
        let answer = client.ask(&pair.address.to_string(), &call).await?;
        ensure!(answer.is_success(), "{}: {}", pair.name, answer.complaint());
        let content: Content = answer.read()?;
        let held: BTreeSet<String> = content.items.into_iter().map(|item| item.name).collect();
        let expected = homes.at(&pair.label);
        if let Some(key) = held.symmetric_difference(&expected).next() {
            let has = if held.contains(key) { "has" } else { "lacks" };
            return Err(anyhow!("{} {has} {key}", pair.label));
        }
    }
    Ok(())
}

const SCHEME: Scheme = Scheme::Ring {
    positions: POSITIONS,
    hash: Hash::Murmur3,
};

/// Positions of each server on the ring.
pub(super) const POSITIONS: u16 = 32;

/// Servers that keep each key.
pub(super) const COPIES: usize = 3;

const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);
