//! Arrange: what clients want to be changed of the view and of the layout.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::Causal;
use super::layout::{Layout, Seat};
use super::message::{Failure, Returned, Shards};
use super::roster::{Entry, Status};
use super::sync::Then;
use crate::event::{Action, Ticket};
use crate::peer::Address;

/// A client that waits for a layout.
#[derive(Clone, Debug)]
pub(super) struct Wish<A> {
    ticket: Ticket,
    layout: Layout<A>,
    /// The beat in which it gives up.
    until: u32,
    /// Who has answered since it was wished; nothing once it is proposed.
    there: Option<BTreeSet<A>>,
}

impl<A: Address> Causal<A> {
    /// An address belongs to a node of this store.
    pub(super) fn add(&mut self, ticket: Ticket, address: A, out: &mut Vec<Action<A>>) {
        if self.roster.entry(&address).is_none() && !self.roster.has_room() {
            return self.fail(ticket, Failure::Full, out);
        }
        let is_new = match self.roster.status(&address) {
            Some(Status::In) => false,
            Some(Status::Lost | Status::Deleted) => {
                self.roster.say(&address, Status::In);
                true
            }
            None => self.roster.take(Entry::unmet(address)),
        };
        self.keep_roster(out);
        self.after_sync(Then::Give(ticket, Returned::Added(is_new)), out);
    }

    /// The node at this address is gone for good.
    pub(super) fn delete(&mut self, ticket: Ticket, address: &A, out: &mut Vec<Action<A>>) {
        // Before it knows how the store began it would take those that stay for all that there were.
        if !self.has_been_told() {
            return self.fail(ticket, Failure::NotTold, out);
        }
        let is_there = matches!(self.roster.status(address), Some(Status::In | Status::Lost));
        if is_there {
            self.roster.say(address, Status::Deleted);
            self.take_out(address.clone());
            self.keep_roster(out);
            self.meet_all(out);
        }
        self.after_sync(Then::Give(ticket, Returned::Deleted(is_there)), out);
    }

    pub(super) fn shards(&self) -> Shards<A> {
        Shards {
            layout: self.decree.layout.clone(),
            own: self.shard(),
            is_settled: self.is_settled() && !self.is_sealed(),
            is_deciding: self.is_sealed() && self.relocation.is_none(),
            change: self.change,
        }
    }

    /// Everything is to be divided anew.
    pub(super) fn reshard(&mut self, ticket: Ticket, shards: u32, out: &mut Vec<Action<A>>) {
        let met = self.roster.view().filter(|entry| entry.store() > 0);
        let nodes = met.map(|entry| (entry.peer.address.clone(), entry.store()));
        match self.layout.dealt(&nodes.collect(), shards) {
            Ok(layout) => self.wish(ticket, layout, out),
            Err(_) => self.fail(ticket, Failure::TooFewNodes, out),
        }
    }

    /// A node is to get a place in a shard.
    pub(super) fn add_member(
        &mut self,
        ticket: Ticket,
        address: A,
        shard: u32,
        out: &mut Vec<Action<A>>,
    ) {
        // Who waits for a place has a layout of its own, without shards, and can't give any.
        if !self.layout.is_sharded() || !self.layout.all_shards().contains(&shard) {
            return self.fail(ticket, Failure::NoSuchShard, out);
        }
        let entry = self.roster.entry(&address);
        if entry.is_none_or(|entry| entry.status != Status::In || entry.store() == 0) {
            return self.fail(ticket, Failure::NoSuchNode, out);
        }
        match self.layout.shard(&address) {
            Some(own) if own == shard => self.give(ticket, Returned::Arranged, out),
            Some(_) => self.fail(ticket, Failure::Conflict, out),
            None => {
                let added = [(address, shard)].into();
                let layout = self.layout.with(&added, &BTreeSet::new(), &self.stores());
                self.wish(ticket, layout, out);
            }
        }
    }

    fn wish(&mut self, ticket: Ticket, layout: Layout<A>, out: &mut Vec<Action<A>>) {
        if self.wish.is_some() || !self.is_quiet() {
            return self.fail(ticket, Failure::Conflict, out);
        }
        // A proposal ends the writing wherever it comes, so first those are asked who must agree to it.
        self.wish = Some(Wish {
            ticket,
            layout,
            until: self.beats + ASKING_BEATS,
            there: Some([self.me.address.clone()].into()),
        });
        self.meet_all(out);
        self.look_at_wish(out);
    }

    /// Another node has answered: it is there.
    pub(super) fn is_there(&mut self, node: &A, out: &mut Vec<Action<A>>) {
        if let Some(there) = self.wish.as_mut().and_then(|wish| wish.there.as_mut()) {
            there.insert(node.clone());
            self.look_at_wish(out);
        }
    }

    /// Proposes what a client waits for, once there are enough to decide.
    fn propose_wish(&mut self, out: &mut Vec<Action<A>>) {
        let Some(there) = self.wish.as_ref().and_then(|wish| wish.there.as_ref()) else {
            return;
        };
        if !self.may_decide(there) {
            return;
        }
        let (is_quiet, epoch) = (self.is_quiet(), self.layout.epoch + 1);
        let wish = self
            .wish
            .as_mut()
            .filter(|wish| is_quiet && wish.layout.epoch == epoch);
        // Or else another change came first.
        if let Some(wish) = wish {
            wish.there = None;
            wish.until = self.beats + WISH_BEATS;
            let layout = wish.layout.clone();
            self.propose(layout, out);
        }
    }

