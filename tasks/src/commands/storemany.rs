//! `tasks storemany`: stores many values made of random words.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use dht_state::Process;
use serde_json::json;

use crate::cli;
use crate::client::Call;
use crate::cluster::Cluster;
use crate::failure::FAILED;
use crate::load::{Stored, store_all};
use crate::printer::Printer;
use crate::ring::Names;
use crate::words::values;

pub(super) async fn run(
    args: cli::StoreMany,
    cluster: &Cluster,
    printer: Printer,
) -> Result<ExitCode> {
    let network = cluster.network()?;
    let members = cluster.members(args.via.as_deref())?;
    let values = values(args.count as usize);
    let progress = printer.progress(args.count.into(), "storing");
    let begun = Instant::now();
    let stores = values.iter().map(|value| Call::store(value.as_str()));
    let outcome = store_all(&cluster.client, &members, stores, &progress).await;
    progress.finish_and_clear();
    report(outcome, "values", begun, &network.processes, printer)
}

/// Tells how many of `what` were stored since `begun`, and where. Errors: none was.
pub(super) fn report(
    outcome: Stored,
    what: &str,
    begun: Instant,
    processes: &[Process],
    printer: Printer,
) -> Result<ExitCode> {
    let ms = begun.elapsed().as_millis() as u64;
    let (stored, failed) = (outcome.count(), outcome.failed);
    if stored == 0
        && let Some(failure) = outcome.failure
    {
        return Err(failure);
    }
    let names = Names::of_processes(processes);
    let per_node = outcome.per_node.values();
    let per_node: BTreeMap<_, _> = per_node
        .map(|(node, count)| (names.of_peer(node), *count))
        .collect();
    printer.document(&json!({
        "stored": stored, "failed": failed, "per_node": per_node, "ms": ms,
    }))?;
    let rows = per_node
        .iter()
        .map(|(node, count)| [(*node).to_owned(), count.to_string()].into());
    printer.line(printer.table(&["node", "stored there"], rows.collect()))?;
    let per_second = stored * 1_000 / ms.max(1);
    printer.line(format_args!(
        "{stored} {what} stored in {ms} ms: {per_second} a second."
    ))?;
    if let Some(failure) = outcome.failure {
        printer.note(format_args!(
            "error: {failed} were not stored; the first: {failure:#}"
        ));
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::SUCCESS)
}
