//! Content: the engine that this node keeps its records in, shared by all who read.
//!
//! Only the driver changes it, in the order in which the protocol says so; doors read beside it.

use std::iter;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use dht::record::Record;
use dht::store::{Command, Limit, Memory, Outcome, Store, perform};
use dht::view::Range;
use dht::{Arc, Id};

use crate::store::memcached::Unreachable;
use crate::store::{DiskStore, MemcachedStore};

/// The content of one node.
#[derive(Debug)]
pub enum Content {
    /// In memory.
    Memory(RwLock<Memory>),
    /// On disk.
    Disk(DiskStore),
    /// In a memcached server, as long as that keeps it.
    Memcached(MemcachedStore),
}

impl Content {
    /// Does what the protocol asks for.
    pub fn perform(&self, command: Command) -> Outcome {
        match self {
            Content::Memory(engine) => perform(&mut *changing(engine), command),
            Content::Disk(engine) => engine.perform(command),
            Content::Memcached(engine) => engine.perform(command),
        }
    }

    /// Whether [`Content::sync`] has to wait for anything.
    pub fn is_durable_at_once(&self) -> bool {
        !matches!(self, Content::Disk(_))
    }

    /// Calls back, at once or from another thread, when everything that was performed before is as durable
    /// as it will ever be: with `false` if the disk has failed, and it is not.
    pub fn sync(&self, then: impl FnOnce(bool) + Send + 'static) {
        match self {
            Content::Memory(_) | Content::Memcached(_) => then(true),
            Content::Disk(engine) => engine.sync(then),
        }
    }

    /// Why changes are to be refused, if so, and what to do about it: they could not be kept.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Content::Memory(_) => None,
            Content::Disk(engine) => engine.failure().map(|cause| {
                format!(
                    "this node can store nothing more ({cause}): mend its disk and start it again; \
                     reads go on"
                )
            }),
            Content::Memcached(engine) => engine.failure().map(|cause| {
                format!(
                    "this node can neither store nor read ({cause}): it goes on when memcached \
                     answers again"
                )
            }),
        }
    }

    /// Number of values that were lost since the start though nobody deleted them; nothing where that can't be.
    pub fn lost(&self) -> Option<u64> {
        match self {
            Content::Memory(_) | Content::Disk(_) => None,
            Content::Memcached(engine) => Some(engine.lost()),
        }
    }

    /// Forgets some of what nobody needs any more; `now_ms` in Unix milliseconds. It is quick, and to be
    /// called often.
    pub fn purge(&self, now_ms: u64) {
        let purged = match self {
            Content::Memory(engine) => changing(engine).purge(now_ms),
            Content::Disk(engine) => engine.purge(now_ms),
            Content::Memcached(engine) => engine.purge(now_ms),
        };
        if purged > 0 {
            tracing::debug!(purged, "forgot what had expired or was deleted long ago");
        }
    }

    /// Whether it is still there after the process has ended.
    pub fn outlasts(&self) -> bool {
        matches!(self, Content::Disk(_))
    }

    /// Makes everything durable. What is performed later may not be.
    pub fn close(&self) {
        if let Content::Disk(engine) = self {
            engine.close();
        }
    }

    /// Which store it is: the incarnation of the node in which it was made; nothing where it is as old as
    /// the process.
    pub fn number(&self) -> Option<u32> {
        match self {
            Content::Memory(_) | Content::Memcached(_) => None,
            Content::Disk(engine) => Some(engine.number()),
        }
    }

    /// What the protocol has noted for its next life.
    pub fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.with(|engine| engine.notes())
    }

    /// The record under `key`, whoever serves it.
    ///
    /// Errors: what keeps it is out of reach; it may be there or not.
    pub fn read(&self, key: Id) -> Result<Option<Record>, Unreachable> {
        match self {
            Content::Memcached(engine) => engine.read(key),
            _ => Ok(self.with(|engine| engine.read(key))),
        }
    }

    /// Number of values on the arcs that are served which have not expired by `now_ms`, in Unix
    /// milliseconds.
    pub fn count(&self, serves: &[Range], now_ms: u64) -> usize {
        // Nearly everything that is here is served, so what is not is counted, and taken off.
        let everything = vec![Arc::WHOLE];
        let rest = serves.iter().fold(everything, |rest, range| {
            rest.into_iter()
                .flat_map(|arc| arc.without(range.arc))
                .collect()
        });
        self.with(|engine| {
            let strays: usize = rest.into_iter().map(|arc| engine.count(arc)).sum();
            let served = serves.iter();
            let expired: usize = served.map(|range| engine.expired(range.arc, now_ms)).sum();
            engine.len().saturating_sub(strays + expired)
        })
    }

    /// Up to `limit` served records that follow clockwise after `after`, as far as `end`, of those that
    /// are live at `now_ms`, in Unix milliseconds; and whether there are more. What is out of reach is not among
    /// them: see [`Content::refusal`].
    pub fn page(
        &self,
        serves: &[Range],
        after: Id,
        end: Id,
        limit: Limit,
        now_ms: u64,
    ) -> (Vec<(Id, Record)>, bool) {
        let mut arcs: Vec<Arc> = serves
            .iter()
            .flat_map(|range| Arc::new(after, end).intersection(range.arc))
            .collect();
        arcs.sort_unstable_by_key(|arc| after.distance_to(arc.start.next()));
        let (mut items, mut bytes) = (Vec::new(), 0);
        self.with(|engine| {
            for (key, record) in arcs.into_iter().flat_map(|arc| live(engine, arc, now_ms)) {
                bytes += record.bytes();
                if !items.is_empty() && (items.len() == limit.records || bytes > limit.bytes) {
                    return (items, true);
                }
                items.push((key, record));
            }
            (items, false)
        })
    }

    /// Reads; what is on disk may change between two reads, what is in memory does not.
    fn with<T>(&self, read: impl FnOnce(&dyn Store) -> T) -> T {
        match self {
            Content::Memory(engine) => {
                read(&*engine.read().unwrap_or_else(PoisonError::into_inner))
            }
            Content::Disk(engine) => read(engine),
            Content::Memcached(engine) => read(engine),
        }
    }
}

