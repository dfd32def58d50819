//! Near: fingers chosen by distance, as the shipped code, which knows of none, does not choose them.

use dht::view::Finger;
use dht::{Node, Peer};

use super::ring::Ring;
use crate::engine::Address;

impl Ring {
    /// Lets each finger be the nearest of `considered` nodes, at least one: of the one that it is by its
    /// identifier and those that follow it. `way` is how far one node is from another.
    ///
    /// This is what the papers call proximity; each is still beyond where its finger begins.
    pub(super) fn near_fingers(
        &mut self,
        considered: usize,
        way: impl Fn(Address, Address) -> f64,
    ) {
        let members = self.network.census().iter();
        let ring: Vec<Peer<Address>> = members.map(|(_, at)| self.network.view(at).me).collect();
        let mut places = vec![0; self.network.addresses() as usize];
        for (place, peer) in ring.iter().enumerate() {
            places[peer.address as usize] = place;
        }
        for (place, me) in ring.iter().enumerate() {
            let view = self.network.view(me.address);
            let ahead = |peer: &Peer<Address>| {
                (places[peer.address as usize] + ring.len() - place) % ring.len()
            };
            let node = |ahead: usize| ring[(place + ahead) % ring.len()];
            let from_me = |ahead: usize| way(me.address, node(ahead).address);
            let nearest = |finger: &Finger<Address>| {
                let first = ahead(&finger.node);
                // Not around the ring: behind its last node there is the one that asks.
                let all = first..(first + considered).min(ring.len());
                all.min_by(|a, b| from_me(*a).total_cmp(&from_me(*b)))
            };
            let mut near: Vec<usize> = view.fingers.iter().filter_map(nearest).collect();
            // Where fingers stand close together, one may have chosen a node beyond the next one's, or
            // both the same. In ring order each node is still beyond where its exponent begins.
            near.sort_unstable();
            let exponents = view.fingers.iter().map(|finger| finger.exponent);
            let fingers = exponents.zip(near).map(|(exponent, ahead)| {
                let node = node(ahead);
                Finger { exponent, node }
            });
            let mut fingers: Vec<Finger<Address>> = fingers.collect();
            fingers.dedup_by_key(|finger| finger.node);
            let predecessor = view.predecessor.unwrap_or(*me);
            let successors = view.successors.clone();
            let config = self.network.config();
            let node = Node::placed(*me, predecessor, successors, fingers, config);
            self.network.replace(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::iter;

    use dht::Id;

    use super::*;
    use crate::random::Random;

    #[test]
    fn near_fingers_are_the_nearest_that_would_do() {
        let mut random = Random::new(4, 0);
        let way = |from: Address, to: Address| f64::from(from.abs_diff(to));
        for nodes in [6, 300] {
            let ideal = Ring::ideal(nodes, 1, 4);
            let mut ring = Ring::ideal(nodes, 1, 4);
            ring.near_fingers(1, way);
            for at in 0..nodes {
                assert_eq!(ring.network.view(at), ideal.network.view(at));
            }
            ring.near_fingers(8, way);
            for at in 0..nodes {
                let (view, before) = (ring.network.view(at), ideal.network.view(at));
                let ahead = |node: Address| view.me.id.distance_to(ring.network.view(node).me.id);
                let chosen = |finger: &Finger<Address>| {
                    let next = |node: &Address| {
                        let next = ideal.network.view(*node).successors[0].address;
                        (next != at).then_some(next)
                    };
                    let would_do = iter::successors(Some(finger.node.address), next).take(8);
                    would_do.min_by(|a, b| way(at, *a).total_cmp(&way(at, *b)))
                };
                let chosen: BTreeSet<Address> = before.fingers.iter().filter_map(chosen).collect();
                let fingers = || view.fingers.iter().map(|finger| finger.node.address);
                assert_eq!(fingers().collect::<BTreeSet<Address>>(), chosen);
                assert!(fingers().is_sorted_by(|a, b| ahead(*a) < ahead(*b)));
                assert!(view.fingers.is_sorted_by(|a, b| a.exponent < b.exponent));
                for finger in &view.fingers {
                    assert!(ahead(finger.node.address) >= Id::power_of_two(finger.exponent));
                }
            }
            for _ in 0..1_000 {
                let (start, key) = ring.question(&mut random);
                assert_eq!(ring.find(start, key).owner(), ring.owner(key));
            }
        }
    }
}
