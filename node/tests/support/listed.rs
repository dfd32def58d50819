//! Listed: networks of processes whose members are a list.

use std::net::SocketAddr;

use reqwest::Method;

use super::free_address;
use super::process::Process;

/// So many members, called n0, n1 and so on, which know each other.
pub async fn network(count: usize, flags: &[&str]) -> Vec<Process> {
    let addresses: Vec<SocketAddr> = (0..count).map(|_| free_address()).collect();
    let listings = addresses.iter().enumerate();
    let listings: Vec<String> = listings
        .map(|(i, address)| format!("n{i}@{address}"))
        .collect();
    let list = listings.join(",");
    let mut nodes: Vec<Process> = addresses
        .iter()
        .enumerate()
        .map(|(i, address)| listed(&format!("n{i}"), *address, &list, flags))
        .collect();
    for node in &mut nodes {
        node.is_ready().await;
    }
    nodes
}

pub fn listed(name: &str, address: SocketAddr, list: &str, flags: &[&str]) -> Process {
    let base = ["--name", name, "--membership", "static", "--members", list];
    Process::start(address, &[&base[..], flags].concat())
}

pub async fn put(node: &Process, keys: impl Iterator<Item = u32>) {
    for key in keys {
        let (path, value) = (format!("/kv/{key}"), format!("value {key}"));
        let answer = node
            .send(Method::PUT, &path, &value)
            .await
            .expect("an answer");
        assert!(matches!(answer.0, 200 | 201), "{key}: {answer:?}");
    }
}

pub async fn here(node: &Process, field: &str) -> u64 {
    let (_, here) = node.get("/members/here").await.expect("an answer");
    here[field].as_u64().unwrap_or(u64::MAX)
}
