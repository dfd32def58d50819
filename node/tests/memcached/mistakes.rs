//! Clients that make mistakes, or mean harm: they are told in the protocol's words, and others notice nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::client::{node, ring_by};
use crate::support::until;

#[tokio::test]
async fn what_is_no_request_is_told_and_changes_nothing() {
    let node = node().await;
    let mut client = node.connect().await;
    client.answer("set k 0 0 1\r\nx\r\n").await;
    let format = "CLIENT_ERROR bad command line format\r\n";
    let long = "k".repeat(251);
    for (request, expected) in [
        ("nonsense\r\n", "ERROR\r\n"),
        ("GET k\r\n", "ERROR\r\n"),
        ("\r\n", "ERROR\r\n"),
        ("get\r\n", "ERROR\r\n"),
        ("set k\r\n", "ERROR\r\n"),
        ("set k 0 0 -1\r\n", format),
        ("set k 0 0 4294967296\r\n", format),
        ("set k 4294967296 0 8\r\ndelete k\r\n", format),
        (&format!("set {long} 0 0 8\r\ndelete k\r\n"), format),
        (&format!("get k {long}\r\n"), format),
        ("get k\0\r\n", format),
        ("set k 0 0 1\r\nabc", "CLIENT_ERROR bad data chunk\r\n"),
        (
            "touch k soon\r\n",
            "CLIENT_ERROR invalid exptime argument\r\n",
        ),
        (
            "incr k -1\r\n",
            "CLIENT_ERROR invalid numeric delta argument\r\n",
        ),
        (
            "delete k 7\r\n",
            "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n",
        ),
        (
            "flush_all x\r\n",
            "CLIENT_ERROR invalid exptime argument\r\n",
        ),
        ("mg k !\r\n", "CLIENT_ERROR invalid flag\r\n"),
        ("mg k v v\r\n", "CLIENT_ERROR duplicate flag\r\n"),
        (
            "mg k Tx\r\n",
            "CLIENT_ERROR bad token in command line format\r\n",
        ),
        ("mg **** b\r\n", "CLIENT_ERROR error decoding key\r\n"),
        ("quit now\r\n", "ERROR\r\n"),
    ] {
        assert_eq!(client.answer(request).await, expected, "{request}");
    }
    let get = client.answer("get k\r\n").await;
    assert_eq!(get, "VALUE k 0 1\r\nx\r\nEND\r\n");
}

#[tokio::test]
async fn lines_without_an_end_and_the_binary_protocol_end_a_connection() {
    let node = node().await;
    for (sent, expected) in [
        (
            "x".repeat(2050).into_bytes(),
            "CLIENT_ERROR line too long\r\n",
        ),
        (
            format!("get {}", "k ".repeat(600_000)).into_bytes(),
            "CLIENT_ERROR line too long\r\n",
        ),
        (
            vec![0x80; 24],
            "CLIENT_ERROR the binary protocol is not spoken here: use the text protocol\r\n",
        ),
    ] {
        let mut client = node.connect().await;
        // All of it may not be taken, for the connection ends before.
        let _ = client.0.write_all(&sent).await;
        let answer = client.until("\r\n").await;
        assert_eq!(String::from_utf8_lossy(&answer), expected);
    }
    assert_eq!(node.answer("get k\r\n").await, "END\r\n");
}

#[tokio::test]
async fn half_a_request_and_then_silence_ends_a_connection_and_idleness_does_not() {
    let node = node().await;
    let mut idle = node.connect().await;
    let (mut in_line, mut in_value) = (node.connect().await, node.connect().await);
    in_line.send("get k").await;
    in_value.send("set k 0 0 10\r\nx").await;
    let begun = Instant::now();
    for client in [&mut in_line, &mut in_value] {
        let expected = "CLIENT_ERROR the rest of the request did not come\r\n";
        assert_eq!(client.rest().await, expected);
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "it takes a while");
    assert_eq!(idle.answer("get k\r\n").await, "END\r\n");
}

#[tokio::test]
async fn who_asks_and_never_reads_takes_no_memory_and_nobody_waits() {
    let node = node().await;
    let value = "x".repeat(1024 * 1024);
    let set = format!("set k 0 0 {}\r\n{value}\r\n", value.len());
    node.answer(set).await;
    let before = node.process.resident_kb();
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = node.connect().await;
        let requests = "get k k k k k k k k\r\n".repeat(20_000);
        // It stops where the node reads no more.
        let sent = timeout(
            Duration::from_millis(300),
            client.0.write_all(requests.as_bytes()),
        );
        let is_stopped = sent.await.is_err();
        clients.push((client, is_stopped));
    }
    let more_kb = node.process.resident_kb().saturating_sub(before);
    assert!(
        more_kb < 16 * 1024,
        "{more_kb} KB for clients that do not read"
    );
    assert_eq!(node.answer("get none\r\n").await, "END\r\n");
}

#[tokio::test]
async fn what_a_large_request_took_is_free_when_it_is_done() {
    let node = node().await;
    let value = "x".repeat(1024 * 1024);
    let set = format!("set k 0 0 {}\r\n{value}\r\n", value.len());
    node.answer(&set).await;
    let before = node.process.resident_kb();
    let mut clients = Vec::new();
    for _ in 0..48 {
        let mut client = node.connect().await;
        assert_eq!(client.answer(&set).await, "STORED\r\n");
        clients.push(client);
    }
    let more_kb = node.process.resident_kb().saturating_sub(before);
    assert!(more_kb < 16 * 1024, "{more_kb} KB for 48 that are idle");
}

#[tokio::test]
async fn too_many_connections_are_told_so_and_the_door_stays_open() {
    // A node that may open few files keeps half of them for others.
    let few = || {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -n 100; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_node"),
        ]);
        command
    };
    let nodes = ring_by(few, &["a"], &[]).await;
    let node = &nodes[0];
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = node.connect().await;
        assert_eq!(client.answer("get k\r\n").await, "END\r\n");
        clients.push(client);
    }
    for _ in 0..100 {
        let expected = "ERROR Too many open connections\r\n";
        assert_eq!(node.connect().await.rest().await, expected);
    }
    assert_eq!(clients[0].answer("get k\r\n").await, "END\r\n");
    clients.truncate(40);
    until("there is room again", async || {
        let stats = clients[0].answer("stats\r\n").await;
        stats.contains("STAT curr_connections 40\r\n")
            && stats.contains("STAT rejected_connections 100\r\n")
    })
    .await;
    assert_eq!(node.answer("get k\r\n").await, "END\r\n");
}
