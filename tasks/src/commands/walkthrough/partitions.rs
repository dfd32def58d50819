//! The story of the datastore with virtual nodes: a fixed number of partitions is dealt to the nodes, and moves
//! between them, one partition at a time and its keys with it, as nodes come and go.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, ensure};
use dht_state::Process;
use indicatif::ProgressBar;
use node::config::{Membership, Placement};
use rand::RngExt as _;
use serde_json::Value;

use crate::client::Call;
use crate::commands::leave::leave;
use crate::commands::users::User;
use crate::commands::walkthrough::stage::Stage;
use crate::converge::{Wait, converge, problems};
use crate::grow::join;
use crate::item::key_path;
use crate::load::store_all;
use crate::ring::{Report, look};
use crate::settings::{Settings, Store};
use crate::start::boot;
use crate::table;

/// Tells it: 4 nodes, 5, and 4 again.
pub(super) async fn play(stage: &mut Stage) -> Result<()> {
    let settings = Settings {
        membership: Membership::Static,
        placement: Some(Placement::Partitions),
        partitions: Some(PARTITIONS),
        replicas: 1,
        store: Store::Memory,
        ..Settings::default()
    };
    boot(&stage.cluster, NODES, &settings, false).await?;
    stage.say(format_args!(
        "Boot: {PARTITIONS} partitions, dealt to {NODES} nodes at random."
    ))?;
    store(stage).await?;
    state(stage, "booted", NODES).await?;
    read(stage).await?;

    let Process { name, .. } = join(&stage.cluster, None).await?;
    stage.say(format_args!(
        "\nAdd: {name} comes, and every old node gives it a fifth of its partitions."
    ))?;
    state(stage, "added", NODES + 1).await?;
    read(stage).await?;

    let leaver = first(stage)?;
    leave(&stage.cluster, &leaver).await?;
    stage.say(format_args!(
        "\nRemove: {} deals its partitions to the others, and goes.",
        leaver.name
    ))?;
    state(stage, "removed", NODES).await?;
    read(stage).await
}

/// Stores the users, each at some node, under their numbers.
async fn store(stage: &mut Stage) -> Result<()> {
    let members = stage.cluster.running()?;
    let users = (0..USERS).map(|id| User::made_up(id).put());
    let users: Vec<Call> = users.collect::<Result<_>>()?;
    let hidden = ProgressBar::hidden();
    let stored = store_all(&stage.cluster.client, &members, users.into_iter(), &hidden).await;
    if let Some(failure) = stored.failure {
        return Err(failure);
    }
    stage.note("users", USERS);
    stage.say(format_args!(
        "Store: {USERS} users under the keys 0 to {}; key n lies in partition n mod {PARTITIONS}.",
        USERS - 1
    ))
}

/// Shows what every node holds, which must be the same for all of them.
async fn state(stage: &mut Stage, step: &str, nodes: usize) -> Result<()> {
    let report = converge(&stage.cluster, Wait::Changed).await?;
    ensure!(
        report.ideal,
        "the nodes are not as the list says:\n  {}",
        problems(&report)
    );
    let network = stage.cluster.network()?;
    let members = look(&stage.cluster.client, &network).await;
    stage.say(table::ring(stage.printer, &members, "state", |_| {
        "alive".to_owned()
    }))?;
    let (partitions, keys) = shares(&report)?;
    let expected = (
        u64::from(PARTITIONS) / nodes as u64,
        u64::from(USERS) / nodes as u64,
    );
    ensure!(
        report.nodes.len() == nodes
            && partitions == [expected.0].into()
            && keys == [expected.1].into(),
        "{nodes} nodes should have {} partitions and {} keys each, and have {partitions:?} and {keys:?}",
        expected.0,
        expected.1
    );
    let (partitions, keys) = expected;
    stage.note(
        step,
        serde_json::json!({"nodes": nodes, "partitions_each": partitions, "keys_each": keys}),
    );
    stage.say(format_args!(
        "{nodes} nodes × {partitions} partitions × {keys} keys."
    ))
}

/// The different numbers of partitions and keys that nodes have.
fn shares(report: &Report) -> Result<(BTreeSet<u64>, BTreeSet<u64>)> {
    let partitions = report.nodes.iter().map(|info| info.partitions);
    let partitions = partitions.collect::<Option<BTreeSet<u64>>>();
    let partitions =
        partitions.ok_or_else(|| anyhow!("a node does not say which partitions it has"))?;
    Ok((
        partitions,
        report.nodes.iter().map(|info| info.keys).collect(),
    ))
}

/// Reads random users, each from a random node.
async fn read(stage: &Stage) -> Result<()> {
    let members = stage.cluster.running()?;
    for number in 0..READS {
        let id = rand::rng().random_range(0..USERS);
        let call = Call::get(key_path(id.to_string().as_bytes())?);
        let (answer, member) = stage.cluster.client.ask_any(&members, &call).await?;
        ensure!(
            answer.is_success(),
            "{} does not find user {id}",
            member.name
        );
        let user: Value = answer.read()?;
        ensure!(user["id"] == id, "user {id} is {user}");
        if number < SHOWN {
            let email = user["email"].as_str().unwrap_or_default();
            stage.say(format_args!(
                "Read: {} finds user {id}, {email}.",
                member.name
            ))?;
        }
    }
    stage.say(format_args!("Read: {READS} random users, all found."))
}

/// The first node that was started.
fn first(stage: &Stage) -> Result<Process> {
    let running = stage.cluster.running()?;
    let first = running
        .into_iter()
        .min_by_key(|process| process.incarnation);
    first.ok_or_else(|| anyhow!("no node is alive"))
}

const NODES: usize = 4;
/// Divided evenly by 4 and by 5.
const PARTITIONS: u16 = 200;
const USERS: u32 = 10_000;
const READS: usize = 100;
/// Of those that are read.
const SHOWN: usize = 3;
