//! `tasks kill`: kills a node as a power failure would.

use std::process::ExitCode;
use std::slice;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::cli;
use crate::cluster::{Cluster, end};
use crate::listed;
use crate::nodeinfo::peer_of;
use crate::printer::Printer;

pub(super) async fn run(args: cli::Node, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let process = cluster.find(&args.node)?;
    let settings = cluster.network()?.settings;
    let has_copies = settings.replicas > 1;
    let was_alive = !end(slice::from_ref(&process))?.is_empty();
    let comes_back = was_alive && settings.causal.is_some();
    if !comes_back {
        cluster.forget(&process.name)?;
    }
    listed::dismiss(cluster, &settings, &process.name).await?;
    let node = peer_of(&process);
    let name = process.name;
    let ms = begun.elapsed().as_millis() as u64;
    printer.document(&json!({ "node": node, "moved": 0, "ms": ms }))?;
    printer.line(if comes_back {
        format!("{name} is dead; its shard goes on without it, and `tasks restart {name}` brings it back")
    } else if was_alive && has_copies {
        format!("{name} is dead; others have copies of what it held, and make new ones")
    } else if was_alive {
        format!("{name} is dead, and what it held is lost: there was one copy")
    } else {
        format!("{name} was dead already; it is removed from the network's state")
    })?;
    Ok(ExitCode::SUCCESS)
}
