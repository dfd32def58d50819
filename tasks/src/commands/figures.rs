//! `tasks figures`: the evaluation of the Chord papers, drawn anew from this code.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use sim::figures::check::Check;
use sim::figures::{Figure, PARTS, Part, Setup, Size, names, write};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::failure::FAILED;
use crate::interrupt::interrupted;
use crate::printer::{Line, Printer};

/// Arguments of `figures`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the pictures, tables and index.html; made if it is not there
    #[arg(value_name = "DIR", default_value = "figures")]
    folder: PathBuf,
    /// Where all chance comes from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Draw this one alone; index.html has no other then
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    only: Option<String>,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let is_wanted = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    let wanted: Vec<&str> = names().filter(|name| is_wanted(name)).collect();
    let parts = PARTS.into_iter();
    let parts: Vec<Part> = parts
        .filter(|part| part.names.iter().any(|name| is_wanted(name)))
        .collect();
    let mut figures: Vec<Figure> = Vec::new();
    let save = |figures: &[Figure]| {
        write(figures, args.seed, &args.folder)
            .with_context(|| format!("cannot write into {}", args.folder.display()))
    };
    // A folder that can't be written to is found out before anyone waits.
    save(&figures)?;
    let progress = printer.progress(wanted.len() as u64, "");
    progress.enable_steady_tick(Duration::from_secs(1));
    let setup = Setup {
        seed: args.seed,
        size: Size::Paper,
    };
    let mut news = measure(parts, setup);
    let mut stop = pin!(interrupted());
    let mut open: Vec<&str> = Vec::new();
    loop {
        let news = tokio::select! {
            news = news.recv() => news,
            () = &mut stop => None,
        };
        match news {
            None => break,
            Some(News::Begun(part)) => open.extend(part.names),
            Some(News::Measured(part, measured, seconds)) => {
                open.retain(|name| !part.names.contains(name));
                figures.extend(measured.into_iter().filter(|figure| is_wanted(figure.name)));
                figures.sort_by_key(|figure| names().position(|name| name == figure.name));
                // After each part: what is done stays, whenever one has enough of waiting.
                save(&figures)?;
                progress.set_position(figures.len() as u64);
                let names = part.names.join(", ");
                progress.suspend(|| printer.note(format_args!("{names:30} {seconds:5.1} s")));
            }
        }
        progress.set_message(open.join(", "));
    }
    progress.finish_and_clear();
    report(&args, &wanted, &figures, begun.elapsed(), printer)
}

/// What one hears of measurements.
enum News {
    Begun(Part),
    Measured(Part, Vec<Figure>, f64),
}

/// Measures on all cores, each thread one part after the other. They end with the process.
fn measure(parts: Vec<Part>, setup: Setup) -> UnboundedReceiver<News> {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::new(Mutex::new(parts.into_iter()));
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        let (sender, waiting) = (sender.clone(), Arc::clone(&waiting));
        let next = move || {
            waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next()
        };
        thread::spawn(move || {
            while let Some(part) = next() {
                let since = Instant::now();
                let begun = sender.send(News::Begun(part));
                let figures = (part.measure)(&setup);
                let seconds = since.elapsed().as_secs_f64();
                let measured = sender.send(News::Measured(part, figures, seconds));
                if begun.and(measured).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}

fn report(
    args: &Args,
    wanted: &[&str],
    figures: &[Figure],
    elapsed: Duration,
    printer: Printer,
) -> Result<ExitCode> {
    let checks: Vec<&Check> = figures.iter().flat_map(|figure| &figure.checks).collect();
    let out = checks.iter().filter(|check| !check.within).count();
    let is_missing = |name: &&&str| figures.iter().all(|figure| figure.name != **name);
    let missing: Vec<&&str> = wanted.iter().filter(is_missing).collect();
    printer.document(&json!({
        "folder": args.folder,
        "seed": args.seed,
        "figures": figures.iter().map(files).collect::<Vec<Value>>(),
        "missing": missing,
        "checks": checks,
        "out": out,
        "ms": elapsed.as_millis() as u64,
    }))?;
    if !printer.is_json() {
        let header = [
            "number", "ours", "expected", "by", "distance", "allowed", "",
        ];
        let rows = checks.iter().map(|check| row(check)).collect();
        printer.line(printer.table(&header, rows))?;
        printer.line(format_args!(
            "{} of {} numbers are within what is allowed. To look at: {}",
            checks.len() - out,
            checks.len(),
            args.folder.join("index.html").display()
        ))?;
    }
    if !missing.is_empty() {
        printer.note(format_args!(
            "ended early: {} of {} figures are drawn",
            figures.len(),
            wanted.len()
        ));
    }
    Ok(match out + missing.len() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}

fn files(figure: &Figure) -> Value {
    let name = figure.name;
    json!({
        "name": name, "title": figure.title, "paper": figure.paper,
        "svg": format!("{name}.svg"), "csv": format!("{name}.csv"),
    })
}

fn row(check: &Check) -> Line {
    let verdict = if check.within { "within" } else { "not within" };
    Line {
        cells: vec![
            check.what.clone(),
            format!("{:.3}", check.ours),
            format!("{:.3}", check.expected),
            check.source.name().to_owned(),
            check.distance(),
            check.allowed(),
            verdict.to_owned(),
        ],
        dead: !check.within,
    }
}
