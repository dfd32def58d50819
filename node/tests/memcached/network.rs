//! Several nodes: any of them serves any key, and both doors see the same item.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::header::{ETAG, HeaderMap};
use reqwest::{Client as Http, Method};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::client::{Node, ring};
use crate::support::process::Process;
use crate::support::{free_address, listed};

/// A request at the other door: status, headers, and body.
async fn http(node: &Node, method: Method, path: &str, body: &str) -> (u16, HeaderMap, String) {
    let url = format!("http://{}{path}", node.process.address);
    let client = Http::builder().no_proxy().build().expect("a client");
    let request = client.request(method, url).body(body.to_owned());
    let response = request.send().await.expect("it answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.expect("a body"))
}

#[tokio::test]
async fn any_node_serves_any_key() {
    let nodes = ring(&["a", "b"], &[]).await;
    let (mut get, mut expected) = ("get".to_owned(), String::new());
    for number in 0..40 {
        let set = format!("set key-{number} {number} 0 5\r\nvalue\r\n");
        assert_eq!(nodes[number % 2].answer(set).await, "STORED\r\n");
        get += &format!(" key-{number}");
        expected += &format!("VALUE key-{number} {number} 5\r\nvalue\r\n");
    }
    get += "\r\n";
    expected += "END\r\n";
    for node in &nodes {
        let stats = node.answer("stats\r\n").await;
        assert!(
            !stats.contains("STAT curr_items 0\r\n"),
            "each has some: {stats}"
        );
        assert_eq!(node.answer(&get).await, expected);
    }
    for (number, node) in (0..40).zip(nodes.iter().cycle()) {
        let key = format!("key-{number}");
        let delete = format!("touch {key} 100\r\nmg {key} t\r\ndelete {key}\r\nget {key}\r\n");
        let answer = node.answer(delete).await;
        assert_eq!(answer, "TOUCHED\r\nHD t100\r\nDELETED\r\nEND\r\n");
    }
}

#[tokio::test]
async fn both_doors_see_the_same_item() {
    let nodes = ring(&["a", "b"], &[]).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    for key in ["one", "two", "three", "four"] {
        let path = format!("/kv/{key}");
        let stored = a.answer(format!("set {key} 7 100 3\r\nabc\r\n")).await;
        assert_eq!(stored, "STORED\r\n");
        let (status, headers, body) = http(b, Method::GET, &path, "").await;
        assert_eq!((status, body.as_str()), (200, "abc"));
        assert_eq!(headers["Ttl-Seconds"], "100");
        let version = a.answer(format!("mg {key} c\r\n")).await;
        let tag = headers[ETAG].to_str().expect("text").trim_matches('"');
        assert_eq!(version, format!("HD c{tag}\r\n"), "cas is the entity tag");
        let (status, ..) = http(b, Method::PUT, &path, "new").await;
        assert_eq!(status, 200);
        let got = a.answer(format!("get {key}\r\n")).await;
        assert_eq!(got, format!("VALUE {key} 0 3\r\nnew\r\nEND\r\n"));
        let cas = format!("cas {key} 0 0 1 {tag}\r\nx\r\n");
        assert_eq!(a.answer(cas).await, "EXISTS\r\n", "it was written since");
        assert_eq!(a.answer(format!("delete {key}\r\n")).await, "DELETED\r\n");
        assert_eq!(http(b, Method::GET, &path, "").await.0, 404);
    }
}

#[tokio::test]
async fn what_a_listed_member_holds_counts_as_its_items() {
    let processes = listed::network(2, &["--replicas", "2", "--memcached-port", "0"]).await;
    let mut nodes = Vec::new();
    for process in processes {
        nodes.push(Node::of(process).await);
    }
    for number in 0..10 {
        let set = format!("set key-{number} 0 0 5\r\nvalue\r\n");
        assert_eq!(nodes[number % 2].answer(set).await, "STORED\r\n");
    }
    for node in &nodes {
        let stats = node.answer("stats\r\n").await;
        assert!(stats.contains("STAT curr_items 10\r\n"), "{stats}");
        let get = node.answer("get key-3 none\r\n").await;
        assert_eq!(get, "VALUE key-3 0 5\r\nvalue\r\nEND\r\n");
    }
}

#[tokio::test]
async fn the_longest_keys_are_the_same_at_both_doors() {
    let nodes = ring(&["a", "b"], &[]).await;
    let (a, b) = (&nodes[0], &nodes[1]);
    let (longest, too_long) = ("k".repeat(250), "k".repeat(251));
    let set = format!("set {longest} 0 0 1\r\nx\r\n");
    assert_eq!(a.answer(set).await, "STORED\r\n");
    let path = format!("/kv/{longest}");
    let (status, _, body) = http(b, Method::GET, &path, "").await;
    assert_eq!((status, body.as_str()), (200, "x"));
    assert_eq!(http(b, Method::PUT, &path, "new").await.0, 200);
    let got = a.answer(format!("get {longest}\r\n")).await;
    assert_eq!(got, format!("VALUE {longest} 0 3\r\nnew\r\nEND\r\n"));
    // memcached takes no longer ones, HTTP does: up to 1,024 bytes.
    let format = "CLIENT_ERROR bad command line format\r\n";
    let set = format!("set {too_long} 0 0 1\r\nx\r\n");
    assert_eq!(a.answer(set).await, format);
    assert_eq!(a.answer(format!("get {too_long}\r\n")).await, format);
    for (bytes, expected) in [(251, 201), (1024, 201), (1025, 414)] {
        let path = format!("/kv/{}", "k".repeat(bytes));
        let (status, ..) = http(b, Method::PUT, &path, "x").await;
        assert_eq!(status, expected, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_flush_at_one_node_empties_all_of_them_for_both_doors() {
    let nodes = ring(&["a", "b", "c"], &[]).await;
    for number in 0..60 {
        let set = format!("set key-{number} 0 0 1\r\nx\r\n");
        nodes[number % 3].answer(set).await;
    }
    http(&nodes[0], Method::PUT, "/kv/%00%ff", "any bytes").await;
    let (status, ..) = http(&nodes[0], Method::POST, "/store", "by its content").await;
    assert_eq!(status, 201);
    assert_eq!(nodes[1].answer("flush_all\r\n").await, "OK\r\n");
    for (number, node) in (0..60).zip(nodes.iter().cycle()) {
        let got = node.answer(format!("get key-{number}\r\n")).await;
        assert_eq!(got, "END\r\n", "{number}");
    }
    assert_eq!(http(&nodes[2], Method::GET, "/kv/%00%ff", "").await.0, 404);
    let (status, ..) = http(&nodes[2], Method::GET, "/lookup/by%20its%20content", "").await;
    assert_eq!(status, 200, "what has no key stays");
}

#[tokio::test]
async fn a_flush_that_does_not_reach_a_node_says_so() {
    let nodes = ring(&["a", "b"], &[]).await;
    nodes[1].process.signal(Signal::STOP);
    assert_eq!(
        nodes[0].answer("flush_all\r\n").await,
        "SERVER_ERROR not every node could be reached: some items may be left\r\n"
    );
}

#[tokio::test]
async fn three_copies_outlive_a_node() {
    let mut nodes = ring(&["a", "b", "c", "d"], &["--replicas", "3"]).await;
    let (mut get, mut expected) = ("get".to_owned(), String::new());
    for number in 0..30 {
        let set = format!("set key-{number} {number} 0 1\r\n7\r\nincr key-{number} 1\r\n");
        assert_eq!(nodes[number % 4].answer(set).await, "STORED\r\n8\r\n");
        get += &format!(" key-{number}");
        expected += &format!("VALUE key-{number} {number} 1\r\n8\r\n");
    }
    get += "\r\n";
    expected += "END\r\n";
    for node in &nodes {
        assert_eq!(node.answer(&get).await, expected);
    }
    let dead = nodes.remove(0);
    dead.process.signal(Signal::KILL);
    let begun = Instant::now();
    loop {
        let answer = nodes[0].answer(&get).await;
        if answer == expected {
            break;
        }
        assert!(
            answer.contains("SERVER_ERROR"),
            "nothing is missing silently: {answer}"
        );
        assert!(begun.elapsed() < Duration::from_secs(30), "{answer}");
        sleep(Duration::from_millis(100)).await;
    }
    let cas = nodes[1].answer("gets key-0\r\n").await;
    let version = cas.split_whitespace().nth(4).expect("a version");
    let cas = format!("cas key-0 9 0 3 {version}\r\nnew\r\n");
    assert_eq!(nodes[2].answer(cas).await, "STORED\r\n");
    assert_eq!(
        nodes[0].answer("get key-0\r\n").await,
        "VALUE key-0 9 3\r\nnew\r\nEND\r\n"
    );
}

#[tokio::test]
async fn flags_are_on_the_disk_with_the_value() {
    let address = free_address();
    let data = tempfile::TempDir::new().expect("a temporary folder");
    let folder = data.path().display().to_string();
    for life in 1..=2 {
        let ring = format!("a@{address}#{life}");
        let entry = if life == 1 { "--ring" } else { "--again" };
        let flags = ["--name", "a", entry, &ring, "--memcached-port", "0"];
        let disk = ["--store", "disk", "--data", &folder];
        let mut process = Process::start(address, &[&flags[..], &disk].concat());
        process.is_ready().await;
        let (_, info) = process.get("/nodeinfo").await.expect("it runs");
        let door = info["memcached"].as_str().expect("a door");
        let door = door.parse().expect("an address");
        let mut node = Node { process, door };
        if life == 1 {
            let stored = node.answer("set k 4294967295 0 1\r\nx\r\n").await;
            assert_eq!(stored, "STORED\r\n");
        }
        let got = node.answer("get k\r\n").await;
        assert_eq!(
            got, "VALUE k 4294967295 1\r\nx\r\nEND\r\n",
            "in life {life}"
        );
        node.process.signal(Signal::KILL);
        node.process.ended().await;
    }
}

#[tokio::test]
async fn a_port_that_can_not_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let taken = taken.local_addr().map(|address| (taken, address));
    let (_listener, taken) = taken.expect("it has an address");
    let address = free_address();
    for (port, code, words) in [
        (taken.port(), 1, format!("cannot listen on {taken}")),
        (address.port(), 2, "it is the port of `address`".to_owned()),
    ] {
        let port = port.to_string();
        let flags = ["--join", "127.0.0.1:1", "--memcached-port", &port];
        let mut node = Process::start(address, &flags);
        let (status, line) = node.failure().await;
        assert_eq!(status, Some(code), "{line}");
        assert!(
            line.starts_with("error: ") && line.contains(&words),
            "{line}"
        );
    }
    let help = Command::new(env!("CARGO_BIN_EXE_node"))
        .arg("--help")
        .output();
    let help = String::from_utf8_lossy(&help.expect("it runs").stdout).into_owned();
    assert!(help.contains("DHT_MEMCACHED_PORT"), "{help}");
}
