//! Turnover: a network whose nodes join and fail all the time, and lookups in it.

use dht::message::Routing;

use super::Setup;
use crate::engine::Network;
use crate::latency::Latency;
use crate::observe::lookups::Lookups;
use crate::plan::{Plan, Schedule};
use crate::random::Random;

/// What came of the lookups of two hours; so many joins, and so many failures, in 100 seconds.
pub(super) fn observe(setup: &Setup, per_100_s: u32) -> Lookups {
    let mut random = setup.random("churn", per_100_s.into());
    let (nodes, seconds) = setup.pick((1_000, 7_200), (60, 300));
    let plan = Plan {
        seed: random.next(),
        nodes,
        successors: 20,
        latency: Latency::Uniform {
            min_us: 0,
            max_us: 100_000,
        },
        schedule: Some(Schedule {
            stabilize_ms: 30_000,
            fingers_ms: 30_000,
            predecessor_ms: 30_000,
            self_check_ms: 600_000,
            vary_percent: 50,
        }),
        ..Plan::default()
    };
    let mut network = Network::new(&plan);
    let mut lookups = Lookups::default();
    let mean_us = 1e8 / f64::from(per_100_s);
    for (what, mean_us) in [(LOOKUP, 1e6), (JOIN, mean_us), (FAIL, mean_us)] {
        network.remind(random.exponential(mean_us) as u64, what);
    }
    let (end_us, grace_us) = (seconds * 1_000_000, 60_000_000);
    while network.now_us() < end_us + grace_us && network.step().is_some() {
        let is_over = network.now_us() >= end_us;
        let due = network.moment().due.filter(|_| !is_over);
        if let Some(what) = due {
            perform(what, &mut network, &mut lookups, &mut random);
            let mean_us = if what == LOOKUP { 1e6 } else { mean_us };
            let next_us = network.now_us() + random.exponential(mean_us) as u64;
            network.remind(next_us, what);
        }
        for (ticket, returned) in &network.moment().returned {
            lookups.returned(&network, *ticket, returned);
        }
    }
    lookups
}

fn perform(what: u64, network: &mut Network, lookups: &mut Lookups, random: &mut Random) {
    let members = network.census().len() as u64;
    let at = network.census().pick(random.below(members) as usize);
    match what {
        LOOKUP => lookups.begin(network, Routing::Finger, random),
        JOIN => {
            network.join(network.addresses(), at);
        }
        _ => {
            lookups.abandon(at);
            network.crash(at);
        }
    }
}

/// What happens next.
const LOOKUP: u64 = 0;
const JOIN: u64 = 1;
const FAIL: u64 = 2;
