//! What a node of a distributed hash table is: one pure state machine.
//!
//! ```text
//!              questions, answers, silence, time, calls
//!                               │ Event
//!                               ▼
//!   view ◄─ chord ◄────── Node::handle ──────► content ─► store
//!  (what others  (the ring:                   (who serves    (asked for,
//!   may see)      join, stabilize, rectify,    what, and      never touched)
//!                 fingers, failure, leave)     how it moves)
//!                               │ Action
//!                               ▼
//!              ask, reply, return, store, wait, publish, note
//! ```
//!
//! So it is with a ring that keeps itself. Where somebody keeps a complete list of the members instead, a node
//! is a [`Listed`], with the same events and actions: it goes by a table that all members decide on, and
//! places content by a [`placement`]. A process drives one or the other as a [`Machine`].
//!
//! Nothing in here opens a socket, reads a clock, draws a random number or waits: `#![no_std]` lets
//! the compiler see to that. A server, a simulator and a model checker run the same code, by turning
//! what happens into events and performing the actions.
//!
//! Two nodes, and a message carried by hand from one to the other:
//!
//! ```
//! use dht::event::{Event, Ticket, Timer};
//! use dht::{Action, Config, Id, Node, Peer};
//!
//! let peer = |number: u8| Peer { id: Id::of(&[number]), address: number, incarnation: 1 };
//! let ring = [peer(1), peer(2)];
//! let mut one = Node::in_ring(ring[0], &ring, Config::default());
//! let mut two = Node::in_ring(ring[1], &ring, Config::default());
//!
//! // It is time for the first node to compare notes with its successor.
//! let mut actions = Vec::new();
//! one.handle(Event::Elapsed(Timer::Stabilize), &mut actions);
//! let Some(Action::Ask { ticket, to, request }) = actions.pop() else {
//!     panic!("it asks its successor");
//! };
//! assert_eq!(to, ring[1]);
//!
//! // The second one answers, and since nothing has changed, that is all.
//! let from = ring[0];
//! two.handle(Event::Asked { ticket: Ticket(7), from, request }, &mut actions);
//! let Some(Action::Reply { reply, .. }) = actions.pop() else {
//!     panic!("it answers");
//! };
//! one.handle(Event::Answered { ticket, from: to, reply, micros: 100 }, &mut actions);
//! assert!(actions.is_empty());
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod causal;
pub mod event;
pub mod id;
pub mod listed;
pub mod lookup;
pub mod machine;
pub mod message;
pub mod node;
pub mod ownership;
pub mod peer;
pub mod placement;
pub mod record;
pub mod replication;
pub mod store;
pub mod trace;
pub mod view;

mod chord;
mod content;
mod projection;
mod ranges;
mod slots;

pub use causal::Causal;
pub use event::{Action, Event};
pub use id::{Arc, Id};
pub use listed::Listed;
pub use machine::Machine;
pub use node::{Config, Node};
pub use ownership::Ownership;
pub use peer::Peer;
pub use projection::Projection;
pub use view::View;
