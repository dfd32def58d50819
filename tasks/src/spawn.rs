//! Spawn: one node process of our own executable, from its start until it is ready.
//!
//! A node outlives the command that started it: it has a process group of its own, so that Ctrl-C
//! in the terminal does not reach it, and stands in `network.json` before anyone waits for it.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use dht::id::Id;
use dht_state::{Counters, Folder, Process, Started};
use tokio::time::sleep;

use crate::client::Client;
use crate::failure::Failure;
use crate::settings::{Settings, Store};

/// A node that is to be started: a port, and an incarnation that nobody had before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Berth {
    port: u16,
    incarnation: u32,
}

impl Berth {
    /// The next free port and incarnation, in a network of these processes.
    pub(crate) fn take(processes: &[Process], counters: &mut Counters) -> Result<Berth> {
        // One that was chosen may lie ahead, and its node may be dead.
        let is_free = |port| is_silent(port) && !is_taken(port, processes);
        let port = counters.take_port(is_free).ok_or_else(|| {
            let text = "this network has used up all ports: `tasks destroy` frees them";
            Failure::NotFound(text.to_owned())
        });
        Ok(Berth {
            port: port?,
            incarnation: counters.take_incarnation(),
        })
    }

    /// A port that was chosen. Errors: a node or another program has it.
    pub(crate) fn at(port: u16, processes: &[Process], counters: &mut Counters) -> Result<Berth> {
        if is_taken(port, processes) {
            bail!(
                "PROC{port} is in this network already: `tasks restart PROC{port}` if it is dead"
            );
        }
        if !is_silent(port) {
            bail!("another program listens at {HOST}:{port}: choose another port");
        }
        let incarnation = counters.take_incarnation();
        Ok(Berth { port, incarnation })
    }

    /// The place of a node that was there before, for another life of it. Errors: somebody else listens
    /// there.
    pub(crate) fn again(process: &Process, counters: &mut Counters) -> Result<Berth> {
        let Process { name, address, .. } = process;
        let port = address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        let port =
            port.with_context(|| format!("{name} has no port in its address `{address}`"))?;
        if !is_silent(port) {
            bail!("another program listens at {address}, where {name} was: end it first");
        }
        counters.skip_incarnation(process.incarnation);
        let incarnation = counters.take_incarnation();
        let berth = Berth { port, incarnation };
        if berth.name() != *name || berth.address() != *address {
            bail!("{name} at {address} was not started by this program");
        }
        Ok(berth)
    }

    /// Name of the node.
    pub(crate) fn name(self) -> String {
        format!("PROC{}", self.port)
    }

    /// Where it is to listen.
    pub(crate) fn address(self) -> String {
        format!("{HOST}:{}", self.port)
    }

    /// As `--members` names it.
    pub(crate) fn listing(self) -> String {
        format!("{}@{}", self.name(), self.address())
    }

    /// As `--ring` names it.
    pub(crate) fn member(self) -> String {
        format!("{}@{}#{}", self.name(), self.address(), self.incarnation)
    }
}

/// How a node gets into a ring.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// As a member of an ideal ring of these.
    Ring(String),
    /// The same, after all of them were stopped.
    Again(String),
    /// Through one of the members at these addresses.
    Join(String),
    /// As one of these listed members, itself included, or by the list of somebody else.
    Listed(Option<String>),
    /// As a node of a causal store.
    View {
        /// Addresses of all nodes that it knows, itself included.
        view: Vec<String>,
        /// Into how many shards they are divided from the beginning.
        shards: Option<u32>,
    },
}

impl Way {
    /// The flag that says where the node listens.
    fn address_flag(&self) -> &'static str {
        match self {
            Way::View { .. } => "--socket-address",
            _ => "--address",
        }
    }
}

/// A node that was just started.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// As it goes into the state.
    pub(crate) process: Process,
    network: String,
    port: u16,
    child: Child,
}

