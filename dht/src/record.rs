//! Record: one item of content, and what a client may ask to be done with it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes that are shared, not copied, when a record is cloned. Where people read: base64.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(Arc<[u8]>);

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Blob {
        Blob(bytes.into())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Blob {
        Blob(bytes.into())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(self) {
            Ok(text) if text.len() <= 32 => write!(f, "{text:?}"),
            _ => write!(f, "{} bytes", self.len()),
        }
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&STANDARD.encode(self)),
            false => serializer.serialize_bytes(self),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        if !deserializer.is_human_readable() {
            return deserializer.deserialize_bytes(Bytes);
        }
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text)
            .map(Blob::from)
            .map_err(de::Error::custom)
    }
}

/// Takes bytes as they are.
struct Bytes;

impl de::Visitor<'_> for Bytes {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(bytes.into())
    }
}

/// When a record was written: the epoch of the range that took the write, then a sequence number.
///
/// Versions of one key only grow: a new owner serves under a higher epoch than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(u64);

impl Version {
    /// The version of write number `sequence` in `epoch`.
    pub const fn new(epoch: u32, sequence: u32) -> Version {
        Version((epoch as u64) << 32 | sequence as u64)
    }

    /// The one right after it.
    pub(crate) const fn next(self) -> Version {
        Version(self.0 + 1)
    }

    /// From the number that [`Version::number`] gave.
    pub const fn from_number(number: u64) -> Version {
        Version(number)
    }

    /// The epoch.
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The sequence number within the epoch.
    pub const fn sequence(self) -> u32 {
        self.0 as u32
    }

    /// As one number, in the order of versions.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// One item of content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The key's bytes; nothing where the item is addressed by its content.
    pub name: Option<Blob>,
    /// The value's bytes; nothing where the item was deleted: such a record is a tombstone, and keeps
    /// older writes from coming back.
    #[serde(default)]
    pub value: Option<Blob>,
    /// Which write this is.
    pub version: Version,
    /// What a door keeps beside the value and alone understands; 0 where it says nothing, and of a
    /// tombstone.
    #[serde(default)]
    pub flags: u64,
    /// Unix milliseconds. Of a value: from then on it reads as missing. Of a tombstone: from then on it
    /// may be purged. Nothing: never.
    #[serde(default)]
    pub expires_ms: Option<u64>,
}

impl Record {
    /// Whether it reads as a value: it is no tombstone and has not expired.
    ///
    /// - `now_ms`: Unix milliseconds.
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.value.is_some() && self.expires_ms.is_none_or(|expires| now_ms < expires)
    }

    /// Bytes of its name and value together.
    pub fn bytes(&self) -> usize {
        let length = |blob: &Option<Blob>| blob.as_ref().map_or(0, |blob| blob.len());
        length(&self.name) + length(&self.value)
    }

    /// When nobody needs it any more, in Unix milliseconds; nothing if never. An expired value is as
    /// good as a tombstone, so it stays as long as one.
    pub fn purge_ms(&self) -> Option<u64> {
        let expires_ms = self.expires_ms?;
        Some(match self.value {
            Some(_) => expires_ms.saturating_add(TOMBSTONE_MS),
            None => expires_ms,
        })
    }
}

/// How long a tombstone is kept, in milliseconds: 24 hours. A copy that was away for longer may bring
/// back what was deleted meanwhile, so it is not to be offered any more.
pub const TOMBSTONE_MS: u64 = 24 * 60 * 60 * 1000;

/// What must hold of the present record for a write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// There is one (`If-Match: *`).
    Present,
    /// There is one, and its version is among these (`If-Match: "…", "…"`).
    Among(Vec<Version>),
}

impl Condition {
    /// Whether it holds of the present record; one that is not live is not present.
    pub fn holds(&self, present: Option<&Record>) -> bool {
        match (self, present) {
            (Condition::Always, _) => true,
            (Condition::Absent, present) => present.is_none(),
            (Condition::Present, present) => present.is_some(),
            (Condition::Among(versions), Some(present)) => versions.contains(&present.version),
            (Condition::Among(_), None) => false,
        }
    }
}

/// A change of one item that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// The key's bytes; nothing where the item is addressed by its content.
    pub name: Option<Blob>,
    /// The new value, or nothing to delete the item.
    pub value: Option<Blob>,
    /// What must hold for the change to be made.
    pub condition: Condition,
    /// What is kept beside the new value; 0 where the door says nothing.
    #[serde(default)]
    pub flags: u64,
    /// Unix milliseconds from which on the new value reads as missing; nothing if it stays.
    #[serde(default)]
    pub expires_ms: Option<u64>,
    /// Unix milliseconds by the clock of whoever took the change from its client: what has expired by
    /// then is not present for the condition, and a tombstone's time counts from then.
    #[serde(default)]
    pub now_ms: u64,
}

