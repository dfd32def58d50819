//! Mended: lookups after many nodes failed at once and the ring had time to mend itself (SIGCOMM 2001,
//! figure 11).
//!
//! The engine runs the shipped code until every pointer of the survivors is right again. Then only
//! what the dead held is missing: a lookup fails with just the probability with which a node did.

use std::collections::BTreeMap;

use dht::event::{Call, Returned, Ticket};
use dht::message::Routing;
use dht::{Id, Ownership};

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::ring::identifier;
use super::series::{Point, Series, Shape};
use super::table::{Table, grouped, number, signed};
use super::{Figure, Setup};
use crate::engine::{Address, Network};
use crate::observe::ideal::Ideal;
use crate::plan::{Plan, Schedule};
use crate::random::Random;

/// The one figure.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let (nodes, keys, rings) = setup.pick((10_000, 10_000, 4), (200, 200, 2));
    let lookups = (keys * rings) as f64;
    let mut table = Table::new(&[
        "failed_nodes",
        "failed_lookups",
        "though_their_node_is_there",
        "interval_low",
        "interval_high",
        "lookups",
        "seconds_until_ideal",
    ]);
    let mut checks = Vec::new();
    let (mut ours, mut expected) = (Vec::new(), Vec::new());
    let (mut wanted, mut missed) = (0, 0);
    for share in setup.pick(&SHARES[..], &SHARES[..3]) {
        let lost = (0..rings).map(|ring| lost_keys(setup, nodes, keys, *share, ring));
        let lost: Vec<Lost> = lost.collect();
        let failed: usize = lost.iter().map(|lost| lost.failed).sum();
        let astray: usize = lost.iter().map(|lost| lost.astray).sum();
        wanted += keys * rings - (failed - astray);
        missed += astray;
        let slowest = lost
            .iter()
            .map(|lost| lost.ideal_after_s)
            .fold(0.0, f64::max);
        let rate = failed as f64 / lookups;
        // The chance of picking keys, and that of picking nodes with more or less than their share.
        let each = 1.0 / lookups + 1.0 / (f64::from(nodes) * rings as f64);
        let variance = share * (1.0 - share) * each;
        let reach = 1.96 * variance.sqrt();
        table.row([
            number(*share, 2),
            number(rate, 4),
            astray.to_string(),
            number(share - reach, 4),
            number(share + reach, 4),
            number(lookups, 0),
            number(slowest, 1),
        ]);
        let x = share * 100.0;
        ours.push(Point::at(x, (rate - share) * 100.0));
        expected.push(Point::spread(x, 0.0, -reach * 100.0, reach * 100.0));
        let what = format!(
            "failed lookups after {:.0} % of nodes failed (%)",
            share * 100.0
        );
        let bound = Bound::Apart((reach * 1e4).round() / 100.0);
        checks.push(Check::new(
            what,
            rate * 100.0,
            (share * 100.0, Source::Paper),
            bound,
        ));
        let what = format!("of them, keys whose node is there ({lookups} lookups)");
        checks.push(Check::new(
            what,
            astray as f64,
            (0.0, Source::Paper),
            Bound::AtMost,
        ));
    }
    vec![Figure {
        name: "failed-lookups",
        title: "Failed lookups after simultaneous failures: how far from p",
        paper: "SIGCOMM 2001, figure 11",
        shows: "After a share p of all nodes has failed and the ring has mended itself, a lookup fails with \
                the probability p: what the dead held is missing, and nothing else.",
        known: "The rate is “almost exactly p”.",
        apart: format!("Of {} lookups of keys whose node is there {missed} failed.",
            grouped(wanted as u64)
        ),
        text: "10,000 nodes with lists of 20 in the engine; a share of them stops at once, the others \
               stabilize by the shipped code until every pointer is right again, and 10,000 keys that \
               were spread before are looked up by messages, in 4 rings for each point. A lookup fails if \
               it does not end at the node that had the key. Whiskers: where 19 of 20 such experiments \
               fall, by the chance of picking nodes and keys; with other seeds a point may fall outside."
            .to_owned(),
        chart: Chart {
            x: Axis {
                label: "Nodes that failed at once (p)",
                range: (-1.5, 52.0),
                ticks: steps(0.0, 50.0, 10.0),
                text: |tick| format!("{} %", number(tick, 0)),
            },
            y: Axis {
                label: "Failed lookups minus p (percentage points)",
                range: (-1.1, 1.1),
                ticks: steps(-1.0, 1.0, 0.5),
                text: |tick| signed(tick, 1),
            },
            series: vec![
                Series::new(
                    "paper: just p, with its 95 % interval",
                    Some(Source::Paper),
                    1,
                    Shape::Line,
                    expected,
                ),
                Series::new("ours", None, 0, Shape::Marks, ours),
            ],
        },
        table,
        checks,
    }]
}

