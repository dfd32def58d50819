//! Printer: data goes to standard output, talk to standard error.
//!
//! With `--json` the data is exactly one document, and everything meant for people is left out.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anyhow::Result;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
    terminal: bool,
}

impl Printer {
    /// For people, or for programs.
    pub(crate) fn new(json: bool) -> Printer {
        let terminal = io::stdout().is_terminal();
        Printer { json, terminal }
    }

    /// For people who read a file, wherever tests happen to run.
    #[cfg(test)]
    pub(crate) fn plain() -> Printer {
        Printer {
            json: false,
            terminal: false,
        }
    }

    /// Whether a program reads.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// The document, for programs only.
    pub(crate) fn document(self, document: &impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut text = serde_json::to_vec_pretty(document)?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// A line of data, for people only.
    pub(crate) fn line(self, line: impl Display) -> Result<()> {
        if self.json {
            return Ok(());
        }
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Bytes on standard output, as they are.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<()> {
        let mut output = io::stdout().lock();
        let written = output.write_all(bytes).and_then(|()| output.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::Unread.into(),
            _ => anyhow::Error::new(error).context("cannot write to standard output"),
        })
    }

    /// A line of talk. That nobody listens is no reason to stop.
    pub(crate) fn note(self, line: impl Display) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// A bar on standard error; hidden where that is no terminal.
    pub(crate) fn progress(self, length: u64, what: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {elapsed}")
            .expect("the template is well-formed");
        ProgressBar::new(length)
            .with_style(style)
            .with_message(what)
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        self.terminal
    }

    /// A table in text.
    pub(crate) fn table(self, header: &[&str], rows: Vec<Line>) -> String {
        self.build(header, &rows).to_string()
    }

    /// A table that leaves out the `spare` columns, the first of them first, for as long as the
    /// terminal is too narrow for it.
    pub(crate) fn table_to_fit(
        self,
        header: &[&str],
        mut rows: Vec<Line>,
        spare: &[&str],
    ) -> String {
        let mut header = header.to_vec();
        let mut table = self.build(&header, &rows);
        for column in spare {
            let is_narrow = table
                .width()
                .is_some_and(|width| natural_width(&table) > width);
            let place = header.iter().position(|name| name == column);
            let (true, Some(place)) = (is_narrow, place) else {
                break;
            };
            header.remove(place);
            for row in &mut rows {
                row.cells.remove(place);
            }
            table = self.build(&header, &rows);
        }
        table.to_string()
    }

    fn build(self, header: &[&str], rows: &[Line]) -> Table {
        let no_color = std::env::var_os("NO_COLOR");
        let colors = self.terminal && no_color.is_none_or(|no| no.is_empty());
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(header);
        if !self.terminal {
            table.force_no_tty();
        }
        for row in rows {
            table.add_row(row.cells.iter().map(|cell| {
                let cell = Cell::new(cell);
                if row.dead && colors {
                    cell.fg(Color::Red)
                } else {
                    cell
                }
            }));
        }
        table
    }
}

/// How wide a table is if nothing of it is broken into lines.
fn natural_width(table: &Table) -> u16 {
    let columns = table.column_max_content_widths();
    // A blank on each side of a cell, a line after it, and one before the first.
    columns.iter().map(|width| width + 3).sum::<u16>() + 1
}

/// A row of a table.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its cells, from left to right.
    pub(crate) cells: Vec<String>,
    /// Whether it is about something dead.
    pub(crate) dead: bool,
}

impl<const N: usize> From<[String; N]> for Line {
    fn from(cells: [String; N]) -> Line {
        Line {
            cells: cells.into(),
            dead: false,
        }
    }
}

/// The first digits of an identifier: enough to tell nodes apart by eye, and to name them.
pub(crate) fn short(id: dht::id::Id) -> String {
    format!("{id:.10}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_natural_width() {
        let row = Line::from(["a".to_owned(), "longer than its head".to_owned()]);
        let table = Printer::plain().build(&["column", "other"], &[row]);
        let line = table
            .to_string()
            .lines()
            .map(|line| line.chars().count())
            .max();
        assert_eq!(line, Some(natural_width(&table).into()));
    }
}
