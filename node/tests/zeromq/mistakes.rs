//! Clients that make mistakes, or mean harm: they are told so, and others notice nothing.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use zeromq::ZmqMessage;

use crate::client::{Client, Node, PATIENCE, node, ring};
use crate::support::free_address;
use crate::support::process::{Process, crowd};

#[tokio::test]
async fn what_is_no_request_is_told_why_and_the_connection_goes_on() {
    let node = node().await;
    let mut client = node.client().await;
    let put = json!({"op": "PUT", "key": "k", "value": "x"});
    client.json(&put).await;
    let large = json!({"op": "PUT", "key": "k", "value": "x".repeat(1024 * 1024 + 1)});
    let long = json!({"op": "DELETE", "key": "k".repeat(1025)});
    for (request, code) in [
        ("", "bad_json"),
        ("nonsense", "bad_json"),
        ("{\"op\":\"GET_ALL\",}", "bad_json"),
        ("{}", "no_op"),
        ("{\"op\":\"FLUSH\"}", "unknown_op"),
        ("{\"op\":\"GET_ONE\"}", "no_key"),
        ("{\"op\":\"DELETE\",\"key\":7}", "bad_key"),
        ("{\"op\":\"PUT\",\"key\":\"k\"}", "no_value"),
        (&large.to_string(), "too_large"),
        (&long.to_string(), "bad_key"),
    ] {
        let answer: Value = serde_json::from_str(&client.answer(request).await).expect("JSON");
        assert_eq!(answer["error"]["code"], code, "{request:.60}");
        assert!(answer["error"]["message"].is_string());
    }
    let mut frames = ZmqMessage::from("{\"op\":\"GET_ALL\"}");
    frames.push_back("{\"op\":\"GET_ALL\"}".into());
    let answer: Value = serde_json::from_slice(&client.exchange(frames).await).expect("JSON");
    assert_eq!(answer["error"]["code"], "multipart");
    let get = json!({"op": "GET_ONE", "key": "k"});
    assert_eq!(client.json(&get).await, json!({"key": "k", "value": "x"}));
}

/// What a REQ socket says first: the greeting of ZMTP 3.0 without security, and that it is ready.
fn greeting() -> Vec<u8> {
    let mut greeting = vec![0; 64];
    (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    let ready = b"\x05READY\x0bSocket-Type\0\0\0\x03REQ";
    greeting.extend([4, ready.len() as u8]);
    greeting.extend(ready);
    greeting
}

async fn greeted(node: &Node) -> TcpStream {
    let mut stream = node.connect().await;
    stream.write_all(&greeting()).await.expect("it is read");
    // Its own greeting is as long as this one.
    let mut theirs = vec![0; greeting().len()];
    let read = timeout(PATIENCE, stream.read_exact(&mut theirs)).await;
    read.expect("in time").expect("it greets");
    stream
}

/// Waits until the node ends the connection.
async fn ended(mut stream: TcpStream) {
    let read = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
    // To be reset is an end, too.
    let _ = read.expect("the node ends it");
}

#[tokio::test]
async fn frames_that_are_announced_too_large_end_a_connection_and_take_no_memory() {
    let node = node().await;
    node.answer("{\"op\":\"GET_ALL\"}").await;
    let before = node.process.resident_kb();
    for length in [8 * 1024 * 1024 + 1, 1 << 40, u64::MAX / 2, u64::MAX] {
        let mut stream = greeted(&node).await;
        let mut frame = vec![1, 0, 2];
        frame.extend(length.to_be_bytes());
        frame.extend([b'x'; 100]);
        stream.write_all(&frame).await.expect("it is read");
        ended(stream).await;
    }
    let mut many = greeted(&node).await;
    // It may be gone before all of these are sent.
    let _ = many.write_all(&[1, 0].repeat(100)).await;
    ended(many).await;
    let more_kb = node.process.resident_kb().saturating_sub(before);
    assert!(more_kb < 8 * 1024, "{more_kb} KB");
    assert_eq!(
        node.answer("{\"op\":\"GET_ALL\"}").await,
        "{\"collection\":[]}"
    );
}

#[tokio::test]
async fn who_speaks_another_protocol_is_not_listened_to() {
    let node = node().await;
    for words in [
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".repeat(4),
        "\0".repeat(200),
    ] {
        let mut stream = node.connect().await;
        stream
            .write_all(words.as_bytes())
            .await
            .expect("it is read");
        ended(stream).await;
    }
    assert_eq!(
        node.answer("{\"op\":\"GET_ALL\"}").await,
        "{\"collection\":[]}"
    );
}

#[tokio::test]
async fn half_a_message_and_silence_end_a_connection_and_hold_nobody_up() {
    let node = node().await;
    let mut half = Vec::new();
    for bytes in [&[][..], &[1, 0], &[1, 0, 0, 5, b'{'], &[2, 0, 0]] {
        let mut stream = greeted(&node).await;
        stream.write_all(bytes).await.expect("it is read");
        half.push(stream);
    }
    let mut silent = node.connect().await;
    silent
        .write_all(&greeting()[..30])
        .await
        .expect("it is read");
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(
            node.answer("{\"op\":\"GET_ALL\"}").await,
            "{\"collection\":[]}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "others wait");
    let mut idle = half.remove(0);
    for stream in half.into_iter().chain([silent]) {
        ended(stream).await;
    }
    let request = b"\x01\0\0\x10{\"op\":\"GET_ALL\"}";
    idle.write_all(request).await.expect("it is read");
    let mut answer = [0; 21];
    let read = timeout(PATIENCE, idle.read_exact(&mut answer)).await;
    read.expect("in time")
        .expect("between two messages one may be silent");
    assert_eq!(&answer[..], b"\x01\0\0\x11{\"collection\":[]}");
}

#[tokio::test]
async fn clients_that_do_not_read_take_little_memory() {
    let node = node().await;
    let value = "x".repeat(512 * 1024);
    let put = json!({"op": "PUT", "key": "k", "value": value});
    node.answer(put.to_string()).await;
    let before = node.process.resident_kb();
    let mut streams = Vec::new();
    let request = b"{\"op\":\"GET_ONE\",\"key\":\"k\"}";
    let message = [&[1, 0, 0, request.len() as u8][..], request].concat();
    for _ in 0..8 {
        let mut stream = greeted(&node).await;
        // After some thousands nothing more is taken from it.
        let all = message.repeat(100_000);
        let _ = timeout(Duration::from_millis(200), stream.write_all(&all)).await;
        streams.push(stream);
    }
    let more_kb = node.process.resident_kb().saturating_sub(before);
    assert!(more_kb < 48 * 1024, "{more_kb} KB for 8 that do not read");
    assert_eq!(node.answer("{}").await.find("no_op"), Some(18));
}

#[tokio::test]
async fn more_sockets_than_there_is_room_for_wait_and_the_door_stays_open() {
    let node = node().await;
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(greeted(&node).await);
    }
    for _ in 0..50 {
        ended(node.connect().await).await;
    }
    streams.truncate(250);
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(node.client().await);
    }
    for client in &mut clients {
        assert_eq!(
            client.answer("{\"op\":\"GET_ALL\"}").await,
            "{\"collection\":[]}"
        );
    }
}

