//! Nodes in a test: real ones, that listen and talk to each other over loopback, with a local client
//! each that needs no socket.

#![expect(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part of this"
)]

pub mod consul;
pub mod listed;
pub mod memcached;
pub mod process;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dht::message::Routing;
use dht::{Id, Ownership};
use node::config::{Config, Entry, Intervals, Storage};
use node::content::Content;
use node::driver::Driver;
use node::peers::Peers;
use node::schedule::Maintenance;
use node::server::{self, Server};
use node::service::Service;
use node::{Machine, Node, Peer};
use rocket::local::asynchronous::{Client, LocalResponse};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// A node that listens.
pub struct TestNode {
    pub service: Arc<Service>,
    pub client: Client,
    pub me: Peer,
    maintenance: Option<Maintenance>,
    server: Server,
}

/// A ring of these nodes, ideal from the beginning.
pub async fn ring(names: &[&str]) -> Vec<TestNode> {
    ring_by(Ownership::Successor, names).await
}

/// A ring of `a` and `b`.
pub async fn two() -> (TestNode, TestNode) {
    let mut nodes = ring(&["a", "b"]).await;
    let (b, a) = (nodes.pop(), nodes.pop());
    (a.expect("two nodes"), b.expect("two nodes"))
}

pub async fn ring_by(ownership: Ownership, names: &[&str]) -> Vec<TestNode> {
    let peers: Vec<Peer> = names.iter().map(|name| peer(name)).collect();
    let mut nodes = Vec::new();
    for (name, me) in names.iter().zip(&peers) {
        let config = config(ownership, name, *me, Entry::Ring(peers.clone()));
        let settings = dht::Config {
            ownership,
            ..dht::Config::default()
        };
        let node = Node::in_ring(*me, &peers, settings);
        nodes.push(start(node, &config).await);
    }
    // Once all of them are there, as nodes do it.
    for node in &mut nodes {
        node.settle().await;
    }
    nodes
}

/// A node that listens, and is in no ring.
pub async fn loner(name: &str) -> TestNode {
    loner_by(Ownership::Successor, name).await
}

pub async fn loner_by(ownership: Ownership, name: &str) -> TestNode {
    let me = peer(name);
    let config = config(ownership, name, me, Entry::Join(Vec::new()));
    let settings = dht::Config {
        ownership,
        ..dht::Config::default()
    };
    let mut node = start(Node::new(me, settings), &config).await;
    node.settle().await;
    node
}

async fn start(node: Node, config: &Config) -> TestNode {
    let node = Machine::Ring(node);
    let driver = Driver::new(node, Peers::new(&config.network), Content::default(), None);
    let service = Arc::new(Service::new(driver, config));
    let rocket = server::build(service.clone(), config.workers);
    let server = Server::start(rocket, config.me.address)
        .await
        .expect("the port was free");
    let local = server::build(service.clone(), config.workers);
    TestNode {
        service,
        client: Client::untracked(local)
            .await
            .expect("routes that fit together"),
        me: config.me,
        maintenance: None,
        server,
    }
}

fn config(ownership: Ownership, name: &str, me: Peer, entry: Entry) -> Config {
    Config {
        name: name.to_owned(),
        me,
        silent_until: None,
        network: NETWORK.to_owned(),
        entry,
        ownership,
        routing: Routing::Finger,
        successors: 4,
        replicas: 1,
        zone: None,
        fetch_rate: None,
        intervals: OFTEN,
        storage: Storage::Memory,
        memcached: None,
        zeromq: Vec::new(),
        workers: NonZeroUsize::MIN,
        trace: None,
        fault_injection: false,
    }
}

/// A peer of this name at a port that was free a moment ago.
pub fn peer(name: &str) -> Peer {
    Peer {
        id: Id::of(name.as_bytes()),
        address: free_address(),
        incarnation: 1,
    }
}

/// An address that was free a moment ago, and that no other test of this process was given: the system may
/// name a port again as soon as nobody listens there.
pub fn free_address() -> SocketAddr {
    static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let address = listener.local_addr().expect("it has an address");
        if GIVEN.lock().expect("nobody panics here").insert(address) {
            return address;
        }
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(Instant::now() < deadline, "it takes too long until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

impl TestNode {
    /// Begins with the ring's maintenance.
    async fn settle(&mut self) {
        let maintenance = Maintenance::start(self.service.driver(), OFTEN).await;
        self.maintenance = Some(maintenance.expect("a runtime is all it needs"));
        self.service.settle();
    }

    /// Stops listening and everything else, as if the process had ended.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// Joins the ring that the other node belongs to, and is ready.
    pub async fn join(&self, other: &TestNode) {
        self.service
            .join(vec![other.me])
            .await
            .expect("the ring lets it in");
        until("the joiner serves its arc", async || {
            self.service.view().is_ready()
        })
        .await;
    }

    /// A key of the key-value store that this node serves.
    pub fn key(&self) -> String {
        self.keys().next().expect("there is always another one")
    }

    pub fn keys(&self) -> impl Iterator<Item = String> {
        let keys = (0..).map(|number| format!("key-{number}"));
        keys.filter(|key| self.service.read_here(Id::of_key(key.as_bytes())).is_some())
    }

    /// A value whose identifier belongs to this node.
    pub fn value(&self) -> String {
        let mut values = (0..).map(|number| format!("value {number}"));
        values
            .find(|value| self.service.read_here(Id::of(value.as_bytes())).is_some())
            .expect("there is always another one")
    }
}

/// An answer, in comparable parts.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Answer {
    pub async fn of(response: LocalResponse<'_>) -> Answer {
        let headers = response.headers().iter();
        Answer {
            status: response.status().code,
            headers: headers
                .map(|header| (header.name().to_string(), header.value().to_owned()))
                .collect(),
            body: response.into_bytes().await.unwrap_or_default(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("Content-Type"), Some("application/json"));
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Status and code of an error.
    pub fn error(&self) -> (u16, String) {
        let json = self.json();
        let text = |field: &str| json["error"][field].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty(), "{json}");
        (self.status, text("code"))
    }
}

/// Sends a request to a node's local client: `send!(node.get("/path"), "Header: value", body)`.
#[macro_export]
macro_rules! send {
    ($node:ident . $method:ident ( $path:expr ) $(, $header:literal : $value:expr)* $(; $body:expr)?) => {{
        let request = $node.client.$method($path)
            $(.header(rocket::http::Header::new($header, $value.to_string())))*
            $(.body($body))?;
        $crate::support::Answer::of(request.dispatch().await).await
    }};
}

pub const NETWORK: &str = "test";

const OFTEN: Intervals = Intervals {
    stabilize: Duration::from_millis(100),
    fingers: Duration::from_millis(100),
    predecessor: Duration::from_millis(100),
    self_check: Duration::from_secs(1),
};
