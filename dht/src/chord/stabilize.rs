//! Stabilize: a node compares notes with its successor, in two steps.
//!
//! First it asks its successor for its predecessor and list; then, if that predecessor lies between
//! the two, it asks that one. Each step adopts the list of the node that answered, and each
//! stabilization ends by notifying the successor it ended with.

use alloc::vec::Vec;

use crate::event::{Action, Cause, Delay, Note, Timer};
use crate::id::Id;
use crate::message::{Reply, Request, State};
use crate::node::{Node, Question, note, wait};
use crate::peer::{Address, Peer};

impl<A: Address> Node<A> {
    /// A stabilization is due, by schedule or because the last one changed something.
    pub(crate) fn stabilize(&mut self, out: &mut Vec<Action<A>>) {
        self.again = false;
        self.detector.forgive();
        self.reconcile(out);
        if !self.is_in_ring() || self.exchange {
            return;
        }
        match self.view.successors.first().cloned() {
            Some(successor) => {
                self.exchange = true;
                let question = Question::Successor(successor.clone());
                self.ask(&successor, Request::State, question, out);
            }
            None => self.consider(self.fallback().cloned(), out),
        }
    }

    /// Who becomes the successor where the list is empty: the nearest node that is known. A node that
    /// was alone has been notified by its first other member. One that has lost its whole list starts
    /// from a finger, or from its predecessor all around the ring, and stabilizes back from there;
    /// meanwhile others can go on pointing to it, and the owner's own check keeps answers right.
    pub(crate) fn fallback(&self) -> Option<&Peer<A>> {
        let fingers = self.view.fingers.iter().map(|finger| &finger.node);
        let known = fingers.chain(&self.view.predecessor);
        known.into_iter().find(|peer| !self.detector.is_gone(peer))
    }

    /// First step answered: take over the successor's list, and look at its predecessor.
    pub(crate) fn successor_told(
        &mut self,
        successor: Peer<A>,
        state: State<A>,
        out: &mut Vec<Action<A>>,
    ) {
        if self.view.successor() == &successor {
            self.doubt_deaths(&state.predecessor, out);
            self.adopt(successor, state.successors, out);
            self.consider(state.predecessor, out);
        } else {
            self.close_exchange(out);
        }
    }

    /// First step not answered. Where the successor has begun another life, that one may stand in its place.
    pub(crate) fn successor_silent(
        &mut self,
        successor: Peer<A>,
        cause: Cause,
        out: &mut Vec<Action<A>>,
    ) {
        self.missed(successor.clone(), cause, out);
        match self.later_life(&successor).cloned() {
            Some(later) => self.consider(Some(later), out),
            None => self.close_exchange(out),
        }
    }

    /// Second step, if there is one: ask the node that may be the better successor.
    fn consider(&mut self, candidate: Option<Peer<A>>, out: &mut Vec<Action<A>>) {
        match candidate {
            Some(candidate) if self.is_better_successor(&candidate) => {
                self.exchange = true;
                let question = Question::Candidate(candidate.clone());
                self.ask(&candidate, Request::State, question, out);
            }
            // Telling a node that already has us as its predecessor would change nothing.
            candidate => {
                if candidate.as_ref() != Some(&self.view.me) {
                    self.notify_successor(out);
                }
                self.close_exchange(out);
            }
        }
    }

    /// Second step answered: the candidate is there, so it becomes the successor.
    ///
    /// Where many have joined between the two, its predecessor is the next candidate, at once: a walk
    /// of a step at a time would be slower than they come. That is a step of its own, after others
    /// had their turn.
    pub(crate) fn candidate_told(
        &mut self,
        candidate: Peer<A>,
        state: State<A>,
        out: &mut Vec<Action<A>>,
    ) {
        if !self.is_better_successor(&candidate) {
            return self.close_exchange(out);
        }
        self.adopt(candidate, state.successors, out);
        self.close_exchange(out);
        match state.predecessor {
            Some(next) if !self.exchange && self.is_better_successor(&next) => {
                self.consider(Some(next), out);
            }
            _ => self.notify_successor(out),
        }
    }

