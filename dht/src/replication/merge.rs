//! Merge: two groups of neighbouring arcs become one.
//!
//! Where a node has gone the one behind it keeps both arcs, and so do the same nodes behind that. Two
//! groups decide here, each for itself, and must not contradict each other:
//!
//! ```text
//!   first arc    epoch a ──► epoch a + 1, sealed for e ─┐
//!                                                       ├──► max(a + 1, e) + 1, both arcs
//!   second arc   epoch e ───────────────────────────────┘
//! ```
//!
//! First one group decides an epoch in which it is *sealed* for the other one, as that is at the moment. In it
//! nothing is written, and nothing is decided while that epoch of the other group may go on. Then the other
//! group decides the group of both arcs. The one decision that ends its epoch either takes the sealed group
//! in, or it does not: then whoever has heard of it knows that the seal is void.
//!
//! Who has heard only of what came after the merged group takes the seal for void as well. That does no harm:
//! a majority of the merged group, which has the members of the sealed one, knows better.

use alloc::vec::Vec;

use crate::event::Action;
use crate::id::Arc;
use crate::node::Node;
use crate::peer::Address;
use crate::replication::group::{Group, Tag};
use crate::replication::propose::Wish;
use crate::replication::replica::Replica;
use crate::replication::steer::FRESH;

impl<A: Address> Node<A> {
    /// Takes the next step to merge a group that this node leads with that of the arc behind it.
    pub(crate) fn merge(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let replicas = self.replicas();
        let first = replicas.iter().find(|replica| replica.tag() == tag);
        let behind = |replica: &&Replica<A>| {
            replica.group.arc.start == tag.arc.end && replica.tag() != tag && !replica.is_learner
        };
        let second = replicas.iter().find(behind);
        let (Some(first), Some(second)) = (first, second) else {
            return;
        };
        if !first.is_leading() || !second.is_leading() || second.is_fenced() {
            return;
        }
        let (one, other) = (&first.group, &second.group);
        if one.sealed == Some(other.tag()) {
            let group = Group {
                arc: Arc::new(one.arc.start, other.arc.end),
                epoch: one.epoch.max(other.epoch) + 1,
                ..other.clone()
            };
            let wish = Wish {
                sealed: Some(tag),
                ..Wish::of([group].into())
            };
            return self.propose(other.tag(), wish, out);
        }
        let is_busy = |replica: &Replica<A>| replica.is_fenced() || replica.group.sealed.is_some();
        let mut led = replicas.iter().filter(|replica| replica.lead.is_some());
        let is_ready = one.is_of_the_same(other)
            && [first, second]
                .iter()
                .all(|replica| self.is_settled(replica))
            && !led.any(is_busy);
        if is_ready {
            let sealed = Group {
                epoch: one.epoch + 1,
                sealed: Some(other.tag()),
                ..one.clone()
            };
            self.propose(tag, Wish::of([sealed].into()), out);
        }
    }

    /// Whether a group has been as it should be for a while.
    fn is_settled(&self, replica: &Replica<A>) -> bool {
        let wish = self.wish(replica);
        let is_there = matches!(&wish[..], [group] if group.is_alike(&replica.group));
        is_there
            && replica.lead.as_ref().is_some_and(|lead| {
                let mut followers = lead.followers.iter();
                lead.age >= CALM && followers.all(|other| other.is_copy() && other.silence <= FRESH)
            })
    }

    /// Whether a group that this node belongs to must not decide anything: it may be a part of another one.
    pub(crate) fn is_sealed(&self, tag: Tag) -> bool {
        let mut replicas = self.replicas().iter();
        let replica = replicas.find(|replica| replica.tag() == tag);
        let other = replica.and_then(|replica| replica.group.sealed);
        other.is_some_and(|other| !self.has_ended(other))
    }

    /// A sealed group that is not taken in soon goes on by itself: the other one begins a new epoch.
    pub(crate) fn look_after_seal(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let is_for = |replica: &&Replica<A>| replica.group.sealed == Some(tag);
        let sealed = self.replicas().iter().find(is_for);
        let lead = sealed.and_then(|sealed| sealed.lead.as_ref());
        if lead.is_some_and(|lead| lead.age > SEALED_MAX) {
            self.begin_again(tag, out);
        }
    }
}

/// Beats for which both groups have been led as they are before they are merged, some 2 s: while nodes come
/// and go there is no use in it.
const CALM: u32 = 8;

/// Beats after which it is better to serve the arc of a sealed group again than to wait for the merging.
const SEALED_MAX: u32 = 3;
