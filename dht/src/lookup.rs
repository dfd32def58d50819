//! Lookup: the search for the owner of one key, as a small state machine.
//!
//! Iterative, as in the evaluation of the Chord papers: the node that wants to know asks one node
//! after the other. It knows nothing of messages or time: whoever drives it asks [`Lookup::next`]
//! what to do, does it, and tells it what came of it.
//!
//! Once a node has named its neighbour as the owner, or as the only way there, the search does not go back
//! behind it: nobody farther away knows better who follows it. If that neighbour is dead, there is nothing
//! to do but to tell the node, and to ask it again a little later.

use alloc::vec::Vec;

use crate::event::Hop;
use crate::id::Id;
use crate::message::{Link, LinkKind, Route, Routed, Routing};
use crate::peer::{Address, Peer};

/// One search for one key.
#[derive(Clone, Debug)]
pub struct Lookup<A> {
    /// What is looked for, and how.
    pub route: Route,
    /// Every node that was asked, the failed ones too.
    path: Vec<Hop<A>>,
    /// Where in the path the present attempt began.
    attempt: usize,
    /// Where to go, the best first.
    ways: Vec<Link<A>>,
    /// Nothing that is farther from the key is a way to go.
    reach: Id,
    /// Who is said to own the key.
    owner: Option<Link<A>>,
    /// Who said last, in this attempt or in an earlier one, that its neighbour is the owner or leads there.
    namer: Option<Link<A>>,
    /// Whose neighbour is dead.
    misled_by: Option<Peer<A>>,
    /// Those who were said to own it in this attempt, so that two that name each other end it.
    named: Vec<Peer<A>>,
    /// Whether the last node of the path called itself the owner.
    confirmed: bool,
}

/// What a lookup needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<A> {
    /// Ask this node for the way.
    Ask(Link<A>),
    /// This node is said to own the key: ask it, and it will check.
    Confirm(Link<A>),
    /// The last node of the path owns the key, and says so itself.
    Found,
    /// No way is left; a new attempt may find one.
    Stuck,
    /// The search is longer than any path should be.
    TooLong,
}

impl<A: Address> Lookup<A> {
    /// A search that starts by asking these nodes, the first one first.
    pub fn through(route: Route, ways: Vec<Link<A>>) -> Lookup<A> {
        Lookup {
            route,
            path: Vec::new(),
            attempt: 0,
            ways,
            reach: Id::MAX,
            owner: None,
            namer: None,
            misled_by: None,
            named: Vec::new(),
            confirmed: false,
        }
    }

    /// A search that starts at the node that searches, with what it knows itself.
    pub fn from(route: Route, me: &Peer<A>, known: Routed<A>) -> Lookup<A> {
        let mut lookup = Lookup::through(route, Vec::new());
        lookup.begin(me, known);
        lookup
    }

    /// First asks a node that was the owner when last seen.
    pub fn suppose(&mut self, owner: Link<A>) {
        self.owner = Some(owner);
    }

    /// Starts over from the node that searches, keeping the path so far. Who has named an owner before
    /// may name a better one now.
    pub fn retry(&mut self, me: &Peer<A>, known: Routed<A>) {
        self.attempt = self.path.len();
        self.confirmed = false;
        self.ways.clear();
        self.owner = None;
        self.named.clear();
        self.begin(me, known);
        let namer = self.namer.take().filter(|namer| namer.node != *me);
        self.ways.splice(0..0, namer);
    }

    fn begin(&mut self, me: &Peer<A>, known: Routed<A>) {
        self.reach = Id::MAX;
        if self.path.is_empty() {
            let start = Link {
                node: me.clone(),
                kind: LinkKind::Start,
            };
            self.answered(&start, 0);
        }
        self.learn(me, known);
        // In a later attempt the last node of the path is another one.
        if self.confirmed {
            let (node, kind) = (me.clone(), LinkKind::Owner);
            self.answered(&Link { node, kind }, 0);
        }
    }

