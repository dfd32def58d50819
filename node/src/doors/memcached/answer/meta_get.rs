//! Meta get: `mg`. A client that is told `W` is the one to write the value anew; others are told `Z` meanwhile,
//! and `X` where the value is out of date. Such a promise is written to the item, so all nodes know of it.

use std::io;

use dht::record::{Blob, Record};

use super::super::Shared;
use super::super::expiry::{expires_ms, seconds_left};
use super::super::item::{New, PROMISED, STALE, amend, is_marked, value};
use super::super::meta::MetaGet;
use super::super::output::Output;
use super::meta_words::{Known, tell, tell_flags};
use super::store::same;
use crate::clock::now_ms;

/// What a client is told.
#[derive(Clone, Debug)]
struct Seen {
    record: Record,
    /// `W`
    wins: bool,
    /// `X`
    is_stale: bool,
    /// `Z`
    is_promised: bool,
}

pub(super) async fn get(shared: &Shared, get: &MetaGet, output: &mut Output<'_>) -> io::Result<()> {
    let now_ms = now_ms();
    let seen = amend(&shared.node, &get.head.key, |record| {
        Ok(step(get, record, now_ms))
    });
    let seen = match seen.await {
        Ok((seen, version)) => seen.map(|mut seen| {
            seen.record.version = version.unwrap_or(seen.record.version);
            seen
        }),
        Err(refusal) => {
            output.refuse(refusal);
            return Ok(());
        }
    };
    shared.counts.get.up(seen.is_some());
    let Some(seen) = seen else {
        if !get.head.quiet {
            tell(output, b"EN", &get.head, None);
        }
        return Ok(());
    };
    tell_seen(get, &seen, output).await
}

/// What a client is told of an item, and what becomes of that.
fn step(get: &MetaGet, record: Option<&Record>, now_ms: u64) -> (Option<Seen>, Option<New>) {
    let Some(record) = record else {
        let seconds = get.vivify;
        return seconds.map_or((None, None), |seconds| vivified(get, seconds, now_ms));
    };
    let is_stale = is_marked(record, STALE);
    let is_promised = is_marked(record, PROMISED);
    let left = seconds_left(record.expires_ms, now_ms);
    let is_due = left >= 0 && get.recache.is_some_and(|seconds| left < seconds);
    let wins = !is_promised && (is_stale || is_due);
    let expires_ms = match get.touch {
        Some(exptime) => expires_ms(exptime, now_ms),
        None => record.expires_ms,
    };
    let seen = Seen {
        record: Record {
            expires_ms,
            ..record.clone()
        },
        wins,
        is_stale,
        is_promised,
    };
    let new = (wins || get.touch.is_some()).then(|| New {
        flags: record.flags | if wins { PROMISED } else { 0 },
        expires_ms,
        ..same(record)
    });
    (Some(seen), new)
}

/// An empty item for one that is not there.
fn vivified(get: &MetaGet, seconds: i64, now_ms: u64) -> (Option<Seen>, Option<New>) {
    let value = Blob::from(&[][..]);
    let expires_ms = expires_ms(seconds, now_ms);
    let record = Record {
        name: Some(get.head.key[..].into()),
        value: Some(value.clone()),
        // The one that it gets is told with it.
        version: dht::record::Version::from_number(0),
        flags: PROMISED,
        expires_ms,
    };
    let seen = Seen {
        record,
        wins: true,
        is_stale: false,
        is_promised: false,
    };
    let new = New {
        value,
        flags: PROMISED,
        expires_ms,
    };
    (Some(seen), Some(new))
}

async fn tell_seen(get: &MetaGet, seen: &Seen, output: &mut Output<'_>) -> io::Result<()> {
    let value = value(&seen.record);
    match get.with_value {
        true => {
            output.push(b"VA ");
            output.number(value.len());
        }
        false => output.push(b"HD"),
    }
    tell_flags(output, &get.head, Some(Known::of(&seen.record)));
    let marks = [
        (seen.is_promised, b" Z"),
        (seen.is_stale, b" X"),
        (seen.wins, b" W"),
    ];
    let marks = marks.iter().filter(|(is_there, _)| *is_there);
    marks.for_each(|(_, word)| output.push(*word));
    output.push(b"\r\n");
    match get.with_value {
        true => output.value(value).await,
        false => Ok(()),
    }
}
