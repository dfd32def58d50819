//! Murmur: identifiers that begin with the MurmurHash3 of what they stand for, as it is usual on rings of
//! memcached servers: 32 bits, seed 0.
//!
//! On such a ring a key belongs to the first position whose hash is not below its own. So a position ends in
//! ones, and a key in its SHA-1, which tells apart keys of the same hash.

use alloc::format;

use crate::id::Id;

/// The identifier of a key.
pub(super) fn key(key: &[u8]) -> Id {
    beginning_with(key, Id::of_key(key))
}

/// Position number `number` of a member: the hash of `LABEL-NUMBER`.
pub(super) fn point(label: &str, number: u32) -> Id {
    beginning_with(format!("{label}-{number}").as_bytes(), Id::MAX)
}

fn beginning_with(hashed: &[u8], rest: Id) -> Id {
    let hash = mur3::murmurhash3_x86_32(hashed, 0).to_be_bytes();
    let mut bytes = *rest.as_bytes();
    bytes[..hash.len()].copy_from_slice(&hash);
    Id::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `mmh3.hash(text, 0, signed=False)` of Python's mmh3 5.3.
    #[test]
    fn hashes_are_those_that_others_compute() {
        for (text, hash) in [
            ("", 0),
            ("a", 0x3c25_69b2),
            ("ab", 0x9bbf_d75f),
            ("abc", 0xb3dd_93fa),
            ("abcd", 0x43ed_676a),
            ("hello, world", 0x149b_bb7f),
            ("key-17", 0x3506_3857),
            ("Zoë", 0x8671_2d1a),
        ] {
            let id = key(text.as_bytes());
            let (top, rest) = id.as_bytes().split_at(4);
            assert_eq!(top, u32::to_be_bytes(hash), "{text}");
            assert_eq!(rest, &Id::of_key(text.as_bytes()).as_bytes()[4..], "{text}");
        }
        let point = point("('localhost', 11211)", 0);
        assert_eq!(point.as_bytes()[..4], 0x1cd5_3a0a_u32.to_be_bytes());
        assert_eq!(point.as_bytes()[4..], [0xff; 16]);
    }
}
