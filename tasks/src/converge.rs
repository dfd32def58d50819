//! Converge: waiting until the ring is ideal.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::ring::{Report, check, look};

/// How long something may take to become an ideal ring.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// It was one from the start.
    Started,
    /// Some nodes have joined or left.
    Changed,
}

/// Looks at the ring once.
pub(crate) async fn survey(cluster: &Cluster) -> Result<Report> {
    let network = cluster.network()?;
    let members = look(&cluster.client, &network).await;
    Ok(check(&members, &network.settings))
}

/// Looks at the ring until it is ideal, and returns the last look; not ideal if it takes too long.
/// The network's state is read each time, so those that others let join count too.
pub(crate) async fn converge(cluster: &Cluster, wait: Wait) -> Result<Report> {
    let limit_ms = match wait {
        Wait::Started => STARTED_MS_MAX,
        Wait::Changed => CHANGED_MS_MAX,
    };
    let deadline = Instant::now() + Duration::from_millis(limit_ms);
    loop {
        let report = survey(cluster).await?;
        if report.ideal || Instant::now() > deadline {
            return Ok(report);
        }
        // Asking hundreds of nodes all the time would keep them from what we wait for.
        let poll_ms = POLL_MS_MIN.max(report.nodes.len() as u64 * POLL_MS_PER_NODE);
        sleep(Duration::from_millis(poll_ms)).await;
    }
}

/// Lines that say what is not ideal, as an error ends with; not all of them if there are many.
pub(crate) fn problems(report: &Report) -> String {
    let mut lines = report
        .problems
        .iter()
        .take(PROBLEMS_SHOWN)
        .cloned()
        .collect::<Vec<_>>();
    if report.problems.len() > PROBLEMS_SHOWN {
        let more = report.problems.len() - PROBLEMS_SHOWN;
        lines.push(format!("and {more} more"));
    }
    lines.join("\n  ")
}

const STARTED_MS_MAX: u64 = 5_000;
const CHANGED_MS_MAX: u64 = 20_000;
const POLL_MS_MIN: u64 = 50;
const POLL_MS_PER_NODE: u64 = 2;
const PROBLEMS_SHOWN: usize = 8;
