//! Stale: lookups right after many nodes failed at once (ToN 2003, table II).
//!
//! Fingers and lists still name the dead, and lookups go around them: each dead node that is asked is
//! a timeout, after which the next best way is taken.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::ring::Ring;
use super::series::{Point, Series, Shape};
use super::table::{Table, number};
use super::tally::Tally;
use super::{Figure, Setup};

/// The one figure.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let (nodes, lookups, rings) = setup.pick((1_000, 10_000, 5), (200, 200, 2));
    let mut table = Table::new(&[
        "failed_nodes",
        "mean_path",
        "path_p1",
        "path_p99",
        "mean_timeouts",
        "timeouts_p1",
        "timeouts_p99",
        "wrong",
        "begun_again_per_10000",
        "dead_ends_per_10000",
        "paper_path",
        "paper_timeouts",
        "replica_path",
        "replica_timeouts",
    ]);
    let mut checks = Vec::new();
    let mut points: [Vec<Point>; 6] = Default::default();
    let mut again_or_never = Vec::new();
    for (tenths, paper, replica) in KNOWN {
        let share = f64::from(tenths) / 10.0;
        let (mut path, mut timeouts) = (Tally::default(), Tally::default());
        let (mut wrong, mut stuck, mut again) = (0_u64, 0_u64, 0_u64);
        for number in 0..rings {
            let mut random = setup.random("stale fingers", u64::from(tenths) << 32 | number);
            let mut ring = Ring::ideal(nodes, SUCCESSORS, random.next());
            ring.fail(share, &mut random);
            for _ in 0..lookups {
                let (start, key) = ring.question(&mut random);
                let outcome = ring.find(start, key);
                again += u64::from(outcome.attempts > 1);
                match outcome.owner() {
                    None => stuck += 1,
                    owner if owner != ring.owner(key) => wrong += 1,
                    _ => {
                        path.add(outcome.hops() - 1);
                        timeouts.add(outcome.timeouts());
                    }
                }
            }
        }
        let of_10_000 = |count: u64| count as f64 * 1e4 / (f64::from(lookups) * rings as f64);
        again_or_never.push(format!(
            "{} and {} at {} %",
            number(of_10_000(again), 1),
            number(of_10_000(stuck), 1),
            tenths * 10,
        ));
        table.row([
            number(share, 1),
            number(path.mean(), 3),
            path.percentile(1).to_string(),
            path.percentile(99).to_string(),
            number(timeouts.mean(), 3),
            timeouts.percentile(1).to_string(),
            timeouts.percentile(99).to_string(),
            wrong.to_string(),
            number(of_10_000(again), 2),
            number(of_10_000(stuck), 2),
            number(paper[0], 2),
            number(paper[1], 2),
            number(replica[0], 2),
            number(replica[1], 2),
        ]);
        let values = [
            path.mean(),
            timeouts.mean(),
            paper[0],
            paper[1],
            replica[0],
            replica[1],
        ];
        for (points, value) in points.iter_mut().zip(values) {
            points.push(Point::at(share * 100.0, value));
        }
        for (what, ours, expected) in [
            ("mean path", path.mean(), replica[0]),
            ("mean timeouts", timeouts.mean(), replica[1]),
        ] {
            let what = format!("{what}, {} % failed, stale fingers", tenths * 10);
            let bound = Bound::Percent(10.0);
            checks.push(Check::new(what, ours, (expected, Source::Replica), bound));
        }
        let what = format!("wrong owners, {} % failed, stale fingers", tenths * 10);
        checks.push(Check::new(
            what,
            wrong as f64,
            (0.0, Source::Paper),
            Bound::AtMost,
        ));
    }
    let [
        path,
        timeouts,
        paper_path,
        paper_timeouts,
        replica_path,
        replica_timeouts,
    ] = points;
    let apart = format!(
        "Lookups that began again, and that found no owner, per 10,000: {}.",
        again_or_never.join("; ")
    );
    let text = format!(
        "1,000 nodes with lists of 20; each fails with this probability, and 10,000 lookups begin at once, \
         in each of 5 rings. The living have found their neighbours – an owner that does not yet know that \
         it is one would refuse – but all fingers and the rest of the lists still name the dead. Path: \
         living nodes up to the one before the owner; timeouts: dead nodes asked on the way. Means are over \
         lookups that found the owner. No lookup remembers what another one met. An answer of the shipped \
         code names at most {} ways, where the papers' nodes search all that they know. A lookup whose ways \
         are all dead goes back to earlier ones, and at last begins again, passing over those that it has \
         found dead.",
        dht::view::LINKS_MAX
    );
    vec![Figure {
        name: "failure-detours",
        title: "Path and timeouts right after failures, with stale fingers",
        paper: "IEEE/ACM ToN 2003, table II",
        shows: "How lookups find their way while all fingers still name the dead: every dead node asked costs \
                a timeout, and the path grows little.",
        known: "From no failures to half of all nodes the path grows from 3.84 to 5.09 and timeouts from 0 to \
                5.10; every lookup was resolved.",
        apart,
        text,
        chart: Chart {
            x: Axis {
                label: "Nodes that failed at once",
                range: (-1.5, 52.0),
                ticks: steps(0.0, 50.0, 10.0),
                text: |tick| format!("{} %", number(tick, 0)),
            },
            y: Axis {
                label: "Nodes asked in a lookup (mean)",
                range: (-0.15, 6.0),
                ticks: steps(0.0, 6.0, 1.0),
                text: |tick| number(tick, 0),
            },
            series: vec![
                Series::new("ours: path", None, 0, Shape::Line, path),
                Series::new("ours: timeouts", None, 1, Shape::Line, timeouts),
                Series::new(
                    "paper: path",
                    Some(Source::Paper),
                    0,
                    Shape::Marks,
                    paper_path,
                ),
                Series::new(
                    "paper: timeouts",
                    Some(Source::Paper),
                    1,
                    Shape::Marks,
                    paper_timeouts,
                ),
                Series::new(
                    "replica: path",
                    Some(Source::Replica),
                    0,
                    Shape::Marks,
                    replica_path,
                ),
                Series::new(
                    "replica: timeouts",
                    Some(Source::Replica),
                    1,
                    Shape::Marks,
                    replica_timeouts,
                ),
            ],
        },
        table,
        checks,
    }]
}

/// Length of successor lists.
const SUCCESSORS: u8 = 20;

/// Tenths that fail; path and timeouts of the paper, and of a replica.
const KNOWN: [(u32, [f64; 2], [f64; 2]); 6] = [
    (0, [3.84, 0.0], [3.80, 0.0]),
    (1, [4.03, 0.60], [3.99, 0.42]),
    (2, [4.22, 1.17], [4.20, 1.01]),
    (3, [4.44, 2.02], [4.41, 1.77]),
    (4, [4.69, 3.23], [4.72, 2.97]),
    (5, [5.09, 5.10], [5.11, 4.82]),
];
