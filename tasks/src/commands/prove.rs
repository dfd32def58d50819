//! `tasks prove`: puts a network to the proof: clients work, things are broken, and in the end it is
//! judged whether anything that was acknowledged is lost.
//!
//! One run is a [`trial`] on some [`ground`]: [`load`] is what clients do, [`faults`] what is broken,
//! [`record`] what is written down of both, and [`proof`] what is to be said of it; [`sim::history`] judges.

mod answers;
mod faults;
mod files;
mod ground;
mod load;
mod partition;
mod proof;
mod record;
mod told;
mod trial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use rand::RngExt as _;
use serde_json::json;

use crate::cli::Place;
use crate::cluster::Cluster;
use crate::failure::{FAILED, Failure};
use crate::interrupt::interrupted;
use crate::printer::Printer;
use crate::settings::{Settings, Store};
use faults::Kind;
use ground::Ground;
use proof::{NOTHING_LOST, Proof};
use told::tell;
use trial::Trial;

/// Arguments of `prove`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many nodes the network has that is booted for this, 2 to 100
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=100))]
    nodes: u32,
    /// How long clients work, 1 to 86400
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// How many clients, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    clients: u32,
    /// What is broken, one thing at a time: kill, pause, join, leave, partition (nothing passes between two
    /// parts of the nodes for 5 to 45 seconds); with disks also restart (one is killed and starts again) and
    /// stop (so are all at once); or none [default: kill,pause,join,leave; with --network join and leave, of
    /// nodes that join for this]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = Kind::parse_typed)]
    faults: Option<Vec<Typed>>,
    /// Where all chance comes from [default: a random one, which is printed]
    #[arg(long, value_name = "SEED", value_parser = clap::value_parser!(u64).range(..=1 << 63))]
    seed: Option<u64>,
    /// How many times in a row, each with the seed after the last one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Folder for the pictures and numbers, and for the histories and logs of what went wrong
    #[arg(long, value_name = "DIR", default_value = "prove")]
    to: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

/// A word of `--faults`: a kind of fault, or nothing for `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Typed(Option<Kind>);

impl Kind {
    fn parse_typed(word: &str) -> Result<Typed, String> {
        Kind::parse(word).map(Typed)
    }
}

pub(super) async fn run(args: Args, place: &Place, printer: Printer) -> Result<ExitCode> {
    let running = || match place.network {
        Some(_) => Cluster::at(place).map(Some),
        None => Ok(None),
    };
    let cluster = running()?;
    args.check(cluster.as_ref())?;
    if let Some(cluster) = &cluster
        && args.kinds(true).contains(&Kind::Partition)
    {
        partition::check(cluster).await?;
    }
    files::check(&args.to)?;
    let seed = args
        .seed
        .unwrap_or_else(|| rand::rng().random_range(1..1_000_000));
    let mut proofs = Vec::new();
    for run in 0..u64::from(args.runs) {
        let ground = match running()? {
            Some(cluster) => Ground::running(cluster)?,
            None => Ground::own()?,
        };
        let trial = Trial {
            args: &args,
            seed: seed + run,
            printer,
            ground: &ground,
        };
        let tried = tokio::select! {
            // First, so that signals are listened to before the first process is started.
            biased;
            () = interrupted() => Err(anyhow!("interrupted: nothing is proven")),
            tried = trial.go() => tried,
        };
        let tidied = ground.tidy().await;
        let mut proof = tried.with_context(|| format!("the run with seed {}", seed + run))?;
        tidied?;
        keep(&ground, &args.to, &mut proof)?;
        if args.runs > 1 || !printer.is_json() {
            tell(&proof, printer)?;
        }
        proofs.push(proof);
    }
    conclude(&proofs, printer)
}

