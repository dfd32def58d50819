//! Jump: a key's node as a sequence of jumps, drawn from the key alone.
//!
//! Lamping and Veach, *A Fast, Minimal Memory, Consistent Hash Algorithm* (2014): nothing to keep but
//! the number of nodes, and as even as chance can be; but nodes are numbered, and only the last one
//! can go.

use super::{Placement, low};
use crate::id::Id;

/// Nodes that are numbered from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    nodes: usize,
}

impl Jump {
    /// So many nodes, at least one.
    pub fn new(nodes: usize) -> Jump {
        assert!(nodes > 0, "a key has to land somewhere");
        Jump { nodes }
    }
}

impl Placement for Jump {
    fn owner(&self, key: Id) -> usize {
        let mut state = low(key);
        let (mut at, mut next) = (0, 0);
        while next < self.nodes {
            at = next;
            state = state
                .wrapping_mul(2_862_933_555_777_941_757)
                .wrapping_add(1);
            let drawn = (1_u64 << 31) as f64 / ((state >> 33) + 1) as f64;
            next = ((at + 1) as f64 * drawn) as usize;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Id {
        let mut bytes = [0; Id::BYTES];
        bytes[Id::BYTES - 8..].copy_from_slice(&number.to_be_bytes());
        Id::from_bytes(bytes)
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
            assert_eq!(
                Jump::new(nodes).owner(key(number)),
                owner,
                "{number} of {nodes}"
            );
        }
    }

    #[test]
    fn a_key_that_moves_moves_to_the_new_node() {
        for number in 0..500 {
            let mut owner = 0;
            for nodes in 1..50 {
                let next = Jump::new(nodes).owner(key(number));
                assert!(next == owner || next == nodes - 1);
                owner = next;
            }
        }
    }
}
