//! Client: what speaks to a node over ZeroMQ, and nodes that listen to it.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use zeromq::prelude::{Socket, SocketRecv, SocketSend};
use zeromq::{ReqSocket, ZmqMessage};

use crate::support::free_address;
use crate::support::process::Process;

/// A node and its door.
pub(crate) struct Node {
    pub(crate) process: Process,
    /// `tcp://HOST:PORT`, where it listens.
    pub(crate) door: String,
}

/// A node that is alone.
pub(crate) async fn node() -> Node {
    let mut nodes = ring(&["a"], &[]).await;
    nodes.pop().expect("one node")
}

/// Nodes of these names, with these flags more, and their doors.
pub(crate) async fn ring(names: &[&str], flags: &[&str]) -> Vec<Node> {
    let members: Vec<_> = names.iter().map(|name| (name, free_address())).collect();
    let ring = members
        .iter()
        .map(|(name, address)| format!("{name}@{address}#1"));
    let ring = ring.collect::<Vec<_>>().join(",");
    let mut processes = Vec::new();
    for (name, address) in members {
        let own = [
            "--name",
            name,
            "--ring",
            &ring,
            "--zeromq",
            "tcp://127.0.0.1:0",
        ];
        processes.push(Process::start(address, &[&own[..], flags].concat()));
    }
    let mut nodes = Vec::new();
    for mut process in processes {
        process.is_ready().await;
        let door = endpoints(&process).await.swap_remove(0);
        let door = door.strip_prefix("bind:").expect("it listens").to_owned();
        nodes.push(Node { process, door });
    }
    nodes
}

/// The ways in that a node names.
pub(crate) async fn endpoints(process: &Process) -> Vec<String> {
    let (_, info) = process.get("/nodeinfo").await.expect("it runs");
    serde_json::from_value(info["zeromq"].clone()).expect("endpoints")
}

impl Node {
    /// A client with a socket of its own.
    pub(crate) async fn client(&self) -> Client {
        let mut socket = ReqSocket::new();
        let connected = timeout(PATIENCE, socket.connect(&self.door)).await;
        connected.expect("in time").expect("it listens");
        Client(socket)
    }

    /// What is answered to this on a socket of its own.
    pub(crate) async fn answer(&self, request: impl Into<String>) -> String {
        self.client().await.answer(request).await
    }

    /// A connection on which anything can be said.
    pub(crate) async fn connect(&self) -> TcpStream {
        let address = self.door.strip_prefix("tcp://").expect("TCP");
        TcpStream::connect(address).await.expect("it listens")
    }
}

/// A REQ socket.
pub(crate) struct Client(pub(crate) ReqSocket);

impl Client {
    /// A socket that listens, and where; nodes come to it.
    pub(crate) async fn listening(endpoint: &str) -> (Client, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut socket = ReqSocket::new();
            match socket.bind(endpoint).await {
                Ok(bound) => return (Client(socket), bound.to_string()),
                // The one that listened there before may not be quite gone.
                Err(error) => assert!(Instant::now() < deadline, "{endpoint}: {error}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn answer(&mut self, request: impl Into<String>) -> String {
        let answer = self.exchange(ZmqMessage::from(request.into())).await;
        String::from_utf8(answer).expect("text")
    }

    pub(crate) async fn json(&mut self, request: &Value) -> Value {
        let answer = self.answer(request.to_string()).await;
        serde_json::from_str(&answer).expect("JSON")
    }

    /// The answer to a message of any frames, as soon as somebody is there who takes it.
    pub(crate) async fn exchange(&mut self, request: ZmqMessage) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.0.send(request.clone()).await {
            assert!(Instant::now() < deadline, "nobody is there: {error}");
            sleep(Duration::from_millis(10)).await;
        }
        let answer = timeout(PATIENCE, self.0.recv()).await;
        let answer = answer.expect("in time").expect("an answer");
        answer.try_into().expect("one frame")
    }
}

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
