//! `tasks reboot`: kills all nodes and starts as many new ones with the same settings.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::cluster::Cluster;
use crate::commands::boot;
use crate::printer::Printer;

pub(super) async fn run(cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let network = cluster.network()?;
    if network.processes.is_empty() {
        return Err(cluster.no_network());
    }
    let args = cli::Boot {
        nodes: network.processes.len().try_into()?,
        force: true,
        settings: network.settings,
    };
    boot::run(args, cluster, printer).await
}
