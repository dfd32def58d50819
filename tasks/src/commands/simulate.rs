//! `tasks simulate`: many nodes in this one process, in virtual time.

mod plan;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use dht::Ownership;
use dht::message::Routing;
use futures::poll;
use indicatif::ProgressBar;
use sim::latency::Latency;
use sim::plan::{Detector, Plan};
use sim::preset::{PRESETS, Preset};
use sim::run::{self, Run};
use sim::script::Churn;
use sim::trace::Recorder;

use crate::failure::{FAILED, Failure};
use crate::interrupt::interrupted;
use crate::printer::Printer;
use crate::settings::routing_parser;
use crate::simulated::Simulated;

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
    /// Copies of each item, 1 to 7, no more than the length of successor lists. With more than one, stores
    /// outlast crashes, and what clients were told is judged
    #[arg(long, value_name = "N", default_value_t = 1)]
    replicas: u8,
    /// Deal the nodes in turn to so many zones, none of which keeps two copies of the same while there are
    /// others
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    zones: u32,
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
    let (bar, told) = bar(printer, &plan);
    let trace = args.trace;
    let simulated =
        until_interrupted(move |stop| carry_out(&plan, trace.as_deref(), stop, told)).await?;
    bar.finish_and_clear();
    printer.document(&simulated.report)?;
    simulated.show(printer)?;
    simulated.tell_why(printer, &command());
    let is_partial = simulated.report.partial;
    if is_partial {
        printer.note(INTERRUPTED);
    }
    Ok(exit_code(simulated.is_good() && !is_partial))
}

/// Done, or failed.
pub(super) fn exit_code(is_good: bool) -> ExitCode {
    match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    }
}

fn carry_out(
    plan: &Plan,
    trace: Option<&Path>,
    stop: &AtomicBool,
    told: impl FnMut(run::Progress),
) -> Result<Simulated> {
    // A file that can't be written is found out before the work is done.
    let writer = match trace {
        Some(path) => {
            let failed = || format!("cannot write {}", path.display());
            Some(BufWriter::new(File::create(path).with_context(failed)?))
        }
        None => None,
    };
    let mut run = Run::new(plan.clone()).map_err(usage)?;
    let recorder = match writer {
        Some(writer) => Some(Recorder::begin(writer, plan, run.network())?),
        None => None,
    };
    let simulated = Simulated::go(run, plan, stop, told);
    if let Some(recorder) = recorder {
        recorder.finish().context("cannot write the trace")?;
    }
    Ok(simulated)
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
    // Listening comes first: from here on a signal ends the work, and not the process.
    let mut interrupted = pin!(interrupted());
    let _ = poll!(&mut interrupted);
    let stop = Arc::new(AtomicBool::new(false));
    let mut work = tokio::task::spawn_blocking({
        let stop = Arc::clone(&stop);
        move || work(&stop)
    });
    tokio::select! {
        outcome = &mut work => return outcome?,
        () = interrupted => stop.store(true, Ordering::Relaxed),
    }
    work.await?
}

/// A bar for the virtual time of a run, and what moves it.
pub(super) fn bar(
    printer: Printer,
    plan: &Plan,
) -> (ProgressBar, impl Fn(run::Progress) + Send + use<>) {
    let ms = plan.ms;
    let bar = printer.progress(ms, "virtual ms");
    let moving = bar.clone();
    (bar, move |now| {
        moving.set_position(now.ms.min(ms));
        if now.ms > ms {
            moving.set_message("until all is quiet");
        }
    })
}

/// What was typed, to be typed again.
fn command() -> String {
    let mut words = vec!["tasks".to_owned()];
    for word in std::env::args().skip(1) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=".contains(c);
        words.push(match word.chars().all(is_plain) && !word.is_empty() {
            true => word,
            false => format!("'{}'", word.replace('\'', r"'\''")),
        });
    }
    words.join(" ")
}

/// What is said of anything that was ended before its end.
pub(super) const INTERRUPTED: &str = "interrupted: this is what there is so far";
