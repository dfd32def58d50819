//! Meta set: `ms`.

use dht::record::{Record, Version};

use super::super::Shared;
use super::super::expiry::expires_from_now;
use super::super::item::{self, New, STALE, amend};
use super::super::meta::MetaSet;
use super::super::output::Output;
use super::super::refusal::Refusal;
use super::super::request::Way;
use super::meta_words::{Known, tell};
use super::store::{Stored, joined, put, same};
use crate::service::Service;

pub(super) async fn set(shared: &Shared, set: MetaSet, output: &mut Output<'_>) {
    shared.counts.set.up();
    let (stored, bytes) = match stored(&shared.node, &set).await {
        Ok(stored) => stored,
        Err(refusal) => return output.refuse(refusal),
    };
    let (word, known) = match stored {
        Stored::Done(_) if set.head.quiet => return,
        Stored::Done(version) => (&b"HD"[..], Some(known(&set, version, bytes))),
        Stored::Not => (&b"NS"[..], None),
        Stored::Exists => (&b"EX"[..], None),
        Stored::Missing => (&b"NF"[..], None),
    };
    tell(output, word, &set.head, known);
}

/// What became of it, and how many bytes the value has.
async fn stored(node: &Service, set: &MetaSet) -> Result<(Stored, usize), Refusal> {
    match set.way {
        Way::Append | Way::Prepend => append(node, set).await,
        Way::Cas(version) if set.invalidate => invalidate(node, set, version).await,
        way => {
            let stored = put(node, way, &set.head.key, new(set, 0)).await?;
            Ok((stored, set.value.len()))
        }
    }
}

/// The item as it is to be, with these marks.
fn new(set: &MetaSet, marks: u64) -> New {
    New {
        value: set.value.clone(),
        flags: u64::from(set.flags) | marks,
        expires_ms: expires_from_now(set.exptime),
    }
}

/// Puts the value behind or before the one that is there, or begins with it if so wanted.
async fn append(node: &Service, set: &MetaSet) -> Result<(Stored, usize), Refusal> {
    let appended = amend(node, &set.head.key, |record| {
        let new = match (record, set.vivify) {
            (Some(record), _) => New {
                value: joined(set.way, item::value(record), &set.value)?,
                ..same(record)
            },
            (None, Some(exptime)) => New {
                expires_ms: expires_from_now(exptime),
                ..new(set, 0)
            },
            (None, None) => return Ok((0, None)),
        };
        Ok((new.value.len(), Some(new)))
    });
    let (bytes, version) = appended.await?;
    Ok((version.map_or(Stored::Not, Stored::Done), bytes))
}

/// Stores the value in the place of this version, or as stale in that of a newer one.
async fn invalidate(
    node: &Service,
    set: &MetaSet,
    version: u64,
) -> Result<(Stored, usize), Refusal> {
    let step = |record: Option<&Record>| {
        let Some(record) = record else {
            return Ok((Stored::Missing, None));
        };
        let there = record.version.number();
        Ok(match version {
            _ if version == there => (Stored::Exists, Some(new(set, 0))),
            _ if version < there => (Stored::Exists, Some(new(set, STALE))),
            _ => (Stored::Exists, None),
        })
    };
    let (otherwise, version) = amend(node, &set.head.key, step).await?;
    Ok((version.map_or(otherwise, Stored::Done), set.value.len()))
}

fn known(set: &MetaSet, version: Version, bytes: usize) -> Known {
    Known {
        version,
        bytes,
        flags: set.flags,
        expires_ms: expires_from_now(set.exptime),
    }
}
