//! A network in a box: many [`dht::Node`]s in one process, the very code that a server runs, in
//! virtual time and from one seed.
pub mod causal;
pub mod census;
pub mod check;
pub mod engine;
pub mod faults;
pub mod figures;
pub mod history;
pub mod latency;
pub mod observe;
pub mod plan;
pub mod preset;
pub mod queue;
pub mod random;
pub mod replay;
pub mod report;
pub mod run;
pub mod script;
pub mod shrink;
mod slab;
pub mod swarm;
pub mod trace;
