//! Watch: the invariant, kept up with change by change.
//!
//! A change of one node touches few others, so only these are looked at: O(L log N). OrderedLists and
//! OneLiveSuccessor are checked for the node itself, and OneLiveSuccessor for all who list a node that
//! is no member any more. Of SufficientPrincipals some witnesses are kept: members that nobody's list
//! skips. A list that skips one strikes it off, and only when too few are left are all counted anew.
//!
//! One ordered ring follows: no list skips a witness, so neither does the way from a member to the first
//! living one in its list; whoever goes on from successor to successor comes to each witness in turn, and
//! so once around. [`invariant::check`] looks at the ring itself, from time to time.

use std::collections::BTreeSet;

use dht::{Id, Peer};

use super::{Violation, invariant};
use crate::engine::{Address, Network};

/// What was last seen of all nodes.
#[derive(Debug, Default)]
pub struct Watch {
    /// By address.
    seen: Vec<Seen>,
    /// Members that nobody skips; there may be more.
    principals: BTreeSet<Id>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// The node, while it is a member.
    member: Option<Peer<Address>>,
    successors: Vec<Peer<Address>>,
    /// Members that have this address in their lists.
    listed_by: Vec<Address>,
}

impl Watch {
    /// A look at all nodes. Errors: the first property that does not hold.
    pub fn begin(network: &Network) -> Result<Watch, Violation> {
        let mut watch = Watch::default();
        for at in 0..network.addresses() {
            watch.note(network, at);
        }
        watch.recount(network)?;
        Ok(watch)
    }

    /// A look at those that have changed. Errors: the first property that does not hold.
    pub fn look_at(&mut self, network: &Network, changed: &[Address]) -> Result<(), Violation> {
        let mut affected = Vec::new();
        for at in changed {
            let before = self.note(network, *at);
            let now = &self.seen[*at as usize];
            affected.push(*at);
            if before.is_some() && before != now.member {
                affected.extend(&now.listed_by);
            }
        }
        for at in affected {
            if self.seen[at as usize].member.is_some() {
                invariant::check_list(network, at)?;
            }
        }
        if !changed.is_empty() && self.principals.len() < invariant::principals_needed(network) {
            self.recount(network)?;
        }
        Ok(())
    }

    /// Takes over what a node shows now; what it was as a member before.
    fn note(&mut self, network: &Network, at: Address) -> Option<Peer<Address>> {
        let view = network.find(at).map(|node| node.view());
        let view = view.filter(|view| network.is_member(&view.me));
        let member = view.map(|view| view.me);
        let successors = view.map_or(&[][..], |view| &view.successors);
        self.make_room(at, successors);
        let old = std::mem::take(&mut self.seen[at as usize].successors);
        for peer in &old {
            let listed_by = &mut self.seen[peer.address as usize].listed_by;
            listed_by.retain(|other| *other != at);
        }
        for peer in successors {
            self.seen[peer.address as usize].listed_by.push(at);
        }
        if let Some(me) = member {
            self.strike_off(me.id, successors);
        }
        let seen = &mut self.seen[at as usize];
        seen.successors = successors.to_vec();
        let before = std::mem::replace(&mut seen.member, member);
        if member.is_none()
            && let Some(me) = before
        {
            self.principals.remove(&me.id);
        }
        before
    }

    /// Whoever this list skips is no principal.
    fn strike_off(&mut self, mut before: Id, successors: &[Peer<Address>]) {
        for peer in successors {
            while let Some(skipped) = self.principal_between(before, peer.id) {
                self.principals.remove(&skipped);
            }
            before = peer.id;
        }
    }

    fn principal_between(&self, before: Id, after: Id) -> Option<Id> {
        let next = self.principals.range(before.next()..).next();
        let next = next.or_else(|| self.principals.first());
        next.copied().filter(|id| id.is_between(before, after))
    }

    fn recount(&mut self, network: &Network) -> Result<(), Violation> {
        invariant::check(network)?;
        self.principals = invariant::principals(network).collect();
        Ok(())
    }

    fn make_room(&mut self, at: Address, successors: &[Peer<Address>]) {
        let addresses = successors.iter().map(|peer| peer.address).chain([at]);
        let needed = addresses.max().map_or(0, |highest| highest as usize + 1);
        if self.seen.len() < needed {
            self.seen.resize(needed, Seen::default());
        }
    }
}
