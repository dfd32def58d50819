//! Swarm: many seeds of a causal store, several at a time.

use std::sync::atomic::AtomicBool;

use super::{Plan, Report};
use crate::swarm::{Failed, over};

/// What a swarm tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swarm {
    /// The first seed; the others follow it.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// Virtual minutes of each, before the quiet.
    pub minutes: u32,
    /// Nodes at the start, at least two for each shard.
    pub nodes: u32,
    /// Shards at the start; 0 where the store is not divided.
    pub shards: u32,
}

impl Swarm {
    /// Tries all seeds, `threads` at a time, until `stop` is set. `told` hears of each that is done, in
    /// no order. Returns how many were tried, and those that failed, by seed.
    pub fn run(
        &self,
        threads: usize,
        stop: &AtomicBool,
        told: impl Fn(&Report) + Sync,
    ) -> (u64, Vec<Failed>) {
        over(self.first, self.seeds, threads, stop, |seed| {
            let report = Plan::of(seed, self.nodes, self.shards, self.minutes).run(stop)?;
            told(&report);
            Some(report.violations)
        })
    }
}
