//! Paths: how many steps a lookup takes (SIGCOMM 2001, figure 10).
//!
//! Every finger halves what is left, and about half of the halvings are already done by chance: half
//! of log2 N. The papers stop at the node before the owner, which names it; ours also asks the owner,
//! which is one step more. Both are in the table, and the papers' is drawn.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::ring::Ring;
use super::series::{Point, Series, Shape};
use super::table::{Table, maybe, number};
use super::tally::Tally;
use super::{Figure, Setup};

/// The length by the number of nodes, and its distribution for one of them.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let powers = setup.pick(3..=14, 3..=10);
    let tallies: Vec<(u32, Tally)> = powers
        .map(|power| (power, steps_taken(setup, power)))
        .collect();
    let distributed = setup.pick(12, 10);
    let tally = tallies.iter().find(|(power, _)| *power == distributed);
    let tally = tally.map(|(_, tally)| tally.clone()).unwrap_or_default();
    vec![by_nodes(&tallies), distribution(&tally)]
}

/// Steps to the node before the owner, in rings of 2^`power` nodes that know only fingers.
fn steps_taken(setup: &Setup, power: u32) -> Tally {
    let nodes = 1 << power;
    // A single small ring is too much a matter of chance; in a large one fewer lookups will do.
    let rings = (setup.pick(2_048, 64) / nodes).max(1);
    let lookups = (setup.pick(100, 20) * nodes).min(400_000);
    let mut tally = Tally::default();
    for number in 0..rings {
        let mut random = setup.random("path length", u64::from(power) << 32 | u64::from(number));
        let ring = Ring::ideal(nodes, 1, random.next());
        for _ in 0..lookups {
            let (start, key) = ring.question(&mut random);
            let outcome = ring.find(start, key);
            assert_eq!(
                outcome.owner(),
                ring.owner(key),
                "a wrong owner in an ideal ring"
            );
            tally.add(outcome.hops() - 1);
        }
    }
    tally
}

fn by_nodes(tallies: &[(u32, Tally)]) -> Figure {
    let mut table = Table::new(&[
        "nodes",
        "lookups",
        "mean_steps_to_predecessor",
        "p1",
        "p99",
        "max",
        "mean_hops_to_owner",
        "paper_half_log2",
        "replica_mean",
        "replica_p1",
        "replica_p99",
    ]);
    let mut checks = Vec::new();
    let (mut ours, mut paper, mut replica) = (Vec::new(), Vec::new(), Vec::new());
    for (power, tally) in tallies {
        let nodes = 1_u32 << power;
        let x = f64::from(*power);
        let (low, high) = (tally.percentile(1) as f64, tally.percentile(99) as f64);
        ours.push(Point::spread(x, tally.mean(), low, high));
        paper.push(Point::at(x, x / 2.0));
        let known = REPLICA.iter().find(|row| row.0 == *power);
        table.row([
            nodes.to_string(),
            tally.total().to_string(),
            number(tally.mean(), 4),
            number(low, 0),
            number(high, 0),
            tally.max().to_string(),
            number(tally.mean() + 1.0, 4),
            number(x / 2.0, 2),
            maybe(known.map(|row| row.1), 2),
            maybe(known.map(|row| row.2), 0),
            maybe(known.map(|row| row.3), 0),
        ]);
        if let Some((_, mean, ..)) = known {
            replica.push(Point::at(x, *mean));
            let what = format!("mean path among 2^{power} nodes (steps)");
            let bound = Bound::Apart(0.15);
            checks.push(Check::new(
                what,
                tally.mean(),
                (*mean, Source::Replica),
                bound,
            ));
        }
    }
    let powers = [tallies.first(), tallies.last()]
        .map(|tally| tally.map_or(0.0, |(power, _)| f64::from(*power)));
    let below = tallies
        .iter()
        .map(|(power, tally)| f64::from(*power) / 2.0 - tally.mean());
    let apart = format!(
        "The means lie {:.2} below ½ log₂ N if counted, as in the paper, up to the node before the owner.",
        below.sum::<f64>() / tallies.len() as f64
    );
    Figure {
        name: "path-length",
        title: "Path length, by the number of nodes",
        paper: "SIGCOMM 2001, figure 10(a)",
        shows: "How many steps a lookup takes: half a step more each time that the ring doubles.",
        known: "The mean is about ½ log₂ N, and the 1st and 99th percentile grow likewise.",
        apart,
        text: "Ideal rings, fingers only (a list of one successor), random keys of other nodes asked by \
               random nodes: 100 for each node, at most 400,000 a ring, small rings repeated until there \
               are 204,800 lookups. Steps are counted as in the paper, up to the node before the owner; \
               our own hops also count the owner, which is one more (in the table). Whiskers: 1st and 99th \
               percentile."
            .to_owned(),
        chart: Chart {
            x: Axis {
                label: "Nodes",
                range: (powers[0] - 0.5, powers[1] + 0.5),
                ticks: steps(powers[0], powers[1], 1.0),
                text: |tick| format!("{}", 1_u64 << tick.round() as u32),
            },
            y: Axis {
                label: "Steps to the node before the owner",
                range: (-0.3, 12.5),
                ticks: steps(0.0, 12.0, 2.0),
                text: |tick| number(tick, 0),
            },
            series: vec![
                Series::new(
                    "ours: mean, 1st to 99th percentile",
                    None,
                    0,
                    Shape::Line,
                    ours,
                ),
                Series::new(
                    "paper: ½ log₂ N",
                    Some(Source::Theory),
                    1,
                    Shape::Line,
                    paper,
                ),
                Series::new(
                    "replica: mean",
                    Some(Source::Replica),
                    2,
                    Shape::Marks,
                    replica,
                ),
            ],
        },
        table,
        checks,
    }
}

