//! Budget: how much all clients together may hold of requests that are half there.
//!
//! One client may take minutes for a value, as long as it sends a byte now and then; thousands of them must not hold
//! as many of the largest values.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::limits::{FREE_BYTES, HALF_SENT_BYTES_MAX};

/// Bytes that all clients hold.
#[derive(Debug, Default)]
pub(super) struct Budget(AtomicUsize);

/// What one client holds of it, until this goes.
#[derive(Debug)]
pub(super) struct Share<'b> {
    budget: &'b Budget,
    bytes: usize,
}

impl Budget {
    /// Nothing of it.
    pub(super) fn share(&self) -> Share<'_> {
        Share {
            budget: self,
            bytes: 0,
        }
    }
}

impl Share<'_> {
    /// Holds so many bytes, and no others any more; little costs nothing. Returns whether they are to be had: if
    /// not, it holds what it did.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let bytes = if bytes <= FREE_BYTES { 0 } else { bytes };
        if bytes == self.bytes {
            return true;
        }
        let held = |all: usize| {
            let all = all - self.bytes + bytes;
            // To hold less is possible at any time.
            (bytes < self.bytes || all <= HALF_SENT_BYTES_MAX).then_some(all)
        };
        let all = &self.budget.0;
        let is_held = all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, held);
        if is_held.is_ok() {
            self.bytes = bytes;
        }
        is_held.is_ok()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_lets_go_another_may_have() {
        let budget = Budget::default();
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.hold(HALF_SENT_BYTES_MAX));
        assert!(other.hold(FREE_BYTES), "little is free");
        assert!(!other.hold(FREE_BYTES + 1));
        assert!(!one.hold(HALF_SENT_BYTES_MAX + 1));
        assert!(one.hold(HALF_SENT_BYTES_MAX - FREE_BYTES - 1));
        assert!(other.hold(FREE_BYTES + 1));
        drop((one, other));
        assert!(budget.share().hold(HALF_SENT_BYTES_MAX));
    }
}
