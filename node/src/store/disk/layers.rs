//! Layers: all of a store, as readers see it: what is pending over what is flying over what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::process;
use std::sync::Arc;

use dht::record::{Change, Changed, Record, Version};
use dht::store::{Command, Limit, Note, PURGE_MAX, Store, judge};
use dht::{Arc as RingArc, Id};
use redb::StorageError;

use super::layer::Layer;
use super::log;
use super::table::{Committed, Head, Key, Time, decode, head, time, whose};

/// A store at one moment.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) pending: Layer,
    /// How it came to be: what is not in the log yet.
    pub(super) steps: Vec<u8>,
    /// What is being committed.
    pub(super) flying: Option<Arc<Layer>>,
    pub(super) committed: Committed,
    /// Nothing more is kept: it would never be committed, and there is no more room for it. Whoever writes is
    /// told so, and what is forgotten stays forgotten.
    pub(super) is_sealed: bool,
}

impl Layers {
    pub(super) fn new(committed: Committed, values: usize) -> Layers {
        let pending = Layer {
            values,
            ..Layer::default()
        };
        Layers {
            pending,
            steps: Vec::new(),
            flying: None,
            committed,
            is_sealed: false,
        }
    }

    /// Takes what is pending, to be committed.
    pub(super) fn take_off(&mut self) -> Arc<Layer> {
        let next = Layer {
            values: self.pending.values,
            ..Layer::default()
        };
        let layer = Arc::new(std::mem::replace(&mut self.pending, next));
        self.flying = Some(layer.clone());
        layer
    }

    /// What was taken off is committed.
    pub(super) fn land(&mut self, committed: Committed) {
        self.flying = None;
        self.committed = committed;
    }

    /// What is not committed about a key: a record or none, if anything.
    fn uncommitted(&self, key: Id) -> Option<&Option<Record>> {
        let flying = self.flying.as_ref();
        let flying = || flying.and_then(|layer| layer.records.get(&key));
        self.pending.records.get(&key).or_else(flying)
    }

    fn head(&self, key: Id) -> Option<Head> {
        match self.uncommitted(key) {
            Some(record) => record.as_ref().map(|record| Head {
                version: record.version,
                is_value: record.value.is_some(),
                expires_ms: record.expires_ms,
            }),
            None => {
                let bytes = readable(self.committed.records.get(key.as_bytes()))?;
                Some(whole(head(bytes.value())))
            }
        }
    }

    /// Puts a record in the place of what is there, or nothing.
    fn replace(&mut self, key: Id, record: Option<Record>) {
        let old = self.head(key);
        let is_kept = match record {
            // That something is gone takes next to nothing, and whoever forgets a lot waits for it.
            None => old.is_some(),
            Some(_) => !self.is_sealed,
        };
        if !is_kept {
            return;
        }
        if let Some(old) = old {
            self.pending.values -= usize::from(old.is_value);
            if let Some(time) = time(key, old.is_value, old.expires_ms) {
                self.pending.set_time(time, false);
            }
        }
        if let Some(new) = &record {
            self.pending.values += usize::from(new.value.is_some());
            if let Some(time) = time(key, new.value.is_some(), new.expires_ms) {
                self.pending.set_time(time, true);
            }
        }
        log::record(&mut self.steps, key, record.as_ref());
        self.pending.replace(key, record);
    }

