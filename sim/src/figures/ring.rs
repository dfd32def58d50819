//! Ring: the ideal ring of the engine, and lookups in it without messages.
//!
//! Each node is a [`dht::Node`] with the pointers that maintenance gives it, each step of a lookup is
//! an answer of its [`dht::View`], and the asker is [`dht::lookup::Lookup`]: all that a real lookup
//! does but send messages and wait.

use dht::event::Hop;
use dht::lookup::{Lookup, Next};
use dht::message::{Route, Routing};
use dht::{Id, Node, Ownership, Peer};

use crate::engine::{Address, Network, Status};
use crate::plan::Plan;
use crate::random::Random;

/// Real nodes with nothing between them.
pub(super) struct Ring {
    pub(super) network: Network,
}

/// What a lookup came to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Every node that was asked, the searcher first and the owner last.
    pub(super) path: Vec<Hop<Address>>,
    /// How often it had to begin.
    pub(super) attempts: u32,
    /// Whether a node said of itself that it is the owner; otherwise no way was left.
    is_found: bool,
}

impl Outcome {
    /// The node that was found.
    pub(super) fn owner(&self) -> Option<Address> {
        let last = self.path.last().filter(|_| self.is_found);
        last.map(|hop| hop.node.address)
    }

    /// Living nodes that were asked after the first, the owner included.
    pub(super) fn hops(&self) -> usize {
        self.path.iter().filter(|hop| hop.ok).count() - 1
    }

    /// Dead nodes that were asked.
    pub(super) fn timeouts(&self) -> usize {
        self.path.iter().filter(|hop| !hop.ok).count()
    }
}

impl Ring {
    /// So many nodes with all pointers right.
    pub(super) fn ideal(nodes: u32, successors: u8, seed: u64) -> Ring {
        let plan = Plan {
            seed,
            nodes,
            successors,
            ..Plan::default()
        };
        Ring {
            network: Network::new(&plan),
        }
    }

    /// Stops nodes, each with probability `share`, and lets those that are left find their
    /// neighbours; whatever else they know is as before.
    pub(super) fn fail(&mut self, share: f64, random: &mut Random) {
        for at in 0..self.network.addresses() {
            if random.unit() <= share {
                self.network.crash(at);
            }
        }
        let living: Vec<Address> = self.network.census().iter().map(|(_, at)| at).collect();
        let before = living.iter().cycle().skip(living.len().saturating_sub(1));
        for (before, at) in before.zip(&living) {
            let view = self.network.view(*at);
            let mut successors = view.successors.clone();
            let is_down = |peer: &Peer<Address>| !self.is_up(peer.address);
            let dead = successors.iter().take_while(|peer| is_down(peer)).count();
            successors.drain(..dead);
            let predecessor = self.network.view(*before).me;
            let (me, fingers) = (view.me, view.fingers.clone());
            let config = self.network.config();
            let node = Node::placed(me, predecessor, successors, fingers, config);
            self.network.replace(node);
        }
    }

    /// The node that owns `key`.
    pub(super) fn owner(&self, key: Id) -> Option<Address> {
        self.network.census().owner(key, RULE)
    }

    /// A node that is up, and a key that another one owns: who asks for what is its own learns
    /// nothing about lookups.
    pub(super) fn question(&self, random: &mut Random) -> (Address, Id) {
        let census = self.network.census();
        loop {
            let at = census.pick(random.below(census.len() as u64) as usize);
            let key = identifier(random);
            if census.len() < 2 || census.owner(key, RULE) != Some(at) {
                return (at, key);
            }
        }
    }

    /// A lookup of `key` by the node at `start`; those that are down don't answer. Where no way is
    /// left the node begins again, as [`dht::Node`] does, and passes over those it has found dead.
    pub(super) fn find(&self, start: Address, key: Id) -> Outcome {
        let route = Route {
            key,
            rule: RULE,
            routing: Routing::Finger,
        };
        let ask = |at: Address, dead: &[Address]| {
            let skipped = |peer: &Peer<Address>| dead.contains(&peer.address);
            let view = self.network.view(at);
            view.route(key, route.rule, route.routing, skipped)
        };
        let me = &self.network.view(start).me;
        let mut dead = Vec::new();
        let mut attempts = 1;
        let mut lookup = Lookup::from(route, me, ask(start, &dead));
        let is_found = loop {
            match lookup.next() {
                Next::Ask(link) | Next::Confirm(link) if self.is_up(link.node.address) => {
                    lookup.answered(&link, 0);
                    lookup.learn(&link.node, ask(link.node.address, &[]));
                }
                Next::Ask(link) | Next::Confirm(link) => {
                    dead.push(link.node.address);
                    lookup.failed(&link);
                }
                Next::Found => break true,
                Next::Stuck | Next::TooLong if attempts == ATTEMPTS_MAX => break false,
                Next::Stuck | Next::TooLong => {
                    attempts += 1;
                    lookup.retry(me, ask(start, &dead));
                }
            }
        };
        Outcome {
            path: lookup.into_path(),
            attempts,
            is_found,
        }
    }

    fn is_up(&self, at: Address) -> bool {
        self.network.status(at) != Status::Down
    }
}

/// A random identifier.
pub(super) fn identifier(random: &mut Random) -> Id {
    let mut bytes = [0; Id::BYTES];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_be_bytes()[..chunk.len()]);
    }
    Id::from_bytes(bytes)
}

/// As often as a node begins a lookup for a client.
const ATTEMPTS_MAX: u32 = 19;

/// Whose a key is, in the papers.
const RULE: Ownership = Ownership::Successor;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lookup_in_an_ideal_ring_ends_at_the_owner() {
        let mut random = Random::new(2, 0);
        let ring = Ring::ideal(300, 1, 2);
        for _ in 0..1_000 {
            let (start, key) = ring.question(&mut random);
            let outcome = ring.find(start, key);
            assert_eq!(outcome.owner(), ring.owner(key));
            assert_eq!(outcome.timeouts(), 0);
            assert!(outcome.hops() > 0);
        }
    }

    #[test]
    fn lookups_find_their_way_around_the_dead() {
        let mut random = Random::new(3, 0);
        let mut ring = Ring::ideal(300, 16, 3);
        ring.fail(0.3, &mut random);
        let mut timeouts = 0;
        for _ in 0..1_000 {
            let (start, key) = ring.question(&mut random);
            let outcome = ring.find(start, key);
            assert_eq!(outcome.owner(), ring.owner(key), "{:?}", outcome.path);
            timeouts += outcome.timeouts();
        }
        assert!(timeouts > 500, "{timeouts} in 1,000 lookups");
    }
}
