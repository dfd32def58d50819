//! Faults: what goes wrong by chance with messages, clocks and machines, all the time.
//!
//! What happens at a moment to a node, a crash or a partition, stands in the [`crate::script`].

use serde::{Deserialize, Serialize};

use crate::random::{GOLDEN, mix};

/// How often things go wrong. Shares are in millionths; nothing goes wrong by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// Messages that never arrive: 0 to 500,000.
    pub loss_ppm: u32,
    /// Questions that arrive twice: 0 to 500,000. Not those that change content, for which the
    /// transport has to see to it that they are carried out once at most.
    pub duplicate_ppm: u32,
    /// Messages that take up to `reorder_us` longer, so that later ones overtake them: 0 to 1,000,000.
    pub reorder_ppm: u32,
    /// How much longer at most: 0 to 10 s. Beyond 0.1 s questions begin to go unanswered.
    pub reorder_us: u64,
    /// Nodes whose messages take `slow_factor` times as long: 0 to 1,000,000.
    pub slow_ppm: u32,
    /// How slow these are: 1 to 1,000.
    pub slow_factor: u32,
    /// How far clocks run too fast or too slow, each by a share of its own: 0 to 500,000.
    pub skew_ppm: u32,
    /// How long a store takes for one command at most: 0 to 1 s.
    pub store_us: u64,
}

impl Faults {
    /// Whether messages can get lost, so that silence proves nothing.
    pub fn is_lossy(&self) -> bool {
        self.loss_ppm > 0
    }

    /// How much longer the messages of a node take.
    pub(crate) fn slowness(&self, seed: u64, node: u32) -> u64 {
        let is_slow = self.slow_ppm > 0 && lot(seed, node, 1) < u64::from(self.slow_ppm);
        if is_slow {
            u64::from(self.slow_factor.max(1))
        } else {
            1
        }
    }

    /// A time by a node's own clock, in true microseconds.
    pub(crate) fn by_clock(&self, seed: u64, node: u32, us: u64) -> u64 {
        if self.skew_ppm == 0 {
            return us;
        }
        let width = 2 * u64::from(self.skew_ppm) + 1;
        let rate = 1_000_000 - u64::from(self.skew_ppm) + lot(seed, node, 2) % width;
        us * rate / 1_000_000
    }
}

/// A node's lot, below a million: the same throughout a run.
fn lot(seed: u64, node: u32, purpose: u64) -> u64 {
    mix(mix(seed.wrapping_add(GOLDEN)) ^ mix(u64::from(node) + (purpose << 32))) % 1_000_000
}
