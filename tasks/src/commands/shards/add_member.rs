//! `tasks shards add-member`: one more node in a shard.

use std::process::ExitCode;

use anyhow::Result;

use super::status::report;
use crate::causal;
use crate::cluster::Cluster;
use crate::printer::Printer;

/// Which shard.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shard that it is to belong to [default: one that has the fewest nodes]
    #[arg(value_name = "SHARD")]
    shard: Option<String>,
}

pub(super) async fn run(args: &Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    causal::add_member(cluster, args.shard.as_deref()).await?;
    report(cluster, printer).await
}
