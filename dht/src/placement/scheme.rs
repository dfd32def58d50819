//! Scheme: which placement a network goes by, as it is configured and told from node to node.

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Jump, Partitions, Placement, Rendezvous, Ring, Seat, murmur};
use crate::id::Id;

/// How a network of listed members places keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// On a ring, with several positions for each member.
    Ring {
        /// How many for each, times its weight; at least 1.
        positions: u16,
        /// What gives positions.
        hash: Hash,
    },
    /// By a fixed number of partitions.
    Partitions {
        /// How many; at least 1.
        count: u16,
    },
    /// To whoever draws highest.
    Rendezvous,
    /// By jumps to numbered members.
    Jump,
}

/// What gives positions on a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// SHA-1 of the member's identifier and a number.
    #[default]
    Sha1,
    /// MurmurHash3 of 32 bits of the member's label, a hyphen and a number, as usual among clients of
    /// memcached. Keys have identifiers that begin with the MurmurHash3 of the key.
    Murmur3,
}

impl Scheme {
    /// The identifier of a key of the key-value API.
    ///
    /// With partitions a key that is written as a number is its own identifier, so that key `n` lies in
    /// partition `n mod count`. On a ring by [`Hash::Murmur3`] the first 32 bits are the hash of the key. In all
    /// else it is that of [`Id::of_key`].
    pub fn identify(self, key: &[u8]) -> Id {
        match self {
            Scheme::Partitions { .. } => {
                number(key).map_or_else(|| Id::of_key(key), Id::from_number)
            }
            Scheme::Ring {
                hash: Hash::Murmur3,
                ..
            } => murmur::key(key),
            Scheme::Ring { .. } | Scheme::Rendezvous | Scheme::Jump => Id::of_key(key),
        }
    }

    /// Whether a member may have a weight of its own.
    pub fn is_weighted(self) -> bool {
        matches!(self, Scheme::Ring { .. } | Scheme::Rendezvous)
    }

    /// Whether members are placed by their labels, so that no two may have the same.
    pub fn is_labelled(self) -> bool {
        matches!(
            self,
            Scheme::Ring {
                hash: Hash::Murmur3,
                ..
            }
        )
    }

    /// The placement for this list, which is not empty. `map` is that of the partitions, if there are any.
    pub fn place(self, seats: &[Seat], map: &[Vec<u16>]) -> Arc<dyn Placement> {
        match self {
            Scheme::Ring { positions, hash } => Arc::new(match hash {
                Hash::Sha1 => Ring::new(seats, positions),
                Hash::Murmur3 => Ring::murmur3(seats, positions),
            }),
            Scheme::Partitions { .. } => Arc::new(Partitions::new(map.to_vec())),
            Scheme::Rendezvous => Arc::new(Rendezvous::new(seats)),
            Scheme::Jump => Arc::new(Jump::new(seats)),
        }
    }
}

/// A number in its one way of writing: digits, and no zeros before them.
fn number(key: &[u8]) -> Option<u64> {
    let is_plain = key.iter().all(u8::is_ascii_digit) && (key.len() == 1 || !key.starts_with(b"0"));
    let text = core::str::from_utf8(key).ok().filter(|_| is_plain)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_partitions_a_number_is_its_own_identifier() {
        let partitions = Scheme::Partitions { count: 200 };
        for number in [0, 7, 9_999, u64::MAX] {
            let key = std::format!("{number}");
            assert_eq!(partitions.identify(key.as_bytes()), Id::from_number(number));
            assert_eq!(
                Scheme::Jump.identify(key.as_bytes()),
                Id::of_key(key.as_bytes())
            );
        }
        for key in ["", "007", "+7", "7 ", "seven", "18446744073709551616"] {
            assert_eq!(
                partitions.identify(key.as_bytes()),
                Id::of_key(key.as_bytes())
            );
        }
    }
}
