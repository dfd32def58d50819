//! Rendezvous: each node draws a number for each key, and the highest one has it.
//!
//! Highest random weight (Thaler and Ravishankar 1998): nothing to keep but the list, and what a lost
//! node held goes to all others alike; but finding the owner takes a look at every node. Who should hold
//! more has its number `u` in (0, 1) made `-weight / ln(u)`.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::zones::Zones;
use super::{Placement, Seat, low, mix};
use crate::id::Id;

/// Nodes that draw for each key.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    /// What is mixed with a key, and how much the node should hold.
    nodes: Vec<(u64, u16)>,
    /// Whether all should hold the same.
    is_even: bool,
    zones: Zones,
}

impl Rendezvous {
    /// These nodes, at least one.
    pub fn new(seats: &[Seat]) -> Rendezvous {
        assert!(!seats.is_empty(), "somebody has to draw");
        // Identifiers are hashes already, so 64 bits of them mix as well as all of them.
        let nodes = seats.iter().map(|seat| (low(seat.id), seat.weight));
        Rendezvous {
            nodes: nodes.collect(),
            is_even: seats.iter().all(|seat| seat.weight == seats[0].weight),
            zones: Zones::of(seats),
        }
    }

    /// What every node has drawn for a key, as numbers whose order counts; no two are the same.
    fn scores(&self, key: Id) -> impl Iterator<Item = (u64, u64)> {
        // Keys that are numbers, and not hashes, are too much alike.
        let key = mix(low(key));
        self.nodes.iter().map(move |(node, weight)| {
            let draw = mix(node ^ key);
            let score = match self.is_even {
                true => draw,
                false => weighted(draw, *weight),
            };
            (score, *node)
        })
    }
}

/// The draw of a node of this weight. Positive numbers are in the order of their bits.
fn weighted(draw: u64, weight: u16) -> u64 {
    let even = ((draw >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (f64::from(weight) / -libm::log(even)).to_bits()
}

impl Placement for Rendezvous {
    fn replicas(&self, key: Id, count: usize) -> Vec<usize> {
        let mut order: Vec<_> = self.scores(key).zip(0..).collect();
        order.sort_unstable_by_key(|(score, _)| Reverse(*score));
        let order = order.into_iter().map(|(_, place)| place);
        self.zones.spread(order, count)
    }

    fn owner(&self, key: Id) -> usize {
        let highest = self.scores(key).zip(0..).max_by_key(|(score, _)| *score);
        highest.map_or(0, |(_, place)| place)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn seats(weights: &[u16]) -> Vec<Seat<'static>> {
        let seat = |(n, weight): (u8, &u16)| Seat {
            weight: *weight,
            ..Seat::from(Id::of(&[n]))
        };
        (0..).zip(weights).map(seat).collect()
    }

    #[test]
    fn what_a_lost_node_held_goes_to_all_others() {
        let nodes = seats(&[1; 6]);
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

    #[test]
    fn shares_are_as_the_weights() {
        let placement = Rendezvous::new(&seats(&[1, 2, 3, 4]));
        let mut shares = [0; 4];
        for key in (0..20_000_u32).map(|n| Id::of(&n.to_be_bytes())) {
            shares[placement.owner(key)] += 1;
        }
        for (share, fair) in shares.iter().zip([2_000_i32, 4_000, 6_000, 8_000]) {
            assert!((share - fair).abs() < 250, "{shares:?}");
        }
    }
}
