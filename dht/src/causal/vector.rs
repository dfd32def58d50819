//! Vector: how far somebody has come with what each writer wrote.
//!
//! Writers number their writes from 1 without gaps, and everyone takes them in that order. So one number
//! for each writer says all, and a vector grows with the writers, never with the writes.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::Id;

/// One store of one node: whoever starts anew on the same store goes on counting where it stopped, and
/// whoever has lost it is another writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Writer(u64);

impl Writer {
    /// A node, by its identifier and the number of its store. 64 bits of a hash: no two of a network's
    /// few writers share them.
    pub fn of(node: Id, store: u32) -> Writer {
        let mut bytes = [0; Id::BYTES + 4];
        bytes[..Id::BYTES].copy_from_slice(node.as_bytes());
        bytes[Id::BYTES..].copy_from_slice(&store.to_be_bytes());
        let hash = Id::of(&bytes);
        let first = hash.as_bytes().first_chunk().copied();
        Writer(u64::from_be_bytes(first.expect("a hash has more bytes")))
    }
}

impl Writer {
    /// An identifier of its own.
    pub(crate) fn id(self) -> Id {
        Id::of(&self.0.to_be_bytes())
    }
}

/// The last write of each writer that somebody has, and with it all before; none of those not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vector(BTreeMap<Writer, u64>);

impl Vector {
    /// The number of the last write of a writer; 0 where there is none.
    pub fn last(&self, writer: Writer) -> u64 {
        self.0.get(&writer).copied().unwrap_or(0)
    }

    /// Whether it has all that another one has.
    pub fn covers(&self, other: &Vector) -> bool {
        other.iter().all(|(writer, last)| last <= self.last(writer))
    }

    /// Takes in what another one has.
    pub fn merge(&mut self, other: &Vector) {
        other
            .iter()
            .for_each(|(writer, last)| self.raise(writer, last));
    }

    /// Has the writes of a writer up to this one.
    pub fn raise(&mut self, writer: Writer, last: u64) {
        if last > self.last(writer) {
            self.0.insert(writer, last);
        }
    }

    /// Writers and their last writes.
    pub fn iter(&self) -> impl Iterator<Item = (Writer, u64)> {
        self.0.iter().map(|(writer, last)| (*writer, *last))
    }

    /// Number of writers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Writer, u64)> for Vector {
    fn from_iter<I: IntoIterator<Item = (Writer, u64)>>(entries: I) -> Vector {
        let mut vector = Vector::default();
        for (writer, last) in entries {
            vector.raise(writer, last);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors() -> impl Strategy<Value = Vector> {
        let entries = prop::collection::vec((0..4_u64, 0..4_u64), 0..6);
        entries.prop_map(|entries| {
            let entries = entries.into_iter();
            entries
                .map(|(writer, last)| (Writer(writer), last))
                .collect()
        })
    }

    fn merged(a: &Vector, b: &Vector) -> Vector {
        let mut merged = a.clone();
        merged.merge(b);
        merged
    }

    proptest! {
        #[test]
        fn a_merge_is_the_least_that_covers_both(a in vectors(), b in vectors(), c in vectors()) {
            let both = merged(&a, &b);
            prop_assert!(both.covers(&a) && both.covers(&b));
            if c.covers(&a) && c.covers(&b) {
                prop_assert!(c.covers(&both));
            }
            prop_assert_eq!(&both, &merged(&b, &a));
            prop_assert_eq!(merged(&both, &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a);
        }

        #[test]
        fn vectors_that_cover_each_other_are_the_same(a in vectors(), b in vectors()) {
            prop_assert_eq!(a.covers(&b) && b.covers(&a), a == b);
        }
    }

    #[test]
    fn another_store_is_another_writer() {
        let node = Id::of(b"node");
        assert_eq!(Writer::of(node, 1), Writer::of(node, 1));
        assert_ne!(Writer::of(node, 1), Writer::of(node, 2));
    }
}
