//! Load by positions: how virtual nodes even it out (SIGCOMM 2001, figure 9).
//!
//! A node's share is a sum of as many gaps as it has positions. A process of ours has one; the others
//! exist over a complete list only.

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
    let (nodes, rounds) = setup.pick((10_000, 5), (500, 2));
    let mut table = Table::new(&[
        "positions_per_node",
        "p1_times_mean",
        "p99_times_mean",
        "max_times_mean",
        "paper_p1_times_mean",
        "paper_p99_times_mean",
        "replica_p1_times_mean",
        "replica_p99_times_mean",
    ]);
    let mut checks = Vec::new();
    let mut points: [Vec<Point>; 6] = Default::default();
    for (positions, replica_p1, replica_p99) in REPLICA_BY_POSITIONS {
        let mut spread = Spread::default();
        for round in 0..rounds {
            let stream = u64::from(positions) << 32 | u64::from(round);
            let mut random = setup.random("load by positions", stream);
            let ring = ring(nodes, positions, &mut random);
            let mut loads = vec![0_u32; nodes];
            for _ in 0..100 * nodes {
                loads[ring.owner(identifier(&mut random))] += 1;
            }
            spread.add(&loads, rounds);
        }
        let paper = PAPER_BY_POSITIONS.iter().find(|row| row.0 == positions);
        table.row([
            positions.to_string(),
            number(spread.p1, 3),
            number(spread.p99, 3),
            number(spread.max, 3),
            maybe(paper.map(|row| row.1), 2),
            maybe(paper.map(|row| row.2), 2),
            number(replica_p1, 2),
            number(replica_p99, 2),
        ]);
        let x = f64::from(positions);
        let values = [
            Some(spread.p99),
            Some(spread.p1),
            paper.map(|row| row.2),
            paper.map(|row| row.1),
            Some(replica_p99),
            Some(replica_p1),
        ];
        for (points, value) in points.iter_mut().zip(values) {
            points.extend(value.map(|value| Point::at(x, value)));
        }
        if let Some((_, _, paper_p99)) = paper {
            let plural = if positions == 1 { "" } else { "s" };
            let what =
                format!("99th percentile of load, {positions} position{plural} per node (× mean)");
            for expected in [(*paper_p99, Source::Paper), (replica_p99, Source::Replica)] {
                let bound = Bound::Percent(10.0);
                checks.push(Check::new(what.clone(), spread.p99, expected, bound));
            }
        }
    }
    let [p99, p1, paper_p99, paper_p1, replica_p99, replica_p1] = points;
    let ends = [p1.first(), p1.last()].map(|end| number(end.map_or(0.0, |end| end.y), 2));
    vec![Figure {
        name: "load-positions",
        title: "Load with virtual nodes",
        paper: "SIGCOMM 2001, figure 9",
        shows: "How virtual nodes even the load out: the more positions a node has, the nearer it is to the \
                mean.",
        known: "From 1 to 20 positions the 99th percentile falls from 4.8 to 1.6 times the mean, and the 1st \
                rises from 0 to 0.5 times.",
        apart: format!("The 1st percentile rises from {} to {} times.", ends[0], ends[1]),
        text: "10,000 nodes, 1,000,000 keys, mean of 5 rings. A node stands at its own identifier, and \
               further positions are hashes of it and a number. Our processes have one position each; \
               more of them are possible only where everybody knows everybody."
            .to_owned(),
        chart: Chart {
            x: Axis {
                label: "Positions per node (virtual nodes)",
                range: (0.0, 21.0),
                ticks: vec![1.0, 2.0, 5.0, 10.0, 15.0, 20.0],
                text: |tick| number(tick, 0),
            },
            y: Axis {
                label: "Keys per node, times the mean",
                range: (0.0, 5.2),
                ticks: steps(0.0, 5.0, 1.0),
                text: |tick| format!("{}×", number(tick, 0)),
            },
            series: vec![
                Series::new("ours: 99th percentile", None, 0, Shape::Line, p99),
                Series::new("ours: 1st percentile", None, 2, Shape::Line, p1),
                Series::new(
                    "paper: 99th percentile",
                    Some(Source::Paper),
                    0,
                    Shape::Marks,
                    paper_p99,
                ),
                Series::new(
                    "paper: 1st percentile",
                    Some(Source::Paper),
                    2,
                    Shape::Marks,
                    paper_p1,
                ),
                Series::new(
                    "replica: 99th",
                    Some(Source::Replica),
                    0,
                    Shape::Marks,
                    replica_p99,
                ),
                Series::new(
                    "replica: 1st",
                    Some(Source::Replica),
                    2,
                    Shape::Marks,
                    replica_p1,
                ),
            ],
        },
        table,
        checks,
    }]
}

/// Positions, 1st and 99th percentile, times the mean.
const PAPER_BY_POSITIONS: [(u16, f64, f64); 2] = [(1, 0.0, 4.8), (20, 0.5, 1.6)];

/// Positions, 1st and 99th percentile, times the mean.
const REPLICA_BY_POSITIONS: [(u16, f64, f64); 6] = [
    (1, 0.00, 4.62),
    (2, 0.07, 3.37),
    (5, 0.24, 2.36),
    (10, 0.39, 1.92),
    (15, 0.46, 1.74),
    (20, 0.51, 1.65),
];