    /// Whether nothing is under way that a new change would have to wait for.
    fn is_quiet(&self) -> bool {
        self.proposal.is_none() && !self.is_sealed() && self.is_settled()
    }

    /// Sees whether what a client waits for has come.
    pub(super) fn look_at_wish(&mut self, out: &mut Vec<Action<A>>) {
        self.propose_wish(out);
        let Some(wish) = &self.wish else {
            return;
        };
        let decided = &self.decree.layout;
        let result = match decided.epoch.cmp(&wish.layout.epoch) {
            Ordering::Less => None,
            Ordering::Equal if *decided == wish.layout => {
                self.is_settled().then_some(Returned::Arranged)
            }
            _ => Some(Returned::Failed(Failure::Conflict)),
        };
        let is_late = self.beats >= wish.until;
        let why = match (&wish.there, self.is_quiet()) {
            (None, _) => Failure::Unfinished,
            (Some(_), true) => Failure::NoMajority,
            (Some(_), false) => Failure::Conflict,
        };
        let late = is_late.then_some(Returned::Failed(why));
        if let Some(returned) = result.or(late) {
            let ticket = wish.ticket;
            self.wish = None;
            self.give(ticket, returned, out);
        }
    }

    /// In a store that is not divided, who is part of the view has a place; nowhere has who is gone; and who has
    /// lost its store gets its vote back by a new layout, before others lose theirs.
    pub(super) fn tidy(&mut self, out: &mut Vec<Action<A>>) {
        let members = self.layout.seats.len().max(1);
        let turn = (self.beats / TIDY_BEATS) as usize % members;
        let is_turn = self.layout.place(&self.me.address) == Some(turn);
        if !self.beats.is_multiple_of(TIDY_BEATS) || !is_turn || !self.is_quiet() {
            return;
        }
        let heard: BTreeSet<A> = self.heard_lately();
        if !self.may_decide(&heard) {
            return;
        }
        let gone: BTreeSet<A> = self.gone();
        let met = self.roster.view().filter(|entry| entry.store() > 0);
        let new = met.map(|entry| &entry.peer.address);
        let new = new.filter(|node| !self.layout.is_sharded() && self.layout.seat(node).is_none());
        let new: BTreeMap<A, u32> = new.map(|node| (node.clone(), 0)).collect();
        let forgets = |seat: &Seat<A>| {
            let entry = self.roster.entry(&seat.node);
            entry.is_some_and(|entry| entry.has_lost(seat.store))
        };
        let has_forgetful = self.layout.seats.iter().any(forgets);
        if !new.is_empty() || !gone.is_empty() || has_forgetful {
            let layout = self.layout.with(&new, &gone, &self.stores());
            self.propose(layout, out);
        }
    }

    /// Members that are gone for good and can be done without: somebody of their shard stays.
    fn gone(&self) -> BTreeSet<A> {
        let shards = self.layout.all_shards().filter(|shard| {
            let mut members = self.layout.members(*shard);
            members.any(|node| !self.is_gone(node))
        });
        let members = shards.flat_map(|shard| self.layout.members(shard));
        members.filter(|node| self.is_gone(node)).cloned().collect()
    }
}

/// Beats after which a client is told that its change goes on without it: 30 s.
const WISH_BEATS: u32 = 120;

/// Beats in which others answer that are there: 2 s.
const ASKING_BEATS: u32 = 8;

/// Beats between two nodes that look whether somebody has come or gone for good.
const TIDY_BEATS: u32 = 4;

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use super::*;
    use crate::causal::Config;
    use crate::causal::message::Call;
    use crate::causal::roster::NODES_MAX;
    use crate::event::{self, Event};
    use crate::id::Id;
    use crate::peer::Peer;

    fn node(address: u16, view: impl IntoIterator<Item = u16>) -> Causal<u16> {
        let me = Peer {
            id: Id::ZERO,
            address,
            incarnation: 1,
        };
        let config = Config {
            store: 1,
            view: view.into_iter().collect(),
            shards: None,
        };
        Causal::new(me, config)
    }

    /// What comes of a call at once.
    fn call(node: &mut Causal<u16>, call: Call<u16>) -> Option<Returned<u16>> {
        let mut actions = Vec::new();
        let call = event::Call::Causal(Box::new(call));
        let ticket = Ticket(1);
        node.handle(Event::Called { ticket, call }, &mut actions);
        actions.into_iter().find_map(|action| match action {
            Action::Return {
                returned: event::Returned::Causal(returned),
                ..
            } => Some(*returned),
            _ => None,
        })
    }

    #[test]
    fn a_view_that_is_full_says_so() {
        let mut node = node(0, 0..NODES_MAX as u16);
        let told = call(&mut node, Call::Add(NODES_MAX as u16));
        assert_eq!(told, Some(Returned::Failed(Failure::Full)));
        // That one is there, and its answer comes when it is kept.
        assert_eq!(call(&mut node, Call::Add(1)), None);
    }

    #[test]
    fn who_waits_for_a_place_can_t_say_that_it_has_one() {
        let mut node = node(3, [1, 2, 3]);
        let told = call(&mut node, Call::AddMember(3, 0));
        assert_eq!(told, Some(Returned::Failed(Failure::NoSuchShard)));
    }
}
