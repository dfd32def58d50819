//! The story of the hash table over memcached: servers on a ring by MurmurHash3, each with a node beside it that
//! knows which keys it holds. Servers go, come and die, and only what must move moves.

mod homes;
mod pair;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::client::Call;
use crate::commands::walkthrough::memcached::homes::{Homes, found};
use crate::commands::walkthrough::memcached::pair::{Addresses, Pair};
use crate::commands::walkthrough::stage::Stage;
use crate::item::key_path;
use crate::printer::Line;
use crate::table;

/// Tells it: 5 servers, 4, 5 again, and one of them dies.
pub(super) async fn play(stage: &mut Stage) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for logs")?;
    let mut free = Addresses::default();
    let mut pairs = boot(stage, &folder, &mut free).await?;
    store(stage, &pairs).await?;
    let booted = state(stage, "booted", &pairs).await?;
    read(stage, &pairs, Readers::InTurn).await?;

    let gone = pairs.remove(1);
    change(stage, &pairs[0], &Call::dismiss(&gone.name)).await?;
    let label = gone.label.clone();
    drop(gone);
    stage.say(format_args!(
        "\nRemove: {label} goes, and its node with it."
    ))?;
    let removed = state(stage, "removed", &pairs).await?;
    told_moves(
        stage,
        "removed",
        &label,
        booted.moves_without(&removed, &label)?,
    )?;
    read(stage, &pairs, Readers::InTurn).await?;

    let via = [pairs[0].address];
    let address = free.take()?;
    let new = Pair::start(&folder, &mut free, SERVERS + 1, address, &via)?;
    new.listens(&stage.cluster.client).await?;
    let address = new.address.to_string();
    change(stage, &pairs[0], &Call::admit(&new.name, &address)).await?;
    let label = new.label.clone();
    pairs.push(new);
    stage.say(format_args!("\nAdd: {label} comes, and takes its share."))?;
    let added = state(stage, "added", &pairs).await?;
    told_moves(
        stage,
        "added",
        &label,
        added.moves_without(&removed, &label)?,
    )?;
    read(stage, &pairs, Readers::InTurn).await?;

    let dead = &mut pairs[0];
    dead.kill_server()?;
    let owned = added.owned(&dead.label);
    stage.note("killed", json!({"server": dead.label, "owned": owned}));
    stage.say(format_args!(
        "\nKill: {} dies without a word; it owned {owned} keys, and others have copies.",
        dead.label
    ))?;
    read(stage, &pairs, Readers::All).await
}

async fn boot(stage: &mut Stage, folder: &TempDir, free: &mut Addresses) -> Result<Vec<Pair>> {
    let addresses = (0..SERVERS).map(|_| free.take());
    let addresses = addresses.collect::<Result<Vec<_>>>()?;
    let pairs = (1..).zip(&addresses);
    let pairs =
        pairs.map(|(number, address)| Pair::start(folder, free, number, *address, &addresses));
    let pairs = pairs.collect::<Result<Vec<_>>>()?;
    for pair in &pairs {
        pair.is_ready(&stage.cluster.client).await?;
    }
    stage.say(format_args!(
        "Boot: {SERVERS} memcached servers, each with {} positions on the ring and a node beside it.",
        homes::POSITIONS
    ))?;
    Ok(pairs)
}

/// Stores all keys, each by another node than the one before.
async fn store(stage: &mut Stage, pairs: &[Pair]) -> Result<()> {
    for (number, pair) in (0..KEYS).zip(pairs.iter().cycle()) {
        let call = Call::put(path(number)?, value(number).into());
        let answer = stage
            .cluster
            .client
            .ask(&pair.address.to_string(), &call)
            .await?;
        ensure!(
            answer.is_success(),
            "{} does not store {}: {}",
            pair.name,
            key(number),
            answer.complaint()
        );
    }
    stage.note("keys", KEYS);
    stage.say(format_args!(
        "Store: {KEYS} keys, {} copies of each: at the server that owns it and the next two.",
        homes::COPIES
    ))
}

/// Has a node change the list, and waits until it has.
async fn change(stage: &Stage, via: &Pair, call: &Call) -> Result<()> {
    let answer = stage
        .cluster
        .client
        .ask(&via.address.to_string(), call)
        .await?;
    ensure!(
        answer.is_success(),
        "{} does not change the list: {}",
        via.name,
        answer.complaint()
    );
    Ok(())
}

/// Shows what every server holds, which must be what the ring says.
async fn state(stage: &mut Stage, step: &str, pairs: &[Pair]) -> Result<Homes> {
    let homes = Homes::expected(pairs, (0..KEYS).map(key));
    if let Err(difference) = found(&stage.cluster.client, pairs, &homes).await {
        bail!("the servers do not hold what the ring says: {difference}");
    }
    let row = |pair: &Pair| {
        let (keys, owned) = (homes.kept(&pair.label), homes.owned(&pair.label));
        [
            pair.label.clone(),
            pair.name.clone(),
            keys.to_string(),
            owned.to_string(),
        ]
    };
    let rows: Vec<_> = pairs.iter().map(row).collect();
    stage.note(step, json!({ "servers": rows.iter().map(|[label, _, keys, owned]| {
        json!({"server": label, "keys": keys.parse::<u64>().ok(), "owned": owned.parse::<u64>().ok()})
    }).collect::<Vec<_>>() }));
    let rows = rows.into_iter().map(Line::from).collect();
    stage.say(
        stage
            .printer
            .table(&["server", "node", "keys", "owned"], rows),
    )?;
    Ok(homes)
}

fn told_moves(stage: &mut Stage, step: &str, server: &str, moved: usize) -> Result<()> {
    stage.note(&format!("moved_when_{step}"), moved);
    let kept = KEYS - moved;
    stage.say(format_args!(
        "Moved: {moved} keys, all of those that {server} keeps a copy of; the other {kept} stay."
    ))
}

/// Who is asked for the keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Each node for another key.
    InTurn,
    /// Every node for every key.
    All,
}

/// Reads all keys.
async fn read(stage: &mut Stage, pairs: &[Pair], readers: Readers) -> Result<()> {
    let mut reads = 0;
    for number in 0..KEYS {
        let call = Call::get(path(number)?);
        let asked = pairs.iter().cycle().skip(number);
        let asked = asked.take(if readers == Readers::All {
            pairs.len()
        } else {
            1
        });
        for pair in asked {
            let answer = stage
                .cluster
                .client
                .ask(&pair.address.to_string(), &call)
                .await?;
            ensure!(
                answer.is_success() && answer.body == value(number).as_bytes(),
                "{} does not find {}: {}",
                pair.name,
                key(number),
                answer.complaint()
            );
            reads += 1;
        }
    }
    let from = match readers {
        Readers::InTurn => "some node".to_owned(),
        Readers::All => format!("each of {}", table::nodes(pairs.len())),
    };
    stage.say(format_args!(
        "Read: all {KEYS} keys from {from}: {reads} reads, all found."
    ))
}

fn path(number: usize) -> Result<String> {
    key_path(key(number).as_bytes())
}

fn key(number: usize) -> String {
    format!("key-{number}")
}

fn value(number: usize) -> String {
    format!("value {number}")
}

const SERVERS: usize = 5;
const KEYS: usize = 50;
