//! Figures: the evaluation of the Chord papers, from the shipped code.
//!
//! Each part measures with [`dht`] itself what a figure of the papers shows, and holds it against the
//! paper's values; [`write()`] makes pictures, tables and one page of it. All chance comes from a seed.
//!
//! - SIGCOMM 2001: Stoica, Morris, Karger, Kaashoek, Balakrishnan, *Chord: A Scalable Peer-to-peer
//!   Lookup Service for Internet Applications*;
//! - ToN 2003: the same, Liben-Nowell and Dabek, *Chord: A Scalable Peer-to-peer Lookup Protocol for
//!   Internet Applications*, IEEE/ACM Transactions on Networking 11(1).

pub mod check;
pub mod table;
pub mod timeline;

mod axis;
mod balance;
mod chart;
mod churn;
mod load;
mod load_keys;
mod load_positions;
mod mended;
mod movement;
mod near;
mod page;
mod palette;
mod paths;
mod ring;
mod scheme;
mod series;
mod stale;
mod stretch;
mod tally;
mod trips;
mod turnover;

use std::fs;
use std::io;
use std::path::Path;

use crate::random::{Random, mix};
use chart::Chart;
use check::Check;
use table::Table;

/// What all measurements start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Where all chance comes from.
    pub seed: u64,
    /// How much is measured.
    pub size: Size,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As much as in the papers.
    Paper,
    /// Hardly anything, for tests: the numbers mean little.
    Tiny,
}

impl Setup {
    /// One of two, by size.
    fn pick<T>(&self, paper: T, tiny: T) -> T {
        match self.size {
            Size::Paper => paper,
            Size::Tiny => tiny,
        }
    }

    /// The chance of one measurement: what others draw makes no difference to it.
    fn random(&self, purpose: &str, number: u64) -> Random {
        let purpose = purpose
            .bytes()
            .fold(0, |all, byte| mix(all ^ u64::from(byte)));
        Random::new(self.seed, mix(purpose) ^ number)
    }
}

/// One figure: what was measured, as numbers and as a picture.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What its files are called.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Which figure of which paper it repeats.
    pub paper: &'static str,
    /// What is to be seen in it, in a sentence.
    pub shows: &'static str,
    /// What the paper has.
    pub known: &'static str,
    /// How far ours is from it, and why.
    pub apart: String,
    /// How it was measured.
    pub text: String,
    /// The numbers.
    pub table: Table,
    /// Which of them have to meet what.
    pub checks: Vec<Check>,
    chart: Chart,
}

impl Figure {
    /// The picture.
    pub fn svg(&self) -> String {
        self.chart.svg(self.title, self.shows)
    }
}

/// Something to measure, and the figures that come of it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Names of the figures.
    pub names: &'static [&'static str],
    /// Measures them.
    pub measure: fn(&Setup) -> Vec<Figure>,
}

/// All there is to measure, in the order of the page.
pub const PARTS: [Part; 9] = [
    Part {
        names: &["load-keys"],
        measure: load_keys::figures,
    },
    Part {
        names: &["load-positions"],
        measure: load_positions::figures,
    },
    Part {
        names: &["path-length", "path-distribution"],
        measure: paths::figures,
    },
    Part {
        names: &["failed-lookups"],
        measure: mended::figures,
    },
    Part {
        names: &["failure-detours"],
        measure: stale::figures,
    },
    Part {
        names: &["churn-owners", "churn-path"],
        measure: churn::figures,
    },
    Part {
        names: &["stretch"],
        measure: stretch::figures,
    },
    Part {
        names: &["balance"],
        measure: balance::figures,
    },
    Part {
        names: &["movement"],
        measure: movement::figures,
    },
];

/// Names of all figures, in the order of the page.
pub fn names() -> impl Iterator<Item = &'static str> {
    PARTS.iter().flat_map(|part| part.names).copied()
}

/// Writes each figure as `NAME.svg` and `NAME.csv`, and all of them as `index.html`, into a folder,
/// which is made if it is not there. Files of the same names are replaced. The page says which figures
/// are missing.
pub fn write(figures: &[Figure], seed: u64, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for figure in figures {
        let file = |ending| folder.join(format!("{}.{ending}", figure.name));
        fs::write(file("svg"), figure.svg())?;
        fs::write(file("csv"), figure.table.csv())?;
    }
    fs::write(folder.join("index.html"), page::html(figures, seed))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static TINY: LazyLock<Vec<Figure>> = LazyLock::new(|| {
        let setup = setup(1);
        let parts = PARTS.iter();
        parts.flat_map(|part| (part.measure)(&setup)).collect()
    });

    fn setup(seed: u64) -> Setup {
        let size = Size::Tiny;
        Setup { seed, size }
    }

    fn find(name: &str) -> &'static Figure {
        let found = TINY.iter().find(|figure| figure.name == name);
        found.expect(name)
    }

    fn column(figure: &Figure, name: &str) -> Vec<f64> {
        let header = &figure.table.header;
        let place = header.iter().position(|head| *head == name).expect(name);
        let rows = figure.table.rows.iter();
        rows.filter_map(|row| row[place].parse().ok()).collect()
    }

    #[test]
    fn every_figure_has_rows_as_wide_as_its_header_and_a_picture() {
        let figures = &*TINY;
        assert!(figures.iter().map(|figure| figure.name).eq(names()));
        for figure in figures {
            let csv = figure.table.csv();
            let width = figure.table.header.len();
            assert!(csv.lines().count() > 1, "{}", figure.name);
            for line in csv.lines() {
                assert_eq!(line.split(',').count(), width, "{}: {line}", figure.name);
                assert!(!line.contains("NaN"), "{}: {line}", figure.name);
            }
            assert!(figure.svg().contains("</svg>"));
        }
        let page = page::html(figures, 1);
        assert!(names().all(|name| page.contains(&format!("id=\"{name}\""))));
    }

    #[test]
    fn numbers_of_a_tiny_run_are_near_the_known_ones() {
        // The 99th percentile of an exponential load, and of one from 20 positions.
        let p99 = column(find("load-positions"), "p99_times_mean");
        assert!((p99[0] - 4.6).abs() < 0.7, "{p99:?}");
        assert!((p99[5] - 1.65).abs() < 0.15, "{p99:?}");
        for check in &find("path-length").checks {
            assert!(check.within, "{check:?}");
        }
        for check in &find("failed-lookups").checks {
            let is_near = (check.ours - check.expected).abs() < 8.0;
            assert!(is_near, "{check:?}");
        }
        for wrong in [
            ("failure-detours", "wrong"),
            ("churn-owners", "wrong_per_10000"),
        ] {
            let wrong = column(find(wrong.0), wrong.1);
            assert!(wrong.iter().all(|wrong| *wrong == 0.0), "{wrong:?}");
        }
        let balance = &find("balance").checks;
        assert!(balance.len() >= 7, "{balance:?}");
        for check in balance.iter().chain(&find("movement").checks) {
            assert!(check.within, "{check:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let csv = |seed| failures(&setup(seed)).map(|figure| figure.table.csv());
        assert_eq!(csv(3), csv(3));
        assert_ne!(csv(3), csv(4));
        assert_eq!(
            page::html(&failures(&setup(3)), 3),
            page::html(&failures(&setup(3)), 3)
        );
    }

    fn failures(setup: &Setup) -> [Figure; 2] {
        [mended::figures(setup), stale::figures(setup)]
            .map(|figures| figures.into_iter().next().expect("one figure"))
    }
}
