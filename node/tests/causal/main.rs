//! The causal store over HTTP, on real processes: every request and answer that its first clients know, and
//! what happens to a store whose nodes are cut off, killed, added and divided anew.

mod api;
mod changes;
mod memory;
mod mistakes;
mod namespaces;
mod store;
mod waits;
