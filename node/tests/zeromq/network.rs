//! Several nodes, several clients, and both ways to meet: any node serves any key, and all doors see the same.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{Client, Node, endpoints, node, ring};
use crate::support::free_address;
use crate::support::process::Process;

/// A request at the HTTP door: status and body.
async fn http(node: &Node, method: Method, path: &str, body: &str) -> (u16, String) {
    let url = format!("http://{}{path}", node.process.address);
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client");
    let request = client.request(method, url).body(body.to_owned());
    let response = request.send().await.expect("it answers");
    let status = response.status().as_u16();
    (status, response.text().await.expect("a body"))
}

#[tokio::test]
async fn any_node_serves_any_key_and_shows_what_it_holds_itself() {
    let nodes = ring(&["a", "b", "c"], &[]).await;
    for number in 0..60 {
        let put = json!({"op": "PUT", "key": format!("key-{number}"), "value": number});
        let answer = nodes[number % 3].answer(put.to_string()).await;
        assert_eq!(answer, "{\"status\":\"OK\"}");
    }
    let mut all = Vec::new();
    for node in &nodes {
        let mut client = node.client().await;
        for number in 0..60 {
            let get = json!({"op": "GET_ONE", "key": format!("key-{number}")});
            assert_eq!(client.json(&get).await["value"], number);
        }
        let held = client.json(&json!({"op": "GET_ALL"})).await;
        let held = held["collection"].as_array().expect("a collection").clone();
        assert!((1..60).contains(&held.len()), "each has some");
        all.extend(held);
    }
    assert_eq!(all.len(), 60, "each item is at one of them");
    let values: BTreeSet<u64> = all
        .iter()
        .filter_map(|item| item["value"].as_u64())
        .collect();
    assert_eq!(values, (0..60).collect());
}

#[tokio::test]
async fn all_doors_see_the_same_item() {
    let nodes = ring(&["a", "b"], &[]).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    for key in ["one", "two", "three", "ä/b c"] {
        let path = format!("/kv/{}", key.replace(' ', "%20").replace('/', "%2F"));
        let get = json!({"op": "GET_ONE", "key": key}).to_string();
        let put = |value: Value| json!({"op": "PUT", "key": key, "value": value}).to_string();
        a.answer(put("text".into())).await;
        assert_eq!(
            http(b, Method::GET, &path, "").await,
            (200, "text".to_owned())
        );
        a.answer(put(json!({"n": 1}))).await;
        assert_eq!(
            http(b, Method::GET, &path, "").await,
            (200, "{\"n\":1}".to_owned())
        );
        let (status, _) = http(b, Method::PUT, &path, "{\"n\":1}").await;
        assert_eq!(status, 200);
        let expected = json!({"key": key, "value": "{\"n\":1}"}).to_string();
        assert_eq!(
            a.answer(&*get).await,
            expected,
            "whoever writes bytes writes text"
        );
        let delete = json!({"op": "DELETE", "key": key}).to_string();
        assert_eq!(b.answer(delete).await, "{\"status\":\"OK\"}");
        assert_eq!(http(a, Method::GET, &path, "").await.0, 404);
    }
    let (status, _) = http(a, Method::PUT, "/kv/%FF", "\u{1}").await;
    assert_eq!(status, 201);
    let mut all = Vec::new();
    for node in &nodes {
        let held = node.client().await.json(&json!({"op": "GET_ALL"})).await;
        all.extend(held["collection"].as_array().expect("a collection").clone());
    }
    assert_eq!(all, [json!({"key_base64": "/w==", "value": "\u{1}"})]);
}

#[tokio::test]
async fn a_node_comes_to_a_client_that_listens_and_comes_again() {
    let (mut client, endpoint) = Client::listening("tcp://127.0.0.1:0").await;
    let address = free_address();
    let (ring, connect) = (format!("a@{address}#1"), format!("connect:{endpoint}"));
    let flags = ["--name", "a", "--ring", &ring, "--zeromq", &connect];
    let both = [&flags[..], &["--zeromq", "tcp://127.0.0.1:0"]].concat();
    let mut process = Process::start(address, &both);
    process.is_ready().await;
    let ways = endpoints(&process).await;
    assert_eq!(ways[0], connect);
    assert!(ways[1].starts_with("bind:tcp://127.0.0.1:") && !ways[1].ends_with(":0"));
    let put = json!({"op": "PUT", "key": "k", "value": "v"});
    assert_eq!(client.json(&put).await, json!({"status": "OK"}));
    let get = json!({"op": "GET_ONE", "key": "k"});
    let expected = json!({"key": "k", "value": "v"});
    assert_eq!(client.json(&get).await, expected);
    for _ in 0..3 {
        drop(client);
        sleep(Duration::from_millis(200)).await;
        client = Client::listening(&endpoint).await.0;
        assert_eq!(client.json(&get).await, expected, "it has come again");
    }
}

#[tokio::test]
async fn many_clients_are_served_at_once() {
    let node = node().await;
    let clients = (0..50).map(|number| {
        let node = &node;
        async move {
            let mut client = node.client().await;
            let key = format!("key-{number}");
            for round in 0..20 {
                let put = json!({"op": "PUT", "key": key, "value": round});
                assert_eq!(client.json(&put).await, json!({"status": "OK"}));
                let get = json!({"op": "GET_ONE", "key": key});
                assert_eq!(client.json(&get).await, json!({"key": key, "value": round}));
            }
        }
    });
    join_all(clients).await;
    let all = node.client().await.json(&json!({"op": "GET_ALL"})).await;
    assert_eq!(all["collection"].as_array().map(Vec::len), Some(50));
}

#[tokio::test]
async fn a_node_that_stops_lets_its_clients_go() {
    let mut nodes = ring(&["a"], &[]).await;
    let mut node = nodes.pop().expect("one node");
    let mut client = node.client().await;
    client.answer("{\"op\":\"GET_ALL\"}").await;
    node.process.signal(Signal::TERM);
    let status = node.process.ended().await;
    assert!(
        status.success(),
        "an open connection keeps no node: {status}"
    );
}
