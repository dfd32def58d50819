//! Shards: servers of a key-value store that are spoken to over ZeroMQ, and which of them each key belongs to.
//!
//! The client spreads the keys: by consistent hashing (a ring with virtual nodes) or by rendezvous hashing
//! (highest random weight), as nodes with these placements do. A server is known by its label, which is hashed.

mod server;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use dht::id::Id;
use dht::placement::{Hash, Placement, Scheme, Seat};
use futures::future::try_join_all;
use serde_json::Value;

pub(crate) use self::server::{Item, Server, Side};
use crate::failure::Failure;

/// How keys are spread.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharding {
    /// Consistent hashing: each server has many places on a ring, and a key goes to the next one
    Ring,
    /// Highest random weight: each server draws a number for each key, and the highest one has it
    Rendezvous,
}

/// Servers that share the keys among them.
#[derive(Debug)]
pub(crate) struct Shards {
    servers: Vec<Arc<Server>>,
    scheme: Scheme,
    placement: Arc<dyn Placement>,
}

impl Shards {
    /// These servers, in any order. Errors: [`Failure::Usage`], there is none, or one twice.
    pub(crate) fn new(servers: Vec<Arc<Server>>, sharding: Sharding) -> Result<Shards> {
        let mut labels = BTreeSet::new();
        let twice = servers.iter().find(|server| !labels.insert(&server.label));
        let wrong = match twice {
            Some(twice) => format!("{} is named twice", twice.label),
            None if servers.is_empty() => "there are no servers".to_owned(),
            None => {
                let seat = |server: &Arc<Server>| Seat::from(Id::of(server.label.as_bytes()));
                let seats: Vec<Seat> = servers.iter().map(seat).collect();
                let scheme = sharding.scheme();
                return Ok(Shards {
                    servers,
                    scheme,
                    placement: scheme.place(&seats, &[]),
                });
            }
        };
        Err(Failure::Usage(wrong).into())
    }

    /// The servers without the one of this label.
    pub(crate) fn others(&self, label: &str) -> Vec<Arc<Server>> {
        let others = self.servers.iter().filter(|server| server.label != label);
        others.cloned().collect()
    }

    /// The server that a key belongs to.
    pub(crate) fn server_of(&self, key: &str) -> &Arc<Server> {
        let key = self.scheme.identify(key.as_bytes());
        &self.servers[self.placement.owner(key)]
    }

    /// Puts a value under a key, at the server that it belongs to.
    pub(crate) async fn put(&self, key: &str, value: &Value) -> Result<()> {
        self.server_of(key).put(key, value).await
    }

    /// The value under a key, at the server that it belongs to; null where there is none.
    pub(crate) async fn get(&self, key: &str) -> Result<Item> {
        self.server_of(key).get(key).await
    }

    /// What the servers hold, each with all of its items. Errors: one of them does not say.
    pub(crate) async fn all(&self) -> Result<Vec<(&Arc<Server>, Vec<Item>)>> {
        let each = self.servers.iter().map(async |server| {
            let items = server.all().await?;
            anyhow::Ok((server, items))
        });
        try_join_all(each).await
    }

    /// Moves each item that belongs to another server by these `next` shards: it is copied before it is deleted
    /// where it was, so that it can be read by one of the two at any moment. Returns how many were moved.
    pub(crate) async fn move_to(&self, next: &Shards) -> Result<usize> {
        let held = self.all().await?;
        let moves = held.into_iter().map(async |(server, items)| {
            let mut moved = 0;
            for item in items {
                let key = item
                    .key
                    .ok_or_else(|| anyhow!("{}: a key is no text", server.label))?;
                let taker = next.server_of(&key);
                if taker.label != server.label {
                    taker.put(&key, &item.value).await?;
                    server.delete(&key).await?;
                    moved += 1;
                }
            }
            anyhow::Ok(moved)
        });
        Ok(try_join_all(moves).await?.into_iter().sum())
    }
}

impl Sharding {
    fn scheme(self) -> Scheme {
        match self {
            Sharding::Ring => Scheme::Ring {
                positions: POSITIONS,
                hash: Hash::Sha1,
            },
            Sharding::Rendezvous => Scheme::Rendezvous,
        }
    }
}

/// Places of a server on the ring: as many as a node has if it isn't told otherwise.
const POSITIONS: u16 = 128;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shards(labels: &[&str], sharding: Sharding) -> Result<Shards> {
        let server = |label: &&str| {
            let endpoint = format!("tcp://{label}");
            Arc::new(Server::new(*label, endpoint, Side::Connect, Duration::ZERO))
        };
        Shards::new(labels.iter().map(server).collect(), sharding)
    }

    #[test]
    fn servers_in_any_order_have_the_same_keys() {
        for sharding in [Sharding::Ring, Sharding::Rendezvous] {
            let one = shards(&["a:1", "b:1", "c:1"], sharding).expect("three servers");
            let other = shards(&["c:1", "a:1", "b:1"], sharding).expect("three servers");
            let mut loads = [0; 3];
            for number in 0..300 {
                let key = format!("key-{number}");
                let label = &one.server_of(&key).label;
                assert_eq!(label, &other.server_of(&key).label);
                loads[["a:1", "b:1", "c:1"]
                    .iter()
                    .position(|each| each == label)
                    .expect("one")] += 1;
            }
            assert!(
                loads.iter().all(|load| (50..150).contains(load)),
                "{loads:?}"
            );
        }
    }

    #[test]
    fn one_more_server_takes_keys_and_no_other_does() {
        for sharding in [Sharding::Ring, Sharding::Rendezvous] {
            let before = shards(&["a:1", "b:1", "c:1"], sharding).expect("three servers");
            let after = shards(&["a:1", "b:1", "c:1", "d:1"], sharding).expect("four servers");
            let keys = (0..300).map(|number| format!("key-{number}"));
            let (stays, moves): (Vec<_>, Vec<_>) =
                keys.partition(|key| before.server_of(key).label == after.server_of(key).label);
            assert!(stays.len() > 150 && moves.len() > 30);
            assert!(moves.iter().all(|key| after.server_of(key).label == "d:1"));
        }
    }

    #[test]
    fn no_server_and_one_twice_are_wrong_usage() {
        for labels in [&[][..], &["a:1", "b:1", "a:1"]] {
            let error = shards(labels, Sharding::Ring).expect_err("wrong");
            assert!(
                matches!(error.downcast_ref(), Some(Failure::Usage(_))),
                "{error}"
            );
        }
    }
}
