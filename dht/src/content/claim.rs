//! Claim: an arc that nobody has handed over.
//!
//! Its owner died, and took its content along. Where no neighbour is known to have died, the arc is
//! merely late, and worth a long wait. Once the pointers have been the same for a while, the
//! node asks both neighbours. If each of them points back at it, so that nobody can stand in between,
//! and neither serves the arc nor waits for it itself, it serves it, empty. The last one that this
//! node handed something to is asked as well, for it may stand further away.

use alloc::vec::Vec;

use crate::event::{Action, Delay, Note, Timer};
use crate::id::Arc;
use crate::message::Request;
use crate::node::{Node, Question, note, wait};
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// An arc that is missing, and the neighbours it lies between.
#[derive(Clone, Debug)]
pub(crate) struct Gap<A> {
    arc: Arc,
    neighbours: Vec<Peer<A>>,
    /// How often the pointers had changed: the same neighbours may have been others in between.
    moves: u32,
    /// Neighbours that have nothing against it.
    consents: usize,
    /// How often they have been asked.
    rounds: u8,
}

impl<A: Address> Gap<A> {
    fn is_same(&self, other: &Gap<A>) -> bool {
        (self.arc, self.moves) == (other.arc, other.moves)
    }
}

impl<A: Address> Node<A> {
    /// Starts the clock where something is missing.
    pub(crate) fn mind_the_gap(&mut self, out: &mut Vec<Action<A>>) {
        match self.present_gap() {
            Some(gap) if self.gap.is_none() => {
                self.gap = Some(gap.into());
                wait(Timer::Claim, PATIENCE, out);
            }
            _ => {}
        }
    }

    /// The time is over: if all is as it was, ask.
    pub(crate) fn claim(&mut self, out: &mut Vec<Action<A>>) {
        let before = self.gap.take();
        self.mind_the_gap(out);
        let (Some(before), Some(gap)) = (before, self.gap.as_deref_mut()) else {
            return;
        };
        if gap.is_same(&before) {
            let arc = gap.arc;
            gap.rounds = before.rounds.saturating_add(1);
            if self.view.is_alone() {
                return self.take_over(arc, out);
            }
            if gap.rounds == ROUNDS_MAX {
                self.last_taker = None;
            }
            if !self.is_bereaved && gap.rounds < ROUNDS_LATE {
                return;
            }
            for neighbour in gap.neighbours.clone() {
                let question = Question::Claim(neighbour.clone(), arc);
                self.ask(&neighbour, Request::Claim(arc), question, out);
            }
        }
    }

    /// A neighbour has answered.
    pub(crate) fn claim_answered(&mut self, arc: Arc, free: bool, out: &mut Vec<Action<A>>) {
        let present = self.present_gap();
        let (Some(gap), Some(present)) = (&mut self.gap, present) else {
            return;
        };
        if free && gap.arc == arc && gap.is_same(&present) {
            gap.consents += 1;
            if gap.consents == gap.neighbours.len() {
                self.take_over(arc, out);
            }
        }
    }

    /// Whether a neighbour may serve an arc, as far as this node can tell: it is next to us, and we
    /// do not serve it.
    pub(crate) fn is_free(&self, arc: Arc, peer: &Peer<A>) -> bool {
        let view = &self.view;
        let is_next = view.predecessor.as_ref() == Some(peer) || view.successor() == peer;
        let shares = |other: Arc| other.intersection(arc).next().is_some();
        let is_served = view.serves.iter().any(|range| shares(range.arc))
            || view.receives.iter().any(|(arc, _)| shares(*arc));
        // Whoever would have got it to hand on does not know yet whether somebody serves it. But a
        // ring in which everyone waits for everyone must come to an end.
        let rounds = self.gap.as_ref().map_or(0, |gap| gap.rounds);
        let waits = self.missing_arc().is_some() && rounds < ROUNDS_MAX;
        let takes_from = self
            .config
            .ownership
            .boundary(view.predecessor.as_ref(), Some(view.successor()));
        let waits_too = waits && takes_from == Some(peer);
        view.phase == Phase::Member && is_next && !is_served && !waits_too
    }

    fn take_over(&mut self, arc: Arc, out: &mut Vec<Action<A>>) {
        self.is_bereaved = false;
        self.epoch += 1;
        self.serve(arc, self.epoch);
        note(Note::TookOver(arc), out);
        self.reconcile(out);
    }

    fn present_gap(&self) -> Option<Gap<A>> {
        let view = &self.view;
        let mut neighbours: Vec<Peer<A>> = view.predecessor.iter().cloned().collect();
        neighbours.push(view.successor().clone());
        let arc = self.missing_arc()?;
        let taker = self.last_taker.iter();
        let taker = taker.filter(|(taken, _)| taken.intersection(arc).next().is_some());
        neighbours.extend(taker.map(|(_, taker)| taker.clone()));
        neighbours.sort_unstable();
        neighbours.dedup();
        neighbours.retain(|peer| !self.detector.is_gone(peer));
        Some(Gap {
            arc,
            neighbours,
            moves: self.moves,
            consents: 0,
            rounds: 0,
        })
    }
}

/// How long the pointers must have been the same: longer than a handover takes to begin, or a node in
/// between to be noticed.
const PATIENCE: Delay = Delay::exactly(600);

/// Rounds to wait for an arc that must be on its way, since nobody died: some 7 s.
const ROUNDS_LATE: u8 = 12;

/// Rounds after which a node that is missing an arc no longer takes it for on its way, some 5 s.
const ROUNDS_MAX: u8 = 8;