/// What became of keys after failures.
struct Lost {
    /// Lookups that did not end at the node that had the key.
    failed: usize,
    /// Of them those whose node is still there.
    astray: usize,
    /// How long it took until every pointer was right.
    ideal_after_s: f64,
}

fn lost_keys(setup: &Setup, nodes: u32, keys: usize, share: f64, ring: usize) -> Lost {
    let number = (share * 100.0).round() as u64;
    let mut random = setup.random("failed lookups", number << 32 | ring as u64);
    let plan = Plan {
        seed: random.next(),
        nodes,
        successors: SUCCESSORS,
        schedule: Some(Schedule {
            stabilize_ms: 2_000,
            fingers_ms: 4_000,
            predecessor_ms: 4_000,
            self_check_ms: 60_000,
            ..Schedule::default()
        }),
        ..Plan::default()
    };
    let mut network = Network::new(&plan);
    let keys: Vec<(Id, Address)> = (0..keys)
        .map(|_| {
            let key = identifier(&mut random);
            let owner = network.census().owner(key, Ownership::Successor);
            (key, owner.expect("the ring has members"))
        })
        .collect();
    for at in drawn(
        nodes,
        (f64::from(nodes) * share).round() as usize,
        &mut random,
    ) {
        network.crash(at);
    }
    let ideal_after_s = mend(&mut network);
    let found = find(&mut network, &keys, &mut random);
    let mut lost = Lost {
        failed: 0,
        astray: 0,
        ideal_after_s,
    };
    for ((_, owner), found) in keys.iter().zip(found) {
        let is_lost = found != Some(*owner);
        lost.failed += usize::from(is_lost);
        lost.astray += usize::from(is_lost && network.census().contains(*owner));
    }
    lost
}

/// So many different ones of all nodes.
fn drawn(nodes: u32, count: usize, random: &mut Random) -> Vec<Address> {
    let mut all: Vec<Address> = (0..nodes).collect();
    for place in 0..count {
        let other = place as u64 + random.below((all.len() - place) as u64);
        all.swap(place, other as usize);
    }
    all.truncate(count);
    all
}

/// Lets time pass until every pointer is right; how many seconds that took.
fn mend(network: &mut Network) -> f64 {
    let mut ideal = Ideal::default();
    let start_us = network.now_us();
    network.remind(start_us, 0);
    while network.step().is_some() {
        if network.moment().due.is_none() {
            continue;
        }
        let now_us = network.now_us();
        if ideal.pointers(network).is_none() {
            return (now_us - start_us) as f64 / 1e6;
        }
        assert!(
            now_us - start_us < MENDED_US_MAX,
            "the ring does not mend itself"
        );
        network.remind(now_us + 1_000_000, 0);
    }
    0.0
}

/// Looks keys up, each from a random member; the node that was found, if one was.
fn find(
    network: &mut Network,
    keys: &[(Id, Address)],
    random: &mut Random,
) -> Vec<Option<Address>> {
    let mut found = vec![None; keys.len()];
    let mut open: BTreeMap<Ticket, usize> = BTreeMap::new();
    let mut begun = 0;
    network.remind(network.now_us(), 0);
    loop {
        for (ticket, returned) in &network.moment().returned {
            if let (Some(place), Returned::Found(path)) = (open.remove(ticket), returned) {
                found[place] = path.last().map(|hop| hop.node.address);
            }
        }
        if begun == keys.len() && open.is_empty() {
            return found;
        }
        network.step();
        if network.moment().due.is_some() && begun < keys.len() {
            let members = network.census().len() as u64;
            let at = network.census().pick(random.below(members) as usize);
            let call = Call::Find {
                key: keys[begun].0,
                rule: Ownership::Successor,
                routing: Routing::Finger,
            };
            open.insert(network.call(at, call), begun);
            begun += 1;
            network.remind(network.now_us() + 1_000, 0);
        }
    }
}

/// Shares of nodes that fail.
const SHARES: [f64; 6] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5];

/// Length of successor lists.
const SUCCESSORS: u8 = 20;

/// A ring that is not ideal after so long has a fault that is none of a figure's.
const MENDED_US_MAX: u64 = 3_600_000_000;
