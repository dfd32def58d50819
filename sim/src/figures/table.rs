//! Table: the numbers of a figure, for programs to read.

/// Rows of cells under a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns, each with its unit where it has one.
    pub header: Vec<&'static str>,
    /// The rows; as many cells as there are columns in each.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&'static str]) -> Table {
        Table {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// One more row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.header.len(), "a cell for each column");
        let is_plain = |cell: &String| !cell.contains([',', '"', '\n']);
        assert!(cells.iter().all(is_plain), "a cell needs no quotes");
        self.rows.push(cells.into());
    }

    /// As comma separated values (RFC 4180), with a header.
    pub fn csv(&self) -> String {
        let header = self.header.join(",");
        let rows = self.rows.iter().map(|row| row.join(","));
        let mut text: Vec<String> = [header].into_iter().chain(rows).collect();
        // The last line ends like the others.
        text.push(String::new());
        text.join("\n")
    }
}

/// A number with at most so many digits after the point, and no idle zeros.
pub(super) fn number(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// A number with its sign, and with exactly so many digits after the point.
pub(super) fn signed(number: f64, digits: usize) -> String {
    let text = format!("{number:+.digits$}");
    match text.trim_start_matches(['+', '-', '0', '.']).is_empty() {
        true => text.replace(['+', '-'], ""),
        false => text.replace('-', "−"),
    }
}

/// A count, with a comma after each thousand.
pub(super) fn grouped(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        _ => format!("{},{:03}", grouped(count / 1_000), count % 1_000),
    }
}

/// A number that may be missing.
pub(super) fn maybe(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| number(value, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_lines_of_cells() {
        let mut table = Table::new(&["nodes", "hops"]);
        table.row(["8".into(), number(1.50, 3)]);
        table.row(["16".into(), maybe(None, 3)]);
        assert_eq!(table.csv(), "nodes,hops\n8,1.5\n16,\n");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.00001, "0"),
            (100.0, "100"),
            (0.123456, "0.1235"),
        ] {
            assert_eq!(number(value, 4), text);
        }
        for (count, text) in [(0, "0"), (999, "999"), (1_000_050, "1,000,050")] {
            assert_eq!(grouped(count), text);
        }
        for (value, text) in [(-0.04, "0.0"), (0.25, "+0.2"), (-1.5, "−1.5")] {
            assert_eq!(signed(value, 1), text);
        }
    }
}
