//! `tasks restart`: starts nodes again that are dead, with what they have on disk.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::causal;
use crate::cli;
use crate::cluster::Cluster;
use crate::converge::{Wait, converge, problems};
use crate::failure::FAILED;
use crate::printer::Printer;
use crate::restart::{self, Kept};
use crate::settings::Store;
use crate::table;

pub(super) async fn run(
    args: cli::Restart,
    cluster: &Cluster,
    printer: Printer,
) -> Result<ExitCode> {
    match args.node {
        node if cluster.network()?.settings.causal.is_some() => {
            of_shards(node.as_deref(), cluster, printer).await
        }
        None => all(cluster, printer).await,
        Some(node) => one(&node, cluster, printer).await,
    }
}

async fn all(cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let network = cluster.network()?;
    let is_kept = network.settings.store == Store::Disk;
    let bar = printer.progress(network.processes.len() as u64, "nodes that serve");
    let restarted = restart::all(cluster, &bar).await;
    bar.finish_and_clear();
    let (processes, ring) = restarted?;
    let ms = begun.elapsed().as_millis() as u64;
    let content = if is_kept { "kept" } else { "lost" };
    printer.document(&json!({
        "processes": processes, "ideal": ring.ideal, "content": content, "ms": ms,
    }))?;
    printer.line(table::processes(printer, &processes))?;
    printer.line(match is_kept {
        true => "All that they had on disk is served again.",
        false => {
            "What they held is lost: it was in memory (`tasks boot --store disk` keeps it on disk)."
        }
    })?;
    if ring.ideal {
        let nodes = table::nodes(ring.nodes.len());
        printer.line(format_args!(
            "An ideal {} of {nodes} after {ms} ms.",
            ring.kind()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    printer.note(format_args!(
        "not an ideal {} after {ms} ms:\n  {}",
        ring.kind(),
        problems(&ring)
    ));
    Ok(ExitCode::from(FAILED))
}

async fn one(node: &str, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let (process, kept) = restart::one(cluster, node).await?;
    // Others may join or die meanwhile, so that the ring is not ideal yet says nothing against this node: it
    // is a member and serves.
    let ring = converge(cluster, Wait::Changed).await?;
    let ms = begun.elapsed().as_millis() as u64;
    let content = match kept {
        Kept::Disk | Kept::HandedOver => "kept",
        Kept::Nothing => "lost",
    };
    printer.document(&json!({
        "processes": [process], "ideal": ring.ideal, "content": content, "ms": ms,
    }))?;
    let name = &process.name;
    printer.line(match kept {
        Kept::Disk => format!("{name} is back on its disk after {ms} ms"),
        Kept::HandedOver => {
            format!("{name} handed over what it held, and is back after {ms} ms")
        }
        Kept::Nothing => format!(
            "{name} is back after {ms} ms, and has what others gave it: what it held itself died with it"
        ),
    })?;
    if !ring.ideal {
        printer.note(format_args!(
            "the ring is not ideal yet:\n  {}",
            problems(&ring)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The same in a causal store.
async fn of_shards(node: Option<&str>, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let processes = match node {
        Some(node) => vec![causal::restart(cluster, node).await?],
        None => causal::restart_all(cluster).await?,
    };
    let ms = begun.elapsed().as_millis() as u64;
    let status = causal::status(cluster).await?;
    let is_kept = cluster.network()?.settings.store == Store::Disk;
    let content = if is_kept { "kept" } else { "lost" };
    printer.document(&json!({
        "processes": processes, "ideal": status.settled, "content": content, "ms": ms,
    }))?;
    printer.line(table::processes(printer, &processes))?;
    printer.line(match (node, is_kept) {
        (Some(_), _) => format!("It has all that its shard holds after {ms} ms."),
        (None, true) => format!("All that they had on disk is served again after {ms} ms."),
        (None, false) => {
            format!("They serve after {ms} ms; what they held was in memory, and is lost.")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
