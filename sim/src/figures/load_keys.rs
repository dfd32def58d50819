//! Load by keys: how it grows with their number (SIGCOMM 2001, figure 8).
//!
//! The fullest node holds ten times the mean, however many keys there are, for gaps on a ring are
//! spread exponentially.

use dht::placement::Placement as _;

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::load::{Spread, ring};
use super::ring::identifier;
use super::series::{Point, Series, Shape};
use super::table::{Table, maybe, number};
use super::{Figure, Setup};

/// The one figure.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let (nodes, rounds) = setup.pick((10_000, 20), (500, 2));
    let keys_max = 100 * nodes;
    let mut spreads = [Spread::default(); 10];
    for round in 0..rounds {
        let mut random = setup.random("load by keys", round.into());
        let ring = ring(nodes, 1, &mut random);
        let mut loads = vec![0_u32; nodes];
        for spread in &mut spreads {
            for _ in 0..keys_max / 10 {
                loads[ring.owner(identifier(&mut random))] += 1;
            }
            spread.add(&loads, rounds);
        }
    }
    let mut table = Table::new(&[
        "keys",
        "mean_keys_per_node",
        "p1_times_mean",
        "p99_times_mean",
        "max_times_mean",
        "nodes_without_keys",
        "paper_p99_times_mean",
        "paper_max_times_mean",
        "replica_p99_times_mean",
        "replica_max_times_mean",
    ]);
    let per_node = |tenth: usize| ((tenth + 1) * keys_max / 10) as f64 / nodes as f64;
    for (tenth, spread) in spreads.iter().enumerate() {
        let is_paper = tenth == NAMED;
        let replica = replica_by_keys(tenth);
        table.row([
            ((tenth + 1) * keys_max / 10).to_string(),
            number(per_node(tenth), 3),
            number(spread.p1, 3),
            number(spread.p99, 3),
            number(spread.max, 3),
            number(spread.empty, 4),
            maybe(is_paper.then_some(PAPER.0), 2),
            maybe(is_paper.then_some(PAPER.1), 2),
            maybe(replica.map(|(p99, _)| p99), 2),
            maybe(replica.map(|(_, max)| max), 2),
        ]);
    }
    let points = |value: &dyn Fn(usize) -> Option<f64>| {
        let point = |tenth: usize| {
            let keys = (tenth + 1) as f64 / 10.0 * keys_max as f64 / 1e6;
            value(tenth).map(|load| Point::at(keys, load * per_node(tenth)))
        };
        (0..10).filter_map(point).collect::<Vec<Point>>()
    };
    let millions = keys_max as f64 / 1e6;
    let named = &spreads[NAMED];
    let apart = format!(
        "The fullest node of a ring is a matter of chance: that of the paper is of a single one, and ours \
         vary from {:.1} to {:.1} times the mean, {:.1} on average.",
        named.max_range.0, named.max_range.1, named.max
    );
    let what = "99th percentile of load, 500,000 keys (× mean)".to_owned();
    let check = |expected| Check::new(what.clone(), named.p99, expected, Bound::Percent(10.0));
    let replica = replica_by_keys(NAMED).map(|(p99, _)| (p99, Source::Replica));
    let checks = [Some((PAPER.0, Source::Paper)), replica];
    vec![Figure {
        name: "load-keys",
        title: "Keys per node, by the number of keys",
        paper: "SIGCOMM 2001, figure 8",
        shows: "How full nodes are that stand at random on the ring: however many keys there are, one node \
                in a hundred holds nearly five times the mean, and the fullest ten times.",
        known: "At 500,000 keys the 99th percentile is 4.6 times the mean, and the fullest node holds 9.1 \
                times. Some nodes hold nothing.",
        apart,
        text: "10,000 nodes, 100,000 to 1,000,000 random keys, mean of 20 rings.".to_owned(),
        chart: Chart {
            x: Axis {
                label: "Keys (millions)",
                range: (0.0, millions * 1.04),
                ticks: steps(0.0, millions, millions / 5.0),
                text: |tick| number(tick, 3),
            },
            y: Axis {
                label: "Keys per node",
                range: (0.0, 1_100.0),
                ticks: steps(0.0, 1_000.0, 200.0),
                text: |tick| number(tick, 0),
            },
            series: vec![
                Series::new(
                    "ours: fullest node",
                    None,
                    1,
                    Shape::Line,
                    points(&|n| Some(spreads[n].max)),
                ),
                Series::new(
                    "ours: 99th percentile",
                    None,
                    0,
                    Shape::Line,
                    points(&|n| Some(spreads[n].p99)),
                ),
                Series::new("ours: mean", None, 3, Shape::Line, points(&|_| Some(1.0))),
                Series::new(
                    "paper: fullest node",
                    Some(Source::Paper),
                    1,
                    Shape::Marks,
                    points(&|n| (n == NAMED).then_some(PAPER.1)),
                ),
                Series::new(
                    "paper: 99th percentile",
                    Some(Source::Paper),
                    0,
                    Shape::Marks,
                    points(&|n| (n == NAMED).then_some(PAPER.0)),
                ),
                Series::new(
                    "replica: 99th percentile",
                    Some(Source::Replica),
                    0,
                    Shape::Marks,
                    points(&|n| replica_by_keys(n).map(|(p99, _)| p99)),
                ),
            ],
        },
        table,
        checks: checks.into_iter().flatten().map(check).collect(),
    }]
}

/// Where the paper names numbers: five of ten times as many keys.
const NAMED: usize = 4;

/// 99th percentile and maximum, times the mean, there.
const PAPER: (f64, f64) = (4.6, 9.1);

/// 99th percentile and maximum, times the mean, by tenths of a million keys.
fn replica_by_keys(tenth: usize) -> Option<(f64, f64)> {
    match tenth {
        0 => Some((4.79, 10.05)),
        1 => Some((4.68, 9.87)),
        2 => Some((4.66, 9.88)),
        4 => Some((4.65, 10.03)),
        6 => Some((4.58, 9.59)),
        9 => Some((4.63, 9.56)),
        _ => None,
    }
}
