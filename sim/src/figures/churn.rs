//! Churn: lookups while nodes join and fail all the time (ToN 2003, table III).
//!
//! The engine runs the shipped code with real messages. The papers' nodes learn of a change when the
//! next stabilization is due; ours also stabilize at once where something changed, and the owner
//! itself checks whether a key is its own, so that what remains is hardly ever a wrong owner.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::series::{Point, Series, Shape};
use super::table::{Table, maybe, number};
use super::turnover::observe;
use super::{Figure, Setup};
use crate::observe::lookups::Lookups;

/// Owners, and the way to them.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let mut table = Table::new(&[
        "joins_and_failures_per_s",
        "lookups",
        "mean_path_to_predecessor",
        "lookups_with_detours_per_10000",
        "mean_path_without_detours",
        "mean_timeouts",
        "wrong_per_10000",
        "unanswered_per_10000",
        "abandoned",
        "paper_path",
        "paper_timeouts",
        "paper_failures_per_10000",
        "replica_timeouts",
        "replica_wrong_per_10000_checked",
    ]);
    let mut checks = Vec::new();
    let mut points: [Vec<Point>; 8] = Default::default();
    let (mut unanswered, mut detours) = (0, String::new());
    for known in setup.pick(&KNOWN[..], &KNOWN[7..]) {
        let lookups = observe(setup, known.per_100_s);
        let rate = f64::from(known.per_100_s) / 100.0;
        let ended = lookups.right + lookups.wrong + lookups.failed;
        let answered = (lookups.right + lookups.wrong).max(1) as f64;
        let of_10_000 = |count: u64| count as f64 * 1e4 / ended.max(1) as f64;
        let path = lookups.mean_hops() - 1.0;
        let timeouts = lookups.timeouts as f64 / answered;
        let wrong = of_10_000(lookups.wrong);
        table.row([
            number(rate, 2),
            lookups.begun.to_string(),
            number(path, 3),
            number(of_10_000(lookups.hops.iter().skip(DETOUR).sum()), 1),
            number(direct_path(&lookups), 3),
            number(timeouts, 4),
            number(wrong, 2),
            number(of_10_000(lookups.failed), 2),
            lookups.abandoned.to_string(),
            number(known.path, 2),
            number(known.timeouts, 2),
            number(known.failures, 0),
            number(known.replica_timeouts, 3),
            maybe(known.replica_wrong, 1),
        ]);
        unanswered += lookups.failed;
        let detour: u64 = lookups.hops.iter().skip(DETOUR).sum();
        detours = format!(
            "At {rate}/s {} of 10,000 lookups took more than 20 hops; the others {} steps in the mean.",
            number(of_10_000(detour), 0),
            number(direct_path(&lookups), 2)
        );
        let values = [
            Some(wrong),
            Some(known.failures),
            known.replica_wrong,
            Some(path),
            Some(direct_path(&lookups)),
            Some(timeouts),
            Some(known.path),
            Some(known.timeouts),
        ];
        for (points, value) in points.iter_mut().zip(values) {
            points.extend(value.map(|value| Point::at(rate, value)));
        }
        let what = format!("wrong owners at {rate}/s (per 10,000 lookups)");
        let expected = (known.failures, Source::Paper);
        checks.push(Check::new(what, wrong, expected, Bound::AtMost));
    }
    let [
        wrong,
        paper_wrong,
        replica_wrong,
        path,
        direct,
        timeouts,
        paper_path,
        paper_timeouts,
    ] = points;
    let text = "1,000 nodes with lists of 20; joins and failures come by chance, each at this rate, and so \
                does a lookup each second, for two hours. A node stabilizes and refreshes one finger \
                every 30 s, varied by a tenth (the paper: from 15 to 45 s), and besides whenever its \
                neighbourhood changed, which the paper's nodes don't. Messages take up to 0.1 s. A lookup \
                is wrong if the node it ends at owned the key neither when it began nor when it ended.";
    let note = format!(
        "{detours} These came to the place of a node that had died before its neighbour noticed, which \
         here takes up to 33 s: they go back to node after node, and begin again after a while. In a \
         ring that stabilizes twice a second, as by default, that place is open 60 times as briefly. \
         Lookups without any answer in all of these runs: {unanswered}."
    );
    let rates = || Axis {
        label: "Joins and failures, each per second",
        range: (0.03, 0.42),
        ticks: steps(0.05, 0.4, 0.05),
        text: |tick| number(tick, 2),
    };
    let owners = Figure {
        name: "churn-owners",
        title: "Wrong owners while nodes join and fail",
        paper: "IEEE/ACM ToN 2003, table III",
        text: text.to_owned(),
        chart: Chart {
            x: rates(),
            y: Axis {
                label: "Lookups that named a wrong owner, per 10,000",
                range: (-0.5, 17.0),
                ticks: steps(0.0, 16.0, 4.0),
                text: |tick| number(tick, 0),
            },
            series: vec![
                Series::new("ours", None, 0, Shape::Line, wrong),
                Series::new(
                    "paper: failures",
                    Some(Source::Paper),
                    1,
                    Shape::Line,
                    paper_wrong,
                ),
                Series::new(
                    "replica with the owner's check",
                    Some(Source::Replica),
                    2,
                    Shape::Marks,
                    replica_wrong,
                ),
            ],
        },
        table: table.clone(),
        checks,
        note: None,
    };
    let way = Figure {
        name: "churn-path",
        title: "Path and timeouts while nodes join and fail",
        paper: "IEEE/ACM ToN 2003, table III",
        text: "The lookups of the figure before. Path: living nodes asked, up to the one before the owner; \
               timeouts: dead nodes asked. Ours meet fewer dead nodes, for who has met one drops it from \
               its tables at once."
            .to_owned(),
        chart: Chart {
            x: rates(),
            y: Axis {
                label: "Nodes asked in a lookup (mean)",
                range: (-0.15, 6.0),
                ticks: steps(0.0, 6.0, 1.0),
                text: |tick| number(tick, 0),
            },
            series: vec![
                Series::new("ours: path", None, 0, Shape::Line, path),
                Series::new("ours: path without detours", None, 2, Shape::Line, direct),
                Series::new("ours: timeouts", None, 1, Shape::Line, timeouts),
                Series::new("paper: path", Some(Source::Paper), 0, Shape::Line, paper_path),
                Series::new("paper: timeouts", Some(Source::Paper), 1, Shape::Line, paper_timeouts),
            ],
        },
        table,
        checks: Vec::new(),
        note: Some(note),
    };
    vec![owners, way]
}

