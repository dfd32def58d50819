//! What a node of a distributed hash table is: one pure state machine.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod event;
pub mod id;
pub mod lookup;
pub mod message;
pub mod node;
pub mod ownership;
pub mod peer;
pub mod placement;
pub mod record;
pub mod store;
pub mod view;

mod chord;
mod content;
mod ranges;
mod slots;

pub use event::{Action, Event};
pub use id::{Arc, Id};
pub use node::{Config, Node};
pub use ownership::Ownership;
pub use peer::Peer;
pub use view::View;
