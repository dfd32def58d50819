//! `tasks shards boot`: starts a causal store.

use std::process::ExitCode;

use anyhow::Result;

use super::status::report;
use crate::causal;
use crate::cluster::Cluster;
use crate::printer::Printer;
use crate::settings::Store;

/// How many nodes, and how they are dealt.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many nodes
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=100))]
    nodes: u16,

    /// How many shards, at least two nodes each; 0: every node keeps everything
    #[arg(long, default_value_t = 2)]
    shards: u32,

    /// What keeps a node's content: memory, as long as it runs, or its data folder on disk
    #[arg(long, value_enum, default_value_t = Store::Disk)]
    store: Store,

    /// End the processes of an earlier network of this name first
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(args: &Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let nodes = args.nodes.into();
    causal::boot(cluster, nodes, args.shards, args.store, args.force).await?;
    report(cluster, printer).await
}
