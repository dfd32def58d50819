//! Store: what a node keeps its content in.
//!
//! The protocol never touches an engine: it emits a [`Command`], and the driver answers with the
//! [`Outcome`] that [`perform`] gave. So a map in memory, a disk and a remote cache look alike to it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{Arc, Id};
use crate::record::{Change, Changed, Record, Version};

/// An engine that keeps records by identifier. [`conformance`] is what each must pass.
pub trait Store {
    /// The record under `key`.
    fn read(&self, key: Id) -> Option<Record>;

    /// Makes one change, atomically; a record that is written gets `version`.
    fn change(&mut self, key: Id, change: Change, version: Version) -> Changed;

    /// Takes over a record as another node had it, unless the one that is here is newer.
    fn merge(&mut self, key: Id, record: Record);

    /// Forgets `key`, whatever its version.
    fn forget(&mut self, key: Id);

    /// Records on `arc` in clockwise order from its start, or from just after `after`; stops before
    /// `limit` is passed, but returns at least one record if there is one.
    fn scan(&self, arc: Arc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)>;

    /// Number of records on `arc`.
    fn count(&self, arc: Arc) -> usize;

    /// Number of records.
    fn len(&self) -> usize;

    /// Whether there are no records.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How much one scan may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// Records.
    pub records: usize,
    /// Bytes of names and values together.
    pub bytes: usize,
}

/// Something the node wants its store to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Read one record.
    Read(Id),
    /// Make one change.
    Change(Id, Change, Version),
    /// Read a batch of records in ring order; see [`Store::scan`].
    Scan {
        /// Where.
        arc: Arc,
        /// Only what comes after this identifier.
        after: Option<Id>,
        /// How much at most.
        limit: Limit,
    },
    /// Read these records; an identifier without one comes back as nothing.
    Collect(Vec<Id>),
    /// Take over what another node sent: its records, and identifiers it has no more.
    Merge(Vec<(Id, Option<Record>)>),
    /// Forget everything on these arcs.
    Discard(Vec<Arc>),
}

/// What became of a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Answer to [`Command::Read`].
    Record(Option<Record>),
    /// Answer to [`Command::Change`].
    Changed(Changed),
    /// Answer to [`Command::Scan`] and [`Command::Collect`].
    Records(Vec<(Id, Option<Record>)>),
    /// Answer to [`Command::Merge`] and [`Command::Discard`].
    Done,
}

/// Performs one command on an engine.
pub fn perform(store: &mut impl Store, command: Command) -> Outcome {
    match command {
        Command::Read(key) => Outcome::Record(store.read(key)),
        Command::Change(key, change, version) => {
            Outcome::Changed(store.change(key, change, version))
        }
        Command::Scan { arc, after, limit } => {
            let records = store.scan(arc, after, limit).into_iter();
            Outcome::Records(records.map(|(key, record)| (key, Some(record))).collect())
        }
        Command::Collect(keys) => {
            let records = keys.into_iter().map(|key| (key, store.read(key)));
            Outcome::Records(records.collect())
        }
        Command::Merge(records) => {
            for (key, record) in records {
                match record {
                    Some(record) => store.merge(key, record),
                    None => store.forget(key),
                }
            }
            Outcome::Done
        }
        Command::Discard(arcs) => {
            for arc in arcs {
                discard(store, arc);
            }
            Outcome::Done
        }
    }
}

/// Forgets everything on `arc`, a batch at a time.
fn discard(store: &mut impl Store, arc: Arc) {
    loop {
        let batch = store.scan(arc, None, DISCARD_BATCH);
        if batch.is_empty() {
            return;
        }
        for (key, _) in batch {
            store.forget(key);
        }
    }
}

/// The engine in memory: an ordered map.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    records: BTreeMap<Id, Record>,
}

impl Memory {
    /// The records of `arc` in clockwise order: the map's order, cut in two where the arc wraps.
    fn range(&self, arc: Arc) -> impl Iterator<Item = (&Id, &Record)> {
        use core::ops::Bound::{Excluded, Included, Unbounded};
        let (first, second) = if arc.start < arc.end {
            ((Excluded(arc.start), Included(arc.end)), None)
        } else {
            let rest = (Unbounded, Included(arc.end));
            ((Excluded(arc.start), Unbounded), Some(rest))
        };
        let second = second.map(|range| self.records.range(range));
        self.records
            .range(first)
            .chain(second.into_iter().flatten())
    }
}

impl Store for Memory {
    fn read(&self, key: Id) -> Option<Record> {
        self.records.get(&key).cloned()
    }

    fn change(&mut self, key: Id, change: Change, version: Version) -> Changed {
        let present = self.records.get(&key);
        if present.is_some_and(|present| present.name != change.name) {
            return Changed::Collision;
        }
        if !change.condition.holds(present) {
            return Changed::Refused(present.map(|present| present.version));
        }
        match change.value {
            Some(value) => {
                let name = change.name;
                let record = Record {
                    name,
                    value,
                    version,
                };
                match self.records.insert(key, record) {
                    Some(_) => Changed::Replaced(version),
                    None => Changed::Created(version),
                }
            }
            None => match self.records.remove(&key) {
                Some(_) => Changed::Deleted,
                None => Changed::Missing,
            },
        }
    }

