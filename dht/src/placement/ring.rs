//! Ring: consistent hashing over a complete list, with several positions for each node.
//!
//! A key belongs to the first position at or after it, as in the Chord paper. With one position a
//! node stands at its own identifier, which makes it the ring that the nodes keep; more positions
//! spread the load, which in Chord would cost a routing table each.

use alloc::vec::Vec;

use super::zones::Zones;
use super::{Placement, Seat, murmur};
use crate::id::{Arc, Id};

/// Nodes on a ring.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Positions in order, each with the place of its node in the list.
    points: Vec<(Id, u32)>,
    zones: Zones,
}

impl Ring {
    /// These nodes, each at `positions` places times its weight, up to 409,600 in all: its identifier, and SHA-1 of
    /// that and a number.
    pub fn new(seats: &[Seat], positions: u16) -> Ring {
        Ring::by(seats, positions, |seat, number| point(seat.id, number))
    }

    /// The same, but at places that begin with the MurmurHash3 of the node's label and a number. Keys belong
    /// where clients of memcached look for them if their identifiers begin with the hash of the key, see
    /// [`Scheme::identify`](super::Scheme::identify).
    pub fn murmur3(seats: &[Seat], positions: u16) -> Ring {
        Ring::by(seats, positions, |seat, number| {
            murmur::point(seat.label, number)
        })
    }

    fn by(seats: &[Seat], positions: u16, point: impl Fn(&Seat, u32) -> Id) -> Ring {
        assert!(
            !seats.is_empty() && positions > 0,
            "a ring needs a node, and each node a position"
        );
        let mut points: Vec<(Id, u32)> = Vec::new();
        for (place, seat) in (0..).zip(seats) {
            let count = u32::from(positions) * u32::from(seat.weight.max(1));
            let count = count.min(POINTS_MAX);
            points.extend((0..count).map(|number| (point(seat, number), place)));
        }
        // Whatever the order of the list.
        points.sort_unstable_by_key(|(point, place)| (*point, seats[*place as usize].id));
        let zones = Zones::of(seats);
        Ring { points, zones }
    }

    /// The pieces of the ring, clockwise, each with the place of the node that it belongs to.
    pub fn arcs(&self) -> impl Iterator<Item = (Arc, usize)> {
        let before = self.points.iter().cycle().skip(self.points.len() - 1);
        let pairs = before.zip(&self.points);
        pairs.map(|(before, (end, node))| (Arc::new(before.0, *end), *node as usize))
    }
}

/// A position of a node: the first one is its identifier. Numbers that fit into two bytes take no more.
fn point(node: Id, number: u32) -> Id {
    if number == 0 {
        return node;
    }
    let mut bytes = Vec::with_capacity(Id::BYTES + 4);
    bytes.extend(node.as_bytes());
    match u16::try_from(number) {
        Ok(number) => bytes.extend(number.to_be_bytes()),
        Err(_) => bytes.extend(number.to_be_bytes()),
    }
    Id::of(&bytes)
}

/// Positions of one node: those of the highest weight at the finest spread. More are no list that anyone meant, and
/// would take all memory.
const POINTS_MAX: u32 = 4_096 * 100;

impl Placement for Ring {
    fn replicas(&self, key: Id, count: usize) -> Vec<usize> {
        let (before, after) = self.points.split_at(self.at(key));
        let mut seen = alloc::vec![false; self.zones.len()];
        let order = after.iter().chain(before).map(|(_, node)| *node as usize);
        let order = order.filter(|node| !core::mem::replace(&mut seen[*node], true));
        self.zones.spread(order, count)
    }

    fn owner(&self, key: Id) -> usize {
        let (_, node) = self.points.get(self.at(key)).unwrap_or(&self.points[0]);
        *node as usize
    }
}

impl Ring {
    /// The number of the first position at or after a key; that of none where it comes after all.
    fn at(&self, key: Id) -> usize {
        self.points.partition_point(|(point, _)| *point < key)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString as _};

    use super::*;
    use crate::placement::{Hash, Scheme};

    fn id(number: u8) -> Id {
        Id::from_bytes([number; Id::BYTES])
    }

