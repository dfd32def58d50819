//! Chart: series of points as a picture that can be read by day and by night.
//!
//! `plotters` draws; colours for dark surroundings come by a style
//! sheet in the picture, for they are not known when it is drawn.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::palette::{self, GRID, INK, PAPER, SOFT};
use super::series::Series;

/// A picture of some series over two axes.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
}

impl Chart {
    /// The picture, with this title; `text` is for those who can't see it.
    pub(super) fn svg(&self, title: &str, text: &str) -> String {
        let mut svg = String::new();
        self.draw(&mut svg, title)
            .expect("drawing into memory can't fail");
        let (head, body) = svg.split_once('>').expect("it begins with a tag");
        let (title, text) = (palette::escaped(title), palette::escaped(text));
        let style = palette::style_sheet();
        format!("{head} role=\"img\">\n<title>{title}</title>\n<desc>{text}</desc>\n{style}{body}")
    }

    fn draw(&self, svg: &mut String, title: &str) -> Result<(), Box<dyn Error>> {
        let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&PAPER)?;
        let heading = text_style(TITLE, &INK).pos(Pos::new(HPos::Left, VPos::Top));
        root.draw(&Text::new(title.to_owned(), (MARGIN as i32, 26), heading))?;
        let legend_end = self.legend(&root)?;
        let (_, area) = root.split_vertically(legend_end);
        let widest = self
            .y
            .ticks
            .iter()
            .map(|tick| (self.y.text)(*tick).chars().count());
        let labels = widest.max().unwrap_or(0) as f64 * LETTER * f64::from(SMALL) + 74.0;
        let mut chart = ChartBuilder::on(&area)
            .margin_right(MARGIN)
            .margin_left(14)
            .margin_bottom(12)
            .margin_top(18)
            .x_label_area_size(88)
            .y_label_area_size(labels as u32)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .x_labels(self.x.ticks.len())
            .y_labels(self.y.ticks.len())
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .label_style(text_style(SMALL, &SOFT))
            .axis_desc_style(text_style(SMALL, &INK))
            .bold_line_style(GRID.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(SOFT.stroke_width(2))
            .draw()?;
        let plane = chart.plotting_area();
        for series in &self.series {
            series.draw(&|x, y| plane.map_coordinate(&(x, y)), &root)?;
        }
        root.present()?;
        Ok(())
    }

    /// One entry for each series, in as many lines as it takes; returns where it ends.
    fn legend(&self, root: &Root<'_>) -> Result<u32, Box<dyn Error>> {
        let (mut x, mut y) = (MARGIN, 104);
        for series in &self.series {
            let width = series.label.chars().count() as f64 * LETTER * f64::from(SMALL);
            let sample = series.sample_width();
            let width = width as u32 + sample + 44;
            if x > MARGIN && x + width > WIDTH - MARGIN / 2 {
                (x, y) = (MARGIN, y + 42);
            }
            series.sample(root, (x as i32, y as i32))?;
            let style = text_style(SMALL, &INK).pos(Pos::new(HPos::Left, VPos::Center));
            let place = ((x + sample + 14) as i32, y as i32);
            root.draw(&Text::new(series.label, place, style))?;
            x += width;
        }
        Ok(y + 22)
    }
}

/// Where everything is drawn.
pub(super) type Root<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn text_style(size: u32, colour: &'static RGBColor) -> TextStyle<'static> {
    // The backend writes a size that is smaller than it is told by this.
    let size = f64::from(size) * 1.24;
    TextStyle::from(("system-ui, sans-serif", size).into_font()).color(colour)
}

const WIDTH: u32 = 1240;
const HEIGHT: u32 = 800;
const MARGIN: u32 = 40;
const TITLE: u32 = 36;
const SMALL: u32 = 25;

/// About how wide a letter is, of its size.
const LETTER: f64 = 0.53;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::axis::steps;
    use crate::figures::series::{Point, Shape};

    #[test]
    fn a_chart_is_a_picture_with_a_title_and_two_kinds_of_colours() {
        let axis = |label| Axis {
            label,
            range: (0.0, 10.0),
            ticks: steps(0.0, 10.0, 5.0),
            text: |tick| format!("{tick}"),
        };
        let chart = Chart {
            x: axis("time"),
            y: axis("load"),
            series: vec![Series {
                label: "ours",
                source: None,
                hue: 0,
                shape: Shape::Line,
                points: vec![Point::at(0.0, 1.0), Point::spread(5.0, 2.0, 1.0, 3.0)],
            }],
        };
        let svg = chart.svg("Load & time", "It grows");
        for part in [
            "<svg ",
            "<title>Load &amp; time</title>",
            "prefers-color-scheme",
            "ours",
        ] {
            assert!(svg.contains(part), "{part} is missing in\n{svg}");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
