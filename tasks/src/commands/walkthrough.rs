//! `tasks walkthrough`: tells one of the stories that this program grew out of, step by step, on real
//! processes, and checks each step.

pub(super) mod stage;

mod partitions;

use std::process::ExitCode;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::commands::walkthrough::stage::Stage;
use crate::printer::Printer;

/// Arguments of `walkthrough`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    story: Story,
}

/// What can be told.
#[derive(Debug, clap::Subcommand)]
enum Story {
    /// A datastore with virtual nodes: 200 partitions and 10,000 users on 4 nodes, then 5, then 4 again
    Partitions,
}

pub(super) async fn run(args: Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    match args.story {
        Story::Partitions => Stage::play("partitions", cluster, printer, partitions::play).await,
    }
}
