//! Disk: the engine that keeps content in a folder, in one redb file.
//!
//! ```text
//!  perform ─► pending ─► flying ─► committed      reads look through all three, the newest first
//!      │      (memory)   (on its    (the file)
//!      │                  way)
//!      └────► log: durable
//! ```
//!
//! Commands are performed in memory, at once, and each step of them is noted. One thread appends what has
//! been noted to a log with one flush, so that many writers share it; meanwhile the next lot gathers. A
//! frame of the log is a whole number of commands, in their order, so whatever happens the log holds all
//! commands up to some one of them. Now and then all that is pending goes into the file, and the log begins
//! anew; when a store is opened what the log holds is performed once more.

mod error;
mod file;
mod folder;
mod layer;
mod layers;
mod log;
mod table;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use dht::record::{Change, Changed, Record, Version};
use dht::store::{Command, Limit, Note, Outcome, Store, perform};
use dht::{Arc as RingArc, Id};
use redb::Database;

pub use self::error::Error;
use self::folder::{Folder, Opened};
use self::layers::Layers;
use self::writer::{Control, SETTLE_BYTES, Shared, Writer};

/// The content of a node on disk.
///
/// Many may read and write it at once; writes are made one after the other. When it is dropped, or closed,
/// everything is committed. After a failure of the disk it goes on from memory, so that what was written can
/// be read, but commits nothing more: see [`DiskStore::failure`].
#[derive(Debug)]
pub struct DiskStore {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    number: u32,
    /// Reads need it as well, so it stays until the end.
    _database: Arc<Database>,
    /// Locked as long as this is there.
    _folder: Folder,
}

impl DiskStore {
    /// Opens the store in a folder, which is made if it is not there.
    ///
    /// - `incarnation`: the node's; a new store gets it as its number.
    ///
    /// Errors: nothing was changed; each says what to do about it.
    pub fn open(folder: &Path, incarnation: u32) -> Result<DiskStore, Error> {
        let folder = Folder::lock(folder)?;
        let opened = folder.open(incarnation, |file| file)?;
        Ok(DiskStore::start(folder, opened, SETTLE_BYTES))
    }

    fn start(folder: Folder, opened: Opened, settle_bytes: usize) -> DiskStore {
        let Opened {
            database,
            trouble,
            layers,
            log,
            number,
        } = opened;
        let database = Arc::new(database);
        let shared = Arc::new(Shared {
            layers: RwLock::new(layers),
            control: Mutex::new(Control::default()),
            work: Default::default(),
            room: Default::default(),
            failure: OnceLock::new(),
            settle_bytes,
        });
        let writer = thread::Builder::new().name("disk".to_owned()).spawn({
            let shared = shared.clone();
            let database = database.clone();
            move || Writer::new(shared, database, trouble, log).run()
        });
        DiskStore {
            shared,
            writer: Mutex::new(Some(writer.expect("a process may have one more thread"))),
            number,
            _database: database,
            _folder: folder,
        }
    }

    /// Number of the store: the incarnation of the node that made it. Another disk has another number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Performs a command, whole or, after a crash, not at all. [`Command::Sync`] is answered at once; to
    /// wait for the disk is [`DiskStore::sync`]. [`Outcome::Failed`]: the disk has failed, and there is no more
    /// room in memory either; nothing was written.
    ///
    /// Where more than 16 MiB wait to be committed this blocks until they are on
    /// their way: the flush before them takes milliseconds, and whoever was refused would only come again.
    pub fn perform(&self, command: Command) -> Outcome {
        match command {
            Command::Read(key) => Outcome::Record(self.read(key)),
            Command::Sync => Outcome::Done,
            // Reads as well, as long as what they scan: they are the protocol's own, one at a time.
            command => self.write(|layers| match layers.is_sealed && layers::adds(&command) {
                true => Outcome::Failed,
                false => perform(layers, command),
            }),
        }
    }

    /// Calls back once it is certain whether everything that was performed before this is durable: from a
    /// thread of the store when it is, and with `false` if it never will be, at once where that is known.
    pub fn sync(&self, then: impl FnOnce(bool) + Send + 'static) {
        let mut control = self.control();
        if control.is_over {
            drop(control);
            return then(false);
        }
        control.syncs.push(Box::new(then));
        self.shared.work.notify_one();
    }

    /// See [`Store::purge`].
    pub fn purge(&self, now_ms: u64) -> usize {
        self.write(|layers| layers.purge(now_ms))
    }

    /// Why nothing can be made durable any more, if so: the disk has failed, or is full. Whatever is
    /// performed now is gone when the process ends, so the node should refuse it.
    pub fn failure(&self) -> Option<&str> {
        self.shared.failure.get().map(String::as_str)
    }

    /// Commits what is left, and ends. What is performed later is not kept.
    pub fn close(&self) {
        self.control().is_closing = true;
        self.shared.work.notify_one();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            let _ = writer.join();
        }
    }

    fn write<T>(&self, change: impl FnOnce(&mut Layers) -> T) -> T {
        let has_room = self.shared.wait_for_room();
        let mut layers = self.shared.layers_mut();
        layers.is_sealed = !has_room;
        let result = change(&mut layers);
        self.shared.written(&layers);
        result
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.shared.control()
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// Each call for itself; several as one are a [`Command`].
impl Store for DiskStore {
    fn read(&self, key: Id) -> Option<Record> {
        self.shared.layers().read(key)
    }

    fn change(
        &mut self,
        key: Id,
        change: Change,
        version: Version,
        keep_tombstone: bool,
    ) -> Changed {
        self.write(|layers| layers.change(key, change, version, keep_tombstone))
    }

    fn merge(&mut self, key: Id, record: Record) {
        self.write(|layers| layers.merge(key, record));
    }

    fn put(&mut self, key: Id, record: Record) {
        self.write(|layers| layers.put(key, record));
    }

    fn forget(&mut self, key: Id) {
        self.write(|layers| layers.forget(key));
    }

    fn scan(&self, arc: RingArc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)> {
        self.shared.layers().scan(arc, after, limit)
    }

    fn count(&self, arc: RingArc) -> usize {
        self.shared.layers().count(arc)
    }

    fn expired(&self, arc: RingArc, now_ms: u64) -> usize {
        self.shared.layers().expired(arc, now_ms)
    }

    fn len(&self) -> usize {
        self.shared.layers().len()
    }

    fn note(&mut self, note: Note) {
        self.write(|layers| layers.note(note));
    }

    fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.shared.layers().notes()
    }

    fn purge(&mut self, now_ms: u64) -> usize {
        DiskStore::purge(self, now_ms)
    }
}

#[cfg(test)]
mod tests;
