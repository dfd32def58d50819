//! Store: what a node keeps its content in.
//!
//! The protocol never touches an engine: it emits a [`Command`], and the driver answers with the
//! [`Outcome`] that [`perform`] gave. So a map in memory, a disk and a remote cache look alike to it.
//!
//! Commands are performed at once and in order: what comes later sees what came before. Whether it would
//! also be seen after a crash is another question, and [`Command::Sync`] asks it.

mod conformance;
mod memory;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use self::conformance::conformance;
pub use self::memory::Memory;
use crate::id::{Arc, Id};
use crate::record::{Change, Changed, Record, TOMBSTONE_MS, Version};

/// An engine that keeps records by identifier, and notes by name. [`conformance`] is what each must pass.
pub trait Store {
    /// The record under `key`, tombstones and what has expired included.
    fn read(&self, key: Id) -> Option<Record>;

    /// Makes one change, atomically; a record that is written gets `version`.
    ///
    /// - `keep_tombstone`: whether a delete leaves a tombstone of that version, or nothing.
    fn change(
        &mut self,
        key: Id,
        change: Change,
        version: Version,
        keep_tombstone: bool,
    ) -> Changed;

    /// Takes over a record as another node had it, unless the one that is here is newer.
    fn merge(&mut self, key: Id, record: Record) {
        let present = self.read(key);
        if present.is_none_or(|present| present.version < record.version) {
            self.put(key, record);
        }
    }

    /// Keeps this record under `key`, whatever the version of the one that is here.
    fn put(&mut self, key: Id, record: Record);

    /// Forgets `key`, whatever its version.
    fn forget(&mut self, key: Id);

    /// Records on `arc` in clockwise order from its start, or from just after `after`, tombstones
    /// included; stops before `limit` is passed, but returns at least one record if there is one.
    fn scan(&self, arc: Arc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)>;

    /// Number of values on `arc`, expired ones included: all records but tombstones.
    fn count(&self, arc: Arc) -> usize;

    /// Number of values on `arc` that have expired by `now_ms`, in Unix milliseconds.
    fn expired(&self, arc: Arc, now_ms: u64) -> usize;

    /// Number of values, expired ones included: all records but tombstones.
    fn len(&self) -> usize;

    /// Whether there are no values.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps a note in the place of the one with its name, or removes that.
    fn note(&mut self, note: Note);

    /// All notes, in the order of their names: name and bytes.
    fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)>;

    /// Forgets up to [`PURGE_MAX`] of the records that nobody needs any more: those whose
    /// [`Record::purge_ms`] has come by `now_ms`, in Unix milliseconds. Returns how many.
    fn purge(&mut self, now_ms: u64) -> usize;
}

/// Something small that the protocol itself must find again after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Note {
    /// Its name; there is one note of each name.
    pub name: Vec<u8>,
    /// What it says; nothing removes it.
    pub bytes: Option<Vec<u8>>,
}

/// How much one scan may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// Records.
    pub records: usize,
    /// Bytes of names and values together.
    pub bytes: usize,
}

/// Something the node wants its store to do. Each is done whole or, after a crash, not at all, and never
/// without those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Read one record.
    Read(Id),
    /// Make one change.
    Change {
        /// Of which item.
        key: Id,
        /// What to change.
        change: Change,
        /// The version of what is written.
        version: Version,
        /// Whether a delete leaves a tombstone.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        tombstone: bool,
        /// What to keep with the change, if it is made, and only then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
    },
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
    /// Do all of this, in the order forget, put, merge, notes.
    Write {
        /// Records to keep whatever the versions of those that are here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        put: Vec<(Id, Record)>,
        /// Records to keep unless those that are here are newer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        merge: Vec<(Id, Record)>,
        /// What to forget.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        forget: Vec<Id>,
        /// What to note.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<Note>,
    },
    /// Note this.
    Note(Note),
    /// Forget everything on these arcs.
    Discard(Vec<Arc>),
    /// Answer once everything before this would be there after a crash, or it is clear that it will not be. The
    /// only command whose answer may come later than those of commands after it.
    Sync,
}

