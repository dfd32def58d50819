//! Clients: what they were told can be told of one register for each key, and nothing that was
//! acknowledged is gone.
//!
//! Clients read, write, write under conditions and delete, each one thing after the other at any member
//! that is awake, several at a time on one key. All of it is kept; after the last fault every key is
//! read once more, and the histories are judged.

use std::collections::BTreeMap;

use dht::event::{Call, Failure, Returned, Ticket};
use dht::message::Routing;
use dht::record::{self, Blob, Change, Changed, Record};
use dht::{Id, view::Phase};

use super::Violation;
use crate::engine::{Address, Network, Status};
use crate::history::{Condition, Operation, Outcome, Seen, What, judge};
use crate::plan;
use crate::random::Random;

/// Clients and all that happened to them.
#[derive(Debug, Default)]
pub struct Clients {
    keys: Vec<(Id, Vec<Operation>)>,
    open: BTreeMap<Ticket, Open>,
    busy: Vec<bool>,
    values: u64,
    bytes: usize,
    is_hot: bool,
    /// Operations that were acknowledged.
    pub acknowledged: u64,
    /// Operations that failed: nothing changed.
    pub refused: u64,
    /// Writes without an answer.
    pub unknown: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    at: Address,
    client: usize,
    key: usize,
    /// Its place in the key's history.
    place: usize,
}

impl Clients {
    /// Clients of this content that have done nothing yet.
    pub fn new(content: plan::Content) -> Clients {
        let keys = content.keys;
        let key = |n: u32| (key(n), Vec::new());
        Clients {
            keys: (0..keys).map(key).collect(),
            busy: vec![false; CLIENTS],
            bytes: content.bytes as usize,
            is_hot: content.hot,
            ..Clients::default()
        }
    }

    /// Lets a client that waits for nothing begin something.
    pub fn begin(&mut self, network: &mut Network, routing: Routing, random: &mut Random) {
        let key = match self.is_hot && random.below(2) == 0 {
            true => 0,
            false => random.below(self.keys.len() as u64) as usize,
        };
        let what = self.something(key, random);
        self.begin_at(network, routing, random, key, what);
    }

