//! Seen: the states that were reached, each kept once, in the order in which they were found.
//!
//! A table of places into that list, probed one after the other: 4 to 8 bytes for each state beside
//! the state itself. States are compared whole, so nothing is ever taken for something else.

use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher};

/// All states so far.
pub(crate) struct Seen<T> {
    items: Vec<T>,
    /// Place in `items` plus one, or nothing.
    table: Vec<u32>,
}

impl<T: Copy + Eq + Hash> Seen<T> {
    pub(crate) fn new() -> Seen<T> {
        Seen {
            items: Vec::new(),
            table: vec![0; 1024],
        }
    }

    /// Where the item is, and whether it is new.
    pub(crate) fn insert(&mut self, item: T) -> (u32, bool) {
        if self.items.len() * 4 >= self.table.len() * 3 {
            self.grow();
        }
        let slot = self.slot(&item);
        match self.table[slot] {
            0 => {
                self.items.push(item);
                let count = u32::try_from(self.items.len()).expect("fewer than 2^32 states");
                self.table[slot] = count;
                (count - 1, true)
            }
            place => (place - 1, false),
        }
    }

    pub(crate) fn item(&self, place: u32) -> T {
        self.items[place as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The slot where the item is, or would be.
    fn slot(&self, item: &T) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = Fast::build().hash_one(item) as usize & mask;
        loop {
            match self.table[slot] {
                0 => return slot,
                place if self.items[place as usize - 1] == *item => return slot,
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for place in 0..self.items.len() {
            let slot = self.slot(&self.items[place]);
            self.table[slot] = place as u32 + 1;
        }
    }
}

/// A hash that is fast on a few numbers; nobody picks our states to make it slow.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fast(u64);

impl Fast {
    pub(crate) fn build() -> BuildHasherDefault<Fast> {
        BuildHasherDefault::default()
    }
}

impl Hasher for Fast {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }

    fn finish(&self) -> u64 {
        let mixed = self.0.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_kept_once_and_in_order() {
        let mut seen = Seen::new();
        for round in 0..2 {
            for number in 0..10_000_u32 {
                assert_eq!(seen.insert([number; 4]), (number, round == 0));
            }
        }
        assert_eq!((seen.len(), seen.item(77)), (10_000, [77; 4]));
    }
}
