//! Claim: an arc that nobody has handed over.
//!
//! Its owner died, and took its content along. Once the pointers have been the same for a while, the
//! node asks both neighbours. If each of them points back at it, so that nobody can stand in between,
//! and neither serves the arc, it serves it itself, empty.

use alloc::vec::Vec;

use crate::event::{Action, Delay, Note, Timer};
use crate::id::Arc;
use crate::message::Request;
use crate::node::{Node, Question, note, wait};
use crate::peer::{Address, Peer};

/// An arc that is missing, and the neighbours it lies between.
#[derive(Clone, Debug)]
pub(crate) struct Gap<A> {
    arc: Arc,
    neighbours: Vec<Peer<A>>,
    /// How often the pointers had changed: the same neighbours may have been others in between.
    moves: u32,
    /// Neighbours that have nothing against it.
    consents: usize,
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
            Some(gap) if self.view.is_alone() => self.take_over(gap.arc, out),
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
        let (Some(before), Some(gap)) = (before, self.gap.as_deref()) else {
            return;
        };
        if gap.is_same(&before) {
            let arc = gap.arc;
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
        self.is_in_ring() && is_next && !is_served
    }

    fn take_over(&mut self, arc: Arc, out: &mut Vec<Action<A>>) {
        self.epoch += 1;
        self.serve(arc, self.epoch);
        note(Note::TookOver(arc), out);
        self.reconcile(out);
    }

    fn present_gap(&self) -> Option<Gap<A>> {
        let view = &self.view;
        let mut neighbours: Vec<Peer<A>> = view.predecessor.iter().cloned().collect();
        neighbours.push(view.successor().clone());
        neighbours.dedup();
        Some(Gap {
            arc: self.missing_arc()?,
            neighbours,
            moves: self.moves,
            consents: 0,
        })
    }
}

/// How long the pointers must have been the same: longer than a scheduled stabilization takes to
/// reveal a node in between.
const PATIENCE: Delay = Delay::exactly(600);
