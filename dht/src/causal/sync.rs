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
    waiting: VecDeque<Waiting<A>>,
    /// Whether the store has said that it keeps nothing more.
    is_broken: bool,
}

/// What waits for one of the syncs.
#[derive(Clone, Debug)]
struct Waiting<A> {
    /// Which.
    number: u64,
    then: Then<A>,
    /// The beat in which it began.
    since: u32,
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
    /// That the node knows how the store began is kept.
    Founded,
}

impl<A> Then<A> {
    /// Whether somebody waits for an answer.
    const fn is_answer(&self) -> bool {
        matches!(self, Then::Answer(..) | Then::Tell(..) | Then::Give(..))
    }
}

impl<A> Default for Syncs<A> {
    fn default() -> Syncs<A> {
        Syncs {
            asked: 0,
            done: 0,
            dirty: 0,
            waiting: VecDeque::new(),
            is_broken: false,
        }
    }
}

impl<A> Syncs<A> {
    /// Whether the store keeps nothing more.
    pub(super) const fn is_broken(&self) -> bool {
        self.is_broken
    }
}

impl<A: Address> Causal<A> {
    /// Does something once all that the store was asked to do so far is durable.
    pub(super) fn after_sync(&mut self, then: Then<A>, out: &mut Vec<Action<A>>) {
        self.syncs.asked += 1;
        let number = self.syncs.asked;
        self.store(Command::Sync, Errand::Synced(number), out);
        self.wait(number, then, out);
    }

    fn wait(&mut self, number: u64, then: Then<A>, out: &mut Vec<Action<A>>) {
        if self.syncs.is_broken {
            return self.not_kept(then, out);
        }
        self.syncs.waiting.push_back(Waiting {
            number,
            then,
            since: self.beats,
        });
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
            dirty if dirty > self.syncs.done => self.wait(dirty, then, out),
            _ => self.then(then, out),
        }
    }

    pub(super) fn synced(&mut self, number: u64, out: &mut Vec<Action<A>>) {
        self.syncs.done = self.syncs.done.max(number);
        let (ready, waiting) = core::mem::take(&mut self.syncs.waiting)
            .into_iter()
            .partition(|waiting| waiting.number <= number);
        self.syncs.waiting = waiting;
        let ready: VecDeque<Waiting<A>> = ready;
        for waiting in ready {
            self.then(waiting.then, out);
        }
    }

    /// The store keeps nothing more: who waits for that is told so, and who comes from now on.
    pub(super) fn sync_failed(&mut self, out: &mut Vec<Action<A>>) {
        self.syncs.is_broken = true;
        for waiting in core::mem::take(&mut self.syncs.waiting) {
            self.not_kept(waiting.then, out);
        }
    }

    /// The same is told to those that have waited for too long. What else waits may still come to pass.
    pub(super) fn give_up_syncs(&mut self, out: &mut Vec<Action<A>>) {
        let beats = self.beats;
        let is_late = |waiting: &Waiting<A>| {
            waiting.then.is_answer() && beats.saturating_sub(waiting.since) > SYNC_BEATS
        };
        if !self.syncs.waiting.iter().any(is_late) {
            return;
        }
        let (late, waiting) = core::mem::take(&mut self.syncs.waiting)
            .into_iter()
            .partition(is_late);
        self.syncs.waiting = waiting;
        let late: VecDeque<Waiting<A>> = late;
        for waiting in late {
            self.not_kept(waiting.then, out);
        }
    }

    /// What was to be done once something is durable is not done.
    fn not_kept(&mut self, then: Then<A>, out: &mut Vec<Action<A>>) {
        match then {
            Then::Answer(asker, _) => self.answer(asker, Err(Failure::NotKept), out),
            Then::Tell(ticket, _) => self.tell_news(ticket, out),
            Then::Give(ticket, _) => self.fail(ticket, Failure::NotKept, out),
            Then::Kept(..) | Then::OwnVote(_) | Then::Arrived(_) | Then::Founded => {}
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
            Then::Founded => self.founded(out),
        }
    }
}

/// Beats that a store may take to keep something, before those who wait for that are told to ask another node: 3 s.
const SYNC_BEATS: u32 = 12;
