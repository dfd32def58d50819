//! Rendezvous: each node draws a number for each key, and the highest one has it.
//!
//! Highest random weight (Thaler and Ravishankar 1998): nothing to keep but the list, and what a lost
//! node held goes to all others alike; but finding the owner takes a look at every node.

use alloc::vec::Vec;

use super::{Placement, low};
use crate::id::Id;

/// Nodes that draw for each key.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    nodes: Vec<u64>,
}

impl Rendezvous {
    /// These nodes, at least one.
    pub fn new(nodes: &[Id]) -> Rendezvous {
        assert!(!nodes.is_empty(), "somebody has to draw");
        // Identifiers are hashes already, so 64 bits of them mix as well as all of them.
        let nodes = nodes.iter().copied().map(low).collect();
        Rendezvous { nodes }
    }
}

impl Placement for Rendezvous {
    fn owner(&self, key: Id) -> usize {
        let key = low(key);
        let draws = self.nodes.iter().map(|node| mix(node ^ key));
        let highest = draws.enumerate().max_by_key(|(_, draw)| *draw);
        highest.map_or(0, |(place, _)| place)
    }
}

/// The finalizer of MurmurHash3: every bit of the input moves every bit of the output.
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ number >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ number >> 33
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn what_a_lost_node_held_goes_to_all_others() {
        let nodes: Vec<Id> = (0..6_u8).map(|n| Id::of(&[n])).collect();
        let (before, after) = (Rendezvous::new(&nodes), Rendezvous::new(&nodes[..5]));
        let mut heirs = vec![0; 5];
        for key in (0..6_000_u32).map(|n| Id::of(&n.to_be_bytes())) {
            match before.owner(key) {
                5 => heirs[after.owner(key)] += 1,
                owner => assert_eq!(owner, after.owner(key)),
            }
        }
        assert!(
            heirs.iter().all(|share| (130..270).contains(share)),
            "{heirs:?}"
        );
    }
}
