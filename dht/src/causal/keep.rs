//! Keep: what a node finds again after a restart, as notes of its store.
//!
//! What it shows is noted with every write, as one; own writes that do not show yet are notes themselves.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::content::Pending;
use super::found::Founding;
use super::log::Log;
use super::message::Decree;
use super::relocate::Former;
use super::roster::{Roster, Status};
use super::seen::Seen;
use super::write::{Clock, Write};
use super::{Causal, Layout};
use crate::event::Action;
use crate::peer::Address;
use crate::store::Note;

/// How far the content goes.
#[derive(Serialize, Deserialize)]
struct Shown {
    seen: Seen,
    clock: Clock,
    is_partial: bool,
}

/// Where the node is on its way from layout to layout.
#[derive(Serialize, Deserialize)]
struct Place<A> {
    layout: Layout<A>,
    decree: Decree<A>,
    former: Option<Former<A>>,
    owes: Vec<A>,
    founding: Option<Founding>,
    is_resident: bool,
}

/// An own write that does not show yet, or no more has to be kept as such.
pub(super) fn pending(number: u64, write: Option<&Write>) -> Note {
    Note {
        name: [PENDING, &number.to_be_bytes()].concat(),
        bytes: write.map(encode),
    }
}

fn encode(what: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(what).expect("it is plain data")
}

fn note(name: &[u8], what: &impl Serialize) -> Note {
    Note {
        name: name.to_vec(),
        bytes: Some(encode(what)),
    }
}

impl<A: Address> Causal<A> {
    /// Finds again what the store has noted. The node keeps what it was told of the view beside it.
    pub fn restore(&mut self, notes: &[(Vec<u8>, Vec<u8>)]) {
        let find = |name: &[u8]| notes.iter().find(|(own, _)| own == name);
        let Some(place) = find(PLACE).and_then(|(_, bytes)| read::<Place<A>>(bytes)) else {
            return;
        };
        self.layout = place.layout;
        self.decree = place.decree;
        self.former = place.former;
        self.founding = place.founding;
        self.is_founding_kept = true;
        self.is_resident = place.is_resident;
        self.content = self.empty_content();
        self.content.owes = place.owes.into_iter().collect::<BTreeSet<A>>();
        if let Some(shown) = find(SHOWN).and_then(|(_, bytes)| read::<Shown>(bytes)) {
            self.content.seen = shown.seen;
            self.content.is_partial = shown.is_partial;
            self.clock = shown.clock;
        }
        if let Some((epoch, change)) = find(CHANGE).and_then(|(_, bytes)| read::<(u32, _)>(bytes)) {
            self.change = Some(change).filter(|_| epoch == self.decree.layout.epoch);
        }
        if let Some(acceptor) = find(VOTE).and_then(|(_, bytes)| read(bytes)) {
            self.acceptor = acceptor;
        }
        if let Some(roster) = find(ROSTER).and_then(|(_, bytes)| read::<Roster<A>>(bytes)) {
            self.roster.merge(roster);
            let gone = self
                .roster
                .entries()
                .filter(|entry| entry.status == Status::Deleted);
            let gone: Vec<A> = gone.map(|entry| entry.peer.address.clone()).collect();
            gone.into_iter().for_each(|node| self.take_out(node));
        }
        if let Some(shard) = self.shard() {
            let vector = self.content.vector(shard);
            let last = vector.last(self.writer);
            self.content.log = Log::after(vector);
            let own = notes.iter().filter(|(name, _)| name.starts_with(PENDING));
            // By number, as notes are in the order of their names.
            let own = own.filter_map(|(_, bytes)| read::<Write>(bytes));
            for write in own.filter(|write| write.number > last) {
                self.clock = self.clock.max(write.clock);
                let is_kept = true;
                self.content.pending.push_back(Pending { write, is_kept });
            }
        }
        self.relocate_again();
        let epoch = self.layout.epoch;
        self.introduce(if self.vouches() { epoch } else { 0 });
    }

    /// How far the content goes by now.
    pub(super) fn seen_note(&self) -> Note {
        let shown = Shown {
            seen: self.content.seen.clone(),
            clock: self.clock,
            is_partial: self.content.is_partial,
        };
        note(SHOWN, &shown)
    }

    pub(super) fn keep_layout(&mut self, out: &mut Vec<Action<A>>) {
        let place = Place {
            layout: self.layout.clone(),
            decree: self.decree.clone(),
            former: self.former.clone(),
            owes: self.content.owes.iter().cloned().collect(),
            founding: self.founding.clone(),
            is_resident: self.is_resident,
        };
        let notes = [note(PLACE, &place), note(VOTE, &self.acceptor)].into();
        self.note(notes, out);
    }

    /// What the layout that was decided last has changed, which follows on the one that is known so far.
    pub(super) fn keep_change(&mut self, out: &mut Vec<Action<A>>) {
        if let Some(change) = self.change {
            let epoch = self.decree.layout.epoch + 1;
            let notes = [note(CHANGE, &(epoch, change))].into();
            self.note(notes, out);
        }
    }

    pub(super) fn keep_vote(&mut self, out: &mut Vec<Action<A>>) {
        let notes = [note(VOTE, &self.acceptor)].into();
        self.note(notes, out);
    }

    pub(super) fn keep_roster(&mut self, out: &mut Vec<Action<A>>) {
        let notes = [note(ROSTER, &self.roster)].into();
        self.note(notes, out);
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

const SHOWN: &[u8] = b"causal/shown";
const PLACE: &[u8] = b"causal/place";
const CHANGE: &[u8] = b"causal/change";
const VOTE: &[u8] = b"causal/vote";
const ROSTER: &[u8] = b"causal/roster";
const PENDING: &[u8] = b"causal/pending/";
