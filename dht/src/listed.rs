//! Listed: a node of a network whose members are a complete list.
pub mod message;
pub mod table;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::event::{Action, Event, Failure, Returned};
use crate::listed::table::Member;
use crate::message::Reply;
use crate::ownership::Ownership;
use crate::peer::Address;
use crate::placement::Scheme;
use crate::view::{Phase, View};

/// What a node of a list is told once, at its start. All members are told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// How keys are placed.
    pub scheme: Scheme,
    /// How many members keep each key, if there are so many; 1 to [`REPLICAS_MAX`](crate::node::REPLICAS_MAX).
    pub replicas: u8,
    /// Where the randomness comes from with which partitions are dealt.
    pub seed: u64,
    /// Whether the members are to be always those that were listed last, as a registry does; or else only
    /// the first ones, and later ones come and go by [`Call::Members`](crate::event::Call::Members).
    pub follows: bool,
    /// Records that are compared with those of other members at a time.
    pub page: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            scheme: Scheme::Partitions { count: 200 },
            replicas: 1,
            seed: 1,
            follows: false,
            page: 256,
        }
    }
}

/// One node of the list.
#[derive(Clone, Debug)]
pub struct Listed<A> {
    view: View<A>,
}

impl<A: Address> Listed<A> {
    /// A node that knows nobody yet, with what its store has noted for it.
    pub fn new(me: Member<A>, _config: Config, _notes: &[(Vec<u8>, Vec<u8>)]) -> Listed<A> {
        let view = View {
            me: me.peer,
            phase: Phase::Joining,
            ownership: Ownership::Successor,
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
        };
        Listed { view }
    }

    /// Takes one event, and appends to `actions` what is to be done because of it, in order.
    pub fn handle(&mut self, event: Event<A>, actions: &mut Vec<Action<A>>) {
        match event {
            Event::Asked { ticket, .. } => {
                let reply = Reply::Gone;
                actions.push(Action::Reply { ticket, reply });
            }
            Event::Called { ticket, .. } => {
                let returned = Returned::Failed(Failure::NotAMember, Vec::new());
                actions.push(Action::Return { ticket, returned });
            }
            _ => {}
        }
    }

    /// The node as others may see it.
    pub fn view(&self) -> &View<A> {
        &self.view
    }
}
