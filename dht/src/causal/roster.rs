//! Roster: all nodes that anyone was told of, and what became of them.
//!
//! Each node's entry is a register that the later statement wins, by life and serial number, so two rosters
//! merge to the same one on both sides whatever was said where. The view is those that are in.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::causal::vector::Writer;
use crate::id::Id;
use crate::peer::{Address, Peer};

/// What is known of all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster<A> {
    /// In order of address.
    entries: Vec<Entry<A>>,
}

/// What is known of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<A> {
    /// Its last known life; incarnation 0 where nobody has met it.
    pub peer: Peer<A>,
    /// Counts what was said of this life.
    pub serial: u32,
    /// Where it stands.
    pub status: Status,
    /// Up to which layout it has all that its shard had, so that its copies count; 0 if none.
    pub vouches: u32,
    /// The stores that it ever ran on, the last one included, and `FORGOTTEN` where it does not know of all.
    pub stores: BTreeSet<u32>,
}

/// Where a node stands, the strongest statement last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    /// Part of the view.
    In,
    /// It did not answer for a while, so it was taken out; it comes back by itself.
    Lost,
    /// Somebody took it out, and so vouches that this life is gone for good.
    Deleted,
}

impl<A: Address> Entry<A> {
    /// A node of which only the address is known.
    pub(crate) fn unmet(address: A) -> Entry<A> {
        let peer = Peer {
            id: Id::ZERO,
            address,
            incarnation: 0,
        };
        Entry {
            peer,
            serial: 0,
            status: Status::In,
            vouches: 0,
            stores: BTreeSet::new(),
        }
    }

    /// The store that it runs on; 0 where that is not known.
    pub(crate) fn store(&self) -> u32 {
        self.stores.last().copied().unwrap_or(0)
    }

    /// Whether it runs on another store than this one, which it had when a layout was proposed; 0 is its first.
    pub(crate) fn has_lost(&self, store: u32) -> bool {
        match store {
            0 => self.stores.len() > 1,
            store => self.store() > store,
        }
    }

    fn order(&self) -> (u32, u32, Status) {
        (self.peer.incarnation, self.serial, self.status)
    }
}

impl<A: Address> Roster<A> {
    /// Knows nobody.
    pub(crate) const fn new() -> Roster<A> {
        Roster {
            entries: Vec::new(),
        }
    }

    /// What is known of a node.
    pub fn entry(&self, address: &A) -> Option<&Entry<A>> {
        let place = self.place(address).ok()?;
        self.entries.get(place)
    }

