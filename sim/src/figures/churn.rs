//! Churn: lookups while nodes join and fail all the time (ToN 2003, table III).
//!
//! The engine runs the shipped code with real messages. The papers' nodes learn of a change when the
//! next stabilization is due; ours also stabilize at once where something changed, and the owner
//! itself checks whether a key is its own, so that what remains is hardly ever a wrong owner.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::series::{Point, Series, Shape};
use super::table::{Table, grouped, maybe, number};
use super::turnover::observe;
use super::{Figure, Setup};
use crate::observe::lookups::Lookups;

/// Owners, and the way to them.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let rows = setup.pick(&KNOWN[..], &KNOWN[7..]).iter();
    let rows: Vec<Row> = rows
        .map(|known| Row {
            known,
            lookups: observe(setup, known.per_100_s),
        })
        .collect();
    vec![owners(&rows), way(&rows)]
}

fn owners(rows: &[Row]) -> Figure {
    let sum = |count: fn(&Row) -> u64| rows.iter().map(count).sum::<u64>();
    let check = |row: &Row| {
        let what = format!("wrong owners at {}/s (per 10,000 lookups)", row.rate());
        let expected = (row.known.failures, Source::Paper);
        Check::new(
            what,
            row.per_10_000(row.lookups.wrong),
            expected,
            Bound::AtMost,
        )
    };
    Figure {
        name: "churn-owners",
        title: "Wrong owners while nodes join and fail",
        paper: "IEEE/ACM ToN 2003, table III",
        shows: "How often a lookup names a wrong owner while nodes join and fail all the time: hardly ever, \
                for the owner is asked before it is believed in.",
        known: "Failures rise from none at 0.05/s to about 15 of 10,000 lookups at 0.4/s.",
        apart: format!(
            "Of {} lookups at all rates {} named a wrong owner, and {} ended without an answer.",
            grouped(sum(Row::ended)),
            sum(|row| row.lookups.wrong),
            sum(|row| row.lookups.failed)
        ),
        text: "1,000 nodes with lists of 20; joins and failures come by chance, each at this rate, and so \
               does a lookup each second, for two hours. A node stabilizes and refreshes one finger every \
               15 to 45 s, as in the paper, and besides whenever its neighbourhood changed, which the \
               paper's nodes don't. Messages take up to 0.1 s. A lookup is wrong if the node it ends at \
               owned the key neither when it began nor when it ended."
            .to_owned(),
        table: table(rows),
        checks: rows.iter().map(check).collect(),
        chart: Chart {
            x: rates(),
            y: Axis {
                label: "Lookups that failed, per 10,000",
                range: (-0.5, 17.0),
                ticks: steps(0.0, 16.0, 4.0),
                text: |tick| number(tick, 0),
            },
            series: vec![
                Series::new(
                    "ours: wrong or unanswered",
                    None,
                    2,
                    Shape::Line,
                    points(rows, |row| {
                        Some(row.per_10_000(row.lookups.wrong + row.lookups.failed))
                    }),
                ),
                Series::new(
                    "ours: wrong owner",
                    None,
                    0,
                    Shape::Line,
                    points(rows, |row| Some(row.per_10_000(row.lookups.wrong))),
                ),
                Series::new(
                    "paper: failures",
                    Some(Source::Paper),
                    1,
                    Shape::Line,
                    points(rows, |row| Some(row.known.failures)),
                ),
                Series::new(
                    "replica: wrong, if the owner checks",
                    Some(Source::Replica),
                    3,
                    Shape::Marks,
                    points(rows, |row| row.known.replica_wrong),
                ),
            ],
        },
    }
}

