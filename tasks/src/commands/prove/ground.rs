//! Ground: the network that is put to the proof: one of our own, or one that runs.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dht_state::Process;
use futures::future::join_all;
use tempfile::TempDir;
use tokio::time::sleep;

use super::partition;
use crate::causal;
use crate::cluster::Cluster;
use crate::commands::{destroy::destroy, leave::leave};
use crate::converge::{problems, survey};
use crate::grow;

/// The network that is put to the proof.
pub(super) struct Ground {
    pub(super) cluster: Cluster,
    /// Where one of our own lies. It goes with all its processes when this is dropped.
    own: Option<TempDir>,
    /// Names of nodes that we let join.
    joined: RefCell<Vec<String>>,
    /// Whether nodes are, or may be, cut off from others.
    is_parted: Cell<bool>,
    /// Addresses of the nodes, as clients know them.
    pub(super) nodes: RefCell<Vec<String>>,
}

impl Ground {
    /// A place for a network of our own; nothing runs there yet.
    pub(super) fn own() -> Result<Ground> {
        let folder = tempfile::Builder::new().prefix("dht-prove-").tempdir();
        let folder = folder
            .context("cannot make a temporary folder: is there room, and is TMPDIR writable?")?;
        // A port that one of ours has given up another proof may get, whose nodes must not take it for theirs.
        let name = format!("prove-{}", std::process::id());
        Ok(Ground {
            cluster: Cluster::new(folder.path().to_owned(), &name)?,
            own: Some(folder),
            joined: RefCell::default(),
            is_parted: Cell::default(),
            nodes: RefCell::default(),
        })
    }

    /// One that runs. Errors: [`crate::failure::Failure::NoNetwork`]; it is a causal store.
    pub(super) fn running(cluster: Cluster) -> Result<Ground> {
        causal::refuse(
            &cluster,
            "`tasks swarm --causal` breaks such stores in virtual time",
        )?;
        let ground = Ground {
            cluster,
            own: None,
            joined: RefCell::default(),
            is_parted: Cell::default(),
            nodes: RefCell::default(),
        };
        ground.refresh()?;
        Ok(ground)
    }

    /// Whether it is one of our own.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Tells clients which nodes there are.
    pub(super) fn refresh(&self) -> Result<()> {
        let running = self.cluster.running()?;
        *self.nodes.borrow_mut() = running.into_iter().map(|process| process.address).collect();
        Ok(())
    }

    /// Lets a node join.
    pub(super) async fn join(&self) -> Result<Process> {
        let process = grow::join(&self.cluster, None).await?;
        self.joined.borrow_mut().push(process.name.clone());
        Ok(process)
    }

    /// Whether a node is one that we let join.
    pub(super) fn has_joined(&self, process: &Process) -> bool {
        self.joined.borrow().contains(&process.name)
    }

    /// Cuts these nodes off from all others.
    pub(super) async fn part(&self, some: &[Process]) -> Result<()> {
        let mut others = self.cluster.running()?;
        others.retain(|other| some.iter().all(|process| process.name != other.name));
        self.is_parted.set(true);
        partition::part(&self.cluster.client, some, &others).await
    }

    /// Lets everything pass between all nodes again.
    pub(super) async fn heal(&self) -> Result<()> {
        if self.is_parted.get() {
            partition::heal(&self.cluster.client, &self.cluster.running()?).await?;
            self.is_parted.set(false);
        }
        Ok(())
    }

    /// What keeps it from being whole: an ideal ring of which every node serves.
    pub(super) async fn problem(&self) -> Result<Option<String>> {
        let report = survey(&self.cluster).await?;
        if !report.ideal {
            return Ok(Some(problems(&report)));
        }
        let client = &self.cluster.client;
        let ready = report.nodes.iter().map(async |node| {
            let ready = client.ready(&node.address).await;
            ready.err().map(|error| format!("{}: {error}", node.name))
        });
        Ok(join_all(ready).await.into_iter().flatten().next())
    }

    /// Waits until it is whole. Returns what still keeps it from that at the deadline.
    pub(super) async fn becomes_whole(&self, deadline: Instant) -> Result<Option<String>> {
        loop {
            let problem = self.problem().await?;
            if problem.is_none() || Instant::now() > deadline {
                return Ok(problem);
            }
            sleep(Duration::from_millis(POLL_MS)).await;
        }
    }

    /// If the network is not ours, heals it, lets those leave that we let join, and waits until it is as it was.
    pub(super) async fn tidy(&self) -> Result<()> {
        if self.own.is_some() {
            return Ok(());
        }
        let healed = self.heal().await;
        healed.context("some nodes are still cut off from others: end the network")?;
        let ours = self.cluster.running()?.into_iter();
        let ours: Vec<_> = ours.filter(|process| self.has_joined(process)).collect();
        for process in ours {
            let name = &process.name;
            let left = leave(&self.cluster, &process).await;
            left.with_context(|| format!("{name} joined for this, and is still there"))?;
        }
        self.becomes_whole(Instant::now() + Duration::from_millis(TIDY_MS_MAX))
            .await?;
        Ok(())
    }

    /// Keeps the logs of a network of our own.
    pub(super) fn keep_logs(&self, folder: &Path) -> Result<()> {
        if self.own.is_none() {
            return Ok(());
        }
        let failed = || format!("cannot keep the logs in {}", folder.display());
        fs::create_dir_all(folder).with_context(failed)?;
        let logs = self.cluster.folder.log("any");
        let logs = logs.parent().expect("logs lie in a folder");
        for entry in fs::read_dir(logs).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            fs::copy(entry.path(), folder.join(entry.file_name())).with_context(failed)?;
        }
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Also after Ctrl-C, and where something went wrong.
        if self.own.is_some()
            && self.cluster.folder.exists()
            && let Err(error) = destroy(&self.cluster)
        {
            eprintln!("error: something of the network is left: {error:#}");
        }
    }
}

/// How long the others may take to close the gaps.
const TIDY_MS_MAX: u64 = 10_000;
const POLL_MS: u64 = 50;
