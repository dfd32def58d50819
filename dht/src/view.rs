//! View: what a node is at one moment, as others may see it.
//!
//! The node changes its own view; everyone else reads copies. Two things stand in it that are never
//! mixed: the *pointers*, which only the ring's maintenance changes, and what the node *serves*,
//! which only a completed handover or takeover changes. A door answers reads from a copy without
//! asking the node: [`View::decide`], read the store, and see that the view is still the same one.

use alloc::sync;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{Arc, Id};
use crate::listed::table::Table;
use crate::message::{Elsewhere, Link, LinkKind, Routed, Routing, State};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::ranges;
use crate::replication::group::Group;

/// A node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<A> {
    /// The node itself.
    pub me: Peer<A>,
    /// How far its life has gone.
    pub phase: Phase,
    /// Which of two neighbours owns a key, in this network.
    pub ownership: Ownership,
    /// The node before it: nothing until it has joined, itself where it is alone.
    pub predecessor: Option<Peer<A>>,
    /// The nodes after it, strictly clockwise and without itself; empty where it is alone.
    pub successors: Vec<Peer<A>>,
    /// Distinct fingers beyond the first successor, by rising exponent.
    pub fingers: Vec<Finger<A>>,
    /// What it answers for.
    pub serves: Vec<Range>,
    /// The part of it that is on its way to another node and answers nothing at this moment.
    pub fenced: Option<Arc>,
    /// The handover that it gives, if one is going on.
    pub handover: Option<Handover<A>>,
    /// Handovers that it receives: the arc, and from whom.
    pub receives: Vec<(Arc, Peer<A>)>,
    /// The groups that it belongs to, where content is kept by groups; it serves where it leads one.
    pub groups: Vec<Held<A>>,
    /// What it fetches of other members of these, or of those that it is to become a member of.
    pub fetches: Vec<Fetching>,
    /// Where the network is one of listed members: the list, and what follows from it. Then all of the above
    /// but `me` and `phase` is empty, for there is no ring.
    pub table: Option<sync::Arc<Table<A>>>,
}

/// A group's content on its way to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetching {
    /// Of this arc.
    pub arc: Arc,
    /// In this epoch.
    pub epoch: u32,
    /// Records that have come.
    pub records: u32,
    /// How much of the arc they lie on, 0 to 100: keys are spread evenly.
    pub percent: u8,
}

/// How far a node's life has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It looks for its place.
    Joining,
    /// It is part of the ring.
    Member,
    /// It hands its content over and takes nothing more.
    Leaving,
    /// It is no longer part of the ring.
    Left,
    /// It lost its place, serves nothing, and looks for a new one.
    Lost,
}

/// A finger: the first node at or after the node's identifier + 2^`exponent`, and for all higher
/// exponents up to the next finger's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finger<A> {
    /// The lowest exponent it stands for.
    pub exponent: u8,
    /// Where it points.
    pub node: Peer<A>,
}

/// A piece of the ring that a node answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// Where.
    pub arc: Arc,
    /// Since which change of owners.
    pub epoch: u32,
}

/// A handover under way, as its giver sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover<A> {
    /// Who takes.
    pub to: Peer<A>,
    /// What moves.
    pub arc: Arc,
    /// Records sent so far.
    pub sent: usize,
}

/// A group that a node belongs to, as that node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<A> {
    /// Which.
    pub group: Group<A>,
    /// Members that have all of its content: all that there are, by its leader; only the node itself, if
    /// at all, by others.
    pub synced: Vec<Id>,
}

/// Whether a node may answer for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<A> {
    /// Yes, in this epoch.
    Serve(u32),
    /// No.
    Elsewhere(Elsewhere<A>),
}

impl<A: Address> View<A> {
    /// A node that belongs to nothing yet.
    pub(crate) fn joining(me: Peer<A>, ownership: Ownership) -> View<A> {
        View {
            me,
            phase: Phase::Joining,
            ownership,
            predecessor: None,
            successors: Vec::new(),
            fingers: Vec::new(),
            serves: Vec::new(),
            fenced: None,
            handover: None,
            receives: Vec::new(),
            groups: Vec::new(),
            fetches: Vec::new(),
            table: None,
        }
    }

