//! Dismiss: what a node keeps no more is forgotten, a piece on each beat, so that nobody waits long behind it.
//! What a restart leaves of it is found again as strays.

use alloc::vec::Vec;

use crate::event::Action;
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::ranges;
use crate::record::Record;
use crate::store::{Command, Limit};

impl<A: Address> Node<A> {
    /// What no group accounts for on an arc is to be forgotten.
    pub(crate) fn dismiss(&mut self, arc: Arc) {
        let arcs = self.unaccounted(arc);
        let Some(groups) = &mut self.groups else {
            return;
        };
        for arc in arcs {
            let new = ranges::missing(arc, groups.dismissed.iter().copied());
            groups.dismissed.extend(new);
        }
    }

    /// Forgets the next piece.
    pub(crate) fn go_on_dismissing(&mut self, out: &mut Vec<Action<A>>) {
        let next = self
            .groups
            .as_mut()
            .and_then(|groups| groups.dismissed.pop());
        if let Some(arc) = next {
            let (after, page) = (None, self.page());
            let limit = Limit {
                records: PAGES * page.records,
                bytes: PAGES * page.bytes,
            };
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
            self.dismiss(Arc::new(*last, arc.end));
        }
    }
}

/// Pages that are forgotten on one beat: some 10 ms of work.
const PAGES: usize = 4;
