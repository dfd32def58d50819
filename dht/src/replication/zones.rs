//! Zones: no two copies where one failure would take both, as far as there are zones enough.
//!
//! A node may be in a zone: a rack, a building. Who leads a group has to know the zones of those behind it,
//! and its list of successors may be too short to find enough of them. So it asks those in the list, and then
//! those that they name, until it knows as many zones as it needs copies.

use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::Arc;
use crate::node::{Node, SUCCESSORS_MAX};
use crate::peer::{Address, Peer};
use crate::replication::group::{Member, Tag};
use crate::replication::message::{Ask, Told, Zoned};
use crate::replication::{ANY_STORE, About, tell};

/// A place of the ring, as far as it matters to where copies go: a node, and its zone.
pub(crate) type Place<A> = (Peer<A>, Option<u64>);

/// What another node has said of itself.
#[derive(Clone, Debug)]
pub(crate) struct Neighbour<A> {
    peer: Peer<A>,
    zoned: Zoned<A>,
    /// Beats since then.
    age: u8,
}

impl<A: Address> Node<A> {
    /// The nodes behind this one that may keep copies, the nearest first; nothing as long as this is not
    /// known.
    pub(crate) fn places_behind(&self) -> Option<Vec<Place<A>>> {
        if self.config.zone.is_some() {
            return self.walk().ok();
        }
        let there = |peer: &&Peer<A>| !self.detector.is_gone(peer);
        let others = self.view.successors.iter().filter(there);
        Some(others.map(|peer| (peer.clone(), None)).collect())
    }

    /// A node with its zone; nothing as long as that is not known.
    pub(crate) fn place_of(&self, peer: &Peer<A>) -> Option<Place<A>> {
        let zone = match self.config.zone {
            own if *peer == self.view.me => own,
            Some(_) => self.neighbour(peer)?.zoned.zone,
            None => None,
        };
        Some((peer.clone(), zone))
    }

    /// Goes from node to node until there are zones enough. Errors: who has to be asked before that.
    fn walk(&self) -> Result<Vec<Place<A>>, Peer<A>> {
        let me = self.view.me.id;
        let mut chain: Vec<Peer<A>> = self.view.successors.clone();
        let mut places: Vec<Place<A>> = Vec::new();
        let mut next = 0;
        while let Some(peer) = chain.get(next).cloned() {
            next += 1;
            if self.detector.is_gone(&peer) {
                continue;
            }
            let Some(neighbour) = self.neighbour(&peer) else {
                // Who says nothing can't become a member either.
                if self.detector.distrusts(&peer) {
                    continue;
                }
                return Err(peer);
            };
            places.push((peer, neighbour.zoned.zone));
            if zones(&places) >= usize::from(self.config.replicas) || places.len() >= PLACES_MAX {
                break;
            }
            if next == chain.len() {
                let last = chain[next - 1].id;
                let further = neighbour.zoned.successors.iter();
                chain.extend(further.filter(|peer| peer.id.is_between(last, me)).cloned());
            }
        }
        Ok(places)
    }