    /// What to do next.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is no iterator: what comes next depends on what it is told meanwhile"
    )]
    pub fn next(&mut self) -> Next<A> {
        if self.confirmed {
            return Next::Found;
        }
        if self.path.len() - self.attempt > hops_max(self.route.routing) {
            return Next::TooLong;
        }
        if let Some(owner) = self.owner.take() {
            if self.has_failed(&owner.node) {
                self.lead_nowhere(&owner);
            } else if !self.named.contains(&owner.node) {
                self.named.push(owner.node.clone());
                return Next::Confirm(owner);
            }
        }
        while !self.ways.is_empty() {
            let way = self.ways.remove(0);
            if !self.was_asked(&way.node) {
                return Next::Ask(way);
            }
            if self.has_failed(&way.node) {
                self.lead_nowhere(&way);
            }
        }
        Next::Stuck
    }

    /// A node answered after this time; what it said comes by [`Lookup::learn`].
    pub fn answered(&mut self, link: &Link<A>, micros: u32) {
        match self.path.last_mut() {
            Some(last) if last.node == link.node && last.ok => {
                last.micros = last.micros.saturating_add(micros);
            }
            _ => self.hop(link, micros, true),
        }
    }

    /// A node did not answer.
    pub fn failed(&mut self, link: &Link<A>) {
        self.confirmed = false;
        self.hop(link, 0, false);
        self.lead_nowhere(link);
    }

    /// A node that should have a look at its neighbour, for that one is dead.
    pub fn misled_by(&mut self) -> Option<Peer<A>> {
        self.misled_by.take()
    }

    /// What a node said of the way.
    pub fn learn(&mut self, from: &Peer<A>, routed: Routed<A>) {
        match routed {
            Routed::Owner(owner) => {
                self.confirmed = owner == *from;
                self.stay_beyond(from);
                let kind = LinkKind::Owner;
                self.owner = Some(Link { node: owner, kind });
            }
            Routed::Closer(mut links) => {
                links.truncate(crate::view::LINKS_MAX);
                links.retain(|link| self.is_within_reach(link));
                let is_nearer =
                    |a: &Link<A>, b: &Link<A>| self.ahead(&a.node) <= self.ahead(&b.node);
                let is_sorted = match (links.last(), self.ways.first()) {
                    (Some(last), Some(first)) => is_nearer(last, first),
                    _ => true,
                };
                self.ways.splice(0..0, links);
                // Mostly they are: whoever is nearer names nodes that are nearer still.
                if !is_sorted {
                    let mut ways = core::mem::take(&mut self.ways);
                    ways.sort_by_key(|way| self.ahead(&way.node));
                    self.ways = ways;
                }
                self.ways.truncate(WAYS_MAX);
            }
        }
    }

    /// The supposed owner said that another node may serve the key.
    pub fn redirected(&mut self, hint: Option<Peer<A>>) {
        self.confirmed = false;
        self.ways.clear();
        let kind = LinkKind::Hint;
        self.owner = hint.map(|node| Link { node, kind });
    }

    /// Every node that was asked, in order.
    pub fn into_path(self) -> Vec<Hop<A>> {
        self.path
    }

    /// The last node that answered.
    pub fn last(&self) -> Option<&Peer<A>> {
        let last = self.path.iter().rev().find(|hop| hop.ok);
        last.map(|hop| &hop.node)
    }

    /// A dead node was named. If it was named as a neighbour, there is nobody between the two.
    fn lead_nowhere(&mut self, link: &Link<A>) {
        let before = match link.kind {
            LinkKind::Owner => self.namer.as_ref().map(|namer| &namer.node),
            // Whatever else that one named lies nearer to the key, and has been tried.
            LinkKind::Successor(1) => self
                .last()
                .filter(|last| self.ahead(&link.node) < self.ahead(last)),
            _ => None,
        };
        if let Some(before) = before.cloned() {
            self.stay_beyond(&before);
            self.misled_by = Some(before);
        }
    }

    /// Does not go back behind a node.
    fn stay_beyond(&mut self, node: &Peer<A>) {
        self.reach = self.reach.min(self.ahead(node));
        let mut ways = core::mem::take(&mut self.ways);
        ways.retain(|way| self.is_within_reach(way));
        self.ways = ways;
        self.namer = self.link_to(node);
    }

    /// How far a node is from the key; a node at the key is once around the ring from it.
    fn ahead(&self, node: &Peer<A>) -> Id {
        let target = self.route.rule.target(self.route.key);
        node.id.distance_to(target).previous()
    }

    fn is_within_reach(&self, link: &Link<A>) -> bool {
        self.ahead(&link.node) <= self.reach
    }

    /// As what a node was asked.
    fn link_to(&self, node: &Peer<A>) -> Option<Link<A>> {
        let hop = self.path.iter().rev().find(|hop| hop.node == *node)?;
        let (node, kind) = (hop.node.clone(), hop.why);
        Some(Link { node, kind })
    }

    fn hop(&mut self, link: &Link<A>, micros: u32, ok: bool) {
        self.path.push(Hop {
            node: link.node.clone(),
            why: link.kind,
            micros,
            ok,
        });
    }

    fn was_asked(&self, node: &Peer<A>) -> bool {
        let attempt = &self.path[self.attempt..];
        attempt.iter().any(|hop| hop.node == *node)
    }

    fn has_failed(&self, node: &Peer<A>) -> bool {
        let attempt = &self.path[self.attempt..];
        attempt.iter().any(|hop| hop.node == *node && !hop.ok)
    }
}

