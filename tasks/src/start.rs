//! Start: a whole network at once, as an ideal ring, or its end.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dht_state::{Locked, Process};
use futures::stream::{FuturesUnordered, StreamExt as _};
use indicatif::ProgressBar;
use node::config::Membership;
use tokio::time::sleep;

use crate::cluster::{Cluster, Network, end};
use crate::converge::{Wait, converge};
use crate::listed;
use crate::ring::Report;
use crate::settings::Settings;
use crate::spawn::{Berth, Fate, Spawned, Way};

/// Starts `count` nodes that know each other from the beginning, in place of what the network was.
/// Errors: its processes are still alive, unless it is `forced` to end them first.
pub(crate) async fn boot(
    cluster: &Cluster,
    count: usize,
    settings: &Settings,
    forced: bool,
) -> Result<(Vec<Process>, Report)> {
    listed::expect(settings, count).await?;
    let plan = |berths: &[Berth]| (settings.clone(), founding(settings, berths, Way::Ring));
    let processes = found(cluster, count, forced, plan).await?;
    let report = converge(cluster, Wait::Started).await?;
    Ok((processes, report))
}

/// Starts `count` nodes as all that there is of a network, in place of what it was, and waits until they are
/// ready. `plan`: what the network goes by, and how its nodes start. Errors: as [`boot`]; none of them runs.
pub(crate) async fn found(
    cluster: &Cluster,
    count: usize,
    forced: bool,
    plan: impl Fn(&[Berth]) -> (Settings, Way),
) -> Result<Vec<Process>> {
    for _ in 0..STARTS_MAX {
        let mut nodes = start(cluster, count, forced, &plan)?;
        match wait(cluster, &mut nodes, &ProgressBar::hidden()).await {
            Ok(None) => return Ok(nodes.into_iter().map(|node| node.process).collect()),
            Ok(Some(Fate::Died(error))) | Err(error) => {
                undo(cluster, nodes)?;
                return Err(error);
            }
            // Another program was faster: the next ports, then; but not in step with it, if it does the same.
            Ok(Some(_)) => {
                undo(cluster, nodes)?;
                let pause_ms = rand::random_range(0..PAUSE_MS_MAX);
                sleep(Duration::from_millis(pause_ms)).await;
            }
        }
    }
    bail!("other programs took our ports {STARTS_MAX} times in a row: try again")
}

/// Ends all processes of the network and forgets them. Returns the names of those that were alive
/// and of those that were dead before. Errors: [`crate::failure::Failure::NoNetwork`].
pub(crate) fn stop(cluster: &Cluster) -> Result<(Vec<String>, Vec<String>)> {
    // Looked at before locking, since locking creates the folder.
    cluster.network()?;
    let locked = cluster.folder.lock()?;
    let network: Option<Network> = locked.read()?;
    let processes = network.map(|network| network.processes).unwrap_or_default();
    let ended = end(&processes)?;
    locked.remove()?;
    let names = processes.into_iter().map(|process| process.name);
    let dead = names.filter(|name| !ended.contains(name)).collect();
    Ok((ended, dead))
}

/// Starts and records the nodes; they are not ready yet. Errors: none of them runs.
fn start(
    cluster: &Cluster,
    count: usize,
    forced: bool,
    plan: impl Fn(&[Berth]) -> (Settings, Way),
) -> Result<Vec<Spawned>> {
    let locked = cluster.folder.lock()?;
    clear(&locked, forced)?;
    let mut counters = locked.counters()?;
    let berths = (0..count).map(|_| Berth::take(&[], &mut counters));
    let berths: Vec<_> = berths.collect::<Result<_>>()?;
    locked.keep(&counters)?;
    let (settings, way) = plan(&berths);
    let mut nodes = Vec::new();
    for berth in berths {
        match Spawned::start(&cluster.folder, &settings, berth, &way) {
            Ok(node) => nodes.push(node),
            Err(error) => {
                nodes.into_iter().for_each(Spawned::undo);
                return Err(error);
            }
        }
    }
    let mut network = Network::new(cluster.folder.network(), settings);
    network.processes = nodes.iter().map(|node| node.process.clone()).collect();
    if let Err(error) = locked.write(&network) {
        nodes.into_iter().for_each(Spawned::undo);
        return Err(error.into());
    }
    Ok(nodes)
}

/// How all nodes of a network start at once; `ring` is how they do in a ring.
pub(crate) fn founding(settings: &Settings, berths: &[Berth], ring: fn(String) -> Way) -> Way {
    let joined = |name: fn(Berth) -> String| {
        let names: Vec<_> = berths.iter().map(|berth| name(*berth)).collect();
        names.join(",")
    };
    match settings.membership {
        Membership::Chord => ring(joined(Berth::member)),
        Membership::Static => Way::Listed(Some(joined(Berth::listing))),
        Membership::Consul => Way::Listed(None),
    }
}

/// Makes sure that nothing of an earlier network is alive.
fn clear(locked: &Locked<'_>, forced: bool) -> Result<()> {
    let Some(network) = locked.read::<Settings>()? else {
        return Ok(());
    };
    let alive = network
        .processes
        .iter()
        .filter(|process| process.is_running());
    let alive = alive.count();
    if alive > 0 && !forced {
        let name = network.network;
        bail!(
            "{alive} processes of the network `{name}` are alive: `tasks add` lets another join, \
             `tasks killall` ends them, `tasks boot --force` does so first"
        );
    }
    end(&network.processes).context("the earlier network is still there")?;
    Ok(())
}

/// Waits until all are ready. Returns the fate of one that is not going to be.
pub(crate) async fn wait(
    cluster: &Cluster,
    nodes: &mut [Spawned],
    progress: &ProgressBar,
) -> Result<Option<Fate>> {
    let fates = nodes.iter_mut().map(|node| node.wait(&cluster.client));
    let mut fates: FuturesUnordered<_> = fates.collect();
    while let Some(fate) = fates.next().await {
        match fate? {
            Fate::Ready => progress.inc(1),
            fate => return Ok(Some(fate)),
        }
    }
    Ok(None)
}

fn undo(cluster: &Cluster, nodes: Vec<Spawned>) -> Result<()> {
    nodes.into_iter().for_each(Spawned::undo);
    Ok(cluster.folder.lock()?.remove()?)
}

/// Networks that are started at the same moment look for ports in the same order.
const STARTS_MAX: usize = 10;
/// Longest pause before the next start, about what one takes.
const PAUSE_MS_MAX: u64 = 500;
