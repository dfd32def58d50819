//! Observers: what must hold of a network, checked from outside while it runs.
//!
//! They see what no node sees: who is really alive, who really owns a key, what was acknowledged. The
//! engine knows nothing of them, and a node even less. What is checked when, however many nodes there are:
//! - after each event: the invariant of the ring, one node's change at a time ([`watch`]); that no key is
//!   served twice ([`owners`]); that nobody loses its place where an oracle tells deaths;
//! - whenever something returns: a lookup's answer ([`lookups`]), and what was read and written
//!   ([`content`]);
//! - each millisecond of virtual time for each member, every second for a thousand: all of the invariant and
//!   the ring itself, from scratch ([`invariant`]);
//! - at the end: that the ring becomes ideal in time ([`ideal`]).
//!
//! Where nobody looks after the ring, since nothing happens to it, only answers are checked.

pub mod clients;
pub mod content;
pub mod copies;
pub mod fail;
pub mod ideal;
pub mod invariant;
pub mod lookups;
pub mod owners;
pub mod watch;

use serde::{Deserialize, Serialize};

/// Something that must hold does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which property, by its name.
    pub property: String,
    /// When, in virtual microseconds.
    pub at_us: u64,
    /// What was seen, in words.
    pub text: String,
}

impl Violation {
    pub(crate) fn new(property: &str, at_us: u64, text: String) -> Violation {
        let property = property.to_owned();
        Violation {
            property,
            at_us,
            text,
        }
    }
}
