//! Balance: all ways to place keys on a complete list of nodes, by the emptiest and fullest node.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::scheme::{Scheme, measure};
use super::series::{Point, Series, Shape};
use super::table::{Table, maybe, number};
use super::{Figure, Setup};

/// The one figure.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let mut table = Table::new(&[
        "scheme",
        "nodes",
        "rounds",
        "min",
        "p99",
        "max",
        "cv",
        "replica_min",
        "replica_max",
        "replica_cv",
    ]);
    let mut checks = Vec::new();
    let (mut ours, mut replicas) = (Vec::new(), Vec::new());
    for (place, (scheme, replica)) in ROWS.iter().enumerate() {
        for (sized, known) in [10_usize, 100, 1_000].into_iter().zip(replica) {
            let Some((rounds, spread)) = measure(setup, *scheme, sized) else {
                continue;
            };
            table.row([
                scheme.name(),
                sized.to_string(),
                rounds.to_string(),
                number(spread[0], 4),
                number(spread[1], 4),
                number(spread[2], 4),
                number(spread[3], 4),
                maybe(known.map(|known| known.min), 3),
                maybe(known.map(|known| known.max), 3),
                maybe(known.and_then(|known| known.cv), 3),
            ]);
            if sized == DRAWN {
                let y = (ROWS.len() - place) as f64;
                let ends = |low: f64, high: f64| {
                    let [low, high] = [low, high].map(|load| load.max(0.01).log2());
                    Point::spread(low, y, low, high)
                };
                ours.push(ends(spread[0], spread[2]));
                replicas.extend(known.map(|known| ends(known.min, known.max)));
                checks.extend(scheme.deviation(sized).map(|law| {
                    let what = format!("deviation of load, {} (× mean)", scheme.name());
                    let bound = Bound::Percent(10.0);
                    Check::new(what, spread[3], (law, Source::Theory), bound)
                }));
            }
        }
    }
    vec![Figure {
        name: "balance",
        title: "Emptiest and fullest of 100 nodes, by placement",
        paper: "no paper; a replica and theory",
        shows: "How even all ways to place keys are: the shares of the emptiest and the fullest of 100 nodes.",
        known: "No paper has this figure; the law is that of the deviation: 1/√v of the mean for v positions, \
                1/√3v where three copies are held, 1/√k for k keys, and none for partitions.",
        apart: "The ring that our nodes keep is the first line. Partitions are as even as counting gets, but \
                need a map that all agree on."
            .to_owned(),
        text: "Rings with so many positions for each node and partitions are measured by the space they \
               cover, as if there were endless keys; rendezvous and jump hashing, which have no such space, \
               by so many keys for each node. Means over up to 200 rounds; 10 and 1,000 nodes are in the \
               table."
            .to_owned(),
        chart: Chart {
            x: Axis {
                label: "Share of a node, times the mean",
                range: (-6.8, 3.2),
                ticks: steps(-6.0, 3.0, 1.0),
                text: |tick| match tick.round() as i32 {
                    power if power < 0 => format!("1/{}", 1 << -power),
                    power => format!("{}×", 1 << power),
                },
            },
            y: Axis {
                label: "",
                range: (0.3, ROWS.len() as f64 + 0.7),
                ticks: steps(1.0, ROWS.len() as f64, 1.0),
                text: |tick| {
                    let place = ROWS.len() - tick.round() as usize;
                    ROWS.get(place)
                        .map_or_else(String::new, |(scheme, _)| scheme.name())
                },
            },
            series: vec![
                Series::new(
                    "ours, from the emptiest to the fullest",
                    None,
                    0,
                    Shape::Span,
                    ours,
                ),
                Series::new(
                    "replica: both ends",
                    Some(Source::Replica),
                    2,
                    Shape::Span,
                    replicas,
                ),
            ],
        },
        table,
        checks,
    }]
}

/// The number of nodes that is drawn.
const DRAWN: usize = 100;

/// What a replica gave.
#[derive(Clone, Copy, Debug)]
struct Known {
    min: f64,
    max: f64,
    cv: Option<f64>,
}