/// Mean steps to the node before the owner of lookups that went straight.
fn direct_path(lookups: &Lookups) -> f64 {
    let direct = || (0..DETOUR).zip(&lookups.hops);
    let hops: u64 = direct().map(|(hops, count)| hops as u64 * count).sum();
    let count: u64 = direct().map(|(_, count)| count).sum();
    hops as f64 / count.max(1) as f64 - 1.0
}

/// From so many hops on a lookup did not go straight: three times what a ring of this size needs.
const DETOUR: usize = 21;

/// A row of the paper, and what a replica gave.
struct Known {
    per_100_s: u32,
    path: f64,
    timeouts: f64,
    failures: f64,
    replica_timeouts: f64,
    /// Where the owner checks that a key is its own, as ours do.
    replica_wrong: Option<f64>,
}

const fn row(
    per_100_s: u32,
    [path, timeouts, failures]: [f64; 3],
    replica_timeouts: f64,
    replica_wrong: Option<f64>,
) -> Known {
    Known {
        per_100_s,
        path,
        timeouts,
        failures,
        replica_timeouts,
        replica_wrong,
    }
}

const KNOWN: [Known; 8] = [
    row(5, [3.90, 0.05, 0.0], 0.053, Some(0.0)),
    row(10, [3.83, 0.11, 0.0], 0.106, Some(0.0)),
    row(15, [3.84, 0.16, 2.0], 0.153, None),
    row(20, [3.81, 0.23, 5.0], 0.240, Some(0.5)),
    row(25, [3.83, 0.30, 6.0], 0.28, None),
    row(30, [3.91, 0.34, 8.0], 0.30, None),
    row(35, [3.94, 0.42, 16.0], 0.33, None),
    row(40, [4.06, 0.46, 15.0], 0.452, Some(1.1)),
];
