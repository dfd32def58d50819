//! Meta arithmetic: `ma`. A number is changed, or begins.

use dht::record::Record;

use super::super::Shared;
use super::super::expiry::expires_from_now;
use super::super::item::{New, amend, value};
use super::super::meta::MetaArithmetic;
use super::super::output::Output;
use super::super::refusal::Refusal;
use super::super::request::Step;
use super::arithmetic::{digits, number_of};
use super::meta_words::{Known, tell, tell_flags};
use super::store::same;

/// What comes of it, if the item is still what it was.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Changed,
    Begun,
    Missing,
    AnotherVersion,
}

pub(super) async fn arithmetic(shared: &Shared, wanted: &MetaArithmetic, output: &mut Output<'_>) {
    let counts = match wanted.step {
        Step::Up(_) => &shared.counts.incr,
        Step::Down(_) => &shared.counts.decr,
    };
    let mut written = None;
    let changed = amend(&shared.node, &wanted.head.key, |record| {
        let (outcome, new) = step(wanted, record)?;
        written = new
            .as_ref()
            .map(|new| (new.value.clone(), new.flags, new.expires_ms));
        Ok((outcome, new))
    });
    let (outcome, version) = match changed.await {
        Ok(changed) => changed,
        Err(refusal) => return output.refuse(refusal),
    };
    counts.up(matches!(outcome, Outcome::Changed));
    let (Some(version), Some((number, flags, expires_ms))) = (version, written) else {
        let word = match outcome {
            Outcome::AnotherVersion => b"EX",
            _ => b"NF",
        };
        return tell(output, word, &wanted.head, None);
    };
    // Of what begins memcached tells all the same.
    if wanted.head.quiet && matches!(outcome, Outcome::Changed) {
        return;
    }
    let known = Known {
        version,
        bytes: number.len(),
        flags: flags as u32,
        expires_ms,
    };
    if !wanted.with_value {
        return tell(output, b"HD", &wanted.head, Some(known));
    }
    output.push(b"VA ");
    output.number(number.len());
    tell_flags(output, &wanted.head, Some(known));
    output.push(b"\r\n");
    output.push(&number);
    output.push(b"\r\n");
}

fn step(
    wanted: &MetaArithmetic,
    record: Option<&Record>,
) -> Result<(Outcome, Option<New>), Refusal> {
    let Some(record) = record else {
        let Some(exptime) = wanted.vivify else {
            return Ok((Outcome::Missing, None));
        };
        let new = New {
            value: digits(wanted.initial),
            flags: 0,
            expires_ms: expires_from_now(exptime),
        };
        return Ok((Outcome::Begun, Some(new)));
    };
    let is_wanted = |version: u64| version == record.version.number();
    if !wanted.version.is_none_or(is_wanted) {
        return Ok((Outcome::AnotherVersion, None));
    }
    let number = wanted.step.from(number_of(value(record))?);
    let mut new = New {
        value: digits(number),
        ..same(record)
    };
    if let Some(exptime) = wanted.touch {
        new.expires_ms = expires_from_now(exptime);
    }
    Ok((Outcome::Changed, Some(new)))
}
