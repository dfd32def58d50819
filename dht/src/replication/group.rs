//! Group: who keeps an arc, and since which decision.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{Arc, Id};
use crate::peer::{Address, Peer};

/// A member of a group: a store, and the node that runs on it.
///
/// What a group counts are stores, not lives: a node that starts again on its disk is the same member
/// under a higher incarnation, one that starts with nothing is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member<A> {
    /// The node, in the latest life that is known.
    pub peer: Peer<A>,
    /// The node's incarnation when its store was made.
    pub store: u32,
}

impl<A: Address> Member<A> {
    /// Whether both are the same store.
    pub fn is(&self, other: &Member<A>) -> bool {
        self.peer.id == other.peer.id && self.store == other.store
    }
}

/// Which group is meant. No two groups ever share both arc and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tag {
    /// What it keeps.
    pub arc: Arc,
    /// Which of the groups that have kept it.
    pub epoch: u32,
}

impl Tag {
    /// Whether it keeps anything of this arc.
    pub(crate) fn meets(self, arc: Arc) -> bool {
        self.arc.intersection(arc).next().is_some()
    }
}

/// The members that keep an arc in one epoch. A majority of them decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Group<A> {
    /// What it keeps.
    pub arc: Arc,
    /// One more than that of the group that decided it.
    pub epoch: u32,
    /// In ring order, the owner first; distinct, at least one.
    pub members: Vec<Member<A>>,
    /// Which of them orders the writes: a place in `members`.
    pub leader: u8,
    /// The group of the arc behind it that is to take this one in: while that lasts this one takes no writes.
    pub sealed: Option<Tag>,
}

impl<A: Address> Group<A> {
    /// Its name.
    pub fn tag(&self) -> Tag {
        Tag {
            arc: self.arc,
            epoch: self.epoch,
        }
    }

    /// How many members are a majority.
    pub fn quorum(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// Who orders the writes.
    pub fn leader(&self) -> &Member<A> {
        &self.members[usize::from(self.leader)]
    }

    /// The member at this place of the ring.
    pub fn find(&self, id: Id) -> Option<&Member<A>> {
        self.members.iter().find(|member| member.peer.id == id)
    }

    /// Whether this very store belongs to it.
    pub fn has(&self, member: &Member<A>) -> bool {
        self.members.iter().any(|other| other.is(member))
    }

    /// Whether both keep the same arc, with the same members under the same leader.
    pub(crate) fn is_alike(&self, other: &Group<A>) -> bool {
        self.arc == other.arc && self.sealed == other.sealed && self.is_of_the_same(other)
    }

    /// Whether both have the same members under the same leader.
    pub(crate) fn is_of_the_same(&self, other: &Group<A>) -> bool {
        self.members.len() == other.members.len()
            && self.members.iter().all(|member| other.has(member))
            && self.leader().is(other.leader())
    }
}

/// What a group has decided about its arc, once and for all: the groups of the next epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Next<A> {
    /// Who decided.
    pub from: Tag,
    /// The members of that group.
    pub former: Vec<Member<A>>,
    /// One group, or two where the arc is split. Their arcs are that of `from`, and of `sealed` if there is
    /// such.
    pub groups: Vec<Group<A>>,
    /// The group of the arc before it which ends with it, and was sealed for that.
    pub sealed: Option<Tag>,
    /// They begin with the writes of `from` up to this sequence, and with no other.
    pub start: u32,
    /// A former member that has them all.
    pub source: Member<A>,
}
