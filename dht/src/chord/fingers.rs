//! Fingers: shortcuts at doubling distances. They make lookups fast, and nothing else depends on
//! them being right.
//!
//! Only distinct fingers are kept. As far as the successor list reaches it says itself where they
//! point; beyond, one after the other is refreshed on schedule, whatever happens to the neighbours, for
//! a change nearby says nothing about nodes far away. Refreshing one first asks the node it points to
//! whether it is still the first one after the start, which costs one message where nothing changed.
//! Who has just joined begins with its predecessor's, which are hardly ever off by more than a node.

use alloc::vec::Vec;

use crate::content::coordinate::{Operation, Purpose};
use crate::event::{Action, Delay, Timer};
use crate::id::Id;
use crate::lookup::Lookup;
use crate::message::{Link, LinkKind, Request, Route, Routing};
use crate::node::{Node, Question, wait};
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
    pace: Pace,
}

/// When the next finger is refreshed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pace {
    /// When it is due.
    #[default]
    Scheduled,
    /// Just joined: the predecessor's fingers will do for a start.
    Borrow,
    /// Just joined, after a node that has none itself: one after the other, without waiting.
    AtOnce,
}

impl<A: Address> Node<A> {
    /// A refresh is due.
    pub(crate) fn fix_fingers(&mut self, out: &mut Vec<Action<A>>) {
        if self.pass.is_open || !self.is_in_ring() {
            return;
        }
        if self.pass.pace == Pace::Borrow {
            return self.borrow_fingers(out);
        }
        self.take_from_list();
        let me = &self.view.me;
        let Some(last) = self.view.successors.last() else {
            return self.end_pass();
        };
        let lowest = first_exponent_beyond(me.id, last.id);
        let exponent = self.pass.exponent.max(lowest);
        if exponent >= Id::BITS {
            return self.end_pass();
        }
        self.pass.is_open = true;
        let route = Route {
            key: finger_start(me.id, exponent),
            rule: Ownership::Successor,
            routing: Routing::Finger,
        };
        let mut lookup = Lookup::from(route, me, self.known(route));
        let present = self.finger_for(exponent);
        if let Some(node) = present.filter(|node| !self.detector.distrusts(node)) {
            let (node, kind) = (node.clone(), LinkKind::Finger(exponent));
            lookup.suppose(Link { node, kind });
        }
        self.operate(Operation::new(Purpose::Finger(exponent), lookup), out);
    }

    /// A node that has just joined points nearly where its predecessor does.
    fn borrow_fingers(&mut self, out: &mut Vec<Action<A>>) {
        self.pass.pace = Pace::AtOnce;
        match self.view.predecessor.clone() {
            Some(from) if from != self.view.me => {
                self.pass.is_open = true;
                self.ask(
                    &from.clone(),
                    Request::Fingers,
                    Question::Fingers(from),
                    out,
                );
            }
            _ => self.fix_fingers(out),
        }
    }

    /// The predecessor's fingers; none where it has none, or has not answered.
    pub(crate) fn fingers_told(&mut self, fingers: Vec<Finger<A>>, out: &mut Vec<Action<A>>) {
        self.pass.is_open = false;
        if fingers.is_empty() {
            return self.fix_fingers(out);
        }
        self.pass.pace = Pace::Scheduled;
        let me = self.view.me.id;
        let mut last = (None, Id::ZERO);
        let mut fingers = fingers;
        // Whatever it says, they stay in order.
        fingers.retain(|finger| {
            let this = (Some(finger.exponent), me.distance_to(finger.node.id));
            let is_next = this.0 > last.0 && this.1 > last.1 && finger.exponent < Id::BITS;
            if is_next {
                last = this;
            }
            is_next
        });
        self.view_mut().fingers = fingers;
        self.take_from_list();
    }

    /// What a node that has just joined is told of our fingers: nothing until they are our own.
    pub(crate) fn fingers_to_lend(&self) -> Vec<Finger<A>> {
        match self.pass.pace {
            Pace::Scheduled => self.view.fingers.clone(),
            Pace::Borrow | Pace::AtOnce => Vec::new(),
        }
    }

    /// As far as the successor list reaches, it is what fingers point to.
    fn take_from_list(&mut self) {
        let (me, list) = (self.view.me.id, &self.view.successors);
        let beyond = list
            .last()
            .map_or(0, |last| first_exponent_beyond(me, last.id));
        let mut fingers = distinct(me, list);
        let present = self.view.fingers.iter().cloned();
        let far = present.filter(|finger| first_exponent_beyond(me, finger.node.id) > beyond);
        fingers.extend(far.map(|finger| Finger {
            exponent: finger.exponent.max(beyond),
            ..finger
        }));
        if fingers != self.view.fingers {
            self.view_mut().fingers = fingers;
        }
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
                } else if self.pass.pace == Pace::AtOnce {
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

    /// The finger of this exponent, if there is one that is far enough away.
    fn finger_for(&self, exponent: u8) -> Option<&Peer<A>> {
        let fingers = &self.view.fingers;
        let place = fingers.partition_point(|finger| finger.exponent <= exponent);
        let node = &fingers[place.checked_sub(1)?].node;
        (first_exponent_beyond(self.view.me.id, node.id) > exponent).then_some(node)
    }

    /// A node is gone; what it stood for is looked for next.
    pub(crate) fn drop_finger(&mut self, peer: &Peer<A>) {
        let fingers = &self.view.fingers;
        if let Some(place) = fingers.iter().position(|finger| finger.node == *peer) {
            let finger = self.view_mut().fingers.remove(place);
            self.pass.exponent = finger.exponent;
        }
    }

    /// The fingers of a node that knows all the others, sorted clockwise from it.
    pub(crate) fn point_fingers(&mut self, others: &[Peer<A>]) {
        self.view.fingers = distinct(self.view.me.id, others);
    }

    /// After joining: there are no fingers yet.
    pub(crate) fn fix_fingers_soon(&mut self, out: &mut Vec<Action<A>>) {
        self.pass.exponent = 0;
        self.pass.pace = Pace::Borrow;
        wait(Timer::Fingers, Delay::between(0, 100), out);
    }
}

/// Fingers by a list of nodes that is sorted clockwise, from beyond its first to its end.
fn distinct<A: Address>(me: Id, nodes: &[Peer<A>]) -> Vec<Finger<A>> {
    let mut fingers = Vec::new();
    let Some(first) = nodes.first() else {
        return fingers;
    };
    let mut exponent = first_exponent_beyond(me, first.id);
    while exponent < Id::BITS {
        let start = Id::power_of_two(exponent);
        let place = nodes.partition_point(|peer| me.distance_to(peer.id) < start);
        let Some(node) = nodes.get(place).cloned() else {
            break;
        };
        let next = first_exponent_beyond(me, node.id);
        fingers.push(Finger { exponent, node });
        exponent = next;
    }
    fingers
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
