//! Client: what speaks to a node in memcached's words, and nodes that listen to it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::free_address;
use crate::support::process::Process;

/// A node and its door.
pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) door: SocketAddr,
}

/// A node that is alone.
pub(crate) async fn node() -> Node {
    let mut nodes = ring(&["a"], &[]).await;
    nodes.pop().expect("one node")
}

/// Nodes of these names, with these flags more, and their doors.
pub(crate) async fn ring(names: &[&str], flags: &[&str]) -> Vec<Node> {
    ring_by(|| Command::new(env!("CARGO_BIN_EXE_node")), names, flags).await
}

/// Nodes that are started by this command.
pub(crate) async fn ring_by(
    command: impl Fn() -> Command,
    names: &[&str],
    flags: &[&str],
) -> Vec<Node> {
    let members: Vec<_> = names.iter().map(|name| (name, free_address())).collect();
    let ring = members
        .iter()
        .map(|(name, address)| format!("{name}@{address}#1"));
    let ring = ring.collect::<Vec<_>>().join(",");
    let start = |(name, address): &(&&str, SocketAddr)| {
        let own = ["--name", name, "--ring", &ring, "--memcached-port", "0"];
        Process::start_by(command(), *address, &[&own[..], flags].concat())
    };
    let processes: Vec<_> = members.iter().map(start).collect();
    let mut nodes = Vec::new();
    for mut process in processes {
        process.is_ready().await;
        nodes.push(Node::of(process).await);
    }
    nodes
}

impl Node {
    /// A process and the door that it names.
    pub(crate) async fn of(process: Process) -> Node {
        let (_, info) = process.get("/nodeinfo").await.expect("it runs");
        let door = info["memcached"].as_str().expect("a door");
        let door = door.parse().expect("an address");
        Node { process, door }
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.door).await;
        Client(stream.expect("it listens"))
    }

    /// What it answers to this on a connection of its own.
    pub(crate) async fn answer(&self, request: impl AsRef<[u8]>) -> String {
        self.connect().await.answer(request).await
    }
}

/// A connection.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.0.write_all(bytes.as_ref()).await;
        sent.expect("it is read");
    }

    /// What is answered to this, and nothing more: behind it something is asked that is always answered.
    pub(crate) async fn answer(&mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request).await;
        self.send("mn\r\n").await;
        let mut answer = self.until("MN\r\n").await;
        answer.truncate(answer.len() - 4);
        String::from_utf8(answer).expect("text")
    }

    /// Reads until something comes that ends so.
    pub(crate) async fn until(&mut self, end: &str) -> Vec<u8> {
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            let read = timeout(PATIENCE, self.0.read_buf(&mut answer)).await;
            let text = String::from_utf8_lossy(&answer).into_owned();
            match read {
                Ok(Ok(1..)) => {}
                other => panic!("{other:?} after {text:?}, not {end:?}"),
            }
        }
        answer
    }

    /// Reads until the node ends the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut answer)).await;
        read.expect("it ends").expect("it ends in peace");
        String::from_utf8(answer).expect("text")
    }
}

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
