//! Dismiss: what a node keeps no more is forgotten, a piece at a time, so that nobody waits long behind it.

use alloc::vec::Vec;

use crate::event::Action;
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::record::Record;
use crate::store::Command;

impl<A: Address> Node<A> {
    /// Begins to forget what no group accounts for on an arc.
    pub(crate) fn dismiss(&mut self, arc: Arc, out: &mut Vec<Action<A>>) {
        for arc in self.unaccounted(arc) {
            let (after, limit) = (None, self.page());
            let command = Command::Scan { arc, after, limit };
            self.store(command, Errand::Dismiss(arc), out);
        }
    }

    /// The first records of the arc are read. Where a group of this node has come to account for it meanwhile
    /// they stay.
    pub(crate) fn dismissed(
        &mut self,
        arc: Arc,
        records: &[(Id, Option<Record>)],
        out: &mut Vec<Action<A>>,
    ) {
        let Some((last, _)) = records.last() else {
            return;
        };
        let free = self.unaccounted(Arc::new(arc.start, *last));
        let is_free = |key: &Id| free.iter().any(|arc| arc.contains(*key));
        let keys = records.iter().map(|(key, _)| *key);
        let command = Command::Write {
            put: Vec::new(),
            merge: Vec::new(),
            forget: keys.filter(is_free).collect(),
            notes: Vec::new(),
        };
        self.store(command, Errand::Discard, out);
        if *last != arc.end {
            self.dismiss(Arc::new(*last, arc.end), out);
        }
    }
}
