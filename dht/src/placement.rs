//! Placement: which nodes of a complete list keep a key.
//!
//! Pure functions of a list that somebody else keeps, beside the ring that keeps itself: four answers
//! to one question, which differ in how evenly they spread the keys, in how many of them a change of the
//! list moves, and in what has to be kept. Networks of [listed](crate::listed) members place their content
//! by one of them; a node of the Chord ring has one position, and uses none.

mod deal;
mod jump;
mod murmur;
mod partitions;
mod rendezvous;
mod ring;
mod scheme;
#[cfg(test)]
mod tests;
mod zones;

use alloc::vec::Vec;
use core::fmt::Debug;

pub use deal::deal;
pub use jump::Jump;
pub(crate) use jump::bucket;
pub use partitions::Partitions;
pub use rendezvous::Rendezvous;
pub use ring::Ring;
pub use scheme::{Hash, Scheme};

use crate::id::Id;

/// A member of a list, as far as placements are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat<'a> {
    /// Who sits there.
    pub id: Id,
    /// What is hashed for it, where it is not the identifier; no two have the same.
    pub label: &'a str,
    /// How much it should hold, compared to the others; at least 1.
    pub weight: u16,
    /// Where it is: no two copies of a key lie in one zone as long as there are others. Nothing where that
    /// is of no interest: then it is a zone of its own.
    pub zone: Option<u64>,
}

impl From<Id> for Seat<'_> {
    /// One like all others, without a label.
    fn from(id: Id) -> Self {
        Seat {
            id,
            label: "",
            weight: 1,
            zone: None,
        }
    }
}

/// A rule that gives each key to members of a list; always to the same of the same list.
pub trait Placement: Debug + Send + Sync {
    /// The places in the list of the members that keep `key`, the owner first: `count` distinct ones, or all
    /// that there are.
    fn replicas(&self, key: Id, count: usize) -> Vec<usize>;

    /// The place in the list of the member that owns `key`.
    fn owner(&self, key: Id) -> usize;
}

/// The lowest 64 bits of an identifier.
fn low(id: Id) -> u64 {
    let bytes = id.as_bytes().last_chunk().copied();
    u64::from_be_bytes(bytes.expect("an identifier has more than 8 bytes"))
}

/// The finalizer of MurmurHash3: every bit of the input moves every bit of the output.
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ number >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ number >> 33
}
