//! Load: clients that write, read and delete, each one thing after another.
//!
//! Some keys all of them fight for, with conditions too; all others are written by one client alone, and
//! read by anyone. A client asks a random node, and another one as long as nothing was done; who gave no
//! answer is left alone for a moment. All chance is drawn from a seed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sim::history::{Condition, Outcome, What};
use sim::random::Random;
use tokio::time::sleep;

use super::answers::{Heard, call, hear};
use super::record::Record;
use crate::client::Client;

/// What all clients share.
pub(super) struct Load<'a> {
    pub(super) client: &'a Client,
    pub(super) record: &'a RefCell<Record>,
    /// Addresses of the nodes that are known.
    pub(super) nodes: &'a RefCell<Vec<String>>,
    /// How keys begin.
    pub(super) prefix: String,
    pub(super) seed: u64,
}

/// A client.
pub(super) struct Worker<'a> {
    load: &'a Load<'a>,
    number: u32,
    random: Random,
    /// How many values it has written.
    values: u64,
    /// The versions that it saw last, of keys that all fight for.
    versions: BTreeMap<usize, u64>,
    /// Keys that nobody else writes.
    own: Vec<usize>,
    /// Nodes that it leaves alone until then.
    shunned: BTreeMap<String, Instant>,
}

impl<'a> Worker<'a> {
    /// Client number `number`.
    pub(super) fn new(load: &'a Load<'a>, number: u32) -> Worker<'a> {
        Worker {
            load,
            number,
            random: Random::new(load.seed, u64::from(number) + 1),
            values: 0,
            versions: BTreeMap::new(),
            own: Vec::new(),
            shunned: BTreeMap::new(),
        }
    }

    /// Does one thing after another.
    pub(super) async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            let (key, what) = self.choose();
            self.perform(key, what, None).await;
            let thought_ms = self.random.between(1, THOUGHT_MS_MAX);
            sleep(Duration::from_millis(thought_ms)).await;
        }
    }

    /// Reads a key, at this node if one is given; whether it got an answer.
    pub(super) async fn read(&mut self, key: usize, at: Option<&str>) -> bool {
        self.perform(key, What::Read, at).await
    }

    /// What to do next, and with which key.
    fn choose(&mut self) -> (usize, What) {
        let kind = self.random.below(100);
        let value = (u64::from(self.number) + 1) << 32 | (self.values + 1);
        let write = |condition| What::Write { value, condition };
        let (key, what) = match self.random.below(100) {
            ..CONTENDED_PERCENT => {
                let key = self.random.below(CONTENDED as u64) as usize;
                let version = self.versions.get(&key).copied();
                let at_version = version.map_or(Condition::Present, Condition::Version);
                let what = match kind {
                    ..45 => What::Read,
                    45..70 => write(Condition::Always),
                    70..85 => write(at_version),
                    85..92 => write(Condition::Absent),
                    92..96 => What::Delete {
                        condition: Condition::Always,
                    },
                    _ => What::Delete {
                        condition: at_version,
                    },
                };
                (key, what)
            }
            _ => match (kind, self.own.len() as u64) {
                (..45, _) | (_, 0) => {
                    let (prefix, number) = (&self.load.prefix, self.number);
                    let name = format!("{prefix}-{number}-{value:x}");
                    let key = self.load.record.borrow_mut().add(name);
                    self.own.push(key);
                    (key, write(Condition::Always))
                }
                (45..55, own) => {
                    let key = self.own[self.random.below(own) as usize];
                    (key, write(Condition::Always))
                }
                (55..60, own) => {
                    let place = self.random.below(own) as usize;
                    let condition = Condition::Always;
                    (self.own[place], What::Delete { condition })
                }
                _ => {
                    let keys = self.load.record.borrow().keys.len() - CONTENDED;
                    let key = self.random.below(keys as u64) as usize;
                    (CONTENDED + key, What::Read)
                }
            },
        };
        if matches!(what, What::Write { .. }) {
            self.values += 1;
        }
        (key, what)
    }

    /// Does it, and writes down what came of it; whether there is an answer.
    async fn perform(&mut self, key: usize, what: What, at: Option<&str>) -> bool {
        let Load { client, record, .. } = self.load;
        let call = call(&record.borrow().keys[key].name, what, PATIENCE_MS);
        let place = record.borrow_mut().begin(key, self.number, what);
        let give_up = Instant::now() + Duration::from_millis(PATIENCE_MS);
        loop {
            let node = at.map_or_else(|| self.pick(), str::to_owned);
            let heard = hear(what, client.ask(&node, &call).await);
            match heard {
                Heard::Done(outcome) => {
                    record.borrow_mut().end(place, outcome);
                    self.learn(key, outcome);
                    return true;
                }
                Heard::Unknown(kind) => {
                    let mut record = record.borrow_mut();
                    record.err(kind);
                    // A read that was not answered has told nothing, and done nothing.
                    if what == What::Read {
                        record.end(place, Outcome::Failed);
                    }
                    self.shun(node, SILENT_SHUNNED_MS);
                    return false;
                }
                Heard::Nothing(kind) => {
                    record.borrow_mut().err(kind);
                    self.shun(node, REFUSING_SHUNNED_MS);
                }
            }
            if Instant::now() > give_up {
                record.borrow_mut().end(place, Outcome::Failed);
                return false;
            }
            let wait_ms = self.random.between(WAIT_MS_MIN, WAIT_MS_MAX);
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Remembers the version of a key that all fight for.
    fn learn(&mut self, key: usize, outcome: Outcome) {
        let version = match outcome {
            Outcome::Saw(seen) => seen.and_then(|seen| seen.version),
            Outcome::Made { version, .. } => version,
            Outcome::Refused | Outcome::Failed => None,
        };
        match version {
            Some(version) if key < CONTENDED => self.versions.insert(key, version),
            _ => self.versions.remove(&key),
        };
    }

    /// A random node, if possible none of those that just gave no answer.
    fn pick(&mut self) -> String {
        let now = Instant::now();
        self.shunned.retain(|_, until| *until > now);
        let nodes = self.load.nodes.borrow();
        let good: Vec<&String> = nodes
            .iter()
            .filter(|node| !self.shunned.contains_key(*node))
            .collect();
        let some = match good[..] {
            [] => nodes.iter().collect(),
            _ => good,
        };
        let place = self.random.below(some.len() as u64) as usize;
        some[place].clone()
    }

    fn shun(&mut self, node: String, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        self.shunned.insert(node, until);
    }
}

/// How many keys all clients fight for: few, so that they meet.
pub(super) const CONTENDED: usize = 8;
/// How many operations in a hundred are about those.
const CONTENDED_PERCENT: u64 = 40;
/// Longest time between an answer and the next question. Some time is left to the nodes: what is looked
/// for is what goes wrong with them, not how fast they are.
const THOUGHT_MS_MAX: u64 = 8;
/// How long to wait for an answer, and how long to go on asking where nothing was done.
const PATIENCE_MS: u64 = 1_000;
/// How long to wait before asking again where nothing was done.
const WAIT_MS_MIN: u64 = 10;
const WAIT_MS_MAX: u64 = 40;
/// How long a node is left alone that could do nothing, and one that gave no answer in time: as a client
/// would that does not want to wait for it again.
const REFUSING_SHUNNED_MS: u64 = 500;
const SILENT_SHUNNED_MS: u64 = 5_000;
