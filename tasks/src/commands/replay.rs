//! `tasks replay`: a trace run again, and compared event by event.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};
use dht::trace::{Birth, Origin};
use node::Address;
use serde_json::json;
use sim::plan::Plan;
use sim::replay::{self, Replayed};
use sim::run::Run;
use sim::trace::{Compared, Comparison, Difference, head, next_line};

use crate::commands::simulate::{INTERRUPTED, bar, exit_code, until_interrupted, usage};
use crate::printer::Printer;
use crate::simulated::Simulated;

/// Arguments of `replay`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// A trace from `tasks simulate --trace`, `tasks swarm --shrink` or a node with `--trace`
    file: PathBuf,
}

/// The lines of a trace after its head.
type Lines = BufReader<File>;

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let name = args.file.display().to_string();
    let failed = || format!("cannot read {name}");
    let file = File::open(&args.file).with_context(failed)?;
    let mut lines = BufReader::new(file);
    let first = next_line(&mut lines).with_context(failed)?;
    let (first, _) = first.unwrap_or_default();
    match head(&first) {
        Ok(head) => match head.origin {
            Origin::Plan(plan) => simulated(plan, lines, &args.file, printer).await,
            Origin::Node(birth) => real(birth, lines, &name, printer).await,
        },
        Err(error) => Err(usage(format_args!("{name}: {error}"))),
    }
}

/// A simulated network: its plan, carried out again.
async fn simulated(plan: Plan, lines: Lines, file: &Path, printer: Printer) -> Result<ExitCode> {
    let (bar, told) = bar(printer, &plan);
    let (simulated, compared) = until_interrupted(move |stop| {
        let mut run = Run::new(plan.clone()).map_err(usage)?;
        let comparison = Comparison::begin(lines, run.network());
        let simulated = Simulated::go(run, &plan, stop, |now| {
            told(now);
            // A run that was cut short is cut short again; one that is only a plan is not.
            if comparison.is_cut() {
                stop.store(true, Ordering::Relaxed);
            }
        });
        let compared = comparison.finish(simulated.report.partial);
        Ok((simulated, compared))
    })
    .await?;
    bar.finish_and_clear();
    let is_cut = compared.is_cut();
    let is_partial = simulated.report.partial && !is_cut;
    let Compared {
        same,
        is_short,
        is_torn,
        difference,
    } = compared;
    printer.document(&json!({
        "same": same, "short": is_short, "torn": is_torn, "difference": difference,
        "report": simulated.report,
    }))?;
    simulated.show(printer)?;
    simulated.tell_why(printer, &format!("tasks replay {}", file.display()));
    if is_torn {
        printer.note("the last line of the trace is torn");
    }
    if is_cut {
        printer.note("the trace ends before the run does: compared as far as it goes");
    }
    if is_partial {
        printer.note(INTERRUPTED);
    }
    if let Some(difference) = &difference {
        tell(difference, printer);
    } else {
        printer.line(format_args!("{same} events, as they were."))?;
    }
    let is_same = difference.is_none() && !is_partial;
    Ok(exit_code(is_same && simulated.is_good()))
}

/// A real node: what happened to it, given to one here.
async fn real(
    birth: Birth<Address>,
    lines: Lines,
    name: &str,
    printer: Printer,
) -> Result<ExitCode> {
    let me = birth.me;
    let bytes = lines.get_ref().metadata().map_or(0, |file| file.len());
    let bar = printer.progress(bytes, "bytes");
    let mut lines = BufReader::new(bar.wrap_read(lines));
    let replayed =
        until_interrupted(move |stop| Ok(replay::replay(&birth, &mut lines, stop))).await?;
    bar.finish_and_clear();
    let replayed = replayed.map_err(|error| match error {
        replay::Error::Io(error) => {
            anyhow::Error::new(error).context(format!("cannot read {name}"))
        }
        error => usage(format_args!("{name}: {error}")),
    })?;
    printer.document(&replayed)?;
    let Replayed {
        same,
        lives,
        torn,
        broke,
        difference,
        partial,
    } = &replayed;
    if *partial {
        printer.note(INTERRUPTED);
    }
    if *torn > 0 {
        printer.note(format_args!("lines that a killed life left torn: {torn}"));
    }
    if let Some(line) = broke {
        printer.note(format_args!(
            "error: line {line}: this event breaks an invariant of the node, as it did then"
        ));
    }
    if let Some(difference) = difference {
        tell(difference, printer);
    } else {
        let lives = match lives {
            1 => "the life".to_owned(),
            lives => format!("{lives} lives"),
        };
        printer.line(format_args!(
            "{same} events in {lives} of {me}, as they were."
        ))?;
    }
    Ok(exit_code(
        difference.is_none() && broke.is_none() && !partial,
    ))
}

fn tell(difference: &Difference, printer: Printer) {
    let Difference { line, earlier, now } = difference;
    let now = now.as_deref().unwrap_or("nothing");
    printer.note(format_args!(
        "error: line {line} differs\n  then: {earlier}\n  now:  {now}"
    ));
}
