//! Meta delete: `md`. An item goes, or loses its value, or is marked as stale.

use dht::record::{Blob, Changed, Condition, Version};

use super::super::Shared;
use super::super::expiry::expires_from_now;
use super::super::item::{self, PROMISED, STALE, amend};
use super::super::meta::MetaDelete;
use super::super::output::Output;
use super::super::refusal::Refusal;
use super::meta_words::tell;
use super::store::same;
use crate::service::Service;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Yes,
    Missing,
    AnotherVersion,
}

pub(super) async fn delete(shared: &Shared, delete: &MetaDelete, output: &mut Output<'_>) {
    let node = &shared.node;
    let done = match delete.invalidate || delete.only_value {
        true => mark(node, delete).await,
        false => remove(node, delete).await,
    };
    let word = match done {
        Err(refusal) => return output.refuse(refusal),
        Ok(Done::Yes) => &b"HD"[..],
        Ok(Done::Missing) => b"NF",
        Ok(Done::AnotherVersion) => b"EX",
    };
    shared.counts.delete.up(done == Ok(Done::Yes));
    if done != Ok(Done::Yes) || !delete.head.quiet {
        tell(output, word, &delete.head, None);
    }
}

async fn remove(node: &Service, delete: &MetaDelete) -> Result<Done, Refusal> {
    let condition = match delete.version {
        Some(version) => Condition::Among([Version::from_number(version)].into()),
        None => Condition::Always,
    };
    Ok(
        match item::delete(node, &delete.head.key, condition).await? {
            Changed::Deleted => Done::Yes,
            Changed::Refused(Some(_)) => Done::AnotherVersion,
            _ => Done::Missing,
        },
    )
}

/// The item stays: without its value, or marked, so that the next one who reads it is to write it anew.
async fn mark(node: &Service, delete: &MetaDelete) -> Result<Done, Refusal> {
    let marked = amend(node, &delete.head.key, |record| {
        let Some(record) = record else {
            return Ok((Done::Missing, None));
        };
        let is_wanted = |version: u64| version == record.version.number();
        if !delete.version.is_none_or(is_wanted) {
            return Ok((Done::AnotherVersion, None));
        }
        let mut new = same(record);
        if delete.only_value {
            new.value = Blob::from(&[][..]);
            // What the client has kept beside it went with it.
            new.flags &= STALE | PROMISED;
        }
        if delete.invalidate {
            new.flags = (new.flags | STALE) & !PROMISED;
        }
        if let Some(exptime) = delete.touch {
            new.expires_ms = expires_from_now(exptime);
        }
        Ok((Done::Yes, Some(new)))
    });
    Ok(marked.await?.0)
}
