//! Observers: what must hold of a network, checked from outside while it runs.
//!
//! They see what no node sees: who is really alive, who really owns a key, what was acknowledged. The
//! engine knows nothing of them, and a node even less.

pub mod content;
pub mod fail;
pub mod ideal;
pub mod invariant;
pub mod lookups;

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