/// What became of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Changed {
    /// There was no item; now there is one of this version.
    Created(Version),
    /// There was an item; now it has this version.
    Replaced(Version),
    /// The item is deleted.
    Deleted,
    /// There was nothing to delete.
    Missing,
    /// The condition does not hold of the present version; nothing changed.
    Refused(Option<Version>),
    /// Another key has the same identifier; nothing changed.
    Collision,
}

impl Changed {
    /// Whether the change was made, so that something is different now.
    pub fn is_made(self) -> bool {
        matches!(
            self,
            Changed::Created(_) | Changed::Replaced(_) | Changed::Deleted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: Version) -> Record {
        Record {
            name: None,
            value: Some(b"value"[..].into()),
            version,
            flags: 0,
            expires_ms: None,
        }
    }

    #[test]
    fn a_later_epoch_is_a_later_version() {
        let versions = [(1, 0), (1, 1), (1, u32::MAX), (2, 0), (2, 1)];
        let versions = versions.map(|(epoch, sequence)| Version::new(epoch, sequence));
        assert!(versions.is_sorted_by(|a, b| a < b));
        for version in versions {
            assert_eq!(Version::from_number(version.number()), version);
        }
    }

    #[test]
    fn conditions_look_at_what_is_there() {
        let (old, new) = (Version::new(1, 1), Version::new(1, 2));
        let present = record(new);
        for (condition, without, with) in [
            (Condition::Always, true, true),
            (Condition::Absent, true, false),
            (Condition::Present, false, true),
            (Condition::Among(Vec::from([old, new])), false, true),
            (Condition::Among(Vec::from([old])), false, false),
        ] {
            assert_eq!(condition.holds(None), without, "{condition:?}");
            assert_eq!(condition.holds(Some(&present)), with, "{condition:?}");
        }
    }

    #[test]
    fn a_record_is_live_until_it_expires_and_a_tombstone_never() {
        let value = record(Version::new(1, 1));
        assert!(value.is_live(u64::MAX));
        let expiring = Record {
            expires_ms: Some(1000),
            ..value.clone()
        };
        assert!(expiring.is_live(999) && !expiring.is_live(1000));
        assert_eq!(expiring.purge_ms(), Some(1000 + TOMBSTONE_MS));
        let tombstone = Record {
            value: None,
            ..expiring
        };
        assert!(!tombstone.is_live(0));
        assert_eq!(tombstone.purge_ms(), Some(1000));
        assert_eq!((value.bytes(), tombstone.bytes()), (5, 0));
    }

    #[test]
    fn records_and_changes_survive_and_may_lack_what_is_not_special() {
        let plain = record(Version::new(1, 1));
        let json = r#"{"name":null,"value":"dmFsdWU=","version":4294967297}"#;
        assert_eq!(serde_json::from_str(json).ok(), Some(plain.clone()));
        let special = Record {
            name: Some(b"name"[..].into()),
            value: None,
            flags: u64::MAX,
            expires_ms: Some(7),
            ..plain.clone()
        };
        for record in [plain, special] {
            let json = serde_json::to_string(&record).expect("plain data");
            assert_eq!(serde_json::from_str(&json).ok().as_ref(), Some(&record));
            let bytes = postcard::to_allocvec(&record).expect("plain data");
            assert_eq!(postcard::from_bytes(&bytes), Ok(record));
        }
        let plain = Change {
            name: None,
            value: None,
            condition: Condition::Always,
            flags: 0,
            expires_ms: None,
            now_ms: 0,
        };
        let json = r#"{"name":null,"value":null,"condition":"Always"}"#;
        assert_eq!(serde_json::from_str(json).ok(), Some(plain.clone()));
        let special = Change {
            value: Some(b"value"[..].into()),
            flags: u64::MAX,
            expires_ms: Some(7),
            now_ms: 5,
            ..plain.clone()
        };
        for change in [plain, special] {
            let json = serde_json::to_string(&change).expect("plain data");
            assert_eq!(serde_json::from_str(&json).ok().as_ref(), Some(&change));
            let bytes = postcard::to_allocvec(&change).expect("plain data");
            assert_eq!(postcard::from_bytes(&bytes), Ok(change));
        }
    }

    #[test]
    fn any_bytes_survive() {
        let bytes: Vec<u8> = (0..=255).collect();
        let blob = Blob::from(bytes);
        let json = serde_json::to_string(&blob).expect("bytes are written");
        let read: Blob = serde_json::from_str(&json).expect("and read");
        assert_eq!(read, blob);
        assert!(serde_json::from_str::<Blob>("\"no base64!\"").is_err());
        let raw = postcard::to_allocvec(&blob).expect("bytes are written");
        assert_eq!(raw.len(), 2 + blob.len());
        assert_eq!(postcard::from_bytes(&raw), Ok(blob));
    }

    #[test]
    fn a_clone_shares_the_bytes() {
        let blob = Blob::from(&b"value"[..]);
        assert!(core::ptr::eq(&*blob, &*blob.clone()));
    }
}