    /// Begins to read a key for the last time.
    pub fn read_again(&mut self, network: &mut Network, random: &mut Random, key: usize) {
        self.begin_at(network, Routing::Finger, random, key, What::Read);
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    fn something(&mut self, key: usize, random: &mut Random) -> What {
        let kind = random.below(20);
        let condition = match random.below(6) {
            0 => Condition::Absent,
            1 => Condition::Present,
            2 => {
                // The version that was seen last, which may be old by now.
                let history = self.keys[key].1.iter().rev();
                let version =
                    history
                        .take(8)
                        .find_map(|operation| match operation.returned?.outcome {
                            Outcome::Saw(Some(seen)) => seen.version,
                            Outcome::Made { version, .. } => version,
                            _ => None,
                        });
                version.map_or(Condition::Always, Condition::Version)
            }
            _ => Condition::Always,
        };
        match kind {
            0..=8 => What::Read,
            9..=17 => {
                self.values += 1;
                let value = self.values;
                What::Write { value, condition }
            }
            _ => What::Delete { condition },
        }
    }

    fn begin_at(
        &mut self,
        network: &mut Network,
        routing: Routing,
        random: &mut Random,
        key: usize,
        what: What,
    ) {
        let members = network.census().len() as u64;
        let Some(client) = self.busy.iter().position(|busy| !busy) else {
            return;
        };
        let number = random.below(members.max(1)) as usize;
        if members == 0 {
            return;
        }
        let at = network.census().pick(number);
        if network.status(at) != Status::Up || network.view(at).phase != Phase::Member {
            return;
        }
        let (id, history) = &mut self.keys[key];
        let now_us = network.now_us();
        let (id, place, bytes) = (*id, history.len(), self.bytes);
        history.push(Operation::begin(client as u32, now_us, what));
        let change = |value: Option<u64>, condition: Condition| Call::Change {
            key: id,
            change: Change {
                name: None,
                value: value.map(|value| padded(value, bytes)),
                condition: match condition {
                    Condition::Always => record::Condition::Always,
                    Condition::Absent => record::Condition::Absent,
                    Condition::Present => record::Condition::Present,
                    Condition::Version(number) => {
                        record::Condition::Among(vec![record::Version::from_number(number)])
                    }
                },
                flags: 0,
                expires_ms: None,
                now_ms: now_us / 1_000,
            },
            routing,
        };
        let call = match what {
            What::Read => Call::Read { key: id, routing },
            What::Write { value, condition } => change(Some(value), condition),
            What::Delete { condition } => change(None, condition),
        };
        self.busy[client] = true;
        let ticket = network.call(at, call);
        let open = Open {
            at,
            client,
            key,
            place,
        };
        self.open.insert(ticket, open);
    }

    /// A call has returned; whether it was one of these.
    pub fn returned(
        &mut self,
        network: &Network,
        ticket: Ticket,
        returned: &Returned<Address>,
    ) -> bool {
        let Some(open) = self.open.remove(&ticket) else {
            return false;
        };
        self.busy[open.client] = false;
        let outcome = match returned {
            Returned::Record(record, _) => Outcome::Saw(record.as_ref().and_then(seen)),
            Returned::Changed(changed, ..) => match *changed {
                Changed::Created(version) => made(Some(version.number()), false),
                Changed::Replaced(version) => made(Some(version.number()), true),
                Changed::Deleted => made(None, true),
                Changed::Missing => made(None, false),
                Changed::Refused(_) | Changed::Collision => Outcome::Refused,
            },
            Returned::Failed(Failure::Unknown, _) => {
                self.unknown += 1;
                return true;
            }
            _ => {
                self.refused += 1;
                Outcome::Failed
            }
        };
        self.acknowledged += u64::from(outcome != Outcome::Failed);
        let operation = &mut self.keys[open.key].1[open.place];
        *operation = operation.returned(network.now_us(), outcome);
        true
    }

    /// A node is about to go down: its clients never hear what became of what they wanted.
    pub fn crashes(&mut self, at: Address) {
        let busy = &mut self.busy;
        self.open.retain(|_, open| {
            busy[open.client] &= open.at != at;
            open.at != at
        });
    }

    /// How many operations have not ended.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Judges every key. Errors: the first one whose history no register explains.
    pub fn judge(&self, network: &Network) -> Result<(), Violation> {
        for (id, history) in &self.keys {
            let verdict = judge(history);
            let property = match &verdict {
                verdict if verdict.lost.is_some() => "NothingAcknowledgedIsLost",
                verdict if !verdict.order.is_linearizable() => "Linearizable",
                _ => continue,
            };
            let text = format!("{id:.8}: {verdict:?}; last: {:?}", tail(history));
            return Err(Violation::new(property, network.now_us(), text));
        }
        Ok(())
    }
}

fn tail(history: &[Operation]) -> &[Operation] {
    &history[history.len().saturating_sub(12)..]
}

fn made(version: Option<u64>, found: bool) -> Outcome {
    let found = Some(found);
    Outcome::Made { version, found }
}

/// The key of this number.
pub fn key(number: u32) -> Id {
    Id::of_key(&number.to_be_bytes())
}

/// A value of so many bytes that begins with its number.
fn padded(value: u64, bytes: usize) -> Blob {
    let mut padded = value.to_be_bytes().to_vec();
    padded.resize(bytes.max(padded.len()), 0);
    padded.into()
}

/// What a read shows; a tombstone shows nothing.
fn seen(record: &Record) -> Option<Seen> {
    let value = record.value.as_ref()?;
    let bytes = value.first_chunk().unwrap_or(&[0; 8]);
    Some(Seen {
        value: u64::from_be_bytes(*bytes),
        version: Some(record.version.number()),
    })
}

/// Clients at a time.
const CLIENTS: usize = 16;
