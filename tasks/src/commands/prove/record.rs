//! Record: all that clients did and were told, all that was broken, and when.

use std::collections::BTreeMap;
use std::time::Instant;

use sim::history::{Operation, Outcome, Returned, What};

use super::faults::Kind;

/// Everything that happened, in microseconds since the beginning.
#[derive(Debug)]
pub(super) struct Record {
    begun: Instant,
    /// The first ones are those that all clients fight for.
    pub(super) keys: Vec<Key>,
    pub(super) faults: Vec<Fault>,
    /// Attempts that came to nothing, or may have: when, and of which kind.
    pub(super) errors: Vec<(u64, String)>,
}

/// A key, and what was done with it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) operations: Vec<Operation>,
}

/// Something that was broken.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) node: String,
    pub(super) at: u64,
    /// When the network was whole again; nothing where it never was.
    pub(super) whole: Option<u64>,
    /// What kept it from that when it was given up.
    pub(super) problem: Option<String>,
    /// Why it could not be done.
    pub(super) error: Option<String>,
}

/// An operation of the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    key: usize,
    operation: usize,
}

impl Record {
    /// Nothing yet, of the keys with these names.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Record {
        let mut record = Record {
            begun: Instant::now(),
            keys: Vec::new(),
            faults: Vec::new(),
            errors: Vec::new(),
        };
        for name in names {
            record.add(name);
        }
        record
    }

    /// Microseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// A key more; returns its number.
    pub(super) fn add(&mut self, name: String) -> usize {
        self.keys.push(Key {
            name,
            operations: Vec::new(),
        });
        self.keys.len() - 1
    }

    /// Names of all keys.
    pub(super) fn names(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.name.clone()).collect()
    }

    /// A client begins something now.
    pub(super) fn begin(&mut self, key: usize, client: u32, what: What) -> Place {
        let now = self.now();
        let operations = &mut self.keys[key].operations;
        operations.push(Operation::begin(client, now, what));
        let operation = operations.len() - 1;
        Place { key, operation }
    }

    /// A client is told now what came of it.
    pub(super) fn end(&mut self, place: Place, outcome: Outcome) {
        let at = self.now();
        let operation = &mut self.keys[place.key].operations[place.operation];
        operation.returned = Some(Returned { at, outcome });
    }

    /// An attempt came to nothing, or may have.
    pub(super) fn err(&mut self, kind: String) {
        self.errors.push((self.now(), kind));
    }

    /// How many attempts came to nothing, by kind.
    pub(super) fn errors_by_kind(&self) -> BTreeMap<&str, u64> {
        let mut kinds = BTreeMap::new();
        for (_, kind) in &self.errors {
            *kinds.entry(kind.as_str()).or_default() += 1;
        }
        kinds
    }
}

/// When writes and reads were done, each in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) writes: Vec<u64>,
    pub(super) reads: Vec<u64>,
}

impl Done {
    /// When they were done with these keys, up to a time.
    pub(super) fn of<'a>(keys: impl IntoIterator<Item = &'a Key>, until: u64) -> Done {
        let mut done = Done::default();
        for returned in keys
            .into_iter()
            .flat_map(|key| &key.operations)
            .filter_map(|operation| operation.returned)
            .filter(|returned| returned.at <= until)
        {
            match returned.outcome {
                Outcome::Saw(_) => done.reads.push(returned.at),
                Outcome::Made { .. } => done.writes.push(returned.at),
                Outcome::Refused | Outcome::Failed => {}
            }
        }
        done.writes.sort_unstable();
        done.reads.sort_unstable();
        done
    }
}

/// The longest time in which nothing was done that lies in or reaches into the time from `from` to `to`.
pub(super) fn longest_gap(times: &[u64], from: u64, to: u64) -> u64 {
    let first = times.partition_point(|at| *at <= from);
    let mut last = first.checked_sub(1).map_or(0, |place| times[place]);
    let mut longest = 0;
    for at in &times[first..] {
        longest = longest.max(at - last);
        last = *at;
        if last >= to {
            return longest;
        }
    }
    longest.max(to.saturating_sub(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_as_far_as_it_reaches_into_the_time() {
        let times = [10, 20, 50, 60, 100];
        for (from, to, gap) in [
            (0, 100, 40),
            (0, 20, 10),
            (15, 25, 30),
            (50, 60, 10),
            (60, 200, 100),
            (100, 130, 30),
        ] {
            assert_eq!(longest_gap(&times, from, to), gap, "{from} to {to}");
        }
        assert_eq!(longest_gap(&[], 5, 30), 30);
    }
}
