//! Copies at listed members: given back to each new life, and read where they are.

mod support;

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use support::listed::{here, listed, network, put};
use support::until;

#[tokio::test]
async fn starts_within_a_second_are_told_apart() {
    let mut nodes = network(2, &["--replicas", "2"]).await;
    put(&nodes[0], 0..10).await;
    let list = format!("{},n1@{}", nodes[0].address, nodes[1].address);
    let mut lives = Vec::new();
    for _ in 0..4 {
        nodes[1].signal(Signal::KILL);
        nodes[1].ended().await;
        nodes[1] = listed("n1", nodes[1].address, &list, &["--replicas", "2"]);
        until("it is there", async || {
            let info = nodes[1].get("/nodeinfo").await;
            let life = info.and_then(|(_, info)| info["incarnation"].as_u64());
            lives.extend(life);
            life.is_some()
        })
        .await;
    }
    assert!(lives.is_sorted_by(|one, next| one < next), "{lives:?}");
    // Only who is known to be another one than before is given what it had in memory.
    nodes[1].is_ready().await;
    until("it has its copies back", async || {
        here(&nodes[1], "keys").await == 10
    })
    .await;
}

#[tokio::test]
async fn any_copy_is_read_where_it_is() {
    let nodes = network(4, &["--replicas", "3"]).await;
    put(&nodes[0], 0..8).await;
    until("all copies are made", async || {
        let keys = join_all(nodes.iter().map(|node| here(node, "keys"))).await;
        keys.iter().sum::<u64>() == 24
    })
    .await;
    for key in 0..8 {
        let mut by = BTreeSet::new();
        for node in &nodes {
            let (status, value, address) = node.read_any(&key.to_string()).await;
            assert_eq!((status, value), (200, format!("value {key}")));
            by.insert(address.expect("who has answered"));
        }
        assert_eq!(by.len(), 3, "who keeps {key} answers by itself");
    }
    // What nobody has is not there, wherever it would be.
    for node in &nodes {
        assert_eq!(node.read_any("8").await.0, 404);
    }
    let deleted = nodes[0].send(Method::DELETE, "/kv/0", "").await;
    assert_eq!(deleted.map(|(status, _)| status), Some(200));
    for node in &nodes {
        until("it is deleted", async || node.read_any("0").await.0 == 404).await;
    }
}
