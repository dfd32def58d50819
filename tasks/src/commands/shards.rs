//! `tasks shards`: a causally consistent store in shards of replicas, as another kind of network.

mod add_member;
mod boot;
mod load;
mod reshard;
pub(super) mod status;

use std::process::ExitCode;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::printer::Printer;

/// Arguments of `shards`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

/// What to do with the shards.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Start a store: nodes that know each other from the beginning, dealt to shards
    Boot(boot::Args),
    /// Show the shards: who is in them, how many keys they have, and whether a change is under way
    Status,
    /// Start one more node, and give it a place in a shard
    AddMember(add_member::Args),
    /// Divide nodes and keys into so many shards, at least two nodes each
    Reshard(reshard::Args),
    /// Put and get as fast as the nodes answer, and tell how fast that was
    Load(load::Args),
}

pub(super) async fn run(args: Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    match args.what {
        What::Boot(args) => boot::run(&args, cluster, printer).await,
        What::Status => status::run(cluster, printer).await,
        What::AddMember(args) => add_member::run(&args, cluster, printer).await,
        What::Reshard(args) => reshard::run(&args, cluster, printer).await,
        What::Load(args) => load::run(&args, cluster, printer).await,
    }
}
