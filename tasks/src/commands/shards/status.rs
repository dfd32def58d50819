//! `tasks shards status`: shows the shards of a causal store.

use std::process::ExitCode;

use anyhow::Result;

use crate::causal::{self, Status};
use crate::cluster::Cluster;
use crate::printer::{Line, Printer};
use crate::table::counted;

pub(super) async fn run(cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    report(cluster, printer).await
}

/// Tells how all is divided. Also for other commands that have changed it.
pub(super) async fn report(cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let status = causal::status(cluster).await?;
    printer.document(&status)?;
    printer.line(table(printer, &status))?;
    printer.line(verdict(&status))?;
    Ok(ExitCode::SUCCESS)
}

/// A shard a row.
pub(crate) fn table(printer: Printer, status: &Status) -> String {
    let row = |shard: &causal::Shard| {
        let members = shard.members.join(", ");
        let keys = shard.keys.map_or("?".to_owned(), |keys| keys.to_string());
        Line::from([shard.id.clone(), members, keys])
    };
    let rows = status.shards.iter().map(row).collect();
    printer.table(&["shard", "nodes", "keys"], rows)
}

fn verdict(status: &Status) -> String {
    let mut lines = Vec::new();
    if !status.waiting.is_empty() {
        let waiting = status.waiting.join(", ");
        lines.push(format!(
            "In no shard: {waiting} (`tasks shards add-member` starts one that is)."
        ));
    }
    if !status.dead.is_empty() {
        let dead = status.dead.join(", ");
        lines.push(format!(
            "Dead: {dead} (`tasks restart` starts a node again)."
        ));
    }
    let shards = counted(status.shards.len(), "shard");
    lines.push(match status.settled {
        true => format!("{shards}; everything is where it belongs."),
        false => format!("{shards}; content is on its way."),
    });
    lines.join("\n")
}
