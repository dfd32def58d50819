//! Swarm: many random scripts, each from a seed of its own, several at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dht::Ownership;
use dht::message::Routing;
use serde::Serialize;

use crate::faults::Faults;
use crate::latency::Latency;
use crate::observe::{Violation, clients};
use crate::plan::{Content, Detector, Plan, Schedule};
use crate::preset::{ALL, ROUGH};
use crate::random::Random;
use crate::report::Report;
use crate::run::Run;
use crate::script::{self, Menu};

/// What a swarm tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swarm {
    /// The first seed; the others follow it.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// Virtual minutes of each.
    pub minutes: u32,
    /// Members at the start.
    pub nodes: u32,
    /// How nodes learn of deaths.
    pub detector: Detector,
    /// See [`Plan::careful`]; without it pauses and partitions may also be taken for deaths.
    pub careful: bool,
    /// Copies of everything. With more than one, stores outlast crashes, and the lists of what clients were
    /// told are judged.
    pub replicas: u8,
    /// Whether the whole network is stopped now and then, and starts again on its disks.
    pub stops: bool,
    /// Whether disks take nothing more now and then, until their nodes are started again.
    pub full: bool,
    /// Whether values are large, half of all operations are of one key, and whoever leads that is stopped or
    /// paused again and again.
    pub heavy: bool,
    /// See [`Plan::tight`].
    pub tight: bool,
    /// See [`Plan::partitions`].
    pub partitions: bool,
}

impl Default for Swarm {
    /// The first seed, as a network of one copy in which an oracle tells of deaths, and nothing beside the usual
    /// happens.
    fn default() -> Swarm {
        Swarm {
            first: 1,
            seeds: 1,
            minutes: 10,
            nodes: 64,
            detector: Detector::Oracle,
            careful: true,
            replicas: 1,
            stops: false,
            full: false,
            heavy: false,
            tight: false,
            partitions: false,
        }
    }
}

/// A seed that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// Which.
    pub seed: u64,
    /// What does not hold.
    pub property: String,
    /// What was seen.
    pub text: String,
    /// When, in virtual microseconds.
    pub at_us: u64,
}

impl Swarm {
    /// The plan of one seed: half of them of each rule of ownership, each with faults of its own.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut random = Random::new(seed, STREAM);
        let ms = u64::from(self.minutes) * 60_000;
        let mut faults = Faults::default();
        // Some of what may go wrong, so that one thing does not hide another.
        let mut some = |fault: &mut u32, rough: u32| {
            if random.below(2) == 0 {
                *fault = rough;
            }
        };
        some(&mut faults.loss_ppm, ROUGH.loss_ppm);
        some(&mut faults.duplicate_ppm, ROUGH.duplicate_ppm);
        some(&mut faults.reorder_ppm, ROUGH.reorder_ppm);
        some(&mut faults.slow_ppm, ROUGH.slow_ppm);
        some(&mut faults.skew_ppm, ROUGH.skew_ppm);
        faults.reorder_us = ROUGH.reorder_us;
        faults.slow_factor = ROUGH.slow_factor;
        faults.store_us = ROUGH.store_us;
        let latencies = [
            Latency::Constant { us: 1_000 },
            Latency::Uniform {
                min_us: 500,
                max_us: 1_500,
            },
            Latency::LogNormal {
                median_us: 5_000,
                sigma_milli: 500,
            },
            // Two slow neighbours must still hear each other before their patience ends.
            Latency::Cube { side_us: 8_000 },
        ];
        let menu = Menu {
            long: !self.careful,
            stops: self.stops,
            fills: self.full,
            partitions: self.partitions,
            ..ALL
        };
        Plan {
            seed,
            nodes: self.nodes,
            successors: (random.between(2, 5) as u8).max(match self.replicas {
                1 => 1,
                copies => copies,
            }),
            ownership: match self.replicas {
                1 => [Ownership::Successor, Ownership::Predecessor][(seed % 2) as usize],
                _ => Ownership::Successor,
            },
            replicas: self.replicas,
            zones: 0,
            tight: self.tight,
            partitions: self.partitions,
            routing: Routing::Finger,
            detector: self.detector,
            careful: self.careful,
            ms,
            lookups: ms / 1_000,
            content: Some(match self.heavy {
                true => HEAVY,
                false => Content::default(),
            }),
            latency: latencies[random.below(4) as usize],
            faults,
            schedule: Some(Schedule::default()),
            script: {
                let mut script = script::random(menu, self.nodes, ms, &mut random);
                if self.heavy {
                    script.extend(script::harass(clients::key(0), ms, &mut random));
                    script::sort(&mut script);
                }
                script
            },
        }
    }

    /// Tries all seeds, `threads` at a time, until `stop` is set. `told` hears of each that is done, in
    /// no order. Returns how many were tried, and those that failed, by seed.
    pub fn run(
        &self,
        threads: usize,
        stop: &AtomicBool,
        told: impl Fn(&Report) + Sync,
    ) -> (u64, Vec<Failed>) {
        over(self.first, self.seeds, threads, stop, |seed| {
            let report = attempt(self.plan(seed), stop)?;
            told(&report);
            Some(report.violations)
        })
    }
}

/// Tries so many seeds, `threads` at a time, until `stop` is set or an attempt comes to nothing. Returns how
/// many were tried, and those that failed, by seed.
pub(crate) fn over(
    first: u64,
    seeds: u64,
    threads: usize,
    stop: &AtomicBool,
    attempt: impl Fn(u64) -> Option<Vec<Violation>> + Sync,
) -> (u64, Vec<Failed>) {
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    let tried = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    let Some(violations) = attempt(seed) else {
                        break;
                    };
                    tried.fetch_add(1, Ordering::Relaxed);
                    let new = violations.iter();
                    let new = new.map(|violation| Failed::of(seed, violation));
                    if let Ok(mut failed) = failed.lock() {
                        failed.extend(new);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_default();
    failed.sort_by_key(|failed| failed.seed);
    (tried.into_inner(), failed)
}

impl Failed {
    fn of(seed: u64, violation: &Violation) -> Failed {
        Failed {
            seed,
            property: violation.property.clone(),
            text: violation.text.clone(),
            at_us: violation.at_us,
        }
    }
}

/// Runs a plan to its end; nothing where it is impossible, or was stopped before that.
pub fn attempt(plan: Plan, stop: &AtomicBool) -> Option<Report> {
    let mut run = Run::new(plan).ok()?;
    let report = run.go(stop, |_| {});
    (!report.partial).then_some(report)
}

/// Values of which a few fill a message, and some more what a member keeps at hand.
const HEAVY: Content = Content {
    keys: 12,
    per_s: 20,
    bytes: 300_000,
    hot: true,
};

/// The stream of chance that scripts are drawn from.
const STREAM: u64 = 3;
