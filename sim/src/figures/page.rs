//! Page: all figures and what they are held against, in one file that needs nothing else.

use std::fmt::Write as _;

use super::Figure;
use super::check::Check;
use super::palette::escaped;
use super::table::number;

/// The page; `seed` is where all chance came from.
pub(super) fn html(figures: &[Figure], seed: u64) -> String {
    let checks: Vec<&Check> = figures.iter().flat_map(|figure| &figure.checks).collect();
    let within = checks.iter().filter(|check| check.within).count();
    let mut page = String::from(HEAD);
    let _ = write!(
        page,
        "<header><h1>The Chord papers' figures, from this code</h1>\
         <p>Each figure is measured with the nodes, lookups and placements that a server runs, and drawn \
         beside the values of the papers. All chance comes from seed {seed}: the same seed gives the \
         same numbers, to the last digit.</p>\
         <p class=\"sum {}\"><strong>{within} of {}</strong> numbers are within what is allowed.</p>\
         <nav>",
        if within == checks.len() { "in" } else { "out" },
        checks.len(),
    );
    for figure in figures {
        let _ = write!(
            page,
            "<a href=\"#{}\">{}</a> ",
            figure.name,
            escaped(figure.title)
        );
    }
    page.push_str(LEGEND);
    for figure in figures {
        section(&mut page, figure);
    }
    page.push_str("</main></body></html>\n");
    page
}

fn section(page: &mut String, figure: &Figure) {
    let name = figure.name;
    let _ = write!(
        page,
        "<section id=\"{name}\"><h2 class=\"unseen\">{}</h2>{}<p class=\"source\">{}</p><p>{}</p>",
        escaped(figure.title),
        figure.svg(),
        escaped(figure.paper),
        escaped(&figure.text),
    );
    if let Some(note) = &figure.note {
        let _ = write!(page, "<p class=\"note\">{}</p>", escaped(note));
    }
    if !figure.checks.is_empty() {
        checks(page, &figure.checks);
    }
    let _ = write!(
        page,
        "<p class=\"files\"><a href=\"{name}.svg\">{name}.svg</a> · <a href=\"{name}.csv\">{name}.csv</a></p>\
         <details><summary>All numbers</summary><div class=\"wide\"><table><thead><tr>"
    );
    for head in &figure.table.header {
        let _ = write!(page, "<th>{}</th>", head.replace('_', " "));
    }
    page.push_str("</tr></thead><tbody>");
    for row in &figure.table.rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escaped(cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div></details></section>");
}

fn checks(page: &mut String, checks: &[Check]) {
    page.push_str(
        "<div class=\"wide\"><table class=\"checks\"><thead><tr><th>Number</th><th>ours</th>\
         <th>expected</th><th>by</th><th>distance</th><th>allowed</th><th></th></tr></thead><tbody>",
    );
    for check in checks {
        let (class, verdict) = match check.within {
            true => ("in", "within"),
            false => ("out", "not within"),
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"{class}\">{verdict}</td></tr>",
            escaped(&check.what),
            number(check.ours, 3),
            number(check.expected, 3),
            check.source.name(),
            check.distance(),
            check.allowed(),
        );
    }
    page.push_str("</tbody></table></div>");
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<title>The Chord papers' figures, from this code</title><style>
:root{color-scheme:light dark;--paper:#fff;--ground:#f4f6f8;--ink:#1b212b;--soft:#5b6573;--line:#dfe4ea;--blue:#1f63d6;--in:#0b805d;--out:#c2361c}
@media (prefers-color-scheme:dark){:root{--paper:#12161d;--ground:#0b0e13;--ink:#e8ecf2;--soft:#a5afbd;--line:#2b333f;--blue:#6fa8ff;--in:#4fd1a5;--out:#ff8f78}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:17px/1.55 system-ui,sans-serif}
header,main{max-width:1000px;margin:0 auto;padding:0 20px}
header{padding-top:44px}
h1{font-size:2rem;line-height:1.2;margin:0 0 12px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);margin:0}
a{color:var(--blue)}
nav{display:flex;flex-wrap:wrap;gap:6px 20px;margin:18px 0}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:24px 26px;margin:28px 0}
section svg{display:block;width:100%;height:auto;margin:0 0 8px}
.source,.files{color:var(--soft);font-size:.9rem;margin:2px 0}
.note{border-left:3px solid var(--blue);padding-left:14px}
.key{color:var(--soft);font-size:.95rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;width:100%;margin:12px 0}
th,td{text-align:right;padding:5px 10px;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600;vertical-align:bottom}
details th{white-space:normal}
th:first-child,td:first-child{text-align:left;padding-left:0}
.checks td:first-child{white-space:normal}
.in{color:var(--in);font-weight:600}
.out{color:var(--out);font-weight:600}
.sum{font-size:1.1rem}
summary{cursor:pointer;color:var(--soft);margin-top:6px}
</style></head><body>";

const LEGEND: &str = "</nav><p class=\"key\"><strong>Ours</strong> is solid, the <strong>paper's</strong> \
hollow and dashed. Crosses are a <strong>replica</strong>: an independent program that repeats the \
paper's experiment, for the numbers that the paper draws but does not print, or counts in another way. \
Some of the papers' numbers are quoted from memory where no copy was at hand.</p></header><main>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::check::{Bound, Source};

    #[test]
    fn a_number_out_of_bounds_is_plain_to_see() {
        let expected = (1.0, Source::Paper);
        let check = |ours| Check::new("load < mean".into(), ours, expected, Bound::Percent(10.0));
        let mut page = String::new();
        checks(&mut page, &[check(1.05), check(1.2)]);
        assert!(page.contains("load &lt; mean"));
        assert!(page.contains("+20.0 %</td><td>±10 %</td><td class=\"out\">not within"));
        assert!(page.contains("class=\"in\">within"));
    }
}
