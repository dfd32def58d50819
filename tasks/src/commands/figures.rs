//! `tasks figures`: the evaluation of the Chord papers, drawn anew from this code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sim::figures::check::Check;
use sim::figures::{Figure, PARTS, Setup, Size, write};

use crate::failure::FAILED;
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
}

pub(super) fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let seed = args.seed;
    let setup = Setup {
        seed,
        size: Size::Paper,
    };
    let progress = printer.progress(PARTS.len() as u64, "");
    progress.enable_steady_tick(Duration::from_secs(1));
    let mut figures: Vec<Figure> = Vec::new();
    for part in PARTS {
        progress.set_message(part.name);
        let since = Instant::now();
        figures.extend((part.measure)(&setup));
        // After each part: what is done stays, whenever one has enough of waiting.
        write(&figures, seed, &args.folder)
            .with_context(|| format!("cannot write into {}", args.folder.display()))?;
        progress.inc(1);
        let seconds = since.elapsed().as_secs_f64();
        progress.suspend(|| printer.note(format_args!("{:18} {seconds:5.1} s", part.name)));
    }
    progress.finish_and_clear();
    let checks: Vec<&Check> = figures.iter().flat_map(|figure| &figure.checks).collect();
    let out = checks.iter().filter(|check| !check.within).count();
    printer.document(&json!({
        "folder": args.folder,
        "seed": seed,
        "figures": figures.iter().map(files).collect::<Vec<Value>>(),
        "checks": checks,
        "out": out,
        "ms": begun.elapsed().as_millis() as u64,
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
    Ok(match out {
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
