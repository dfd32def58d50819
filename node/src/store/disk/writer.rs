//! Writer: the thread that brings to the disk what was performed in memory.

use std::sync::{
    Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::{Duration, Instant};

use redb::Database;

use super::file::Trouble;
use super::layers::Layers;
use super::table::{self, Committed};

/// What the writer shares with all who read and write.
pub(super) struct Shared {
    /// Locked before `control` where both are.
    pub(super) layers: RwLock<Layers>,
    pub(super) control: Mutex<Control>,
    /// There may be something to do for the writer.
    pub(super) work: Condvar,
    /// There may be room for more.
    pub(super) room: Condvar,
    pub(super) failure: OnceLock<String>,
}

/// What the writer is to do.
#[derive(Default)]
pub(super) struct Control {
    /// Whom to tell that all before is durable.
    pub(super) syncs: Vec<Box<dyn FnOnce() + Send>>,
    /// What is pending, in bytes.
    bytes: usize,
    /// Since when anything is.
    since: Option<Instant>,
    pub(super) is_closing: bool,
    /// Whether nothing will be written any more.
    pub(super) is_over: bool,
}

impl Shared {
    /// Commits what gathers until the store is closed, or the disk fails.
    pub(super) fn write(&self, database: &Database, trouble: &Trouble) {
        loop {
            let (syncs, is_closing) = self.next();
            // Only now, so that everything before those who wait is in it.
            if let Err(cause) = self.commit(database, trouble) {
                tracing::error!(cause, "nothing can be stored any more: reads go on");
                let _ = self.failure.set(cause);
                break;
            }
            syncs.into_iter().for_each(|then| then());
            if is_closing {
                break;
            }
        }
        let mut control = self.control();
        control.is_over = true;
        control.syncs.clear();
        drop(control);
        self.room.notify_all();
    }

    /// Waits until there is something to do. Returns whom to tell when it is done, and whether it is the last.
    fn next(&self) -> (Vec<Box<dyn FnOnce() + Send>>, bool) {
        let mut control = self.control();
        loop {
            let is_urgent = control.is_closing || !control.syncs.is_empty();
            let waited = control.since.map(|since| since.elapsed());
            if is_urgent
                || control.bytes >= EARLY_BYTES
                || waited.is_some_and(|waited| waited >= GATHER)
            {
                return (std::mem::take(&mut control.syncs), control.is_closing);
            }
            let rest = waited.map(|waited| GATHER - waited);
            control = match rest {
                None => self
                    .work
                    .wait(control)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(rest) => {
                    let waited = self.work.wait_timeout(control, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Commits all that is pending. Errors: why the disk has failed.
    fn commit(&self, database: &Database, trouble: &Trouble) -> Result<(), String> {
        let layer = {
            let mut layers = self.layers_mut();
            let mut control = self.control();
            (control.bytes, control.since) = (0, None);
            self.room.notify_all();
            if layers.pending.is_empty() {
                return Ok(());
            }
            layers.take_off()
        };
        let committed = table::commit(database, &layer).and_then(|()| Committed::open(database));
        // Where it did not get so far, it stays where readers find it.
        let committed = committed.map_err(|cause| cause.to_string())?;
        self.layers_mut().land(committed);
        match trouble.reason() {
            Some(reason) => Err(reason),
            None => Ok(()),
        }
    }

    /// Something was performed.
    pub(super) fn written(&self, layers: &Layers) {
        let mut control = self.control();
        let is_first = control.since.is_none();
        control.bytes = layers.pending.bytes;
        if is_first && !layers.pending.is_empty() {
            control.since = Some(Instant::now());
        }
        if is_first || control.bytes >= EARLY_BYTES {
            self.work.notify_one();
        }
    }

    /// Waits as long as too much is pending. Returns whether there is room then: not if nothing will be
    /// committed any more.
    pub(super) fn wait_for_room(&self) -> bool {
        let mut control = self.control();
        while control.bytes >= PENDING_BYTES_MAX && !control.is_over {
            control = self
                .room
                .wait(control)
                .unwrap_or_else(PoisonError::into_inner);
        }
        control.bytes < PENDING_BYTES_MAX
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// What may be pending, in bytes; as much again may be on its way to the disk.
pub(super) const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// With so many bytes pending it is worth a flush, though nobody waits for it.
const EARLY_BYTES: usize = 4 * 1024 * 1024;

/// How long what nobody waits for may gather: so much is lost at most if the power goes.
const GATHER: Duration = Duration::from_millis(50);
