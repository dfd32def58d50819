//! `tasks lookup`: finds a value that was stored under its own SHA-1.

use std::process::ExitCode;

use anyhow::Result;
use dht::id::Id;
use serde::Deserialize;
use serde_json::Value;

use crate::cli;
use crate::cluster::Cluster;
use crate::commands::missing;
use crate::item::{bytes, look_up_id, shown, value_path};
use crate::load::look_up_call;
use crate::nodeinfo::Peer;
use crate::printer::Printer;
use crate::ring::Names;
use crate::settings::routing_name;
use crate::table;

#[derive(Deserialize)]
struct Found {
    node: Option<Peer>,
    hops: Option<u64>,
}

pub(super) async fn run(
    args: cli::Lookup,
    cluster: &Cluster,
    printer: Printer,
) -> Result<ExitCode> {
    let network = cluster.network()?;
    let members = cluster.members(args.value.via.as_deref())?;
    let routing = args.routing.unwrap_or(network.settings.routing);
    let value = bytes(args.value.value);
    let key = Id::of(&value);
    let answer = match value_path(&value) {
        Some(_) => {
            let call = look_up_call(&value, routing);
            let (answer, _) = cluster.client.ask_any(&members, &call).await?;
            answer.accepted()?
        }
        None => look_up_id(&cluster.client, &members, key, routing_name(routing)).await?,
    };
    let (what, key) = (shown(&value), table::key(key));
    if answer.is_missing() {
        return missing(
            printer,
            &answer,
            format!("`{what}` is not stored here ({key})"),
        );
    }
    let Found { node, hops } = answer.read()?;
    printer.document(&answer.read::<Value>()?)?;
    let names = Names::of_processes(&network.processes);
    let node = node.map(|node| format!(" at {}", table::node(&node, &names)));
    let hops = hops.map(|hops| format!(", hops {hops}"));
    let (node, hops) = (node.unwrap_or_default(), hops.unwrap_or_default());
    printer.line(format_args!("found `{what}`{node}: {key}{hops}"))?;
    Ok(ExitCode::SUCCESS)
}
