//! Told: a proof in words, for people.

use anyhow::Result;

use super::proof::{FaultReport, NOTHING_LOST, Proof};
use crate::printer::{Line, Printer};
use crate::table;

/// Tells people of a run.
pub(super) fn tell(proof: &Proof, printer: Printer) -> Result<()> {
    let header = [
        "at",
        "fault",
        "node",
        "no write for",
        "no read for",
        "of one key",
        "whole after",
    ];
    let rows: Vec<Line> = proof.faults.iter().map(row).collect();
    if !rows.is_empty() {
        printer.line(printer.table(&header, rows))?;
    }
    for fault in &proof.faults {
        if let Some(error) = &fault.error {
            let (kind, node) = (fault.kind, &fault.node);
            printer.line(format_args!("{kind} {node} did not work: {error}"))?;
        }
        if let Some(problem) = &fault.problem {
            let (kind, node) = (fault.kind, &fault.node);
            printer.line(format_args!(
                "not whole again after {kind} {node}: {problem}"
            ))?;
        }
    }
    printer.line(format_args!(
        "Seed {}: {} did {} operations with {} keys in {:.1} s; {} changes were acknowledged, {} \
         had no answer.",
        proof.seed,
        table::counted(proof.clients as usize, "client"),
        proof.operations,
        proof.keys,
        proof.seconds,
        proof.acknowledged,
        proof.unanswered
    ))?;
    let errors = proof.errors.iter();
    let errors: Vec<String> = errors
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    if !errors.is_empty() {
        printer.line(format_args!(
            "Attempts without a result: {}.",
            errors.join(", ")
        ))?;
    }
    if let Some(problem) = &proof.problem {
        printer.line(format_args!(
            "The ring was not whole again {} s after the end: {problem}",
            super::trial::WHOLE_MS_MAX / 1_000
        ))?;
    }
    for lost in proof.lost.iter().take(LOST_SHOWN) {
        let changes = lost.changes.iter().map(|change| {
            let (client, at_s) = (change.client, change.acknowledged_ms as f64 / 1e3);
            match change.value {
                Some(value) => {
                    format!("{value} by client {client}, acknowledged at {at_s:.3} s")
                }
                None => format!("a delete by client {client}, acknowledged at {at_s:.3} s"),
            }
        });
        let changes: Vec<String> = changes.collect();
        let (key, changes, why) = (&lost.key, changes.join("; or "), lost.why);
        printer.line(format_args!("lost: {key}: {changes}: {why}"))?;
    }
    if proof.lost.len() > LOST_SHOWN {
        let more = proof.lost.len() - LOST_SHOWN;
        printer.line(format_args!("lost: and {more} more"))?;
    }
    printer.line(format_args!(
        "Stale reads: {}; reads that went back in time: {}; values from nowhere: {}; keys whose \
         answers no order explains: {}, not found out: {}.",
        proof.stale_reads,
        proof.non_monotonic_reads,
        proof.phantom_reads,
        proof.linearizability_violations,
        proof.undecided.len()
    ))?;
    if let Some(undecided) = proof.undecided.first() {
        let (key, reason) = (&undecided.key, &undecided.reason);
        printer.line(format_args!("not found out: {key}: {reason}"))?;
    }
    for file in [&proof.picture, &proof.numbers, &proof.history]
        .into_iter()
        .flatten()
    {
        printer.line(format_args!("To look at: {file}"))?;
    }
    let verdict = match proof.lost.len() {
        0 => NOTHING_LOST.to_owned(),
        keys => format!(
            "lost: the last acknowledged change of {}",
            table::counted(keys, "key")
        ),
    };
    printer.line(format_args!("Verdict: {verdict}."))
}

fn row(fault: &FaultReport) -> Line {
    let ms = |ms: u64| format!("{ms} ms");
    Line {
        cells: vec![
            format!("{:.2} s", fault.at_ms as f64 / 1e3),
            fault.kind.to_owned(),
            fault.node.clone(),
            ms(fault.longest_write_gap_ms),
            ms(fault.longest_read_gap_ms),
            format!(
                "{} / {} ms",
                fault.longest_write_gap_of_a_key_ms, fault.longest_read_gap_of_a_key_ms
            ),
            fault.whole_after_ms.map_or_else(|| "never".to_owned(), ms),
        ],
        dead: fault.whole_after_ms.is_none(),
    }
}

/// Losses that are told one by one.
const LOST_SHOWN: usize = 5;
