//! Counters: what must never be used twice, kept beside the network and outliving it.

use serde::{Deserialize, Serialize};

/// The next port to try and the next incarnation to give. Both only grow, also over reboots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The lowest port that no process of this network has had; 65536 when none is left.
    pub next_port: u32,
    /// The incarnation that the next start gets.
    pub incarnation: u32,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            next_port: PORT_FIRST.into(),
            incarnation: INCARNATION_FIRST,
        }
    }
}

impl Counters {
    /// Takes the next port that `is_free`, skipping the others for good; nothing when none is left.
    pub fn take_port(&mut self, is_free: impl Fn(u16) -> bool) -> Option<u16> {
        while let Ok(port) = u16::try_from(self.next_port) {
            self.next_port += 1;
            if is_free(port) {
                return Some(port);
            }
        }
        None
    }

    /// From now on incarnations are higher than this one, which somebody has already.
    pub fn skip_incarnation(&mut self, taken: u32) {
        self.incarnation = self.incarnation.max(taken.saturating_add(1));
    }

    /// Takes the next incarnation.
    pub fn take_incarnation(&mut self) -> u32 {
        let taken = self.incarnation;
        self.incarnation = taken.checked_add(1).expect("nobody starts 2^32 nodes");
        taken
    }
}

/// The first port of a network, in the lab's manner.
pub const PORT_FIRST: u16 = 10_001;
/// The incarnation of a network's first process.
pub const INCARNATION_FIRST: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_go_upwards_and_skip_what_is_taken() {
        let mut counters = Counters::default();
        assert_eq!(counters.take_port(|port| port != 10_001), Some(10_002));
        assert_eq!(counters.take_port(|_| true), Some(10_003));
    }

    #[test]
    fn the_last_port_is_followed_by_none() {
        let mut counters = Counters {
            next_port: 65_535,
            ..Counters::default()
        };
        assert_eq!(counters.take_port(|_| true), Some(65_535));
        assert_eq!(counters.take_port(|_| true), None);
        assert_eq!(counters.take_port(|_| true), None);
    }

    #[test]
    fn no_incarnation_is_given_twice() {
        let mut counters = Counters::default();
        assert_eq!(counters.take_incarnation(), 1);
        assert_eq!(counters.take_incarnation(), 2);
        counters.skip_incarnation(7);
        counters.skip_incarnation(5);
        assert_eq!(counters.take_incarnation(), 8);
    }
}
