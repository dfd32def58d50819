//! Parcel: what is on its way to a node.

use dht::event::{Cause, Ticket, Timer};
use dht::message::{Reply, Request};
use dht::store::Command;
use dht::{Event, Peer};

use super::Address;

/// An entry of the queue: small, for there may be millions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    /// Something that is kept elsewhere.
    Parcel(u32),
    /// A node looks after something, as it does again and again.
    Scheduled { at: Address, life: u32, duty: u8 },
    /// A sleeper wakes.
    Wake { at: Address, life: u32 },
    /// A node that went down starts again.
    Restart { at: Address, life: u32, keep: bool },
    /// All nodes that were stopped together start again.
    Again,
    /// Whoever drives the network wanted to know the time.
    Due(u64),
}

/// A question, from the asker's side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) asker: Address,
    /// Which life of the asker wants to know.
    pub(super) life: u32,
    pub(super) ticket: Ticket,
    pub(super) to: Peer<Address>,
    pub(super) sent_us: u64,
    /// When its patience ends; an answer that comes later finds nobody.
    pub(super) deadline_us: u64,
    /// Whether the asker has been, or will be, told that there is no answer, or has got another one.
    pub(super) is_settled: bool,
}

/// Something on its way.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A question.
    Asked {
        open: Open,
        from: Peer<Address>,
        request: Request<Address>,
    },
    /// An answer, by the life that was asked, whatever has become of that meanwhile.
    Answered { open: Open, reply: Reply<Address> },
    /// There is no answer.
    Unanswered { open: Open, cause: Cause },
    /// Patience ends with a question that a node has not answered at once.
    Overdue(Ticket),
    /// A store does something.
    Stored {
        at: Address,
        life: u32,
        ticket: Ticket,
        command: Command,
    },
    /// A node's time has come.
    Elapsed {
        at: Address,
        life: u32,
        timer: Timer<Address>,
    },
    /// Something waits for a node that sleeps.
    Late {
        at: Address,
        life: u32,
        event: Event<Address>,
    },
}

/// A successor list on its way to somebody who may adopt it.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// Whose it is.
    pub of: &'a Peer<Address>,
    /// The list.
    pub successors: &'a [Peer<Address>],
}

impl Parcel {
    pub(super) fn list(&self) -> Option<List<'_>> {
        match self {
            Parcel::Answered {
                open,
                reply: Reply::State(state),
            } if !open.is_settled => Some(List {
                of: &open.to,
                successors: &state.successors,
            }),
            Parcel::Late {
                event:
                    Event::Answered {
                        from: of,
                        reply: Reply::State(state),
                        ..
                    },
                ..
            } => Some(List {
                of,
                successors: &state.successors,
            }),
            _ => None,
        }
    }
}
