//! `tasks check`: every order of events of a small ring.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use indicatif::ProgressBar;
use sim::check::{LEGEND, Options, Report, Variant, check};

use crate::commands::simulate::until_interrupted;
use crate::failure::{FAILED, Failure};
use crate::printer::Printer;

/// Arguments of `check`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Members at a time, at most: more than `--successors`, up to 8
    #[arg(long, value_name = "N", default_value_t = 4)]
    nodes: u8,
    /// Length of successor lists, 1 to 5; the ring starts with one member more
    #[arg(long, value_name = "N", default_value_t = 2)]
    successors: u8,
    /// Whose rules: this code's; those of the proof alone, with identifiers used again; or those of the
    /// first papers, which are wrong
    #[arg(long, default_value = "corrected", value_parser = variants())]
    variant: Variant,
    /// Let answers take their time, so that other things happen meanwhile
    #[arg(long)]
    in_flight: bool,
    /// Let a dead node's identifier come back as the same node, not as a new incarnation
    #[arg(long)]
    reuse_ids: bool,
    /// Let nodes take a living successor for dead
    #[arg(long)]
    false_suspicion: bool,
    /// Look at content and handovers, where nobody dies unless asked
    #[arg(long)]
    content: bool,
    /// With --content: let nodes die as well, and what they served with them
    #[arg(long, requires = "content")]
    deaths: bool,
    /// Let nobody leave
    #[arg(long)]
    no_leaves: bool,
    /// Places on the ring, up to 8 [default: as many as nodes]
    #[arg(long, value_name = "N")]
    identifiers: Option<u8>,
    /// Nodes that ever start, up to 8; those beyond the identifiers are restarts under a higher
    /// incarnation [default: 2 more than nodes, 1 or none where that takes too long]
    #[arg(long, value_name = "N")]
    lives: Option<u8>,
    /// States after which to give up; a million takes about 50 MB
    #[arg(long, value_name = "N", default_value_t = 50_000_000)]
    states_max: usize,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let options = args.options();
    let report = until_interrupted(move |stop| explore(&options, stop)).await?;
    printer.document(&report)?;
    show(&report, printer)?;
    if report.complete {
        return Ok(ExitCode::SUCCESS);
    }
    if report.violations.is_empty() {
        printer.note("error: not all states were looked at, so nothing is shown");
    }
    Ok(ExitCode::from(FAILED))
}

fn explore(options: &Options, stop: &AtomicBool) -> Result<Report> {
    let start = Instant::now();
    let progress = ProgressBar::new_spinner();
    let report = check(options, |states, depth| {
        let per_s = states as f64 / start.elapsed().as_secs_f64();
        progress.set_message(format!(
            "{states} states, {per_s:.0} a second, {depth} steps from the start"
        ));
        progress.tick();
        !stop.load(Ordering::Relaxed)
    });
    progress.finish_and_clear();
    report.map_err(|refused| Failure::Usage(refused.to_string()).into())
}

fn show(report: &Report, printer: Printer) -> Result<()> {
    for violation in &report.violations {
        printer.line(format_args!("violated: {}", violation.property))?;
        for (number, step) in violation.steps.iter().enumerate() {
            printer.line(format_args!("{number:>4}  {step}"))?;
        }
        printer.line(LEGEND)?;
    }
    printer.line(format_args!(
        "{} states, {} transitions, {} steps deep, {:.1} s",
        report.states, report.transitions, report.depth, report.seconds
    ))?;
    if report.complete {
        printer.line("all that must hold holds")?;
    }
    if let (true, Some(rounds)) = (report.complete, report.rounds) {
        printer.line(format_args!(
            "no ring takes more than {rounds} rounds to become ideal"
        ))?;
    }
    Ok(())
}

impl Args {
    fn options(&self) -> Options {
        let standard = Options::new(self.nodes, self.successors, self.variant);
        let identifiers = self.identifiers.unwrap_or(standard.identifiers);
        let leaves = standard.leaves && !self.no_leaves;
        // With everything at once a second restart makes an hour of seconds.
        let is_large = self.content || (self.in_flight && leaves);
        let is_largest = self.content && (self.deaths || self.in_flight);
        let lives = match self.variant {
            Variant::Published | Variant::Zave => identifiers,
            Variant::Corrected if self.reuse_ids => identifiers,
            Variant::Corrected if is_largest => identifiers,
            Variant::Corrected if is_large => standard.lives.min(self.nodes.saturating_add(1)),
            Variant::Corrected => standard.lives,
        };
        Options {
            identifiers,
            lives: self.lives.unwrap_or(lives.max(identifiers)),
            in_flight: self.in_flight,
            reuse_ids: self.reuse_ids,
            false_suspicion: self.false_suspicion,
            leaves,
            deaths: self.deaths || !self.content,
            content: self.content,
            states_max: self.states_max,
            ..standard
        }
    }
}

fn variants() -> impl clap::builder::TypedValueParser<Value = Variant> {
    PossibleValuesParser::new(["corrected", "zave", "published"]).map(|name| match name.as_str() {
        "zave" => Variant::Zave,
        "published" => Variant::Published,
        _ => Variant::Corrected,
    })
}
