//! Client: reads and writes at whatever node it comes to, and brings along what it has seen.

use std::collections::BTreeMap;

use dht::causal::message::{Call, Failure, Outcome, Returned, What};
use dht::event::Ticket;
use dht::record::Blob;

use super::Plan;
use super::judge::{Judge, Past, WriteId};
use super::network::{Address, Due, Network};
use crate::random::Random;

/// Clients, and what they wait for.
#[derive(Debug)]
pub struct Clients {
    clients: Vec<Client>,
    open: BTreeMap<Ticket, Open>,
    random: Random,
    /// Operations that were answered.
    pub done: u64,
    /// Operations that were refused, or may have happened.
    pub refused: u64,
}

/// One client.
#[derive(Clone, Debug, Default)]
struct Client {
    /// The text that it received last.
    seen: Option<String>,
    /// What it has seen.
    past: Past,
}

/// An operation that has not been answered.
#[derive(Clone, Debug)]
struct Open {
    client: usize,
    key: u32,
    what: Wanted,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Read,
    Write(WriteId),
}

impl Clients {
    /// Clients that come one after the other.
    pub fn new(plan: &Plan, network: &mut Network) -> Clients {
        for number in 0..CLIENTS {
            network.remind(100_000 * number as u64, Due::Client(number));
        }
        Clients {
            clients: vec![Client::default(); CLIENTS],
            open: BTreeMap::new(),
            random: Random::new(plan.seed, CLIENT),
            done: 0,
            refused: 0,
        }
    }

    /// A client does its next operation.
    pub fn act(&mut self, number: usize, network: &mut Network, judge: &mut Judge) {
        let next_us = self.random.exponential(BETWEEN_US) as u64;
        network.remind(network.now_us + next_us, Due::Client(number));
        // Those that do nothing for long have been forgotten by a node that died.
        if self.open.values().any(|open| open.client == number) {
            if self.random.below(20) > 0 {
                return;
            }
            self.open.retain(|_, open| open.client != number);
            self.refused += 1;
        }
        match self.random.below(60) {
            0 => self.clients[number] = Client::default(),
            // Somebody tells it what it has seen.
            1 => {
                let other = self.random.below(CLIENTS as u64) as usize;
                self.clients[number] = self.clients[other].clone();
            }
            _ => {}
        }
        let at = network.any(&mut self.random);
        let key = self.random.below(KEYS.into()) as u32;
        let client = &self.clients[number];
        let (what, wanted) = match self.random.below(10) {
            0..5 => (What::Get, Wanted::Read),
            5 => {
                let write = judge.writes(key, true, &client.past);
                (What::Delete, Wanted::Write(write))
            }
            _ => {
                let write = judge.writes(key, false, &client.past);
                (What::Put(value(write)), Wanted::Write(write))
            }
        };
        let call = Call::Operate {
            key: name(key),
            what,
            seen: client.seen.clone(),
            now_ms: network.now_ms(at),
        };
        // It is noted before it can return.
        if let Some(ticket) = network.call(at, call) {
            let open = Open {
                client: number,
                key,
                what: wanted,
            };
            self.open.insert(ticket, open);
        }
    }

    /// A call has returned.
    pub fn returned(
        &mut self,
        ticket: Ticket,
        returned: &Returned<Address>,
        network: &mut Network,
        judge: &mut Judge,
    ) {
        let Some(open) = self.open.remove(&ticket) else {
            return;
        };
        let client = &mut self.clients[open.client];
        let now_us = network.now_us;
        let (outcome, seen) = match returned {
            Returned::Done(outcome, seen, _) => (outcome, seen),
            Returned::Failed(Failure::NotSeen) => {
                let text = format!("client {} is not believed", open.client);
                return judge.fail("what a node gave is known to all", now_us, text);
            }
            returned => {
                self.refused += 1;
                let is_unsure = matches!(returned, Returned::Failed(Failure::Unsure));
                if let (Wanted::Write(write), false) = (open.what, is_unsure) {
                    judge.never(write);
                }
                return;
            }
        };
        self.done += 1;
        let past = &mut client.past;
        match (open.what, outcome) {
            (Wanted::Read, Outcome::Found(value)) => {
                judge.reads(open.key, write_of(value), past, now_us);
            }
            (Wanted::Read, Outcome::Missing) => judge.reads(open.key, None, past, now_us),
            (Wanted::Write(write), Outcome::Missing) => {
                judge.never(write);
                judge.reads(open.key, None, past, now_us);
            }
            (Wanted::Write(write), outcome) => {
                if *outcome == Outcome::Created {
                    judge.shows_nothing(open.key, past, now_us);
                }
                judge.written(write, past);
            }
            (Wanted::Read, outcome) => {
                let text = format!("a read is answered by {outcome:?}");
                judge.fail("reads show writes", now_us, text);
            }
        }
        client.seen = Some(seen.clone());
    }

    /// The texts that clients have.
    pub fn texts(&self) -> impl Iterator<Item = String> + use<> {
        let texts: Vec<String> = self.clients.iter().filter_map(|c| c.seen.clone()).collect();
        texts.into_iter()
    }
}

/// The bytes of a key.
pub fn name(key: u32) -> Blob {
    Blob::from(format!("key {key}").into_bytes())
}

fn value(write: WriteId) -> Blob {
    Blob::from(write.to_string().into_bytes())
}

/// The write that a value is of.
pub fn write_of(value: &Blob) -> Option<WriteId> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

const CLIENTS: usize = 8;

/// Few, so that they are written again and again.
pub const KEYS: u32 = 24;

/// The mean time between two operations of a client.
const BETWEEN_US: f64 = 700_000.0;

/// The stream of chance that clients draw from.
const CLIENT: u64 = 13;
