//! Ownership: which of two neighbours a key belongs to.
//!
//! The Chord paper gives a key to the first node at or after it, the lab's text to the last node at
//! or before it. The whole difference between them stands in this file. Every rule is phrased over
//! a *target*: the position whose surrounding pair of nodes decides about the key.

use serde::{Deserialize, Serialize};

use crate::id::{Arc, Id};

/// Which neighbour of a key owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// The first node at or after the key: a node serves (predecessor, itself].
    #[default]
    Successor,
    /// The last node at or before the key: a node serves [itself, successor).
    Predecessor,
}

impl Ownership {
    /// The position such that the owner is one of the two nodes around it.
    pub fn target(self, key: Id) -> Id {
        match self {
            Ownership::Successor => key,
            Ownership::Predecessor => key.next(),
        }
    }

    /// Of two adjacent nodes with the target in (`before`, `after`], the one that owns the key.
    pub fn pick<T>(self, before: T, after: T) -> T {
        match self {
            Ownership::Successor => after,
            Ownership::Predecessor => before,
        }
    }

    /// The keys that a node owns between two neighbours.
    pub fn arc(self, predecessor: Id, node: Id, successor: Id) -> Arc {
        match self {
            Ownership::Successor => Arc::new(predecessor, node),
            Ownership::Predecessor => Arc::new(node.previous(), successor.previous()),
        }
    }

    /// The neighbour that a joining node splits an arc with, and that inherits from a leaving one.
    pub fn heir<T>(self, predecessor: T, successor: T) -> T {
        self.pick(predecessor, successor)
    }

    /// The neighbour on whose side a node's own arc ends: the one it gives to when that one is new,
    /// and takes over from when that one dies.
    pub fn boundary<T>(self, predecessor: T, successor: T) -> T {
        self.pick(successor, predecessor)
    }
}
