//! Meta words: what answers to meta commands have in common: a word, and behind it what the flags ask for, in
//! their order.
//!
//! Reads are not written down, since each would be a write to all copies: nothing is known of the last access,
//! so `h` and `l` are 0.

use dht::record::{Record, Version};

use super::super::Shared;
use super::super::expiry::seconds_left;
use super::super::item::{client_flags, read, value};
use super::super::line::words;
use super::super::meta::Head;
use super::super::output::Output;
use crate::clock::now_ms;

/// What is known of an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) version: Version,
    pub(super) bytes: usize,
    pub(super) flags: u32,
    pub(super) expires_ms: Option<u64>,
}

impl Known {
    pub(super) fn of(record: &Record) -> Known {
        Known {
            version: record.version,
            bytes: value(record).len(),
            flags: client_flags(record),
            expires_ms: record.expires_ms,
        }
    }
}

/// A word, what the flags ask for, and the end of the line.
pub(super) fn tell(output: &mut Output<'_>, word: &[u8], head: &Head, known: Option<Known>) {
    output.push(word);
    tell_flags(output, head, known);
    output.push(b"\r\n");
}

/// What the flags ask for, each behind a space.
pub(super) fn tell_flags(output: &mut Output<'_>, head: &Head, known: Option<Known>) {
    for flag in words(&head.flags) {
        match (flag[0], known) {
            (b'k', _) => tell_key(output, head),
            (b'O', _) => {
                output.push(b" ");
                output.push(flag);
            }
            (b'c', Some(known)) => number(output, b" c", known.version.number()),
            (b'f', Some(known)) => number(output, b" f", known.flags.into()),
            (b's', Some(known)) => number(output, b" s", known.bytes as u64),
            (b't', Some(known)) => {
                output.push(b" t");
                output.number(seconds_left(known.expires_ms, now_ms()));
            }
            (b'h', Some(_)) => output.push(b" h0"),
            (b'l', Some(_)) => output.push(b" l0"),
            _ => {}
        }
    }
}

/// `me`: what is known of an item, for people.
pub(super) async fn debug(shared: &Shared, head: &Head, output: &mut Output<'_>) {
    match read(&shared.node, &head.key).await {
        Ok(Some(record)) => {
            let known = Known::of(&record);
            output.push(b"ME ");
            output.push(&head.written);
            output.push(b" exp=");
            output.number(seconds_left(known.expires_ms, now_ms()));
            number(output, b" cas=", known.version.number());
            number(output, b" size=", known.bytes as u64);
            output.push(b"\r\n");
        }
        Ok(None) => output.push(b"EN\r\n"),
        Err(refusal) => output.refuse(refusal),
    }
}

/// The key as the client wrote it, and whether that is base64.
fn tell_key(output: &mut Output<'_>, head: &Head) {
    output.push(b" k");
    output.push(&head.written);
    if words(&head.flags).any(|flag| flag[0] == b'b') {
        output.push(b" b");
    }
}

fn number(output: &mut Output<'_>, name: &[u8], number: u64) {
    output.push(name);
    output.number(number);
}