impl Default for Content {
    /// Nothing, in memory.
    fn default() -> Content {
        Content::Memory(RwLock::default())
    }
}

/// An engine that panicked half-way has lost nothing that it had.
fn changing(engine: &RwLock<Memory>) -> RwLockWriteGuard<'_, Memory> {
    engine.write().unwrap_or_else(PoisonError::into_inner)
}

/// The records on an arc that are live, in ring order, fetched a few at a time.
fn live(engine: &dyn Store, arc: Arc, now_ms: u64) -> impl Iterator<Item = (Id, Record)> {
    let mut after = Some(None);
    let batches = iter::from_fn(move || {
        let batch = engine.scan(arc, after?, BATCH);
        after = batch.last().map(|(key, _)| Some(*key));
        (!batch.is_empty()).then_some(batch)
    });
    batches
        .flatten()
        .filter(move |(_, record)| record.is_live(now_ms))
}

/// What is looked at before it is known whether more is needed.
const BATCH: Limit = Limit {
    records: 128,
    bytes: 1024 * 1024,
};

#[cfg(test)]
mod tests {
    use dht::record::{Change, Condition, Version};

    use super::*;

    fn id(byte: u8) -> Id {
        Id::from_bytes([byte; Id::BYTES])
    }

    fn range(start: u8, end: u8) -> Range {
        Range {
            arc: Arc::new(id(start), id(end)),
            epoch: 1,
        }
    }

    fn content(keys: &[u8]) -> Content {
        let content = Content::default();
        for key in keys {
            let change = Change {
                name: None,
                value: Some(b"value"[..].into()),
                condition: Condition::Always,
                flags: 0,
                expires_ms: None,
                now_ms: 0,
            };
            content.perform(Command::Change {
                key: id(*key),
                change,
                version: Version::new(1, 1),
                tombstone: false,
                note: None,
            });
        }
        content
    }

    fn page(
        content: &Content,
        serves: &[Range],
        after: u8,
        end: u8,
        records: usize,
    ) -> (Vec<Id>, bool) {
        let limit = Limit {
            records,
            bytes: 1 << 20,
        };
        let (items, more) = content.page(serves, id(after), id(end), limit, 0);
        (items.into_iter().map(|(key, _)| key).collect(), more)
    }

    #[test]
    fn only_what_is_served_is_counted() {
        let content = content(&[1, 2, 3, 4, 5]);
        assert_eq!(content.count(&[], 0), 0);
        assert_eq!(content.count(&[range(1, 3)], 0), 2);
        assert_eq!(content.count(&[range(4, 1), range(2, 3)], 0), 3);
        assert_eq!(content.count(&[range(7, 7)], 0), 5);
    }

    #[test]
    fn pages_go_clockwise_over_all_arcs_that_are_served() {
        let content = content(&[1, 2, 3, 4, 5]);
        let serves = [range(4, 1), range(2, 3)];
        assert_eq!(page(&content, &serves, 4, 4, 2), (vec![id(5), id(1)], true));
        assert_eq!(page(&content, &serves, 1, 4, 2), (vec![id(3)], false));
        assert_eq!(
            page(&content, &serves, 4, 4, 3),
            (vec![id(5), id(1), id(3)], false)
        );
    }

    #[test]
    fn a_page_has_a_record_however_large_it_is() {
        let content = content(&[1, 2]);
        let tiny = Limit {
            records: 9,
            bytes: 1,
        };
        let (items, more) = content.page(&[range(0, 0)], id(0), id(0), tiny, 0);
        assert_eq!((items.len(), more), (1, true));
    }

    #[test]
    fn what_has_expired_or_was_deleted_is_neither_counted_nor_on_a_page() {
        let content = content(&[2]);
        let record = |value: Option<&[u8]>| Record {
            name: None,
            value: value.map(Into::into),
            version: Version::new(1, 1),
            flags: 0,
            expires_ms: Some(1000),
        };
        let put = vec![
            (id(1), record(None)),
            (id(3), record(Some(b"short-lived"))),
            (id(4), record(None)),
        ];
        let (merge, forget, notes) = Default::default();
        content.perform(Command::Write {
            put,
            merge,
            forget,
            notes,
        });
        let limit = Limit {
            records: 1,
            bytes: 1 << 20,
        };
        for (now_ms, count, more) in [(999, 2, true), (1000, 1, false)] {
            assert_eq!(content.count(&[range(0, 0)], now_ms), count);
            let (items, has_more) = content.page(&[range(0, 0)], id(0), id(0), limit, now_ms);
            assert_eq!((items[0].0, has_more), (id(2), more), "at {now_ms}");
        }
    }
}