    fn seats(numbers: &[u8]) -> Vec<Seat<'static>> {
        numbers.iter().map(|number| id(*number).into()).collect()
    }

    #[test]
    fn with_one_position_it_is_the_ring_of_the_nodes() {
        let ring = Ring::new(&seats(&[30, 10, 20]), 1);
        for (key, owner) in [(5, 1), (10, 1), (11, 2), (20, 2), (29, 0), (30, 0), (31, 1)] {
            assert_eq!(ring.owner(id(key)), owner, "{key}");
        }
    }

    #[test]
    fn the_arcs_are_the_whole_ring_and_agree_with_the_owners() {
        for positions in [1, 2, 7] {
            let ring = Ring::new(&seats(&[30, 10, 20]), positions);
            let arcs: Vec<(Arc, usize)> = ring.arcs().collect();
            assert_eq!(arcs.len(), 3 * usize::from(positions));
            for (n, (arc, owner)) in arcs.iter().enumerate() {
                assert_eq!(arc.start, arcs[(n + arcs.len() - 1) % arcs.len()].0.end);
                assert_eq!(ring.owner(arc.end), *owner);
                assert_eq!(ring.owner(arc.start.next()), *owner);
            }
        }
    }

    /// As a ring of Python's mmh3 5.3 says: positions `"{server}-{number}"` for the numbers 0 to 9, a key's owner by
    /// `bisect_left`, then the next two that are others.
    #[test]
    fn by_murmur3_keys_belong_where_clients_of_memcached_look_for_them() {
        let labels = [11211, 11212, 11213, 11214].map(|port| format!("('localhost', {port})"));
        let seats: Vec<Seat> = (0..)
            .zip(&labels)
            .map(|(number, label)| Seat {
                label,
                ..id(number).into()
            })
            .collect();
        let ring = Ring::murmur3(&seats, 10);
        let hash = Hash::Murmur3;
        let scheme = Scheme::Ring {
            positions: 10,
            hash,
        };
        let replicas = |key: &str| ring.replicas(scheme.identify(key.as_bytes()), 3);
        for (key, expected) in [
            ("a", [0, 1, 2]),
            ("b", [3, 2, 0]),
            ("hello", [1, 2, 0]),
            ("key-0", [0, 3, 1]),
            ("key-1", [3, 2, 0]),
            ("key-2", [1, 2, 0]),
            ("key-3", [3, 1, 2]),
            ("key-17", [2, 0, 1]),
            ("Zoë", [3, 1, 2]),
            ("", [2, 0, 3]),
            // Behind the last position of all.
            ("wrap-3", [2, 0, 3]),
            ("wrap-59", [2, 0, 3]),
        ] {
            assert_eq!(replicas(key), expected, "{key}");
        }
        let mut owned = [0; 4];
        let mut digits = String::new();
        for number in 0..1_000 {
            let replicas = replicas(&format!("key-{number}"));
            owned[replicas[0]] += 1;
            digits.extend(replicas.iter().map(usize::to_string));
        }
        assert_eq!(owned, [209, 243, 178, 370]);
        let all = "7326167e134c46a5266a49a02e5562e40ad16af4";
        assert_eq!(Id::of(digits.as_bytes()).to_string(), all);
    }

    #[test]
    fn a_high_weight_counts_at_the_finest_spread() {
        let mut seats = seats(&[10, 20, 30]);
        for (seat, weight) in seats.iter_mut().zip([1, 16, 20]) {
            seat.weight = weight;
        }
        let labels = ["a", "b", "c"];
        for (seat, label) in seats.iter_mut().zip(labels) {
            seat.label = label;
        }
        for ring in [Ring::new(&seats, 4_096), Ring::murmur3(&seats, 4_096)] {
            let mut counts = [0; 3];
            for (_, place) in &ring.points {
                counts[*place as usize] += 1;
            }
            assert_eq!(counts, [4_096, 65_536, 81_920]);
        }
    }

    #[test]
    fn a_weight_that_nobody_can_mean_takes_no_more_memory() {
        let mut seats = seats(&[10]);
        seats[0].weight = u16::MAX;
        let ring = Ring::murmur3(&seats, u16::MAX);
        assert_eq!(ring.points.len(), POINTS_MAX as usize);
    }

    #[test]
    fn a_single_node_owns_everything() {
        let ring = Ring::new(&seats(&[7]), 1);
        assert_eq!(ring.owner(Id::ZERO), 0);
        assert_eq!(ring.owner(Id::MAX), 0);
        let arcs: Vec<(Arc, usize)> = ring.arcs().collect();
        assert_eq!(arcs, [(Arc::new(id(7), id(7)), 0)]);
    }
}