    /// Visits the records of an arc clockwise from its start, as long as `visit` says so.
    fn visit(&self, arc: RingArc, mut visit: impl FnMut(Id, Entry<'_>) -> bool) {
        let (first, second) = if arc.start < arc.end {
            ((Excluded(arc.start), Included(arc.end)), None)
        } else {
            let rest = (Unbounded, Included(arc.end));
            ((Excluded(arc.start), Unbounded), Some(rest))
        };
        for range in [Some(first), second].into_iter().flatten() {
            if !self.visit_range(range, &mut visit) {
                return;
            }
        }
    }

    fn visit_range(
        &self,
        range: (Bound<Id>, Bound<Id>),
        visit: &mut impl FnMut(Id, Entry<'_>) -> bool,
    ) -> bool {
        let newer = self.differences(range);
        let mut newer = newer.into_iter().peekable();
        let (start, end) = (range.0.as_ref(), range.1.as_ref());
        let bytes = (start.map(Id::as_bytes), end.map(Id::as_bytes));
        let older = self.committed.records.range::<&Key>(bytes);
        for entry in readable(older) {
            let (key, bytes) = readable(entry);
            let key = Id::from_bytes(*key.value());
            while let Some((new, record)) = newer.next_if(|(new, _)| *new < key) {
                if record.is_some_and(|record| !visit(new, Entry::New(record))) {
                    return false;
                }
            }
            let goes_on = match newer.next_if(|(new, _)| *new == key) {
                None => visit(key, Entry::Old(bytes.value())),
                Some((_, Some(record))) => visit(key, Entry::New(record)),
                Some((_, None)) => true,
            };
            if !goes_on {
                return false;
            }
        }
        newer.all(|(key, record)| record.is_none_or(|record| visit(key, Entry::New(record))))
    }

    /// What is not committed, in one order.
    fn differences(
        &self,
        range: (Bound<Id>, Bound<Id>),
    ) -> impl Iterator<Item = (Id, Option<&Record>)> {
        let pending = self.pending.records.range(range);
        let flying = self.flying.as_ref();
        let flying = flying.map(|layer| layer.records.range(range));
        newest(pending, flying.into_iter().flatten()).map(|(key, record)| (*key, record.as_ref()))
    }

    /// Visits times in their order, of values or of tombstones, up to `last_ms`, as long as `visit` says so.
    fn visit_times(&self, is_value: bool, last_ms: u64, mut visit: impl FnMut(Id) -> bool) {
        let bound = |expires_ms, filler| {
            let key = Id::from_bytes([filler; Id::BYTES]);
            time(key, is_value, Some(expires_ms)).unwrap_or([0; _])
        };
        let range = (Included(bound(0, 0)), Included(bound(last_ms, u8::MAX)));
        let flying = self.flying.as_ref();
        let flying = flying.map(|layer| layer.times.range(range));
        let newer = newest(
            self.pending.times.range(range),
            flying.into_iter().flatten(),
        );
        let older = readable(
            self.committed
                .times
                .range::<&Time>((range.0.as_ref(), range.1.as_ref())),
        );
        let older = older.map(|entry| (*readable(entry).0.value(), true));
        let newer = newer.map(|(time, is_there)| (*time, *is_there));
        for (time, is_there) in newest(newer, older) {
            if is_there && !visit(whose(&time)) {
                return;
            }
        }
    }
}

/// Whether a command may need room.
pub(super) fn adds(command: &Command) -> bool {
    match command {
        Command::Change { .. } | Command::Note(_) | Command::Merge(_) => true,
        Command::Write {
            put, merge, notes, ..
        } => !(put.is_empty() && merge.is_empty() && notes.is_empty()),
        Command::Read(_)
        | Command::Scan { .. }
        | Command::Collect(_)
        | Command::Discard(_)
        | Command::Sync => false,
    }
}

/// Two ordered sequences as one; where both have a key, the newer one counts.
fn newest<K: Ord, V>(
    newer: impl Iterator<Item = (K, V)>,
    older: impl Iterator<Item = (K, V)>,
) -> impl Iterator<Item = (K, V)> {
    let (mut newer, mut older) = (newer.peekable(), older.peekable());
    std::iter::from_fn(move || {
        let Some((key, _)) = newer.peek() else {
            return older.next();
        };
        match older.peek() {
            Some((other, _)) if other < key => older.next(),
            Some((other, _)) if other == key => {
                older.next();
                newer.next()
            }
            _ => newer.next(),
        }
    })
}

/// A record, in whatever form it is there.
enum Entry<'a> {
    New(&'a Record),
    Old(&'a [u8]),
}

impl Entry<'_> {
    fn record(&self) -> Record {
        match self {
            Entry::New(record) => (*record).clone(),
            Entry::Old(bytes) => whole(decode(bytes)),
        }
    }

    fn is_value(&self) -> bool {
        match self {
            Entry::New(record) => record.value.is_some(),
            Entry::Old(bytes) => whole(head(bytes)).is_value,
        }
    }
}

impl Store for Layers {
    fn read(&self, key: Id) -> Option<Record> {
        match self.uncommitted(key) {
            Some(record) => record.clone(),
            None => {
                let bytes = readable(self.committed.records.get(key.as_bytes()))?;
                Some(whole(decode(bytes.value())))
            }
        }
    }

    fn change(
        &mut self,
        key: Id,
        change: Change,
        version: Version,
        keep_tombstone: bool,
    ) -> Changed {
        let present = self.read(key);
        let (changed, record) = judge(present.as_ref(), change, version, keep_tombstone);
        if changed.is_made() {
            self.replace(key, record);
        }
        changed
    }

    fn merge(&mut self, key: Id, record: Record) {
        let present = self.head(key);
        if present.is_none_or(|present| present.version < record.version) {
            self.replace(key, Some(record));
        }
    }

    fn put(&mut self, key: Id, record: Record) {
        self.replace(key, Some(record));
    }

    fn forget(&mut self, key: Id) {
        self.replace(key, None);
    }

    fn scan(&self, arc: RingArc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)> {
        // The rest of an arc is an arc, unless nothing is left of it.
        let rest = match after {
            Some(after) if after == arc.end => return Vec::new(),
            Some(after) => RingArc::new(after, arc.end),
            None => arc,
        };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        self.visit(rest, |key, entry| {
            let record = entry.record();
            bytes += record.bytes();
            if !batch.is_empty() && (batch.len() == limit.records || bytes > limit.bytes) {
                return false;
            }
            batch.push((key, record));
            true
        });
        batch
    }

    fn count(&self, arc: RingArc) -> usize {
        let mut count = 0;
        self.visit(arc, |_, entry| {
            count += usize::from(entry.is_value());
            true
        });
        count
    }

    fn expired(&self, arc: RingArc, now_ms: u64) -> usize {
        let mut count = 0;
        self.visit_times(true, now_ms, |key| {
            count += usize::from(arc.contains(key));
            true
        });
        count
    }

    fn len(&self) -> usize {
        self.pending.values
    }

    fn note(&mut self, note: Note) {
        if !self.is_sealed {
            log::note(&mut self.steps, &note);
            self.pending.note(note);
        }
    }

    fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let committed = readable(self.committed.notes.range::<&[u8]>(..));
        let committed = committed.map(|entry| {
            let (name, bytes) = readable(entry);
            (name.value().to_vec(), bytes.value().to_vec())
        });
        let mut notes: BTreeMap<_, _> = committed.collect();
        let flying = self.flying.iter().flat_map(|layer| &layer.notes);
        for (name, bytes) in flying.chain(&self.pending.notes) {
            match bytes {
                Some(bytes) => notes.insert(name.clone(), bytes.clone()),
                None => notes.remove(name),
            };
        }
        notes.into_iter().collect()
    }

    fn purge(&mut self, now_ms: u64) -> usize {
        let mut due = BTreeSet::new();
        let expired_ms = now_ms.checked_sub(dht::record::TOMBSTONE_MS);
        for (is_value, last_ms) in [(false, Some(now_ms)), (true, expired_ms)] {
            let Some(last_ms) = last_ms else { continue };
            self.visit_times(is_value, last_ms, |key| {
                due.insert(key);
                due.len() < PURGE_MAX
            });
            if due.len() >= PURGE_MAX {
                break;
            }
        }
        due.iter().for_each(|key| self.forget(*key));
        due.len()
    }
}

/// What was read from the disk. A node that can't read what it has acknowledged must not go on: whatever it
/// said of it would be wrong.
fn readable<T>(read: Result<T, StorageError>) -> T {
    read.unwrap_or_else(|error| end(&error.to_string()))
}

/// The same of what was read, and is not as it was written.
fn whole<T>(decoded: Option<T>) -> T {
    decoded.unwrap_or_else(|| end("a record is damaged"))
}

fn end(cause: &str) -> ! {
    tracing::error!(
        cause,
        "the data folder can't be read any more: this node ends"
    );
    process::exit(1)
}
