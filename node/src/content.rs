//! Content: the engine that this node keeps its records in, shared by all who read.
//!
//! Only the driver changes it, in the order in which the protocol says so; doors read beside it.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use dht::record::Record;
use dht::store::{Command, Limit, Memory, Outcome, Store as _, perform};
use dht::view::Range;
use dht::{Arc, Id};

/// The content of one node, in memory.
#[derive(Debug, Default)]
pub struct Content {
    engine: RwLock<Memory>,
}

impl Content {
    /// Does what the protocol asks for.
    pub fn perform(&self, command: Command) -> Outcome {
        // An engine that panicked half-way has lost nothing that it had.
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        perform(&mut *engine, command)
    }

    /// The record under `key`, whoever serves it.
    pub fn read(&self, key: Id) -> Option<Record> {
        self.engine().read(key)
    }

    /// Number of records on the arcs that are served.
    pub fn count(&self, serves: &[Range]) -> usize {
        let engine = self.engine();
        // Nearly everything that is here is served, so what is not is counted, and taken off.
        let everything = vec![Arc::new(Id::ZERO, Id::ZERO)];
        let rest = serves.iter().fold(everything, |rest, range| {
            rest.into_iter()
                .flat_map(|arc| arc.without(range.arc))
                .collect()
        });
        let strays: usize = rest.into_iter().map(|arc| engine.count(arc)).sum();
        engine.len() - strays
    }

    /// Up to `limit` served records that follow clockwise after `after`, as far as `end`; and whether
    /// there are more.
    pub fn page(
        &self,
        serves: &[Range],
        after: Id,
        end: Id,
        limit: Limit,
    ) -> (Vec<(Id, Record)>, bool) {
        let mut arcs: Vec<Arc> = serves
            .iter()
            .flat_map(|range| Arc::new(after, end).intersection(range.arc))
            .collect();
        arcs.sort_unstable_by_key(|arc| after.distance_to(arc.start.next()));
        let engine = self.engine();
        let (mut items, mut bytes) = (Vec::new(), 0);
        for arc in arcs {
            let left = Limit {
                records: limit.records - items.len(),
                bytes: limit.bytes.saturating_sub(bytes),
            };
            if left.records == 0 || left.bytes == 0 {
                return (items, engine.count(arc) > 0);
            }
            let batch = engine.scan(arc, None, left);
            bytes += batch
                .iter()
                .map(|(_, record)| record.value.len())
                .sum::<usize>();
            let last = batch.last().map(|(key, _)| *key);
            items.extend(batch);
            let one = Limit {
                records: 1,
                bytes: 0,
            };
            if last.is_some_and(|last| !engine.scan(arc, Some(last), one).is_empty()) {
                return (items, true);
            }
        }
        (items, false)
    }

    fn engine(&self) -> RwLockReadGuard<'_, Memory> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }
}

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
            };
            content.perform(Command::Change(id(*key), change, Version::new(1, 1)));
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
        let (items, more) = content.page(serves, id(after), id(end), limit);
        (items.into_iter().map(|(key, _)| key).collect(), more)
    }

    #[test]
    fn only_what_is_served_is_counted() {
        let content = content(&[1, 2, 3, 4, 5]);
        assert_eq!(content.count(&[]), 0);
        assert_eq!(content.count(&[range(1, 3)]), 2);
        assert_eq!(content.count(&[range(4, 1), range(2, 3)]), 3);
        assert_eq!(content.count(&[range(7, 7)]), 5);
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
        let (items, more) = content.page(&[range(0, 0)], id(0), id(0), tiny);
        assert_eq!((items.len(), more), (1, true));
    }
}
