//! Partitions: the identifiers cut into equal pieces, and a map that gives each piece to a node.
//!
//! Strategy 3 of Dynamo (SOSP 2007): the map is small, a piece moves whole, and the balance is as good
//! as pieces can be dealt. In exchange the nodes must agree on the map.

use alloc::vec::Vec;

use super::{Placement, high};
use crate::id::Id;

/// Equal pieces of the ring, and whose they are.
#[derive(Clone, Debug)]
pub struct Partitions {
    map: Vec<u32>,
}

impl Partitions {
    /// `count` pieces, dealt to `nodes` nodes in turn; neither is zero.
    pub fn dealt(count: usize, nodes: usize) -> Partitions {
        assert!(count > 0 && nodes > 0, "there are pieces and nodes");
        let map = (0..count).map(|piece| (piece % nodes) as u32).collect();
        Partitions { map }
    }

    /// Whose the pieces are, clockwise from zero.
    pub fn map(&self) -> &[u32] {
        &self.map
    }
}

impl Placement for Partitions {
    fn owner(&self, key: Id) -> usize {
        let piece = (u128::from(high(key)) * self.map.len() as u128) >> 64;
        self.map[piece as usize] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_equal_and_the_last_one_ends_with_the_last_identifier() {
        let partitions = Partitions::dealt(4, 3);
        assert_eq!(partitions.map(), [0, 1, 2, 0]);
        let quarter = Id::power_of_two(158);
        for (key, owner) in [
            (Id::ZERO, 0),
            (quarter.previous(), 0),
            (quarter, 1),
            (Id::power_of_two(159), 2),
            (Id::MAX, 0),
        ] {
            assert_eq!(partitions.owner(key), owner, "{key}");
        }
    }
}
