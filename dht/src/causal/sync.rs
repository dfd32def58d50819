//! Sync: nobody hears of anything before the store has it for good.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::message::{Done, Failure, Returned, Told};
use super::operate::Asker;
use super::{Ballot, Causal, Errand};
use crate::event::{Action, Ticket};
use crate::peer::Address;
use crate::store::Command;

/// What waits for the store.
#[derive(Clone, Debug)]
pub(super) struct Syncs<A> {
    /// Asked for so far.
    asked: u64,
    /// Done so far.
    done: u64,
    /// The one after which all that shows is durable.
    dirty: u64,
    waiting: VecDeque<(u64, Then<A>)>,
    /// Nothing will be durable any more.
    is_over: bool,
}

/// What is done when something is durable.
#[derive(Clone, Debug)]
pub(super) enum Then<A> {
    /// Answer a client, or the node that asks for one.
    Answer(Asker, Result<Done, Failure>),
    /// Answer another node.
    Tell(Ticket, Box<Told<A>>),
    /// Tell a client that something was done.
    Give(Ticket, Returned<A>),
    /// An own write, under the layout of this epoch, is on the own store.
    Kept(u32, u64),
    /// The own promise, or acceptance, of this ballot is.
    OwnVote(Ballot),
    /// The layout of this epoch is in force.
    Arrived(u32),
}

impl<A> Default for Syncs<A> {
    fn default() -> Syncs<A> {
        Syncs {
            asked: 0,
            done: 0,
            dirty: 0,
            waiting: VecDeque::new(),
            is_over: false,
        }
    }
}

impl<A: Address> Causal<A> {
    /// Does something once all that the store was asked to do so far is durable.
    pub(super) fn after_sync(&mut self, then: Then<A>, out: &mut Vec<Action<A>>) {
        self.syncs.asked += 1;
        let number = self.syncs.asked;
        self.store(Command::Sync, Errand::Synced(number), out);
        self.syncs.waiting.push_back((number, then));
    }

    /// What shows has changed, and nobody may hear of it before it is durable.
    pub(super) fn sync(&mut self, out: &mut Vec<Action<A>>) {
        self.syncs.asked += 1;
        self.syncs.dirty = self.syncs.asked;
        let errand = Errand::Synced(self.syncs.asked);
        self.store(Command::Sync, errand, out);
    }

    /// Does something once all that shows is durable: mostly at once.
    pub(super) fn when_durable(&mut self, then: Then<A>, out: &mut Vec<Action<A>>) {
        match self.syncs.dirty {
            dirty if dirty > self.syncs.done && self.syncs.is_over => self.never(then, out),
            dirty if dirty > self.syncs.done => self.syncs.waiting.push_back((dirty, then)),
            _ => self.then(then, out),
        }
    }

    pub(super) fn synced(&mut self, number: u64, out: &mut Vec<Action<A>>) {
        self.syncs.done = self.syncs.done.max(number);
        let (ready, waiting) = core::mem::take(&mut self.syncs.waiting)
            .into_iter()
            .partition(|(needs, _)| *needs <= number);
        self.syncs.waiting = waiting;
        let ready: VecDeque<(u64, Then<A>)> = ready;
        for (_, then) in ready {
            self.then(then, out);
        }
    }

    /// The store has failed at this sync, and so it will at all that follow.
    pub(super) fn not_synced(&mut self, number: u64, out: &mut Vec<Action<A>>) {
        self.syncs.is_over = true;
        let (over, waiting): (VecDeque<_>, VecDeque<_>) = core::mem::take(&mut self.syncs.waiting)
            .into_iter()
            .partition(|(needs, _)| *needs <= number);
        self.syncs.waiting = waiting;
        for (_, then) in over {
            self.never(then, out);
        }
    }

    /// What was to be done when something is durable, which it will not be: clients are told that nobody
    /// knows what becomes of it, and other nodes nothing, as if this one had died before it was.
    fn never(&mut self, then: Then<A>, out: &mut Vec<Action<A>>) {
        match then {
            Then::Answer(asker, _) => self.answer(asker, Err(Failure::Unsure), out),
            Then::Give(ticket, _) => self.fail(ticket, Failure::Unsure, out),
            Then::Tell(..) | Then::Kept(..) | Then::OwnVote(_) | Then::Arrived(_) => {}
        }
    }

    fn then(&mut self, then: Then<A>, out: &mut Vec<Action<A>>) {
        match then {
            Then::Answer(asker, result) => self.answer(asker, result, out),
            Then::Tell(ticket, told) => self.tell(ticket, *told, out),
            Then::Give(ticket, returned) => self.give(ticket, returned, out),
            Then::Kept(epoch, number) if epoch == self.layout.epoch => self.kept(number, out),
            Then::Kept(..) => {}
            Then::OwnVote(ballot) => self.own_vote(ballot, out),
            Then::Arrived(epoch) => self.arrived(epoch, out),
        }
    }
}
