//! Writer: the thread that brings to the disk what was performed in memory.
//!
//! What it appends to the log is durable. What goes into the file is on its way there in a thread of its own,
//! while the next log grows: nobody waits for it.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard,
    RwLockWriteGuard,
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redb::Database;

use super::file::Trouble;
use super::layer::Layer;
use super::layers::Layers;
use super::log::{self, Log};
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
    /// With so many bytes pending they are brought into the file.
    pub(super) settle_bytes: usize,
}

/// What the writer is to do.
#[derive(Default)]
pub(super) struct Control {
    /// Whom to tell whether all before is durable.
    pub(super) syncs: Vec<Then>,
    /// What is in no log yet, in bytes.
    steps: usize,
    /// Since when anything is.
    since: Option<Instant>,
    /// What is not in the file, in bytes.
    bytes: usize,
    /// Whether the writer is to be woken when something is performed, for nothing was for a while.
    is_asleep: bool,
    /// Whether something has just got into the file.
    has_settled: bool,
    pub(super) is_closing: bool,
    /// Whether nothing will be written any more.
    pub(super) is_over: bool,
}

/// Who waits until something is durable, and is told whether it is.
pub(super) type Then = Box<dyn FnOnce(bool) + Send>;

/// What there is to do: to bring to the disk what was performed, at least.
struct Work {
    /// Whom to tell when that is done.
    syncs: Vec<Then>,
    /// Whether what was on its way into the file is there, or never will be.
    has_settled: bool,
    /// Whether it is the last.
    is_closing: bool,
}

/// What the writer's thread has.
pub(super) struct Writer {
    shared: Arc<Shared>,
    database: Arc<Database>,
    trouble: Arc<Trouble>,
    log: Log,
    /// What is going into the file.
    settling: Option<JoinHandle<Result<(), String>>>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        database: Arc<Database>,
        trouble: Arc<Trouble>,
        log: Log,
    ) -> Writer {
        Writer {
            shared,
            database,
            trouble,
            log,
            settling: None,
        }
    }

    /// Writes what gathers until the store is closed, or the disk fails.
    pub(super) fn run(mut self) {
        let mut syncs = Vec::new();
        if let Err(cause) = self.write(&mut syncs) {
            tracing::error!(cause, "nothing can be stored any more: reads go on");
            let _ = self.shared.failure.set(cause);
        }
        // Only now, so that who is told finds out why.
        syncs.into_iter().for_each(|then| then(false));
        // Where the log has failed something may still be going into the file: it is whole, or it is not there.
        if let Err(cause) = self.settled() {
            tracing::error!(cause, "the file can't be written either");
        }
        let mut control = self.shared.control();
        control.is_over = true;
        let syncs = std::mem::take(&mut control.syncs);
        drop(control);
        syncs.into_iter().for_each(|then| then(false));
        self.shared.room.notify_all();
    }

    /// Errors: why the disk has failed; `syncs` have not been told then.
    fn write(&mut self, syncs: &mut Vec<Then>) -> Result<(), String> {
        loop {
            let work = self.shared.next();
            let (has_settled, is_closing) = (work.has_settled, work.is_closing);
            *syncs = work.syncs;
            // Only now, so that everything before those who wait is in it.
            let steps = std::mem::take(&mut self.shared.layers_mut().steps);
            self.append(&steps)?;
            syncs.drain(..).for_each(|then| then(true));
            if is_closing {
                self.settled()?;
                self.settle()?;
                return self.settled();
            }
            if has_settled {
                self.settled()?;
            }
            if self.settling.is_none() && self.is_due() {
                self.settle()?;
            }
        }
    }

    fn append(&mut self, steps: &[u8]) -> Result<(), String> {
        match steps {
            [] => Ok(()),
            steps => self.log.append(steps).map_err(|cause| cause.to_string()),
        }
    }

    /// Whether it is time to bring what is pending into the file.
    fn is_due(&self) -> bool {
        let pending = self.shared.layers().pending.bytes;
        pending >= self.shared.settle_bytes || self.log.length >= LOG_BYTES
    }

    /// Begins to bring all that is pending into the file, and a new log.
    fn settle(&mut self) -> Result<(), String> {
        let (layer, steps) = {
            let mut layers = self.shared.layers_mut();
            let mut control = self.shared.control();
            control.bytes = 0;
            self.shared.room.notify_all();
            if layers.pending.is_empty() {
                return Ok(());
            }
            let steps = std::mem::take(&mut layers.steps);
            (layers.take_off(), steps)
        };
        self.append(&steps)?;
        let number = self.log.turn().map_err(|cause| cause.to_string())?;
        let folder = self.log.folder().to_owned();
        let (shared, trouble) = (self.shared.clone(), self.trouble.clone());
        let database = self.database.clone();
        let thread = thread::Builder::new().name("settle".to_owned());
        let settling = thread.spawn(move || {
            let settled = shared.commit(&database, &trouble, &layer, number);
            if settled.is_ok() {
                log::forget(&folder, number);
            }
            shared.control().has_settled = true;
            shared.work.notify_one();
            settled
        });
        self.settling = Some(settling.map_err(|cause| cause.to_string())?);
        Ok(())
    }

    /// Waits until what is on its way into the file is there. Errors: it is not.
    fn settled(&mut self) -> Result<(), String> {
        match self.settling.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(settled)) => settled,
            Some(Err(_)) => Err("the file was not written: a bug of this program".to_owned()),
        }
    }
}

