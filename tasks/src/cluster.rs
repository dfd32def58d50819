//! Cluster: one network of processes on this machine, found through its state.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dht_state::{Folder, Process};
use futures::future::join_all;
use rand::seq::SliceRandom as _;

use crate::cli::Place;
use crate::client::{Client, nobody_answers};
use crate::failure::Failure;
use crate::resolve::resolve;
use crate::settings::Settings;

/// What `network.json` says.
pub(crate) type Network = dht_state::Network<Settings>;

/// One network of processes on this machine.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Where its state lies.
    pub(crate) folder: Folder,
    /// The way to its nodes.
    pub(crate) client: Client,
}

impl Cluster {
    /// The network that the command line names, whether it exists or not.
    pub(crate) fn at(place: &Place) -> Result<Cluster> {
        let state = match &place.state {
            Some(state) => state.clone(),
            None => default_state()?,
        };
        let name = place.network.as_deref().unwrap_or("default");
        Cluster::new(state, name)
    }

    /// The network of this name in the folder `state`.
    pub(crate) fn new(state: PathBuf, name: &str) -> Result<Cluster> {
        let state = std::path::absolute(state).context("the state folder has no place")?;
        let folder = Folder::new(&state, name);
        Ok(Cluster {
            folder: folder.map_err(|error| Failure::Usage(error.to_string()))?,
            client: Client::new()?,
        })
    }

    /// The network. Errors: [`Failure::NoNetwork`].
    pub(crate) fn network(&self) -> Result<Network> {
        match self.folder.read()? {
            Some(network) => Ok(network),
            None => Err(self.no_network()),
        }
    }

    /// The error where there is no `network.json`.
    pub(crate) fn no_network(&self) -> anyhow::Error {
        let name = self.folder.network();
        let text = format!("there is no network `{name}`: `tasks boot` starts one");
        Failure::NoNetwork(text).into()
    }

    /// Its processes that are alive. Errors: [`Failure::NoNetwork`], also where all are dead.
    pub(crate) fn running(&self) -> Result<Vec<Process>> {
        let processes = self.network()?.processes;
        let all = processes.len();
        let running: Vec<_> = processes.into_iter().filter(Process::is_running).collect();
        if running.is_empty() {
            return Err(nobody_answers(all));
        }
        Ok(running)
    }

    /// Who may be asked: the chosen node alone, or all that are alive.
    pub(crate) fn members(&self, via: Option<&str>) -> Result<Vec<Process>> {
        match via {
            Some(node) => Ok(vec![self.find_running(node)?]),
            None => self.running(),
        }
    }

    /// The process that NODE means, dead or alive.
    pub(crate) fn find(&self, node: &str) -> Result<Process> {
        let processes = self.network()?.processes;
        resolve(node, &processes).cloned()
    }

    /// The process that NODE means, which is alive.
    pub(crate) fn find_running(&self, node: &str) -> Result<Process> {
        let process = self.find(node)?;
        if !process.is_running() {
            let name = process.name;
            bail!(
                "{name} is dead: `tasks restart {name}` starts it again, `tasks kill {name}` removes it \
                 from the network's state"
            );
        }
        Ok(process)
    }

    /// A few members that can welcome a joiner, in random order: such that are part of the ring if
    /// there are any. Errors: [`Failure::NoNetwork`] where none answers.
    pub(crate) async fn welcomers(&self) -> Result<Vec<Process>> {
        let mut running = self.running()?;
        running.shuffle(&mut rand::rng());
        for some in running.chunks(WELCOMERS_ASKED) {
            let ready = some
                .iter()
                .map(|process| self.client.ready(&process.address));
            let ready = join_all(ready).await;
            let welcomers = some.iter().zip(ready).filter(|(_, ready)| ready.is_ok());
            let welcomers: Vec<_> = welcomers
                .map(|(process, _)| process.clone())
                .take(WELCOMERS_MAX)
                .collect();
            if !welcomers.is_empty() {
                return Ok(welcomers);
            }
        }
        let infos = running
            .iter()
            .map(|process| self.client.nodeinfo(&process.address));
        let answers = join_all(infos).await.into_iter().any(|info| info.is_ok());
        if !answers {
            return Err(nobody_answers(running.len()));
        }
        bail!("no node of the network is ready to welcome another: `tasks ring` tells why")
    }

    /// Removes a process from the state.
    pub(crate) fn forget(&self, name: &str) -> Result<()> {
        let locked = self.folder.lock()?;
        if let Some(mut network) = locked.read::<Settings>()?
            && network.remove(name)
        {
            locked.write(&network)?;
        }
        Ok(())
    }
}

/// Ends processes at once, without asking them, and waits until they have ended. Returns the
/// names of those that were still alive.
pub(crate) fn end(processes: &[Process]) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    for process in processes {
        let name = &process.name;
        let killed = process.kill();
        if killed.with_context(|| format!("cannot end {name} (process {})", process.pid))? {
            ended.push(name.clone());
        }
    }
    let deadline = Instant::now() + Duration::from_millis(END_MS_MAX);
    while let Some(process) = processes.iter().find(|process| process.is_running()) {
        if Instant::now() > deadline {
            let (name, pid) = (&process.name, process.pid);
            bail!("{name} (process {pid}) was killed but does not end");
        }
        sleep(Duration::from_millis(1));
    }
    Ok(ended)
}

/// The user's folder for state, as the XDG base directory specification has it.
fn default_state() -> Result<PathBuf> {
    let absolute = |variable| {
        let path = PathBuf::from(std::env::var_os(variable)?);
        path.is_absolute().then_some(path)
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/state")))
        .map(|state| state.join("dht"))
        .context("there is no home folder: say where the state is to lie with --state")
}

const WELCOMERS_ASKED: usize = 8;
const WELCOMERS_MAX: usize = 3;
const END_MS_MAX: u64 = 5_000;