/// Hops after which an attempt is given up. By fingers 2^40 nodes are within 40 hops; by successors
/// only so many nodes are searched as anyone would run to see how slow it is.
const fn hops_max(routing: Routing) -> usize {
    match routing {
        Routing::Finger => 64,
        Routing::Linear => 1024,
    }
}

/// Ways that are kept in mind at a time.
const WAYS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::Ownership;

    fn peer(number: u8) -> Peer<u8> {
        Peer {
            id: Id::from_bytes([number; Id::BYTES]),
            address: number,
            incarnation: 1,
        }
    }

    fn link(number: u8) -> Link<u8> {
        let (node, kind) = (peer(number), LinkKind::Successor(1));
        Link { node, kind }
    }

    fn route(routing: Routing) -> Route {
        Route {
            key: Id::MAX,
            rule: Ownership::Successor,
            routing,
        }
    }

    fn start(ways: &[u8]) -> Lookup<u8> {
        let ways = ways.iter().map(|number| link(*number)).collect();
        Lookup::from(route(Routing::Finger), &peer(0), Routed::Closer(ways))
    }

    fn path(lookup: Lookup<u8>) -> Vec<(u8, bool)> {
        let hops = lookup.into_path().into_iter();
        hops.map(|hop| (hop.node.address, hop.ok)).collect()
    }

    #[test]
    fn the_next_best_way_is_taken_where_the_best_is_dead() {
        let mut lookup = start(&[3, 2]);
        assert_eq!(lookup.next(), Next::Ask(link(3)));
        lookup.failed(&link(3));
        assert_eq!(lookup.next(), Next::Ask(link(2)));
        lookup.answered(&link(2), 5);
        assert_eq!(path(lookup), [(0, true), (3, false), (2, true)]);
    }

    #[test]
    fn an_owner_is_believed_only_by_its_own_word() {
        let mut lookup = start(&[2]);
        assert_eq!(lookup.next(), Next::Ask(link(2)));
        lookup.answered(&link(2), 5);
        lookup.learn(&peer(2), Routed::Owner(peer(4)));
        let Next::Confirm(owner) = lookup.next() else {
            panic!("the owner is asked");
        };
        assert_eq!((owner.node, owner.kind), (peer(4), LinkKind::Owner));
        lookup.answered(&owner, 5);
        lookup.learn(&peer(4), Routed::Owner(peer(4)));
        assert_eq!(lookup.next(), Next::Found);
        assert_eq!(lookup.last(), Some(&peer(4)));
    }

    #[test]
    fn nobody_farther_away_is_asked_once_an_owner_was_named() {
        let mut lookup = start(&[3, 2]);
        assert_eq!(lookup.next(), Next::Ask(link(3)));
        lookup.answered(&link(3), 5);
        lookup.learn(&peer(3), Routed::Owner(peer(5)));
        let Next::Confirm(owner) = lookup.next() else {
            panic!("the owner is asked");
        };
        lookup.failed(&owner);
        assert_eq!(lookup.misled_by(), Some(peer(3)));
        // What lies nearer to the key may still know better; 2 does not.
        lookup.learn(&peer(3), Routed::Closer([link(4), link(1)].into()));
        assert_eq!(lookup.next(), Next::Ask(link(4)));
        assert_eq!(lookup.next(), Next::Stuck);
    }

    #[test]
    fn whoever_named_an_owner_is_asked_first_in_the_next_attempt() {
        let mut lookup = start(&[3]);
        assert_eq!(lookup.next(), Next::Ask(link(3)));
        lookup.answered(&link(3), 5);
        lookup.learn(&peer(3), Routed::Owner(peer(5)));
        lookup.retry(&peer(0), Routed::Closer([link(2)].into()));
        assert_eq!(lookup.next(), Next::Ask(link(3)));
        assert_eq!(lookup.next(), Next::Ask(link(2)));
    }

    #[test]
    fn a_node_whose_only_way_is_dead_is_told_and_nobody_farther_away_is_asked() {
        let mut lookup = start(&[3, 2]);
        assert_eq!(lookup.next(), Next::Ask(link(3)));
        lookup.answered(&link(3), 5);
        lookup.learn(&peer(3), Routed::Closer([link(4)].into()));
        assert_eq!(lookup.next(), Next::Ask(link(4)));
        lookup.failed(&link(4));
        assert_eq!(lookup.misled_by(), Some(peer(3)));
        assert_eq!(lookup.next(), Next::Stuck);
    }

    #[test]
    fn a_supposed_owner_that_is_none_leads_nowhere_better_than_what_is_known() {
        let mut lookup = start(&[3, 2]);
        lookup.suppose(link(9));
        assert!(matches!(lookup.next(), Next::Confirm(_)));
        lookup.answered(&link(9), 5);
        lookup.learn(&peer(9), Routed::Closer([link(1)].into()));
        for number in [3, 2, 1] {
            assert_eq!(lookup.next(), Next::Ask(link(number)));
        }
    }

    #[test]
    fn two_nodes_that_name_each_other_end_it() {
        let mut lookup = start(&[]);
        lookup.learn(&peer(0), Routed::Owner(peer(1)));
        for (named, other) in [(1, 2), (2, 1)] {
            let Next::Confirm(owner) = lookup.next() else {
                panic!("{named} is asked once");
            };
            assert_eq!(owner.node, peer(named));
            lookup.answered(&owner, 5);
            lookup.redirected(Some(peer(other)));
        }
        assert_eq!(lookup.next(), Next::Stuck);
    }

    #[test]
    fn a_new_attempt_may_ask_again_whom_the_last_one_asked() {
        let mut lookup = start(&[2]);
        assert_eq!(lookup.next(), Next::Ask(link(2)));
        lookup.failed(&link(2));
        assert_eq!(lookup.next(), Next::Stuck);
        lookup.retry(&peer(0), Routed::Closer([link(2)].into()));
        assert_eq!(lookup.next(), Next::Ask(link(2)));
    }

    #[test]
    fn an_attempt_that_finds_the_searcher_itself_ends_at_it() {
        let mut lookup = start(&[2]);
        lookup.answered(&link(2), 5);
        lookup.retry(&peer(0), Routed::Owner(peer(0)));
        assert_eq!(lookup.next(), Next::Found);
        assert_eq!(lookup.last(), Some(&peer(0)));
    }

    #[test]
    fn no_path_is_endless() {
        for routing in [Routing::Finger, Routing::Linear] {
            // Each a step nearer to the key than the one before.
            let here = |number: u32| {
                let mut bytes = [0; Id::BYTES];
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                Peer {
                    id: Id::from_bytes(bytes),
                    address: number,
                    incarnation: 1,
                }
            };
            let ahead = |number| Link {
                node: here(number),
                kind: LinkKind::Successor(1),
            };
            let mut lookup =
                Lookup::from(route(routing), &here(0), Routed::Closer([ahead(1)].into()));
            let mut asked = 0;
            while let Next::Ask(link) = lookup.next() {
                asked += 1;
                lookup.answered(&link, 5);
                lookup.learn(&link.node, Routed::Closer([ahead(asked + 1)].into()));
            }
            assert_eq!(lookup.next(), Next::TooLong);
            assert_eq!(asked as usize, hops_max(routing));
        }
    }

    #[test]
    fn nobody_can_fill_the_list_of_ways() {
        let mut lookup = start(&[]);
        for number in 0..100 {
            let many = (0..200).map(|other| link(number ^ other)).collect();
            lookup.learn(&peer(number), Routed::Closer(many));
            assert!(lookup.ways.len() <= WAYS_MAX);
        }
    }
}
