//! Shards: the processes of a causally consistent store, and what they say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use dht_state::Process;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{Answer, Call, segment};
use crate::cluster::{Cluster, Network};
use crate::failure::Failure;
use crate::restart::{check, stop};
use crate::settings::{Founding, Settings, Store};
use crate::spawn::{Berth, Fate, Spawned, Way};
use crate::start::{found, wait};

/// How a store is divided, as its nodes tell it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// Whether everything is where it belongs.
    pub(crate) settled: bool,
    /// In the order of their identifiers.
    pub(crate) shards: Vec<Shard>,
    /// Nodes that live, and belong to no shard.
    pub(crate) waiting: Vec<String>,
    /// Nodes that are dead.
    pub(crate) dead: Vec<String>,
}

/// One shard.
#[derive(Debug, Serialize)]
pub(crate) struct Shard {
    pub(crate) id: String,
    /// Names of its nodes.
    pub(crate) members: Vec<String>,
    /// How many keys it has; nothing where none of its nodes answers.
    pub(crate) keys: Option<u64>,
}

/// `GET /shard/status`.
#[derive(Debug, Deserialize)]
struct Told {
    settled: bool,
    shards: BTreeMap<String, Vec<String>>,
}

/// `GET /shard/key-count/<id>`.
#[derive(Debug, Deserialize)]
struct Counted {
    #[serde(rename = "shard-key-count")]
    keys: u64,
}

/// Starts a store of `count` nodes, in place of what the network was. Errors: its processes are still alive,
/// unless it is `forced` to end them first; there are fewer than two nodes for each shard.
pub(crate) async fn boot(
    cluster: &Cluster,
    count: usize,
    shards: u32,
    store: Store,
    forced: bool,
) -> Result<()> {
    let needed = u64::from(shards) * MEMBERS_MIN;
    if (count as u64) < needed {
        let text =
            format!("{shards} shards need {needed} nodes: each has to survive the loss of one");
        return Err(Failure::Usage(text).into());
    }
    let plan = |berths: &[Berth]| {
        let founding = Founding {
            nodes: berths.iter().map(|berth| berth.address()).collect(),
            shards: Some(shards).filter(|shards| *shards > 0),
        };
        let way = founding.way();
        (Settings::causal(store, founding), way)
    };
    found(cluster, count, forced, plan).await?;
    Ok(())
}

/// Starts one more node, and gives it a place in a shard, or in the one that has the fewest. Errors: there is no
/// such shard, or none at all.
pub(crate) async fn add_member(cluster: &Cluster, shard: Option<&str>) -> Result<Process> {
    let status = status(cluster).await?;
    let smallest = status.shards.iter().min_by_key(|shard| shard.members.len());
    let shard = match (shard, smallest) {
        (_, None) => {
            bail!("the store is not divided into shards: `tasks shards reshard` does that")
        }
        (None, Some(shard)) => shard.id.as_str(),
        (Some(asked), _) => asked,
    };
    if !status.shards.iter().any(|known| known.id == shard) {
        return Err(Failure::NotFound(format!("there is no shard {shard}")).into());
    }
    let node = start_another(cluster)?;
    // Without a place it is not ready, and stays so.
    if let Err(refusal) = place(cluster, &node.process, shard).await {
        let name = node.process.name.clone();
        node.undo();
        cluster.forget(&name)?;
        return Err(refusal);
    }
    ready(cluster, node).await
}

/// Has the others give a node that has just been started its place. Errors: what they say against it.
async fn place(cluster: &Cluster, process: &Process, shard: &str) -> Result<()> {
    let path = format!("/shard/add-member/{}", segment(shard.as_bytes()));
    let body = json!({"socket-address": process.address});
    let mut others = cluster.running()?;
    others.retain(|other| other.name != process.name);
    arrange(cluster, &others, &path, &body).await
}

/// Has one of these nodes change who belongs where. Returns when it is done, or goes on by itself. Errors: what
/// the node says against it.
async fn arrange(cluster: &Cluster, nodes: &[Process], path: &str, body: &Value) -> Result<()> {
    let call = Call::json(reqwest::Method::PUT, path, body).patient();
    let deadline = Instant::now() + MET_MAX;
    loop {
        let (answer, _) = cluster.client.ask_any(nodes, &call).await?;
        match answer.status {
            // It may not have met whom this is about yet, or be busy with another change.
            404 | 409 if Instant::now() < deadline => sleep(PAUSE).await,
            // It goes on, however long it takes.
            504 => return Ok(()),
            _ if answer.is_success() => return Ok(()),
            _ => bail!(answer.complaint()),
        }
    }
}