    /// All entries, in order of address.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<A>> {
        self.entries.iter()
    }

    /// Who is part of the view, in order of address.
    pub fn view(&self) -> impl Iterator<Item = &Entry<A>> {
        self.entries().filter(|entry| entry.status == Status::In)
    }

    /// How a node stands, if it is known.
    pub fn status(&self, address: &A) -> Option<Status> {
        self.entry(address).map(|entry| entry.status)
    }

    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < NODES_MAX
    }

    /// The peer to ask at an address that is part of the view.
    pub(crate) fn peer_in(&self, address: &A) -> Option<&Peer<A>> {
        let entry = self.entry(address)?;
        (entry.status == Status::In).then_some(&entry.peer)
    }

    /// Whether there is, or was, such a writer.
    pub(crate) fn knows(&self, writer: Writer) -> bool {
        self.entries().any(|entry| {
            let mut stores = entry.stores.iter();
            stores.any(|store| Writer::of(entry.peer.id, *store) == writer)
        })
    }

    /// Takes in what somebody says of a node, unless there is no room. Returns whether anything is new.
    pub(crate) fn take(&mut self, entry: Entry<A>) -> bool {
        let place = match self.place(&entry.peer.address) {
            Ok(place) => place,
            Err(_) if self.entries.len() >= NODES_MAX => return false,
            Err(place) => {
                self.entries.insert(place, entry);
                return true;
            }
        };
        let known = &mut self.entries[place];
        let mut stores = known.stores.clone();
        stores.extend(&entry.stores);
        while stores.len() > STORES_MAX {
            stores.pop_first();
        }
        let before = known.clone();
        if entry.order() > known.order() {
            *known = entry;
        }
        known.stores = stores;
        *known != before
    }

    /// Takes in what somebody else knows. Returns whether anything is new.
    pub(crate) fn merge(&mut self, other: Roster<A>) -> bool {
        let mut is_new = false;
        for entry in other.entries {
            is_new |= self.take(entry);
        }
        is_new
    }

    /// Says something new of a node that is known.
    pub(crate) fn say(&mut self, address: &A, status: Status) {
        if let Ok(place) = self.place(address) {
            let entry = &mut self.entries[place];
            entry.serial += match status {
                Status::Deleted => HEADWAY,
                Status::In | Status::Lost => 1,
            };
            entry.status = status;
        }
    }

    /// Somebody was met: another life than the one known, perhaps.
    pub(crate) fn meet(&mut self, peer: &Peer<A>) -> bool {
        let is_newer = |entry: &Entry<A>| entry.peer.incarnation < peer.incarnation;
        if self
            .entry(&peer.address)
            .is_some_and(|known| !is_newer(known))
        {
            return false;
        }
        let unmet = Entry::unmet(peer.address.clone());
        let stores = self.entry(&peer.address).map(|known| known.stores.clone());
        self.take(Entry {
            peer: peer.clone(),
            stores: stores.unwrap_or_default(),
            ..unmet
        })
    }

    fn place(&self, address: &A) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|entry| entry.peer.address.cmp(address))
    }
}

/// Stands for the stores that a node may have had before the one that it runs on, and nobody remembers.
pub(crate) const FORGOTTEN: u32 = 0;

/// Nodes that a roster has room for, those that are gone included. As many seats has a layout, and as many
/// numbers a clock for them.
pub const NODES_MAX: usize = 1024;

/// How far a delete is ahead, so that what others say of that life without knowing of it does not undo it.
const HEADWAY: u32 = 1 << 16;

/// Lost stores of one node that are remembered.
const STORES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(incarnation: u32, serial: u32, status: Status) -> Entry<u8> {
        let mut entry = Entry::unmet(1);
        entry.peer.incarnation = incarnation;
        (entry.serial, entry.status) = (serial, status);
        entry.stores.insert(incarnation);
        entry
    }

    #[test]
    fn two_views_become_one_in_whatever_order_they_hear() {
        let said = [
            entry(1, 0, Status::In),
            entry(1, 1, Status::Lost),
            entry(1, 1, Status::Deleted),
            entry(2, 0, Status::In),
        ];
        let mut ends = BTreeSet::new();
        for first in 0..4 {
            for second in 0..4 {
                let mut roster = Roster::new();
                for place in [first, second, 0, 1, 2, 3] {
                    roster.take(said[place].clone());
                }
                assert_eq!(roster.status(&1), Some(Status::In));
                ends.insert(std::format!("{roster:?}"));
            }
        }
        assert_eq!(ends.len(), 1);
    }

    #[test]
    fn what_is_said_without_knowing_of_a_delete_does_not_undo_it() {
        let mut roster = Roster::new();
        roster.take(entry(1, 0, Status::In));
        roster.say(&1, Status::Deleted);
        assert!(!roster.take(entry(1, 7, Status::Lost)));
        assert_eq!(roster.status(&1), Some(Status::Deleted));
        roster.say(&1, Status::In);
        assert_eq!(roster.status(&1), Some(Status::In));
    }

    #[test]
    fn who_took_a_node_out_at_the_same_time_agrees_with_who_lost_it() {
        let mut roster = Roster::new();
        roster.take(entry(1, 1, Status::Deleted));
        assert!(!roster.take(entry(1, 1, Status::Lost)));
        assert!(roster.take(entry(1, 2, Status::In)));
        assert_eq!(roster.view().count(), 1);
    }
}
