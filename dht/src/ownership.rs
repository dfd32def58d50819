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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Id {
        let mut bytes = [0; Id::BYTES];
        bytes[Id::BYTES - 1] = number;
        Id::from_bytes(bytes)
    }

    #[test]
    fn the_target_lies_between_two_nodes_of_which_one_is_the_owner() {
        let (before, after) = (id(10), id(20));
        for (rule, keys, owner) in [
            (Ownership::Successor, 11..=20, after),
            (Ownership::Predecessor, 10..=19, before),
        ] {
            for key in keys {
                assert!(Arc::new(before, after).contains(rule.target(id(key))));
                assert_eq!(rule.pick(before, after), owner);
            }
        }
    }

    #[test]
    fn what_a_node_owns_is_what_lookups_give_it() {
        let [predecessor, node, successor] = [10, 20, 30].map(id);
        for rule in [Ownership::Successor, Ownership::Predecessor] {
            let arc = rule.arc(predecessor, node, successor);
            for key in (0..=255).map(id) {
                let before = Arc::new(predecessor, node).contains(rule.target(key))
                    && rule.pick(predecessor, node) == node;
                let after = Arc::new(node, successor).contains(rule.target(key))
                    && rule.pick(node, successor) == node;
                assert_eq!(arc.contains(key), before || after, "{rule:?} {key}");
            }
        }
    }

    #[test]
    fn what_a_leaver_owned_is_its_heirs_once_it_is_gone() {
        let [predecessor, leaver, successor] = [10, 20, 30].map(id);
        for rule in [Ownership::Successor, Ownership::Predecessor] {
            let left = rule.arc(predecessor, leaver, successor);
            let heirs = match rule {
                Ownership::Successor => rule.arc(predecessor, successor, id(40)),
                Ownership::Predecessor => rule.arc(id(0), predecessor, successor),
            };
            assert!(heirs.covers(left), "{rule:?}");
            assert_eq!(
                rule.heir(predecessor, successor),
                rule.boundary(successor, predecessor)
            );
        }
    }

    #[test]
    fn a_node_that_is_alone_owns_the_whole_ring() {
        for rule in [Ownership::Successor, Ownership::Predecessor] {
            let arc = rule.arc(id(7), id(7), id(7));
            assert!(
                [Id::ZERO, id(6), id(7), id(8), Id::MAX]
                    .iter()
                    .all(|key| arc.contains(*key))
            );
        }
    }
}
