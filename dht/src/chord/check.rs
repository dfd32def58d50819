//! Check: whether the rest of the ring knows this node.
//!
//! A node that others wrongly took for dead, since it slept for too long, learns so from its successor.
//! Otherwise it would go on as if nothing had happened, unless it looks its own identifier up through
//! somebody else. If the answer names another node, twice in a row and with the same neighbours, it stops
//! serving and joins again.

use alloc::vec::Vec;

use crate::content::coordinate::{Operation, Purpose};
use crate::event::Action;
use crate::lookup::Lookup;
use crate::message::{Link, LinkKind, Route, Routing};
use crate::node::Node;
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::view::Phase;

impl<A: Address> Node<A> {
    /// A self-check is due.
    pub(crate) fn check_self(&mut self, out: &mut Vec<Action<A>>) {
        let far = self.view.fingers.last().map(|finger| &finger.node);
        let Some(far) = far.or(self.view.successors.last()) else {
            return;
        };
        if self.view.phase != Phase::Member {
            return;
        }
        let kind = LinkKind::Start;
        let node = far.clone();
        let route = Route {
            key: self.view.me.id,
            rule: Ownership::Successor,
            routing: Routing::Finger,
        };
        let lookup = Lookup::through(route, [Link { node, kind }].into());
        let purpose = Purpose::SelfCheck(self.view.me.incarnation);
        self.operate(Operation::new(purpose, lookup), out);
    }

    /// The ring has answered, or not. What it says of an earlier life is over with that.
    pub(crate) fn self_found(
        &mut self,
        incarnation: u32,
        owner: Option<Peer<A>>,
        out: &mut Vec<Action<A>>,
    ) {
        match owner.filter(|_| incarnation == self.view.me.incarnation) {
            Some(owner) if owner == self.view.me => self.strikes = 0,
            Some(_) => self.strikes += 1,
            None => {}
        }
        if self.strikes == STRIKES && self.view.phase == Phase::Member {
            self.lose_place(out);
        }
    }

    /// The predecessor or the first successor is another one. Whom the ring named before, it named while
    /// this node was still on its way to its place: a joiner among many may take longer than a check.
    pub(crate) fn has_moved(&mut self) {
        self.moves = self.moves.wrapping_add(1);
        self.strikes = 0;
    }

    /// A node will not have this life of ours any more. From the successor that is final: only as
    /// another life can we be its predecessor.
    pub(crate) fn buried_by(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        if self.view.phase == Phase::Member && *self.view.successor() == peer {
            self.lose_place(out);
        }
    }
}

/// Wrong answers in a row that mean that the ring has dropped us: one may be a join in progress.
const STRIKES: u8 = 2;
