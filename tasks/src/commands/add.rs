//! `tasks add`: lets one more node join.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::cli;
use crate::cluster::Cluster;
use crate::commands::boot;
use crate::converge::{Wait, converge};
use crate::grow::{join, join_at};
use crate::printer::Printer;

pub(super) async fn run(args: cli::Add, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let via = args
        .via
        .map(|node| cluster.find_running(&node))
        .transpose()?;
    let process = match args.port {
        Some(port) => join_at(cluster, via.as_ref(), port).await?,
        None => join(cluster, via.as_ref()).await?,
    };
    // Others may join or die meanwhile, so that the ring is not ideal yet says nothing against
    // this node: it is a member and serves.
    let ring = converge(cluster, Wait::Changed).await?;
    boot::report(printer, &[process], &ring, begun)?;
    Ok(ExitCode::SUCCESS)
}
