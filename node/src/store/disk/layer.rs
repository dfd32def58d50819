//! Layer: what was performed and is not in the file yet, as what is different from the file.

use std::collections::BTreeMap;

use dht::Id;
use dht::record::Record;
use dht::store::Note;

use super::table::Time;

/// Differences; nothing stands for what is there no more.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) records: BTreeMap<Id, Option<Record>>,
    pub(super) times: BTreeMap<Time, bool>,
    pub(super) notes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// How many values there are with it.
    pub(super) values: usize,
    /// What it takes in memory, about.
    pub(super) bytes: usize,
}

impl Layer {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.times.is_empty() && self.notes.is_empty()
    }

    /// A record is there from now on, or none.
    pub(super) fn replace(&mut self, key: Id, record: Option<Record>) {
        let size = |record: &Option<Record>| ENTRY + record.as_ref().map_or(0, Record::bytes);
        self.bytes += size(&record);
        if let Some(old) = self.records.insert(key, record) {
            self.bytes -= size(&old);
        }
    }

    /// A time is there from now on, or not.
    pub(super) fn set_time(&mut self, time: Time, is_there: bool) {
        if self.times.insert(time, is_there).is_none() {
            self.bytes += ENTRY;
        }
    }

    /// A note is there from now on, or not.
    pub(super) fn note(&mut self, note: Note) {
        let size = |bytes: &Option<Vec<u8>>| ENTRY + bytes.as_ref().map_or(0, Vec::len);
        let name = note.name.len();
        self.bytes += name + size(&note.bytes);
        if let Some(old) = self.notes.insert(note.name, note.bytes) {
            self.bytes -= name + size(&old);
        }
    }
}

/// What an entry of a map takes beside its bytes, about.
const ENTRY: usize = 128;
