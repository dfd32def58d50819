//! Item: a record as clients of memcached see it, and the one way in which it is changed by what it was.
//!
//! An item is what `/kv/<key>` shows. Beside its value stands a number of 64 bits: the lower half are the
//! client's flags, the upper half has two marks that only the meta commands know, and
//! one of the ZeroMQ door, which stays where a value is only changed.

use dht::record::{Blob, Change, Changed, Condition, Record, Version};

use super::limits::TRIES_MAX;
use super::refusal::Refusal;
use crate::clock::now_ms;
use crate::service::Service;

/// The client's flags.
pub(super) fn client_flags(record: &Record) -> u32 {
    record.flags as u32
}

/// Whether a mark is there.
pub(super) fn is_marked(record: &Record, mark: u64) -> bool {
    record.flags & mark != 0
}

/// The value's bytes.
pub(super) fn value(record: &Record) -> &[u8] {
    record.value.as_deref().unwrap_or_default()
}

/// The item under a key, wherever it is.
pub(super) async fn read(node: &Service, key: &[u8]) -> Result<Option<Record>, Refusal> {
    let id = node.identify(key);
    let record = match node.read_here(id) {
        Some(record) => record,
        None => node.read(id, node.routing).await?.0,
    };
    Ok(named(record, key))
}

/// The record, if it is of this key: where two keys have one identifier, only the first one is there.
pub(super) fn named(record: Option<Record>, key: &[u8]) -> Option<Record> {
    record.filter(|record| record.name.as_deref() == Some(key))
}

/// What is to become of an item.
#[derive(Debug)]
pub(super) struct New {
    pub(super) value: Blob,
    pub(super) flags: u64,
    pub(super) expires_ms: Option<u64>,
}

/// What became of an item that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It has this version now.
    Done(Version),
    /// The condition does not hold of the version that is there, if there is one.
    Refused(Option<Version>),
}

/// Writes an item, if the condition holds.
pub(super) async fn write(
    node: &Service,
    key: &[u8],
    new: New,
    condition: Condition,
) -> Result<Written, Refusal> {
    let change = Change {
        name: Some(key.into()),
        value: Some(new.value),
        condition,
        flags: new.flags,
        expires_ms: new.expires_ms,
        now_ms: now_ms(),
    };
    match changed(node, key, change).await? {
        Changed::Created(version) | Changed::Replaced(version) => Ok(Written::Done(version)),
        Changed::Refused(version) => Ok(Written::Refused(version)),
        _ => Ok(Written::Refused(None)),
    }
}

/// Deletes an item, if the condition holds.
pub(super) async fn delete(
    node: &Service,
    key: &[u8],
    condition: Condition,
) -> Result<Changed, Refusal> {
    let change = Change {
        name: Some(key.into()),
        value: None,
        condition,
        flags: 0,
        expires_ms: None,
        now_ms: now_ms(),
    };
    changed(node, key, change).await
}

async fn changed(node: &Service, key: &[u8], change: Change) -> Result<Changed, Refusal> {
    if node.refusal().is_some() {
        return Err(Refusal::READ_ONLY);
    }
    match node.change(node.identify(key), change).await?.0 {
        Changed::Collision => Err(Refusal::COLLISION),
        changed => Ok(changed),
    }
}

/// Makes of an item what `step` makes of it, as if nothing happened between reading and writing: where
/// something has, it begins again. Returns what `step` said of it at last, and the version if it was written.
pub(super) async fn amend<T>(
    node: &Service,
    key: &[u8],
    mut step: impl FnMut(Option<&Record>) -> Result<(T, Option<New>), Refusal>,
) -> Result<(T, Option<Version>), Refusal> {
    for _ in 0..TRIES_MAX {
        let record = read(node, key).await?;
        let (told, new) = step(record.as_ref())?;
        let Some(new) = new else {
            return Ok((told, None));
        };
        let condition = match &record {
            Some(record) => Condition::Among([record.version].into()),
            None => Condition::Absent,
        };
        if let Written::Done(version) = write(node, key, new, condition).await? {
            return Ok((told, Some(version)));
        }
    }
    Err(Refusal::CONTENDED)
}

/// Somebody has said that the value is out of date.
pub(super) const STALE: u64 = 1 << 32;

/// A client was told that it is the one to write the value anew.
pub(super) const PROMISED: u64 = 1 << 33;
