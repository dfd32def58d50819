//! Series: points that belong together, and how they look.
//!
//! Ours are solid and filled, the paper's hollow and dashed, a replica's crosses: one can tell them
//! apart without colours.

use std::error::Error;

use plotters::element::{Circle, PathElement, Rectangle};
use plotters::style::Color as _;

use super::chart::Root;
use super::check::Source;
use super::palette::{self, PAPER};

/// Points that belong together.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) label: &'static str,
    /// Whose they are: nothing means ours.
    pub(super) source: Option<Source>,
    /// Which colour: 0 to 3.
    pub(super) hue: usize,
    pub(super) shape: Shape,
    pub(super) points: Vec<Point>,
}

/// What points look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Joined by a line, with whiskers where they have a spread.
    Line,
    /// Each for itself, with whiskers.
    Marks,
    /// A bar from end to end of its spread, from left to right.
    Span,
}

/// One point; its spread goes up and down, or left and right where it is a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) spread: Option<(f64, f64)>,
}

impl Point {
    /// A point without a spread.
    pub(super) fn at(x: f64, y: f64) -> Point {
        let spread = None;
        Point { x, y, spread }
    }

    /// A point with a spread.
    pub(super) fn spread(x: f64, y: f64, low: f64, high: f64) -> Point {
        let spread = Some((low, high));
        Point { x, y, spread }
    }
}

impl Series {
    pub(super) fn new(
        label: &'static str,
        source: Option<Source>,
        hue: usize,
        shape: Shape,
        points: Vec<Point>,
    ) -> Series {
        Series {
            label,
            source,
            hue,
            shape,
            points,
        }
    }

    /// Draws it, by a function that says where a position lies in the picture.
    pub(super) fn draw(
        &self,
        place: &dyn Fn(f64, f64) -> (i32, i32),
        root: &Root<'_>,
    ) -> Result<(), Box<dyn Error>> {
        let colour = palette::hue(self.hue);
        if self.shape == Shape::Line {
            let line: Vec<(i32, i32)> = self.points.iter().map(|p| place(p.x, p.y)).collect();
            self.line(root, line)?;
        }
        for point in &self.points {
            let middle = place(point.x, point.y);
            if let (Shape::Span, Some((left, right))) = (self.shape, point.spread) {
                let ends = [place(left, point.y), place(right, point.y)];
                self.span(root, ends)?;
                continue;
            }
            if let Some((low, high)) = point.spread {
                let [low, high] = [low, high].map(|y| place(point.x, y));
                let thin = colour.mix(0.6).stroke_width(2);
                root.draw(&PathElement::new([low, high], thin))?;
                for (x, y) in [low, high] {
                    root.draw(&PathElement::new([(x - 7, y), (x + 7, y)], thin))?;
                }
            }
            self.mark(root, middle)?;
        }
        Ok(())
    }

    /// What stands for it in the legend.
    pub(super) fn sample(&self, root: &Root<'_>, (x, y): (i32, i32)) -> Result<(), Box<dyn Error>> {
        let end = x + self.sample_width() as i32;
        match self.shape {
            Shape::Line => {
                self.line(root, vec![(x, y), (end, y)])?;
                self.mark(root, ((x + end) / 2, y))
            }
            Shape::Marks => self.mark(root, ((x + end) / 2, y)),
            Shape::Span => self.span(root, [(x + 10, y), (end - 10, y)]),
        }
    }

    /// How wide that is.
    pub(super) fn sample_width(&self) -> u32 {
        match self.shape {
            Shape::Line | Shape::Span => 62,
            Shape::Marks => 24,
        }
    }

    fn line(&self, root: &Root<'_>, points: Vec<(i32, i32)>) -> Result<(), Box<dyn Error>> {
        let colour = palette::hue(self.hue);
        match self.source {
            None => root.draw(&PathElement::new(points, colour.stroke_width(4)))?,
            Some(_) => {
                let style = colour.mix(0.85).stroke_width(3);
                for dash in dashes(&points) {
                    root.draw(&PathElement::new(dash, style))?;
                }
            }
        }
        Ok(())
    }

    fn mark(&self, root: &Root<'_>, (x, y): (i32, i32)) -> Result<(), Box<dyn Error>> {
        let colour = palette::hue(self.hue);
        let thick = colour.stroke_width(3);
        match self.source {
            None => root.draw(&Circle::new((x, y), 7, colour.filled()))?,
            Some(Source::Paper) => {
                let corners = [(x - 9, y - 9), (x + 9, y + 9)];
                root.draw(&Rectangle::new(corners, PAPER.filled()))?;
                let [(left, top), (right, bottom)] = corners;
                let square = [
                    (left, top),
                    (right, top),
                    (right, bottom),
                    (left, bottom),
                    (left, top),
                ];
                root.draw(&PathElement::new(square, thick))?;
            }
            Some(Source::Replica) => {
                for arm in [
                    [(x - 9, y - 9), (x + 9, y + 9)],
                    [(x - 9, y + 9), (x + 9, y - 9)],
                ] {
                    root.draw(&PathElement::new(arm, thick))?;
                }
            }
            Some(Source::Theory) => {}
        }
        Ok(())
    }

    fn span(&self, root: &Root<'_>, ends: [(i32, i32); 2]) -> Result<(), Box<dyn Error>> {
        let colour = palette::hue(self.hue);
        let [(left, y), (right, _)] = ends;
        match self.source {
            None => {
                let bar = [(left, y - 7), (right.max(left + 3), y + 7)];
                root.draw(&Rectangle::new(bar, colour.mix(0.85).filled()))?;
            }
            Some(_) => {
                for end in [(left, y), (right, y)] {
                    self.mark(root, end)?;
                }
            }
        }
        Ok(())
    }
}

/// A line cut into dashes: the backend knows only whole ones.
fn dashes(points: &[(i32, i32)]) -> Vec<[(i32, i32); 2]> {
    let mut dashes = Vec::new();
    let mut done = 0.0;
    for ends in points.windows(2) {
        let [(x0, y0), (x1, y1)] = [ends[0], ends[1]].map(|(x, y)| (f64::from(x), f64::from(y)));
        let length = (x1 - x0).hypot(y1 - y0);
        let on = |way: f64| {
            let share = way / length.max(1.0);
            (
                (x0 + (x1 - x0) * share).round() as i32,
                (y0 + (y1 - y0) * share).round() as i32,
            )
        };
        // The pattern goes on around corners: `done` is how far into it the piece begins.
        let mut start = -(done % (DASH + GAP));
        while start < length {
            let (from, to) = (start.max(0.0), (start + DASH).min(length));
            if from < to {
                dashes.push([on(from), on(to)]);
            }
            start += DASH + GAP;
        }
        done += length;
    }
    dashes
}

/// Lengths of a dash and of what is between two.
const DASH: f64 = 14.0;
const GAP: f64 = 9.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_line_and_leave_gaps() {
        let dashes = dashes(&[(0, 0), (20, 0), (20, 40)]);
        assert_eq!(dashes[0], [(0, 0), (14, 0)]);
        assert!(dashes.iter().all(|[a, b]| a != b));
        assert!(dashes.iter().any(|[_, b]| b.1 > 30));
    }
}
