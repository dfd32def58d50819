//! The story of the datastore with virtual nodes: partitions in a fixed number move between nodes, and
//! every key with its partition.

use anyhow::Result;

use crate::commands::walkthrough::stage::Stage;

/// Tells it.
pub(super) async fn play(stage: &mut Stage) -> Result<()> {
    stage.say("Partitions: 200.")
}
