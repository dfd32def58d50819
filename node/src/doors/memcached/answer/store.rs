//! Store: `set`, `add`, `replace`, `append`, `prepend` and `cas`.

use dht::record::{Blob, Condition, Record, Version};

use super::super::Shared;
use super::super::expiry::expires_from_now;
use super::super::item::{self, New, Written, amend, write};
use super::super::limits::VALUE_BYTES_MAX;
use super::super::output::Output;
use super::super::refusal::Refusal;
use super::super::request::{Store, Way};
use super::say;
use crate::service::Service;

/// What became of a value that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Done(Version),
    /// There is one, or there is none.
    Not,
    /// There is another version.
    Exists,
    /// There is none whose version could be the wanted one.
    Missing,
}

pub(super) async fn store(shared: &Shared, store: Store, output: &mut Output<'_>) {
    let Store {
        way,
        key,
        flags,
        exptime,
        quiet,
        value,
    } = store;
    shared.counts.set.up();
    let new = New {
        value,
        flags: flags.into(),
        expires_ms: expires_from_now(exptime),
    };
    let node = &shared.node;
    let stored = match way {
        Way::Append | Way::Prepend => Box::pin(join(node, way, &key, new.value)).await,
        _ => put(node, way, &key, new).await,
    };
    if let (Way::Cas(_), Ok(stored)) = (way, stored) {
        count(shared, stored);
    }
    let words = stored.map(|stored| match stored {
        Stored::Done(_) => &b"STORED\r\n"[..],
        Stored::Not => b"NOT_STORED\r\n",
        Stored::Exists => b"EXISTS\r\n",
        Stored::Missing => b"NOT_FOUND\r\n",
    });
    say(output, quiet, words);
}

/// Stores a value in the place of the one that is there.
pub(super) async fn put(node: &Service, way: Way, key: &[u8], new: New) -> Result<Stored, Refusal> {
    let condition = match way {
        Way::Add => Condition::Absent,
        Way::Replace => Condition::Present,
        Way::Cas(version) => Condition::Among([Version::from_number(version)].into()),
        _ => Condition::Always,
    };
    Ok(match (write(node, key, new, condition).await?, way) {
        (Written::Done(version), _) => Stored::Done(version),
        (Written::Refused(Some(_)), Way::Cas(_)) => Stored::Exists,
        (Written::Refused(None), Way::Cas(_)) => Stored::Missing,
        (Written::Refused(_), _) => Stored::Not,
    })
}

/// Puts a value behind or before the one that is there, and leaves all else as it is.
pub(super) async fn join(
    node: &Service,
    way: Way,
    key: &[u8],
    value: Blob,
) -> Result<Stored, Refusal> {
    let joined = amend(node, key, |record| {
        let Some(record) = record else {
            return Ok(((), None));
        };
        let new = New {
            value: joined(way, item::value(record), &value)?,
            ..same(record)
        };
        Ok(((), Some(new)))
    });
    let ((), version) = joined.await?;
    Ok(version.map_or(Stored::Not, Stored::Done))
}

/// The item as it is.
pub(super) fn same(record: &Record) -> New {
    New {
        value: record.value.clone().unwrap_or_else(|| Blob::from(&[][..])),
        flags: record.flags,
        expires_ms: record.expires_ms,
    }
}

/// Two values as one, if it is not too large.
pub(super) fn joined(way: Way, there: &[u8], value: &[u8]) -> Result<Blob, Refusal> {
    if there.len() + value.len() > VALUE_BYTES_MAX {
        return Err(Refusal::LARGE);
    }
    let joined = match way {
        Way::Prepend => [value, there].concat(),
        _ => [there, value].concat(),
    };
    Ok(joined.into())
}

fn count(shared: &Shared, stored: Stored) {
    let counts = &shared.counts;
    match stored {
        Stored::Done(_) => counts.cas.up(true),
        Stored::Missing => counts.cas.up(false),
        Stored::Exists | Stored::Not => counts.cas_badval.up(),
    }
}
