//! Process: a server of the story: a node that is alone in its network, and lets clients of ZeroMQ in.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::client::Client;

/// A process that ends when this goes.
pub(super) struct Process {
    pub(super) name: String,
    /// Where it speaks HTTP.
    pub(super) address: SocketAddr,
    /// Where it speaks to clients of ZeroMQ.
    pub(super) endpoint: String,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a server, and waits until it serves.
    pub(super) async fn start(name: &str) -> Result<Process> {
        for _ in 0..STARTS_MAX {
            let mut process = Process::spawn(name)?;
            if process.serves().await? {
                return Ok(process);
            }
        }
        bail!("other programs took our ports {STARTS_MAX} times in a row: try again")
    }

    fn spawn(name: &str) -> Result<Process> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let address = free.local_addr().context("a port has no number")?;
        drop(free);
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let log = File::create(folder.path().join(LOG)).context("cannot write a log")?;
        let mut command = Command::new(env::current_exe().context("cannot find this program")?);
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("DHT_") {
                command.env_remove(variable);
            }
        }
        let child = command
            .args(["node", "--name", name, "--network", name])
            .args(["--address", &address.to_string()])
            .args(["--ring", &format!("{name}@{address}#1")])
            .args(["--zeromq", "tcp://127.0.0.1:0"])
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start a server")?;
        Ok(Process {
            name: name.to_owned(),
            address,
            endpoint: String::new(),
            child,
            folder,
        })
    }

    /// Whether it serves now; if not, somebody else was faster to take its port. Errors: it has ended for another
    /// reason, or does not get ready.
    async fn serves(&mut self) -> Result<bool> {
        let client = Client::new()?;
        let address = self.address.to_string();
        let deadline = Instant::now() + READY_MAX;
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a server")? {
                let log = self.log();
                if log.contains("in use") {
                    return Ok(false);
                }
                bail!("{} ended at its start ({status}): {log}", self.name);
            }
            if client.ready(&address).await.is_ok()
                && let Ok(info) = client.nodeinfo(&address).await
                && info.name == self.name
            {
                let endpoint = info.more["zeromq"][0].as_str();
                let endpoint = endpoint.and_then(|text| text.strip_prefix("bind:"));
                self.endpoint = endpoint
                    .context("a server names no door for ZeroMQ")?
                    .to_owned();
                return Ok(true);
            }
            if Instant::now() > deadline {
                bail!("{} does not get ready: {}", self.name, self.log());
            }
            sleep(READY_POLL).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

const LOG: &str = "log";
const STARTS_MAX: usize = 5;
const READY_MAX: Duration = Duration::from_secs(15);
const READY_POLL: Duration = Duration::from_millis(5);
