//! Identifiers on the ring, and arcs of it.
//!
//! All modular arithmetic of the project lives in this file and nowhere else: 160 bits, as SHA-1
//! gives them, clockwise meaning upwards, and after the largest identifier comes zero again.
//! Source: Stoica et al., *Chord* (SIGCOMM 2001), section 4.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha1::{Digest, Sha1};

/// A position on the ring: 160 bits, ordered as a number, written as 40 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id([u8; Id::BYTES]);

impl Id {
    /// Width of an identifier in bits, and so the number of finger positions.
    pub const BITS: u8 = 160;
    /// Width of an identifier in bytes.
    pub const BYTES: usize = 20;
    /// The smallest identifier.
    pub const ZERO: Id = Id([0; Id::BYTES]);
    /// The largest identifier; the next one is [`Id::ZERO`].
    pub const MAX: Id = Id([0xff; Id::BYTES]);

    /// The SHA-1 of `bytes`.
    pub fn of(bytes: &[u8]) -> Id {
        Id(Sha1::digest(bytes).into())
    }

    /// The identifier of a key of the key-value API: SHA-1 of `kv:` and the key, so that named
    /// keys and content-addressed values never meet.
    pub fn of_key(key: &[u8]) -> Id {
        let mut hash = Sha1::new();
        hash.update(b"kv:");
        hash.update(key);
        Id(hash.finalize().into())
    }

    /// From 20 bytes, the most significant first.
    pub const fn from_bytes(bytes: [u8; Id::BYTES]) -> Id {
        Id(bytes)
    }

    /// The identifier that is this number.
    pub const fn from_number(number: u64) -> Id {
        let mut bytes = [0; Id::BYTES];
        let (_, low) = bytes.split_at_mut(Id::BYTES - 8);
        low.copy_from_slice(&number.to_be_bytes());
        Id(bytes)
    }

    /// What is left of it as a number when it is divided by `divisor`, which is not 0.
    pub fn remainder(self, divisor: u32) -> u32 {
        let divisor = u128::from(divisor);
        let (high, low) = self.split();
        // 2^128 leaves what 2^128 - 1 does, and one.
        let high = u128::from(high) * (u128::MAX % divisor + 1);
        ((high % divisor + low % divisor) % divisor) as u32
    }

    /// The 20 bytes, the most significant first.
    pub const fn as_bytes(&self) -> &[u8; Id::BYTES] {
        &self.0
    }

    /// The sum, modulo 2^160.
    #[must_use]
    pub fn plus(self, other: Id) -> Id {
        let ((high_a, low_a), (high_b, low_b)) = (self.split(), other.split());
        let (low, carry) = low_a.overflowing_add(low_b);
        Id::join(high_a.wrapping_add(high_b).wrapping_add(carry.into()), low)
    }

    /// The difference, modulo 2^160.
    #[must_use]
    pub fn minus(self, other: Id) -> Id {
        let ((high_a, low_a), (high_b, low_b)) = (self.split(), other.split());
        let (low, borrow) = low_a.overflowing_sub(low_b);
        Id::join(high_a.wrapping_sub(high_b).wrapping_sub(borrow.into()), low)
    }

    /// 2^`exponent`; `exponent` is below [`Id::BITS`].
    pub fn power_of_two(exponent: u8) -> Id {
        assert!(exponent < Id::BITS, "2^{exponent} is not an identifier");
        let mut bytes = [0; Id::BYTES];
        bytes[Id::BYTES - 1 - usize::from(exponent / 8)] = 1 << (exponent % 8);
        Id(bytes)
    }

    /// The next identifier clockwise.
    #[must_use]
    pub fn next(self) -> Id {
        self.plus(Id::join(0, 1))
    }

    /// The identifier before this one.
    #[must_use]
    pub fn previous(self) -> Id {
        self.minus(Id::join(0, 1))
    }

    /// Steps clockwise from here to `other`; zero only for itself.
    #[must_use]
    pub fn distance_to(self, other: Id) -> Id {
        other.minus(self)
    }

    /// Whether this identifier lies strictly inside the clockwise interval (`after`, `before`).
    /// (`a`, `a`) is everything but `a`, as in Zave's model.
    pub fn is_between(self, after: Id, before: Id) -> bool {
        self != after && self != before && Arc::new(after, before).contains(self)
    }

