//! `tasks swarm`: many random scripts in virtual time, and what they break.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::json;
use sim::plan::Detector;
use sim::shrink::shrink;
use sim::swarm::{Swarm, attempt};
use sim::trace::Head;

use crate::commands::simulate::{detectors, tell_why, until_interrupted};
use crate::failure::FAILED;
use crate::printer::Printer;

/// Arguments of `swarm`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    seeds: u64,
    /// The first one; the others follow it
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first: u64,
    /// Virtual minutes of each, 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// Members at the start, 8 to 10000
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(8..=10_000))]
    nodes: u32,
    /// How nodes learn of deaths: from one who knows, who also sees to it that they fail only as the
    /// proof of the protocol allows; or by themselves, and then the ring can be broken
    #[arg(long, default_value = "oracle", value_parser = detectors())]
    detector: Detector,
    /// Reduce the first failing script, and write it here, for `tasks replay`
    #[arg(long, value_name = "FILE")]
    shrink: Option<PathBuf>,
    /// Seeds at a time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let swarm = Swarm {
        first: args.first,
        seeds: args.seeds,
        minutes: args.minutes,
        nodes: args.nodes,
        detector: args.detector,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores, usize::from);
    let progress = printer.progress(args.seeds, "seeds");
    let (tried, failed) = until_interrupted({
        let progress = progress.clone();
        move |stop| Ok(swarm.run(threads, stop, |_| progress.inc(1)))
    })
    .await?;
    progress.finish_and_clear();
    let command = |seed| args.command(seed);
    let documents = failed.iter().map(|failed| {
        json!({
            "seed": failed.seed, "property": failed.property, "text": failed.text,
            "at_us": failed.at_us, "command": command(failed.seed),
        })
    });
    printer.document(&json!({
        "seeds": tried, "failed": documents.collect::<Vec<_>>(),
    }))?;
    for failed in &failed {
        printer.line(format_args!(
            "seed {}: {} does not hold at {:.3} s: {}\n  {}",
            failed.seed,
            failed.property,
            failed.at_us as f64 / 1e6,
            failed.text,
            command(failed.seed)
        ))?;
    }
    printer.line(format_args!("{tried} seeds, {} failed.", failed.len()))?;
    let Some(first) = failed.into_iter().next() else {
        return Ok(ExitCode::SUCCESS);
    };
    let plan = swarm.plan(first.seed);
    if let Some(path) = args.shrink.clone() {
        let steps = plan.script.len();
        let property = first.property.clone();
        let (plan, runs) = until_interrupted({
            let plan = plan.clone();
            move |stop| Ok(shrink(plan, &property, SHRINK_RUNS, stop))
        })
        .await?;
        let mut text = serde_json::to_string(&Head::of(&plan))?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        printer.note(format_args!(
            "{} of {steps} steps are left after {runs} runs: tasks replay {}",
            plan.script.len(),
            path.display()
        ));
    }
    if args.seeds == 1 && !printer.is_json() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        if let Some(report) = attempt(plan.clone(), &stop) {
            tell_why(&plan, &report, printer, &command(first.seed));
        }
    }
    Ok(ExitCode::from(FAILED))
}

impl Args {
    /// What to type to see a seed fail again.
    fn command(&self, seed: u64) -> String {
        let detector = match self.detector {
            Detector::Oracle => "",
            Detector::Real => " --detector real",
        };
        format!(
            "tasks swarm --seeds 1 --first {seed} --minutes {} --nodes {}{detector}",
            self.minutes, self.nodes
        )
    }
}

/// Runs that a reduction may take.
const SHRINK_RUNS: u32 = 400;