/// What became of a node that was just started.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It is as it was waited for.
    Ready,
    /// Someone else took its port before it could listen.
    PortLost,
    /// It has ended; the error holds the end of its log.
    Died(anyhow::Error),
}

impl Spawned {
    /// Starts a node. It is not recorded yet.
    pub(crate) fn start(
        folder: &Folder,
        settings: &Settings,
        berth: Berth,
        way: &Way,
    ) -> Result<Spawned> {
        let (name, address) = (berth.name(), berth.address());
        let log = folder.log(&name);
        let out = File::options().append(true).create(true).open(&log);
        let out = out.with_context(|| format!("cannot write the log {}", log.display()))?;
        let executable =
            env::current_exe().context("cannot find the executable of this program")?;
        let mut command = Command::new(&executable);
        // What this command was told by the environment must reach the node as flags or not at all.
        for (variable, _) in env::vars_os() {
            if variable
                .to_str()
                .is_some_and(|name| name.starts_with("DHT_") || name == "SOCKET_ADDRESS")
            {
                command.env_remove(variable);
            }
        }
        command
            .args(["node", way.address_flag(), &address, "--name", &name])
            .args(["--network", folder.network()])
            .args(["--incarnation", &berth.incarnation.to_string()])
            .args(settings.flags());
        if let Some(zone) = settings.zone(berth.port) {
            command.args(["--zone", &zone]);
        }
        if settings.trace {
            command.arg("--trace").arg(folder.trace(&name));
        }
        if settings.fault_injection {
            command.arg("--fault-injection");
        }
        let data = (settings.store == Store::Disk).then(|| folder.data(&name));
        if let Some(data) = &data {
            command.arg("--data").arg(data);
        }
        match way {
            Way::Again(members) => command.args(["--again", members]),
            Way::Ring(members) => command.args(["--ring", members]),
            Way::Join(members) => command.args(["--join", members]),
            Way::Listed(Some(members)) => command.args(["--members", members]),
            Way::Listed(None) => &mut command,
            Way::View { view, shards } => {
                let count = shards.map(|shards| format!("--shard-count={shards}"));
                command.args(["--view", &view.join(",")]).args(count)
            }
        };
        let mut child = command
            // So that it neither reads a configuration that lies around here nor keeps this folder.
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone().context("cannot write the log twice")?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {}", executable.display()))?;
        let started = match Started::of(child.id()) {
            Ok(started) => started,
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(anyhow!(error).context("cannot tell processes apart without /proc"));
            }
        };
        let process = Process {
            id: Id::of(name.as_bytes()).to_string(),
            name,
            address,
            incarnation: berth.incarnation,
            pid: child.id(),
            started,
            log,
            data,
        };
        Ok(Spawned {
            process,
            network: folder.network().to_owned(),
            port: berth.port,
            child,
        })
    }

    /// Waits until it is ready or has ended. Errors: neither happens; it still runs then.
    pub(crate) async fn wait(&mut self, client: &Client) -> Result<Fate> {
        self.wait_for("ready", client, async |address| client.ready(address).await)
            .await
    }

    /// Waits until it listens or has ended. Errors: neither happens; it still runs then.
    pub(crate) async fn wait_to_listen(&mut self, client: &Client) -> Result<Fate> {
        self.wait_for("there", client, async |address| {
            client.nodeinfo(address).await.map(|_| ())
        })
        .await
    }

    async fn wait_for(
        &mut self,
        what: &str,
        client: &Client,
        is_so: impl AsyncFn(&str) -> Result<(), String>,
    ) -> Result<Fate> {
        let deadline = Instant::now() + Duration::from_millis(READY_MS_MAX);
        loop {
            let ended = self.child.try_wait().context("cannot wait for a node")?;
            if let Some(status) = ended {
                return Ok(self.fate(status));
            }
            let reason = match is_so(&self.process.address).await {
                Ok(()) if self.is_this(client).await => return Ok(Fate::Ready),
                Ok(()) => "somebody else answers at its address".to_owned(),
                Err(reason) => reason,
            };
            if Instant::now() > deadline {
                let name = &self.process.name;
                bail!(
                    "{name} runs, but is not {what} after {} s: {reason}\n{}",
                    READY_MS_MAX / 1_000,
                    log_end(&self.process)
                );
            }
            sleep(Duration::from_millis(READY_POLL_MS)).await;
        }
    }

    /// Whether it is this very node that answers, and not someone who was faster to take its port.
    async fn is_this(&self, client: &Client) -> bool {
        let info = client.nodeinfo(&self.process.address).await;
        info.is_ok_and(|info| {
            let incarnation = info.incarnation.unwrap_or(self.process.incarnation);
            info.network == self.network && incarnation == self.process.incarnation
        })
    }

    /// Ends it, where the whole it was to be part of has failed.
    pub(crate) fn undo(mut self) {
        // Both fail only if it has ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }

    fn fate(&self, status: ExitStatus) -> Fate {
        let end = log_end(&self.process);
        // Whoever was faster may be gone again by now, as a boot is that lost another port.
        if end.contains("in use") || !is_free(self.port) {
            return Fate::PortLost;
        }
        let name = &self.process.name;
        Fate::Died(anyhow!("{name} ended at its start ({status})\n{end}"))
    }
}

