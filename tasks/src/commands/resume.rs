//! `tasks resume`: lets a node go on that was paused.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::cli;
use crate::cluster::Cluster;
use crate::nodeinfo::peer_of;
use crate::printer::Printer;

pub(super) fn run(args: cli::Node, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let process = cluster.find_running(&args.node)?;
    let (name, pid) = (&process.name, process.pid);
    let was_paused = process.is_paused();
    let resumed = process.resume();
    if !resumed.with_context(|| format!("cannot resume {name} (process {pid})"))? {
        bail!("{name} has just ended: `tasks kill {name}` removes it from the network's state");
    }
    let ms = begun.elapsed().as_millis() as u64;
    let node = peer_of(&process);
    printer
        .document(&json!({ "node": node, "paused": false, "was_paused": was_paused, "ms": ms }))?;
    printer.line(match was_paused {
        true => format!("{name} goes on"),
        false => format!("{name} was not paused"),
    })?;
    Ok(ExitCode::SUCCESS)
}
