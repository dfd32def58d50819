//! Expiry: what the word `exptime` of a client means.

use crate::clock::now_ms;

/// From when on the item reads as missing, in Unix milliseconds; nothing if never.
///
/// - `exptime`: 0 for ever; up to 30 days in seconds from now; beyond that in seconds since 1970; negative: at
///   once.
pub(super) fn expires_ms(exptime: i64, now_ms: u64) -> Option<u64> {
    match u64::try_from(exptime) {
        Ok(0) => None,
        Ok(seconds @ 1..=RELATIVE_SECONDS_MAX) => Some(now_ms.saturating_add(seconds * 1000)),
        Ok(seconds) => Some(seconds.saturating_mul(1000)),
        // The clock of the node that has it may be behind this one.
        Err(_) => Some(LONG_AGO_MS),
    }
}

/// The same from now on. Most never expire: those are not worth a look at the clock.
pub(super) fn expires_from_now(exptime: i64) -> Option<u64> {
    match exptime {
        0 => None,
        _ => expires_ms(exptime, now_ms()),
    }
}

/// The seconds that are left, rounded up, for what is there has some time left; -1 where there is no end.
pub(super) fn seconds_left(expires_ms: Option<u64>, now_ms: u64) -> i64 {
    let Some(expires_ms) = expires_ms else {
        return -1;
    };
    let seconds = expires_ms.saturating_sub(now_ms).div_ceil(1000);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// A time that no clock is before.
const LONG_AGO_MS: u64 = 1;

/// 30 days.
const RELATIVE_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_30_days_it_is_a_span_and_then_a_date() {
        const NOW_MS: u64 = 1_800_000_000_000;
        for (exptime, expected) in [
            (0, None),
            (1, Some(NOW_MS + 1_000)),
            (2_592_000, Some(NOW_MS + 2_592_000_000)),
            (2_592_001, Some(2_592_001_000)),
            (1_900_000_000, Some(1_900_000_000_000)),
            (i64::MAX, Some(u64::MAX)),
            // Whatever the clock of the node says that has the item.
            (-1, Some(1)),
            (i64::MIN, Some(1)),
        ] {
            assert_eq!(expires_ms(exptime, NOW_MS), expected, "{exptime}");
        }
    }

    #[test]
    fn what_is_left_is_rounded_up() {
        assert_eq!(seconds_left(None, 5), -1);
        assert_eq!(seconds_left(Some(1_001), 1), 1);
        assert_eq!(seconds_left(Some(1_002), 1), 2);
        assert_eq!(seconds_left(Some(1), 5), 0);
    }
}
