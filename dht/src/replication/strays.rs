//! Strays: what a node keeps of arcs that are no longer its own.
//!
//! A node gives a copy up when the next group serves, and remembers until then whom to ask; but it forgets
//! that in a restart. So it looks now and then whether its store has anything that no group of its own
//! accounts for, and asks whoever keeps that arc. If a group serves it, that has all that counts, and
//! the stray can go; until one does it stays, for it may be the last copy that there is.

use alloc::vec::Vec;

use crate::event::Action;
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::ranges;
use crate::record::Record;
use crate::replication::group::Tag;
use crate::store::{Command, Limit};

impl<A: Address> Node<A> {
    /// Has a look at the store, every few beats.
    pub(crate) fn look_for_strays(&mut self, out: &mut Vec<Action<A>>) {
        let Some(groups) = self.groups.as_mut() else {
            return;
        };
        groups.stray_beats = (groups.stray_beats + 1) % EVERY;
        if groups.stray_beats != 0 {
            return;
        }
        for arc in self.unaccounted(Arc::WHOLE) {
            let (after, limit) = (None, FIRST);
            let command = Command::Scan { arc, after, limit };
            self.store(command, Errand::Stray, out);
        }
    }

    /// The store has read the first record of an arc that nobody accounts for.
    pub(crate) fn stray_read(
        &mut self,
        records: &[(Id, Option<Record>)],
        out: &mut Vec<Action<A>>,
    ) {
        if let Some((key, _)) = records.first() {
            let arc = Arc::new(key.previous(), *key);
            self.look_for_keeper(Tag { arc, epoch: 0 }, out);
        }
    }

    /// The parts of an arc that neither a group of this node keeps nor one that it has belonged to.
    pub(crate) fn unaccounted(&self, arc: Arc) -> Vec<Arc> {
        let Some(groups) = &self.groups else {
            return Vec::new();
        };
        let kept = groups.replicas.iter().map(|replica| replica.group.arc);
        let retired = groups.retired.iter().map(|retired| retired.tag.arc);
        ranges::missing(arc, kept.chain(retired))
    }
}

/// Beats between two looks, some 2 s.
const EVERY: u8 = 8;

/// One record tells whom to ask.
const FIRST: Limit = Limit {
    records: 1,
    bytes: 0,
};
