//! Invariant: what Zave proved to hold at every moment, and what follows from it.
//!
//! OneLiveSuccessor: every member's list has a living member in it. SufficientPrincipals: at least
//! one member more than the lists are long is skipped by nobody's list. What they imply is checked
//! as well, for a mistake in the reasoning would hide there: lists are clockwise and without
//! duplicates, and there is just one ring, in order, that every member leads to.

use dht::Id;

use super::Violation;
use crate::engine::{Address, List, Network};

/// Checks the whole network: O(N L log N). Errors: the first property that does not hold.
pub fn check(network: &Network) -> Result<(), Violation> {
    let ring = Ring::of(network);
    for (_, address) in &ring.members {
        check_list(network, *address)?;
    }
    let principals = ring.principals(network, std::iter::empty());
    let needed = principals_needed(network);
    let fail = |property, text| Err(Violation::new(property, network.now_us(), text));
    if principals < needed {
        let members = ring.members.len();
        let text = format!("{principals} of {members} members are principal; {needed} are needed");
        return fail("SufficientPrincipals", text);
    }
    ring.one_ring().or_else(|text| fail("OneOrderedRing", text))
}

/// Checks the list of one member: O(L). Errors: OrderedLists, or OneLiveSuccessor.
pub(super) fn check_list(network: &Network, at: Address) -> Result<(), Violation> {
    let view = network.view(at);
    let (me, list) = (view.me, &view.successors);
    let distances = list.iter().map(|peer| me.id.distance_to(peer.id));
    let is_clockwise =
        distances.is_sorted_by(|a, b| a < b) && list.iter().all(|peer| peer.id != me.id);
    let fail = |property, text| Err(Violation::new(property, network.now_us(), text));
    if !is_clockwise || list.len() > usize::from(network.config().successors) {
        let text = format!("{me:?} has the successor list {list:?}");
        return fail("OrderedLists", text);
    }
    if !view.is_alone() && !list.iter().any(|peer| network.is_member(peer)) {
        let text = format!("nobody in the successor list {list:?} of {me:?} is alive");
        return fail("OneLiveSuccessor", text);
    }
    Ok(())
}

/// One more than lists are long, or all where there are fewer.
pub(super) fn principals_needed(network: &Network) -> usize {
    let length = usize::from(network.config().successors);
    (length + 1).min(network.census().len())
}

/// The members that nobody's list skips.
pub(super) fn principals(network: &Network) -> impl Iterator<Item = Id> {
    let ring = Ring::of(network);
    let places = ring.principal_places(network, std::iter::empty());
    let members = ring.members.into_iter().zip(places);
    members.filter_map(|((id, _), is_principal)| is_principal.then_some(id))
}

/// The members in order, and whom each takes for its successor.
pub(crate) struct Ring {
    pub(crate) members: Vec<(Id, u32)>,
    /// Place of the first living successor, by place.
    best: Vec<Option<usize>>,
}

impl Ring {
    pub(crate) fn of(network: &Network) -> Ring {
        let mut ring = Ring {
            members: network.census().iter().collect(),
            best: Vec::new(),
        };
        let best = |(_, address): &(Id, u32)| {
            let view = network.view(*address);
            if view.is_alone() {
                return Some(ring.place(view.me.id));
            }
            let mut list = view.successors.iter();
            let first = list.find(|peer| network.is_member(peer))?;
            Some(ring.place(first.id))
        };
        ring.best = ring.members.iter().map(best).collect();
        ring
    }

    /// The place of the first member at or after an identifier.
    fn place(&self, id: Id) -> usize {
        self.members.partition_point(|(other, _)| *other < id) % self.members.len().max(1)
    }

    /// How many members nobody's list skips, lists on their way included if they are given.
    pub(crate) fn principals<'a>(
        &self,
        network: &Network,
        lists: impl Iterator<Item = List<'a>>,
    ) -> usize {
        self.principal_places(network, lists)
            .iter()
            .filter(|is_principal| **is_principal)
            .count()
    }

    pub(crate) fn principal_places<'a>(
        &self,
        network: &Network,
        lists: impl Iterator<Item = List<'a>>,
    ) -> Vec<bool> {
        let count = self.members.len();
        let mut is_principal = vec![true; count];
        let mut skip = |before: Id, after: Id| {
            let mut place = self.place(before.next());
            for _ in 0..count {
                if !self.members[place].0.is_between(before, after) {
                    break;
                }
                is_principal[place] = false;
                place = (place + 1) % count;
            }
        };
        for (id, address) in &self.members {
            let mut before = *id;
            for peer in &network.view(*address).successors {
                skip(before, peer.id);
                before = peer.id;
            }
        }
        for list in lists {
            let mut before = list.of.id;
            for peer in list.successors {
                skip(before, peer.id);
                before = peer.id;
            }
        }
        is_principal
    }

    /// Whether all lead to one ring that goes around once.
    fn one_ring(&self) -> Result<(), String> {
        let count = self.members.len();
        if count == 0 {
            return Ok(());
        }
        let next = |place: usize| self.best[place].unwrap_or(place);
        let mut on_ring = 0;
        for _ in 0..count {
            on_ring = next(on_ring);
        }
        let mut state = vec![Seen::Never; count];
        let (mut place, mut wraps) = (on_ring, 0);
        loop {
            state[place] = Seen::Leads;
            let after = next(place);
            wraps += usize::from(after <= place);
            place = after;
            if place == on_ring {
                break;
            }
        }
        if wraps != 1 {
            let text = format!("the ring goes around {wraps} times before it comes back");
            return Err(text);
        }
        for start in 0..count {
            let mut place = start;
            while state[place] == Seen::Never {
                state[place] = Seen::Now;
                place = next(place);
            }
            if state[place] == Seen::Now {
                let (one, other) = (self.members[on_ring], self.members[place]);
                return Err(format!(
                    "there are two rings: one with {:.8}@{}, one with {:.8}@{}",
                    one.0, one.1, other.0, other.1
                ));
            }
            let mut place = start;
            while state[place] == Seen::Now {
                state[place] = Seen::Leads;
                place = next(place);
            }
        }
        Ok(())
    }

    /// How far the worst first pointer is off: members between a node and whom it points to.
    pub(crate) fn error(&self, network: &Network) -> usize {
        let count = self.members.len();
        let mut worst = 0;
        for (place, (_, address)) in self.members.iter().enumerate() {
            let successor = self.best[place].unwrap_or(place);
            let ahead = (successor + count - place) % count;
            let predecessor = network.view(*address).predecessor;
            let behind = predecessor.map_or(count, |peer| {
                // A predecessor that is gone stands for nobody: the error is up to whoever follows it.
                let other = self.place(peer.id);
                (place + count - other) % count
            });
            worst = worst.max(ahead).max(behind);
        }
        worst.saturating_sub(1)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Never,
    Now,
    Leads,
}
