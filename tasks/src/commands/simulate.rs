//! `tasks simulate`: many nodes in this one process, in virtual time.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use dht::Ownership;
use dht::message::Routing;
use indicatif::ProgressBar;
use sim::latency::Latency;
use sim::plan::{Content, Detector, Plan, Schedule};
use sim::preset::{PRESETS, Preset};
use sim::random::Random;
use sim::report::Report;
use sim::run::Run;
use sim::script::{self, Churn};
use sim::trace::{Memory, Recorder};

use crate::failure::{FAILED, Failure};
use crate::interrupt::interrupted;
use crate::printer::Printer;
use crate::settings::routing_parser;

/// Arguments of `simulate`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Members of the ideal ring at the start, 1 to 16000000
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    nodes: u32,
    /// Lookups of random keys from random members, spread over the time
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    lookups: u64,
    /// Where all chance comes from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Virtual seconds, 0.001 to 2592000
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    seconds: f64,
    /// Conditions to live under; other options change them: lan, wan, cube, lossy, churn, peers, rough
    #[arg(long, default_value = "lan", value_parser = presets())]
    preset: &'static Preset,
    /// Nodes that join during the run, one after the other
    #[arg(long, value_name = "N", default_value_t = 0)]
    joins: u32,
    /// Of them a second, 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    join_rate: u32,
    /// Joins and failures a second, each, in the whole network: 0 to 1000
    #[arg(long, value_name = "RATE")]
    churn: Option<f64>,
    /// Nodes stay for so many seconds in the mean, Weibull distributed, and others join instead:
    /// MEAN or MEAN,SHAPE, with a shape from 0.2 to 5
    #[arg(long, value_name = "MEAN[,SHAPE]", conflicts_with = "churn", value_parser = sessions)]
    sessions: Option<Churn>,
    /// Percent of messages that get lost, 0 to 50
    #[arg(long, value_name = "PERCENT")]
    loss: Option<f64>,
    /// Percent of questions that arrive twice, 0 to 50
    #[arg(long, value_name = "PERCENT")]
    duplicate: Option<f64>,
    /// Percent of messages that are overtaken by others, 0 to 100
    #[arg(long, value_name = "PERCENT")]
    reorder: Option<f64>,
    /// Percent of nodes that are slow, 0 to 100
    #[arg(long, value_name = "PERCENT")]
    slow: Option<f64>,
    /// Percent that clocks are off by, at most: 0 to 50
    #[arg(long, value_name = "PERCENT")]
    skew: Option<f64>,
    /// Time of a message one way, in ms: constant:1, uniform:0.5..1.5, lognormal:20,0.5 or cube:100
    #[arg(long)]
    latency: Option<Latency>,
    /// How lookups go
    #[arg(long, default_value = "finger", value_parser = routing_parser())]
    routing: Routing,
    /// Which neighbour of a key owns it
    #[arg(long, value_name = "RULE", default_value = "successor", value_parser = ownerships())]
    ownership: Ownership,
    /// Length of successor lists, 1 to 32
    #[arg(long, value_name = "N", default_value_t = 4)]
    successors: u8,
    /// Copies of each item: 1, as nodes keep no more
    #[arg(long, value_name = "N", default_value_t = 1)]
    replicas: u8,
    /// Reads and writes a second, of 1000 keys: 0 to 1000000
    #[arg(long, value_name = "N", default_value_t = 0)]
    operations: u32,
    /// How nodes learn of deaths: by themselves, or from one who knows
    #[arg(long, default_value = "real", value_parser = detectors())]
    detector: Detector,
    /// Let nodes look after the ring even if nothing happens to it
    #[arg(long)]
    maintain: bool,
    /// Write each event as a line of JSON
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let plan = args.plan()?;
    let progress = bar(printer, &plan);
    let trace = args.trace.clone();
    let report = until_interrupted({
        let progress = progress.clone();
        let plan = plan.clone();
        move |stop| carry_out(plan, trace, stop, &progress)
    })
    .await?;
    progress.finish_and_clear();
    show(&report, printer)?;
    if !report.violations.is_empty() {
        tell_why(&plan, &report, printer, &replay_command());
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

fn carry_out(
    plan: Plan,
    trace: Option<PathBuf>,
    stop: &AtomicBool,
    progress: &ProgressBar,
) -> Result<Report> {
    let mut run = Run::new(plan.clone()).map_err(usage)?;
    let recorder = match &trace {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {path:?}"))?;
            let writer = BufWriter::new(file);
            Some(Recorder::begin(writer, &plan, run.network())?)
        }
        None => None,
    };
    let report = run.go(stop, |now| progress.set_position(now.ms));
    if let Some(recorder) = recorder {
        recorder.finish().context("cannot write the trace")?;
    }
    Ok(report)
}

