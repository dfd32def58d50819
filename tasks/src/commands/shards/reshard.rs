//! `tasks shards reshard`: divides nodes and keys anew.

use std::process::ExitCode;

use anyhow::Result;

use super::status::report;
use crate::causal;
use crate::cluster::Cluster;
use crate::printer::Printer;

/// Into how many.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many shards there are to be
    #[arg(value_name = "N")]
    shards: u32,
}

pub(super) async fn run(args: &Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    causal::reshard(cluster, args.shards).await?;
    report(cluster, printer).await
}
