//! Page: all figures and what they are held against, in one file that needs nothing else.

use std::fmt::Write as _;

use super::check::{Check, Source, farthest};
use super::palette::escaped;
use super::table::number;
use super::{Figure, names};

/// The page; `seed` is where all chance came from.
pub(super) fn html(figures: &[Figure], seed: u64) -> String {
    let checks = || figures.iter().flat_map(|figure| &figure.checks);
    let within = checks().filter(|check| check.within).count();
    let compared = checks().count();
    let mut page = String::from(HEAD);
    let _ = write!(
        page,
        "<header><h1>The Chord papers’ figures, from this code</h1>\
         <p>Each figure is measured with the nodes, lookups and placements that a server runs, and drawn \
         beside the values of the papers. All chance comes from seed {seed}: the same seed gives the \
         same numbers, to the last digit.</p>\
         <p class=\"sum {}\"><strong>{within} of {compared}</strong> numbers are within what is \
         allowed.</p>",
        class(within == compared),
    );
    let missing: Vec<&str> = names()
        .filter(|name| figures.iter().all(|figure| figure.name != *name))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let _ = write!(page, "<p class=\"out\">Not drawn: {missing}.</p>");
    }
    overview(&mut page, figures);
    page.push_str(LEGEND);
    for figure in figures {
        section(&mut page, figure, seed);
    }
    page.push_str("</main></body></html>\n");
    page
}

/// All figures in a table, each with its number that is farthest from what it should be.
fn overview(page: &mut String, figures: &[Figure]) {
    page.push_str(
        "<nav class=\"wide\"><table><thead><tr><th>Figure</th><th>repeats</th><th>within</th>\
         <th>farthest number</th></tr></thead><tbody>",
    );
    for figure in figures {
        let checks = &figure.checks;
        let within = checks.iter().filter(|check| check.within).count();
        let count = match checks.len() {
            0 => "–".to_owned(),
            all => format!("{within} of {all}"),
        };
        let farthest = match farthest(checks) {
            Some(check) => format!("{}: {}", check.what, apart(check)),
            None if checks.is_empty() => "nothing to meet".to_owned(),
            None => "none is apart".to_owned(),
        };
        let _ = write!(
            page,
            "<tr><td><a href=\"#{}\">{}</a></td><td>{}</td><td class=\"{}\">{count}</td><td>{}</td></tr>",
            figure.name,
            prose(figure.title),
            prose(figure.paper),
            class(within == checks.len()),
            prose(&farthest),
        );
    }
    page.push_str("</tbody></table></nav>");
}

fn section(page: &mut String, figure: &Figure, seed: u64) {
    let name = figure.name;
    let _ = write!(
        page,
        "<section id=\"{name}\"><h2 class=\"unseen\">{}</h2><div class=\"chart wide\">{}</div>\
         <p class=\"shows\">{}</p><dl><dt>{}</dt><dd>{}</dd><dt>Ours</dt><dd>{}{}</dd>\
         <dt>Measured</dt><dd>{}</dd><dt>Again</dt><dd><code>tasks figures --only {name} --seed {seed}</code> \
         · <a href=\"{name}.svg\">{name}.svg</a> · <a href=\"{name}.csv\">{name}.csv</a></dd></dl>",
        prose(figure.title),
        figure.svg(),
        prose(figure.shows),
        prose(figure.paper),
        prose(figure.known),
        verdict(&figure.checks),
        prose(&figure.apart),
        prose(&figure.text),
    );
    if !figure.checks.is_empty() {
        let all = figure.checks.len();
        let _ = write!(page, "<details><summary>Numbers compared ({all})</summary>");
        checks(page, &figure.checks);
        page.push_str("</details>");
    }
    page.push_str("<details><summary>All numbers</summary><div class=\"wide\"><table><thead><tr>");
    for head in &figure.table.header {
        let _ = write!(page, "<th>{}</th>", head.replace('_', " "));
    }
    page.push_str("</tr></thead><tbody>");
    for row in &figure.table.rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", prose(cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div></details></section>");
}

/// How many are within, and which is the farthest, in words.
fn verdict(checks: &[Check]) -> String {
    let within = checks.iter().filter(|check| check.within).count();
    let all = checks.len();
    let count = match all {
        0 => return String::new(),
        1 => "The number compared is".to_owned(),
        _ if within == all => format!("All {all} numbers compared are"),
        _ => format!("{within} of {all} numbers compared are"),
    };
    let not = if all == 1 && within == 0 { " not" } else { "" };
    let class = class(within == all);
    let count = format!("<strong class=\"{class}\">{count}{not} within what is allowed</strong>");
    let Some(check) = farthest(checks) else {
        return format!("{count}. ");
    };
    let most = if all == 1 { "" } else { "the farthest is " };
    format!(
        "{count}: {most}“{}” with {} where {} has {}: {}. ",
        prose(&check.what),
        number(check.ours, 3),
        match check.source {
            Source::Theory => "theory",
            Source::Paper => "the paper",
            Source::Replica => "the replica",
        },
        number(check.expected, 3),
        prose(&apart(check)),
    )
}

fn apart(check: &Check) -> String {
    format!("{} ({})", check.distance(), check.allowed())
}

/// Text for the page: a number stays with what it counts.
fn prose(text: &str) -> String {
    let mut text = escaped(text).replace('\'', "’");
    for (words, joined) in JOINED {
        text = text.replace(words, joined);
    }
    text
}

