//! Machine: the state machine of a process, of whichever kind of network it is part of.
//!
//! All kinds take the same events and ask for the same actions, so what drives one drives the others.

use alloc::vec::Vec;

use crate::causal::Causal;
use crate::event::{Action, Event};
use crate::listed::Listed;
use crate::node::Node;
use crate::peer::Address;
use crate::view::View;

/// One node.
#[derive(Clone, Debug)]
pub enum Machine<A> {
    /// Of a ring that keeps itself.
    Ring(Node<A>),
    /// Of a network whose members somebody lists.
    Listed(Listed<A>),
    /// Of a causal store.
    Causal(Causal<A>),
}

impl<A: Address> Machine<A> {
    /// Takes one event, and appends to `actions` what is to be done because of it, in order.
    pub fn handle(&mut self, event: Event<A>, actions: &mut Vec<Action<A>>) {
        match self {
            Machine::Ring(node) => node.handle(event, actions),
            Machine::Listed(listed) => listed.handle(event, actions),
            Machine::Causal(causal) => causal.handle(event, actions),
        }
    }

    /// The node as others may see it.
    pub fn view(&self) -> &View<A> {
        match self {
            Machine::Ring(node) => node.view(),
            Machine::Listed(listed) => listed.view(),
            Machine::Causal(causal) => causal.view(),
        }
    }

    /// Whether it does something on [`Timer::Beat`](crate::event::Timer::Beat).
    pub fn has_beat(&self) -> bool {
        match self {
            Machine::Ring(node) => node.is_replicated(),
            Machine::Listed(_) | Machine::Causal(_) => true,
        }
    }
}
