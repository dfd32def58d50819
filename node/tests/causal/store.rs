//! Store: nodes of a causal store as processes, and a client.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

/// A node, configured by the environment alone; it ends with this.
pub(crate) struct Node {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it holds, and its log; they outlast a kill.
    folder: TempDir,
    /// What the executable is run by, if not directly.
    within: Vec<String>,
    /// How it is told where to keep its content.
    storage: &'static [&'static str],
}

impl Node {
    /// `within`: the words of a command that runs another one, in a place of its own.
    pub(crate) fn start(
        address: SocketAddr,
        view: &str,
        shards: Option<u32>,
        within: &[&str],
    ) -> Node {
        let within = within.iter().map(|word| (*word).to_owned()).collect();
        Node::start_on(DISK, address, view, shards, within)
    }

    fn start_on(
        storage: &'static [&'static str],
        address: SocketAddr,
        view: &str,
        shards: Option<u32>,
        within: Vec<String>,
    ) -> Node {
        let folder = TempDir::new().expect("a temporary folder");
        let child = spawn(storage, address, view, shards, &within, &folder);
        Node {
            child,
            address,
            folder,
            within,
            storage,
        }
    }

    /// Starts it again with other options.
    pub(crate) fn restart_with(&mut self, storage: &'static [&'static str], view: &str) {
        self.storage = storage;
        self.restart(view, None);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.expect("kill runs").success(), "{name}");
    }

    /// Kills it, with no time to say anything.
    pub(crate) fn kill(&mut self) {
        // Fails where it has ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }

    /// Starts it again, on its disk if it has one.
    pub(crate) fn restart(&mut self, view: &str, shards: Option<u32>) {
        self.kill();
        let within = &self.within;
        self.child = spawn(
            self.storage,
            self.address,
            view,
            shards,
            within,
            &self.folder,
        );
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(
    storage: &[&str],
    address: SocketAddr,
    view: &str,
    shards: Option<u32>,
    within: &[String],
    folder: &TempDir,
) -> Child {
    let node = env!("CARGO_BIN_EXE_node").to_owned();
    let mut words = within.iter().chain([&node]);
    let mut command = Command::new(words.next().expect("the executable"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DHT_")) {
        command.env_remove(name);
    }
    let log = File::options()
        .append(true)
        .create(true)
        .open(folder.path().join("log"));
    command
        .args(words)
        .args(storage)
        .env("SOCKET_ADDRESS", address.to_string())
        .env("VIEW", view)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.expect("a file"));
    match shards {
        Some(shards) => command.env("SHARD_COUNT", shards.to_string()),
        None => command.env_remove("SHARD_COUNT"),
    };
    command.spawn().expect("the executable runs")
}

/// Some nodes of one store.
pub(crate) struct Store {
    pub(crate) nodes: Vec<Node>,
    pub(crate) client: Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// What the header says was seen.
    pub(crate) seen: Option<String>,
    pub(crate) retry_after: Option<String>,
}

impl Store {
    /// So many nodes on free ports, in so many shards, all of them ready.
    pub(crate) async fn boot(count: usize, shards: Option<u32>) -> Store {
        Store::boot_on(DISK, count, shards).await
    }

    /// The same, of nodes whose content dies with them.
    pub(crate) async fn boot_in_memory(count: usize, shards: Option<u32>) -> Store {
        Store::boot_on(&["--store", "memory"], count, shards).await
    }

    async fn boot_on(storage: &'static [&'static str], count: usize, shards: Option<u32>) -> Store {
        // All are taken at the same time, or one might be given twice.
        let listeners: Vec<_> = (0..count)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .map(|listener| listener.local_addr().expect("it listens"))
            .collect();
        drop(listeners);
        let view = joined(&addresses);
        let nodes = addresses
            .iter()
            .map(|address| Node::start_on(storage, *address, &view, shards, Vec::new()));
        let store = Store::of(nodes.collect());
        for place in 0..count {
            store.is_ready(place).await;
        }
        store
    }

    pub(crate) fn of(nodes: Vec<Node>) -> Store {
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(40))
            .build();
        Store {
            nodes,
            client: client.expect("a client"),
        }
    }

    pub(crate) fn view(&self) -> String {
        let addresses: Vec<SocketAddr> = self.nodes.iter().map(|node| node.address).collect();
        joined(&addresses)
    }

    /// Asks the node at this place; nothing where it does not answer.
    pub(crate) async fn try_ask(
        &self,
        place: usize,
        method: Method,
        path: &str,
        body: &str,
    ) -> Option<Told> {
        let address = self.nodes[place].address;
        let request = self
            .client
            .request(method, format!("http://{address}{path}"))
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        let response = request.send().await.ok()?;
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        Some(Told {
            status: response.status().as_u16(),
            seen: header("Causal-Metadata"),
            retry_after: header("Retry-After"),
            body: response.json().await.ok()?,
        })
    }

    pub(crate) async fn ask(&self, place: usize, method: Method, path: &str, body: Value) -> Told {
        let told = self.try_ask(place, method, path, &body.to_string()).await;
        told.unwrap_or_else(|| panic!("{place} does not answer: {}", self.nodes[place].log()))
    }

    pub(crate) async fn get(&self, place: usize, path: &str) -> Told {
        self.ask(place, Method::GET, path, Value::Null).await
    }

    /// Puts a value. A node that is not served in time by others is asked again, as it says itself.
    pub(crate) async fn put(&self, place: usize, key: &str, value: Value, seen: &Value) -> Told {
        self.ask_again(async || self.put_once(place, key, value.clone(), seen).await)
            .await
    }

    pub(crate) async fn put_once(
        &self,
        place: usize,
        key: &str,
        value: Value,
        seen: &Value,
    ) -> Told {
        let body = json!({"value": value, "causal-metadata": seen});
        self.ask(place, Method::PUT, &format!("/kvs/{key}"), body)
            .await
    }

    /// Reads a key, and asks again as [`Store::put`] does.
    pub(crate) async fn read(&self, place: usize, key: &str, seen: &Value) -> Told {
        self.ask_again(async || self.read_once(place, key, seen).await)
            .await
    }

    pub(crate) async fn read_once(&self, place: usize, key: &str, seen: &Value) -> Told {
        let body = json!({"causal-metadata": seen});
        self.ask(place, Method::GET, &format!("/kvs/{key}"), body)
            .await
    }

    /// Asks until it is not "later", or has said so for long.
    async fn ask_again(&self, ask: impl AsyncFn() -> Told) -> Told {
        let deadline = Instant::now() + BUSY;
        loop {
            let told = ask().await;
            if told.status != 503 || Instant::now() > deadline {
                return told;
            }
            sleep(POLL).await;
        }
    }

    /// Waits until the node at this place is ready.
    pub(crate) async fn is_ready(&self, place: usize) {
        let what = format!("{place} is ready");
        self.until(&what, async || {
            let told = self.try_ask(place, Method::GET, "/readyz", "").await;
            told.is_some_and(|told| told.status == 200)
        })
        .await;
    }

    /// Waits until all nodes say that the shards may be changed.
    pub(crate) async fn settles(&self) {
        for place in 0..self.nodes.len() {
            self.until("it is settled", async || {
                let status = self.get(place, "/shard/status").await.body;
                status["settled"] == true && status["deciding"] == false
            })
            .await;
        }
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            let logs: Vec<String> = self.nodes.iter().map(Node::log).collect();
            assert!(
                Instant::now() < deadline,
                "{what}: never\n{}",
                logs.join("\n")
            );
            sleep(POLL).await;
        }
    }

    /// The places of the nodes of a shard.
    pub(crate) async fn members(&self, via: usize, shard: &str) -> Vec<usize> {
        let told = self.get(via, &format!("/shard/members/{shard}")).await;
        let members = told.body["shard-members"]
            .as_array()
            .expect("a list")
            .clone();
        let place = |address: &Value| {
            let mut nodes = self.nodes.iter();
            nodes.position(|node| address == &json!(node.address.to_string()))
        };
        members.iter().filter_map(place).collect()
    }
}

pub(crate) fn joined(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    texts.join(",")
}

/// A disk of its own, in the folder where it runs.
const DISK: &[&str] = &["--store", "disk", "--data", "data"];
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a node may have to wait for others, which are busy or taken for dead only after a while.
const BUSY: Duration = Duration::from_secs(20);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);
