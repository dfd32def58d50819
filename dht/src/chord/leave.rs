//! Leave: a node hands over what it serves, tells its neighbours, and is gone.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::event::{Action, Delay, Failure, Note, Returned, Ticket, Timer};
use crate::message::{Request, State};
use crate::node::{Node, Question, fail, note, wait};
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// A node on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Leave {
    caller: Ticket,
    /// Records that others have taken over.
    moved: usize,
    /// Neighbours that have not acknowledged our farewell; nothing while content remains.
    farewells: Option<u8>,
    /// Records sent when the time limit was last looked at.
    progress: usize,
}

impl<A: Address> Node<A> {
    pub(crate) fn begin_leave(&mut self, caller: Ticket, out: &mut Vec<Action<A>>) {
        if self.view.phase != Phase::Member {
            return fail(caller, Failure::NotAMember, out);
        }
        if self.view.is_alone() {
            return fail(caller, Failure::LastNode, out);
        }
        self.view_mut().phase = Phase::Leaving;
        self.leave = Some(Box::new(Leave {
            caller,
            moved: 0,
            farewells: None,
            progress: 0,
        }));
        wait(Timer::Leave, OVERDUE, out);
        self.reconcile(out);
    }

    /// Whom to give the next arc to: the neighbour that inherits it; where that one leaves too, a
    /// later one.
    pub(crate) fn heir(&self) -> Option<&Peer<A>> {
        let takes = |peer: &&Peer<A>| {
            **peer != self.view.me
                && !self.detector.distrusts(peer)
                && !self.detector.is_unwilling(peer)
        };
        let predecessor = self.view.predecessor.iter().find(takes);
        let successor = self.view.successors.iter().find(takes);
        self.config.ownership.heir(predecessor, successor)
    }

    /// Others took over an arc with so many records.
    pub(crate) fn count_moved(&mut self, records: usize) {
        if let Some(leave) = &mut self.leave {
            leave.moved += records;
        }
    }

    /// Nothing is left to hand over: tell the neighbours.
    pub(crate) fn say_farewell(&mut self, out: &mut Vec<Action<A>>) {
        let Some(leave) = self
            .leave
            .as_mut()
            .filter(|leave| leave.farewells.is_none())
        else {
            return;
        };
        let view = &self.view;
        let neighbours = view.predecessor.iter().chain(view.successors.first());
        let others = neighbours.filter(|peer| **peer != view.me);
        let mut neighbours: Vec<Peer<A>> = others.cloned().collect();
        neighbours.dedup();
        leave.farewells = Some(neighbours.len() as u8);
        for peer in neighbours {
            let request = Request::Leaving(self.view.state());
            self.ask(&peer, request, Question::Farewell(peer.clone()), out);
        }
        self.finish_leave(out);
    }

    /// A neighbour knows that we leave, or does not answer.
    pub(crate) fn farewell_done(&mut self, out: &mut Vec<Action<A>>) {
        if let Some(farewells) = self
            .leave
            .as_mut()
            .and_then(|leave| leave.farewells.as_mut())
        {
            *farewells -= 1;
            self.finish_leave(out);
        }
    }

    fn finish_leave(&mut self, out: &mut Vec<Action<A>>) {
        let Some(leave) = self.leave.take_if(|leave| leave.farewells == Some(0)) else {
            return;
        };
        self.view_mut().phase = Phase::Left;
        note(Note::Left, out);
        let (ticket, returned) = (leave.caller, Returned::Left(leave.moved));
        out.push(Action::Return { ticket, returned });
    }

    /// Time is up, unless content still moves.
    pub(crate) fn leave_overdue(&mut self, out: &mut Vec<Action<A>>) {
        let sent = self
            .view
            .handover
            .as_ref()
            .map_or(0, |handover| handover.sent);
        let Some(leave) = self
            .leave
            .as_mut()
            .filter(|leave| leave.farewells.is_none())
        else {
            return;
        };
        let progress = leave.moved + sent;
        if core::mem::replace(&mut leave.progress, progress) < progress {
            return wait(Timer::Leave, OVERDUE, out);
        }
        let caller = leave.caller;
        self.leave = None;
        self.view_mut().phase = Phase::Member;
        fail(caller, Failure::NoTaker, out);
        self.reconcile(out);
    }

    /// A neighbour says that it leaves: an immediate miss, without the waiting.
    pub(crate) fn neighbour_leaves(
        &mut self,
        peer: Peer<A>,
        state: State<A>,
        out: &mut Vec<Action<A>>,
    ) {
        if !self.is_in_ring() || self.detector.is_gone(&peer) {
            return;
        }
        let me = Some(&self.view.me);
        let knows_only_us = state.predecessor.as_ref() == me && state.successors.iter().eq(me);
        let is_only_other = self.view.successors.iter().eq([&peer])
            && self.view.predecessor.as_ref() == Some(&peer);
        if knows_only_us && is_only_other {
            self.become_alone(out);
        }
        self.bury(peer, out);
    }

    /// The only other member left. A ring of one comes about in no other way.
    fn become_alone(&mut self, out: &mut Vec<Action<A>>) {
        let me = self.view.me.clone();
        self.replace_predecessor(me, out);
        self.replace_successors(Vec::new(), out);
    }
}

/// Without any progress for so long, a leave has failed.
const OVERDUE: Delay = Delay::exactly(5_000);
