//! Engine: the index, and what stands between it and the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dht::record::{Blob, Change, Changed, Record, Version};
use dht::store::{Command, Limit, Memory, Note, Outcome, Store, judge, perform};
use dht::{Arc as RingArc, Id};
use tracing::warn;

use super::error::Unreachable;
use super::place::Place;
use super::server::Server;

/// Everything but the values themselves.
#[derive(Debug)]
pub(super) struct Engine {
    /// The records, with the place of the value instead of the value.
    index: Memory,
    server: Arc<Server>,
    /// Values that readers did not find at their places.
    gone: Mutex<BTreeMap<Id, Place>>,
    /// Places that nobody needs any more.
    unused: Vec<(Id, Place)>,
    /// Whether something could not be done since the last command.
    has_failed: AtomicBool,
    /// How many values were gone, and of how many the log tells, since when.
    lost: u64,
    told: (u64, Option<Instant>),
}

impl Engine {
    pub(super) fn new(server: Arc<Server>) -> Engine {
        Engine {
            index: Memory::default(),
            server,
            gone: Mutex::default(),
            unused: Vec::new(),
            has_failed: AtomicBool::new(false),
            lost: 0,
            told: (0, None),
        }
    }

    pub(super) fn perform(&mut self, command: Command) -> Outcome {
        self.forget_gone();
        *self.has_failed.get_mut() = false;
        let outcome = match command {
            // By the index alone: to fetch values only to forget them would take long.
            Command::Discard(arcs) => {
                arcs.into_iter().for_each(|arc| self.discard(arc));
                Outcome::Done
            }
            command => perform(self, command),
        };
        match *self.has_failed.get_mut() {
            true => Outcome::Failed,
            false => outcome,
        }
    }

    pub(super) fn try_read(&self, key: Id) -> Result<Option<Record>, Unreachable> {
        let Some(record) = self.index.read(key) else {
            return Ok(None);
        };
        Ok(self
            .fetch(vec![(key, record)])?
            .pop()
            .map(|(_, record)| record))
    }

