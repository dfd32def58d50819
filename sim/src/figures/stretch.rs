//! Stretch: how much longer a lookup takes than a message to the owner and back (ToN 2003, table IV).
//!
//! Nodes stand in a cube, and messages take as long as the way is far. The asker talks to each node
//! itself. The paper's improvement, to choose the nearest of several nodes for each finger, is not in
//! the shipped code, which knows nothing of distances: it has one point where the paper has a curve.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::ring::Ring;
use super::series::{Point, Series, Shape};
use super::table::{Table, maybe, number};
use super::{Figure, Setup};
use crate::engine::Address;
use crate::latency;

/// The one figure.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let (nodes, lookups) = setup.pick((1 << 16, 20_000), (1 << 9, 500));
    let mut random = setup.random("stretch", 0);
    let ring = Ring::ideal(nodes, SUCCESSORS, random.next());
    let (mut found, mut confirmed) = (Vec::new(), Vec::new());
    for _ in 0..lookups {
        let (start, key) = ring.question(&mut random);
        let path = ring.find(start, key).path;
        let ways = path.iter().map(|hop| way(start, hop.node.address));
        let ways: Vec<f64> = ways.collect();
        let Some((to_owner, before)) = ways.split_last() else {
            continue;
        };
        let sum: f64 = before.iter().sum();
        found.push(sum / to_owner);
        confirmed.push((sum + to_owner) / to_owner);
    }
    let mut table = Table::new(&[
        "whose",
        "nodes_considered_per_finger",
        "median",
        "p10",
        "p90",
    ]);
    let mut line = |whose: &str, considered: u32, values: [Option<f64>; 3]| {
        let [median, low, high] = values.map(|value| maybe(value, 3));
        table.row([whose.to_owned(), considered.to_string(), median, low, high]);
    };
    let (found, confirmed) = (quantiles(found), quantiles(confirmed));
    line("ours until the owner is known", 1, found.map(Some));
    line("ours until the owner has confirmed", 1, confirmed.map(Some));
    for (considered, [median, low, high], replica) in KNOWN {
        line("paper", considered, [median, low, high].map(Some));
        line("replica", considered, [Some(replica), None, None]);
    }
    let point = |considered: u32, aside: f64, [median, low, high]: [f64; 3]| {
        Point::spread(f64::from(considered).log2() + aside, median, low, high)
    };
    let paper = KNOWN
        .iter()
        .map(|(considered, values, _)| point(*considered, 0.0, *values));
    let replica = KNOWN
        .iter()
        .map(|(considered, _, median)| Point::at(f64::from(*considered).log2(), *median));
    let what = "median stretch, one node considered per finger".to_owned();
    let expected = (KNOWN[0].2, Source::Replica);
    let check = Check::new(what, found[0], expected, Bound::Percent(10.0));
    let apart = format!(
        "Ours has one point where the paper has a curve: the median is {:.1} until the owner is known, and {:.1} \
         until it has confirmed that it is. The shipped code considers one node for each finger, for it knows \
         nothing of distances.",
        found[0], confirmed[0]
    );
    vec![Figure {
        name: "stretch",
        title: "Latency of a lookup, in round trips to the owner",
        paper: "IEEE/ACM ToN 2003, table IV (iterative, 3-d space)",
        shows: "How much longer a lookup takes than one exchange with the owner, where distances differ: about \
                as many times as it takes exchanges.",
        known: "The median falls from 7.8 to 3.4 as each finger becomes the nearest of s nodes that would do, \
                with s from 1 to 16.",
        apart,
        text: "65,536 nodes in a cube, lists of 20, 20,000 iterative lookups: the sum of all exchanges of a \
               lookup, over one exchange with the owner. Marks are medians, whiskers go from the 10th to \
               the 90th percentile."
            .to_owned(),
        chart: Chart {
            x: Axis {
                label: "Nodes considered for each finger (s)",
                range: (-0.5, 4.5),
                ticks: steps(0.0, 4.0, 1.0),
                text: |tick| format!("{}", 1 << tick.round() as u32),
            },
            y: Axis {
                label: "Lookup time over round trip to the owner",
                range: (0.0, 21.0),
                ticks: steps(0.0, 20.0, 5.0),
                text: |tick| number(tick, 0),
            },
            series: vec![
                Series::new(
                    "ours, owner known",
                    None,
                    0,
                    Shape::Marks,
                    vec![point(1, -0.12, found)],
                ),
                Series::new(
                    "ours, owner confirmed",
                    None,
                    2,
                    Shape::Marks,
                    vec![point(1, -0.24, confirmed)],
                ),
                Series::new(
                    "paper",
                    Some(Source::Paper),
                    1,
                    Shape::Line,
                    paper.collect(),
                ),
                Series::new(
                    "replica: median",
                    Some(Source::Replica),
                    3,
                    Shape::Marks,
                    replica.collect(),
                ),
            ],
        },
        table,
        checks: vec![check],
    }]
}

/// How far two nodes are apart.
fn way(from: Address, to: Address) -> f64 {
    let (from, to) = (latency::point(from), latency::point(to));
    let squares = from.iter().zip(to).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

/// Median, 10th and 90th percentile.
fn quantiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [0.5, 0.1, 0.9].map(|share| values[(values.len() as f64 * share) as usize])
}

/// Length of successor lists.
const SUCCESSORS: u8 = 20;

/// Nodes considered for each finger; the paper's median, 10th and 90th percentile; a replica's median.
const KNOWN: [(u32, [f64; 3], f64); 5] = [
    (1, [7.8, 4.4, 19.8], 6.8),
    (2, [7.2, 3.8, 18.0], 6.3),
    (4, [6.1, 3.1, 15.3], 5.7),
    (8, [4.7, 2.4, 11.8], 5.0),
    (16, [3.4, 1.9, 8.4], 4.1),
];
