//! Newcomers: nodes close to this one that nobody may point to yet.
//!
//! A joiner asks its predecessor for its pointers, and then stabilizes with its successor. If that one
//! dies before it has told anybody, only these questions show that the joiner is there; and if its
//! predecessor leaves, only the farewell.

use crate::node::Node;
use crate::peer::{Address, Peer};

impl<A: Address> Node<A> {
    /// A node is there: if it is about to become a neighbour it may have been given something already.
    pub(crate) fn welcome(&mut self, peer: &Peer<A>) {
        if self.is_in_between(peer) {
            self.newcomers.retain(|(other, _)| other != peer);
            if self.newcomers.len() == NEWCOMERS_MAX {
                self.newcomers.remove(0);
            }
            self.newcomers.push((peer.clone(), NEWCOMER_ROUNDS));
        }
    }

    /// One that is not heard of again has joined somewhere else, or not at all.
    pub(crate) fn forget_newcomers(&mut self) {
        for (_, rounds) in &mut self.newcomers {
            *rounds -= 1;
        }
        self.newcomers.retain(|(_, rounds)| *rounds > 0);
    }

    /// One that is pointed to is new no more: if it is missing later it has left or died, and others know.
    pub(crate) fn settle_newcomers(&mut self) {
        let mut newcomers = core::mem::take(&mut self.newcomers);
        newcomers.retain(|(peer, _)| !self.points_to(peer));
        self.newcomers = newcomers;
    }

    /// Whether somebody stands close by and is not pointed to yet.
    pub(crate) fn is_crowded(&self) -> bool {
        self.newcomers
            .iter()
            .any(|(peer, _)| self.is_in_between(peer))
    }

    /// Whether it belongs between the predecessor and the end of the successor list, and is in neither.
    fn is_in_between(&self, peer: &Peer<A>) -> bool {
        let view = &self.view;
        let first = view.predecessor.as_ref().unwrap_or(&view.me);
        let last = view.successors.last().unwrap_or(&view.me);
        peer.id.is_between(first.id, last.id)
            && peer.id != view.me.id
            && !self.points_to(peer)
            && !self.detector.is_gone(peer)
    }

    fn points_to(&self, peer: &Peer<A>) -> bool {
        let neighbours = self.view.predecessor.iter().chain(&self.view.successors);
        neighbours.into_iter().any(|known| known.id == peer.id)
    }
}

/// Newcomers remembered at a time: more than join between two neighbours before these know.
const NEWCOMERS_MAX: usize = 4;

/// Rounds of looking after the predecessor for which a newcomer is remembered, some 10 s: longer than
/// it takes one that lost its first successor to be known to the next.
const NEWCOMER_ROUNDS: u8 = 8;
