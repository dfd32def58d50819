//! Jump: a key's node as a sequence of jumps, drawn from the key alone.
//!
//! Lamping and Veach, *A Fast, Minimal Memory, Consistent Hash Algorithm* (2014): nothing to keep but
//! the number of nodes, and as even as chance can be; but nodes are numbered, and only the last one
//! can go. A copy is where the key would be if it were another one.

use alloc::vec::Vec;
use core::iter;

use super::zones::Zones;
use super::{Placement, Seat, low, mix};
use crate::id::Id;

/// Nodes that are numbered from zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    nodes: usize,
    zones: Zones,
}

impl Jump {
    /// These nodes, at least one, numbered by their places.
    pub fn new(seats: &[Seat]) -> Jump {
        assert!(!seats.is_empty(), "a key has to land somewhere");
        Jump {
            nodes: seats.len(),
            zones: Zones::of(seats),
        }
    }

    /// So many nodes, at least one, of which nobody says where they are.
    pub fn of(nodes: usize) -> Jump {
        assert!(nodes > 0, "a key has to land somewhere");
        Jump {
            nodes,
            zones: Zones::unknown(nodes),
        }
    }
}

/// Where a key lands among so many buckets, at least one.
pub(crate) fn bucket(key: Id, buckets: usize) -> usize {
    land(low(key), buckets)
}

fn land(mut state: u64, buckets: usize) -> usize {
    let (mut at, mut next) = (0, 0);
    while next < buckets {
        at = next;
        state = state
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(1);
        let drawn = (1_u64 << 31) as f64 / ((state >> 33) + 1) as f64;
        next = ((at + 1) as f64 * drawn) as usize;
    }
    at
}

impl Placement for Jump {
    fn replicas(&self, key: Id, count: usize) -> Vec<usize> {
        let key = low(key);
        let mut seen = alloc::vec![false; self.nodes];
        let others =
            (1..=TRIES * self.nodes as u64).map(|n| land(mix(key.wrapping_add(n)), self.nodes));
        // Whoever is never landed on, which is next to impossible, comes last.
        let order = iter::once(land(key, self.nodes))
            .chain(others)
            .chain(0..self.nodes);
        let order = order.filter(|node| !core::mem::replace(&mut seen[*node], true));
        self.zones.spread(order, count)
    }

    fn owner(&self, key: Id) -> usize {
        bucket(key, self.nodes)
    }
}

/// Jumps for each node, after which all of more than some nodes have been landed on.
const TRIES: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Id {
        Id::from_number(number)
    }

    #[test]
    fn numbers_of_other_implementations_are_met() {
        for (number, nodes, owner) in [
            (0, 1, 0),
            (0, 60, 0),
            (1, 1, 0),
            (1, 60, 55),
            (10_863_919_174_838_991, 11, 6),
            (2_016_238_256_797_177_309, 11, 3),
        ] {
            let jump = Jump::of(nodes);
            assert_eq!(jump.owner(key(number)), owner, "{number} of {nodes}");
        }
    }

    #[test]
    fn a_key_that_moves_moves_to_the_new_node() {
        for number in 0..500 {
            let mut owner = 0;
            for nodes in 1..50 {
                let next = Jump::of(nodes).owner(key(number));
                assert!(next == owner || next == nodes - 1);
                owner = next;
            }
        }
    }
}
