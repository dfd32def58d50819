//! Restart: the same nodes again, with their names, ports and data folders, each in a new life.
//!
//! After a total stop they begin as an ideal ring, and what their disks know of groups counts; while others go
//! on, one joins like any other.

use std::slice;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use dht_state::Process;
use indicatif::ProgressBar;
use node::config::Membership;
use tokio::time::sleep;

use crate::cluster::{Cluster, Network, end};
use crate::commands::leave::leave;
use crate::converge::{Wait, converge, survey};
use crate::listed;
use crate::ring::Report;
use crate::settings::{Settings, Store};
use crate::spawn::{Berth, Fate, Spawned, Way};
use crate::start::{founding, wait};

/// Starts all nodes of a network again, none of which is alive, and waits until all of the ring is served.
///
/// Errors: some are alive, or a data folder is gone: nothing was started. One ended at its start: all were
/// ended again. Some part is not served in time: they go on, and it may be later.
pub(crate) async fn all(
    cluster: &Cluster,
    progress: &ProgressBar,
) -> Result<(Vec<Process>, Report)> {
    let mut nodes = start_all(cluster)?;
    match wait(cluster, &mut nodes, progress).await? {
        None => {}
        Some(fate) => {
            nodes.into_iter().for_each(Spawned::undo);
            return Err(match fate {
                Fate::Died(error) => error,
                _ => anyhow!("another program took a port meanwhile: try again"),
            });
        }
    }
    let report = converge(cluster, Wait::Changed).await?;
    let processes = nodes.into_iter().map(|node| node.process);
    Ok((processes.collect(), report))
}

/// What became of what a node held when it was started again alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is on its disk, and is brought up to date.
    Disk,
    /// It was handed over before, and its share comes back.
    HandedOver,
    /// It died with the earlier life, where others have no copies.
    Nothing,
}

/// Starts one node again while others go on, and waits until it is ready. One that is alive is stopped first.
///
/// Errors: [`crate::failure::Failure::NotFound`]; [`crate::failure::Failure::NoNetwork`] where no other is
/// alive; it can't hand over what it holds; it does not end; it ended at its start.
pub(crate) async fn one(cluster: &Cluster, node: &str) -> Result<(Process, Kept)> {
    let process = cluster.find(node)?;
    let network = cluster.network()?;
    let name = &process.name;
    if !is_other_alive(&network, name) {
        bail!("no other node is alive: `tasks restart` starts all of them again");
    }
    // A node of a ring that is stopped serves nothing of its arc, which others take over without its copy.
    let waits_for_it =
        network.settings.replicas > 1 || network.settings.membership == Membership::Static;
    let is_on_disk = waits_for_it && process.data.is_some();
    let kept = match (is_on_disk, process.is_running()) {
        (true, _) => Kept::Disk,
        (false, true) => Kept::HandedOver,
        (false, false) => Kept::Nothing,
    };
    match kept {
        Kept::Disk => stop(&process).await?,
        Kept::HandedOver => {
            leave(cluster, &process).await?;
        }
        Kept::Nothing => {}
    }
    let restarted = rejoin(cluster, &process).await;
    restarted
        .map(|process| (process, kept))
        .with_context(|| format!("{name} is stopped"))
}

/// Starts a node again that has ended, through whoever is there, and waits until it is ready.
pub(crate) async fn rejoin(cluster: &Cluster, process: &Process) -> Result<Process> {
    let deadline = Instant::now() + Duration::from_millis(REJOIN_MS_MAX);
    let known = known_incarnation(cluster, process).await?;
    loop {
        let welcomers = cluster.welcomers().await?;
        let mut node = start_one(cluster, process, known, &welcomers)?;
        match listed::enter(cluster, &mut node).await? {
            Fate::Ready => return Ok(node.process),
            Fate::PortLost => bail!("another program took the port of {}", process.name),
            // The ring may still be busy with its death.
            Fate::Died(error) if Instant::now() > deadline => return Err(error),
            Fate::Died(_) => sleep(Duration::from_millis(PAUSE_MS)).await,
        }
    }
}

fn is_other_alive(network: &Network, name: &str) -> bool {
    let mut others = network.processes.iter().filter(|other| other.name != name);
    others.any(Process::is_running)
}

/// Ends a node whose content is on disk, or with others: in order if it can, and else at once, which loses
/// nothing either.
pub(crate) async fn stop(process: &Process) -> Result<()> {
    let failed = || format!("cannot stop {}", process.name);
    process.terminate().with_context(failed)?;
    let deadline = Instant::now() + Duration::from_millis(STOP_MS_MAX);
    while process.is_running() && Instant::now() < deadline {
        sleep(Duration::from_millis(POLL_MS)).await;
    }
    end(slice::from_ref(process))?;
    Ok(())
}

