//! Partitions: keys by their remainder, and a map that gives each partition to nodes.
//!
//! Strategy 3 of Dynamo (SOSP 2007): the map is small, a partition moves whole, and the balance is as good
//! as partitions can be [dealt](super::deal). In exchange the nodes must agree on the map.

use alloc::vec::Vec;

use super::Placement;
use crate::id::Id;

/// A fixed number of partitions, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    map: Vec<Vec<u16>>,
}

impl Partitions {
    /// For each partition the places of the nodes that keep it, the owner first. There is at least one
    /// partition, and each has an owner.
    pub fn new(map: Vec<Vec<u16>>) -> Partitions {
        assert!(
            !map.is_empty() && map.iter().all(|row| !row.is_empty()),
            "every key is of a partition, and every partition of a node"
        );
        Partitions { map }
    }

    /// Whose the partitions are.
    pub fn map(&self) -> &[Vec<u16>] {
        &self.map
    }

    /// The partition of a key: the remainder of its identifier.
    pub fn partition(&self, key: Id) -> usize {
        key.remainder(self.map.len() as u32) as usize
    }
}

impl Placement for Partitions {
    fn replicas(&self, key: Id, count: usize) -> Vec<usize> {
        let row = self.map[self.partition(key)].iter();
        row.take(count).map(|place| usize::from(*place)).collect()
    }

    fn owner(&self, key: Id) -> usize {
        usize::from(self.map[self.partition(key)][0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_the_partition_of_its_remainder() {
        let partitions = Partitions::new([[0, 1], [1, 2], [2, 0]].map(Vec::from).into());
        for number in 0..30 {
            let key = Id::from_number(number);
            assert_eq!(partitions.owner(key), (number % 3) as usize);
            let copy = ((number + 1) % 3) as usize;
            assert_eq!(partitions.replicas(key, 2)[1..], [copy]);
        }
        // 2^160 - 1 is a multiple of 3.
        assert_eq!(partitions.partition(Id::MAX), 0);
    }
}
