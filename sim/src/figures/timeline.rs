//! Timeline: how much was done each second, and what was broken meanwhile.

use super::axis::{Axis, steps};
use super::chart::Chart;
use super::series::{Point, Series, Shape};
use super::table::{grouped, number};

/// How much was done each second of a time, and what was broken meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Writes done in each second.
    pub writes: Vec<u64>,
    /// Reads done in each second, as many.
    pub reads: Vec<u64>,
    /// What was broken.
    pub faults: Vec<Fault>,
}

/// Something that was broken for a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// What it was; at most four kinds have colours of their own.
    pub kind: &'static str,
    /// When it began, in seconds.
    pub from_s: f64,
    /// When it was mended, in seconds.
    pub until_s: f64,
}

impl Timeline {
    /// The picture, with this title.
    pub fn svg(&self, title: &str) -> String {
        let mut kinds: Vec<&'static str> = Vec::new();
        for fault in &self.faults {
            if !kinds.contains(&fault.kind) {
                kinds.push(fault.kind);
            }
        }
        kinds.sort_unstable();
        let busiest = self.writes.iter().chain(&self.reads).max();
        let busiest = *busiest.unwrap_or(&0).max(&1) as f64;
        let step = round_step(busiest / 4.0);
        let top = (busiest / step).ceil() * step;
        // Above the curves, a lane for each kind.
        let lane = top * LANE;
        let line = |label, hue, values: &[u64]| {
            let point =
                |(second, value): (usize, &u64)| Point::at(second as f64 + 0.5, *value as f64);
            let points = values.iter().enumerate().map(point).collect();
            Series::new(label, None, hue, Shape::Line, points)
        };
        let mut series = vec![
            line("writes", 0, &self.writes),
            line("reads", 2, &self.reads),
        ];
        for (place, kind) in kinds.iter().enumerate() {
            let y = top + (place as f64 + 1.0) * lane;
            let faults = self.faults.iter().filter(|fault| fault.kind == *kind);
            let point = |fault: &Fault| Point::spread(fault.from_s, y, fault.from_s, fault.until_s);
            let points = faults.map(point).collect();
            let hue = HUES[place % HUES.len()];
            series.push(Series::new(kind, None, hue, Shape::Span, points));
        }
        let seconds = self.writes.len().max(1) as f64;
        let chart = Chart {
            x: Axis {
                label: "seconds",
                range: (0.0, seconds),
                ticks: steps(0.0, seconds, round_step(seconds / 8.0)),
                text: |tick| number(tick, 1),
            },
            y: Axis {
                label: "done in a second",
                range: (0.0, top + (kinds.len() as f64 + 0.8) * lane),
                ticks: steps(0.0, top, step),
                text: |tick| grouped(tick as u64),
            },
            series,
        };
        let text = "Writes and reads done in each second, and above them what was broken and until \
                    when it was mended";
        chart.svg(title, text)
    }
}

/// A step of 1, 2 or 5 times a power of ten that is at least this.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = steps.into_iter().find(|step| *step >= least);
    step.unwrap_or(least)
}

/// Colours of lanes: first those that no curve has.
const HUES: [usize; 4] = [1, 3, 0, 2];
/// Height of a lane, of that of the curves.
const LANE: f64 = 0.08;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, step) in [
            (0.1, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (30.0, 50.0),
            (51.0, 100.0),
        ] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn a_timeline_shows_curves_and_faults_and_bears_to_be_empty() {
        let timeline = Timeline {
            writes: vec![10, 0, 20],
            reads: vec![100, 200, 150],
            faults: vec![
                Fault {
                    kind: "pause",
                    from_s: 0.5,
                    until_s: 2.0,
                },
                Fault {
                    kind: "kill",
                    from_s: 2.5,
                    until_s: 2.6,
                },
            ],
        };
        let svg = timeline.svg("Seed 7");
        for part in ["Seed 7", "writes", "reads", "pause", "kill", "200"] {
            assert!(svg.contains(part), "{part} is missing in\n{svg}");
        }
        assert!(Timeline::default().svg("nothing").ends_with("</svg>\n"));
    }
}
