//! Placement: which node of a complete list a key belongs to.
//!
//! Pure functions of a list that somebody else keeps, beside the ring that keeps itself: four answers
//! to one question, to compare how evenly they spread the keys and how many of them a change of the
//! list moves. A node of the ring has one position, and uses none of this.

mod jump;
mod partitions;
mod rendezvous;
mod ring;

pub use jump::Jump;
pub use partitions::Partitions;
pub use rendezvous::Rendezvous;
pub use ring::Ring;

use crate::id::Id;

/// A rule that gives each key to one node of a list.
pub trait Placement {
    /// The place in the list of the node that owns `key`; always the same for the same list.
    fn owner(&self, key: Id) -> usize;
}

/// The highest 64 bits of an identifier.
fn high(id: Id) -> u64 {
    let bytes = id.as_bytes().first_chunk().copied();
    u64::from_be_bytes(bytes.expect("an identifier has more than 8 bytes"))
}

/// The lowest 64 bits of an identifier.
fn low(id: Id) -> u64 {
    let bytes = id.as_bytes().last_chunk().copied();
    u64::from_be_bytes(bytes.expect("an identifier has more than 8 bytes"))
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn ids(count: u32) -> Vec<Id> {
        (0..count).map(|n| Id::of(&n.to_be_bytes())).collect()
    }

    fn keys() -> impl Iterator<Item = Id> {
        (0..20_000_u32).map(|n| Id::of_key(&n.to_be_bytes()))
    }

    fn all(nodes: &[Id]) -> [(&'static str, Box<dyn Placement>); 4] {
        [
            ("ring", Box::new(Ring::new(nodes, 100))),
            (
                "partitions",
                Box::new(Partitions::dealt(1 << 10, nodes.len())),
            ),
            ("rendezvous", Box::new(Rendezvous::new(nodes))),
            ("jump", Box::new(Jump::new(nodes.len()))),
        ]
    }

    #[test]
    fn every_node_gets_about_its_share() {
        for (name, placement) in all(&ids(10)) {
            let mut loads = vec![0_u32; 10];
            for key in keys() {
                loads[placement.owner(key)] += 1;
            }
            for load in loads {
                assert!((1_300..2_700).contains(&load), "{name}: {load} of 2,000");
            }
        }
    }

    #[test]
    fn a_new_node_takes_its_share_and_nothing_else_moves() {
        let nodes = ids(11);
        let (before, after) = (all(&nodes[..10]), all(&nodes));
        for ((name, before), (_, after)) in before.into_iter().zip(after) {
            if name == "partitions" {
                // Its map is dealt anew: who keeps it decides what moves.
                continue;
            }
            let mut moved = 0;
            for key in keys() {
                let owner = after.owner(key);
                if owner != before.owner(key) {
                    assert_eq!(owner, 10, "{name}: {key} moved to an old node");
                    moved += 1;
                }
            }
            assert!((1_300..2_400).contains(&moved), "{name}: {moved} of 20,000");
        }
    }
}