fn way(rows: &[Row]) -> Figure {
    let fastest = rows.last().map_or_else(String::new, |row| {
        format!(
            "At {}/s the mean path has {:.2} steps (the paper: {:.2}), and {:.2} timeouts (the paper: {:.2}). \
             {:.0} of 10,000 lookups took more than {} hops.",
            row.rate(),
            row.path(),
            row.known.path,
            row.timeouts(),
            row.known.timeouts,
            row.per_10_000(row.detours()),
            DETOUR - 1,
        )
    });
    let has_detours = rows.iter().any(|row| row.detours() > 0);
    let detours = if has_detours {
        " Those that took more came to the place of a node that had died before its neighbours noticed, which \
         here takes up to 45 s: nobody answers for it until then, so they go back to node after node, and begin \
         again after a while. In a ring that stabilizes each second, as nodes do by default, such a place is \
         open 30 times as briefly."
    } else {
        ""
    };
    let mut series = vec![
        Series::new(
            "ours: path",
            None,
            0,
            Shape::Line,
            points(rows, |row| Some(row.path())),
        ),
        Series::new(
            "ours: timeouts",
            None,
            1,
            Shape::Line,
            points(rows, |row| Some(row.timeouts())),
        ),
        Series::new(
            "paper: path",
            Some(Source::Paper),
            0,
            Shape::Line,
            points(rows, |row| Some(row.known.path)),
        ),
        Series::new(
            "paper: timeouts",
            Some(Source::Paper),
            1,
            Shape::Line,
            points(rows, |row| Some(row.known.timeouts)),
        ),
    ];
    // Without detours it would be the same line again.
    if has_detours {
        let points = points(rows, |row| Some(row.direct_path()));
        let label = "ours: path without detours";
        series.insert(1, Series::new(label, None, 2, Shape::Line, points));
    }
    Figure {
        name: "churn-path",
        title: "Path and timeouts while nodes join and fail",
        paper: "IEEE/ACM ToN 2003, table III",
        shows: "What lookups cost while nodes join and fail all the time: the path stays as it is in a quiet \
                ring, and hardly any of the nodes asked is dead.",
        known: "The path stays near 3.9 at all rates, and timeouts rise from 0.05 to 0.46.",
        apart: format!(
            "{fastest}{detours} Ours meet fewer dead nodes, for who has met one drops it at once."
        ),
        text: "The lookups of the figure before. Path: living nodes asked, up to the one before the owner; \
               timeouts: dead nodes asked; both are means over answered lookups."
            .to_owned(),
        table: table(rows),
        checks: Vec::new(),
        chart: Chart {
            x: rates(),
            y: Axis {
                label: "Nodes asked in a lookup (mean)",
                range: (-0.15, 7.0),
                ticks: steps(0.0, 7.0, 1.0),
                text: |tick| number(tick, 0),
            },
            series,
        },
    }
}

fn table(rows: &[Row]) -> Table {
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
    for row in rows {
        let (known, lookups) = (row.known, &row.lookups);
        table.row([
            number(row.rate(), 2),
            lookups.begun.to_string(),
            number(row.path(), 3),
            number(row.per_10_000(row.detours()), 1),
            number(row.direct_path(), 3),
            number(row.timeouts(), 4),
            number(row.per_10_000(lookups.wrong), 2),
            number(row.per_10_000(lookups.failed), 2),
            lookups.abandoned.to_string(),
            number(known.path, 2),
            number(known.timeouts, 2),
            number(known.failures, 0),
            number(known.replica_timeouts, 3),
            maybe(known.replica_wrong, 1),
        ]);
    }
    table
}

fn rates() -> Axis {
    Axis {
        label: "Joins and failures, each per second",
        range: (0.03, 0.42),
        ticks: steps(0.05, 0.4, 0.05),
        text: |tick| number(tick, 2),
    }
}

/// A value by the rate, where there is one.
fn points(rows: &[Row], value: fn(&Row) -> Option<f64>) -> Vec<Point> {
    let point = |row: &Row| value(row).map(|value| Point::at(row.rate(), value));
    rows.iter().filter_map(point).collect()
}

/// What came of lookups at one rate, and what others found.
struct Row {
    known: &'static Known,
    lookups: Lookups,
}

impl Row {
    fn rate(&self) -> f64 {
        f64::from(self.known.per_100_s) / 100.0
    }

    fn answered(&self) -> u64 {
        self.lookups.right + self.lookups.wrong
    }

    fn ended(&self) -> u64 {
        self.answered() + self.lookups.failed
    }

    fn per_10_000(&self, count: u64) -> f64 {
        count as f64 * 1e4 / self.ended().max(1) as f64
    }

    /// Mean steps to the node before the owner.
    fn path(&self) -> f64 {
        self.lookups.mean_hops() - 1.0
    }

    /// The same of lookups that went straight.
    fn direct_path(&self) -> f64 {
        let direct = || (0..DETOUR).zip(&self.lookups.hops);
        let hops: u64 = direct().map(|(hops, count)| hops as u64 * count).sum();
        let count: u64 = direct().map(|(_, count)| count).sum();
        hops as f64 / count.max(1) as f64 - 1.0
    }

    /// How many did not go straight.
    fn detours(&self) -> u64 {
        self.lookups.hops.iter().skip(DETOUR).sum()
    }

    fn timeouts(&self) -> f64 {
        self.lookups.timeouts as f64 / self.answered().max(1) as f64
    }
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

static KNOWN: [Known; 8] = [
    row(5, [3.90, 0.05, 0.0], 0.053, Some(0.0)),
    row(10, [3.83, 0.11, 0.0], 0.106, Some(0.0)),
    row(15, [3.84, 0.16, 2.0], 0.153, None),
    row(20, [3.81, 0.23, 5.0], 0.240, Some(0.5)),
    row(25, [3.83, 0.30, 6.0], 0.28, None),
    row(30, [3.91, 0.34, 8.0], 0.30, None),
    row(35, [3.94, 0.42, 16.0], 0.33, None),
    row(40, [4.06, 0.46, 15.0], 0.452, Some(1.1)),
];
