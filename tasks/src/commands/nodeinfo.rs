//! `tasks nodeinfo`: shows what a node knows.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use crate::cli;
use crate::cluster::Cluster;
use crate::listed::{self, Listed};
use crate::nodeinfo::{NodeInfo, Peer};
use crate::printer::{Line, Printer, short};
use crate::ring::Names;
use crate::table;

pub(super) async fn run(
    args: cli::OptionalNode,
    cluster: &Cluster,
    printer: Printer,
) -> Result<ExitCode> {
    let network = cluster.network()?;
    let members = cluster.members(args.node.as_deref())?;
    let process = members.choose(&mut rand::rng());
    let process = process.expect("members are never none");
    let info = cluster.client.nodeinfo(&process.address).await;
    let mut info = info.map_err(|reason| anyhow!("{}: {reason}", process.name))?;
    if network.settings.is_listed() {
        info.listed = listed::look(&cluster.client, &process.address).await.ok();
    }
    printer.document(&info)?;
    let names = Names::of_processes(&network.processes);
    if let Some(listed) = &info.listed {
        return printer
            .line(holdings(&info, listed))
            .map(|()| ExitCode::SUCCESS);
    }
    printer.line(summary(&info, &names))?;
    printer.line(fingers(printer, &info, &names))?;
    Ok(ExitCode::SUCCESS)
}

fn summary(info: &NodeInfo, names: &Names) -> String {
    let node = |peer: &Peer| table::node(peer, names);
    let nobody = || "nobody".to_owned();
    let list: Vec<_> = info.successors.iter().map(node).collect();
    let serves = info.serves.iter().map(|range| {
        let (arc, epoch) = (range.arc(), range.epoch);
        format!("{arc} since epoch {epoch}")
    });
    let serves: Vec<_> = serves.collect();
    [
        ("name", info.name.clone()),
        ("address", info.address.clone()),
        ("identifier", info.id.to_string()),
        ("network", info.network.clone()),
        ("phase", info.phase.clone()),
        (
            "predecessor",
            info.predecessor.as_ref().map_or_else(nobody, node),
        ),
        ("successors", list.join(", ")),
        ("serves", serves.join(", ")),
        ("keys", info.keys.to_string()),
        ("memcached", said(info, "memcached")),
    ]
    .map(|(what, value)| format!("{what:<12}{value}"))
    .join("\n")
}

/// What a listed member holds.
fn holdings(info: &NodeInfo, listed: &Listed) -> String {
    let partitions = info
        .partitions
        .map(|count| ("partitions", count.to_string()));
    [
        ("name", info.name.clone()),
        ("address", info.address.clone()),
        ("identifier", info.id.to_string()),
        ("network", info.network.clone()),
        ("phase", info.phase.clone()),
        ("membership", said(info, "membership")),
        ("placement", said(info, "placement")),
        ("list", format!("version {}", listed.list.version)),
    ]
    .into_iter()
    .chain(partitions)
    .chain([
        ("keys", listed.here.keys.to_string()),
        ("owned", listed.here.owned.to_string()),
        ("strays", listed.here.strays.to_string()),
        ("memcached", said(info, "memcached")),
    ])
    .map(|(what, value)| format!("{what:<12}{value}"))
    .collect::<Vec<_>>()
    .join("\n")
}

/// What else a node says of itself, in a word.
fn said(info: &NodeInfo, field: &str) -> String {
    let text = info.more.get(field).and_then(Value::as_str);
    text.unwrap_or("–").to_owned()
}

fn fingers(printer: Printer, info: &NodeInfo, names: &Names) -> String {
    let row = |finger: &crate::nodeinfo::Finger| {
        let node = table::node(&finger.node, names);
        Line::from([short(finger.start), node, short(finger.node.id)])
    };
    let rows = info.fingers.iter().map(row).collect();
    printer.table(&["finger from", "node", "identifier"], rows)
}
