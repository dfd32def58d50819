//! Leave: a node hands over what it serves, tells its neighbours, and is gone.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::chord::stabilize::BUSY;
use crate::event::{Action, Cause, Delay, Failure, Note, Returned, Ticket, Timer};
use crate::message::{Reply, Request, State};
use crate::node::{Node, Question, fail, note, wait};
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// A node on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Leave<A> {
    caller: Ticket,
    /// Records that others have taken over.
    moved: usize,
    /// Records sent when the time limit was last looked at.
    progress: usize,
    /// Neighbours that know, or can't be told.
    told: Vec<Peer<A>>,
    /// Those that have asked for our pointers since, and may have adopted us.
    askers: Vec<Peer<A>>,
    /// Farewells said so far, and whether one has not been answered yet.
    farewells: u8,
    is_asking: bool,
}

impl<A: Address> Leave<A> {
    /// What matters of it to the next step, in words: how often it has said farewell does not, short of
    /// the end of all patience.
    pub(crate) fn in_words(&self) -> String {
        let has_begun = self.farewells > 0;
        let (told, askers) = (&self.told, &self.askers);
        format!("{told:?} {askers:?} {has_begun} {}", self.is_asking)
    }
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
            progress: 0,
            told: Vec::new(),
            askers: Vec::new(),
            farewells: 0,
            is_asking: false,
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

    /// Nothing is left to hand over: tell the neighbours, one after the other, and go. In a small ring
    /// the successor list holds all others, and so also those that have us as their only successor
    /// since they do not know yet who joined in between.
    pub(crate) fn say_farewell(&mut self, out: &mut Vec<Action<A>>) {
        let view = &self.view;
        let Some(leave) = self.leave.as_mut().filter(|leave| !leave.is_asking) else {
            return;
        };
        let neighbours = view.predecessor.iter().chain(&view.successors);
        let mut untold = neighbours.chain(&leave.askers).filter(|peer| {
            **peer != view.me && !leave.told.contains(peer) && !self.detector.is_gone(peer)
        });
        match untold.next().cloned() {
            Some(peer) if leave.farewells < FAREWELLS_MAX => {
                leave.farewells += 1;
                leave.is_asking = true;
                let request = Request::Leaving(view.state());
                self.ask(&peer, request, Question::Farewell(peer.clone()), out);
            }
            _ => self.finish_leave(out),
        }
    }

    /// A node on its way out is asked for its pointers: who asks may adopt it, and must be told in turn.
    pub(crate) fn asked_while_leaving(&mut self, from: &Peer<A>) {
        if let Some(leave) = self.leave.as_mut().filter(|leave| leave.farewells > 0) {
            leave.told.retain(|peer| peer != from);
            // More can't be told.
            let has_room = leave.askers.len() < usize::from(FAREWELLS_MAX);
            if let Err(place) = leave.askers.binary_search(from)
                && has_room
            {
                leave.askers.insert(place, from.clone());
            }
        }
    }

    /// A neighbour has answered: one that is busy is told again.
    pub(crate) fn farewell_answered(
        &mut self,
        peer: Peer<A>,
        reply: Reply<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(leave) = &mut self.leave else {
            return;
        };
        leave.is_asking = false;
        if reply == Reply::Busy {
            self.handover_later(BUSY, out);
        } else {
            if let Err(place) = leave.told.binary_search(&peer) {
                leave.told.insert(place, peer);
            }
            self.say_farewell(out);
        }
    }

    /// A neighbour has not answered: it is told again, unless it is not there.
    pub(crate) fn farewell_missed(
        &mut self,
        peer: Peer<A>,
        cause: Cause,
        out: &mut Vec<Action<A>>,
    ) {
        let reply = match cause {
            Cause::Refused => Reply::Noted,
            Cause::Silent => Reply::Busy,
        };
        self.farewell_answered(peer, reply, out);
    }

    fn finish_leave(&mut self, out: &mut Vec<Action<A>>) {
        self.view_mut().phase = Phase::Left;
        note(Note::Left, out);
        self.end_leave(out);
    }