impl Args {
    /// What was typed, as a plan that can be carried out.
    fn plan(&self) -> Result<Plan> {
        if self.replicas != 1 {
            let replicas = self.replicas;
            let text =
                format!("--replicas is {replicas}: only 1 would do, nodes keep no more copies");
            return Err(Failure::Usage(text).into());
        }
        if !(0.001..=2_592_000.0).contains(&self.seconds) {
            let seconds = self.seconds;
            let text = format!("--seconds is {seconds}: 0.001 to 2592000 would do");
            return Err(Failure::Usage(text).into());
        }
        let ms = (self.seconds * 1_000.0).round() as u64;
        let mut faults = self.preset.faults;
        for (name, percent, max, ppm) in [
            ("loss", self.loss, 50.0, &mut faults.loss_ppm),
            ("duplicate", self.duplicate, 50.0, &mut faults.duplicate_ppm),
            ("reorder", self.reorder, 100.0, &mut faults.reorder_ppm),
            ("slow", self.slow, 100.0, &mut faults.slow_ppm),
            ("skew", self.skew, 50.0, &mut faults.skew_ppm),
        ] {
            if let Some(percent) = percent {
                *ppm = in_range(name, percent, max)?;
            }
        }
        if faults.reorder_us == 0 {
            faults.reorder_us = REORDER_US;
        }
        faults.slow_factor = faults.slow_factor.max(SLOW_FACTOR);
        let script = self.script(ms)?;
        let has_schedule = self.maintain || !script.is_empty() || self.operations > 0;
        let plan = Plan {
            seed: self.seed,
            nodes: self.nodes,
            successors: self.successors,
            ownership: self.ownership,
            routing: self.routing,
            detector: self.detector,
            ms,
            lookups: self.lookups,
            content: (self.operations > 0).then_some(Content {
                keys: 1_000,
                per_s: self.operations,
            }),
            latency: self.latency.unwrap_or(self.preset.latency),
            faults,
            schedule: has_schedule.then(Schedule::default),
            script,
        };
        plan.check().map_err(usage)?;
        Ok(plan)
    }

    fn script(&self, ms: u64) -> Result<Vec<script::Step>> {
        let mut random = Random::new(self.seed, SCRIPT);
        let mut steps = match self.preset.menu {
            Some(menu) => script::random(menu, self.nodes, ms, &mut random),
            None => Vec::new(),
        };
        let poisson = match self.churn {
            Some(rate) => {
                let ppm = in_range("churn", rate / 10.0, 100.0)?;
                Some(Churn::Poisson { per_1000_s: ppm }).filter(|_| ppm > 0)
            }
            None => self.preset.churn,
        };
        if let Some(churn) = self.sessions.or(poisson) {
            let fresh = fresh(self.nodes, &steps);
            steps.extend(script::churn(churn, self.nodes, fresh, ms, &mut random));
        }
        if self.joins > 0 {
            let fresh = fresh(self.nodes, &steps);
            let joins = script::growth(fresh, self.joins, self.join_rate, &mut random);
            steps.extend(joins);
        }
        script::sort(&mut steps);
        Ok(steps)
    }
}

/// The first address that no step gives to a node.
fn fresh(nodes: u32, steps: &[script::Step]) -> u32 {
    let given = steps.iter().filter_map(|step| match step.fault {
        script::Fault::Join(address) => Some(address + 1),
        _ => None,
    });
    given.max().unwrap_or(nodes).max(nodes)
}

fn in_range(name: &str, percent: f64, max: f64) -> Result<u32> {
    if (0.0..=max).contains(&percent) {
        return Ok((percent * 10_000.0).round() as u32);
    }
    let text = format!("--{name} is out of range: 0 to {max} percent would do");
    Err(Failure::Usage(text).into())
}

fn presets() -> impl clap::builder::TypedValueParser<Value = &'static Preset> {
    let names = PRESETS.iter().map(|preset| preset.name);
    PossibleValuesParser::new(names).try_map(|name| Preset::named(&name).ok_or("no such preset"))
}

fn ownerships() -> impl clap::builder::TypedValueParser<Value = Ownership> {
    PossibleValuesParser::new(["successor", "predecessor"]).map(|name| match name.as_str() {
        "predecessor" => Ownership::Predecessor,
        _ => Ownership::Successor,
    })
}

