//! `tasks check`: every order of events of a small ring, of one group that keeps an arc, or of the replicas of a
//! causal store.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use indicatif::ProgressBar;
use sim::check::{
    CausalOptions, CausalReport, GroupOptions, GroupReport, LEGEND, Options, Order, Report,
    Variant, Violation, check, check_causal, check_group,
};

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
    /// Look at one group of three members that keep an arc, and not at a ring
    #[arg(long, conflicts_with_all = ["nodes", "successors", "variant", "in_flight", "reuse_ids",
        "false_suspicion", "content", "no_leaves", "identifiers", "lives"], group = "model")]
    group: bool,
    /// Look at three replicas of a causal store and three writes, and not at a ring
    #[arg(long, conflicts_with_all = ["nodes", "successors", "variant", "in_flight", "reuse_ids",
        "false_suspicion", "content", "no_leaves", "identifiers", "lives"], group = "model")]
    causal: bool,
    /// With --group: what clients write, all to one key
    #[arg(long, value_name = "N", default_value_t = 2, requires = "group", value_parser = few())]
    writes: u8,
    /// With --group: what clients read
    #[arg(long, value_name = "N", default_value_t = 0, requires = "group", value_parser = few())]
    reads: u8,
    /// With --group: how often a member that hears nothing of its leader ends the epoch
    #[arg(long, value_name = "N", default_value_t = 1, requires = "group", value_parser = few())]
    elections: u8,
    /// With --group or --causal: messages that get lost, as whoever asked notices; that any one may never arrive
    /// is looked at in any case
    #[arg(long, value_name = "N", default_value_t = 0, requires = "model", value_parser = few())]
    losses: u8,
    /// With --group: crashes of a member, which starts again on its store
    #[arg(long, value_name = "N", default_value_t = 0, requires = "group", value_parser = few())]
    crashes: u8,
    /// With --group: what arrives in the order in which it was sent: all that goes from one member to
    /// another, questions and their answers on the line of each asker, or nothing
    #[arg(long, default_value = "pair", requires = "group", value_parser = orders())]
    order: Order,
    /// States after which to give up; a million takes about 50 MB
    #[arg(long, value_name = "N", default_value_t = 50_000_000)]
    states_max: usize,
}

pub(super) async fn run(args: Args, printer: Printer) -> Result<ExitCode> {
    let is_complete = match (args.group, args.causal) {
        (_, true) => {
            let options = CausalOptions {
                losses: args.losses,
                states_max: args.states_max,
            };
            let report = until_interrupted(move |stop| {
                Ok(watched(stop, |progress| check_causal(&options, progress)))
            });
            let report = report.await?;
            printer.document(&report)?;
            show_causal(&report, printer)?;
            (report.complete, report.violations.is_empty())
        }
        (true, false) => {
            let options = args.group_options();
            let report = until_interrupted(move |stop| {
                Ok(watched(stop, |progress| check_group(&options, progress)))
            });
            let report = report.await?;
            printer.document(&report)?;
            show_group(&report, printer)?;
            (report.complete, report.violations.is_empty())
        }
        (false, false) => {
            let options = args.options();
            let report = until_interrupted(move |stop| {
                let report = watched(stop, |progress| check(&options, progress));
                report.map_err(|refused| Failure::Usage(refused.to_string()).into())
            });
            let report = report.await?;
            printer.document(&report)?;
            show(&report, printer)?;
            (report.complete, report.violations.is_empty())
        }
    };
    match is_complete {
        (true, _) => return Ok(ExitCode::SUCCESS),
        (false, true) => {
            printer.note("error: not all states were looked at, so nothing is shown");
        }
        (false, false) => {}
    }
    Ok(ExitCode::from(FAILED))
}

/// Shows how far a search has come, until it ends or is to stop.
fn watched<T>(
    stop: &AtomicBool,
    search: impl FnOnce(&mut dyn FnMut(usize, usize) -> bool) -> T,
) -> T {
    let start = Instant::now();
    let progress = ProgressBar::new_spinner();
    let found = search(&mut |states, depth| {
        let per_s = states as f64 / start.elapsed().as_secs_f64();
        progress.set_message(format!(
            "{states} states, {per_s:.0} a second, {depth} steps from the start"
        ));
        progress.tick();
        !stop.load(Ordering::Relaxed)
    });
    progress.finish_and_clear();
    found
}

fn show(report: &Report, printer: Printer) -> Result<()> {
    show_violations(&report.violations, LEGEND, printer)?;
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

fn show_group(report: &GroupReport, printer: Printer) -> Result<()> {
    show_violations(&report.violations, GROUP_LEGEND, printer)?;
    printer.line(format_args!(
        "{} states, {} transitions, {} steps deep, {:.1} s",
        report.states, report.transitions, report.depth, report.seconds
    ))?;
    printer.line(format_args!(
        "up to epoch {}, and up to {} writes acknowledged",
        report.epochs, report.acknowledged
    ))?;
    if report.complete {
        printer.line("all that must hold holds")?;
    }
    Ok(())
}

fn show_causal(report: &CausalReport, printer: Printer) -> Result<()> {
    show_violations(&report.violations, CAUSAL_LEGEND, printer)?;
    printer.line(format_args!(
        "{} states, {} transitions, {} steps deep, {:.1} s",
        report.states, report.transitions, report.depth, report.seconds
    ))?;
    if report.complete {
        printer.line("all that must hold holds")?;
    }
    Ok(())
}

fn show_violations(violations: &[Violation], legend: &str, printer: Printer) -> Result<()> {
    for violation in violations {
        printer.line(format_args!("violated: {}", violation.property))?;
        for (number, step) in violation.steps.iter().enumerate() {
            printer.line(format_args!("{number:>4}  {step}"))?;
        }
        printer.line(legend)?;
    }
    Ok(())
}

impl Args {
    fn group_options(&self) -> GroupOptions {
        GroupOptions {
            writes: self.writes,
            reads: self.reads,
            beats: 0,
            lapses: self.elections,
            losses: self.losses,
            crashes: self.crashes,
            order: self.order,
            states_max: self.states_max,
        }
    }

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

/// As many as a state has room for.
fn few() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=15)
}

fn orders() -> impl clap::builder::TypedValueParser<Value = Order> {
    PossibleValuesParser::new(["pair", "line", "any"]).map(|name| match name.as_str() {
        "line" => Order::Line,
        "any" => Order::Any,
        _ => Order::Pair,
    })
}

fn variants() -> impl clap::builder::TypedValueParser<Value = Variant> {
    PossibleValuesParser::new(["corrected", "zave", "published"]).map(|name| match name.as_str() {
        "zave" => Variant::Zave,
        "published" => Variant::Published,
        _ => Variant::Corrected,
    })
}

/// How states of a causal store are written.
const CAUSAL_LEGEND: &str = "each state: of the three replicas the last write of each writer that it shows, and what \
    is on its way between them";

/// How states of a group are written.
const GROUP_LEGEND: &str = "each state: of the three members the version that its store has, as epoch.sequence, \
    a number for all that it knows, and the epoch in which it serves";