impl Command {
    /// Forget these keys as if they had never been there.
    pub(crate) fn forget(keys: Vec<Id>) -> Command {
        Command::Write {
            forget: keys,
            put: Vec::new(),
            merge: Vec::new(),
            notes: Vec::new(),
        }
    }
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
    /// Answer to all others.
    Done,
    /// Answer to any but [`Command::Discard`] where what keeps the content is out of reach: nothing was read,
    /// and no [`Command::Change`] was made. Of several records some may have been written. Asked again later it
    /// may work. To [`Command::Sync`]: what came before will not be durable, nor what comes after it.
    Failed,
}

/// Performs one command on an engine. To be durable at once is the engine's affair: [`Command::Sync`] is
/// answered at once as well, so a driver of an engine that is not asks the engine instead.
pub fn perform(store: &mut impl Store, command: Command) -> Outcome {
    match command {
        Command::Read(key) => return Outcome::Record(store.read(key)),
        Command::Change {
            key,
            change,
            version,
            tombstone,
            note,
        } => {
            let changed = store.change(key, change, version, tombstone);
            if let Some(note) = note.filter(|_| changed.is_made()) {
                store.note(note);
            }
            return Outcome::Changed(changed);
        }
        Command::Scan { arc, after, limit } => {
            let records = store.scan(arc, after, limit).into_iter();
            let records = records.map(|(key, record)| (key, Some(record)));
            return Outcome::Records(records.collect());
        }
        Command::Collect(keys) => {
            let records = keys.into_iter().map(|key| (key, store.read(key)));
            return Outcome::Records(records.collect());
        }
        Command::Merge(records) => {
            for (key, record) in records {
                match record {
                    Some(record) => store.merge(key, record),
                    None => store.forget(key),
                }
            }
        }
        Command::Write {
            put,
            merge,
            forget,
            notes,
        } => {
            forget.into_iter().for_each(|key| store.forget(key));
            put.into_iter()
                .for_each(|(key, record)| store.put(key, record));
            merge
                .into_iter()
                .for_each(|(key, record)| store.merge(key, record));
            notes.into_iter().for_each(|note| store.note(note));
        }
        Command::Note(note) => store.note(note),
        Command::Discard(arcs) => arcs.into_iter().for_each(|arc| discard(store, arc)),
        Command::Sync => {}
    }
    Outcome::Done
}

/// What a change makes of the record that is present: what became of it, and what to keep if it is
/// made: a record, or nothing. It gets `version`, or a higher one if the record has as high a one already.
///
/// Every engine judges by this, and only stores in its own way.
pub fn judge(
    present: Option<&Record>,
    change: Change,
    version: Version,
    keep_tombstone: bool,
) -> (Changed, Option<Record>) {
    // A node with one copy counts anew after a restart, and what its disk has is of an earlier life.
    let version = match present {
        Some(present) if present.version >= version => present.version.next(),
        _ => version,
    };
    let present = present.filter(|present| present.is_live(change.now_ms));
    if present.is_some_and(|present| present.name != change.name) {
        return (Changed::Collision, None);
    }
    if !change.condition.holds(present) {
        let version = present.map(|present| present.version);
        return (Changed::Refused(version), None);
    }
    let Change { name, value, .. } = change;
    let record = |value, flags, expires_ms| Record {
        name,
        value,
        version,
        flags,
        expires_ms,
    };
    match (value, present) {
        (Some(value), present) => {
            let changed = match present {
                Some(_) => Changed::Replaced(version),
                None => Changed::Created(version),
            };
            let record = record(Some(value), change.flags, change.expires_ms);
            (changed, Some(record))
        }
        (None, None) => (Changed::Missing, None),
        (None, Some(_)) => {
            let expires_ms = change.now_ms.saturating_add(TOMBSTONE_MS);
            let tombstone = keep_tombstone.then(|| record(None, 0, Some(expires_ms)));
            (Changed::Deleted, tombstone)
        }
    }
}

/// Forgets everything on `arc`, a batch at a time.
fn discard(store: &mut impl Store, arc: Arc) {
    let mut last = None;
    loop {
        let batch = store.scan(arc, last, DISCARD_BATCH);
        if batch.is_empty() {
            return;
        }
        for (key, _) in batch {
            store.forget(key);
            last = Some(key);
        }
    }
}

/// Records that [`Command::Discard`] looks at before it goes back for more.
const DISCARD_BATCH: Limit = Limit {
    records: 1024,
    bytes: 1 << 20,
};

/// Records that one [`Store::purge`] forgets at most, so that nobody waits long behind it.
pub const PURGE_MAX: usize = 1024;
