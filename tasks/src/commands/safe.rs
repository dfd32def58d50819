//! `tasks safe`: whether a node may be stopped at this moment.
//!
//! Each group counts its own: where the members that have everything would be no majority without the
//! node, its arc could be neither read nor written until the node is back.

use std::process::ExitCode;

use anyhow::Result;
use dht::Id;
use serde_json::json;

use crate::causal;
use crate::cli;
use crate::client::nobody_answers;
use crate::cluster::Cluster;
use crate::failure::FAILED;
use crate::nodeinfo::NodeInfo;
use crate::printer::Printer;
use crate::ring::{check, look};

pub(super) async fn run(args: cli::Node, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let process = cluster.find(&args.node)?;
    let network = cluster.network()?;
    if network.settings.causal.is_some() {
        let status = causal::status(cluster).await?;
        return tell(
            &process.name,
            &status.reasons_to_wait(&process.name),
            printer,
        );
    }
    let members = look(&cluster.client, &network).await;
    let report = check(&members, &network.settings);
    if report.nodes.is_empty() {
        return Err(nobody_answers(members.len()));
    }
    let name = &process.name;
    let id: Id = process.id.parse()?;
    let reasons = match network.settings.replicas {
        1 => vec![format!(
            "there is one copy of the content: `tasks leave {name}` hands it over first"
        )],
        _ if network.settings.is_listed() => report.problems.clone(),
        _ => reasons(id, &report.nodes),
    };
    tell(name, &reasons, printer)
}

fn tell(name: &str, reasons: &[String], printer: Printer) -> Result<ExitCode> {
    let safe = reasons.is_empty();
    printer.document(&json!({ "safe": safe, "reasons": reasons }))?;
    if safe {
        printer.line(format!(
            "{name} may be stopped: what it keeps is read and written without it"
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    printer.line(format!("{name} should not be stopped now:"))?;
    for reason in reasons {
        printer.line(format!("  {reason}"))?;
    }
    Ok(ExitCode::from(FAILED))
}

/// Every arc that would be without a majority, by what the leaders of groups know.
fn reasons(id: Id, nodes: &[NodeInfo]) -> Vec<String> {
    let mut reasons = Vec::new();
    for node in nodes {
        for group in node.groups.iter().filter(|group| {
            let is_led_here = group.leader.id == node.id;
            is_led_here && group.members.iter().any(|member| member.id == id)
        }) {
            let left = group.synced.iter().filter(|synced| **synced != id).count();
            let (all, arc) = (group.members.len(), group.range.arc());
            let quorum = all / 2 + 1;
            if left < quorum {
                reasons.push(format!(
                    "{arc} would have {left} of {all} members, and needs {quorum}"
                ));
            }
        }
    }
    // What the node belongs to and nobody leads could be neither read nor written even now.
    let own = nodes
        .iter()
        .filter(|node| node.id == id)
        .flat_map(|node| &node.groups);
    for group in own {
        let arc = group.range.arc();
        let is_led = nodes.iter().any(|node| {
            let serves = node.serves.iter();
            serves
                .map(|range| range.arc())
                .any(|served| served.covers(arc))
        });
        if !is_led {
            reasons.push(format!("{arc} is led by nobody at this moment"));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(synced: &[&str]) -> NodeInfo {
        let id = |text: &str| Id::of(text.as_bytes());
        let peer = |text: &str| json!({"id": id(text), "address": text, "incarnation": 1});
        let arc = json!({"start": id("c"), "end": id("a"), "epoch": 3});
        let members: Vec<_> = ["a", "b", "c"].into_iter().map(peer).collect();
        let synced: Vec<Id> = synced.iter().map(|text| id(text)).collect();
        serde_json::from_value(json!({
            "name": "a", "id": id("a"), "address": "a", "network": "default",
            "predecessor": null, "successor": null, "successors": [], "fingers": [], "keys": 0,
            "ownership": "successor", "phase": "member", "handover": null, "serves": [arc],
            "groups": [{
                "start": id("c"), "end": id("a"), "epoch": 3, "leader": peer("a"),
                "members": members, "synced": synced,
            }],
        }))
        .expect("as nodes say it")
    }

    #[test]
    fn one_of_three_that_have_everything_may_be_stopped() {
        let nodes = [node(&["a", "b", "c"])];
        for name in ["a", "b", "c"] {
            assert_eq!(reasons(Id::of(name.as_bytes()), &nodes), [""; 0]);
        }
    }

    #[test]
    fn one_of_two_that_have_everything_may_not() {
        let nodes = [node(&["a", "b"])];
        for (name, safe) in [("a", false), ("b", false), ("c", true), ("d", true)] {
            let reasons = reasons(Id::of(name.as_bytes()), &nodes);
            assert_eq!(reasons.is_empty(), safe, "{name}: {reasons:?}");
        }
    }

    #[test]
    fn what_nobody_leads_is_a_reason_to_wait() {
        let mut nodes = [node(&["a", "b", "c"])];
        nodes[0].serves.clear();
        let reasons = reasons(Id::of(b"a"), &nodes);
        assert!(reasons[0].contains("led by nobody"), "{reasons:?}");
    }
}
