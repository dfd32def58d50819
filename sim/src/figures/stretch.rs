//! Stretch: how much longer a lookup takes than a message to the owner and back (ToN 2003, table IV).
//!
//! Nodes stand in a cube, and messages take as long as the way is far. The shipped code knows nothing of
//! distances: here it is given fingers that are the nearest of some nodes that would do, as in the paper.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::check::{Bound, Check, Source};
use super::series::{Point, Series, Shape};
use super::table::{Table, maybe, number};
use super::trips::Trips;
use super::{Figure, Setup};

/// The one figure.
pub(super) fn figures(setup: &Setup) -> Vec<Figure> {
    let rows = KNOWN.iter().map(|known| {
        let ours = Trips::measure(setup, known.considered);
        Row { known, ours }
    });
    let rows: Vec<Row> = rows.collect();
    vec![Figure {
        name: "stretch",
        title: "Latency of a lookup, in round trips to the owner",
        paper: "IEEE/ACM ToN 2003, table IV (3-d space)",
        shows: "How much longer a lookup takes than one exchange with the owner: the nearer the nodes that \
                fingers point to, the less, and about half if each node passes the question on.",
        known: "The median falls from 7.8 to 3.4 (recursive: from 4.5 to 1.7) as each finger becomes the \
                nearest of s nodes that would do, with s from 1 to 16.",
        apart: apart(&rows),
        text: "65,536 nodes in a cube, lists of 20, 20,000 lookups by the shipped code, the same for each s. \
               Fingers are set before: each to the nearest of its first node and the s − 1 that follow it. \
               Iterative: the sum of all exchanges until the owner is known, over one exchange with the \
               owner. Recursive is computed, for we have no such lookups: the ways along the same path, from \
               node to node and from the last one back, over there and back again. Exchanges with the owner \
               itself, which confirms that it is, are in the table. Marks are medians, whiskers go from the \
               10th to the 90th percentile."
            .to_owned(),
        chart: chart(&rows),
        table: table(&rows),
        checks: checks(&rows),
    }]
}

/// What others have found, and ours.
struct Row {
    known: &'static Known,
    ours: Trips,
}

/// Where ours is not where the paper is.
fn apart(rows: &[Row]) -> String {
    let [first, last] = [&rows[0], &rows[rows.len() - 1]];
    let fall = |kind: usize, times: fn(&Trips) -> [[f64; 3]; 2]| {
        let [from, to] = [first, last].map(|row| times(&row.ours)[kind][0]);
        format!("from {from:.1} to {to:.1}")
    };
    let (named, confirmed) = (|ours: &Trips| ours.named, |ours: &Trips| ours.confirmed);
    let [high, paper] = [first.ours.named[0], first.known.paper[0]].map(|[.., high]| high);
    format!(
        "Ours falls {}, recursive {}; until the owner has confirmed that it is, {} and {}. The paper’s begins \
         higher and falls farther, and its 90th percentile at s = 1 is {paper} where ours is {high:.1}: its \
         numbers are recalled, to about ±1, so ours is held against the replica. The shipped code does not \
         choose fingers by distance: it is s = 1.",
        fall(0, named),
        fall(1, named),
        fall(0, confirmed),
        fall(1, confirmed),
    )
}

fn checks(rows: &[Row]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let mut check = |what: String, ours, known, percent| {
            let expected = (known, Source::Replica);
            checks.push(Check::new(what, ours, expected, Bound::Percent(percent)));
        };
        for row in rows {
            // A replica's number is rounded, by up to 2.5 %; rings differ by 1 %.
            let what = format!("median stretch, {name}, s = {}", row.known.considered);
            check(what, row.ours.medians()[kind], row.known.replica[kind], 6.0);
        }
        let [first, last] = [&rows[0], &rows[rows.len() - 1]];
        let ours = last.ours.medians()[kind] / first.ours.medians()[kind];
        let known = last.known.replica[kind] / first.known.replica[kind];
        let what = format!("what is left of it, {name}, with s = 16 instead of 1");
        check(what, ours, known, 10.0);
    }
    for row in rows {
        checks.extend(row.known.steps().map(|steps| {
            let what = format!("mean path with s = {} (steps)", row.known.considered);
            let expected = (steps, Source::Replica);
            Check::new(what, row.ours.steps, expected, Bound::Apart(0.15))
        }));
    }
    checks
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "whose",
        "lookups",
        "until_owner_is",
        "nodes_considered_per_finger",
        "median",
        "p10",
        "p90",
        "mean_steps_to_predecessor",
    ]);
    for row in rows {
        let known = row.known;
        for (kind, name) in KINDS.iter().enumerate() {
            let mut line = |whose: &str, until: &str, values: [Option<f64>; 3], steps| {
                let [median, low, high] = values.map(|value| maybe(value, 3));
                table.row([
                    whose.to_owned(),
                    (*name).to_owned(),
                    until.to_owned(),
                    known.considered.to_string(),
                    median,
                    low,
                    high,
                    maybe(steps, 3),
                ]);
            };
            let steps = Some(row.ours.steps);
            line("ours", "known", row.ours.named[kind].map(Some), steps);
            line(
                "ours",
                "confirmed",
                row.ours.confirmed[kind].map(Some),
                steps,
            );
            line("paper", "", known.paper[kind].map(Some), None);
            let replica = [Some(known.replica[kind]), None, None];
            line("replica", "known", replica, known.steps());
        }
    }
    table
}