    /// The position of the highest bit that is set; `None` for zero.
    pub fn highest_bit(self) -> Option<u8> {
        match self.split() {
            (0, 0) => None,
            (0, low) => Some((127 - low.leading_zeros()) as u8),
            (high, _) => Some((128 + 31 - high.leading_zeros()) as u8),
        }
    }

    fn split(self) -> (u32, u128) {
        let (high, low) = self
            .0
            .split_first_chunk::<4>()
            .expect("an identifier has 20 bytes");
        let low = low.try_into().expect("16 bytes are left after the first 4");
        (u32::from_be_bytes(*high), u128::from_be_bytes(low))
    }

    fn join(high: u32, low: u128) -> Id {
        let mut bytes = [0; Id::BYTES];
        bytes[..4].copy_from_slice(&high.to_be_bytes());
        bytes[4..].copy_from_slice(&low.to_be_bytes());
        Id(bytes)
    }
}

impl Ord for Id {
    /// As numbers: on two words rather than on twenty bytes.
    fn cmp(&self, other: &Id) -> core::cmp::Ordering {
        self.split().cmp(&other.split())
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; Id::BYTES * 2];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.pad(core::str::from_utf8(&digits).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier is 40 hexadecimal digits")
    }
}

impl core::error::Error for NotAnId {}

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Id, NotAnId> {
        let text = text.as_bytes();
        if text.len() != Id::BYTES * 2 {
            return Err(NotAnId);
        }
        let digit = |ascii: u8| match ascii {
            b'0'..=b'9' => Ok(ascii - b'0'),
            b'a'..=b'f' => Ok(ascii - b'a' + 10),
            b'A'..=b'F' => Ok(ascii - b'A' + 10),
            _ => Err(NotAnId),
        };
        let mut bytes = [0; Id::BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Id(bytes))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Id);
        }
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A clockwise piece of the ring: every identifier after `start` up to and including `end`.
///
/// Where both are equal it is the whole ring; an arc is never empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Arc {
    /// The identifier just before the arc.
    pub start: Id,
    /// The last identifier of the arc.
    pub end: Id,
}

impl Arc {
    /// The whole ring.
    pub const WHOLE: Arc = Arc::new(Id::ZERO, Id::ZERO);

    /// The arc (`start`, `end`].
    pub const fn new(start: Id, end: Id) -> Arc {
        Arc { start, end }
    }

    /// Whether `id` lies on the arc.
    pub fn contains(&self, id: Id) -> bool {
        self.offset(id) <= self.last()
    }

    /// Whether every identifier of `other` lies on this arc.
    pub fn covers(&self, other: Arc) -> bool {
        if self.start == self.end {
            return true;
        }
        let first = self.offset(other.start.next());
        let last = self.offset(other.end);
        first <= last && last <= self.last()
    }

    /// What the two arcs share: nothing, one piece, or two where each wraps around the other.
    pub fn intersection(&self, other: Arc) -> impl Iterator<Item = Arc> + use<> {
        let first = self.offset(other.start.next());
        let last = self.offset(other.end);
        let end = self.last();
        if self.start == self.end {
            // The whole ring has no seam that could cut the other one in two.
            [Some(other), None]
        } else if other.start == other.end {
            [Some(*self), None]
        } else if first <= last {
            [self.piece(first, last.min(end)), None]
        } else {
            [self.piece(Id::ZERO, last.min(end)), self.piece(first, end)]
        }
        .into_iter()
        .flatten()
    }

    /// What of this arc does not lie on `other`: nothing, one piece, or two.
    pub fn without(&self, other: Arc) -> impl Iterator<Item = Arc> + use<> {
        let rest = (other.start != other.end).then(|| Arc::new(other.end, other.start));
        let arc = *self;
        rest.into_iter()
            .flat_map(move |rest| arc.intersection(rest))
    }

    /// Position of `id` counted from the first identifier of the arc.
    fn offset(&self, id: Id) -> Id {
        id.minus(self.start).previous()
    }

    /// Position of the last identifier; the whole ring gives [`Id::MAX`].
    fn last(&self) -> Id {
        self.offset(self.end)
    }

    /// The piece between two positions of this arc, or nothing if they are out of order.
    fn piece(&self, first: Id, last: Id) -> Option<Arc> {
        (first <= last).then(|| Arc::new(self.start.plus(first), self.start.plus(last).next()))
    }
}

impl fmt::Display for Arc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:.8}, {:.8}]", self.start, self.end)
    }
}

impl fmt::Debug for Arc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
