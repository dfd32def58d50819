//! Memory: the engine in memory, an ordered map.

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

impl Memory {
    /// Puts a record in the place of what is there, or nothing.
    fn replace(&mut self, key: Id, record: Option<Record>) {
        if let Some(record) = &record {
            self.values += usize::from(record.value.is_some());
            if let Some(expires_ms) = record.expires_ms {
                self.times(record).insert((expires_ms, key));
            }
        }
        let old = match record {
            Some(record) => self.records.insert(key, record),
            None => self.records.remove(&key),
        };
        let Some(old) = old else { return };
        self.values -= usize::from(old.value.is_some());
        let Some(expires_ms) = old.expires_ms else {
            return;
        };
        let new = self.records.get(&key);
        let is_kept = new.is_some_and(|new| {
            new.expires_ms == old.expires_ms && new.value.is_some() == old.value.is_some()
        });
        if !is_kept {
            self.times(&old).remove(&(expires_ms, key));
        }
    }

    /// Where it stands when this record's time has come.
    fn times(&mut self, record: &Record) -> &mut BTreeSet<(u64, Id)> {
        match record.value {
            Some(_) => &mut self.expiring,
            None => &mut self.tombstones,
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
        let present = self.records.get(&key);
        let (changed, record) = judge(present, change, version, keep_tombstone);
        if changed.is_made() {
            self.replace(key, record);
        }
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
