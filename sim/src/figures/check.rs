//! Check: one number of ours beside the one it has to meet.

use serde::Serialize;

use super::table::{number, signed};

/// A number, and what it is held against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Which number.
    pub what: String,
    /// Ours.
    pub ours: f64,
    /// What it should be.
    pub expected: f64,
    /// Who says so.
    pub source: Source,
    /// How far ours may be from it.
    pub bound: Bound,
    /// Whether ours is where it may be.
    pub within: bool,
}

/// Who says what a number should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The paper that the figure comes from.
    Paper,
    /// An independent program that repeats the paper's experiment, where the paper prints no number
    /// or another one for another way of counting.
    Replica,
    /// A law that holds by itself.
    Theory,
}

impl Source {
    /// Its name on figures and pages.
    pub fn name(self) -> &'static str {
        match self {
            Source::Paper => "paper",
            Source::Replica => "replica",
            Source::Theory => "theory",
        }
    }
}

/// How far a number may be from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// By so many hundredths of it.
    Percent(f64),
    /// By so much.
    Apart(f64),
    /// Below, by any amount.
    AtMost,
}

impl Check {
    /// Holds `ours` against `expected`.
    pub(super) fn new(
        what: String,
        ours: f64,
        (expected, source): (f64, Source),
        bound: Bound,
    ) -> Check {
        let within = match bound {
            Bound::Percent(percent) => (ours - expected).abs() <= expected.abs() * percent / 100.0,
            Bound::Apart(distance) => (ours - expected).abs() <= distance,
            Bound::AtMost => ours <= expected,
        };
        Check {
            what,
            ours,
            expected,
            source,
            bound,
            within,
        }
    }

    /// How much of what is allowed is used up: more than 1 where it is not within.
    fn strain(&self) -> f64 {
        let apart = (self.ours - self.expected).abs();
        let allowed = match self.bound {
            Bound::Percent(percent) => self.expected.abs() * percent / 100.0,
            Bound::Apart(distance) => distance,
            Bound::AtMost if self.within => return 0.0,
            Bound::AtMost => return f64::INFINITY,
        };
        if apart == 0.0 { 0.0 } else { apart / allowed }
    }

    /// How far apart they are, in words.
    pub fn distance(&self) -> String {
        let apart = self.ours - self.expected;
        match self.bound {
            Bound::Percent(_) if self.expected == 0.0 => signed(apart, 2),
            Bound::Percent(_) => format!("{} %", signed(apart / self.expected * 100.0, 1)),
            Bound::Apart(_) => signed(apart, 3),
            Bound::AtMost => signed(apart, 1),
        }
    }

    /// How far apart they may be, in words.
    pub fn allowed(&self) -> String {
        match self.bound {
            Bound::Percent(percent) => format!("±{percent} %"),
            Bound::Apart(distance) => format!("±{}", number(distance, 4)),
            Bound::AtMost => "at most".to_owned(),
        }
    }
}

/// The one that uses most of what it is allowed, if any is apart from what it should be.
pub(super) fn farthest(checks: &[Check]) -> Option<&Check> {
    let apart = checks.iter().filter(|check| check.strain() > 0.0);
    apart.max_by(|a, b| a.strain().total_cmp(&b.strain()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_within_its_bound_or_not() {
        let check = |ours, bound| Check::new("x".into(), ours, (2.0, Source::Paper), bound);
        assert!(check(2.1, Bound::Percent(10.0)).within);
        assert!(!check(1.7, Bound::Percent(10.0)).within);
        assert!(check(1.9, Bound::Apart(0.15)).within);
        assert!(!check(2.2, Bound::Apart(0.15)).within);
        assert!(check(0.0, Bound::AtMost).within);
        assert!(!check(2.1, Bound::AtMost).within);
        assert_eq!(check(2.1, Bound::Percent(10.0)).distance(), "+5.0 %");
    }

    #[test]
    fn the_farthest_is_the_one_nearest_to_its_bound() {
        let check = |ours, bound| Check::new("x".into(), ours, (2.0, Source::Paper), bound);
        let near = check(2.1, Bound::Percent(50.0));
        let far = check(1.95, Bound::Apart(0.06));
        let equal = check(2.0, Bound::Apart(0.0));
        let below = check(0.0, Bound::AtMost);
        let all = [near, far.clone(), equal.clone(), below.clone()];
        assert_eq!(farthest(&all), Some(&far));
        assert_eq!(farthest(&[equal, below]), None);
        let above = check(2.1, Bound::AtMost);
        assert_eq!(farthest(&[far, above.clone()]), Some(&above));
    }

    #[test]
    fn nothing_expected_means_nothing_allowed() {
        let expected = (0.0, Source::Paper);
        let bound = Bound::Percent(10.0);
        assert!(Check::new("x".into(), 0.0, expected, bound).within);
        assert!(!Check::new("x".into(), 0.1, expected, bound).within);
    }
}
