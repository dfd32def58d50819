//! Failing: a member whose store takes nothing more, since its disk has failed or is full.
//!
//! What it has acknowledged is durable and stays so; what came later may be missing here. So it acknowledges
//! nothing more, votes no more and gives nobody what it has, but says how far it is durable and that it is there:
//! reads go on where a majority does as much. As a leader it takes no more changes, and falls silent as soon as
//! the others can decide on another one without it. A store that has failed does so until the node is started
//! again; what the node lacks then it fetches as after any other restart.

use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::node::Node;
use crate::peer::Address;
use crate::replication::group::Tag;
use crate::replication::message::Told;
use crate::replication::replica::{Lead, Replica, Synced, Write};
use crate::replication::steer::FRESH;
use crate::replication::tell;

impl<A: Address> Node<A> {
    /// Whether the store takes nothing more.
    pub(crate) fn is_failing(&self) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.is_failing)
    }

    /// The store has not kept something, or will not.
    pub(crate) fn fails(&mut self, out: &mut Vec<Action<A>>) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        if core::mem::replace(&mut groups.is_failing, true) {
            return;
        }
        for replica in &mut groups.replicas {
            // Nobody else has the own promises and acceptances, so others may propose.
            replica.proposal = None;
        }
        let tags: Vec<Tag> = self.replicas().iter().map(|other| other.tag()).collect();
        for tag in tags {
            self.give_up_writes(tag, out);
        }
        self.show_groups();
    }

    /// What should have become durable will not.
    pub(crate) fn not_synced(&mut self, synced: Synced, out: &mut Vec<Action<A>>) {
        match synced {
            Synced::Lead(tag, _) => {
                let lead = self.replica(tag).and_then(|replica| replica.lead.as_mut());
                lead.into_iter().for_each(|lead| lead.is_syncing = false);
            }
            Synced::Follow(tag, _, ticket) => self.append_in_vain(ticket, tag, out),
            Synced::Promise(.., ticket) | Synced::Accept(ticket) => {
                tell(ticket, Told::Lagging, out);
            }
            Synced::Install(ticket) => tell(ticket, Told::Unknown, out),
            Synced::OwnPromise(..) | Synced::OwnAccept(..) | Synced::Start(_) => {}
        }
    }

    /// A leader sends what the store does not take, or shows that it is there.
    pub(crate) fn append_in_vain(&mut self, ticket: Ticket, tag: Tag, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag).filter(|replica| replica.is_synced);
        let durable = replica.and_then(|replica| replica.durable);
        tell(ticket, durable.map_or(Told::Lagging, Told::Full), out);
    }

    /// Where no majority takes writes any more, nobody waits for it.
    pub(crate) fn give_up_writes(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let is_failing = self.is_failing();
        let replica = self.replica(tag);
        let Some(replica) = replica.filter(|replica| !replica.has_takers(is_failing)) else {
            return;
        };
        let Some(lead) = &mut replica.lead else {
            return;
        };
        let writes: Vec<Write> = lead.writes.drain(..).collect();
        for write in writes {
            self.leave_unsure(write.changer, out);
        }
    }

    /// On a beat of a leader: whether it keeps silent, so that another member takes its place.
    ///
    /// It does so once a majority without it has all that it has, and takes writes, for then they can decide
    /// without it. If nothing comes of that it speaks again for a while, and serves reads.
    pub(crate) fn yields(&mut self, tag: Tag) -> bool {
        if !self.is_failing() {
            return false;
        }
        let Some(replica) = self.replica(tag) else {
            return false;
        };
        let (quorum, position) = (replica.group.quorum(), replica.position);
        let Some(lead) = &mut replica.lead else {
            return false;
        };
        let ready = lead.followers.iter().filter(|other| {
            other.takes() && other.silence <= FRESH && other.acked == Some(position)
        });
        if lead.yields == 0 && lead.is_established && ready.count() < quorum {
            return false;
        }
        lead.yields = (lead.yields + 1) % (YIELDS + SPEAKS);
        lead.is_yielding()
    }
}

impl<A: Address> Replica<A> {
    /// Whether so many members take writes that a majority may have one. `is_failing` whether this node does not.
    pub(crate) fn has_takers(&self, is_failing: bool) -> bool {
        let followers = self.lead.iter().flat_map(|lead| &lead.followers);
        let others = followers.filter(|other| !other.is_learner && !other.is_full);
        others.count() + usize::from(!is_failing) >= self.group.quorum()
    }
}

impl<A> Lead<A> {
    /// Whether it has fallen silent for another one to take its place.
    pub(crate) fn is_yielding(&self) -> bool {
        (1..=YIELDS).contains(&self.yields)
    }
}

/// Beats for which a leader gives another one time to take its place, some 4 s, and for which it speaks
/// after that.
const YIELDS: u8 = 16;
const SPEAKS: u8 = 8;
