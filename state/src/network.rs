//! Network: what `network.json` says.

use serde::{Deserialize, Serialize};

use crate::process::Process;

/// A network and its processes. What its settings are is up to whoever boots it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network<S> {
    /// Format of the file: [`VERSION`].
    pub version: u64,
    /// Name of the network.
    pub network: String,
    /// What every node of it is started with.
    pub settings: S,
    /// Its processes, in the order in which they were started.
    pub processes: Vec<Process>,
}

impl<S> Network<S> {
    /// A network without processes.
    pub fn new(network: &str, settings: S) -> Network<S> {
        Network {
            version: VERSION,
            network: network.to_owned(),
            settings,
            processes: Vec::new(),
        }
    }

    /// Puts a process in the place of the one of its name, or behind all others.
    pub fn put(&mut self, process: Process) {
        let mut others = self.processes.iter_mut();
        match others.find(|other| other.name == process.name) {
            Some(other) => *other = process,
            None => self.processes.push(process),
        }
    }

    /// Forgets the process of this name; tells whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.processes.len();
        self.processes.retain(|process| process.name != name);
        self.processes.len() < before
    }
}

/// The format that this program reads and writes.
pub const VERSION: u64 = 1;
