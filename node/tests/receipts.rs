//! What whoever writes is told: how many copies there are, and how many of them are on disk; and who still
//! answers when a member can keep nothing more, or is gone.

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use support::free_address;
use support::process::{Process, client};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use zeromq::ReqSocket;
use zeromq::prelude::{Socket as _, SocketRecv as _, SocketSend as _};

/// Nodes of a ring with so many copies, on disks below a folder or in memory; `wrapped` runs the node of a place
/// in another way.
async fn ring(
    count: usize,
    replicas: &str,
    disks: Option<&Path>,
    wrapped: Option<(usize, &str)>,
) -> Vec<Process> {
    let addresses: Vec<SocketAddr> = (0..count).map(|_| free_address()).collect();
    let members = addresses.iter().enumerate();
    let members: Vec<String> = members
        .map(|(place, address)| format!("n{place}@{address}#1"))
        .collect();
    let members = members.join(",");
    let mut nodes = Vec::new();
    for (place, address) in addresses.iter().enumerate() {
        let name = format!("n{place}");
        let mut flags = vec!["--name", &name, "--replicas", replicas, "--ring", &members];
        flags.extend(["--memcached-port", "0", "--zeromq", "tcp://127.0.0.1:0"]);
        let data = disks.map(|folder| folder.join(&name));
        let data = data.map(|data| data.to_str().expect("a path in words").to_owned());
        if let Some(data) = &data {
            flags.extend(["--store", "disk", "--data", data]);
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
        if let Some((_, script)) = wrapped.filter(|(other, _)| *other == place) {
            command = Command::new("sh");
            command.args(["-c", script, env!("CARGO_BIN_EXE_node")]);
        }
        nodes.push(Process::start_by(command, *address, &flags));
    }
    for node in &mut nodes {
        node.is_ready().await;
    }
    nodes
}

async fn put(node: &Process, key: &str, value: &str) -> Option<(u16, Value)> {
    node.send(Method::PUT, &format!("/kv/{key}"), value).await
}

/// What a node answers to a `set` of memcached.
async fn set(node: &Process, key: &str, value: &str) -> String {
    let (_, info) = node.get("/nodeinfo").await.expect("it runs");
    let door = info["memcached"].as_str().expect("a door");
    let mut stream = TcpStream::connect(door).await.expect("it listens");
    let request = format!("set {key} 0 0 {}\r\n{value}\r\nquit\r\n", value.len());
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it is read");
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("in time").expect("text");
    answer
}

/// What a node answers to a `PUT` over ZeroMQ.
async fn put_over_zeromq(node: &Process, key: &str) -> String {
    let (_, info) = node.get("/nodeinfo").await.expect("it runs");
    let door = info["zeromq"][0].as_str().expect("a door");
    let door = door.strip_prefix("bind:").expect("it listens");
    let mut socket = ReqSocket::new();
    socket.connect(door).await.expect("it listens");
    let request = format!(r#"{{"op":"PUT","key":"{key}","value":"value"}}"#);
    socket.send(request.into()).await.expect("it is read");
    let answer = timeout(PATIENCE, socket.recv()).await;
    let answer = answer.expect("in time").expect("an answer");
    String::from_utf8_lossy(answer.get(0).expect("a frame")).into_owned()
}

/// Puts a value again until all members have it, and returns the receipt.
async fn receipt_of(node: &Process, copies: u64) -> Value {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let (status, receipt) = put(node, "key", "value").await.expect("it listens");
        if matches!(status, 200 | 201) && receipt["copies"] == copies {
            return receipt;
        }
        assert!(Instant::now() < end, "{status} {receipt}");
    }
}

#[tokio::test]
async fn a_receipt_says_how_many_copies_there_are_and_how_many_are_on_disk() {
    for (count, replicas, on_disk) in [
        (3, "3", true),
        (3, "3", false),
        (1, "1", true),
        (1, "1", false),
    ] {
        let folder = TempDir::new().expect("a folder");
        let disks = on_disk.then_some(folder.path());
        let nodes = ring(count, replicas, disks, None).await;
        let copies = count as u64;
        // A majority is enough: the last one may come later.
        let (status, first) = put(&nodes[0], "key", "first").await.expect("it listens");
        assert_eq!(status, 201);
        let least = copies / 2 + 1;
        for (receipt, least) in [
            (&first, least),
            (&receipt_of(&nodes[0], least).await, least),
        ] {
            let told = receipt["copies"].as_u64().expect("a number");
            assert!((least..=copies).contains(&told), "{receipt}");
            let synced = if on_disk { told } else { 0 };
            assert_eq!(
                receipt["synced"], synced,
                "{count} on disk {on_disk}: {receipt}"
            );
            assert_eq!(receipt["epoch"], 1, "{receipt}");
            let leader = receipt["node"]["address"]
                .as_str()
                .expect("who answers for it");
            let mut addresses = nodes.iter().map(|node| node.address.to_string());
            assert!(addresses.any(|address| address == leader), "{receipt}");
        }
        let (status, second) = put(&nodes[count - 1], "key", "second")
            .await
            .expect("it listens");
        assert_eq!(status, 200);
        assert_eq!(second["node"], first["node"], "one answers for a key");
        assert!(
            second["version"].as_u64() > first["version"].as_u64(),
            "{first} {second}"
        );
    }
}

#[tokio::test]
async fn any_copy_of_three_is_read_also_when_its_leader_is_gone() {
    let mut nodes = ring(3, "3", None, None).await;
    let (_, receipt) = put(&nodes[0], "key", "value").await.expect("it listens");
    let leader = receipt["node"]["address"]
        .as_str()
        .expect("an address")
        .to_owned();
    let end = Instant::now() + Duration::from_secs(10);
    for node in &nodes {
        let own = Some(node.address.to_string());
        while node.read_any("key").await != (200, "value".to_owned(), own.clone()) {
            assert!(Instant::now() < end, "{:?}", node.read_any("key").await);
            sleep(Duration::from_millis(20)).await;
        }
    }
    let place = nodes
        .iter()
        .position(|node| node.address.to_string() == leader);
    drop(nodes.remove(place.expect("one of the three leads")));
    for node in &nodes {
        let own = Some(node.address.to_string());
        assert_eq!(
            node.read_any("key").await,
            (200, "value".to_owned(), own),
            "nobody is asked for it"
        );
    }
}

/// What a full disk does to a process, a limit to its files does as well.
#[tokio::test]
async fn others_lead_what_a_node_led_whose_disk_is_full() {
    let folder = TempDir::new().expect("a folder");
    // In blocks of 512 bytes, or in some shells of 1024.
    let script = "trap '' XFSZ; ulimit -f 6000; exec \"$0\" \"$@\"";
    let nodes = ring(3, "3", Some(folder.path()), Some((0, script))).await;
    let value = "v".repeat(100_000);
    let mut kept = Vec::new();
    let full = async || {
        nodes[0]
            .get("/readyz")
            .await
            .is_some_and(|(status, _)| status == 503)
    };
    while !full().await {
        assert!(
            kept.len() < 1_000,
            "100 MB are more than its files may have"
        );
        let key = format!("key{}", kept.len());
        if matches!(put(&nodes[1], &key, &value).await, Some((201, _))) {
            kept.push(key);
        }
    }
    // All arcs, that of the full node included, take writes again, by whomever they come.
    let end = Instant::now() + Duration::from_secs(15);
    for number in 0..30 {
        let key = format!("later{number}");
        loop {
            let answer = put(&nodes[number % 3], &key, "value").await;
            if matches!(answer, Some((200 | 201, _))) {
                break;
            }
            assert!(Instant::now() < end, "{number}: {answer:?}");
            sleep(Duration::from_millis(100)).await;
        }
        kept.push(key);
    }
    // By each of its doors.
    assert_eq!(set(&nodes[0], "set", "value").await, "STORED\r\n");
    assert_eq!(
        put_over_zeromq(&nodes[0], "over").await,
        r#"{"status":"OK"}"#
    );
    kept.extend(["set".to_owned(), "over".to_owned()]);
    for key in &kept {
        let url = format!("http://{}/kv/{key}", nodes[2].address);
        let answer = client().get(url).send().await.expect("it listens");
        assert_eq!(answer.status().as_u16(), 200, "{key} was acknowledged");
    }
}

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);
