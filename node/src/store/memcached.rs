//! Memcached: the engine that keeps values in a memcached server, and all else in memory.
//!
//! ```text
//!   index:  identifier → name, version, flags, expiry, place     in memory: what is here, and where
//!   server: place → value                                        in memcached, which may forget any of them
//! ```
//!
//! Memcached can't list what it has, so the node knows what it gave it. Each write goes to a place that was
//! never used before, and when the server has it the index points there: a write that fails, or whose fate is
//! unknown, changes nothing, and nothing of another node or an earlier life is ever taken for ours. A value
//! that is no longer at its place was evicted, or lost with the server: then the record is not there any more.
//! While the server can't be reached nobody knows, and the outcome is [`Outcome::Failed`].
//!
//! A command takes a round trip, and blocks: the store is asked under the driver's lock, and a node with one
//! worker has no thread to wait in meanwhile. That is bounded: the first call that takes longer than half a second
//! finds the server away, all that follow fail at once, and a thread of its own finds it back.

mod engine;
mod error;
mod place;
mod server;
mod watch;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dht::record::{Change, Changed, Record, Version};
use dht::store::{Command, Limit, Note, Outcome, Store};
use dht::{Arc as RingArc, Id};

use self::engine::Engine;
pub use self::error::{Error, Unreachable};
use self::server::Server;
use self::watch::Watch;

/// The content of a node whose values are in memcached. It is gone with the process: memcached may keep the
/// values longer, but nobody asks for them any more, and it evicts them in time.
#[derive(Debug)]
pub struct MemcachedStore {
    engine: Arc<RwLock<Engine>>,
    server: Arc<Server>,
    _watch: Watch,
}

impl MemcachedStore {
    /// An empty store at a server, `HOST:PORT`. Several nodes may share one.
    ///
    /// - `me`: the node's identifier; its first digits stand in the keys, for people who look.
    ///
    /// Errors: no memcached of version 1.6 or later answers there.
    pub fn open(address: &str, me: Id) -> Result<MemcachedStore, Error> {
        let server = Arc::new(Server::connect(address, me)?);
        let engine = Arc::new(RwLock::new(Engine::new(server.clone())));
        let watch = Watch::begin(engine.clone(), server.clone());
        Ok(MemcachedStore {
            engine,
            server,
            _watch: watch,
        })
    }

    /// Performs a command. [`Outcome::Failed`]: the server can't be reached, or does not take the value.
    pub fn perform(&self, command: Command) -> Outcome {
        self.changing().perform(command)
    }

    /// The record under `key`.
    ///
    /// Errors: the server can't be reached; the record may be there or not.
    pub fn read(&self, key: Id) -> Result<Option<Record>, Unreachable> {
        self.reading().try_read(key)
    }

    /// See [`dht::store::Store::purge`].
    pub fn purge(&self, now_ms: u64) -> usize {
        self.changing().purge(now_ms)
    }

    /// Why nothing can be read or written at the moment, if so.
    pub fn failure(&self) -> Option<String> {
        self.server.trouble()
    }

    /// Values that memcached had forgotten when they were looked for.
    pub fn lost(&self) -> u64 {
        self.reading().lost()
    }

    fn reading(&self) -> RwLockReadGuard<'_, Engine> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn changing(&self) -> RwLockWriteGuard<'_, Engine> {
        self.engine.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each call for itself; several as one are a [`Command`]. What is out of reach is not there, or not done:
/// [`MemcachedStore::perform`] and [`MemcachedStore::read`] tell the difference.
impl Store for MemcachedStore {
    fn read(&self, key: Id) -> Option<Record> {
        self.reading().read(key)
    }

    fn change(
        &mut self,
        key: Id,
        change: Change,
        version: Version,
        keep_tombstone: bool,
    ) -> Changed {
        self.changing().change(key, change, version, keep_tombstone)
    }

    fn merge(&mut self, key: Id, record: Record) {
        self.changing().merge(key, record);
    }

    fn put(&mut self, key: Id, record: Record) {
        self.changing().put(key, record);
    }

    fn forget(&mut self, key: Id) {
        self.changing().forget(key);
    }

    fn scan(&self, arc: RingArc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)> {
        self.reading().scan(arc, after, limit)
    }

    fn count(&self, arc: RingArc) -> usize {
        self.reading().count(arc)
    }

    fn expired(&self, arc: RingArc, now_ms: u64) -> usize {
        self.reading().expired(arc, now_ms)
    }

    fn len(&self) -> usize {
        self.reading().len()
    }

    fn note(&mut self, note: Note) {
        self.changing().note(note);
    }

    fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.reading().notes()
    }

    fn purge(&mut self, now_ms: u64) -> usize {
        MemcachedStore::purge(self, now_ms)
    }
}
