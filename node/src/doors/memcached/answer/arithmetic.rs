//! Arithmetic: `incr` and `decr`, of values that are the digits of a number.

use dht::record::{Blob, Version};

use super::super::Shared;
use super::super::item::{self, New, amend};
use super::super::line::number;
use super::super::output::Output;
use super::super::refusal::Refusal;
use super::super::request::{Arithmetic, Step};
use super::say;
use super::store::same;
use crate::service::Service;

pub(super) async fn arithmetic(shared: &Shared, wanted: &Arithmetic, output: &mut Output<'_>) {
    let counts = match wanted.step {
        Step::Up(_) => &shared.counts.incr,
        Step::Down(_) => &shared.counts.decr,
    };
    let changed = change(&shared.node, &wanted.key, wanted.step).await;
    if let Ok(changed) = &changed {
        counts.up(changed.is_some());
    }
    match changed {
        Ok(Some((number, _))) if !wanted.quiet => {
            output.number(number);
            output.push(b"\r\n");
        }
        Ok(None) => say(output, wanted.quiet, Ok(b"NOT_FOUND\r\n")),
        Err(refusal) => say(output, wanted.quiet, Err(refusal)),
        Ok(Some(_)) => {}
    }
}

/// The new number and its version; nothing if there is none. Flags and expiry stay.
async fn change(node: &Service, key: &[u8], step: Step) -> Result<Option<(u64, Version)>, Refusal> {
    let changed = amend(node, key, |record| {
        let Some(record) = record else {
            return Ok((0, None));
        };
        let number = step.from(number_of(item::value(record))?);
        let new = New {
            value: digits(number),
            ..same(record)
        };
        Ok((number, Some(new)))
    });
    let (number, version) = changed.await?;
    Ok(version.map(|version| (number, version)))
}

/// The number that a value is. There may be spaces around it, as memcached leaves them.
pub(super) fn number_of(value: &[u8]) -> Result<u64, Refusal> {
    number(value.trim_ascii()).ok_or(Refusal::NO_NUMBER)
}

/// A number as a value.
pub(super) fn digits(number: u64) -> Blob {
    itoa::Buffer::new().format(number).as_bytes().into()
}
