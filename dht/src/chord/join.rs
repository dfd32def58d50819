//! Join: a node finds its place, and takes over its predecessor's whole list.
//!
//! Everything it is told on the way is a hint. What counts is the reply of the node that is to be its
//! predecessor, with predecessor and list in one: if the place still lies between that node and its
//! successor, the joiner is a member. It notifies nobody; its first stabilization does.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::chord::stabilize::{BUSY, successor_list};
use crate::content::coordinate::{Operation, Purpose};
use crate::event::{Action, Delay, Failure, Note, Returned, Ticket, Timer};
use crate::id::Arc;
use crate::lookup::Lookup;
use crate::message::{Link, LinkKind, Request, Route, Routing, State};
use crate::node::{Node, Question, fail, note, wait};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// A node on its way into a ring.
#[derive(Clone, Debug)]
pub(crate) struct Join<A> {
    /// Who wants to know; nobody where the node re-joins by itself.
    pub(crate) caller: Option<Ticket>,
    /// Members to ask for the way.
    pub(crate) hints: Vec<Peer<A>>,
    /// Attempts so far.
    pub(crate) attempts: u16,
}

impl<A: Address> Node<A> {
    pub(crate) fn begin_join(
        &mut self,
        caller: Ticket,
        hints: Vec<Peer<A>>,
        out: &mut Vec<Action<A>>,
    ) {
        if self.view.phase != Phase::Joining || self.join.is_some() || hints.is_empty() {
            return fail(caller, Failure::Overloaded, out);
        }
        self.join = Some(Box::new(Join {
            caller: Some(caller),
            hints,
            attempts: 0,
        }));
        self.look_for_place(out);
    }

    /// Looks for the node that is to be the predecessor: the last one before our identifier.
    pub(crate) fn look_for_place(&mut self, out: &mut Vec<Action<A>>) {
        let Some(join) = &mut self.join else {
            return;
        };
        join.attempts = join.attempts.saturating_add(1);
        if join.caller.is_some() && join.attempts > ATTEMPTS_MAX {
            return self.join_failed(Failure::Unreachable, out);
        }
        let kind = LinkKind::Start;
        let hints = join.hints.iter().cloned();
        let ways = hints.map(|node| Link { node, kind }).collect();
        let route = Route {
            key: self.view.me.id.previous(),
            rule: Ownership::Predecessor,
            routing: Routing::Finger,
        };
        let lookup = Lookup::through(route, ways);
        self.operate(Operation::new(Purpose::Join, lookup), out);
        self.ask_the_lonely(out);
    }

    /// Becomes the only member of a ring, to which others come back.
    pub(crate) fn begin_ring(&mut self, out: &mut Vec<Action<A>>) {
        self.join = None;
        let view = self.view_mut();
        view.phase = Phase::Member;
        view.predecessor = Some(view.me.clone());
        note(Note::Joined(self.view.me.clone()), out);
        self.reconcile(out);
    }

    /// The lookup ended: ask the node it named for its state, for that is what counts.
    pub(crate) fn place_found(&mut self, node: Option<Peer<A>>, out: &mut Vec<Action<A>>) {
        match node {
            Some(node) if node.id == self.view.me.id => self.meet_namesake(node, out),
            Some(node) => self.ask(&node, Request::State, Question::Join(node.clone()), out),
            None => self.join_later(out),
        }
    }

    /// The future predecessor answered.
    pub(crate) fn place_told(&mut self, node: Peer<A>, state: State<A>, out: &mut Vec<Action<A>>) {
        let me = self.view.me.id;
        let next = state.successors.first().unwrap_or(&node).clone();
        if next.id == me {
            return self.meet_namesake(next, out);
        }
        if self.join.is_none() || !Arc::new(node.id, next.id).contains(me) {
            return self.join_later(out);
        }
        // The list of a node that is alone is empty: it is its own successor, and ours.
        let mut list = state.successors;
        if list.is_empty() {
            list.push(node.clone());
        }
        let first = list.remove(0);
        let list = successor_list(me, self.config.successors, first, list);
        self.doubt_deaths(&list, out);
        let view = self.view_mut();
        view.phase = Phase::Member;
        view.predecessor = Some(node.clone());
        view.successors = list;
        note(Note::Joined(node), out);
        if let Some(ticket) = self.join.take().and_then(|join| join.caller) {
            let returned = Returned::Joined;
            out.push(Action::Return { ticket, returned });
        }
        self.fix_fingers_soon(out);
        self.reconcile(out);
        self.stabilize(out);
        self.tell_left(out);
    }

    /// A node with our identifier stands where we belong: an earlier life of ours that the ring has
    /// not dropped yet, or somebody else who is alive.
    fn meet_namesake(&mut self, twin: Peer<A>, out: &mut Vec<Action<A>>) {
        self.ask(&twin, Request::Ping, Question::Namesake(twin.clone()), out);
    }

    /// It is alive, so the place is taken.
    pub(crate) fn join_refused(&mut self, twin: Peer<A>, out: &mut Vec<Action<A>>) {
        self.join_failed(Failure::Taken(twin), out);
    }

    pub(crate) fn join_later(&mut self, out: &mut Vec<Action<A>>) {
        wait(Timer::Join, BUSY, out);
    }

    fn join_failed(&mut self, failure: Failure<A>, out: &mut Vec<Action<A>>) {
        match self.join.as_ref().and_then(|join| join.caller) {
            Some(caller) => {
                self.join = None;
                fail(caller, failure, out);
            }
            // A node that lost its place has nobody to tell, and goes on trying.
            None => wait(Timer::Join, REJOIN, out),
        }
    }

    /// The node has lost its place: all its successors died, or the ring does not know it. It serves
    /// nothing any more, and joins again as a new life of itself.
    pub(crate) fn lose_place(&mut self, out: &mut Vec<Action<A>>) {
        let view = &self.view;
        let known = view.successors.iter().chain(view.predecessor.as_ref());
        let known = known.chain(view.fingers.iter().map(|finger| &finger.node));
        let mut hints: Vec<Peer<A>> = known.filter(|peer| **peer != view.me).cloned().collect();
        hints.sort_unstable();
        hints.dedup();
        let strangers = self.strangers().to_vec();
        hints.extend(strangers);
        self.start_over(hints, out);
    }

    /// Joins again through these, as a new life that serves nothing yet. It judges anew who is dead: whom it
    /// took for dead may have been on the other side of a partition.
    pub(crate) fn start_over(&mut self, hints: Vec<Peer<A>>, out: &mut Vec<Action<A>>) {
        self.drop_all_handovers(out);
        self.carry_along();
        self.detector.revive_silent();
        self.exchange = false;
        self.notified = None;
        self.strikes = 0;
        self.is_bereaved = true;
        let kept = self.view.serves.iter().map(|range| range.arc);
        self.kept = kept.collect();
        let view = self.view_mut();
        view.me.incarnation += 1;
        view.phase = Phase::Lost;
        view.predecessor = None;
        view.successors.clear();
        view.fingers.clear();
        view.serves.clear();
        self.join = Some(Box::new(Join {
            caller: None,
            hints,
            attempts: 0,
        }));
        note(Note::Lost, out);
        wait(Timer::Join, REJOIN, out);
    }
}

/// Attempts of a joiner before it gives up: at about 0.1 s each, some 10 s.
const ATTEMPTS_MAX: u16 = 100;

/// Before a node that lost its place tries to come back, and between its attempts.
const REJOIN: Delay = Delay::between(500, 1_500);