/// Waits until a node listens and has all that its shard holds. Errors: it does not get there; it may still run.
async fn ready(cluster: &Cluster, node: Spawned) -> Result<Process> {
    let mut nodes = vec![node];
    match wait(cluster, &mut nodes, &ProgressBar::hidden()).await? {
        None => Ok(nodes.remove(0).process),
        Some(Fate::Died(error)) => Err(error),
        Some(_) => bail!("another program took a port meanwhile: try again"),
    }
}

/// Divides nodes and keys into so many shards. Errors: there are too few nodes; another change takes long.
pub(crate) async fn reshard(cluster: &Cluster, shards: u32) -> Result<()> {
    store(cluster)?;
    let body = json!({"shard-count": shards});
    arrange(cluster, &cluster.running()?, "/shard/reshard", &body).await
}

/// How the store is divided, and who is dead.
pub(crate) async fn status(cluster: &Cluster) -> Result<Status> {
    let network = store(cluster)?;
    let told: Told = ask(cluster, Call::get("/shard/status")).await?.read()?;
    let names: BTreeMap<&str, &str> = network
        .processes
        .iter()
        .map(|process| (process.address.as_str(), process.name.as_str()))
        .collect();
    let name = |address: &String| {
        let known = names.get(address.as_str());
        known.map_or_else(|| address.clone(), |name| (*name).to_owned())
    };
    let mut shards = Vec::new();
    for (id, members) in &told.shards {
        let path = format!("/shard/key-count/{id}");
        let counted = ask(cluster, Call::get(path)).await;
        let keys = counted.and_then(|answer| answer.read::<Counted>());
        shards.push(Shard {
            id: id.clone(),
            members: members.iter().map(name).collect(),
            keys: keys.ok().map(|counted| counted.keys),
        });
    }
    shards.sort_by_key(|shard| shard.id.parse::<u32>().ok());
    let seated: BTreeSet<&String> = told.shards.values().flatten().collect();
    let (alive, dead): (Vec<_>, Vec<_>) = network
        .processes
        .iter()
        .partition(|process| process.is_running());
    let waiting = alive
        .into_iter()
        .filter(|process| !shards.is_empty() && !seated.contains(&process.address));
    Ok(Status {
        settled: told.settled,
        waiting: waiting.map(|process| process.name.clone()).collect(),
        dead: dead
            .into_iter()
            .map(|process| process.name.clone())
            .collect(),
        shards,
    })
}

/// Asks any node that lives. Errors: what it says against it.
pub(crate) async fn ask(cluster: &Cluster, call: Call) -> Result<Answer> {
    store(cluster)?;
    let members = cluster.running()?;
    let (answer, _) = cluster.client.ask_any(&members, &call).await?;
    match answer.is_success() {
        true => Ok(answer),
        false => Err(anyhow!(answer.complaint())),
    }
}

/// The network, if it is a causal store.
pub(crate) fn store(cluster: &Cluster) -> Result<Network> {
    let network = cluster.network()?;
    match &network.settings.causal {
        Some(_) => Ok(network),
        None => bail!(
            "the network `{}` is no causal store: `tasks shards boot --network NAME` starts one",
            network.network
        ),
    }
}

/// Starts a node again while others go on, and waits until it has all that its shard holds. One that is alive is
/// stopped first. Errors: [`Failure::NotFound`]; it ended at its start.
pub(crate) async fn restart(cluster: &Cluster, node: &str) -> Result<Process> {
    let process = cluster.find(node)?;
    stop(&process).await?;
    ready(cluster, start_again(cluster, &process.name)?).await
}

