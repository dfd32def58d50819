//! What a node of a distributed hash table is: one pure state machine.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod event;
pub mod id;
pub mod message;
pub mod node;
pub mod ownership;
pub mod peer;
pub mod record;
pub mod store;
pub mod view;
