//! `tasks walkthrough`: tells one of the stories that this program grew out of, step by step, on real
//! processes, and checks each step.

pub(super) mod stage;

mod chord;
mod memcached;
mod partitions;
mod shards;
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
    /// A causally consistent store: six nodes in two shards, a death, a return, a late joiner, three shards
    Shards,
    /// A hash table over memcached: servers on a ring, 50 keys, one server goes, one comes, one dies
    Memcached,
    /// The lab's ring: boot, add, store, look up, leave; content passes on, and every state is shown
    Chord(chord::Args),
    /// A key-value store over ZeroMQ: a client spreads 1,000 keys over servers that come and go, by two rules
    #[command(name = "zeromq")]
    ZeroMq(zeromq::Args),
}

pub(super) async fn run(args: Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    match args.story {
        Story::Shards => Stage::play("shards", cluster, printer, shards::play).await,
        Story::Memcached => Stage::play("memcached", cluster, printer, memcached::play).await,
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