fn distribution(tally: &Tally) -> Figure {
    let mut table = Table::new(&["steps_to_predecessor", "share", "replica_share_at_4096"]);
    let (mut ours, mut replica) = (Vec::new(), Vec::new());
    for step in 0..=12_usize {
        let x = step as f64;
        ours.push(Point::at(x, tally.share(step)));
        let known = REPLICA_DISTRIBUTION.get(step).copied();
        replica.extend(known.map(|share| Point::at(x, share)));
        table.row([
            step.to_string(),
            number(tally.share(step), 5),
            maybe(known, 4),
        ]);
    }
    let paper = vec![Point::at(PEAK.0 as f64, PEAK.1)];
    let apart = |step: usize| (tally.share(step) - REPLICA_DISTRIBUTION[step]).abs();
    let farthest = (0..REPLICA_DISTRIBUTION.len()).max_by(|a, b| apart(*a).total_cmp(&apart(*b)));
    let farthest = farthest.unwrap_or(0);
    let what = format!("lookups of {} steps among 4,096 nodes (%)", PEAK.0);
    let expected = [
        (PEAK.1, Source::Paper),
        (REPLICA_DISTRIBUTION[PEAK.0], Source::Replica),
    ];
    let check = |(share, source)| {
        let ours = tally.share(PEAK.0) * 100.0;
        let bound = Bound::Percent(10.0);
        Check::new(what.clone(), ours, (share * 100.0, source), bound)
    };
    Figure {
        name: "path-distribution",
        title: "Path length among 4,096 nodes: its distribution",
        paper: "SIGCOMM 2001, figure 10(b)",
        shows: "How likely a lookup among 4,096 nodes takes so many steps: most take half of log₂ N = 12, \
                hardly any all of them.",
        known: "A bell with its peak, about a quarter of all lookups, at 6 steps. We know its peak only.",
        apart: format!(
            "The share that is farthest from the replica's is that of {farthest} steps, by {:.2} points.",
            apart(farthest) * 100.0
        ),
        text: "The lookups of the figure before, in the ring of 4,096 nodes.".to_owned(),
        chart: Chart {
            x: Axis {
                label: "Steps to the node before the owner",
                range: (-0.4, 12.4),
                ticks: steps(0.0, 12.0, 1.0),
                text: |tick| number(tick, 0),
            },
            y: Axis {
                label: "Share of lookups",
                range: (0.0, 0.27),
                ticks: steps(0.0, 0.25, 0.05),
                text: |tick| format!("{} %", number(tick * 100.0, 0)),
            },
            series: vec![
                Series::new("ours", None, 0, Shape::Line, ours),
                Series::new(
                    "paper: its peak",
                    Some(Source::Paper),
                    1,
                    Shape::Marks,
                    paper,
                ),
                Series::new("replica", Some(Source::Replica), 2, Shape::Marks, replica),
            ],
        },
        table,
        checks: expected.map(check).into(),
    }
}

/// Exponent of the number of nodes; mean, 1st and 99th percentile of steps.
const REPLICA: [(u32, f64, f64, f64); 12] = [
    (3, 1.36, 0.0, 3.0),
    (4, 1.86, 0.0, 4.0),
    (5, 2.45, 0.0, 5.0),
    (6, 2.81, 0.0, 5.0),
    (7, 3.26, 1.0, 6.0),
    (8, 3.90, 1.0, 7.0),
    (9, 4.41, 1.0, 8.0),
    (10, 4.85, 1.0, 8.0),
    (11, 5.35, 2.0, 9.0),
    (12, 5.86, 2.0, 10.0),
    (13, 6.36, 2.0, 10.0),
    (14, 6.86, 3.0, 11.0),
];

/// Steps that most lookups take among 4,096 nodes, and their share in the paper.
const PEAK: (usize, f64) = (6, 0.25);

/// Shares of 0, 1, 2, … steps among 4,096 nodes.
const REPLICA_DISTRIBUTION: [f64; 12] = [
    0.0002, 0.003, 0.017, 0.057, 0.129, 0.207, 0.233, 0.191, 0.110, 0.042, 0.010, 0.001,
];
