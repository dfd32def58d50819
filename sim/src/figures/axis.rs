//! Axis: from where to where, and what stands beside it.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// An axis. Where it is logarithmic, positions are logarithms and `text` undoes it.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What it measures, with its unit.
    pub(super) label: &'static str,
    /// From where to where.
    pub(super) range: (f64, f64),
    /// Where there are lines and numbers.
    pub(super) ticks: Vec<f64>,
    /// What stands at a tick.
    pub(super) text: fn(f64) -> String,
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = (value - self.range.0) / (self.range.1 - self.range.0);
        start + (share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            // No fine lines between the ticks.
            true => Vec::new(),
            false => self.ticks.clone(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.0..self.range.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, tick: &f64) -> String {
        (self.text)(*tick)
    }
}

/// Positions evenly from one to another, for ticks.
pub(super) fn steps(from: f64, to: f64, step: f64) -> Vec<f64> {
    let count = ((to - from) / step).round() as usize;
    (0..=count).map(|n| from + n as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_mapped_between_the_ends() {
        let axis = Axis {
            label: "time",
            range: (1.0, 3.0),
            ticks: steps(1.0, 3.0, 0.5),
            text: |tick| format!("{tick}"),
        };
        assert_eq!(axis.ticks, [1.0, 1.5, 2.0, 2.5, 3.0]);
        assert_eq!(
            [1.0, 2.0, 3.0].map(|value| axis.map(&value, (0, 100))),
            [0, 50, 100]
        );
        assert_eq!(axis.map(&1.5, (80, 0)), 60);
    }
}