    fn is_better_successor(&self, candidate: &Peer<A>) -> bool {
        let (me, successor) = (&self.view.me, self.view.successor());
        let is_closer = candidate.id.is_between(me.id, successor.id);
        (is_closer || candidate.is_later_life_of(successor)) && !self.detector.is_gone(candidate)
    }

    /// The new successor list: this node and its own list.
    pub(crate) fn adopt(
        &mut self,
        first: Peer<A>,
        rest: Vec<Peer<A>>,
        out: &mut Vec<Action<A>>,
    ) -> bool {
        self.doubt_deaths(&rest, out);
        let list = successor_list(self.view.me.id, self.config.successors, first, rest);
        let changed = list != self.view.successors;
        if changed {
            self.replace_successors(list, out);
        }
        changed
    }

    pub(crate) fn replace_successors(&mut self, list: Vec<Peer<A>>, out: &mut Vec<Action<A>>) {
        let moved = list.first() != self.view.successors.first();
        self.is_orphan &= list.is_empty();
        self.view_mut().successors = list;
        self.settle_newcomers();
        self.stabilize_soon(out);
        self.hint(self.view.predecessor.clone(), out);
        if moved {
            self.has_moved();
            note(Note::Successor(self.view.successor().clone()), out);
            self.reconcile(out);
        }
    }

    pub(crate) fn notify_successor(&mut self, out: &mut Vec<Action<A>>) {
        if let Some(successor) = self.view.successors.first().cloned() {
            let question = Question::Tell(successor.clone());
            self.ask(&successor, Request::Notify, question, out);
        }
    }

    /// Our pointers have changed: a predecessor that looks now rather than when it is due lets a ring
    /// mend itself as fast as messages travel. It is a hint, and nothing depends on it.
    pub(crate) fn hint(&mut self, peer: Option<Peer<A>>, out: &mut Vec<Action<A>>) {
        if let Some(peer) =
            peer.filter(|peer| *peer != self.view.me && !self.detector.is_gone(peer))
        {
            self.ask(&peer, Request::Look, Question::Tell(peer.clone()), out);
        }
    }

    /// The answer to a node that wants to know our pointers.
    pub(crate) fn state_for(&mut self, from: &Peer<A>) -> Reply<A> {
        self.heard |= self.view.predecessor.as_ref() == Some(from);
        self.welcome(from);
        if self.exchange || !self.is_in_ring() {
            Reply::Busy
        } else {
            self.asked_while_leaving(from);
            Reply::State(self.view.state())
        }
    }

    /// The exchange is over; a node that notified us meanwhile gets its turn.
    pub(crate) fn close_exchange(&mut self, out: &mut Vec<Action<A>>) {
        self.exchange = false;
        if let Some(peer) = self.notified.take() {
            self.rectify(peer, out);
        }
    }

    /// The other side was busy: end unchanged, and come again at a time that differs from its own.
    pub(crate) fn stabilize_later(&mut self, out: &mut Vec<Action<A>>) {
        self.stabilize_within(BUSY, out);
        self.close_exchange(out);
    }

    /// Something changed, so something more may be waiting to change.
    pub(crate) fn stabilize_soon(&mut self, out: &mut Vec<Action<A>>) {
        self.stabilize_within(CHANGED, out);
    }

    fn stabilize_within(&mut self, delay: Delay, out: &mut Vec<Action<A>>) {
        if !core::mem::replace(&mut self.again, true) {
            wait(Timer::Stabilize, delay, out);
        }
    }
}

/// A list as it may stand in a node's state: strictly clockwise, without the node itself, no
/// duplicates, at most `length` long; so it never holds more than all other members.
pub(crate) fn successor_list<A>(
    me: Id,
    length: u8,
    first: Peer<A>,
    rest: Vec<Peer<A>>,
) -> Vec<Peer<A>> {
    let mut last = Id::ZERO;
    let clockwise = |peer: &Peer<A>| {
        let distance = me.distance_to(peer.id);
        let further = distance > last;
        last = distance;
        further
    };
    core::iter::once(first)
        .chain(rest)
        .take_while(clockwise)
        .take(length.into())
        .collect()
}

/// After a change: soon, for rings mend themselves one step at a time.
const CHANGED: Delay = Delay::exactly(50);

/// After Busy: two nodes that ask each other must not meet in the same way again.
pub(crate) const BUSY: Delay = Delay::between(20, 200);
