//! The door for clients of memcached, of real nodes, over real connections.

mod client;
mod commands;
mod crowd;
mod meta;
mod mistakes;
mod network;
#[path = "../support/mod.rs"]
mod support;
