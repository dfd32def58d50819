//! Reads: those that are older than they may be, each with one other operation that shows it.
//!
//! What a read saw was there from some time on, by `settled` at the latest. If a change was begun after
//! that and acknowledged before the read began, the read is stale; if an earlier read saw a write that was
//! begun after that, time ran backwards. The last read tells what was lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::{Change, Facts, change, outcome};
use super::{Operation, Outcome, Seen};

/// A read of what was overwritten before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// The read.
    pub read: usize,
    /// A change that it should have seen, or something later.
    pub missed: usize,
}

/// A read of what is older than what an earlier read saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// The read.
    pub read: usize,
    /// The read that had ended before.
    pub after: usize,
    /// Whether one client did both.
    pub same_client: bool,
}

/// Something was acknowledged, and the last read sees neither it nor anything later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The last read.
    pub read: usize,
    /// What it should have seen. More than one where they are concurrent: the last of these is lost, and
    /// nobody knows which that is.
    pub changes: Vec<usize>,
}

/// The reads of a history that were answered.
pub(super) struct Reads<'a> {
    history: &'a [Operation],
    reads: Vec<Read>,
    /// Changes that were acknowledged, as (end, begin, place).
    acknowledged: Vec<(u64, u64, usize)>,
}

#[derive(Clone, Copy)]
struct Read {
    place: usize,
    invoked: u64,
    at: u64,
    seen: Option<Seen>,
    /// The write that it saw.
    writer: Option<usize>,
    /// By when what it saw was there, at the latest: `u64::MAX` where that may be any time, nothing where
    /// it was so from the beginning, or never.
    settled: Option<u64>,
}

impl<'a> Reads<'a> {
    pub(super) fn of(history: &'a [Operation], facts: &Facts) -> Reads<'a> {
        let mut acknowledged = Vec::new();
        // Deletes, as (begin, end).
        let mut deletes = Vec::new();
        for (place, operation) in history.iter().enumerate() {
            let change = change(operation);
            if let Change::Acknowledged(at) = change {
                acknowledged.push((at, operation.invoked, place));
            }
            if change != Change::None && !operation.what.is_write() {
                let end = facts.end(place).unwrap_or(u64::MAX);
                deletes.push((operation.invoked, end));
            }
        }
        acknowledged.sort_unstable();
        deletes.sort_unstable();
        let deletes = running_maximum(deletes.into_iter());
        let read = |(place, operation): (usize, &Operation)| {
            let Some(Outcome::Saw(seen)) = outcome(operation) else {
                return None;
            };
            let at = operation.returned?.at;
            // A write that began after the read had ended is not what it saw.
            let writer = seen.and_then(|seen| facts.writer(seen.value));
            let writer = writer.filter(|writer| history[*writer].invoked <= at);
            let settled = match (seen, writer) {
                (Some(_), Some(writer)) => Some(facts.end(writer).unwrap_or(u64::MAX)),
                (Some(_), None) => None,
                (None, _) => up_to(&deletes, at),
            };
            Some(Read {
                place,
                invoked: operation.invoked,
                at,
                seen,
                writer,
                settled,
            })
        };
        let mut reads: Vec<Read> = history.iter().enumerate().filter_map(read).collect();
        reads.sort_by_key(|read| (read.invoked, read.place));
        Reads {
            history,
            reads,
            acknowledged,
        }
    }

    /// Reads of values that nobody had written.
    pub(super) fn phantoms(&self) -> Vec<usize> {
        let phantoms = self.reads.iter().filter(|read| read.is_phantom());
        phantoms.map(|read| read.place).collect()
    }

    pub(super) fn stale(&self) -> Vec<Stale> {
        // The change begun last among those acknowledged before the read began.
        let mut before = self.acknowledged.iter().peekable();
        let mut last: Option<(u64, usize)> = None;
        let mut stale = Vec::new();
        for read in &self.reads {
            while let Some((_, begun, place)) = before.next_if(|(end, ..)| *end < read.invoked) {
                last = last.max(Some((*begun, *place)));
            }
            if let Some((begun, missed)) = last
                && read.settled < Some(begun)
                && !read.is_phantom()
            {
                let read = read.place;
                stale.push(Stale { read, missed });
            }
        }
        stale
    }

    pub(super) fn back(&self) -> Vec<Back> {
        let mut ended: Vec<&Read> = self.reads.iter().collect();
        ended.sort_by_key(|read| (read.at, read.place));
        let mut ended = ended.into_iter().peekable();
        let mut anyone = Latest::default();
        let mut each: BTreeMap<u32, Latest> = BTreeMap::new();
        let mut back = Vec::new();
        for read in &self.reads {
            while let Some(earlier) = ended.next_if(|earlier| earlier.at < read.invoked) {
                let begun = earlier.writer.map(|writer| self.history[writer].invoked);
                anyone.learn(earlier, begun);
                let client = self.history[earlier.place].client;
                each.entry(client).or_default().learn(earlier, begun);
            }
            if read.is_phantom() {
                continue;
            }
            let own = each.get(&self.history[read.place].client);
            let own = own.and_then(|latest| latest.is_after(read));
            if let Some(after) = own.or_else(|| anyone.is_after(read)) {
                back.push(Back {
                    read: read.place,
                    after,
                    same_client: own.is_some(),
                });
            }
        }
        back
    }

    pub(super) fn lost(&self) -> Option<Lost> {
        let read = self.reads.last()?;
        let before = self
            .acknowledged
            .iter()
            .filter(|(end, ..)| *end < read.invoked);
        let last_begun = before.clone().map(|(_, begun, _)| *begun).max()?;
        if read.settled >= Some(last_begun) {
            return None;
        }
        // Those that none of the others certainly followed.
        let open = before.filter(|(end, ..)| *end >= last_begun);
        let mut changes: Vec<usize> = open.map(|(.., place)| *place).collect();
        changes.sort_unstable();
        Some(Lost {
            read: read.place,
            changes,
        })
    }
}

impl Read {
    fn is_phantom(&self) -> bool {
        self.seen.is_some() && self.writer.is_none()
    }
}

/// The latest that reads have seen, in two ways: by version, and by when its write began.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    version: Option<(u64, usize)>,
    begun: Option<(u64, usize)>,
}

impl Latest {
    fn learn(&mut self, read: &Read, begun: Option<u64>) {
        let version = read.seen.and_then(|seen| seen.version);
        let version = version.map(|version| (version, read.place));
        self.version = self.version.max(version);
        self.begun = self.begun.max(begun.map(|begun| (begun, read.place)));
    }

    /// The read that saw something later than this one, which came after it.
    fn is_after(&self, read: &Read) -> Option<usize> {
        let version = read.seen.and_then(|seen| seen.version);
        match (self.version, version) {
            (Some((latest, place)), Some(version)) if version < latest => return Some(place),
            _ => {}
        }
        let (begun, place) = self.begun?;
        (read.settled < Some(begun)).then_some(place)
    }
}

/// Pairs in the order of their first, the second being the greatest so far.
fn running_maximum(pairs: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut greatest = 0;
    let pairs = pairs.map(|(first, second)| {
        greatest = greatest.max(second);
        (first, greatest)
    });
    pairs.collect()
}

/// The greatest second of the pairs whose first is at most `limit`.
fn up_to(pairs: &[(u64, u64)], limit: u64) -> Option<u64> {
    let count = pairs.partition_point(|(first, _)| *first <= limit);
    Some(pairs[count.checked_sub(1)?].1)
}