#[tokio::test]
async fn ten_thousand_that_say_nothing_hold_nobody_up() {
    let node = node().await;
    let mut client = node.client().await;
    let all = "{\"op\":\"GET_ALL\"}";
    assert_eq!(client.answer(all).await, "{\"collection\":[]}");
    let before = node.process.resident_kb();
    let mut idle = Vec::new();
    for _ in 0..crowd() {
        idle.push(node.connect().await);
    }
    // It is behind all those who came before it.
    ended(node.connect().await).await;
    assert_eq!(client.answer(all).await, "{\"collection\":[]}");
    let ready = node.process.get("/readyz").await;
    assert_eq!(ready.map(|(status, _)| status), Some(200));
    let more_kb = node.process.resident_kb().saturating_sub(before);
    println!("{more_kb} KB for {} idle connections", idle.len());
    assert!(more_kb < 64 * 1024, "{more_kb} KB for {}", idle.len());
}

#[tokio::test]
async fn who_is_visited_is_served_however_many_come_by_themselves() {
    let client_at = format!("tcp://{}", free_address());
    let ways_in = format!("connect:{client_at}");
    let nodes = ring(&["a"], &["--zeromq", &ways_in]).await;
    let node = &nodes[0];
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(greeted(node).await);
    }
    let (mut client, _) = Client::listening(&client_at).await;
    let answer = client.answer("{\"op\":\"GET_ALL\"}").await;
    assert_eq!(answer, "{\"collection\":[]}");
}

#[tokio::test]
async fn an_endpoint_that_can_not_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let taken_at = taken.local_addr().expect("it has an address");
    let taken_at = format!("tcp://{taken_at}");
    for (endpoint, code, words) in [
        (
            taken_at.as_str(),
            1,
            format!("cannot listen on bind:{taken_at}"),
        ),
        (
            "tcp://no.such.host.invalid:1",
            1,
            "no.such.host.invalid".to_owned(),
        ),
        ("127.0.0.1:5555", 2, "bind:tcp://HOST:PORT".to_owned()),
    ] {
        let flags = ["--join", "127.0.0.1:1", "--zeromq", endpoint];
        let mut node = Process::start(free_address(), &flags);
        let (status, line) = node.failure().await;
        assert_eq!(status, Some(code), "{line}");
        assert!(
            line.starts_with("error: ") && line.contains(&words),
            "{line}"
        );
    }
}