    /// All that others have named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Peer<A>> {
        let neighbours = self.groups.iter().flat_map(|groups| &groups.neighbours);
        neighbours.flat_map(|neighbour| {
            core::iter::once(&neighbour.peer).chain(&neighbour.zoned.successors)
        })
    }

    fn neighbour(&self, peer: &Peer<A>) -> Option<&Neighbour<A>> {
        let mut neighbours = self.groups.iter().flat_map(|groups| &groups.neighbours);
        neighbours.find(|neighbour| neighbour.peer == *peer)
    }

    /// Asks those whose zone is not known, or was asked for long ago.
    pub(crate) fn look_for_zones(&mut self, out: &mut Vec<Action<A>>) {
        let Some(groups) = self.groups.as_mut().filter(|_| self.config.zone.is_some()) else {
            return;
        };
        let mut due = Vec::new();
        for neighbour in &mut groups.neighbours {
            neighbour.age = neighbour.age.saturating_add(1);
            if neighbour.age == OLD {
                due.push(neighbour.peer.clone());
            }
        }
        groups.neighbours.retain(|neighbour| neighbour.age < GONE);
        let before = self.view.predecessor.clone();
        due.extend(before.filter(|peer| self.place_of(peer).is_none()));
        due.extend(self.walk().err());
        for peer in due {
            self.ask_for_zone(peer, out);
        }
    }

    fn ask_for_zone(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        let store = ANY_STORE;
        self.ask_member(
            &Member { peer, store },
            NO_GROUP,
            Ask::Zone,
            About::Zone,
            out,
        );
    }

    /// Another node looks for places.
    pub(crate) fn zone_for(&self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let zoned = Zoned {
            zone: self.config.zone,
            successors: self.view.successors.clone(),
        };
        tell(ticket, Told::Zone(zoned), out);
    }

    /// It has said where it is.
    pub(crate) fn zone_told(&mut self, from: &Peer<A>, told: Told<A>, out: &mut Vec<Action<A>>) {
        let (Told::Zone(mut zoned), Some(groups)) = (told, &mut self.groups) else {
            return;
        };
        zoned.successors.truncate(SUCCESSORS_MAX.into());
        groups.neighbours.retain(|other| other.peer.id != from.id);
        if groups.neighbours.len() <= PLACES_MAX {
            groups.neighbours.push(Neighbour {
                peer: from.clone(),
                zoned,
                age: 0,
            });
        }
        if let Err(next) = self.walk() {
            self.ask_for_zone(next, out);
        }
    }
}

/// The first nodes of `places`, `count` of them: of each zone the first, and others only where there are no
/// further zones.
pub(crate) fn spread<A: Address>(places: &[Place<A>], count: usize) -> Vec<Peer<A>> {
    let mut chosen: Vec<&Place<A>> = Vec::new();
    let is_new = |chosen: &[&Place<A>], zone: Option<u64>| {
        zone.is_none() || chosen.iter().all(|(_, other)| *other != zone)
    };
    for place in places {
        if chosen.len() < count && is_new(&chosen, place.1) {
            chosen.push(place);
        }
    }
    for place in places {
        if chosen.len() < count && !chosen.contains(&place) {
            chosen.push(place);
        }
    }
    chosen.into_iter().map(|(peer, _)| peer.clone()).collect()
}

/// How many zones there are; a node without one is a zone of its own.
fn zones<A: Address>(places: &[Place<A>]) -> usize {
    let mut known: Vec<u64> = places.iter().filter_map(|(_, zone)| *zone).collect();
    known.sort_unstable();
    known.dedup();
    known.len() + places.iter().filter(|(_, zone)| zone.is_none()).count()
}

/// Nodes that are looked at for the sake of zones: where so many are in too few, copies share them.
const PLACES_MAX: usize = 64;

/// Beats after which a node is asked again where it is, since its own list may be another one.
const OLD: u8 = 40;

/// Beats after which what a node has said is forgotten, if it says no more.
const GONE: u8 = 80;

/// The question is about no group.
const NO_GROUP: Tag = Tag {
    arc: Arc::WHOLE,
    epoch: 0,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn places(zones: &[Option<u64>]) -> Vec<Place<u8>> {
        let place = |(n, zone): (usize, &Option<u64>)| {
            let peer = Peer {
                id: Id::from_bytes([n as u8; Id::BYTES]),
                address: n as u8,
                incarnation: 1,
            };
            (peer, *zone)
        };
        zones.iter().enumerate().map(place).collect()
    }

    fn spread_over(zones: &[Option<u64>], count: usize) -> Vec<u8> {
        let chosen = spread(&places(zones), count);
        chosen.iter().map(|peer| peer.address).collect()
    }

    #[test]
    fn copies_go_to_different_zones_while_there_are_some() {
        let [a, b, c] = [1, 2, 3].map(Some);
        assert_eq!(spread_over(&[a, a, b, b, c], 3), [0, 2, 4]);
        assert_eq!(spread_over(&[a, a, b, b], 3), [0, 2, 1]);
        assert_eq!(spread_over(&[a, a, a], 2), [0, 1]);
        assert_eq!(spread_over(&[a], 3), [0]);
    }

    #[test]
    fn without_zones_the_nearest_keep_the_copies() {
        assert_eq!(spread_over(&[None; 5], 3), [0, 1, 2]);
        assert_eq!(zones(&places(&[None, None, Some(7), Some(7)])), 3);
    }
}