/// The latest life of a node that others know of: a node that lost its place may have begun one by itself.
async fn known_incarnation(cluster: &Cluster, process: &Process) -> Result<u32> {
    let report = survey(cluster).await?;
    let peers = report.nodes.iter().flat_map(|node| {
        let members = node.groups.iter().flat_map(|group| &group.members);
        node.successors
            .iter()
            .chain(&node.predecessor)
            .chain(members)
    });
    let lives = peers.filter(|peer| peer.address == process.address);
    let latest = lives.map(|peer| peer.incarnation).max();
    Ok(latest.unwrap_or(0).max(process.incarnation))
}

fn start_one(
    cluster: &Cluster,
    process: &Process,
    known: u32,
    welcomers: &[Process],
) -> Result<Spawned> {
    let locked = cluster.folder.lock()?;
    let Some(mut network) = locked.read::<Settings>()? else {
        return Err(cluster.no_network());
    };
    let mut counters = locked.counters()?;
    counters.skip_incarnation(known);
    let berth = Berth::again(process, &mut counters)?;
    locked.keep(&counters)?;
    let way = listed::way(&network.settings, welcomers, berth);
    let node = Spawned::start(&cluster.folder, &network.settings, berth, &way)?;
    network.put(node.process.clone());
    if let Err(error) = locked.write(&network) {
        node.undo();
        return Err(error.into());
    }
    Ok(node)
}

/// Starts and records all nodes; they are not ready yet.
fn start_all(cluster: &Cluster) -> Result<Vec<Spawned>> {
    // Looked at before locking, since locking creates the folder.
    cluster.network()?;
    let locked = cluster.folder.lock()?;
    let Some(mut network) = locked.read::<Settings>()? else {
        return Err(cluster.no_network());
    };
    check(&network)?;
    let mut counters = locked.counters()?;
    let berths = network.processes.iter();
    let berths = berths.map(|process| Berth::again(process, &mut counters));
    let berths: Vec<Berth> = berths.collect::<Result<_>>()?;
    locked.keep(&counters)?;
    // Where nothing is left of the earlier ring, this is a new one.
    let ring = match network.settings.store {
        Store::Disk => Way::Again,
        Store::Memory => Way::Ring,
    };
    let way = founding(&network.settings, &berths, ring);
    let mut nodes = Vec::new();
    for berth in berths {
        match Spawned::start(&cluster.folder, &network.settings, berth, &way) {
            Ok(node) => nodes.push(node),
            Err(error) => {
                nodes.into_iter().for_each(Spawned::undo);
                return Err(error);
            }
        }
    }
    network.processes = nodes.iter().map(|node| node.process.clone()).collect();
    if let Err(error) = locked.write(&network) {
        nodes.into_iter().for_each(Spawned::undo);
        return Err(error.into());
    }
    Ok(nodes)
}

/// Makes sure that all are dead, and that what they had on disk is there.
pub(crate) fn check(network: &Network) -> Result<()> {
    let name = &network.network;
    let named = |is: &dyn Fn(&Process) -> bool| {
        let some = network.processes.iter().filter(|process| is(process));
        let names: Vec<&str> = some.map(|process| process.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if network.processes.is_empty() {
        bail!("the network `{name}` has no nodes: `tasks boot` starts it anew");
    }
    if let Some(alive) = named(&Process::is_running) {
        match named(&|process| !process.is_running()) {
            None => bail!(
                "all nodes of the network `{name}` are alive: `tasks restart NODE` stops one and starts it \
                 again"
            ),
            Some(dead) => bail!(
                "these nodes of the network `{name}` are alive: {alive}; those that are dead come back one by \
                 one, by `tasks restart NODE`: {dead}"
            ),
        }
    }
    let lacks = |process: &Process| process.data.as_ref().is_some_and(|data| !data.is_dir());
    if let Some(lacking) = named(&lacks) {
        bail!(
            "the data folders of these nodes are gone: {lacking}; put them back, or give the nodes up by \
             `tasks kill NODE`, if the others are to go on without them"
        );
    }
    Ok(())
}

/// How long a ring may be busy with the death of a node before that may join again.
const REJOIN_MS_MAX: u64 = 10_000;
const PAUSE_MS: u64 = 500;
/// A node whose content is on disk only commits what is on its way there.
const STOP_MS_MAX: u64 = 5_000;
const POLL_MS: u64 = 5;