fn class(is_within: bool) -> &'static str {
    if is_within { "in" } else { "out" }
}

fn checks(page: &mut String, checks: &[Check]) {
    page.push_str(
        "<div class=\"wide\"><table><thead><tr><th>Number</th><th>ours</th><th>expected</th><th>by</th>\
         <th>distance</th><th>allowed</th><th></th></tr></thead><tbody>",
    );
    for check in checks {
        let verdict = if check.within { "within" } else { "not within" };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"{}\">{verdict}</td></tr>",
            escaped(&check.what),
            number(check.ours, 3),
            number(check.expected, 3),
            check.source.name(),
            check.distance(),
            check.allowed(),
            class(check.within),
        );
    }
    page.push_str("</tbody></table></div>");
}

/// What no line ends within.
const JOINED: [(&str, &str); 5] = [
    (" %", "\u{a0}%"),
    ("× mean", "×\u{a0}mean"),
    ("figure ", "figure\u{a0}"),
    ("table I", "table\u{a0}I"),
    ("s = ", "s\u{a0}=\u{a0}"),
];

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<title>The Chord papers’ figures, from this code</title><style>
:root{color-scheme:light dark;--paper:#fff;--ground:#f4f6f8;--ink:#1b212b;--soft:#5b6573;--line:#dfe4ea;--blue:#1f63d6;--in:#0b805d;--out:#c2361c}
@media (prefers-color-scheme:dark){:root{--paper:#12161d;--ground:#0b0e13;--ink:#e8ecf2;--soft:#a5afbd;--line:#2b333f;--blue:#6fa8ff;--in:#4fd1a5;--out:#ff8f78}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:17px/1.55 system-ui,sans-serif}
header,main{max-width:1100px;margin:0 auto;padding:0 20px}
header{padding-top:44px}
h1{font-size:2rem;line-height:1.2;margin:0 0 12px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);margin:0}
a{color:var(--blue)}
dd a{white-space:nowrap}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:24px 26px;margin:28px 0}
.wide{overflow-x:auto}
.chart svg{display:block;width:100%;min-width:480px;height:auto}
.shows{font-size:1.2rem;line-height:1.4;margin:10px 0 14px}
dl{display:grid;grid-template-columns:minmax(6em,14em) 1fr;gap:6px 18px;margin:0 0 12px}
dt{color:var(--soft)}
dd{margin:0;min-width:0;overflow-wrap:anywhere}
code{font-size:.9em;background:var(--ground);padding:2px 6px;border-radius:5px}
.key{color:var(--soft);font-size:.95rem}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;width:100%;margin:12px 0}
th,td{text-align:right;padding:5px 10px;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600;vertical-align:bottom}
details th{white-space:normal}
th:first-child,td:first-child,nav th,nav td{text-align:left}
nav td+td{white-space:normal}nav td:nth-child(3){white-space:nowrap}
th:first-child,td:first-child{padding-left:0}
.in{color:var(--in);font-weight:600}
.out{color:var(--out);font-weight:600}
.sum{font-size:1.3rem}
summary{cursor:pointer;color:var(--soft);margin-top:6px}
@media (max-width:640px){header,main{padding:0 12px}header{padding-top:24px}section{padding:14px}dl{display:block}dt{font-size:.9rem;margin-top:8px}nav th:nth-child(2),nav td:nth-child(2),nav th:nth-child(4),nav td:nth-child(4){display:none}td:first-child{white-space:normal}.shows{font-size:1.1rem}}
</style></head><body>";

const LEGEND: &str = "<p class=\"key\"><strong>Ours</strong> is solid, the <strong>paper’s</strong> \
hollow and dashed. Crosses are a <strong>replica</strong>: an independent program that repeats the \
paper’s experiment, for the numbers that the paper draws but does not print, or counts in another way. \
<strong>Theory</strong> is a law that needs no experiment. The papers’ tables II to IV and the peak of \
figure 10(b) are quoted from memory; the replicas agree with them but for what the figures say.</p>\
</header><main>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::check::Bound;

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

    #[test]
    fn a_verdict_names_the_farthest_number() {
        let check = |ours, expected| {
            let what = format!("path of {expected}");
            Check::new(what, ours, (expected, Source::Paper), Bound::Apart(0.2))
        };
        let text = verdict(&[check(2.0, 2.1), check(3.1, 3.0), check(4.5, 4.0)]);
        assert!(text.contains("class=\"out\">2 of 3 numbers"), "{text}");
        assert!(
            text.contains(
                "the farthest is “path of 4” with 4.5 where the paper has 4: +0.500 (±0.2)"
            )
        );
        let text = verdict(&[check(2.0, 2.0), check(3.0, 3.0)]);
        assert!(text.ends_with("All 2 numbers compared are within what is allowed</strong>. "));
        assert_eq!(verdict(&[]), "");
    }

    #[test]
    fn no_line_ends_between_a_number_and_what_it_counts() {
        assert_eq!(prose("figure 8 & 5 %"), "figure\u{a0}8 &amp; 5\u{a0}%");
        assert_eq!(prose("the paper's (× mean)"), "the paper’s (×\u{a0}mean)");
    }

    #[test]
    fn a_page_says_what_is_missing() {
        let page = html(&[], 7);
        assert!(page.contains("Not drawn: load-keys, load-positions, path-length"));
        assert!(page.contains("seed 7"));
    }
}
