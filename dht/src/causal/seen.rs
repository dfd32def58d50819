//! Seen: what a client has seen, which it carries from node to node without looking inside.
//!
//! One vector for each shard, of one layout. A layout begins with all that was seen under those before it,
//! so what a client has seen under an older one is there wherever a newer one is in force.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::causal::vector::{Vector, Writer};
use crate::id::Id;

/// What somebody has seen, or what something depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seen {
    /// Under which layout; of earlier ones it is everything.
    pub epoch: u32,
    /// Of each shard.
    pub shards: BTreeMap<u32, Vector>,
}

/// What a client carries: what it has seen, and in which store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// One of those that founded the store. Another store counts from the same numbers, so what was seen there
    /// could pass for something of this one. Nothing in what a client begins with.
    pub founder: Option<Writer>,
    /// What it has seen.
    pub seen: Seen,
}

/// The text is none that a node has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSeen;

impl Seen {
    /// Nothing of a layout.
    pub(crate) fn none_of(epoch: u32) -> Seen {
        Seen {
            epoch,
            ..Seen::default()
        }
    }

    /// What was seen of one shard.
    pub fn of(&self, shard: u32) -> Option<&Vector> {
        self.shards.get(&shard)
    }

    /// Takes in what somebody else has seen.
    pub fn merge(&mut self, other: &Seen) {
        match self.epoch.cmp(&other.epoch) {
            core::cmp::Ordering::Less => *self = other.clone(),
            core::cmp::Ordering::Greater => {}
            core::cmp::Ordering::Equal => {
                for (shard, vector) in &other.shards {
                    self.shards.entry(*shard).or_default().merge(vector);
                }
            }
        }
    }
}

impl Metadata {
    /// As text for clients: base64 without padding, for URLs; some thirty characters, and ten for each writer.
    pub fn encode(&self) -> String {
        let body = postcard::to_allocvec(self).expect("vectors are plain data");
        let mut bytes = Vec::with_capacity(1 + SUM_BYTES + body.len());
        bytes.push(FORMAT);
        bytes.extend(sum(&body));
        bytes.extend(body);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// From the text that [`Metadata::encode`] gave. Errors: it is not.
    pub fn decode(text: &str) -> Result<Metadata, NotSeen> {
        if text.len() > TEXT_MAX {
            return Err(NotSeen);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotSeen)?;
        let [FORMAT, rest @ ..] = &bytes[..] else {
            return Err(NotSeen);
        };
        let (told, body) = rest.split_at_checked(SUM_BYTES).ok_or(NotSeen)?;
        if told != sum(body) {
            return Err(NotSeen);
        }
        let (metadata, rest) = postcard::take_from_bytes(body).map_err(|_| NotSeen)?;
        match rest {
            [] => Ok(metadata),
            _ => Err(NotSeen),
        }
    }
}

/// Tells what was cut or mistyped from what a node gave. It is no secret.
fn sum(body: &[u8]) -> [u8; SUM_BYTES] {
    let hash = Id::of(body);
    let first = hash.as_bytes().first_chunk().copied();
    first.expect("a hash has more bytes")
}

/// The first byte of all texts. Those that began with a 1 did not say of which store they were.
const FORMAT: u8 = 2;

const SUM_BYTES: usize = 4;

/// Characters of a text: a thousand writers, and as many shards.
const TEXT_MAX: usize = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(epoch: u32, writers: u32) -> Seen {
        let vector = (0..writers).map(|n| (Writer::of(Id::of(&n.to_be_bytes()), 1), 300));
        Seen {
            epoch,
            shards: [(0, vector.collect())].into(),
        }
    }

    #[test]
    fn a_text_is_read_as_it_was_written_and_nothing_else_is_read() {
        let metadata = Metadata {
            founder: Some(Writer::of(Id::ZERO, 1)),
            seen: seen(3, 9),
        };
        let text = metadata.encode();
        assert!(text.len() < 200, "{}", text.len());
        assert_eq!(Metadata::decode(&text), Ok(metadata));
        for bad in ["", "?", "AAAA", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(Metadata::decode(bad), Err(NotSeen), "{bad}");
        }
        for place in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("it is ASCII");
            assert_eq!(Metadata::decode(&other), Err(NotSeen), "{other}");
        }
    }

    #[test]
    fn what_was_seen_under_an_older_layout_is_part_of_a_newer_one() {
        let (old, new) = (seen(3, 9), seen(4, 1));
        for (mut one, other) in [(old.clone(), &new), (new.clone(), &old)] {
            one.merge(other);
            assert_eq!(one, new);
        }
    }
}
