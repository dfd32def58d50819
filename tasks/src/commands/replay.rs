//! `tasks replay`: a trace run again, and compared event by event.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::json;
use sim::run::Run;
use sim::trace::{Comparison, Head};

use crate::commands::simulate::{show, tell_why, until_interrupted, usage};
use crate::failure::FAILED;
use crate::printer::Printer;

/// Arguments of `replay`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// A trace from `tasks simulate --trace` or `tasks swarm --shrink`
    file: PathBuf,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let name = args.file.display().to_string();
    let file = File::open(&args.file).with_context(|| format!("cannot read {name}"))?;
    let mut lines = BufReader::new(file).lines();
    let first = lines
        .next()
        .transpose()
        .with_context(|| format!("cannot read {name}"))?;
    let head = Head::read(&first.unwrap_or_default())
        .map_err(|error| usage(format_args!("{name}: {error}")))?;
    let plan = head.plan.ok_or_else(|| {
        usage(format_args!(
            "{name}: a trace of real nodes can't be run again"
        ))
    })?;
    let progress = printer.progress(plan.ms, "virtual ms");
    let (report, (same, difference)) = until_interrupted({
        let progress = progress.clone();
        let plan = plan.clone();
        move |stop| {
            let mut run = Run::new(plan).map_err(usage)?;
            let comparison = Comparison::begin(lines, run.network());
            let report = run.go(stop, |now| progress.set_position(now.ms));
            Ok((report, comparison.finish()))
        }
    })
    .await?;
    progress.finish_and_clear();
    let difference = difference.filter(|_| !report.partial);
    printer.document(&json!({
        "same": same,
        "difference": difference.as_ref().map(|at| json!({
            "line": at.line, "earlier": at.earlier, "now": at.now,
        })),
        "report": report,
    }))?;
    if !printer.is_json() {
        show(&report, printer)?;
    }
    if !report.violations.is_empty() {
        tell_why(&plan, &report, printer, &format!("tasks replay {name}"));
    }
    if let Some(at) = &difference {
        let or_nothing = |line: &Option<String>| line.clone().unwrap_or("nothing".to_owned());
        printer.note(format_args!(
            "error: line {} differs\n  then: {}\n  now:  {}",
            at.line,
            or_nothing(&at.earlier),
            or_nothing(&at.now)
        ));
    } else {
        printer.line(format_args!("{same} events, as they were."))?;
    }
    let is_good = difference.is_none() && report.violations.is_empty();
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}
