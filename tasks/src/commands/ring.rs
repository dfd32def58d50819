//! `tasks ring`: shows the ring in order, and whether it is ideal.

use std::process::ExitCode;

use anyhow::Result;

use crate::client::nobody_answers;
use crate::cluster::Cluster;
use crate::commands::boot::survival;
use crate::failure::FAILED;
use crate::printer::Printer;
use crate::ring::{Member, Sight, check, look};
use crate::table;

pub(super) async fn run(cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let network = cluster.network()?;
    let members = look(&cluster.client, &network).await;
    let report = check(&members, &network.settings);
    if report.nodes.is_empty() {
        return Err(nobody_answers(members.len()));
    }
    printer.document(&report)?;
    printer.line(table::ring(printer, &members, "state", state))?;
    printer.line(table::verdict(&report))?;
    printer.line(survival(&network.settings, report.nodes.len()))?;
    Ok(if report.ideal {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

fn state(member: &Member) -> String {
    match &member.sight {
        Sight::Dead => "dead".to_owned(),
        Sight::Silent(_) => "silent".to_owned(),
        Sight::Answers(info) => info.phase.clone(),
    }
}
