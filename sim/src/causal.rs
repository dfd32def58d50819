//! Causal: a causal store in virtual time, from one seed: bad messages, partitions, deaths with and without
//! their disks, nodes that keep all in memory, a change of the shards, and clients that move between the nodes.
//!
//! [`network`] carries and breaks, [`client`]s come and go, [`judge`] knows what happened before what. At the end
//! everything is repaired, and after a while of quiet all must be as it should.

mod balance;
pub mod client;
pub mod judge;
pub mod network;
mod operator;
mod quiet;
mod returner;
pub mod swarm;
mod trouble;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::faults::Faults;
use crate::latency::Latency;
use crate::observe::Violation;
use crate::preset::ROUGH;
use crate::random::Random;
use balance::Balance;
use client::Clients;
use judge::Judge;
use network::Network;
use operator::Operator;
use trouble::Trouble;

/// What one run is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// Nodes at the start.
    pub nodes: u32,
    /// Shards at the start; 0 where the store is not divided.
    pub shards: u32,
    /// Virtual minutes, before the quiet.
    pub minutes: u32,
    /// How long messages take.
    pub latency: Latency,
    /// What goes wrong with them.
    pub faults: Faults,
    /// Whether nodes keep everything in memory, so that whoever dies has lost it, and does not even know that it
    /// has lived before.
    pub in_memory: bool,
    /// Whether machines are taken away for good, and others come.
    pub removes: bool,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Of which seed.
    pub seed: u64,
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// Events that nodes dealt with.
    pub events: u64,
    /// Reads and writes that were answered.
    pub done: u64,
    /// Those that were refused, or may have happened.
    pub refused: u64,
    /// Deaths, of which so many lost their disks.
    pub deaths: u64,
    /// See `deaths`.
    pub lost_disks: u64,
    /// Layouts after the first one.
    pub layouts: u32,
    /// Of these, changes of the number of shards.
    pub reshards: u32,
}

impl Plan {
    /// The plan of one seed: some of what may go wrong, so that one thing does not hide another.
    pub fn of(seed: u64, nodes: u32, shards: u32, minutes: u32) -> Plan {
        let mut random = Random::new(seed, PLAN);
        let mut faults = Faults {
            reorder_us: ROUGH.reorder_us,
            store_us: ROUGH.store_us,
            ..Faults::default()
        };
        let mut some = |fault: &mut u32, rough: u32| {
            if random.below(2) == 0 {
                *fault = rough;
            }
        };
        some(&mut faults.loss_ppm, ROUGH.loss_ppm);
        some(&mut faults.duplicate_ppm, ROUGH.duplicate_ppm);
        some(&mut faults.reorder_ppm, ROUGH.reorder_ppm);
        some(&mut faults.skew_ppm, ROUGH.skew_ppm);
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
            Latency::Cube { side_us: 20_000 },
        ];
        let latency = latencies[random.below(4) as usize];
        let in_memory = random.below(4) == 0;
        Plan {
            seed,
            nodes,
            shards,
            minutes,
            latency,
            faults,
            in_memory,
            removes: random.below(2) == 0,
        }
    }

    /// Lets it happen; nothing where it was stopped.
    pub fn run(&self, stop: &AtomicBool) -> Option<Report> {
        Run::new(*self).go(stop)
    }
}

/// A run under way.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    /// The nodes.
    pub network: Network,
    clients: Clients,
    judge: Judge,
    trouble: Trouble,
    operator: Operator,
    balance: Balance,
}

impl Run {
    /// At its start.
    pub fn new(plan: Plan) -> Run {
        let end_us = u64::from(plan.minutes) * 60_000_000;
        let mut network = Network::new(&plan);
        Run {
            clients: Clients::new(&plan, &mut network),
            judge: Judge::default(),
            trouble: Trouble::new(&plan, end_us, &mut network),
            operator: Operator::new(&plan, &mut network),
            balance: Balance::default(),
            network,
            plan,
        }
    }

    /// To its end; nothing where it was stopped.
    pub fn go(mut self, stop: &AtomicBool) -> Option<Report> {
        let end_us = u64::from(self.plan.minutes) * 60_000_000;
        self.until(end_us, true, true, stop)?;
        self.trouble.repair(&mut self.network);
        self.operator.finish(&mut self.network);
        self.until(end_us + REPAIR_US, false, true, stop)?;
        self.until(end_us + REPAIR_US + QUIET_US, false, false, stop)?;
        if self.judge.violations.is_empty() {
            quiet::look(&mut self.network, &mut self.judge, &self.clients);
        }
        let mut report = Report {
            seed: self.plan.seed,
            violations: self.judge.violations,
            events: self.network.events,
            done: self.clients.done,
            refused: self.clients.refused,
            ..Report::default()
        };
        (report.deaths, report.lost_disks) = self.trouble.deaths();
        let layouts = self.network.nodes().map(|node| node.layouts().0.epoch - 1);
        report.layouts = layouts.max().unwrap_or(0);
        report.reshards = self.balance.reshards;
        Some(report)
    }

    fn until(
        &mut self,
        end_us: u64,
        has_trouble: bool,
        has_clients: bool,
        stop: &AtomicBool,
    ) -> Option<()> {
        while self.network.now_us < end_us && self.judge.violations.is_empty() {
            if self.network.events.is_multiple_of(1024) && stop.load(Ordering::Relaxed) {
                return None;
            }
            let Some(due) = self.network.step() else {
                break;
            };
            match due {
                Some(network::Due::Client(number)) if has_clients => {
                    self.clients.act(number, &mut self.network, &mut self.judge);
                }
                Some(network::Due::Trouble) if has_trouble => {
                    self.trouble.strike(&mut self.network);
                }
                Some(network::Due::Operator) => {
                    let (network, trouble) = (&mut self.network, &mut self.trouble);
                    self.operator.act(network, trouble, has_trouble);
                }
                _ => {}
            }
            self.trouble.returners.look(&self.network, &mut self.judge);
            self.balance.look(&self.network, &mut self.judge);
            for (ticket, returned) in std::mem::take(&mut self.network.returned) {
                self.clients
                    .returned(ticket, &returned, &mut self.network, &mut self.judge);
            }
        }
        Some(())
    }
}

/// How long it takes at most until all is well again: proposals, and nodes that wait for them, have their times.
const REPAIR_US: u64 = 80_000_000;

/// How long it takes at most until all have the last writes.
const QUIET_US: u64 = 10_000_000;

/// The stream of chance that plans are drawn from.
const PLAN: u64 = 11;
