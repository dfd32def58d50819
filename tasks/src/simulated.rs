//! Simulated: a run of a simulated network that is over, and what is told of it.

use std::sync::atomic::AtomicBool;

use anyhow::Result;
use sim::plan::Plan;
use sim::report::Report;
use sim::run::Run;
use sim::trace::{Line, Memory};

use crate::printer::Printer;

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// What came of it.
    pub(crate) report: Report,
    /// How many lookups took so many hops.
    pub(crate) hops: Vec<u64>,
    /// What happened last, if that is worth telling.
    pub(crate) last: Vec<Line>,
}

impl Simulated {
    /// Carries a run out, until `stop` is set. `told` hears how far it is.
    pub(crate) fn go(
        mut run: Run,
        plan: &Plan,
        stop: &AtomicBool,
        told: impl FnMut(sim::run::Progress),
    ) -> Simulated {
        let report = run.go(stop, told);
        let last = match report.violations.is_empty() {
            true => Vec::new(),
            false => last_lines(plan.clone(), stop),
        };
        Simulated {
            hops: run.lookups().hops.clone(),
            report,
            last,
        }
    }

    /// Whether all that must hold did.
    pub(crate) fn is_good(&self) -> bool {
        self.report.violations.is_empty()
    }

    /// The report as a table and a picture, for people.
    pub(crate) fn show(&self, printer: Printer) -> Result<()> {
        let rows = rows(&self.report).into_iter();
        let rows = rows.map(|(name, text)| [name.to_owned(), text].into());
        printer.line(printer.table(&["what", "how much"], rows.collect()))?;
        for line in histogram(&self.hops) {
            printer.line(line)?;
        }
        Ok(())
    }

    /// Why it is not good, for people: what happened last, what does not hold, and the command that
    /// shows it again.
    pub(crate) fn tell_why(&self, printer: Printer, command: &str) {
        let Some(violation) = self.report.violations.first() else {
            return;
        };
        if !self.last.is_empty() {
            printer.note("the last events:");
        }
        for line in &self.last {
            printer.note(line);
        }
        printer.note(format_args!(
            "error: {} does not hold at {:.3} s: {}\nto see it again: {command}",
            violation.property,
            violation.at_us as f64 / 1e6,
            violation.text
        ));
    }
}

/// The end of a run: the same run once more, this time with somebody who remembers.
fn last_lines(plan: Plan, stop: &AtomicBool) -> Vec<Line> {
    let Ok(mut run) = Run::new(plan) else {
        return Vec::new();
    };
    let memory = Memory::begin(LAST_LINES, run.network());
    run.go(stop, |_| {});
    memory.lines()
}

fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let nodes = format!("{}, {} at the end", report.nodes, report.members);
    let lookups = format!(
        "{}: {} wrong, {} failed",
        report.lookups, report.wrong, report.failed
    );
    let hops = format!(
        "{:.3} in the mean, 99 % within {}",
        report.mean_hops, report.p99_hops
    );
    let mut rows = vec![("nodes", nodes), ("lookups", lookups), ("hops", hops)];
    if report.steps + report.skipped > 0 {
        let text = format!("{} steps, {} left out", report.steps, report.skipped);
        rows.push(("script", text));
    }
    if report.acknowledged > 0 {
        let text = format!(
            "{} done, {} without an answer; {} items died with their owners",
            report.acknowledged, report.unknown, report.lost
        );
        rows.push(("operations", text));
    }
    if let Some(ms) = report.ideal_after_ms {
        rows.push((
            "ideal",
            format!("{ms} ms after the last thing that happened"),
        ));
    }
    if let Some(per_join) = report.messages_per_join {
        let text = format!(
            "{}: {per_join:.0} messages for each, upkeep of the ring included",
            report.joins
        );
        rows.push(("joins", text));
    }
    let messages = format!(
        "{}: {:.1} per node and second, {:.0} bytes",
        report.traffic.messages(),
        report.messages_per_node_s,
        report.bytes_per_node_s
    );
    let events = format!(
        "{} in {:.1} s: {} a second",
        report.events, report.seconds, report.events_per_s
    );
    rows.extend([
        ("messages", messages),
        ("events", events),
        ("virtual time", format!("{:.1} s", report.virtual_seconds)),
        ("memory", format!("{} MiB at most", report.peak_bytes >> 20)),
        ("seed", report.seed.to_string()),
    ]);
    rows
}

/// How many lookups took how many hops, a line each. Where there are too many lines, several share one,
/// and the longest ways of all are counted together.
fn histogram(hops: &[u64]) -> Vec<String> {
    let all: u64 = hops.iter().sum();
    let mut sum = 0;
    let usual = hops.iter().take_while(|count| {
        let is_usual = sum * 100 < all * USUAL_PERCENT;
        sum += **count;
        is_usual
    });
    let step = match hops.len() {
        0..=BARS_MAX => 1,
        _ => usual.count().div_ceil(BARS_MAX),
    };
    let (bars, rest) = hops.split_at(hops.len().min(BARS_MAX * step));
    let total = |bin: &[u64]| bin.iter().sum::<u64>();
    let mut bins: Vec<(String, u64)> = Vec::new();
    for (place, bin) in bars.chunks(step).enumerate() {
        let first = place * step;
        let label = match step {
            1 => format!("{first} hops"),
            _ => format!("{first}-{} hops", first + step - 1),
        };
        bins.push((label, total(bin)));
    }
    if !rest.is_empty() {
        bins.push((format!("{} and more", bars.len()), total(rest)));
    }
    let most = bins
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(0)
        .max(1);
    let bar = |(label, count): &(String, u64)| {
        // Any at all is more than nothing.
        let length = (count * BAR_LENGTH).div_ceil(most) as usize;
        format!("{label:>14} {:<40} {count}", "█".repeat(length))
    };
    bins.iter().map(bar).collect()
}

/// Events that are shown before a violation.
const LAST_LINES: usize = 40;

const BARS_MAX: usize = 24;
const BAR_LENGTH: u64 = 40;
/// Of all lookups have bars of their own, more or less.
const USUAL_PERCENT: u64 = 95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_a_bar_for_each_number_of_hops() {
        let lines = histogram(&[1, 0, 100, 50]);
        assert_eq!(lines.len(), 4);
        let bars = lines.iter().map(|line| line.matches('█').count());
        assert_eq!(bars.collect::<Vec<_>>(), [1, 0, 40, 20]);
        assert!(lines[2].trim_start().starts_with("2 hops "), "{}", lines[2]);
        assert!(lines[2].ends_with(" 100"), "{}", lines[2]);
        assert!(histogram(&[]).is_empty());
    }

    #[test]
    fn long_ways_share_a_bar_and_the_longest_are_counted_together() {
        let lines = histogram(&[1; 50]);
        assert_eq!(lines.len(), 25);
        assert!(lines[0].contains("0-1 hops"), "{}", lines[0]);
        assert!(lines[24].contains("48 and more"), "{}", lines[24]);
        assert!(lines[24].ends_with(" 2"), "{}", lines[24]);

        let mut hops = vec![100; 10];
        hops.resize(1_000, 0);
        hops[999] = 1;
        let lines = histogram(&hops);
        assert_eq!(lines.len(), 25);
        assert!(lines[9].ends_with(" 100"), "{}", lines[9]);
        assert!(lines[24].contains("24 and more"), "{}", lines[24]);
        assert!(lines[24].ends_with(" 1"), "{}", lines[24]);
    }
}
