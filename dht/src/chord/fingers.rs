//! Fingers: shortcuts at doubling distances. They make lookups fast, and nothing else depends on
//! them being right.
//!
//! Only distinct fingers are kept. Refreshing one first asks the node it points to whether it is
//! still the first one after the start, which costs one message where nothing changed; a pass over
//! all of them is made at once where something did.

use alloc::vec::Vec;

use crate::content::coordinate::{Operation, Purpose};
use crate::event::{Action, Delay, Timer};
use crate::id::Id;
use crate::lookup::Lookup;
use crate::message::{Link, LinkKind, Route, Routing};
use crate::node::{Node, wait};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::view::Finger;

/// Where the refreshing of fingers stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pass {
    /// The exponent to refresh next.
    exponent: u8,
    /// Whether a refresh is under way.
    is_open: bool,
    /// Whether to go through all of them without waiting for the schedule.
    is_urgent: bool,
}

impl Pass {
    /// The neighbourhood changed, so the fingers may have as well.
    pub(crate) fn hurry(&mut self) {
        self.is_urgent = true;
        self.exponent = 0;
    }
}

impl<A: Address> Node<A> {
    /// A refresh is due.
    pub(crate) fn fix_fingers(&mut self, out: &mut Vec<Action<A>>) {
        if self.pass.is_open || !self.is_in_ring() {
            return;
        }
        let lowest = first_exponent_beyond(self.view.me.id, self.view.successor().id);
        let exponent = self.pass.exponent.max(lowest);
        if self.view.successors.is_empty() || exponent >= Id::BITS {
            self.pass = Pass::default();
            return;
        }
        self.pass.is_open = true;
        let key = finger_start(self.view.me.id, exponent);
        let route = Route {
            key,
            rule: Ownership::Successor,
            routing: Routing::Finger,
        };
        let mut lookup = Lookup::from(route, &self.view.me, self.known(route));
        let known = self.finger_for(exponent);
        if let Some(node) = known.filter(|node| !self.detector.distrusts(node)) {
            let (node, kind) = (node.clone(), LinkKind::Finger(exponent));
            lookup.suppose(Link { node, kind });
        }
        self.operate(Operation::new(Purpose::Finger(exponent), lookup), out);
    }

    /// A refresh came to an end: with the node that the finger should point to, or without.
    pub(crate) fn finger_found(
        &mut self,
        exponent: u8,
        node: Option<Peer<A>>,
        out: &mut Vec<Action<A>>,
    ) {
        self.pass.is_open = false;
        match node {
            // Around the ring and back: there is nothing that far away.
            Some(node) if node == self.view.me => {
                self.set_fingers(exponent, Id::BITS, None);
                self.end_pass();
            }
            Some(node) => {
                let end = first_exponent_beyond(self.view.me.id, node.id);
                // A liar could answer with a node before the start.
                if end <= exponent {
                    return self.end_pass();
                }
                self.set_fingers(exponent, end, Some(node));
                self.pass.exponent = end;
                if end >= Id::BITS {
                    self.end_pass();
                } else if self.pass.is_urgent {
                    self.fix_fingers(out);
                }
            }
            None => self.pass.exponent = exponent.saturating_add(1),
        }
    }

    fn end_pass(&mut self) {
        self.pass = Pass::default();
    }

    /// Points the fingers `start`..`end` to one node, or to none.
    fn set_fingers(&mut self, start: u8, end: u8, node: Option<Peer<A>>) {
        let present = self.finger_for(start).cloned();
        let superseded = self.fingers_in(start, end);
        if (node.is_none() || present == node) && superseded <= usize::from(node.is_some()) {
            return;
        }
        self.pass.is_urgent |= present != node;
        let beyond = self.finger_for(end).cloned();
        let fingers = &mut self.view_mut().fingers;
        fingers.retain(|finger| finger.exponent < start || finger.exponent > end);
        let place = fingers.partition_point(|finger| finger.exponent < start);
        // Whatever stood for the fingers beyond goes on standing for them.
        if end < Id::BITS
            && let Some(beyond) = beyond
        {
            let exponent = end;
            fingers.insert(
                place,
                Finger {
                    exponent,
                    node: beyond,
                },
            );
        }
        if let Some(node) = node {
            let exponent = start;
            fingers.insert(place, Finger { exponent, node });
        }
        fingers.dedup_by(|later, earlier| later.node == earlier.node);
    }

    fn fingers_in(&self, start: u8, end: u8) -> usize {
        let within = |finger: &&Finger<A>| (start..end).contains(&finger.exponent);
        self.view.fingers.iter().filter(within).count()
    }

    fn finger_for(&self, exponent: u8) -> Option<&Peer<A>> {
        let fingers = &self.view.fingers;
        let place = fingers.partition_point(|finger| finger.exponent <= exponent);
        place.checked_sub(1).map(|place| &fingers[place].node)
    }

    pub(crate) fn drop_finger(&mut self, peer: &Peer<A>) {
        if self.view.fingers.iter().any(|finger| finger.node == *peer) {
            self.view_mut()
                .fingers
                .retain(|finger| finger.node != *peer);
            self.pass.hurry();
        }
    }

    /// The fingers of a node that knows all the others, sorted clockwise from it.
    pub(crate) fn point_fingers(&mut self, others: &[Peer<A>]) {
        let me = self.view.me.id;
        let mut fingers = Vec::new();
        let Some(first) = others.first() else {
            return;
        };
        let mut exponent = first_exponent_beyond(me, first.id);
        while exponent < Id::BITS {
            let start = Id::power_of_two(exponent);
            let place = others.partition_point(|peer| me.distance_to(peer.id) < start);
            let Some(node) = others.get(place).cloned() else {
                break;
            };
            let next = first_exponent_beyond(me, node.id);
            fingers.push(Finger { exponent, node });
            exponent = next;
        }
        self.view.fingers = fingers;
    }

    /// After joining: there are no fingers yet.
    pub(crate) fn fix_fingers_soon(&mut self, out: &mut Vec<Action<A>>) {
        self.pass.hurry();
        wait(Timer::Fingers, Delay::between(0, 100), out);
    }
}

/// The identifier that the finger of this exponent looks for the successor of.
fn finger_start(me: Id, exponent: u8) -> Id {
    me.plus(Id::power_of_two(exponent))
}

/// The lowest exponent whose finger starts beyond `node`.
fn first_exponent_beyond(me: Id, node: Id) -> u8 {
    let highest = me.distance_to(node).highest_bit();
    highest.map_or(Id::BITS, |exponent| exponent + 1)
}
