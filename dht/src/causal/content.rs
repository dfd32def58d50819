//! Content: what a replica has of its shard under one layout, and what is on its way there.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::layout::Layout;
use super::log::Log;
use super::message::Outcome;
use super::operate::Asker;
use super::seen::Seen;
use super::vector::{Vector, Writer};
use super::write::Write;
use crate::peer::Address;

/// What a replica has of its shard.
#[derive(Clone, Debug)]
pub(super) struct Content<A> {
    /// What it shows: of its own shard all that it has taken in, of the others what that depends on.
    pub(super) seen: Seen,
    /// Own writes that are not known to be on two stores, in order.
    pub(super) pending: VecDeque<Pending>,
    /// Writes that came before what they depend on.
    pub(super) buffer: Vec<Write>,
    pub(super) log: Log,
    /// The last own write that each other replica has for good.
    pub(super) acked: BTreeMap<A, u64>,
    /// Replicas that have own writes to answer for.
    pub(super) spreading: BTreeSet<A>,
    /// Clients that wait for the second copy.
    pub(super) waiting: Vec<Waiting>,
    /// Replicas that may have something which it has not, from before it began: until none is left, its own
    /// copies do not count.
    pub(super) owes: BTreeSet<A>,
    /// Replicas to look at before it answers clients, for it may have missed something.
    pub(super) greets: BTreeSet<A>,
    /// Whether records are stored that what it shows does not tell of.
    pub(super) is_partial: bool,
    /// Whether records of what the next layout begins with are stored already, which it must not show before it
    /// has all of that. What it tells others write by write is right.
    pub(super) is_ahead: bool,
    /// Whether the store has yet to keep that the layout is in force: after a crash it may not be.
    pub(super) is_arriving: bool,
    /// What it must have to be no longer partial, once all pages are there.
    pub(super) target: Option<Vector>,
    /// Whether it answers clients.
    pub(super) serves: bool,
    /// The beat in which it began.
    pub(super) since: u32,
}

/// An own write that is not known to be on two stores.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) write: Write,
    /// Whether it is on the own store for good.
    pub(super) is_kept: bool,
}

/// A client that waits for its write.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) asker: Asker,
    pub(super) outcome: Outcome,
    /// What the client had seen before.
    pub(super) seen: Seen,
    /// The beat in which it gives up.
    pub(super) until: u32,
}

impl<A: Address> Content<A> {
    /// The content of a node at the beginning of a layout, before it has looked at any other replica.
    pub(super) fn new(layout: &Layout<A>, node: &A) -> Content<A> {
        let shard = layout.shard(node);
        let members = shard.into_iter().flat_map(|shard| layout.members(shard));
        let owes: BTreeSet<A> = members.filter(|other| *other != node).cloned().collect();
        let epoch = layout.epoch;
        Content {
            seen: Seen {
                epoch,
                ..Seen::default()
            },
            pending: VecDeque::new(),
            buffer: Vec::new(),
            log: Log::default(),
            acked: BTreeMap::new(),
            spreading: BTreeSet::new(),
            waiting: Vec::new(),
            greets: owes.clone(),
            owes,
            is_partial: false,
            is_ahead: false,
            is_arriving: false,
            target: None,
            serves: false,
            since: 0,
        }
    }

    /// What it has of a shard, which is its own.
    pub(super) fn vector(&self, shard: u32) -> Vector {
        self.seen.of(shard).cloned().unwrap_or_default()
    }

    /// The same, and the writes of its own that are kept but do not show yet.
    pub(super) fn sealed(&self, shard: u32, writer: Writer) -> Vector {
        let mut vector = self.vector(shard);
        let mut kept = self.pending.iter().filter(|pending| pending.is_kept);
        if let Some(last) = kept.next_back() {
            vector.raise(writer, last.write.number);
        }
        vector
    }

    /// Whether it is so much of its shard that other replicas may take it for their own.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_partial
    }
}
