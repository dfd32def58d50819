//! Touch: an item is to expire at another time. It is written anew for it, so it gets another version.

use dht::record::Record;

use super::super::Shared;
use super::super::expiry::expires_from_now;
use super::super::item::{New, amend};
use super::super::output::Output;
use super::super::refusal::Refusal;
use super::super::request::Touch;
use super::say;
use super::store::same;
use crate::service::Service;

pub(super) async fn touch(shared: &Shared, touch: &Touch, output: &mut Output<'_>) {
    let touched = touched(&shared.node, &touch.key, touch.exptime).await;
    if let Ok(record) = &touched {
        shared.counts.touch.up(record.is_some());
    }
    let words = touched.map(|record| match record {
        Some(_) => &b"TOUCHED\r\n"[..],
        None => b"NOT_FOUND\r\n",
    });
    say(output, touch.quiet, words);
}

/// The item as it is afterwards; nothing if there is none.
pub(super) async fn touched(
    node: &Service,
    key: &[u8],
    exptime: i64,
) -> Result<Option<Record>, Refusal> {
    let expires_ms = expires_from_now(exptime);
    let touched = amend(node, key, |record| {
        let new = record.map(|record| New {
            expires_ms,
            ..same(record)
        });
        let record = record.map(|record| Record {
            expires_ms,
            ..record.clone()
        });
        Ok((record, new))
    });
    let (record, version) = touched.await?;
    Ok(record.map(|record| Record {
        version: version.unwrap_or(record.version),
        ..record
    }))
}