    /// Whether this node answers for `key`, and if not, who may.
    pub fn decide(&self, key: Id) -> Decision<A> {
        if self.fenced.is_some_and(|arc| arc.contains(key)) {
            return Decision::Elsewhere(Elsewhere::Moving);
        }
        match self.serves.iter().find(|range| range.arc.contains(key)) {
            Some(range) => Decision::Serve(range.epoch),
            None => Decision::Elsewhere(Elsewhere::At(self.hint(key))),
        }
    }

    /// The group that keeps `key`, if this node belongs to it.
    pub fn held(&self, key: Id) -> Option<&Held<A>> {
        self.groups.iter().find(|held| held.group.arc.contains(key))
    }

    /// Whether this node has a copy of all that its group had when it began, and most of what came since.
    pub fn has_copy(&self, key: Id) -> bool {
        self.held(key)
            .is_some_and(|held| held.synced.contains(&self.me.id))
    }

    /// Who may serve a key that this node does not: whoever is handing it over, or else the
    /// neighbour that a joiner gets its arc from, if the key is this node's by its pointers, or
    /// else whom the pointers name.
    fn hint(&self, key: Id) -> Option<Peer<A>> {
        if let Some(held) = self.held(key) {
            let leader = &held.group.leader().peer;
            return (leader.id != self.me.id).then(|| leader.clone());
        }
        let giver = self.receives.iter().find(|(arc, _)| arc.contains(key));
        if let Some((_, giver)) = giver {
            return Some(giver.clone());
        }
        let named = match self.route(key, self.ownership, Routing::Finger, |_| false) {
            Routed::Owner(owner) => owner,
            Routed::Closer(links) => links.into_iter().next()?.node,
        };
        let heir = || {
            self.ownership
                .heir(self.predecessor.clone(), Some(self.successor().clone()))
        };
        if named == self.me {
            heir().filter(|heir| *heir != self.me)
        } else {
            Some(named)
        }
    }

    /// One step of a lookup: the owner as far as the pointers tell, or nodes that are closer.
    /// Nodes that are `skipped` are passed over; a node that is in no ring knows no way.
    pub fn route(
        &self,
        key: Id,
        rule: Ownership,
        routing: Routing,
        skipped: impl Fn(&Peer<A>) -> bool,
    ) -> Routed<A> {
        if !matches!(self.phase, Phase::Member | Phase::Leaving) {
            return Routed::Closer(Vec::new());
        }
        let target = rule.target(key);
        let me = &self.me;
        if let Some(predecessor) = &self.predecessor
            && Arc::new(predecessor.id, me.id).contains(target)
        {
            return Routed::Owner(rule.pick(predecessor, me).clone());
        }
        let Some((place, successor)) = self.first_successor(&skipped) else {
            return Routed::Closer(Vec::new());
        };
        if Arc::new(me.id, successor.id).contains(target) {
            return Routed::Owner(rule.pick(me, successor).clone());
        }
        if routing == Routing::Linear {
            let kind = LinkKind::Successor(place);
            let node = successor.clone();
            return Routed::Closer([Link { node, kind }].into());
        }
        Routed::Closer(self.closest_preceding(target, &skipped))
    }

    /// The first successor that is not skipped, with its place in the list counted from 1.
    fn first_successor(&self, skipped: impl Fn(&Peer<A>) -> bool) -> Option<(u8, &Peer<A>)> {
        (1..).zip(&self.successors).find(|(_, peer)| !skipped(peer))
    }