fn chart(rows: &[Row]) -> Chart {
    let place = |row: &Row, aside: f64| (row.known.considered as f64).log2() + aside;
    let spread = |aside: f64, values: &dyn Fn(&Row) -> [f64; 3]| {
        let points = rows.iter().map(|row| {
            let [median, low, high] = values(row);
            Point::spread(place(row, aside), median, low, high)
        });
        points.collect::<Vec<Point>>()
    };
    let paper = Some(Source::Paper);
    let mut replica = Vec::new();
    for row in rows {
        for (aside, median) in OURS.into_iter().zip(row.known.replica) {
            replica.push(Point::at(place(row, aside), median));
        }
    }
    let line = |label, source, hue, points| Series::new(label, source, hue, Shape::Line, points);
    Chart {
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
            line(
                "ours, iterative",
                None,
                0,
                spread(OURS[0], &|row| row.ours.named[0]),
            ),
            line(
                "paper, iterative",
                paper,
                0,
                spread(PAPER[0], &|row| row.known.paper[0]),
            ),
            line(
                "ours, recursive (computed)",
                None,
                2,
                spread(OURS[1], &|row| row.ours.named[1]),
            ),
            line(
                "paper, recursive",
                paper,
                2,
                spread(PAPER[1], &|row| row.known.paper[1]),
            ),
            Series::new(
                "replica: medians",
                Some(Source::Replica),
                3,
                Shape::Marks,
                replica,
            ),
        ],
    }
}

/// How the question gets to the owner: all pairs of this module are in this order.
const KINDS: [&str; 2] = ["iterative", "recursive"];

/// How far aside whiskers are drawn, so that none hides another.
const OURS: [f64; 2] = [-0.15, 0.05];
const PAPER: [f64; 2] = [-0.05, 0.15];

/// What others have found.
struct Known {
    /// Nodes considered for each finger.
    considered: usize,
    /// The paper's median, 10th and 90th percentile.
    paper: [[f64; 3]; 2],
    /// A replica's medians, until the owner is known.
    replica: [f64; 2],
}

impl Known {
    fn steps(&self) -> Option<f64> {
        let found = STEPS
            .iter()
            .find(|(considered, _)| *considered == self.considered);
        found.map(|(_, steps)| *steps)
    }
}

const KNOWN: [Known; 5] = [
    known(1, [[7.8, 4.4, 19.8], [4.5, 2.5, 11.5]], [6.8, 3.9]),
    known(2, [[7.2, 3.8, 18.0], [3.5, 2.0, 8.7]], [6.3, 3.2]),
    known(4, [[6.1, 3.1, 15.3], [2.7, 1.6, 6.4]], [5.7, 2.7]),
    known(8, [[4.7, 2.4, 11.8], [2.1, 1.4, 4.7]], [5.0, 2.3]),
    known(16, [[3.4, 1.9, 8.4], [1.7, 1.2, 3.5]], [4.1, 2.0]),
];

const fn known(considered: usize, paper: [[f64; 3]; 2], replica: [f64; 2]) -> Known {
    Known {
        considered,
        paper,
        replica,
    }
}

/// The replica's mean steps to the node before the owner, by nodes considered.
const STEPS: [(usize, f64); 2] = [(1, 6.84), (16, 6.51)];
