//! Pause: how long to leave Consul alone after it has failed, so that it is not overrun by all nodes at once when
//! it comes back.

use std::time::Duration;

use rand::RngExt as _;

/// How long to wait after so many failures in a row: longer each time, and never exactly as long as others do.
pub(crate) fn pause(failures: u32) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let longest = PAUSE_MIN.saturating_mul(1 << failures.min(PAUSE_DOUBLINGS_MAX));
    longest.mul_f64(rand::rng().random_range(0.5..1.0))
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Up to 6 s.
const PAUSE_DOUBLINGS_MAX: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_are_never_none() {
        assert_eq!(pause(0), Duration::ZERO);
        for failures in [1, 2, 10, u32::MAX] {
            let pause = pause(failures);
            assert!(
                pause >= PAUSE_MIN && pause <= Duration::from_millis(6_400),
                "{pause:?}"
            );
        }
    }
}
