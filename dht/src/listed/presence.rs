//! Presence: who is there, and in which life. Who does not answer is skipped for a second, and then asked
//! whether it is back.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::Action;
use crate::id::Id;
use crate::listed::Listed;
use crate::listed::exchange::About;
use crate::listed::table::Table;
use crate::peer::{Address, Peer};

/// What is known of the others beside the table.
#[derive(Clone, Debug)]
pub(super) struct Presence<A> {
    /// The last life of each that has shown itself.
    lives: BTreeMap<Id, Peer<A>>,
    /// Those that did not answer when they were asked last: for how many beats.
    absent: BTreeMap<Id, u32>,
}

impl<A: Address> Presence<A> {
    pub(super) const fn new() -> Presence<A> {
        Presence {
            lives: BTreeMap::new(),
            absent: BTreeMap::new(),
        }
    }

    /// Forgets those that the table does not name.
    pub(super) fn keep_only(&mut self, table: &Table<A>) {
        let is_named = |id: &Id| table.everyone().any(|member| member.peer.id == *id);
        self.lives.retain(|id, _| is_named(id));
        self.absent.retain(|id, _| is_named(id));
    }

    /// Takes note of a life. Returns whether it is a new one.
    pub(super) fn meet(&mut self, peer: &Peer<A>) -> bool {
        let known = self.lives.get(&peer.id);
        let is_new = known.is_none_or(|known| known.incarnation < peer.incarnation);
        if is_new && (known.is_some() || self.lives.len() < LIVES_MAX) {
            self.lives.insert(peer.id, peer.clone());
        }
        is_new
    }
}

impl<A: Address> Listed<A> {
    /// The last known life of a member, or of one that is not a member yet.
    pub(super) fn peer(&self, id: Id) -> Option<Peer<A>> {
        let seen = self.presence.lives.get(&id);
        let mut named = self.table.iter().flat_map(|table| table.everyone());
        let named = named.find(|member| member.peer.id == id);
        let lives = seen.into_iter().chain(named.map(|member| &member.peer));
        lives.max_by_key(|peer| peer.incarnation).cloned()
    }

    /// Somebody is there, by its own word.
    pub(super) fn shows(&mut self, peer: &Peer<A>) {
        if peer.id == self.me {
            return;
        }
        self.presence.meet(peer);
        let is_last = self.peer(peer.id).as_ref() == Some(peer);
        if is_last && self.presence.absent.remove(&peer.id).is_some() {
            self.meets_again(peer.id);
        }
    }

    /// Somebody has not answered: unless it is only this life of it that is over.
    pub(super) fn missed(&mut self, peer: &Peer<A>) {
        if self.peer(peer.id).as_ref() == Some(peer) {
            self.presence.absent.entry(peer.id).or_insert(0);
        }
    }

    /// Whether it did not answer the last time.
    pub(super) fn is_absent(&self, id: Id) -> bool {
        self.presence.absent.contains_key(&id)
    }

    /// Whether it has not answered for so many beats.
    pub(super) fn is_gone_for(&self, id: Id, beats: u32) -> bool {
        let absent = self.presence.absent.get(&id);
        absent.is_some_and(|since| *since >= beats)
    }

    /// On a beat: those that were skipped for a second are asked whether they are back.
    pub(super) fn look_after_others(&mut self, out: &mut Vec<Action<A>>) {
        let mut due = Vec::new();
        for (id, since) in &mut self.presence.absent {
            *since = since.saturating_add(1);
            if since.is_multiple_of(SKIP) {
                due.push(*id);
            }
        }
        for to in due {
            self.probe(to, out);
        }
        // Who leads a change is looked after by all others; and who is no member any more hears of it so.
        let leader = self.leader().filter(|leader| *leader != self.me);
        if let Some(leader) = leader.filter(|_| self.is_changing()) {
            self.greet(leader, false, out);
        }
    }

    fn probe(&mut self, to: Id, out: &mut Vec<Action<A>>) {
        if let Some(to) = self.peer(to) {
            self.ask_peer(to, None, About::Presence, out);
        }
    }
}

/// Beats for which one that did not answer is skipped: a second.
const SKIP: u32 = 4;

/// Lives that are remembered, of those that no table names yet.
const LIVES_MAX: usize = 2_048;
