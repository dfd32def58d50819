//! What is no HTTP, half of it, or far too much of it, over real connections: the node goes on.
//!
//! What can't be read as a request is answered by the server below the routes, by a status alone and without JSON.

mod support;

use std::time::Duration;

use support::free_address;
use support::process::{Process, crowd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn node() -> Process {
    let address = free_address();
    let ring = format!("a@{address}#1");
    let mut node = Process::start(address, &["--name", "a", "--ring", &ring]);
    node.is_ready().await;
    node
}

async fn connect(node: &Process) -> TcpStream {
    let stream = TcpStream::connect(node.address).await;
    stream.expect("it listens")
}

/// The statuses that come back for these bytes, until the node ends the connection or says nothing more.
async fn statuses(node: &Process, bytes: &[u8]) -> Vec<u16> {
    let mut stream = connect(node).await;
    // The node may end the connection before it has read everything.
    let _ = timeout(PATIENCE, stream.write_all(bytes)).await;
    let mut answer = Vec::new();
    while let Ok(Ok(1..)) = timeout(SILENCE, stream.read_buf(&mut answer)).await {}
    let answer = String::from_utf8_lossy(&answer);
    let heads = answer.split("HTTP/1.1 ").skip(1);
    heads
        .map(|head| head[..3].parse().expect("a status"))
        .collect()
}

async fn serves(node: &Process) {
    let ready = timeout(PATIENCE, node.get("/readyz")).await;
    let status = ready.expect("in time").map(|(status, _)| status);
    assert_eq!(status, Some(200));
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_node_goes_on() {
    let node = node().await;
    let put = |headers: &str, body: &str| {
        format!("PUT /kv/k HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}")
    };
    let many = (0..200).map(|number| format!("X-{number}: 1\r\n"));
    let many = many.collect::<String>();
    let long = "x".repeat(1024 * 1024);
    for (what, bytes, expected) in [
        (
            "a negative length",
            put("Content-Length: -1", "x"),
            &[400][..],
        ),
        (
            "a length that is no number",
            put("Content-Length: 1x", "x"),
            &[400],
        ),
        (
            "a length beyond all numbers",
            put("Content-Length: 99999999999999999999999", "x"),
            &[400],
        ),
        (
            "a length beyond all memory",
            put("Content-Length: 1152921504606846976", "x"),
            &[],
        ),
        (
            "the largest number as a length",
            put("Content-Length: 18446744073709551615", "x"),
            &[431],
        ),
        (
            "two lengths",
            put("Content-Length: 1\r\nContent-Length: 2", "xx"),
            &[400],
        ),
        (
            "a chunk without a size",
            put("Transfer-Encoding: chunked", "x\r\n"),
            &[400],
        ),
        (
            "a chunk of too large a size",
            put("Transfer-Encoding: chunked", "fffffffffffffffff\r\nx\r\n"),
            &[400],
        ),
        (
            "a chunk without its end",
            put("Transfer-Encoding: chunked", "1\r\nxyz\r\n0\r\n\r\n"),
            &[400],
        ),
        (
            "a long path",
            format!("GET /kv/{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
            &[431],
        ),
        (
            "a long header",
            format!("GET /readyz HTTP/1.1\r\nX: {long}\r\n\r\n"),
            &[431],
        ),
        (
            "many headers",
            format!("GET /readyz HTTP/1.1\r\n{many}\r\n"),
            &[431],
        ),
        (
            "another method",
            "BREW /kv/k HTTP/1.1\r\n\r\n".to_owned(),
            &[400],
        ),
        ("another protocol", "get k\r\n".to_owned(), &[400]),
        (
            "another version",
            "GET /readyz HTTP/9.9\r\n\r\n".to_owned(),
            &[400],
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[]),
        ("bytes", "\0\x01\x7f\r\n\r\n".to_owned(), &[400]),
    ] {
        let statuses = statuses(&node, bytes.as_bytes()).await;
        println!("{what}: {statuses:?}");
        assert_eq!(statuses, expected, "{what}");
        serves(&node).await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    let node = node().await;
    for (bytes, body) in [
        (5, "abc"),
        (100, "0123456789012"),
        (100, "0123456789012345"),
    ] {
        let mut stream = connect(&node).await;
        let head =
            format!("PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).await.expect("it is read");
        stream.shutdown().await.expect("it is open");
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
    }
    // The node may go on with such a request when its connection is gone.
    tokio::time::sleep(SILENCE).await;
    let get = b"GET /kv/k HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(statuses(&node, get).await, [404]);
    let whole = statuses(
        &node,
        b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    )
    .await;
    assert_eq!(whole, [201]);
    let whole =
        b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    assert_eq!(statuses(&node, whole).await, [200]);
    let empty = b"PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(statuses(&node, empty).await, [200]);
}

#[tokio::test]
async fn half_a_request_and_then_silence_hold_nobody_up() {
    let node = node().await;
    let before = node.resident_kb();
    let mut halves = Vec::new();
    for number in 0..1_000 {
        let half = [
            "GET /kv/k",
            "GET /readyz HTTP/1.1\r\nHost: x\r\n",
            "PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx",
            "PUT /kv/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nx",
        ][number % 4];
        let mut stream = connect(&node).await;
        stream.write_all(half.as_bytes()).await.expect("it is read");
        halves.push(stream);
    }
    serves(&node).await;
    let more_kb = node.resident_kb().saturating_sub(before);
    println!("{more_kb} KB for {} half requests", halves.len());
    assert!(more_kb < 64 * 1024, "{more_kb} KB");
}

#[tokio::test]
async fn ten_thousand_that_say_nothing_hold_nobody_up() {
    let node = node().await;
    let before = node.resident_kb();
    let mut idle = Vec::new();
    for _ in 0..crowd() {
        idle.push(connect(&node).await);
    }
    serves(&node).await;
    let more_kb = node.resident_kb().saturating_sub(before);
    println!("{more_kb} KB for {} idle connections", idle.len());
    assert!(more_kb < 192 * 1024, "{more_kb} KB for {}", idle.len());
}

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// After so long a node has said all that it will.
const SILENCE: Duration = Duration::from_millis(300);
