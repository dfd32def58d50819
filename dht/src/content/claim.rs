//! Claim: an arc that nobody has handed over.
//!
//! Its owner died, and took its content along. Once the pointers have been the same for a while, the
//! node asks the neighbour that could still serve the arc; if that one does not, it serves it itself,
//! empty. The wait is for nodes in between that the ring does not know yet.

use alloc::vec::Vec;

use crate::event::{Action, Delay, Note, Timer};
use crate::id::Arc;
use crate::message::Request;
use crate::node::{Node, Question, note, wait};
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// An arc that is missing, and the neighbours it lies between.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gap<A> {
    arc: Arc,
    predecessor: Option<Peer<A>>,
    successor: Peer<A>,
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
        if let Some(gap) = self
            .gap
            .as_deref()
            .filter(|gap| before.as_deref() == Some(*gap))
        {
            let (predecessor, successor) = (gap.predecessor.as_ref(), Some(&gap.successor));
            let heir = self.config.ownership.heir(predecessor, successor).cloned();
            let arc = gap.arc;
            if let Some(heir) = heir.filter(|heir| !self.detector.is_gone(heir)) {
                let question = Question::Claim(heir.clone());
                self.ask(&heir, Request::Claim(arc), question, out);
            }
        }
    }

    /// The neighbour has answered.
    pub(crate) fn claim_answered(&mut self, free: bool, out: &mut Vec<Action<A>>) {
        let gap = self.present_gap();
        if let Some(gap) = gap.filter(|gap| free && self.gap.as_deref() == Some(gap)) {
            self.take_over(gap.arc, out);
        }
    }

    /// Whether nobody serves an arc that `peer` should, as far as this node can tell.
    pub(crate) fn is_free(&self, arc: Arc, peer: &Peer<A>) -> bool {
        let view = &self.view;
        let (predecessor, successor) = (view.predecessor.as_ref(), view.successors.first());
        let neighbour = self.config.ownership.boundary(predecessor, successor);
        let shares = |other: Arc| other.intersection(arc).next().is_some();
        let is_served = view.serves.iter().any(|range| shares(range.arc))
            || view.receives.iter().any(|(arc, _)| shares(*arc));
        view.phase == Phase::Member && neighbour == Some(peer) && !is_served
    }

    fn take_over(&mut self, arc: Arc, out: &mut Vec<Action<A>>) {
        self.epoch += 1;
        self.serve(arc, self.epoch);
        note(Note::TookOver(arc), out);
        self.reconcile(out);
    }

    fn present_gap(&self) -> Option<Gap<A>> {
        Some(Gap {
            arc: self.missing_arc()?,
            predecessor: self.view.predecessor.clone(),
            successor: self.view.successor().clone(),
        })
    }
}

/// How long the pointers must have been the same: longer than a scheduled stabilization takes to
/// reveal a node in between.
const PATIENCE: Delay = Delay::exactly(600);
