//! Memory: the engine in memory, an ordered map.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Limit, Note, PURGE_MAX, Store, judge};
use crate::id::{Arc, Id};
use crate::record::{Change, Changed, Record, Version};

/// The engine in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    records: BTreeMap<Id, Record>,
    /// Values that will expire or have, by when.
    expiring: BTreeSet<(u64, Id)>,
    /// Tombstones that may be purged some time, by when.
    tombstones: BTreeSet<(u64, Id)>,
    /// Records that are no tombstones.
    values: usize,
    notes: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What counts of a record beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Times {
    is_value: bool,
    expires_ms: Option<u64>,
}

impl Times {
    fn of(record: &Record) -> Times {
        Times {
            is_value: record.value.is_some(),
            expires_ms: record.expires_ms,
        }
    }
}

impl Memory {
    /// Puts a record in the place of what is there, or nothing.
    fn replace(&mut self, key: Id, record: Option<Record>) {
        let new = record.as_ref().map(Times::of);
        let old = match record {
            Some(record) => self.records.insert(key, record),
            None => self.records.remove(&key),
        };
        self.account(key, old.as_ref().map(Times::of), new);
    }

    /// One record has taken the place of another.
    fn account(&mut self, key: Id, old: Option<Times>, new: Option<Times>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.values -= usize::from(old.is_value);
            if let Some(expires_ms) = old.expires_ms {
                self.times(old).remove(&(expires_ms, key));
            }
        }
        if let Some(new) = new {
            self.values += usize::from(new.is_value);
            if let Some(expires_ms) = new.expires_ms {
                self.times(new).insert((expires_ms, key));
            }
        }
    }

    /// Where it stands when the time of such a record has come.
    fn times(&mut self, times: Times) -> &mut BTreeSet<(u64, Id)> {
        match times.is_value {
            true => &mut self.expiring,
            false => &mut self.tombstones,
        }
    }

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

    fn change(
        &mut self,
        key: Id,
        change: Change,
        version: Version,
        keep_tombstone: bool,
    ) -> Changed {
        // One search for all: this is what takes longest.
        let (changed, old, new) = match self.records.entry(key) {
            Entry::Vacant(entry) => {
                let (changed, record) = judge(None, change, version, keep_tombstone);
                let new = record.filter(|_| changed.is_made());
                let times = new.as_ref().map(Times::of);
                new.map(|record| entry.insert(record));
                (changed, None, times)
            }
            Entry::Occupied(mut entry) => {
                let (changed, record) = judge(Some(entry.get()), change, version, keep_tombstone);
                if !changed.is_made() {
                    return changed;
                }
                let times = record.as_ref().map(Times::of);
                let old = match record {
                    Some(record) => entry.insert(record),
                    None => entry.remove(),
                };
                (changed, Some(Times::of(&old)), times)
            }
        };
        self.account(key, old, new);
        changed
    }

    fn put(&mut self, key: Id, record: Record) {
        self.replace(key, Some(record));
    }

    fn forget(&mut self, key: Id) {
        self.replace(key, None);
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
            bytes += record.bytes();
            if !batch.is_empty() && (batch.len() == limit.records || bytes > limit.bytes) {
                break;
            }
            batch.push((*key, record.clone()));
        }
        batch
    }

    fn count(&self, arc: Arc) -> usize {
        let values = self.range(arc).filter(|(_, record)| record.value.is_some());
        values.count()
    }

    fn expired(&self, arc: Arc, now_ms: u64) -> usize {
        let expired = self.expiring.iter();
        expired
            .take_while(|(expires_ms, _)| *expires_ms <= now_ms)
            .filter(|(_, key)| arc.contains(*key))
            .count()
    }

    fn len(&self) -> usize {
        self.values
    }

    fn note(&mut self, note: Note) {
        match note.bytes {
            Some(bytes) => self.notes.insert(note.name, bytes),
            None => self.notes.remove(&note.name),
        };
    }

    fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let notes = self.notes.iter();
        notes
            .map(|(name, bytes)| (name.clone(), bytes.clone()))
            .collect()
    }

    fn purge(&mut self, now_ms: u64) -> usize {
        let oldest = self.tombstones.iter().take(PURGE_MAX);
        let oldest = oldest.chain(self.expiring.iter().take(PURGE_MAX));
        let is_due = |key: &Id| {
            let purge_ms = self.records.get(key).and_then(Record::purge_ms);
            purge_ms.is_some_and(|purge_ms| purge_ms <= now_ms)
        };
        let due = oldest.map(|(_, key)| *key).filter(is_due);
        let due: Vec<Id> = due.take(PURGE_MAX).collect();
        due.iter().for_each(|key| self.forget(*key));
        due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[test]
    fn memory_conforms() {
        conformance(&mut Memory::default());
    }
}