    /// Nodes known to lie between this one and `target`, the closest to it first.
    ///
    /// Both sources are in clockwise order, so each is read from behind, and only as far as needed.
    fn closest_preceding(&self, target: Id, skipped: impl Fn(&Peer<A>) -> bool) -> Vec<Link<A>> {
        let me = self.me.id;
        // To a target that is our own place it is once around the ring.
        let reach = me.distance_to(target).previous();
        let is_before = |node: &Peer<A>| {
            let distance = me.distance_to(node.id);
            distance != Id::ZERO && distance <= reach
        };
        let near = self
            .fingers
            .partition_point(|finger| is_before(&finger.node));
        let mut fingers = self.fingers[..near]
            .iter()
            .rev()
            .map(|finger| (LinkKind::Finger(finger.exponent), &finger.node))
            .filter(|(_, node)| !skipped(node))
            .peekable();
        let near = self.successors.partition_point(is_before);
        let mut successors = (1..=near as u8)
            .rev()
            .zip(self.successors[..near].iter().rev())
            .map(|(place, peer)| (LinkKind::Successor(place), peer))
            .filter(|(_, node)| !skipped(node))
            .peekable();
        let mut links = Vec::with_capacity(LINKS_MAX);
        while links.len() < LINKS_MAX {
            let next = match (fingers.peek(), successors.peek()) {
                (Some((_, finger)), Some((_, successor))) => {
                    let (far, near) = (me.distance_to(finger.id), me.distance_to(successor.id));
                    if far > near {
                        fingers.next()
                    } else {
                        if far == near {
                            fingers.next();
                        }
                        successors.next()
                    }
                }
                (Some(_), None) => fingers.next(),
                (None, _) => successors.next(),
            };
            let Some((kind, node)) = next else {
                break;
            };
            let node = node.clone();
            links.push(Link { node, kind });
        }
        links
    }

    /// The first successor; the node itself where it is alone.
    pub fn successor(&self) -> &Peer<A> {
        self.successors.first().unwrap_or(&self.me)
    }

    /// Whether this node is the only one of its ring.
    pub fn is_alone(&self) -> bool {
        self.predecessor.as_ref() == Some(&self.me)
    }

    /// The arc that this node should serve by its pointers; nothing until it has joined, or while it
    /// knows no successor.
    pub fn own_arc(&self) -> Option<Arc> {
        let predecessor = self.predecessor.as_ref()?;
        if self.successors.is_empty() && !self.is_alone() {
            return None;
        }
        Some(
            self.ownership
                .arc(predecessor.id, self.me.id, self.successor().id),
        )
    }

    /// Whether it is a member and serves all that is its own: whether it is ready for clients. A member of a
    /// list answers for all by the others.
    pub fn is_ready(&self) -> bool {
        let served = |arc: Arc| {
            let serves = self.serves.iter().map(|range| range.arc);
            ranges::missing(arc, serves).is_empty()
        };
        let is_listed = |table: &sync::Arc<Table<A>>| table.member(self.me.id).is_some();
        let is_placed = self.own_arc().is_some_and(served);
        self.phase == Phase::Member && (is_placed || self.table.as_ref().is_some_and(is_listed))
    }

    /// What it tells others of its pointers.
    pub fn state(&self) -> State<A> {
        State {
            predecessor: self.predecessor.clone(),
            successors: self.successors.clone(),
        }
    }
}

