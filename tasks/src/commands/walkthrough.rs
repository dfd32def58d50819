//! `tasks walkthrough`: tells one of the stories that this program grew out of, step by step, on real
//! processes, and checks each step.

pub(super) mod stage;

mod chord;
mod partitions;
mod zeromq;

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

    /// The lab's ring: boot, add, store, look up, leave; content passes on, and every state is shown
    Chord(chord::Args),

    /// A key-value store over ZeroMQ: a client spreads 1,000 keys over servers that come and go, by two rules
    #[command(name = "zeromq")]
    ZeroMq(zeromq::Args),
}

pub(super) async fn run(args: Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    match args.story {
        Story::Partitions => Stage::play("partitions", cluster, printer, partitions::play).await,
        Story::Chord(args) => {
            let story = async |stage: &mut Stage| chord::play(stage, args).await;
            Stage::play("chord", cluster, printer, story).await
        }
        Story::ZeroMq(args) => {
            let story = async |stage: &mut Stage| zeromq::play(stage, args).await;
            Stage::play("zeromq", cluster, printer, story).await
        }
    }
}
