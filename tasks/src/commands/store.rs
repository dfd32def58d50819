//! `tasks store`: stores a value under its own SHA-1.

use std::process::ExitCode;

use anyhow::Result;
use dht::id::Id;
use serde::Deserialize;
use serde_json::Value;

use crate::cli;
use crate::client::Call;
use crate::cluster::Cluster;
use crate::item::{bytes, shown};
use crate::nodeinfo::Peer;
use crate::printer::Printer;
use crate::ring::Names;
use crate::table;

/// What a node answers about a write. Also for other commands that write.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    pub(super) key: Id,
    pub(super) node: Peer,
    pub(super) hops: u64,
}

pub(super) async fn run(args: cli::Value, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let members = cluster.members(args.via.as_deref())?;
    let value = bytes(args.value);
    let what = shown(&value);
    let (answer, _) = cluster
        .client
        .ask_any(&members, &Call::store(value))
        .await?;
    let answer = answer.accepted()?;
    let written = answer.read()?;
    printer.document(&answer.read::<Value>()?)?;
    report(printer, cluster, &what, &written)?;
    Ok(ExitCode::SUCCESS)
}

/// Where something was written, for people.
pub(super) fn report(
    printer: Printer,
    cluster: &Cluster,
    what: &str,
    written: &Written,
) -> Result<()> {
    let network = cluster.network()?;
    let node = table::node(&written.node, &Names::of_processes(&network.processes));
    let (key, hops) = (table::key(written.key), written.hops);
    printer.line(format_args!(
        "stored `{what}` at {node}: {key}, hops {hops}"
    ))
}
