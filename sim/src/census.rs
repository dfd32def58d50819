//! Census: who is a member, in ring order. The truth that nodes only have beliefs of.

use std::collections::BTreeMap;

use dht::view::Phase;
use dht::{Id, Ownership};

/// The members of a ring that are up.
#[derive(Clone, Debug, Default)]
pub struct Census {
    ring: BTreeMap<Id, u32>,
    /// The same in no order, to pick from.
    list: Vec<u32>,
    /// Where each address stands in the list, plus one.
    places: Vec<u32>,
}

impl Census {
    /// How many members there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Members in ring order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Id, u32)> + '_ {
        self.ring.iter().map(|(id, address)| (*id, *address))
    }

    /// The first member at or after an identifier, around the ring.
    pub fn at_or_after(&self, id: Id) -> Option<(Id, u32)> {
        let after = self.ring.range(id..).next();
        let found = after.or_else(|| self.ring.first_key_value());
        found.map(|(id, address)| (*id, *address))
    }

    /// The last member at or before an identifier, around the ring.
    pub fn at_or_before(&self, id: Id) -> Option<(Id, u32)> {
        let before = self.ring.range(..=id).next_back();
        let found = before.or_else(|| self.ring.last_key_value());
        found.map(|(id, address)| (*id, *address))
    }

    /// The true owner of a key.
    pub fn owner(&self, key: Id, ownership: Ownership) -> Option<u32> {
        let owner = match ownership {
            Ownership::Successor => self.at_or_after(key),
            Ownership::Predecessor => self.at_or_before(key),
        };
        owner.map(|(_, address)| address)
    }

    /// A member by a number: any number below [`Census::len`] gives another one.
    pub fn pick(&self, number: usize) -> u32 {
        self.list[number]
    }

    /// Whether an address is a member's.
    pub fn contains(&self, address: u32) -> bool {
        self.places
            .get(address as usize)
            .is_some_and(|place| *place > 0)
    }

    /// Adds many members at once, to an empty census.
    pub(crate) fn fill(&mut self, members: impl Iterator<Item = (Id, u32)> + Clone) {
        self.ring = members.clone().collect();
        self.list = members.map(|(_, address)| address).collect();
        self.places = vec![0; self.list.len()];
        for (place, address) in (1..).zip(&self.list) {
            self.places[*address as usize] = place;
        }
    }

    /// Whether it was none yet.
    pub(crate) fn insert(&mut self, id: Id, address: u32) -> bool {
        if self.contains(address) {
            return false;
        }
        self.ring.insert(id, address);
        self.list.push(address);
        if self.places.len() <= address as usize {
            self.places.resize(address as usize + 1, 0);
        }
        self.places[address as usize] = self.list.len() as u32;
        true
    }

    /// Whether it was one.
    pub(crate) fn remove(&mut self, id: Id, address: u32) -> bool {
        if !self.contains(address) {
            return false;
        }
        self.ring.remove(&id);
        let place = std::mem::take(&mut self.places[address as usize]) as usize - 1;
        self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places[*moved as usize] = place as u32 + 1;
        }
        true
    }
}

/// Whether a node in this phase is a member of the ring.
pub fn is_in_ring(phase: Phase) -> bool {
    matches!(phase, Phase::Member | Phase::Leaving)
}
