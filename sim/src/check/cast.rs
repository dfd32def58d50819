//! Cast: who can appear in a small ring, and where.
//!
//! A *life* is one start of one node, and a number below [`LIVES_MAX`]. Lives stand on *places*, the
//! identifiers of a small ring, numbered clockwise. A second life comes just after the first one on
//! the same place: a pointer to the first does not point to the second, so it must not hide that a
//! list skips it. Sets of lives, or of places, are bit masks.

use dht::{Id, Peer};

/// Lives in one model: as many as a state has room for.
pub(crate) const LIVES_MAX: usize = 8;

/// A life, by its number.
pub(crate) type Life = u8;

/// A set of lives, or of places.
pub(crate) type Set = u16;

/// Who can appear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    /// Identifiers.
    pub(crate) places: u8,
    /// Lives; those beyond the places are second lives on the same places, in order.
    pub(crate) lives: u8,
}

impl Cast {
    /// All lives.
    pub(crate) fn all(self) -> impl Iterator<Item = Life> + use<> {
        0..self.lives
    }

    /// Where a life stands.
    pub(crate) fn place(self, life: Life) -> u8 {
        life % self.places
    }

    /// The life as nodes know it; its address is its number.
    pub(crate) fn peer(self, life: Life) -> Peer<u32> {
        let mut bytes = [0; Id::BYTES];
        bytes[0] = (self.place(life) + 1) << 4;
        Peer {
            id: Id::from_bytes(bytes),
            address: life.into(),
            incarnation: 1 + u32::from(life / self.places),
        }
    }

    /// The earlier life on the same place.
    pub(crate) fn earlier(self, life: Life) -> Option<Life> {
        life.checked_sub(self.places)
    }

    /// Steps clockwise from one life to another, two for each place.
    pub(crate) fn distance(self, from: Life, to: Life) -> u8 {
        (self.position(to) + self.around() - self.position(from)) % self.around()
    }

    /// Steps once around.
    pub(crate) fn around(self) -> u8 {
        2 * self.places
    }

    fn position(self, life: Life) -> u8 {
        2 * self.place(life) + life / self.places
    }

    /// Whether `middle` stands strictly between two others; between one and itself stands all else.
    pub(crate) fn is_between(self, after: Life, middle: Life, before: Life) -> bool {
        let whole = match self.distance(after, before) {
            0 => self.around(),
            distance => distance,
        };
        (1..whole).contains(&self.distance(after, middle))
    }

    /// The lives strictly between two others.
    pub(crate) fn between(self, after: Life, before: Life) -> Set {
        let inside = self
            .all()
            .filter(|life| self.is_between(after, *life, before));
        inside.fold(0, |set, life| set | 1 << life)
    }

    /// Lives of a set in ring order, from place 0 on.
    pub(crate) fn in_order(self, set: Set) -> Vec<Life> {
        let mut lives: Vec<Life> = members(set).collect();
        lives.sort_unstable_by_key(|life| self.position(*life));
        lives
    }

    /// Every way to choose `count` places, but for turning the ring.
    pub(crate) fn patterns(self, count: u8) -> Vec<Set> {
        let everywhere: Set = (1 << self.places) - 1;
        let turned = |set: Set| (set << 1 | set >> (self.places - 1)) & everywhere;
        let all = (0..=everywhere).filter(|set: &Set| set.count_ones() == u32::from(count));
        let first = all.filter(|set| {
            let turns = std::iter::successors(Some(turned(*set)), |set| Some(turned(*set)));
            turns.take(self.places.into()).all(|other| *set <= other)
        });
        first.collect()
    }
}

/// The members of a set.
pub(crate) fn members(set: Set) -> impl Iterator<Item = u8> {
    (0..Set::BITS as u8).filter(move |member| set >> member & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAST: Cast = Cast {
        places: 6,
        lives: 8,
    };

    #[test]
    fn between_agrees_with_identifiers_where_they_differ() {
        for [after, middle, before] in (0..216).map(|n| [n % 6, n / 6 % 6, n / 36]) {
            let id = |life| CAST.peer(life).id;
            let expected = id(middle).is_between(id(after), id(before));
            assert_eq!(CAST.is_between(after, middle, before), expected);
        }
    }

    #[test]
    fn a_second_life_stands_just_after_the_first() {
        assert_eq!(CAST.peer(6).id, CAST.peer(0).id);
        assert!(CAST.peer(6).incarnation > CAST.peer(0).incarnation);
        assert_eq!(CAST.between(5, 1), 0b100_0001);
        assert_eq!(CAST.between(0, 1), 0b100_0000);
        assert_eq!(CAST.between(5, 0), 0);
    }

    #[test]
    fn rings_that_are_turns_of_each_other_count_once() {
        assert_eq!(CAST.patterns(3), [0b111, 0b1011, 0b1101, 0b1_0101]);
    }
}
