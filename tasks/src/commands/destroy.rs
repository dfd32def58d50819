//! `tasks destroy`: ends the network and removes its data, logs and state.

use std::io::{IsTerminal as _, Write as _, stderr, stdin};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::cli;
use crate::cluster::{Cluster, Network, end};
use crate::printer::Printer;
use crate::table;

pub(super) fn run(args: cli::Destroy, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    if !cluster.folder.exists() {
        return Err(cluster.no_network());
    }
    if !args.yes && stdin().is_terminal() && !confirmed(cluster)? {
        printer.note("nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    let begun = Instant::now();
    let ended = destroy(cluster)?;
    let ms = begun.elapsed().as_millis() as u64;
    let folder = cluster.folder.path();
    printer.document(&json!({ "ended": ended, "removed": folder, "ms": ms }))?;
    let nodes = table::nodes(ended.len());
    printer.line(format_args!(
        "ended {nodes} and removed {}",
        folder.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Ends all processes of the network and removes its folder. Returns the names of those that were
/// alive.
pub(super) fn destroy(cluster: &Cluster) -> Result<Vec<String>> {
    let locked = cluster.folder.lock()?;
    let network: Option<Network> = locked.read()?;
    let ended = end(&network.map(|network| network.processes).unwrap_or_default())?;
    locked.destroy()?;
    Ok(ended)
}

fn confirmed(cluster: &Cluster) -> Result<bool> {
    let name = cluster.folder.network();
    let folder = cluster.folder.path().display();
    write!(
        stderr(),
        "End the network `{name}` and remove {folder}? [y/N] "
    )
    .context("cannot ask on this terminal")?;
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    read.context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