const fn known(min: f64, max: f64, cv: f64) -> Option<Known> {
    let cv = Some(cv);
    Some(Known { min, max, cv })
}

const fn ends(min: f64, max: f64) -> Option<Known> {
    let cv = None;
    Some(Known { min, max, cv })
}

/// Placements, and what a replica gave for 10, 100 and 1,000 nodes.
const ROWS: [(Scheme, [Option<Known>; 3]); 20] = [
    (
        Scheme::Ring(1),
        [
            known(0.10, 2.89, 0.86),
            known(0.010, 5.20, 0.98),
            known(0.001, 7.40, 1.00),
        ],
    ),
    (
        Scheme::Ring(8),
        [
            known(0.53, 1.63, 0.33),
            known(0.34, 2.12, 0.35),
            known(0.24, 2.56, 0.35),
        ],
    ),
    (
        Scheme::Ring(16),
        [
            known(0.65, 1.42, 0.23),
            known(0.48, 1.75, 0.25),
            known(0.39, 2.00, 0.25),
        ],
    ),
    (
        Scheme::Ring(32),
        [
            known(0.75, 1.29, 0.16),
            known(0.61, 1.50, 0.18),
            known(0.53, 1.68, 0.18),
        ],
    ),
    (
        Scheme::Ring(64),
        [
            known(0.82, 1.20, 0.12),
            known(0.71, 1.34, 0.12),
            known(0.65, 1.46, 0.13),
        ],
    ),
    (
        Scheme::Ring(128),
        [
            known(0.87, 1.13, 0.08),
            known(0.80, 1.22, 0.09),
            known(0.74, 1.31, 0.09),
        ],
    ),
    (
        Scheme::Ring(256),
        [
            known(0.90, 1.10, 0.06),
            known(0.85, 1.16, 0.06),
            known(0.81, 1.21, 0.06),
        ],
    ),
    (
        Scheme::Ring(1_000),
        [known(0.95, 1.05, 0.03), known(0.93, 1.08, 0.03), None],
    ),
    (Scheme::Murmur3(128), [None; 3]),
    (
        Scheme::Copies(16),
        [
            known(0.77, 1.25, 0.14),
            known(0.68, 1.40, 0.14),
            known(0.61, 1.53, 0.14),
        ],
    ),
    (
        Scheme::Copies(128),
        [
            known(0.93, 1.08, 0.045),
            known(0.87, 1.13, 0.05),
            known(0.84, 1.17, 0.05),
        ],
    ),
    (
        Scheme::Partitions(256),
        [ends(0.977, 1.016), ends(0.78, 1.17), None],
    ),
    (
        Scheme::Partitions(1_024),
        [ends(0.996, 1.006), ends(0.977, 1.074), ends(0.977, 1.953)],
    ),
    (
        Scheme::Partitions(4_096),
        [ends(0.999, 1.001), ends(0.977, 1.001), ends(0.977, 1.221)],
    ),
    (
        Scheme::Partitions(16_384),
        [ends(1.0, 1.0), ends(0.995, 1.001), ends(0.977, 1.038)],
    ),
    (
        Scheme::Rendezvous(100),
        [
            known(0.84, 1.17, 0.10),
            known(0.77, 1.25, 0.10),
            known(0.69, 1.34, 0.10),
        ],
    ),
    (
        Scheme::Rendezvous(1_000),
        [
            known(0.95, 1.05, 0.03),
            known(0.92, 1.09, 0.03),
            known(0.88, 1.10, 0.03),
        ],
    ),
    (
        Scheme::Jump(100),
        [
            known(0.84, 1.17, 0.10),
            known(0.77, 1.25, 0.10),
            known(0.69, 1.34, 0.10),
        ],
    ),
    (
        Scheme::Jump(1_000),
        [
            known(0.95, 1.05, 0.03),
            known(0.92, 1.09, 0.03),
            known(0.88, 1.10, 0.03),
        ],
    ),
    (
        Scheme::Jump(10_000),
        [
            known(0.985, 1.014, 0.01),
            known(0.975, 1.024, 0.01),
            known(0.970, 1.036, 0.01),
        ],
    ),
];
