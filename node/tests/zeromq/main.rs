//! The door for clients of ZeroMQ, of real nodes, over real sockets.

mod client;
mod mistakes;
mod network;
mod requests;
#[path = "../support/mod.rs"]
mod support;
