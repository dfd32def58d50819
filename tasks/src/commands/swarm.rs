//! `tasks swarm`: many random scripts in virtual time, and what they break.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};
use dht::trace::Origin;
use serde_json::json;
use sim::causal;
use sim::observe::Violation;
use sim::plan::{Detector, Plan};
use sim::run::Run;
use sim::shrink::shrink;
use sim::swarm::Swarm;
use sim::trace::{Head, write_line};

use crate::commands::simulate::{INTERRUPTED, detectors, exit_code, until_interrupted, usage};
use crate::printer::Printer;
use crate::simulated::Simulated;

/// Arguments of `swarm`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    seeds: u64,
    /// The first one; the others follow it, so that it is at most 2^63
    #[arg(long, value_name = "SEED", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=1 << 63))]
    first: u64,
    /// Virtual minutes of each, 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// Members at the start, 8 to 10000 [default: 64, or 9 with --causal]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=10_000))]
    nodes: Option<u32>,
    /// Try causal stores and not rings: bad messages, partitions, deaths with and without their disks, and a
    /// change of shards, while clients go from node to node. With up to 64 nodes
    #[arg(
        long,
        conflicts_with_all = [
            "detector", "reckless", "replicas", "stops", "partitions", "tight", "full", "heavy", "shrink",
        ]
    )]
    causal: bool,
    /// With --causal: shards at the start, of 2 nodes at least; 0 for a store that is not divided
    #[arg(long, value_name = "N", default_value_t = 3, requires = "causal", value_parser = clap::value_parser!(u32).range(..=32))]
    shards: u32,
    /// How nodes learn of deaths: from one who knows, or by themselves, from refusals and silence
    #[arg(long, default_value = "oracle", value_parser = detectors())]
    detector: Detector,
    /// Let whole successor lists die at once, and let pauses and partitions last long enough to be
    /// taken for deaths: nothing is promised then. Only with `--detector real`
    #[arg(long)]
    reckless: bool,
    /// Copies of everything, 1 to 7. With more than one, stores outlast crashes, copies are lost one at a
    /// time, and what clients were told of each key is judged. Best with `--detector real`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=7))]
    replicas: u8,
    /// Stop the whole network now and then, and start it again on its disks. Only with `--replicas`
    #[arg(long)]
    stops: bool,
    /// Part the network in two now and then, for 5 to 60 s, so that each part takes the other one for dead: at
    /// the end it must be one ring. Only with `--replicas` and `--detector real`
    #[arg(long)]
    partitions: bool,
    /// Let members keep few writes at hand and fetch few records at a time, as if there were a lot of content.
    /// Only with `--replicas`
    #[arg(long)]
    tight: bool,
    /// Let disks be full now and then, until their nodes are started again. Only with `--replicas`
    #[arg(long)]
    full: bool,
    /// Let values be large, one key be hot, and its leader be stopped or paused again and again. Only with
    /// `--replicas`
    #[arg(long)]
    heavy: bool,
    /// Reduce the first failing script, and write it here, for `tasks replay`
    #[arg(long, value_name = "FILE")]
    shrink: Option<PathBuf>,
    /// Seeds at a time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    if args.reckless && args.detector == Detector::Oracle {
        return Err(usage("--reckless needs --detector real"));
    }
    if args.stops && args.replicas == 1 {
        return Err(usage(
            "--stops needs --replicas: only then disks outlast a stop",
        ));
    }
    if args.tight && args.replicas == 1 {
        return Err(usage(
            "--tight needs --replicas: only then there are members",
        ));
    }
    if (args.full || args.heavy) && args.replicas == 1 {
        return Err(usage(
            "--full and --heavy need --replicas: only then others have what a node lacks",
        ));
    }
    if args.partitions && (args.replicas == 1 || args.detector == Detector::Oracle) {
        return Err(usage(
            "--partitions needs --replicas and --detector real: only then rings part and lose nothing",
        ));
    }
    if args.causal && (args.nodes() > 64 || args.nodes() < 2 * args.shards) {
        return Err(usage(
            "--causal takes up to 64 nodes, and at least 2 for each of its --shards",
        ));
    }
    let failed = try_all(&args, printer).await?;
    if args.causal {
        return Ok(failed.exit_code);
    }
    let swarm = args.swarm();
    let Some((seed, property)) = failed.first else {
        return Ok(failed.exit_code);
    };
    let plan = swarm.plan(seed);
    if args.seeds == 1 && !printer.is_json() {
        let plan = plan.clone();
        let simulated = until_interrupted(move |stop| {
            let run = Run::new(plan.clone()).map_err(usage)?;
            Ok(Simulated::go(run, &plan, stop, |_| {}))
        });
        simulated.await?.tell_why(printer, &args.command(seed));
    }
    if let Some(path) = &args.shrink {
        reduce(plan, property, path, printer).await?;
    }
    Ok(failed.exit_code)
}

/// What came of all seeds.
struct Outcome {
    exit_code: ExitCode,
    /// The first seed that failed, and what did not hold.
    first: Option<(u64, String)>,
}

