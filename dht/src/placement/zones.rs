//! Zones: no two copies of a key where one failure would take both, as far as there are zones enough.

use alloc::vec::Vec;

use super::Seat;

/// The zones of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zones {
    zones: Vec<Option<u64>>,
    /// How many there are; who has none is one of its own.
    distinct: usize,
}

impl Zones {
    pub(super) fn of(seats: &[Seat]) -> Zones {
        let zones: Vec<Option<u64>> = seats.iter().map(|seat| seat.zone).collect();
        let mut named: Vec<u64> = zones.iter().copied().flatten().collect();
        named.sort_unstable();
        named.dedup();
        let alone = zones.iter().filter(|zone| zone.is_none()).count();
        let distinct = named.len() + alone;
        Zones { zones, distinct }
    }

    /// So many seats of which nobody says where they are.
    pub(super) fn unknown(seats: usize) -> Zones {
        Zones {
            zones: alloc::vec![None; seats],
            distinct: seats,
        }
    }

    /// Number of seats.
    pub(super) fn len(&self) -> usize {
        self.zones.len()
    }

    /// The first `count` of `order`, but those of zones that are taken only after all zones are.
    pub(super) fn spread(&self, order: impl Iterator<Item = usize>, count: usize) -> Vec<usize> {
        let count = count.min(self.zones.len());
        let apart = count.min(self.distinct);
        let (mut chosen, mut passed) = (Vec::with_capacity(count), Vec::new());
        for seat in order {
            if chosen.len() < apart && self.is_apart(&chosen, seat) {
                chosen.push(seat);
            } else {
                passed.push(seat);
            }
            if chosen.len() == apart && apart + passed.len() >= count {
                break;
            }
        }
        passed.truncate(count - chosen.len());
        chosen.append(&mut passed);
        chosen
    }

    /// Whether `seat` may be added to these: its zone is another one, or no zone is left.
    pub(super) fn fits(&self, chosen: &[usize], seat: usize) -> bool {
        self.is_apart(chosen, seat) || self.used(chosen) == self.distinct
    }

    /// How many zones these are in.
    fn used(&self, chosen: &[usize]) -> usize {
        let first = |place: &usize| self.is_apart(&chosen[..*place], chosen[*place]);
        (0..chosen.len()).filter(first).count()
    }

    fn is_apart(&self, chosen: &[usize], seat: usize) -> bool {
        let zone = self.zones[seat];
        zone.is_none() || chosen.iter().all(|other| self.zones[*other] != zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn zones(zones: &[u64]) -> Zones {
        let seat = |zone: &u64| Seat {
            zone: Some(*zone),
            ..Seat::from(Id::ZERO)
        };
        Zones::of(&zones.iter().map(seat).collect::<Vec<Seat>>())
    }

    #[test]
    fn copies_are_in_different_zones_while_there_are_any() {
        let zones = zones(&[1, 1, 2, 2, 3]);
        assert_eq!(zones.spread(0..5, 3), [0, 2, 4]);
        assert_eq!(zones.spread(0..5, 4), [0, 2, 4, 1]);
        assert_eq!(zones.spread((0..5).rev(), 9), [4, 3, 1, 2, 0]);
    }

    #[test]
    fn where_nobody_says_where_it_is_the_first_ones_are_taken() {
        assert_eq!(Zones::unknown(5).spread((0..5).rev(), 3), [4, 3, 2]);
    }

    #[test]
    fn a_second_one_of_a_zone_fits_only_when_no_zone_is_left() {
        let zones = zones(&[1, 1, 2]);
        assert!(!zones.fits(&[0], 1) && zones.fits(&[0], 2));
        assert!(zones.fits(&[0, 2], 1));
    }
}
