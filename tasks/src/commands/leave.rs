//! `tasks leave`: lets a node hand its content over and go.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use dht_state::Process;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use crate::cli;
use crate::client::{Answer, Call};
use crate::cluster::Cluster;
use crate::listed;
use crate::printer::Printer;

pub(super) async fn run(args: cli::Node, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let process = cluster.find_running(&args.node)?;
    let (answer, moved) = leave(cluster, &process).await?;
    printer.document(&answer.read::<Value>()?)?;
    let name = &process.name;
    printer.line(format_args!("{name} handed {moved} items over and is gone"))?;
    Ok(ExitCode::SUCCESS)
}

/// Lets the node leave, waits until its process has ended, and removes it from the state. Returns
/// what it said, and how many items it handed over. Errors: nothing changed, unless it says so.
pub(crate) async fn leave(cluster: &Cluster, process: &Process) -> Result<(Answer, u64)> {
    #[derive(Deserialize)]
    struct Left {
        moved: u64,
    }
    let name = &process.name;
    // A handover may take long, but whether anybody is there shows at once.
    if let Err(reason) = cluster.client.nodeinfo(&process.address).await {
        bail!("{name} is alive, but can't be asked to leave: {reason}");
    }
    let answer = match cluster.client.ask(&process.address, &Call::leave()).await {
        Ok(answer) if answer.is_success() => answer,
        Ok(answer) if answer.code().as_deref() == Some("last_node") => bail!(
            "{name} is the last node, so nobody can take what it holds: `tasks killall` ends the \
             network"
        ),
        Ok(answer) => bail!("{name} stays: {}", answer.complaint()),
        Err(error) if process.is_running() => {
            return Err(anyhow!(error).context(format!("{name} does not answer, but is alive")));
        }
        Err(_) => {
            cluster.forget(name)?;
            bail!("{name} ended before it answered: what it had not handed over is lost");
        }
    };
    let Left { moved } = answer.read()?;
    let deadline = Instant::now() + Duration::from_millis(EXIT_MS_MAX);
    while process.is_running() {
        if Instant::now() > deadline {
            bail!(
                "{name} has left the ring, but its process {} does not end: `tasks kill {name}`",
                process.pid
            );
        }
        sleep(Duration::from_millis(EXIT_POLL_MS)).await;
    }
    cluster.forget(name)?;
    listed::resize(cluster, &cluster.network()?.settings).await?;
    Ok((answer, moved))
}

/// It has handed everything over and answered by now: all that is left is to close connections.
const EXIT_MS_MAX: u64 = 10_000;
const EXIT_POLL_MS: u64 = 5;