    fn merge(&mut self, key: Id, record: Record) {
        let present = self.records.get(&key);
        if present.is_none_or(|present| present.version < record.version) {
            self.records.insert(key, record);
        }
    }

    fn forget(&mut self, key: Id) {
        self.records.remove(&key);
    }

    fn scan(&self, arc: Arc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)> {
        // The rest of an arc is an arc, unless nothing is left of it.
        let rest = match after {
            Some(after) if after == arc.end => return Vec::new(),
            Some(after) => Arc::new(after, arc.end),
            None => arc,
        };
        let mut bytes = 0;
        let mut batch = Vec::new();
        for (key, record) in self.range(rest) {
            bytes += record.value.len() + record.name.as_ref().map_or(0, |name| name.len());
            if !batch.is_empty() && (batch.len() == limit.records || bytes > limit.bytes) {
                break;
            }
            batch.push((*key, record.clone()));
        }
        batch
    }

    fn count(&self, arc: Arc) -> usize {
        self.range(arc).count()
    }

    fn len(&self) -> usize {
        self.records.len()
    }
}

/// What every engine must do, as one test: panics with a sentence where `store`, which comes empty,
/// does otherwise.
pub fn conformance(store: &mut impl Store) {
    let write = |text: &str| Change {
        name: None,
        value: Some(text.as_bytes().into()),
        condition: crate::record::Condition::Always,
    };
    let everything = Arc::new(Id::ZERO, Id::ZERO);
    let all = Limit {
        records: 100,
        bytes: 1 << 20,
    };
    let version = |number| Version::new(1, number);
    let [low, middle, high] = [10, 100, 200].map(|byte| Id::from_bytes([byte; Id::BYTES]));

    assert!(store.is_empty(), "the suite starts with an empty store");
    assert_eq!(store.read(low), None, "an empty store reads as nothing");
    for (number, key) in (1..).zip([high, low, middle]) {
        let changed = store.change(key, write("old"), version(number));
        assert_eq!(
            changed,
            Changed::Created(version(number)),
            "a first write creates"
        );
    }
    let changed = store.change(low, write("new"), version(4));
    assert_eq!(
        changed,
        Changed::Replaced(version(4)),
        "a second write replaces"
    );
    let read = store.read(low).expect("what was written is there");
    assert_eq!(
        (&*read.value, read.version),
        (&b"new"[..], version(4)),
        "the last write is read"
    );

    let keys = |arc, after, limit| -> Vec<Id> {
        store
            .scan(arc, after, limit)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    };
    assert_eq!(
        keys(everything, None, all),
        [low, middle, high],
        "a scan is in ring order"
    );
    assert_eq!(
        keys(Arc::new(middle, low), None, all),
        [high, low],
        "an arc may wrap around zero"
    );
    assert_eq!(
        keys(Arc::new(middle, low), Some(high), all),
        [low],
        "a scan goes on after a key"
    );
    assert_eq!(
        keys(Arc::new(middle, low), Some(low), all),
        [],
        "nothing comes after the end"
    );
    assert_eq!(
        keys(Arc::new(low, middle), None, all),
        [middle],
        "the start of an arc is outside"
    );
    let one = Limit { records: 1, ..all };
    assert_eq!(
        keys(everything, None, one),
        [low],
        "a scan keeps to its limit of records"
    );
    let tiny = Limit { bytes: 1, ..all };
    assert_eq!(
        keys(everything, None, tiny),
        [low],
        "a scan returns one record, however large"
    );
    assert_eq!(
        store.count(Arc::new(middle, low)),
        2,
        "a count is of the arc"
    );

    let named = Change {
        name: Some(b"name"[..].into()),
        ..write("other")
    };
    assert_eq!(
        store.change(low, named, version(5)),
        Changed::Collision,
        "names must agree"
    );
    let absent = Change {
        condition: crate::record::Condition::Absent,
        ..write("other")
    };
    let refused = store.change(low, absent, version(6));
    assert_eq!(
        refused,
        Changed::Refused(Some(version(4))),
        "a condition that fails refuses"
    );
    let older = Record {
        version: version(3),
        ..read.clone()
    };
    store.merge(low, older);
    assert_eq!(
        store.read(low),
        Some(read),
        "an older record does not replace a newer one"
    );

    let delete = Change {
        value: None,
        ..write("")
    };
    assert_eq!(
        store.change(low, delete.clone(), version(7)),
        Changed::Deleted,
        "a delete deletes"
    );
    assert_eq!(
        store.change(low, delete, version(8)),
        Changed::Missing,
        "and only once"
    );
    let outcome = perform(store, Command::Discard([Arc::new(low, middle)].into()));
    assert_eq!(outcome, Outcome::Done, "a discard is done");
    assert_eq!(
        (store.read(middle), store.len()),
        (None, 1),
        "a discard takes its arc, no more"
    );
}

/// Records that [`Command::Discard`] looks at before it goes back for more.
const DISCARD_BATCH: Limit = Limit {
    records: 1024,
    bytes: 1 << 20,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_conforms() {
        conformance(&mut Memory::default());
    }
}