pub(super) fn detectors() -> impl clap::builder::TypedValueParser<Value = Detector> {
    PossibleValuesParser::new(["real", "oracle"]).map(|name| match name.as_str() {
        "oracle" => Detector::Oracle,
        _ => Detector::Real,
    })
}

fn sessions(text: &str) -> Result<Churn, String> {
    let (mean, shape) = text.split_once(',').unwrap_or((text, "1"));
    let mean_s: u32 = mean
        .parse()
        .map_err(|_| "MEAN is not a number of seconds")?;
    let shape: f64 = shape.parse().map_err(|_| "SHAPE is not a number")?;
    if !(1..=1_000_000).contains(&mean_s) || !(0.2..=5.0).contains(&shape) {
        return Err("1 to 1000000 seconds and a shape from 0.2 to 5 would do".to_owned());
    }
    let shape_milli = (shape * 1_000.0).round() as u32;
    Ok(Churn::Weibull {
        mean_s,
        shape_milli,
    })
}

pub(super) fn usage(error: impl std::fmt::Display) -> anyhow::Error {
    Failure::Usage(error.to_string()).into()
}

/// Does something that takes long on a thread of its own; it should end soon once it is told to stop.
pub(super) async fn until_interrupted<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static,
) -> Result<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut work = tokio::task::spawn_blocking({
        let stop = Arc::clone(&stop);
        move || work(&stop)
    });
    tokio::select! {
        outcome = &mut work => return outcome?,
        () = interrupted() => stop.store(true, Ordering::Relaxed),
    }
    work.await?
}

fn bar(printer: Printer, plan: &Plan) -> ProgressBar {
    printer.progress(plan.ms, "virtual ms")
}

/// The report, for programs or for people.
pub(super) fn show(report: &Report, printer: Printer) -> Result<()> {
    printer.document(report)?;
    let mut rows = vec![
        (
            "nodes",
            format!("{}, {} at the end", report.nodes, report.members),
        ),
        (
            "lookups",
            format!(
                "{}: {} wrong, {} failed",
                report.lookups, report.wrong, report.failed
            ),
        ),
        (
            "hops",
            format!(
                "{:.3} in the mean, 99 % within {}",
                report.mean_hops, report.p99_hops
            ),
        ),
    ];
    if report.steps + report.skipped > 0 {
        rows.push((
            "script",
            format!("{} steps, {} left out", report.steps, report.skipped),
        ));
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
    rows.extend([
        (
            "messages",
            format!(
                "{}: {:.1} per node and second, {:.0} bytes",
                report.traffic.messages(),
                report.messages_per_node_s,
                report.bytes_per_node_s
            ),
        ),
        (
            "events",
            format!(
                "{} in {:.1} s: {} a second",
                report.events, report.seconds, report.events_per_s
            ),
        ),
        ("virtual time", format!("{:.1} s", report.virtual_seconds)),
        ("memory", format!("{} MiB at most", report.peak_bytes >> 20)),
        ("seed", report.seed.to_string()),
    ]);
    let rows = rows
        .into_iter()
        .map(|(name, text)| [name.to_owned(), text].into());
    printer.line(printer.table(&["what", "how much"], rows.collect()))?;
    if report.partial {
        printer.note("ended before its end: this is what there is so far");
    }
    Ok(())
}

/// A violation in words: what was seen, the last events, and how to see it again.
pub(super) fn tell_why(plan: &Plan, report: &Report, printer: Printer, command: &str) {
    let Some(violation) = report.violations.first() else {
        return;
    };
    // The same run once more, this time with somebody who remembers.
    if let Ok(mut run) = Run::new(plan.clone()) {
        let memory = Memory::begin(LAST_EVENTS, run.network());
        run.go(&AtomicBool::new(false), |_| {});
        printer.note("the last events:");
        for line in memory.lines() {
            printer.note(line.readable());
        }
    }
    printer.note(format_args!(
        "error: {} does not hold at {:.3} s: {}\nto see it again: {command}",
        violation.property,
        violation.at_us as f64 / 1e6,
        violation.text
    ));
}

fn replay_command() -> String {
    let words = std::env::args().skip(1);
    format!("tasks {}", words.collect::<Vec<String>>().join(" "))
}

/// Events that are shown before a violation.
const LAST_EVENTS: usize = 40;

/// How late an overtaken message is at most, unless the preset says so.
const REORDER_US: u64 = 50_000;

/// How slow slow nodes are at least.
const SLOW_FACTOR: u32 = 3;

/// The stream of chance that scripts are drawn from.
const SCRIPT: u64 = 4;