/// The end of a node's log, as part of an error.
fn log_end(process: &Process) -> String {
    let log = process.log.display();
    let text = match fs::read(&process.log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return format!("its log {log} can't be read: {error}"),
    };
    let lines: Vec<_> = text.lines().collect();
    if lines.is_empty() {
        return format!("its log {log} is empty");
    }
    let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ");
    format!("the end of its log {log}:\n  {end}")
}

/// Whether a node of a network has a port, dead or alive.
fn is_taken(port: u16, processes: &[Process]) -> bool {
    let name = Berth {
        port,
        incarnation: 0,
    }
    .name();
    processes.iter().any(|process| process.name == name)
}

/// Whether nobody listens on a port. Asked before a start: to try and listen there ourselves would
/// take the port, for a moment, from the node of another network that starts just then.
fn is_silent(port: u16) -> bool {
    let patience = Duration::from_millis(CONNECT_MS_MAX);
    let address = SocketAddr::from((HOST, port));
    let connected = TcpStream::connect_timeout(&address, patience);
    connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Whether one could listen on a port. Asked where a node has ended, to tell why.
fn is_free(port: u16) -> bool {
    TcpListener::bind((HOST, port)).is_ok()
}

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const CONNECT_MS_MAX: u64 = 100;
const LOG_LINES: usize = 15;
const READY_POLL_MS: u64 = 5;
const READY_MS_MAX: u64 = 15_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_skipped_for_good() {
        let taken = TcpListener::bind((HOST, 0)).expect("some port is free");
        let port = taken.local_addr().expect("it has an address").port();
        let mut counters = Counters {
            next_port: port.into(),
            incarnation: 7,
        };
        let Ok(berth) = Berth::take(&[], &mut counters) else {
            return; // The one in a million that it was the last port.
        };
        assert!(berth.port > port);
        drop(taken);
        let next = Berth::take(&[], &mut counters);
        assert!(next.is_ok_and(|next| next.port > berth.port));
    }

    #[test]
    fn a_member_is_named_with_its_start() {
        let berth = Berth {
            port: 10_007,
            incarnation: 3,
        };
        assert_eq!(berth.member(), "PROC10007@127.0.0.1:10007#3");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        let lines: Vec<_> = (1..=100).map(|number| format!("line {number}")).collect();
        fs::write(&log, lines.join("\n")).expect("writable");
        let process = Process {
            name: "PROC10001".into(),
            id: String::new(),
            address: String::new(),
            incarnation: 1,
            pid: 1,
            started: Started::of(std::process::id()).expect("this test runs"),
            log,
            data: None,
        };
        let end = log_end(&process);
        assert!(end.contains("line 100") && end.contains("line 86"), "{end}");
        assert!(!end.contains("line 85"), "{end}");
    }
}
