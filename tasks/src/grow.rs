//! Grow: nodes that join a network that is there.

use anyhow::{Result, bail};
use dht_state::Process;
use futures::stream::{self, StreamExt as _};
use indicatif::ProgressBar;

use crate::cluster::Cluster;
use crate::interrupt::interrupted;
use crate::listed;
use crate::settings::Settings;
use crate::spawn::{Berth, Fate, Spawned};

/// Lets one node join through the chosen member, or a random one, and waits until it is ready.
/// Errors: [`crate::failure::Failure::NoNetwork`]; the node ended at its start.
pub(crate) async fn join(cluster: &Cluster, via: Option<&Process>) -> Result<Process> {
    for _ in 0..STARTS_MAX {
        // Where another program was faster: the next port, then.
        if let Some(process) = try_join(cluster, via, None).await? {
            return Ok(process);
        }
    }
    bail!("other programs took our ports {STARTS_MAX} times in a row: try again")
}

/// The same at a port that was chosen. Errors: also where somebody else has it.
pub(crate) async fn join_at(
    cluster: &Cluster,
    via: Option<&Process>,
    port: u16,
) -> Result<Process> {
    match try_join(cluster, via, Some(port)).await? {
        Some(process) => Ok(process),
        None => bail!("another program has taken port {port} meanwhile"),
    }
}

/// Nothing if another program has taken the port.
async fn try_join(
    cluster: &Cluster,
    via: Option<&Process>,
    port: Option<u16>,
) -> Result<Option<Process>> {
    let welcomers = match via {
        Some(via) => vec![via.clone()],
        None => cluster.welcomers().await?,
    };
    let mut node = start(cluster, &welcomers, port)?;
    match listed::enter(cluster, &mut node).await? {
        Fate::Ready => Ok(Some(node.process)),
        fate => cluster.forget(&node.process.name).and(match fate {
            Fate::Died(error) => Err(error),
            _ => Ok(None),
        }),
    }
}

/// What came of letting many nodes join.
#[derive(Debug, Default)]
pub(crate) struct Grown {
    /// Those that are part of the ring now.
    pub(crate) processes: Vec<Process>,
    /// What went wrong with others. No more are started after the first.
    pub(crate) failures: Vec<anyhow::Error>,
    /// Whether it was stopped by a signal. Those already started have joined or failed.
    pub(crate) interrupted: bool,
}

/// Lets `count` nodes join, several at once. After Ctrl-C no more are started, and those on their
/// way are waited for; after the second one they are not, but all of them are recorded.
pub(crate) async fn join_many(
    cluster: &Cluster,
    count: usize,
    via: Option<&Process>,
    progress: &ProgressBar,
) -> Grown {
    let mut grown = Grown::default();
    let mut left = count;
    let mut joining = stream::FuturesUnordered::new();
    let mut signal = Box::pin(interrupted());
    loop {
        while left > 0 && joining.len() < AT_ONCE {
            left -= 1;
            joining.push(join(cluster, via));
        }
        tokio::select! {
            // First, so that the signal is listened to before the first process is started.
            biased;
            () = &mut signal => {
                if grown.interrupted {
                    break;
                }
                grown.interrupted = true;
                left = 0;
                signal = Box::pin(interrupted());
            }
            joined = joining.next() => match joined {
                None => break,
                Some(Ok(process)) => {
                    grown.processes.push(process);
                    progress.inc(1);
                }
                Some(Err(error)) => {
                    grown.failures.push(error);
                    left = 0;
                }
            },
        }
    }
    grown
}

/// Starts and records one node. The network is locked only for this moment, which has no point at
/// which it could be given up half-way.
fn start(cluster: &Cluster, welcomers: &[Process], port: Option<u16>) -> Result<Spawned> {
    let locked = cluster.folder.lock()?;
    let Some(mut network) = locked.read::<Settings>()? else {
        return Err(cluster.no_network());
    };
    let mut counters = locked.counters()?;
    let berth = match port {
        Some(port) => Berth::at(port, &network.processes, &mut counters)?,
        None => Berth::take(&network.processes, &mut counters)?,
    };
    locked.keep(&counters)?;
    let way = listed::way(&network.settings, welcomers, berth);
    let node = Spawned::start(&cluster.folder, &network.settings, berth, &way)?;
    network.processes.push(node.process.clone());
    if let Err(error) = locked.write(&network) {
        node.undo();
        return Err(error.into());
    }
    Ok(node)
}

const STARTS_MAX: usize = 5;
/// More at once only take turns on the same few arcs.
const AT_ONCE: usize = 8;
