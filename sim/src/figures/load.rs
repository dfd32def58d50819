//! Load: how evenly keys fall on nodes that stand at random on a ring.

use dht::placement::{Ring, Seat};

use super::ring::identifier;
use super::tally::Tally;
use crate::random::Random;

/// The spread of loads, times the mean: a mean over rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) p1: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
    /// From the least to the greatest of all rounds.
    pub(super) max_range: (f64, f64),
    pub(super) empty: f64,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread {
            p1: 0.0,
            p99: 0.0,
            max: 0.0,
            max_range: (f64::INFINITY, 0.0),
            empty: 0.0,
        }
    }
}

impl Spread {
    /// Adds one of so many rounds.
    pub(super) fn add(&mut self, loads: &[u32], rounds: u32) {
        let tally: Tally = loads.iter().map(|load| *load as usize).collect();
        let mean = tally.mean() * f64::from(rounds);
        self.p1 += tally.percentile(1) as f64 / mean;
        self.p99 += tally.percentile(99) as f64 / mean;
        self.max += tally.max() as f64 / mean;
        let max = tally.max() as f64 / tally.mean();
        self.max_range = (self.max_range.0.min(max), self.max_range.1.max(max));
        self.empty += tally.share(0) / f64::from(rounds);
    }
}

/// So many nodes at random, each with so many positions.
pub(super) fn ring(nodes: usize, positions: u16, random: &mut Random) -> Ring {
    let nodes: Vec<Seat> = (0..nodes).map(|_| identifier(random).into()).collect();
    Ring::new(&nodes, positions)
}