/// Tries all seeds, and tells of those that fail: people as they come, programs at the end.
async fn try_all(args: &Args, printer: Printer) -> Result<Outcome> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores, usize::from);
    let bar = printer.progress(args.seeds, "seeds");
    let (tried, failed) = until_interrupted({
        let (args, bar) = (args.clone(), bar.clone());
        move |stop| {
            let tell = |seed, violations: &[Violation]| {
                bar.inc(1);
                let told = bar.suspend(|| args.tell(seed, violations, printer));
                // Nobody reads what we find.
                if told.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
            };
            Ok(match args.causal {
                true => args.causal_swarm().run(threads, stop, |report| {
                    tell(report.seed, &report.violations);
                }),
                false => args.swarm().run(threads, stop, |report| {
                    tell(report.seed, &report.violations);
                }),
            })
        }
    })
    .await?;
    bar.finish_and_clear();
    let documents = failed.iter().map(|failed| {
        json!({
            "seed": failed.seed, "property": failed.property, "text": failed.text,
            "at_us": failed.at_us, "command": args.command(failed.seed),
        })
    });
    printer.document(&json!({
        "seeds": tried, "failed": documents.collect::<Vec<_>>(),
    }))?;
    printer.line(format_args!("{tried} seeds, {} failed.", failed.len()))?;
    if tried < args.seeds {
        printer.note(INTERRUPTED);
    }
    let is_good = failed.is_empty() && tried == args.seeds;
    Ok(Outcome {
        exit_code: exit_code(is_good),
        first: failed
            .into_iter()
            .next()
            .map(|first| (first.seed, first.property)),
    })
}

/// Leaves out of a script what is not needed to break the property, and writes the rest.
async fn reduce(plan: Plan, property: String, path: &Path, printer: Printer) -> Result<()> {
    let steps = plan.script.len();
    let (plan, runs) =
        until_interrupted(move |stop| Ok(shrink(plan, &property, SHRINK_RUNS, stop))).await?;
    let left = plan.script.len();
    let head: Head = Head::new(Origin::Plan(plan));
    let failed = || format!("cannot write {}", path.display());
    let mut file = File::create(path).with_context(failed)?;
    write_line(&mut file, &head).with_context(failed)?;
    printer.note(format_args!(
        "{left} of {steps} steps are left after {runs} runs: tasks replay {}",
        path.display()
    ));
    Ok(())
}

impl Args {
    /// What was typed, as what is tried.
    fn swarm(&self) -> Swarm {
        Swarm {
            first: self.first,
            seeds: self.seeds,
            minutes: self.minutes,
            nodes: self.nodes(),
            detector: self.detector,
            careful: !self.reckless,
            replicas: self.replicas,
            stops: self.stops,
            full: self.full,
            heavy: self.heavy,
            tight: self.tight,
            partitions: self.partitions,
        }
    }

    /// The same, where causal stores are tried.
    fn causal_swarm(&self) -> causal::swarm::Swarm {
        causal::swarm::Swarm {
            first: self.first,
            seeds: self.seeds,
            minutes: self.minutes,
            nodes: self.nodes(),
            shards: self.shards,
        }
    }

    fn nodes(&self) -> u32 {
        let usual = if self.causal { 9 } else { 64 };
        self.nodes.unwrap_or(usual)
    }

    /// Tells of a run if it failed.
    fn tell(&self, seed: u64, violations: &[Violation], printer: Printer) -> Result<()> {
        for violation in violations {
            printer.line(format_args!(
                "seed {seed}: {} does not hold at {:.3} s: {}\n  {}",
                violation.property,
                violation.at_us as f64 / 1e6,
                violation.text,
                self.command(seed)
            ))?;
        }
        Ok(())
    }

    /// What to type to see a seed fail again.
    fn command(&self, seed: u64) -> String {
        let (minutes, nodes) = (self.minutes, self.nodes());
        if self.causal {
            return format!(
                "tasks swarm --causal --seeds 1 --first {seed} --minutes {minutes} --nodes {nodes} --shards {}",
                self.shards
            );
        }
        let detector = match self.detector {
            Detector::Oracle => "",
            Detector::Real => " --detector real",
        };
        let replicas = match self.replicas {
            1 => String::new(),
            replicas => format!(" --replicas {replicas}"),
        };
        let stops = if self.stops { " --stops" } else { "" };
        let tight = if self.tight { " --tight" } else { "" };
        let full = if self.full { " --full" } else { "" };
        let heavy = if self.heavy { " --heavy" } else { "" };
        let parted = if self.partitions { " --partitions" } else { "" };
        let reckless = if self.reckless { " --reckless" } else { "" };
        format!(
            "tasks swarm --seeds 1 --first {seed} --minutes {minutes} --nodes {nodes}\
             {detector}{reckless}{replicas}{stops}{tight}{full}{heavy}{parted}"
        )
    }
}

/// Runs that a reduction may take.
const SHRINK_RUNS: u32 = 400;