/// All runs in one document, or in a line; and whether they are good.
fn conclude(proofs: &[Proof], printer: Printer) -> Result<ExitCode> {
    let bad: Vec<u64> = proofs
        .iter()
        .filter(|proof| !proof.is_good())
        .map(|proof| proof.seed)
        .collect();
    let sum = |of: fn(&Proof) -> usize| proofs.iter().map(of).sum::<usize>();
    match proofs {
        [proof] => printer.document(proof)?,
        _ => {
            let verdict = if bad.is_empty() { NOTHING_LOST } else { "lost" };
            printer.document(&json!({
                "runs": proofs, "bad_seeds": bad, "verdict": verdict,
                "acknowledged": sum(|proof| proof.acknowledged),
                "lost": sum(|proof| proof.lost.len()),
                "stale_reads": sum(|proof| proof.stale_reads),
                "non_monotonic_reads": sum(|proof| proof.non_monotonic_reads),
                "linearizability_violations": sum(|proof| proof.linearizability_violations),
            }))?;
            printer.line(format_args!(
                "{} runs, {} with losses; in all {} changes acknowledged, {} keys lost, {} stale reads, \
                 {} reads that went back in time, {} keys whose answers no order explains.",
                proofs.len(),
                bad.len(),
                sum(|proof| proof.acknowledged),
                sum(|proof| proof.lost.len()),
                sum(|proof| proof.stale_reads),
                sum(|proof| proof.non_monotonic_reads),
                sum(|proof| proof.linearizability_violations),
            ))?;
        }
    }
    Ok(match bad.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

impl Args {
    /// Makes sure that it makes sense before anything is started.
    fn check(&self, running: Option<&Cluster>) -> Result<()> {
        let typed = self.faults.iter().flatten();
        if typed.clone().any(|word| word.0.is_none()) && typed.count() > 1 {
            return Err(usage("--faults none stands alone"));
        }
        let kinds = self.kinds(running.is_some());
        let (count, settings) = match running {
            Some(cluster) => (cluster.running()?.len(), cluster.network()?.settings),
            None => (self.nodes as usize, self.settings.clone()),
        };
        let has_disks = settings.replicas > 1 && settings.store == Store::Disk;
        if let Some(kind) = kinds.iter().find(|kind| kind.needs_disks() && !has_disks) {
            return Err(usage(format!(
                "{kind} loses what is not on disk: give the network disks (--replicas 3 --store disk, as by default), or \
                 leave {kind} out"
            )));
        }
        if kinds.iter().any(|kind| kind.is_death()) && settings.failures_survived(count) == 0 {
            let least = usize::from(settings.successors) + 2;
            return Err(usage(format!(
                "a ring of {count} nodes may not survive a death: give it {least} (--nodes {least}), \
                 or leave kill and restart out (--faults pause,join,leave)"
            )));
        }
        Ok(())
    }

    fn kinds(&self, is_running: bool) -> Vec<Kind> {
        let mut kinds = match (&self.faults, is_running) {
            (Some(typed), _) => typed.iter().filter_map(|word| word.0).collect(),
            (None, true) => vec![Kind::Join, Kind::Leave],
            (None, false) => vec![Kind::Kill, Kind::Pause, Kind::Join, Kind::Leave],
        };
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// Writes the picture and the numbers, and what shows what went wrong.
fn keep(ground: &Ground, folder: &Path, proof: &mut Proof) -> Result<()> {
    files::write(folder, proof)?;
    if !proof.guilty.is_empty() {
        let logs = folder.join(format!("seed-{}-logs", proof.seed));
        ground.keep_logs(&logs)?;
    }
    Ok(())
}

fn usage(text: impl Into<String>) -> anyhow::Error {
    Failure::Usage(text.into()).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(line: &str) -> Result<Args, clap::Error> {
        let cli = Cli::try_parse_from(line.split_whitespace())?;
        let Command::Prove(args) = cli.command else {
            panic!("it is prove");
        };
        Ok(*args)
    }

    #[test]
    fn faults_are_typed_as_a_list() {
        let all = [Kind::Kill, Kind::Pause, Kind::Join, Kind::Leave];
        let kinds = |line| args(line).expect(line).kinds(false);
        assert_eq!(kinds("tasks prove"), all);
        assert_eq!(kinds("tasks prove --faults leave,join,leave"), all[2..]);
        assert_eq!(kinds("tasks prove --faults none"), []);
        let running = args("tasks prove --network lab").expect("good");
        assert_eq!(running.kinds(true), all[2..]);
        let parted = args("tasks prove --faults partition").expect("good");
        assert_eq!(parted.kinds(true), [Kind::Partition]);
        let refused = args("tasks prove --faults flood").expect_err("there is none");
        assert!(refused.to_string().contains("partition"), "{refused}");
    }

    #[test]
    fn a_ring_that_may_not_survive_a_death_is_refused_with_the_way_out() {
        let checked = |line| args(line).expect(line).check(None);
        let refused = checked("tasks prove --nodes 5").expect_err("too few");
        assert!(refused.to_string().contains("--nodes 6"), "{refused}");
        checked("tasks prove --nodes 6").expect("enough");
        checked("tasks prove --nodes 5 --faults pause,join,leave").expect("enough");
        checked("tasks prove --nodes 4 --successors 2").expect("enough for short lists");
        checked("tasks prove --faults none,kill").expect_err("it is one or the other");
    }
}
