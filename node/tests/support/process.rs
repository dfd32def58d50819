//! Process: a node as an executable of its own.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

/// A node process in a folder of its own; it ends with this.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
    pub folder: TempDir,
}

impl Process {
    pub fn start(address: SocketAddr, flags: &[&str]) -> Process {
        Process::start_by(Command::new(env!("CARGO_BIN_EXE_node")), address, flags)
    }

    /// Starts it by this command, which has all but the flags.
    pub fn start_by(mut command: Command, address: SocketAddr, flags: &[&str]) -> Process {
        let folder = TempDir::new().expect("a temporary folder");
        let file = |name| fs::File::create(folder.path().join(name)).expect("a file");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DHT_")) {
            command.env_remove(name);
        }
        let child = command
            .args(["--address", &address.to_string()])
            .args(["--stabilize-ms", "100", "--fingers-ms", "100"])
            .args(flags)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .expect("the executable runs");
        Process {
            child,
            address,
            folder,
        }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("a file")
    }

    /// What of its memory is in use.
    pub fn resident_kb(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(status).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.expect("a number").parse().expect("a number")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits until it is part of a ring and serves.
    pub async fn is_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self
            .get("/readyz")
            .await
            .is_none_or(|(status, _)| status != 200)
        {
            let ended = self.child.try_wait().expect("it is ours");
            let log = self.read("err");
            assert!(ended.is_none(), "it ended: {log}");
            assert!(Instant::now() < deadline, "it does not get ready: {log}");
            sleep(POLL).await;
        }
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                self.read("err")
            );
            sleep(POLL).await;
        }
    }

    /// Its exit code and the last line that it said.
    pub async fn failure(&mut self) -> (Option<i32>, String) {
        let status = self.ended().await;
        let log = self.read("err");
        (
            status.code(),
            log.lines().last().unwrap_or_default().to_owned(),
        )
    }

    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        self.send(reqwest::Method::GET, path, "").await
    }

    pub async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &str,
    ) -> Option<(u16, Value)> {
        let url = format!("http://{}{path}", self.address);
        let request = client().request(method, url).body(body.to_owned());
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.json().await.ok()?))
    }

    /// What `GET /kv/<key>` says if any copy will do: status, value, and who has answered.
    pub async fn read_any(&self, key: &str) -> (u16, String, Option<String>) {
        let url = format!("http://{}/kv/{key}?consistency=one", self.address);
        let response = client().get(url).send().await.expect("an answer");
        let by = response.headers().get("X-Dht-Node");
        let by = by.map(|by| by.to_str().expect("an address").to_owned());
        let status = response.status().as_u16();
        (status, response.text().await.expect("a text"), by)
    }
}

pub fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    client.build().expect("a client")
}

/// So many connections at once make a crowd: 10,000 where this process may have them, beside all else.
pub fn crowd() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("up to the maximum it may be raised");
    }
    let files = maximum.map_or(usize::MAX, |files| files as usize);
    10_000.min(files.saturating_sub(1_000))
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails where it has ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

pub const PATIENCE: Duration = Duration::from_secs(15);
pub const POLL: Duration = Duration::from_millis(10);
