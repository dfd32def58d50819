//! Layout: which node belongs to which shard, and which key.
//!
//! Pure functions: all nodes come to the same answer. Layouts follow one another, each decided by the
//! members of the one before it; the first is what everyone was told at the start.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::peer::Address;
use crate::placement::bucket;

/// Nodes in shards, from one change to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout<A> {
    /// Counts layouts from 1.
    pub epoch: u32,
    /// How many shards; 0 where the store is not divided, and every node of the view keeps all of it.
    pub shards: u32,
    /// Who belongs to one, in order of address.
    pub seats: Vec<Seat<A>>,
}

/// A node's place in a layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat<A> {
    /// Whose.
    pub node: A,
    /// In which shard.
    pub shard: u32,
    /// The store that the node ran on when the layout was proposed: one that has lost it has forgotten what
    /// it promised, and has no vote. 0 in the first layout, of which nothing was known.
    pub store: u32,
}

/// What one layout has changed of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The number of shards.
    Resharded,
    /// Who belongs to which of them.
    Members,
    /// Nothing, but for the votes of nodes that have lost their stores: whatever was wanted was taken back.
    Nothing,
}

/// There are fewer than [`SHARD_MIN`] nodes for each shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewNodes;

impl<A: Address> Layout<A> {
    /// The layout that nodes start with which were told of no other: nodes are dealt to the shards in the
    /// order of their addresses. `shards`: nothing where the store is not divided.
    pub fn first(nodes: &BTreeSet<A>, shards: Option<u32>) -> Layout<A> {
        let shards = shards.unwrap_or(0);
        let seats = (0..).zip(nodes).map(|(place, node)| Seat {
            node: node.clone(),
            shard: place % shards.max(1),
            store: 0,
        });
        Layout {
            epoch: 1,
            shards,
            seats: seats.collect(),
        }
    }

    /// The next layout, with these nodes, by the stores they run on, in so many shards: each gets as many as
    /// any other, or one more, and as few as possible change their shard.
    pub fn dealt(&self, nodes: &BTreeMap<A, u32>, shards: u32) -> Result<Layout<A>, TooFewNodes> {
        if shards == 0 || nodes.len() < SHARD_MIN * shards as usize {
            return Err(TooFewNodes);
        }
        let mut members: Vec<Vec<A>> = (0..shards).map(|_| Vec::new()).collect();
        let mut free = Vec::new();
        for node in nodes.keys() {
            match self
                .shard(node)
                .and_then(|shard| members.get_mut(shard as usize))
            {
                Some(members) => members.push(node.clone()),
                None => free.push(node.clone()),
            }
        }
        let (share, more) = (nodes.len() / members.len(), nodes.len() % members.len());
        // Those that have most get one more than the others, if there are not enough for all.
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|shard| core::cmp::Reverse(members[*shard].len()));
        let quota = |place: usize| share + usize::from(place < more);
        for (place, shard) in order.iter().enumerate() {
            let keep = members[*shard].len().min(quota(place));
            free.extend(members[*shard].drain(keep..));
        }
        let mut free = free.into_iter();
        for (place, shard) in order.iter().enumerate() {
            let lacks = quota(place) - members[*shard].len();
            members[*shard].extend(free.by_ref().take(lacks));
        }
        let seats = (0..).zip(members).flat_map(|(shard, members)| {
            members.into_iter().map(move |node| Seat {
                store: nodes[&node],
                node,
                shard,
            })
        });
        Ok(self.next(shards, seats.collect()))
    }

    /// The next layout, in which some have got a seat and some have none any more, and no other seat has
    /// changed but for the `stores` on which nodes run now.
    pub fn with(
        &self,
        added: &BTreeMap<A, u32>,
        removed: &BTreeSet<A>,
        stores: &BTreeMap<A, u32>,
    ) -> Layout<A> {
        let stays =
            |seat: &&Seat<A>| !removed.contains(&seat.node) && !added.contains_key(&seat.node);
        let mut seats: Vec<Seat<A>> = self.seats.iter().filter(stays).cloned().collect();
        seats.extend(added.iter().map(|(node, &shard)| Seat {
            node: node.clone(),
            shard,
            store: 0,
        }));
        for seat in &mut seats {
            seat.store = stores.get(&seat.node).copied().unwrap_or(seat.store);
        }
        self.next(self.shards, seats)
    }

    /// What this layout has changed of the one before it; nothing where `before` is not that one.
    pub(crate) fn change(&self, before: &Layout<A>) -> Option<Change> {
        let places = |layout: &Layout<A>| -> Vec<(A, u32)> {
            let seats = layout.seats.iter();
            seats.map(|seat| (seat.node.clone(), seat.shard)).collect()
        };
        let change = match (self.shards == before.shards, places(self) == places(before)) {
            (false, _) => Change::Resharded,
            (true, false) => Change::Members,
            (true, true) => Change::Nothing,
        };
        (self.epoch == before.epoch + 1).then_some(change)
    }

    /// Whether the store is divided into shards.
    pub fn is_sharded(&self) -> bool {
        self.shards > 0
    }

    /// The shard of a key; 0 where there are none.
    pub fn shard_of(&self, key: Id) -> u32 {
        // A key changes its shard only to or from those that come or go, and these are the last ones.
        bucket(key, self.shards.max(1) as usize) as u32
    }

    /// A node's seat, if it has one.
    pub fn seat(&self, node: &A) -> Option<&Seat<A>> {
        self.place(node).map(|place| &self.seats[place])
    }

    /// The shard of a node, if it belongs to one.
    pub fn shard(&self, node: &A) -> Option<u32> {
        self.seat(node).map(|seat| seat.shard)
    }

    /// All that belong to a shard, in order of address.
    pub fn nodes(&self) -> impl Iterator<Item = &A> {
        self.seats.iter().map(|seat| &seat.node)
    }

    /// Who belongs to a shard, in order of address.
    pub fn members(&self, shard: u32) -> impl Iterator<Item = &A> {
        let seats = self.seats.iter().filter(move |seat| seat.shard == shard);
        seats.map(|seat| &seat.node)
    }

    /// Numbers of all shards; only 0 where the store is not divided.
    pub fn all_shards(&self) -> core::ops::Range<u32> {
        0..self.shards.max(1)
    }

    /// Which of the seats is a node's.
    pub(crate) fn place(&self, node: &A) -> Option<usize> {
        self.seats.binary_search_by(|seat| seat.node.cmp(node)).ok()
    }

    fn next(&self, shards: u32, mut seats: Vec<Seat<A>>) -> Layout<A> {
        seats.sort_by(|one, other| one.node.cmp(&other.node));
        Layout {
            epoch: self.epoch + 1,
            shards,
            seats,
        }
    }
}