/// Starts all nodes again, none of which is alive. Errors: some are alive, or a data folder is gone: nothing was
/// started. One ended at its start: all were ended again.
pub(crate) async fn restart_all(cluster: &Cluster) -> Result<Vec<Process>> {
    let network = store(cluster)?;
    check(&network)?;
    let mut nodes = Vec::new();
    let mut start = || {
        for process in &network.processes {
            nodes.push(start_again(cluster, &process.name)?);
        }
        Ok(())
    };
    let started: Result<()> = start();
    let fate = match started {
        Ok(()) => wait(cluster, &mut nodes, &ProgressBar::hidden()).await,
        Err(error) => Ok(Some(Fate::Died(error))),
    };
    let error = match fate {
        Ok(None) => return Ok(nodes.into_iter().map(|node| node.process).collect()),
        Ok(Some(Fate::Died(error))) | Err(error) => error,
        Ok(Some(_)) => anyhow!("another program took a port meanwhile: try again"),
    };
    nodes.into_iter().for_each(Spawned::undo);
    Err(error)
}

/// Makes sure that the network is no causal store. `instead`: what does this there.
pub(crate) fn refuse(cluster: &Cluster, instead: &str) -> Result<()> {
    // Where there is no network at all the command says so itself.
    let Ok(network) = cluster.network() else {
        return Ok(());
    };
    if network.settings.causal.is_none() {
        return Ok(());
    }
    let name = network.network;
    let text =
        format!("the network `{name}` is a causal store, which this does not work on: {instead}");
    Err(Failure::Usage(text).into())
}

impl Status {
    /// Why this node should not be stopped now.
    pub(crate) fn reasons_to_wait(&self, name: &str) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.settled {
            reasons.push("content is on its way to where it belongs".to_owned());
        }
        for shard in &self.shards {
            let is_alive = |member: &&String| *member != name && !self.dead.contains(member);
            let left = shard.members.iter().filter(is_alive).count();
            if shard.members.iter().any(|member| member == name) && (left as u64) < MEMBERS_MIN {
                reasons.push(format!(
                    "shard {} would have {left} of {} nodes, and a write needs two that keep it",
                    shard.id,
                    shard.members.len()
                ));
            }
        }
        reasons
    }
}

fn start_again(cluster: &Cluster, name: &str) -> Result<Spawned> {
    let locked = cluster.folder.lock()?;
    let mut network: Network = locked.read()?.ok_or_else(|| cluster.no_network())?;
    let place = network
        .processes
        .iter()
        .position(|process| process.name == name);
    let place = place.ok_or_else(|| Failure::NotFound(format!("there is no node {name}")))?;
    let process = &network.processes[place];
    let mut counters = locked.counters()?;
    let berth = Berth::again(process, &mut counters)?;
    locked.keep(&counters)?;
    let founding = network.settings.causal.as_ref();
    let way = match founding.filter(|founding| founding.nodes.contains(&process.address)) {
        Some(founding) => founding.way(),
        None => Way::View {
            view: network
                .processes
                .iter()
                .map(|process| process.address.clone())
                .collect(),
            shards: None,
        },
    };
    let node = Spawned::start(&cluster.folder, &network.settings, berth, &way)?;
    network.processes[place] = node.process.clone();
    if let Err(error) = locked.write(&network) {
        node.undo();
        return Err(error.into());
    }
    Ok(node)
}

impl Founding {
    /// How its nodes start, whenever they do.
    fn way(&self) -> Way {
        Way::View {
            view: self.nodes.clone(),
            shards: self.shards,
        }
    }
}

/// Starts and records a node that is in no shard yet.
fn start_another(cluster: &Cluster) -> Result<Spawned> {
    let locked = cluster.folder.lock()?;
    let mut network: Network = locked.read()?.ok_or_else(|| cluster.no_network())?;
    let mut counters = locked.counters()?;
    let berth = Berth::take(&network.processes, &mut counters)?;
    locked.keep(&counters)?;
    let known = network
        .processes
        .iter()
        .map(|process| process.address.clone());
    let way = Way::View {
        view: known.chain([berth.address()]).collect(),
        shards: None,
    };
    let node = Spawned::start(&cluster.folder, &network.settings, berth, &way)?;
    network.processes.push(node.process.clone());
    if let Err(error) = locked.write(&network) {
        node.undo();
        return Err(error.into());
    }
    Ok(node)
}

/// Nodes of a shard at least, so that it survives the loss of one.
const MEMBERS_MIN: u64 = 2;
/// Nodes meet each other a few times a second.
const MET_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