    /// The ring does without us; once no client of ours waits for anything, so does everyone.
    pub(crate) fn end_leave(&mut self, out: &mut Vec<Action<A>>) {
        if self.view.phase == Phase::Left
            && !self.has_callers()
            && let Some(leave) = self.leave.take()
        {
            let (ticket, returned) = (leave.caller, Returned::Left(leave.moved));
            out.push(Action::Return { ticket, returned });
        }
    }

    /// Time is up, unless content still moves.
    pub(crate) fn leave_overdue(&mut self, out: &mut Vec<Action<A>>) {
        let sent = self
            .view
            .handover
            .as_ref()
            .map_or(0, |handover| handover.sent);
        let Some(leave) = self.leave.as_mut().filter(|leave| leave.farewells == 0) else {
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
    ///
    /// Its predecessor does not just drop it, for all that stands behind it in the list may have left
    /// as well: it takes the list of the leaver's successor, once that one has answered. The leaver
    /// waits for this, so that any number of nodes can leave one after the other.
    pub(crate) fn neighbour_leaves(
        &mut self,
        ticket: Ticket,
        leaver: Peer<A>,
        state: State<A>,
        out: &mut Vec<Action<A>>,
    ) {
        // Whoever joined behind the leaver may be known to nobody else.
        for peer in state.predecessor.iter().chain(&state.successors) {
            self.welcome(peer);
        }
        let mut reply = Reply::Noted;
        if self.waits_for_taker(&leaver) {
            reply = Reply::Busy;
        } else if self.is_in_ring() && *self.view.successor() == leaver {
            let view = &self.view;
            let is_other = |peer: &&Peer<A>| {
                **peer != view.me && **peer != leaver && !self.detector.is_gone(peer)
            };
            // What the leaver said may be older than what we know ourselves.
            let successors = state.successors.iter().chain(&view.successors);
            let heirs = successors.filter(is_other);
            let heir = heirs.min_by_key(|peer| view.me.id.distance_to(peer.id));
            let heir = heir.cloned();
            let known = view.successors.iter().chain(&view.predecessor);
            let mut others = known.chain(&state.predecessor).filter(is_other);
            // Whom the leaver takes for its successor has left as well, so it is about to learn who
            // comes next, and all that it said before is too old.
            let is_stale = state
                .successors
                .first()
                .is_some_and(|next| self.detector.is_gone(next));
            match heir {
                Some(_) if is_stale => reply = Reply::Busy,
                Some(heir) if !self.exchange => {
                    let question = Question::Heir(ticket, leaver, heir.clone());
                    self.exchange = true;
                    return self.ask(&heir, Request::State, question, out);
                }
                None if others.next().is_none() => self.become_alone(out),
                _ => reply = Reply::Busy,
            }
        }
        if reply == Reply::Noted && self.is_in_ring() && !self.detector.is_gone(&leaver) {
            self.forget(leaver, out);
        }
        out.push(Action::Reply { ticket, reply });
    }

    /// The leaver's successor has answered: it is ours from now on.
    pub(crate) fn heir_told(
        &mut self,
        ticket: Ticket,
        leaver: Peer<A>,
        heir: Peer<A>,
        state: State<A>,
        out: &mut Vec<Action<A>>,
    ) {
        // It may have left itself since it answered.
        if self.detector.is_gone(&heir) {
            return self.heir_untold(ticket, out);
        }
        if *self.view.successor() == leaver {
            self.adopt(heir, state.successors, out);
            self.notify_successor(out);
        }
        if !self.detector.is_gone(&leaver) {
            self.forget(leaver, out);
        }
        let reply = Reply::Noted;
        out.push(Action::Reply { ticket, reply });
        self.close_exchange(out);
    }

    /// The leaver's successor has not told us its list, so the leaver must wait.
    pub(crate) fn heir_untold(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let reply = Reply::Busy;
        out.push(Action::Reply { ticket, reply });
        self.close_exchange(out);
    }

    /// The only other member left. A ring of one comes about in no other way.
    fn become_alone(&mut self, out: &mut Vec<Action<A>>) {
        let me = self.view.me.clone();
        self.replace_predecessor(me, out);
        self.replace_successors(Vec::new(), out);
    }
}

/// Farewells before a node goes without another word; its neighbours then notice by themselves.
const FAREWELLS_MAX: u8 = 32;

/// Without any progress for so long, a leave has failed.
const OVERDUE: Delay = Delay::exactly(5_000);
