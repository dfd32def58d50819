//! Listed nodes, each with a memcached server of its own: the ring that clients of memcached know.

use std::collections::BTreeSet;

use dht::Id;
use dht::placement::{Hash, Scheme, Seat};
use reqwest::Method;
use serde_json::Value;

use crate::node::{get, json, put, start, until};
use crate::support::free_address;
use crate::support::memcached::Memcached;
use crate::support::process::Process;

const SCHEME: Scheme = Scheme::Ring {
    positions: 10,
    hash: Hash::Murmur3,
};

/// A node for each server, labelled as if these were at port 11211 and so on of this host.
async fn network(servers: &[Memcached], copies: &str) -> Vec<Process> {
    let addresses: Vec<_> = servers.iter().map(|_| free_address()).collect();
    let members: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let members = members.join(",");
    let mut nodes = Vec::new();
    for (number, (address, server)) in addresses.into_iter().zip(servers).enumerate() {
        let label = label(number);
        let flags = ["--membership", "static", "--members", &members];
        let places = ["--placement", "ring", "--positions", "10", "--hash"];
        let rest = ["murmur3", "--label", &label, "--replicas", copies];
        let flags = [&flags[..], &places, &rest].concat();
        nodes.push(start(address, server.address, &flags));
    }
    for node in &mut nodes {
        node.is_ready().await;
    }
    nodes
}

fn label(number: usize) -> String {
    format!("('localhost', {})", 11211 + number)
}

/// The nodes that are to keep a key, the owner first.
fn keepers(nodes: usize, copies: usize, key: &str) -> Vec<usize> {
    let labels: Vec<String> = (0..nodes).map(label).collect();
    let seats: Vec<Seat> = labels
        .iter()
        .map(|label| Seat {
            label,
            ..Id::of(label.as_bytes()).into()
        })
        .collect();
    let ring = SCHEME.place(&seats, &[]);
    ring.replicas(SCHEME.identify(key.as_bytes()), copies)
}

/// The keys that a node holds.
async fn held(node: &Process) -> BTreeSet<String> {
    let content = json(node, "/content").await;
    let items = content["items"].as_array().expect("a list");
    let name = |item: &Value| item["name"].as_str().expect("a text").to_owned();
    items.iter().map(name).collect()
}

#[tokio::test]
async fn keys_are_where_clients_of_memcached_look_for_them() {
    let servers: Vec<Memcached> = (0..4).map(|_| Memcached::start()).collect();
    let nodes = network(&servers, "3").await;
    // Owner and copies as Python's mmh3 has them; see the tests of the ring.
    for (number, (key, expected)) in [
        ("a", [0, 1, 2]),
        ("b", [3, 2, 0]),
        ("hello", [1, 2, 0]),
        ("key-0", [0, 3, 1]),
        ("key-3", [3, 1, 2]),
        ("key-17", [2, 0, 1]),
        ("wrap-3", [2, 0, 3]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(keepers(4, 3, key), expected);
        assert_eq!(put(&nodes[number % 4], key, key).await.0, 201);
        // The last copy may come after the answer.
        until("all that are to have it do", async || {
            let mut has = Vec::new();
            for (number, node) in nodes.iter().enumerate() {
                has.extend(held(node).await.contains(key).then_some(number));
            }
            has == BTreeSet::from(expected).into_iter().collect::<Vec<_>>()
        })
        .await;
    }
    let info = json(&nodes[2], "/nodeinfo").await;
    assert_eq!(info["label"], label(2));
}

#[tokio::test]
async fn a_server_that_dies_takes_nothing_along_that_has_copies() {
    let mut servers: Vec<Memcached> = (0..4).map(|_| Memcached::start()).collect();
    let nodes = network(&servers, "3").await;
    let keys: Vec<String> = (0..30).map(|number| format!("key-{number}")).collect();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(put(&nodes[number % 4], key, "old").await.0, 201, "{key}");
    }
    servers[3].end();
    for (number, key) in keys.iter().enumerate() {
        for node in &nodes {
            let found = get(node, &format!("/kv/{key}")).await;
            assert_eq!(found, (200, "old".to_owned()), "{key}");
        }
        // Any node but the one that can't keep anything takes changes, of all keys.
        let (status, changed) = put(&nodes[number % 3], key, "new").await;
        assert_eq!(status, 200, "{key}: {changed}");
    }
    let refused = nodes[3].send(Method::PUT, "/kv/any", "value").await;
    assert_eq!(refused.expect("it listens").0, 503);

    servers[3].restart();
    until("the node is ready", async || {
        get(&nodes[3], "/readyz").await.0 == 200
    })
    .await;
    let own = |key: &&String| keepers(4, 3, key)[0] == 3;
    for key in &keys {
        assert_eq!(
            get(&nodes[3], &format!("/kv/{key}")).await,
            (200, "new".to_owned())
        );
    }
    // What it was asked for as the owner it has again by then, and the rest comes by itself.
    let own: BTreeSet<String> = keys.iter().filter(own).cloned().collect();
    until("the owner has its copies", async || {
        held(&nodes[3]).await.is_superset(&own)
    })
    .await;
}

#[tokio::test]
async fn with_one_copy_what_a_server_has_is_as_gone_as_the_server() {
    let mut servers: Vec<Memcached> = (0..2).map(|_| Memcached::start()).collect();
    let nodes = network(&servers, "1").await;
    let key = |owner| {
        let mut keys = (0..).map(|number| format!("key-{number}"));
        keys.find(|key| keepers(2, 1, key)[0] == owner)
            .expect("some")
    };
    for owner in [0, 1] {
        assert_eq!(put(&nodes[0], &key(owner), "value").await.0, 201);
    }
    servers[1].end();
    assert_eq!(get(&nodes[0], &format!("/kv/{}", key(0))).await.0, 200);
    for node in &nodes {
        let (status, refused) = get(node, &format!("/kv/{}", key(1))).await;
        assert!(
            status == 503 && refused.contains("store_unreachable"),
            "{refused}"
        );
    }
    servers[1].restart();
    until("the node is ready", async || {
        get(&nodes[1], "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(get(&nodes[0], &format!("/kv/{}", key(1))).await.0, 404);
}

#[tokio::test]
async fn two_members_of_one_label_are_refused() {
    let servers = [Memcached::start(), Memcached::start()];
    let mut nodes = network(&servers[..1], "1").await;
    let address = free_address();
    let flags = ["--membership", "static", "--members"];
    // While one of its list does not answer it can't see by itself that two are called the same, and end.
    let members = format!("{},{address},{}", nodes[0].address, free_address());
    let label = label(0);
    let rest = ["--positions", "10", "--hash", "murmur3", "--label", &label];
    let flags = [&flags[..], &[&members], &rest].concat();
    let twin = start(address, servers[1].address, &flags);
    until("the twin listens", async || {
        twin.get("/healthz").await.is_some()
    })
    .await;
    let member = format!("{{\"address\":\"{address}\"}}");
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("http://{}/members", nodes[0].address);
    let request = client.put(url).header("Content-Type", "application/json");
    let answer = request.body(member).send().await.expect("it listens");
    let (status, answer) = (
        answer.status().as_u16(),
        answer.text().await.expect("a body"),
    );
    assert!(status == 409 && answer.contains("label_taken"), "{answer}");
    nodes[0].is_ready().await;
}
