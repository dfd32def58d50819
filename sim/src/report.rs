//! Report: what came of a run.

use std::time::Duration;

use serde::Serialize;

use crate::engine::{Network, Traffic};
use crate::observe::Violation;
use crate::observe::clients::Clients;
use crate::observe::content::Content;
use crate::observe::lookups::Lookups;
use crate::plan::Plan;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Members at the start.
    pub nodes: u32,
    /// Lookups that were begun.
    pub lookups: u64,
    /// Answers that name a node that was not the owner.
    pub wrong: u64,
    /// Lookups that ended without an answer.
    pub failed: u64,
    /// Lookups that never ended, since the node that asked went down.
    pub abandoned: u64,
    /// Nodes that did not answer a lookup, a mean over lookups.
    pub mean_timeouts: f64,
    /// Nodes asked after the first, the owner included: their mean.
    pub mean_hops: f64,
    /// 99 of 100 lookups took at most so many.
    pub p99_hops: u64,
    /// Events that nodes dealt with.
    pub events: u64,
    /// Of them a second.
    pub events_per_s: u64,
    /// How long the run took, without building the ring.
    pub seconds: f64,
    /// How much time passed in the network.
    pub virtual_seconds: f64,
    /// The most memory that this process has had so far.
    pub peak_bytes: u64,
    /// Where all chance came from.
    pub seed: u64,
    /// Members at the end.
    pub members: usize,
    /// Steps of the script that were carried out, and that could not be.
    pub steps: u64,
    /// See `steps`.
    pub skipped: u64,
    /// Of the steps, those that let a node join.
    pub joins: u64,
    /// How long the pointers took to become ideal after the last thing that happened, as seen by looks
    /// that are 0.1 to 2 s apart; nothing if nothing happened.
    pub ideal_after_ms: Option<u64>,
    /// What nodes sent.
    pub traffic: Traffic,
    /// Messages per node and virtual second.
    pub messages_per_node_s: f64,
    /// All messages of the run, upkeep included, for each join; nothing if nobody joined.
    pub messages_per_join: Option<f64>,
    /// Bytes per node and virtual second.
    pub bytes_per_node_s: f64,
    /// Reads and writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes without an answer.
    pub unknown: u64,
    /// Items that were lost with their owners.
    pub lost: u64,
    /// Whether it was ended before its end.
    pub partial: bool,
    /// What does not hold; the run ended with it.
    pub violations: Vec<Violation>,
}

/// What became of the steps of a script.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    /// Steps that had to be left out, since the proof does not allow them or nobody was there.
    pub(crate) skipped: u64,
    /// Of those that were done, those that let a node join.
    pub(crate) joins: u64,
}

impl Report {
    #[expect(
        clippy::too_many_arguments,
        reason = "it is where all of a run comes together"
    )]
    pub(crate) fn new(
        plan: &Plan,
        network: &Network,
        lookups: &Lookups,
        (content, clients): (Option<&Content>, Option<&Clients>),
        (elapsed, partial): (Duration, bool),
        tally: Tally,
        ideal_after_us: Option<u64>,
        violations: Vec<Violation>,
    ) -> Report {
        let seconds = elapsed.as_secs_f64();
        let virtual_seconds = network.now_us() as f64 / 1e6;
        let traffic = *network.traffic();
        let members = network.census().len();
        let node_seconds = (members.max(1) as f64) * virtual_seconds.max(1e-6);
        let answered = (lookups.right + lookups.wrong).max(1);
        Report {
            nodes: plan.nodes,
            lookups: lookups.begun,
            wrong: lookups.wrong,
            failed: lookups.failed,
            abandoned: lookups.abandoned,
            mean_timeouts: lookups.timeouts as f64 / answered as f64,
            mean_hops: lookups.mean_hops(),
            p99_hops: lookups.hops_within(990),
            events: network.events(),
            events_per_s: (network.events() as f64 / seconds.max(1e-9)) as u64,
            seconds,
            virtual_seconds,
            peak_bytes: peak_bytes(),
            seed: plan.seed,
            members,
            steps: tally.done,
            skipped: tally.skipped,
            joins: tally.joins,
            ideal_after_ms: ideal_after_us.map(|us| us / 1_000),
            traffic,
            messages_per_node_s: traffic.messages() as f64 / node_seconds,
            messages_per_join: (tally.joins > 0)
                .then(|| traffic.messages() as f64 / tally.joins as f64),
            bytes_per_node_s: traffic.bytes as f64 / node_seconds,
            acknowledged: content.map_or(0, |content| content.acknowledged)
                + clients.map_or(0, |clients| clients.acknowledged),
            unknown: content.map_or(0, |content| content.unknown)
                + clients.map_or(0, |clients| clients.unknown),
            lost: content.map_or(0, |content| content.lost),
            partial,
            violations,
        }
    }
}

/// The most memory this process has had in use, as the system counts it; 0 where it does not say.
pub fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
