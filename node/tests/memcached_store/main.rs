//! Nodes that keep their values in memcached, at real servers.
//!
//! Apart from the unit tests: a process that is being started holds the locks of the one that starts it for a
//! moment, and the tests of the disk count on theirs.

mod engine;
mod listed;
mod node;
#[path = "../../src/store/random.rs"]
#[expect(unreachable_pub, reason = "it is the unit tests' own")]
mod random;
#[path = "../support/mod.rs"]
mod support;
