//! Movement: how many keys a new node makes move, by placement.
//!
//! The least is its share, 1/(N + 1) of all keys, and all of them to the new node.

use std::sync::Arc;

use dht::placement::{Hash, Placement, Scheme, Seat, deal};

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::ring::identifier;
use super::scheme::{label, seat};
use super::series::{Point, Series, Shape};
use super::table::{Table, number};
use super::{Figure, Setup};

/// The one figure.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let sizes = setup.pick(&[10_usize, 100, 1_000][..], &[10, 100]);
    let mut table = Table::new(&[
        "scheme",
        "nodes",
        "moved",
        "share",
        "moved_by_share",
        "between_old",
    ]);
    let mut checks = Vec::new();
    let mut series = Vec::new();
    for (hue, (name, scheme)) in SCHEMES.into_iter().enumerate() {
        let mut points = Vec::new();
        for nodes in sizes {
            let [moved, between_old] = measure(setup, scheme, *nodes);
            let share = 1.0 / (*nodes as f64 + 1.0);
            table.row([
                name.to_owned(),
                nodes.to_string(),
                number(moved, 6),
                number(share, 6),
                number(moved / share, 4),
                number(between_old, 6),
            ]);
            points.push(Point::at((*nodes as f64).log10(), moved / share));
            let limit = (1.1 * share, Source::Theory);
            let what = format!("keys that move to one more than {nodes} nodes, {name}");
            checks.push(Check::new(what, moved, limit, Bound::AtMost));
            let what = format!("keys that move between the {nodes} old nodes, {name}");
            checks.push(Check::new(
                what,
                between_old,
                (0.0, Source::Theory),
                Bound::AtMost,
            ));
        }
        series.push(Series::new(name, None, hue, Shape::Line, points));
    }
    let limit = [1.0, 3.0].map(|x| Point::at(x, 1.1));
    let theory = Some(Source::Theory);
    series.push(Series::new(
        "limit",
        theory,
        SCHEMES.len(),
        Shape::Line,
        limit.into(),
    ));
    vec![Figure {
        name: "movement",
        title: "Keys that move when a node comes, by placement",
        paper: "no paper; theory",
        shows: "How many keys change their owner when one node more is there, times the share that the new node \
                should have.",
        known: "At least the new node's share has to move, 1/(N + 1) of all keys, and nothing has to move between \
                the old nodes.",
        apart: "With a ring of positions the share of one node is a matter of chance; with few partitions for \
                each node it is rounded."
            .to_owned(),
        text: "Random keys and nodes; rings have 128 positions for each node, and there are 4,096 partitions. \
               Means over some rounds; at most a tenth more than the share may move."
            .to_owned(),
        chart: Chart {
            x: Axis {
                label: "Nodes before",
                range: (0.9, 3.1),
                ticks: steps(1.0, 3.0, 1.0),
                text: |tick| number(10_f64.powf(tick), 0),
            },
            y: Axis {
                label: "Keys that move, times 1/(N + 1)",
                range: (0.8, 1.2),
                ticks: steps(0.8, 1.2, 0.1),
                text: |tick| number(tick, 1),
            },
            series,
        },
        table,
        checks,
    }]
}

/// The share of all keys that change their owner when one more comes, and of those that do so between others.
fn measure(setup: &Setup, scheme: Scheme, nodes: usize) -> [f64; 2] {
    let (rounds, keys) = setup.pick((20, 200_000), (10, 10_000));
    let (mut moved, mut between_old) = (0_u32, 0_u32);
    for round in 0..rounds {
        let stream = (nodes as u64) << 32 | round;
        let mut random = setup.random("movement", stream);
        let labels: Vec<String> = (0..=nodes).map(label).collect();
        let seats = labels.iter().map(|label| seat(label, &mut random));
        let seats: Vec<Seat> = seats.collect();
        let [before, after] = grown(scheme, &seats, random.next());
        for _ in 0..keys {
            let key = identifier(&mut random);
            let owner = after.owner(key);
            if owner != before.owner(key) {
                moved += 1;
                between_old += u32::from(owner != nodes);
            }
        }
    }
    [moved, between_old].map(|count| f64::from(count) / (rounds as f64 * f64::from(keys)))
}

/// The placement of all seats but the last, and of all.
fn grown(scheme: Scheme, seats: &[Seat], seed: u64) -> [Arc<dyn Placement>; 2] {
    let old = &seats[..seats.len() - 1];
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if let Scheme::Partitions { count } = scheme {
        before = deal(&vec![Vec::new(); count.into()], old, None, 1, seed);
        after = deal(&before, seats, None, 1, seed);
    }
    [scheme.place(old, &before), scheme.place(seats, &after)]
}

/// What is compared.
const SCHEMES: [(&str, Scheme); 5] = [
    (
        "ring",
        Scheme::Ring {
            positions: 128,
            hash: Hash::Sha1,
        },
    ),
    (
        "ring by murmur3",
        Scheme::Ring {
            positions: 128,
            hash: Hash::Murmur3,
        },
    ),
    ("partitions", Scheme::Partitions { count: 4_096 }),
    ("rendezvous", Scheme::Rendezvous),
    ("jump", Scheme::Jump),
];
