//! Write: what one client wrote, as it spreads through its shard.
//!
//! Of two writes to one key the one with the later clock stays, wherever they come in whatever order. A
//! writer's clock is later than that of all it knew, so what causally follows wins; of two that did not know of
//! each other, the one that was later by the wall clock, as far as clocks agree.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::causal::seen::Seen;
use crate::causal::vector::{Vector, Writer};
use crate::id::Id;
use crate::record::{Blob, Record, Version};

/// A write on its way through its shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Write {
    /// Who took it from a client.
    pub writer: Writer,
    /// Which of its writes under this layout it is, counted from 1.
    pub number: u64,
    /// When.
    pub clock: Clock,
    /// The key's bytes.
    pub key: Blob,
    /// The value; nothing where the key is deleted.
    pub value: Option<Blob>,
    /// Of a delete: Unix milliseconds from which on its tombstone may be purged.
    pub purge_ms: Option<u64>,
    /// What its writer had seen: all of it comes before this write.
    pub after: Seen,
}

impl Write {
    /// Where its key is.
    pub fn id(&self) -> Id {
        Id::of_key(&self.key)
    }

    /// What is stored of it.
    pub fn record(&self) -> Record {
        Record {
            name: Some(self.key.clone()),
            value: self.value.clone(),
            version: self.clock.version(),
            flags: 0,
            expires_ms: self.purge_ms,
        }
    }

    /// Whether everything before it is there.
    ///
    /// - `have`: what is there of its shard.
    pub fn is_next(&self, shard: u32, have: &Vector) -> bool {
        let before = self.after.of(shard);
        have.last(self.writer) + 1 == self.number && before.is_none_or(|before| have.covers(before))
    }

    /// Bytes of its key and value together.
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, |value| value.len())
    }
}

/// A hybrid logical clock (Kulkarni and others, 2014): the wall clock's milliseconds, a count within one, and
/// the seat of whoever set it in its layout, so that no two writes have the same.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Clock(u64);

impl Clock {
    /// A clock after this one, by the node with this seat.
    ///
    /// - `now_ms`: Unix milliseconds.
    pub fn next(self, now_ms: u64, seat: usize) -> Clock {
        let ticks = (self.0 >> SEAT_BITS) + 1;
        Clock(ticks.max(now_ms << COUNT_BITS) << SEAT_BITS | seat as u64)
    }

    /// As the version of what is stored, which has the order of clocks.
    pub fn version(self) -> Version {
        Version::from_number(self.0)
    }

    /// Unix milliseconds.
    pub(crate) const fn ms(self) -> u64 {
        self.0 >> (SEAT_BITS + COUNT_BITS)
    }

    /// Of a record that was stored.
    pub fn of(record: &Record) -> Clock {
        Clock(record.version.number())
    }
}

/// All records of these writes.
pub(crate) fn records(writes: &[Write]) -> Vec<(Id, Record)> {
    let writes = writes.iter();
    writes.map(|write| (write.id(), write.record())).collect()
}

/// As many as a roster has nodes.
const SEAT_BITS: u32 = 10;

/// 4,096 writes in one millisecond, or the clock runs ahead. What is left is enough until 2109.
const COUNT_BITS: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_goes_back_and_is_nobody_elses() {
        let early = Clock::default().next(1_000, 3);
        assert!(early.next(5, 0) > early);
        assert!(early.next(1_001, 0) > early.next(1_000, 1_023));
        assert_ne!(early.next(1_000, 0), early.next(1_000, 1));
    }
}