    fn try_scan(
        &self,
        arc: RingArc,
        mut after: Option<Id>,
        limit: Limit,
    ) -> Result<Vec<(Id, Record)>, Unreachable> {
        loop {
            let all = Limit {
                bytes: usize::MAX,
                ..limit
            };
            let mut page = self.index.scan(arc, after, all);
            page.truncate(fitting(&page, limit.bytes));
            let Some((last, _)) = page.last() else {
                return Ok(page);
            };
            after = Some(*last);
            let records = self.fetch(page)?;
            // An empty page would mean that nothing follows.
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    /// Records of the index with their values; those whose values are gone are left out.
    fn fetch(&self, records: Vec<(Id, Record)>) -> Result<Vec<(Id, Record)>, Unreachable> {
        let places = records
            .iter()
            .filter_map(|(key, record)| Some((*key, place(record)?)));
        let places: Vec<(Id, Place)> = places.collect();
        let values = match places.is_empty() {
            true => Vec::new(),
            false => self.server.fetch(&places)?,
        };
        let mut values = places.into_iter().zip(values);
        let whole = records.into_iter().filter_map(|(key, record)| {
            if record.value.is_none() {
                return Some((key, record));
            }
            let (value, bytes) = values.next().expect("a value for each place");
            match bytes {
                Some(bytes) => {
                    let value = Some(Blob::from(bytes));
                    Some((key, Record { value, ..record }))
                }
                None => {
                    self.are_gone([value]);
                    None
                }
            }
        });
        Ok(whole.collect())
    }

    /// What is in the index under `key`, after a look whether the value is still there.
    fn present(&mut self, key: Id) -> Result<Option<Record>, Unreachable> {
        let Some(record) = self.index.read(key) else {
            return Ok(None);
        };
        if let Some(place) = place(&record)
            && self.server.has(&[(key, place)])? != [true]
        {
            self.are_gone([(key, place)]);
            self.forget_gone();
            return Ok(None);
        }
        Ok(Some(record))
    }

    /// Puts a record in the place of what is there, or nothing. Where the server does not take the value nothing
    /// is changed.
    fn replace(&mut self, key: Id, record: Option<Record>) -> Result<(), Unreachable> {
        let old = self.index.read(key).as_ref().and_then(place);
        match record {
            Some(mut record) => {
                if let Some(value) = &record.value {
                    record.value = Some(self.server.keep(key, value)?.to_blob());
                }
                self.index.put(key, record);
            }
            None => self.index.forget(key),
        }
        self.unused.extend(old.map(|place| (key, place)));
        if self.unused.len() >= UNUSED_MAX {
            self.tidy();
        }
        Ok(())
    }

    /// Has the server delete what nobody needs any more.
    fn tidy(&mut self) {
        if !self.unused.is_empty() {
            self.server.discard(&self.unused);
            self.unused.clear();
        }
    }

    fn discard(&mut self, arc: RingArc) {
        loop {
            let page = self.index.scan(arc, None, PAGE);
            if page.is_empty() {
                return;
            }
            page.into_iter().for_each(|(key, _)| self.forget(key));
        }
    }

    /// Up to `max` keys of the index, from just after `after`, and where their values are.
    pub(super) fn places(&self, after: Option<Id>, max: usize) -> Vec<(Id, Option<Place>)> {
        let limit = Limit {
            records: max,
            ..PAGE
        };
        let page = self.index.scan(RingArc::WHOLE, after, limit).into_iter();
        page.map(|(key, record)| (key, place(&record))).collect()
    }

    /// These values are not at their places.
    pub(super) fn are_gone(&self, values: impl IntoIterator<Item = (Id, Place)>) {
        self.gone().extend(values);
    }

    /// Forgets the records whose values are gone, unless they were written anew.
    pub(super) fn forget_gone(&mut self) {
        let gone = std::mem::take(&mut *self.gone());
        for (key, value) in gone {
            if self.index.read(key).as_ref().and_then(place) == Some(value) {
                self.index.forget(key);
                self.lost += 1;
            }
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Tells the log of values that are gone, now and then.
    fn tell(&mut self) {
        let (told, since) = self.told;
        if self.lost > told && since.is_none_or(|since| since.elapsed() >= TELL) {
            let values = self.lost - told;
            warn!(values, "memcached has forgotten values: they are gone");
            self.told = (self.lost, Some(Instant::now()));
        }
    }

    fn gone(&self) -> MutexGuard<'_, BTreeMap<Id, Place>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }
}

/// What can't be reached is not there, or not done; [`Engine::perform`] tells the difference.
impl Store for Engine {
    fn read(&self, key: Id) -> Option<Record> {
        self.try_read(key).unwrap_or_else(|Unreachable| {
            self.failed();
            None
        })
    }

    fn change(
        &mut self,
        key: Id,
        change: Change,
        version: Version,
        keep_tombstone: bool,
    ) -> Changed {
        let made = self.present(key).and_then(|present| {
            let (changed, record) = judge(present.as_ref(), change, version, keep_tombstone);
            if changed.is_made() {
                self.replace(key, record)?;
            }
            Ok(changed)
        });
        made.unwrap_or_else(|Unreachable| {
            self.failed();
            Changed::Refused(None)
        })
    }

    fn merge(&mut self, key: Id, record: Record) {
        let is_newer = |present: Option<Record>| {
            present.is_none_or(|present| present.version < record.version)
        };
        // Only what would keep the other one out has to be there indeed.
        let is_newer = match is_newer(self.index.read(key)) {
            true => Ok(true),
            false => self.present(key).map(is_newer),
        };
        match is_newer {
            Ok(true) => self.put(key, record),
            Ok(false) => {}
            Err(Unreachable) => self.failed(),
        }
    }

    fn put(&mut self, key: Id, record: Record) {
        if self.replace(key, Some(record)).is_err() {
            self.failed();
        }
    }

    fn forget(&mut self, key: Id) {
        let forgotten = self.replace(key, None);
        debug_assert!(forgotten.is_ok(), "to forget takes no server");
    }

    fn scan(&self, arc: RingArc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)> {
        self.try_scan(arc, after, limit)
            .unwrap_or_else(|Unreachable| {
                self.failed();
                Vec::new()
            })
    }

    fn count(&self, arc: RingArc) -> usize {
        self.index.count(arc)
    }

    fn expired(&self, arc: RingArc, now_ms: u64) -> usize {
        self.index.expired(arc, now_ms)
    }

    fn len(&self) -> usize {
        self.index.len()
    }

    fn note(&mut self, note: Note) {
        self.index.note(note);
    }

    fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.index.notes()
    }

    fn purge(&mut self, now_ms: u64) -> usize {
        self.forget_gone();
        self.tell();
        self.tidy();
        // The values themselves have not been used for long: memcached evicts those first.
        self.index.purge(now_ms)
    }
}

/// Where the value of a record of the index is, if it has one.
fn place(record: &Record) -> Option<Place> {
    record.value.as_ref().map(Place::from_blob)
}

/// How many of these records come before `bytes_max` is passed, at least one.
fn fitting(page: &[(Id, Record)], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = page.iter().take_while(|(_, record)| {
        let name = record.name.as_ref().map_or(0, |name| name.len());
        let value = place(record).map_or(0, |place| place.bytes as usize);
        bytes += name + value;
        bytes <= bytes_max
    });
    fits.count().max(1)
}

/// Places that wait to be deleted: deleted in one round trip, with the next purge or when there are so many.
const UNUSED_MAX: usize = 1024;

/// Records of the index that are looked at in one go.
const PAGE: Limit = Limit {
    records: 1024,
    bytes: usize::MAX,
};

/// Between two lines of the log about values that are gone.
const TELL: Duration = Duration::from_secs(10);
