//! Reconcile: what a node serves follows what its pointers say it should, one step at a time.
//!
//! Too much: the arc goes to the neighbour on whose side it lies. Too little: a handover is on its
//! way, or has to be asked for. Leaving: all of it goes to whoever inherits.

use alloc::vec::Vec;

use crate::event::{Action, Delay};
use crate::id::Arc;
use crate::node::Node;
use crate::peer::{Address, Peer};
use crate::ranges;
use crate::view::Phase;

impl<A: Address> Node<A> {
    /// Takes the next step, if there is one to take. Called whenever pointers or arcs have changed,
    /// and with each scheduled stabilization.
    pub(crate) fn reconcile(&mut self, out: &mut Vec<Action<A>>) {
        if self.is_replicated() {
            return self.reconcile_groups(out);
        }
        if self.outgoing.is_some() {
            return;
        }
        match self.view.phase {
            Phase::Leaving if self.carried.is_some() => self.carry(out),
            Phase::Leaving => self.give_all(out),
            Phase::Member => {
                if let Some((arc, to)) = self.excess() {
                    self.begin_handover(arc, to, out);
                }
                self.mind_the_gap(out);
                self.carry(out);
            }
            Phase::Joining | Phase::Lost | Phase::Left => {}
        }
    }

    /// Groups follow the pointers by themselves; only a leaving node has to see to it.
    fn reconcile_groups(&mut self, out: &mut Vec<Action<A>>) {
        if self.view.phase == Phase::Leaving && self.resign(out) {
            self.say_farewell(out);
        }
    }

    fn give_all(&mut self, out: &mut Vec<Action<A>>) {
        let range = self.view.serves.first();
        match (range, self.heir()) {
            (Some(range), Some(heir)) => self.begin_handover(range.arc, heir.clone(), out),
            (None, _) => self.say_farewell(out),
            (Some(_), None) => self.handover_later(NO_HEIR, out),
        }
    }

    /// An arc that is served here but belongs to the neighbour by the pointers, and that neighbour.
    fn excess(&self) -> Option<(Arc, Peer<A>)> {
        let view = &self.view;
        let own = view.own_arc()?;
        let arc = view
            .serves
            .iter()
            .find_map(|range| range.arc.without(own).next())?;
        let successor = view.successors.first();
        let to = self
            .config
            .ownership
            .boundary(view.predecessor.as_ref(), successor)?;
        let takes =
            *to != view.me && !self.detector.distrusts(to) && !self.detector.is_unwilling(to);
        takes.then(|| (arc, to.clone()))
    }

    /// An arc that should be served here by the pointers and is neither served nor on its way.
    pub(crate) fn missing_arc(&self) -> Option<Arc> {
        let view = &self.view;
        let own = view.own_arc().filter(|_| view.phase == Phase::Member)?;
        let served = view.serves.iter().map(|range| range.arc);
        let coming = view.receives.iter().map(|(arc, _)| *arc);
        ranges::missing(own, served.chain(coming)).first().copied()
    }
}

/// Before a leaving node looks again for an heir.
const NO_HEIR: Delay = Delay::between(50, 100);