/// Nodes that a shard needs: one keeps what the other one loses.
pub const SHARD_MIN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(layout: &Layout<u32>) -> Vec<usize> {
        let shards = layout.all_shards();
        shards.map(|shard| layout.members(shard).count()).collect()
    }

    fn nodes(count: u32) -> BTreeMap<u32, u32> {
        (0..count).map(|node| (node, 1)).collect()
    }

    #[test]
    fn shards_are_of_one_size_or_differ_by_one() {
        for count in 2..40 {
            let mut layout = Layout::first(&(0..count).collect(), None);
            for shards in [3, 1, count / 2, 2] {
                match layout.dealt(&nodes(count), shards) {
                    Ok(next) => layout = next,
                    Err(TooFewNodes) => {
                        assert!(count < 2 * shards || shards == 0);
                        continue;
                    }
                }
                let sizes = sizes(&layout);
                assert_eq!(sizes.len(), shards as usize);
                assert_eq!(sizes.iter().sum::<usize>(), count as usize);
                let (least, most) = (sizes.iter().min(), sizes.iter().max());
                assert!(most.unwrap() - least.unwrap() <= 1, "{sizes:?}");
            }
        }
    }

    #[test]
    fn one_shard_more_takes_only_what_it_needs() {
        let three = Layout::first(&(0..12).collect(), Some(3));
        let four = three.dealt(&nodes(12), 4).unwrap();
        let moved = |a: &Layout<u32>, b: &Layout<u32>| {
            let is_moved = |node: &u32| a.shard(node) != b.shard(node);
            (0..12).filter(is_moved).count()
        };
        assert_eq!(moved(&three, &four), 3);
        assert_eq!(moved(&four, &four.dealt(&nodes(12), 3).unwrap()), 3);
        assert_eq!(moved(&three, &three.dealt(&nodes(12), 3).unwrap()), 0);
    }

    #[test]
    fn a_change_is_told_from_one_that_was_taken_back() {
        let three = Layout::first(&(0..12).collect(), Some(3));
        let four = three.dealt(&nodes(12), 4).unwrap();
        assert_eq!(four.change(&three), Some(Change::Resharded));
        let (nobody, stores) = (BTreeMap::new(), nodes(12));
        let same = three.with(&nobody, &BTreeSet::new(), &stores);
        assert_eq!(same.change(&three), Some(Change::Nothing));
        let less = three.with(&nobody, &[5].into(), &stores);
        assert_eq!(less.change(&three), Some(Change::Members));
        assert_eq!(three.change(&four), None);
    }

    #[test]
    fn keys_are_spread_evenly_and_move_to_the_new_shard_only() {
        let layouts = [3, 4].map(|shards| Layout::first(&(0..12_u32).collect(), Some(shards)));
        let mut counts = [0; 4];
        for n in 0..10_000_u32 {
            let key = Id::of_key(&n.to_be_bytes());
            let [before, after] = layouts.each_ref().map(|layout| layout.shard_of(key));
            assert!(before == after || after == 3);
            counts[after as usize] += 1;
        }
        for count in counts {
            assert!((1_875..=3_125).contains(&count), "{counts:?}");
        }
    }
}
