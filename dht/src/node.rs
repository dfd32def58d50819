//! Node: the state machine.
use crate::event::{Action, Event};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::view::View;
use alloc::vec::Vec;

/// What a node is told once, at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which of two neighbours owns a key.
    pub ownership: Ownership,
    /// Length of the successor list (Zave's L). 1 to 32; the ring survives one failure less at a time.
    pub successors: u8,
    /// Refusals in a row after which a node is taken for dead. Sensible: 3; 1 where death is known at once.
    pub probes: u8,
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node<A> {
    view: View<A>,
}

impl<A: Address> Node<A> {
    /// A node that is in no ring yet; [`crate::event::Call::Join`] brings it into one.
    pub fn new(_me: Peer<A>, _config: Config) -> Node<A> {
        unimplemented!()
    }

    /// A member of an ideal ring of these nodes, in any order, itself included.
    pub fn in_ring(_me: Peer<A>, _ring: &[Peer<A>], _config: Config) -> Node<A> {
        unimplemented!()
    }

    /// Takes one event, and appends what it wants to be done because of it.
    pub fn handle(&mut self, _event: Event<A>, _actions: &mut Vec<Action<A>>) {
        unimplemented!()
    }

    /// The node as others may see it.
    pub fn view(&self) -> &View<A> {
        &self.view
    }
}
