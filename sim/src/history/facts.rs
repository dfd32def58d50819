//! Facts: what follows from a history at once, for all who judge it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Condition, Operation, Outcome, What};

/// What follows from a history at once.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Who wrote a value, of the writes that may have been made.
    writers: BTreeMap<u64, usize>,
    /// Versions of writes, as far as they were told.
    versions: BTreeMap<usize, u64>,
    told: BTreeSet<u64>,
    /// A value that was written twice, with which nothing can be judged.
    pub(super) twice: Option<u64>,
    /// By when an operation has happened, if it must have; by place.
    ends: Vec<Option<u64>>,
}

/// Whether an operation changes what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It does not: it only looks, or nothing was done.
    None,
    /// It was acknowledged at this time.
    Acknowledged(u64),
    /// There is no answer.
    Unanswered,
}

impl Facts {
    pub(super) fn of(history: &[Operation]) -> Facts {
        let mut facts = Facts {
            writers: BTreeMap::new(),
            versions: BTreeMap::new(),
            told: BTreeSet::new(),
            twice: None,
            ends: vec![None; history.len()],
        };
        for (place, operation) in history.iter().enumerate() {
            let change = change(operation);
            if let Change::Acknowledged(at) = change {
                facts.ends[place] = Some(at);
            }
            let What::Write { value, .. } = operation.what else {
                continue;
            };
            if change != Change::None && facts.writers.insert(value, place).is_some() {
                facts.twice = Some(value);
            }
            if let Some(Outcome::Made {
                version: Some(version),
                ..
            }) = outcome(operation)
            {
                facts.tell(place, version);
            }
        }
        for operation in history {
            let Some(returned) = operation.returned else {
                continue;
            };
            let Outcome::Saw(Some(seen)) = returned.outcome else {
                continue;
            };
            let Some(writer) = facts.writer(seen.value) else {
                continue;
            };
            if let Some(version) = seen.version {
                facts.tell(writer, version);
            }
            // What was seen has happened before the answer that tells of it.
            let end = facts.ends[writer].map_or(returned.at, |end| end.min(returned.at));
            facts.ends[writer] = Some(end.max(history[writer].invoked));
        }
        facts
    }

    /// The write of a value.
    pub(super) fn writer(&self, value: u64) -> Option<usize> {
        self.writers.get(&value).copied()
    }

    /// By when the operation at `place` has happened; nothing if it may still happen, or never.
    pub(super) fn end(&self, place: usize) -> Option<u64> {
        self.ends[place]
    }

    /// Whether a condition may hold, and whether it may not, of what is there: nothing, or what a
    /// write made, which is `None` where it can't be said which.
    pub(super) fn may_hold(&self, condition: Condition, there: Option<Option<usize>>) -> [bool; 2] {
        let plain = |holds: bool| [holds, !holds];
        match (condition, there) {
            (Condition::Always, _) => plain(true),
            (Condition::Absent, there) => plain(there.is_none()),
            (Condition::Present, there) => plain(there.is_some()),
            (Condition::Version(_), None) => plain(false),
            (Condition::Version(version), Some(writer)) => {
                match writer.and_then(|writer| self.versions.get(&writer)) {
                    Some(present) => plain(*present == version),
                    // A version that was never told of another write may be that of this one.
                    None => [!self.told.contains(&version), true],
                }
            }
        }
    }

    fn tell(&mut self, writer: usize, version: u64) {
        self.versions.insert(writer, version);
        self.told.insert(version);
    }
}

/// Whether an operation changes what is there.
pub(super) fn change(operation: &Operation) -> Change {
    match (operation.what, operation.returned) {
        (What::Read, _) => Change::None,
        (_, None) => Change::Unanswered,
        (what, Some(returned)) => match returned.outcome {
            Outcome::Made { found, .. } if what.is_write() || found != Some(false) => {
                Change::Acknowledged(returned.at)
            }
            _ => Change::None,
        },
    }
}

/// What an operation was told.
pub(super) fn outcome(operation: &Operation) -> Option<Outcome> {
    operation.returned.map(|returned| returned.outcome)
}

impl What {
    /// Whether something is to be there afterwards.
    pub(super) fn is_write(self) -> bool {
        matches!(self, What::Write { .. })
    }
}