impl Shared {
    /// Waits until there is something to do.
    fn next(&self) -> Work {
        let mut control = self.control();
        loop {
            let is_urgent = control.is_closing || control.has_settled || !control.syncs.is_empty();
            let waited = control.since.map(|since| since.elapsed());
            if is_urgent
                || control.steps >= EARLY_BYTES
                || waited.is_some_and(|waited| waited >= GATHER)
            {
                (control.steps, control.since) = (0, None);
                return Work {
                    syncs: std::mem::take(&mut control.syncs),
                    has_settled: std::mem::take(&mut control.has_settled),
                    is_closing: control.is_closing,
                };
            }
            // As long as something was written lately, more is soon, and who writes need not wake anyone.
            let rest = GATHER - waited.unwrap_or_default();
            if control.is_asleep {
                let woken = self.work.wait(control);
                control = woken.unwrap_or_else(PoisonError::into_inner);
                control.is_asleep = false;
            } else {
                let waited = self.work.wait_timeout(control, rest);
                control = waited.unwrap_or_else(PoisonError::into_inner).0;
                control.is_asleep = control.since.is_none() && control.syncs.is_empty();
            }
        }
    }

    /// Brings into the file what flies. Errors: why the disk has failed.
    fn commit(
        &self,
        database: &Database,
        trouble: &Trouble,
        layer: &Layer,
        log: u64,
    ) -> Result<(), String> {
        let committed =
            table::commit(database, layer, log).and_then(|()| Committed::open(database));
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
        control.steps = layers.steps.len();
        control.bytes = layers.pending.bytes + layers.steps.len();
        if is_first && control.steps > 0 {
            control.since = Some(Instant::now());
        }
        if control.is_asleep || control.steps >= EARLY_BYTES {
            self.work.notify_one();
        }
    }

    /// Waits as long as too much is pending. Returns whether there is room then: not if nothing will be
    /// written any more.
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

/// What may be pending, in bytes; as much again may be on its way into the file.
pub(super) const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// With so many bytes pending it is worth while to bring them into the file: the more there are, the more of
/// them share a page. They are performed once more when the store is opened after a crash (some 50 ms).
pub(super) const SETTLE_BYTES: usize = 8 * 1024 * 1024;

/// A log of so many bytes goes into the file although little is pending, since all is written over again and
/// again.
const LOG_BYTES: u64 = 32 * 1024 * 1024;

/// With so many bytes in no log it is worth a flush, though nobody waits for it.
const EARLY_BYTES: usize = 4 * 1024 * 1024;

/// How long what nobody waits for may gather: so much is lost at most if the power goes.
const GATHER: Duration = Duration::from_millis(50);
