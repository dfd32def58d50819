//! Processes whose values are in memcached.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::free_address;
use crate::support::memcached::Memcached;
use crate::support::process::{PATIENCE, POLL, Process};

/// A ring of nodes called `a`, `b` and so on, with these servers.
async fn ring<const N: usize>(servers: [&Memcached; N]) -> [Process; N] {
    let addresses = [(); N].map(|()| free_address());
    let names: [String; N] = std::array::from_fn(|n| char::from(b'a' + n as u8).to_string());
    let members: Vec<String> = names
        .iter()
        .zip(addresses)
        .map(|(name, address)| format!("{name}@{address}#1"))
        .collect();
    let members = members.join(",");
    let mut nodes = std::array::from_fn(|n| {
        start(
            addresses[n],
            servers[n].address,
            &["--name", &names[n], "--ring", &members],
        )
    });
    for node in &mut nodes {
        node.is_ready().await;
    }
    nodes
}

pub(crate) fn start(address: SocketAddr, server: SocketAddr, flags: &[&str]) -> Process {
    let store = format!("memcached://{server}");
    Process::start(address, &[flags, &["--store", &store]].concat())
}

pub(crate) async fn put(node: &Process, key: &str, value: &str) -> (u16, Value) {
    let put = node.send(Method::PUT, &format!("/kv/{key}"), value).await;
    put.expect("it listens")
}

/// Status and body, which is no JSON where there is a value.
pub(crate) async fn get(node: &Process, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build();
    let url = format!("http://{}{path}", node.address);
    let response = client.expect("a client").get(url).send().await;
    let response = response.expect("it listens");
    (
        response.status().as_u16(),
        response.text().await.expect("a body"),
    )
}

pub(crate) async fn json(node: &Process, path: &str) -> Value {
    node.get(path).await.expect("it listens").1
}

pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it takes too long until {what}");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn values_are_in_memcached_and_move_when_their_node_leaves() {
    let server = Memcached::start();
    let mut nodes = ring([&server, &server]).await;
    for number in 0..40 {
        let (status, _) = put(
            &nodes[number % 2],
            &format!("k{number}"),
            &format!("v{number}"),
        )
        .await;
        assert_eq!(status, 201);
    }
    // Beside the values each node has a mark there.
    assert_eq!(server.items(), 42);
    let large = "x".repeat(1 << 20);
    assert_eq!(put(&nodes[0], "large", &large).await.0, 201);
    assert_eq!(get(&nodes[1], "/kv/large").await, (200, large));
    let own = json(&nodes[0], "/nodeinfo").await["keys"].clone();
    assert!(own != 0 && own != 41, "{own}");

    let [leaver, stayer] = &mut nodes;
    assert!(
        leaver.read("err").contains("promises nothing"),
        "it warns at the start"
    );
    leaver.signal(Signal::TERM);
    assert!(leaver.ended().await.success(), "{}", leaver.read("err"));
    for number in 0..40 {
        let found = get(stayer, &format!("/kv/k{number}")).await;
        assert_eq!(found, (200, format!("v{number}")));
    }
    let info = json(stayer, "/nodeinfo").await;
    assert_eq!((&info["keys"], &info["lost"]), (&41.into(), &0.into()));
}

#[tokio::test]
async fn while_memcached_is_away_reads_and_changes_are_refused_and_then_go_on() {
    let mut server = Memcached::start();
    let [node] = ring([&server]).await;
    assert_eq!(put(&node, "key", "value").await.0, 201);
    server.end();
    // The first to ask finds out.
    let code = |answer: &str| -> Value {
        let json: Value = serde_json::from_str(answer).expect("JSON");
        json["error"]["code"].clone()
    };
    let (status, refused) = get(&node, "/kv/key").await;
    assert_eq!((status, code(&refused)), (503, "store_unreachable".into()));
    let (status, refused) = put(&node, "key", "new").await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (503, &"read_only".into())
    );
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    for words in [&server.address.to_string(), "out of reach", "goes on when"] {
        assert!(message.contains(words), "{message}");
    }
    for path in ["/readyz", "/content"] {
        let (status, refused) = get(&node, path).await;
        assert_eq!(
            (status, code(&refused)),
            (503, "read_only".into()),
            "{path}"
        );
    }
    assert_eq!(get(&node, "/healthz").await.0, 200);

    server.restart();
    until("the node is ready", async || {
        get(&node, "/readyz").await.0 == 200
    })
    .await;
    // It lost its value with the server, and knows.
    until("the value is missed", async || {
        json(&node, "/nodeinfo").await["lost"] == 1
    })
    .await;
    assert_eq!(json(&node, "/nodeinfo").await["keys"], 0);
    assert_eq!(get(&node, "/kv/key").await.0, 404);
    assert_eq!(put(&node, "key", "new").await.0, 201);
    assert_eq!(get(&node, "/kv/key").await, (200, "new".to_owned()));
}

#[tokio::test]
async fn a_memcached_that_was_only_silent_has_lost_nothing() {
    let server = Memcached::start();
    let [node] = ring([&server]).await;
    assert_eq!(put(&node, "key", "value").await.0, 201);
    server.signal(Signal::STOP);
    let began = Instant::now();
    let (status, refused) = put(&node, "key", "new").await;
    assert_eq!(status, 503, "{refused}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(get(&node, "/readyz").await.0, 503);
    server.signal(Signal::CONT);
    until("the node is ready", async || {
        get(&node, "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(get(&node, "/kv/key").await, (200, "value".to_owned()));
}

#[tokio::test]
async fn a_node_without_its_memcached_does_not_start() {
    let (address, nobody) = (free_address(), free_address());
    let ring = format!("a@{address}#1");
    let mut node = start(address, nobody, &["--name", "a", "--ring", &ring]);
    let (code, error) = node.failure().await;
    assert_eq!(code, Some(1));
    for words in [
        "no memcached answers",
        &nobody.to_string(),
        "start one there",
    ] {
        assert!(error.contains(words), "{error}");
    }
}
