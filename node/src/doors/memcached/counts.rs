//! Counts: what has happened at this door since it was opened, for `stats`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// All counts, and since when.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) since: Instant,
    pub(super) connections: Open,
    pub(super) get: HitsAndMisses,
    pub(super) touch: HitsAndMisses,
    pub(super) delete: HitsAndMisses,
    pub(super) incr: HitsAndMisses,
    pub(super) decr: HitsAndMisses,
    pub(super) cas: HitsAndMisses,
    /// Versions that were not the ones that are there.
    pub(super) cas_badval: Count,
    pub(super) set: Count,
    pub(super) flush: Count,
}

/// How often something has happened.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

/// How often something was there, and was not.
#[derive(Debug, Default)]
pub(super) struct HitsAndMisses {
    pub(super) hits: Count,
    pub(super) misses: Count,
}

/// Connections.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// At this moment.
    current: AtomicU64,
    /// Ever.
    pub(super) total: Count,
    /// Turned away, for there were too many.
    pub(super) rejected: Count,
}

impl Counts {
    pub(super) fn new() -> Counts {
        Counts {
            since: Instant::now(),
            connections: Open::default(),
            get: HitsAndMisses::default(),
            touch: HitsAndMisses::default(),
            delete: HitsAndMisses::default(),
            incr: HitsAndMisses::default(),
            decr: HitsAndMisses::default(),
            cas: HitsAndMisses::default(),
            cas_badval: Count::default(),
            set: Count::default(),
            flush: Count::default(),
        }
    }

    /// Begins anew, but for connections.
    pub(super) fn reset(&self) {
        let pairs = [
            &self.get,
            &self.touch,
            &self.delete,
            &self.incr,
            &self.decr,
            &self.cas,
        ];
        let pairs = pairs.iter().flat_map(|pair| [&pair.hits, &pair.misses]);
        let single = [&self.cas_badval, &self.set, &self.flush];
        for count in pairs.chain(single) {
            count.0.store(0, Ordering::Relaxed);
        }
    }
}

impl Count {
    pub(super) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that is open until this goes.
pub(super) struct Here<'c>(&'c Open);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Open {
    /// One more is open.
    pub(super) fn enter(&self) -> Here<'_> {
        self.current.fetch_add(1, Ordering::Relaxed);
        Here(self)
    }

    /// How many are open.
    pub(super) fn open(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }
}

impl HitsAndMisses {
    /// Once more, it was there or not.
    pub(super) fn up(&self, is_hit: bool) {
        match is_hit {
            true => self.hits.up(),
            false => self.misses.up(),
        }
    }
}
