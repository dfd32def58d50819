//! Peer: another node, as far as anyone needs to know it.

use core::fmt::{self, Debug, Display};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::Id;

/// What a node is reached by: a socket address in the server, a small integer in a simulator.
pub trait Address: Clone + Eq + Ord + Debug + Serialize + DeserializeOwned {}

impl<A: Clone + Eq + Ord + Debug + Serialize + DeserializeOwned> Address for A {}

/// One life of one node: its position, where to reach it, and which of its starts is meant.
///
/// Two peers are the same only if all three agree. A node that restarts takes a higher incarnation,
/// so a pointer to its earlier life never comes true again: identifiers are not reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer<A> {
    /// Position on the ring.
    pub id: Id,
    /// Where it listens.
    pub address: A,
    /// Which start of the node, counted upwards.
    pub incarnation: u32,
}

impl<A> Peer<A> {
    /// Whether it is the same node, and has been started again since.
    pub(crate) fn is_later_life_of(&self, other: &Peer<A>) -> bool {
        self.id == other.id && self.incarnation > other.incarnation
    }
}

impl<A: Display> Display for Peer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.8}@{}#{}", self.id, self.address, self.incarnation)
    }
}

impl<A: Debug> Debug for Peer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.8}@{:?}#{}", self.id, self.address, self.incarnation)
    }
}
