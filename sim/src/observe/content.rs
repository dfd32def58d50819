//! Content: nothing that was acknowledged disappears, and nothing that was replaced comes back,
//! except as the fault model allows.
//!
//! Clients write, read and delete; one at a time for each key, so that it is known what a read may
//! return: what was acknowledged last, or what was written without an answer at any time before it,
//! for that may happen late. With one copy, what a node served is lost when it crashes: then anything
//! goes until the next write of that key is acknowledged that began after the crash.

use std::collections::BTreeMap;

use dht::Id;
use dht::event::{Call, Failure, Returned, Ticket};
use dht::message::Routing;
use dht::record::{Change, Changed, Condition};

use super::Violation;
use crate::engine::{Address, Network, Status};
use crate::random::Random;

/// What was written, and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct Content {
    keys: Vec<Key>,
    open: BTreeMap<Ticket, Operation>,
    serial: u64,
    /// Operations that were acknowledged.
    pub acknowledged: u64,
    /// Operations that failed: nothing changed.
    pub refused: u64,
    /// Writes without an answer.
    pub unknown: u64,
    /// Keys that were lost with their owner.
    pub lost: u64,
}

#[derive(Clone, Debug)]
struct Key {
    id: Id,
    /// What was acknowledged last: a value, or that there is none.
    known: Option<u64>,
    /// What was written without an answer.
    ghosts: Vec<Option<u64>>,
    /// Whether anything goes.
    is_loose: bool,
    /// How often it became so.
    losses: u32,
    is_busy: bool,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    at: Address,
    key: usize,
    /// The value written, nothing for a delete; or a read.
    write: Option<Option<u64>>,
    losses: u32,
}

impl Content {
    /// Keys that nothing is known of but that they are not there.
    pub fn new(keys: u32) -> Content {
        let key = |n: u32| Key {
            id: Id::of_key(&n.to_be_bytes()),
            known: None,
            ghosts: Vec::new(),
            is_loose: false,
            losses: 0,
            is_busy: false,
        };
        Content {
            keys: (0..keys).map(key).collect(),
            ..Content::default()
        }
    }

    /// Starts an operation on a random key at a random member that is awake.
    pub fn begin(&mut self, network: &mut Network, routing: Routing, random: &mut Random) {
        let members = network.census().len() as u64;
        let number = random.below(members.max(1)) as usize;
        let key = random.below(self.keys.len() as u64) as usize;
        let kind = random.below(10);
        if members == 0 || self.keys[key].is_busy {
            return;
        }
        let at = network.census().pick(number);
        if network.status(at) != Status::Up {
            return;
        }
        self.serial += 1;
        let write = match kind {
            0..=4 => None,
            5..=8 => Some(Some(self.serial)),
            _ => Some(None),
        };
        let id = self.keys[key].id;
        let call = match write {
            None => Call::Read { key: id, routing },
            Some(value) => Call::Change {
                key: id,
                change: Change {
                    name: None,
                    value: value.map(|value| value.to_be_bytes()[..].into()),
                    condition: Condition::Always,
                    flags: 0,
                    expires_ms: None,
                    now_ms: network.now_us() / 1000,
                },
                routing,
            },
        };
        self.keys[key].is_busy = true;
        let losses = self.keys[key].losses;
        let ticket = network.call(at, call);
        self.open.insert(
            ticket,
            Operation {
                at,
                key,
                write,
                losses,
            },
        );
    }

    /// A call has returned; whether it was one of these. Errors: it returned what it must not.
    pub fn returned(
        &mut self,
        network: &Network,
        ticket: Ticket,
        returned: &Returned<Address>,
    ) -> Result<bool, Violation> {
        let Some(operation) = self.open.remove(&ticket) else {
            return Ok(false);
        };
        let key = &mut self.keys[operation.key];
        key.is_busy = false;
        match (operation.write, returned) {
            (Some(value), Returned::Changed(changed, ..)) => {
                self.acknowledged += 1;
                if operation.losses == key.losses {
                    check_change(key, *changed, network)?;
                    key.known = value;
                    key.is_loose = false;
                }
            }
            (Some(value), Returned::Failed(Failure::Unknown, _)) => {
                self.unknown += 1;
                key.ghosts.push(value);
            }
            (None, Returned::Record(record, path)) => {
                self.acknowledged += 1;
                let value = record.as_ref().and_then(|record| record.value.as_deref());
                let value =
                    value.map(|value| u64::from_be_bytes(value.try_into().unwrap_or([0; 8])));
                if !key.allows(value) {
                    let text = format!(
                        "{:.8} was read at {} as {value:?} from {:?}; {} was expected",
                        key.id,
                        operation.at,
                        path.last().map(|hop| hop.node),
                        key.expected()
                    );
                    return Err(Violation::new(
                        "NothingAcknowledgedDisappears",
                        network.now_us(),
                        text,
                    ));
                }
            }
            _ => self.refused += 1,
        }
        Ok(true)
    }

    /// A node is about to go down: what it serves goes with it, and nobody hears what its clients
    /// wanted.
    pub fn crashes(&mut self, network: &Network, at: Address) {
        let view = network.view(at);
        for key in &mut self.keys {
            if view.serves.iter().any(|range| range.arc.contains(key.id)) {
                self.lost += u64::from(key.known.is_some() && !key.is_loose);
                key.is_loose = true;
                key.losses += 1;
            }
        }
        let gone: Vec<Ticket> = self
            .open
            .iter()
            .filter(|(_, operation)| operation.at == at)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in gone {
            if let Some(operation) = self.open.remove(&ticket) {
                let key = &mut self.keys[operation.key];
                key.is_busy = false;
                key.ghosts.extend(operation.write);
            }
        }
    }

    /// How many operations have not ended.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

/// A write that says what it replaced must be right about it.
fn check_change(key: &Key, changed: Changed, network: &Network) -> Result<(), Violation> {
    let was_there = match changed {
        Changed::Created(_) | Changed::Missing => false,
        Changed::Replaced(_) | Changed::Deleted => true,
        Changed::Refused(_) | Changed::Collision => return Ok(()),
    };
    let may_be = |value: Option<u64>| value.is_some() == was_there;
    if key.is_loose || may_be(key.known) || key.ghosts.iter().any(|ghost| may_be(*ghost)) {
        return Ok(());
    }
    let text = format!(
        "a write of {:.8} was answered {changed:?}; {} was there",
        key.id,
        key.expected()
    );
    Err(Violation::new(
        "NothingAcknowledgedDisappears",
        network.now_us(),
        text,
    ))
}

impl Key {
    fn allows(&self, value: Option<u64>) -> bool {
        self.is_loose || self.known == value || self.ghosts.contains(&value)
    }

    fn expected(&self) -> String {
        match (self.known, self.ghosts.len()) {
            (known, 0) => format!("{known:?}"),
            (known, ghosts) => format!("{known:?} or one of {ghosts} writes without an answer"),
        }
    }
}
