//! Clock: what time it is, for what expires.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the beginning of 1970; 0 before it.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis().try_into().unwrap_or(u64::MAX))
}