/// Ways to go that one answer names: the best, and some to try where it is dead. With half of all nodes
/// dead and stale fingers, four leave lookups without a way that eight still find.
pub const LINKS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Config, Node};

    fn id(number: u8) -> Id {
        let mut bytes = [0; Id::BYTES];
        bytes[Id::BYTES - 1] = number;
        Id::from_bytes(bytes)
    }

    fn peer(number: u8) -> Peer<u8> {
        Peer {
            id: id(number),
            address: number,
            incarnation: 1,
        }
    }

    fn arc(start: u8, end: u8) -> Arc {
        Arc::new(id(start), id(end))
    }

    /// Node 20 of the ring of 10 to 50.
    fn view(ownership: Ownership) -> View<u8> {
        let ring = [10, 20, 30, 40, 50].map(peer);
        let config = Config {
            ownership,
            ..Config::default()
        };
        Node::in_ring(peer(20), &ring, config).view().clone()
    }

    #[test]
    fn a_key_is_served_in_the_epoch_of_its_range() {
        let mut view = view(Ownership::Successor);
        view.serves = Vec::from([
            Range {
                arc: arc(5, 10),
                epoch: 7,
            },
            Range {
                arc: arc(10, 20),
                epoch: 3,
            },
        ]);
        assert_eq!(view.decide(id(10)), Decision::Serve(7));
        assert_eq!(view.decide(id(11)), Decision::Serve(3));
    }

    #[test]
    fn a_fenced_key_is_moving_and_the_rest_is_served() {
        let mut view = view(Ownership::Successor);
        view.fenced = Some(arc(10, 15));
        assert_eq!(view.decide(id(15)), Decision::Elsewhere(Elsewhere::Moving));
        assert_eq!(view.decide(id(16)), Decision::Serve(1));
    }

    #[test]
    fn a_foreign_key_comes_with_a_hint() {
        let hint = |view: &View<u8>, key| match view.decide(id(key)) {
            Decision::Elsewhere(Elsewhere::At(Some(peer))) => peer.address,
            other => panic!("{key}: {other:?}"),
        };
        let mut view = view(Ownership::Successor);
        assert_eq!(hint(&view, 25), 30);
        // Its own by the pointers, but not served: the neighbour that it comes from may have it.
        view.serves.clear();
        assert_eq!(hint(&view, 15), 30);
        // On its way from somebody else: that one has it.
        view.receives = Vec::from([(arc(10, 20), peer(40))]);
        assert_eq!(hint(&view, 15), 40);
    }

    #[test]
    fn the_two_rules_name_different_owners() {
        let owner = |rule, key| {
            let view = view(Ownership::Successor);
            match view.route(id(key), rule, Routing::Finger, |_| false) {
                Routed::Owner(owner) => owner.address,
                Routed::Closer(links) => panic!("{links:?}"),
            }
        };
        for (key, first_after, last_before) in [(15, 20, 10), (20, 20, 20), (25, 30, 20)] {
            if key != 20 {
                assert_eq!(owner(Ownership::Predecessor, key), last_before);
            }
            assert_eq!(owner(Ownership::Successor, key), first_after);
        }
        assert_eq!(owner(Ownership::Predecessor, 20), 20);
        assert_eq!(owner(Ownership::Predecessor, 19), 10);
    }

    #[test]
    fn ways_are_the_closest_first_and_few() {
        let view = view(Ownership::Successor);
        let ways =
            |skips: u8| match view.route(id(9), Ownership::Successor, Routing::Finger, |peer| {
                peer.address == skips
            }) {
                Routed::Closer(links) => {
                    let nodes = links.iter().map(|link| link.node.address);
                    nodes.collect::<Vec<u8>>()
                }
                Routed::Owner(owner) => panic!("{owner:?}"),
            };
        assert_eq!(ways(0), [50, 40, 30]);
        assert_eq!(ways(50), [40, 30]);
        assert!(ways(0).len() <= LINKS_MAX);
    }

    #[test]
    fn a_member_is_ready_when_it_serves_all_that_is_its_own() {
        for ownership in [Ownership::Successor, Ownership::Predecessor] {
            let mut view = view(ownership);
            assert!(view.is_ready());
            let served = core::mem::take(&mut view.serves);
            assert!(!view.is_ready());
            view.serves = served;
            view.phase = Phase::Leaving;
            assert!(!view.is_ready());
        }
    }

    #[test]
    fn who_is_in_no_ring_knows_no_way() {
        let mut view = view(Ownership::Successor);
        for phase in [Phase::Joining, Phase::Lost] {
            view.phase = phase;
            let routed = view.route(id(15), Ownership::Successor, Routing::Finger, |_| false);
            assert_eq!(routed, Routed::Closer(Vec::new()));
        }
    }
}
