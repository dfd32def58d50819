//! Pair: a memcached server and the node beside it. Both end with this.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::client::{Call, Client};
use crate::commands::walkthrough::memcached::homes::{COPIES, POSITIONS};

/// A memcached server and the node beside it.
pub(super) struct Pair {
    /// Name of the node.
    pub(super) name: String,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// What the ring calls the server.
    pub(super) label: String,
    log: PathBuf,
    node: Running,
    server: Running,
}

impl Pair {
    /// Starts both. The node listens at `address`, and knows of these members.
    pub(super) fn start(
        folder: &TempDir,
        free: &mut Addresses,
        number: usize,
        address: SocketAddr,
        members: &[SocketAddr],
    ) -> Result<Pair> {
        let (server, port) = memcached(free)?;
        let name = format!("node{number}");
        let log = folder.path().join(&name);
        let out = File::create(&log).context("cannot write a log")?;
        let mut members: Vec<String> = members.iter().map(ToString::to_string).collect();
        if !members.contains(&address.to_string()) {
            members.push(address.to_string());
        }
        let executable =
            env::current_exe().context("cannot find the executable of this program")?;
        let mut command = Command::new(executable);
        for (variable, _) in env::vars_os() {
            if variable
                .to_str()
                .is_some_and(|name| name.starts_with("DHT_"))
            {
                command.env_remove(variable);
            }
        }
        command
            .args(["node", "--name", &name, "--address", &address.to_string()])
            .args(["--network", "walkthrough-memcached"])
            .args(["--membership", "static", "--members", &members.join(",")])
            .args(["--placement", "ring", "--hash", "murmur3"])
            .args(["--positions", &POSITIONS.to_string()])
            .args(["--replicas", &COPIES.to_string()])
            .args(["--store", &format!("memcached://localhost:{port}")])
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out);
        let node = command.spawn().context("cannot start a node")?;
        Ok(Pair {
            name,
            address,
            // As the node makes it of its store.
            label: format!("('localhost', {port})"),
            log,
            node: Running(node),
            server,
        })
    }

    /// Waits until the node is a member and serves.
    pub(super) async fn is_ready(&self, client: &Client) -> Result<()> {
        let address = self.address.to_string();
        self.waits(async || client.ready(&address).await.is_ok())
            .await
    }

    /// Waits until the node listens.
    pub(super) async fn listens(&self, client: &Client) -> Result<()> {
        let (address, call) = (self.address.to_string(), Call::get("/healthz"));
        self.waits(async || client.ask(&address, &call).await.is_ok())
            .await
    }

    async fn waits(&self, is_so: impl AsyncFn() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so().await {
            if Instant::now() > deadline {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it has said nothing");
                bail!("{} does not get ready: {last}", self.name);
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Kills the server as a power failure would; the node goes on.
    pub(super) fn kill_server(&mut self) -> Result<()> {
        self.server.end().context("cannot end a memcached")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Before its server, or it would complain.
        let _ = self.node.end();
    }
}

/// A process that ends with this.
struct Running(Child);

impl Running {
    fn end(&mut self) -> std::io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(|_| ())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended by itself, which is as good.
        let _ = self.end();
    }
}

/// Starts a memcached at a port that was free, and waits until it listens.
fn memcached(free: &mut Addresses) -> Result<(Running, u16)> {
    for _ in 0..STARTS_MAX {
        let address = free.take()?;
        let child = Command::new("memcached")
            .args([
                "-l",
                &address.ip().to_string(),
                "-p",
                &address.port().to_string(),
            ])
            // Only root may choose, and must.
            .args(["-U", "0", "-u", "nobody", "-m", "16"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Running(child.map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!(
                "there is no memcached on this machine: `apt-get install memcached`, or what your \
                 system calls it"
            ),
            _ => anyhow!(error).context("cannot start memcached"),
        })?);
        let deadline = Instant::now() + PATIENCE;
        while server.0.try_wait()?.is_none() && Instant::now() < deadline {
            if TcpStream::connect(address).is_ok() {
                return Ok((server, address.port()));
            }
            thread::sleep(POLL);
        }
    }
    bail!("memcached does not start: try `memcached -vv`")
}

/// Addresses that were free a moment ago. The system may name one again as soon as nobody listens there, so
/// those that were given are kept in mind.
#[derive(Default)]
pub(super) struct Addresses(BTreeSet<SocketAddr>);

impl Addresses {
    /// Another one.
    pub(super) fn take(&mut self) -> Result<SocketAddr> {
        loop {
            let listener =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
            let address = listener.local_addr()?;
            if self.0.insert(address) {
                return Ok(address);
            }
        }
    }
}

const STARTS_MAX: usize = 5;
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(10);
