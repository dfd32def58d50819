//! The executable itself: how it starts, joins, leaves and fails.

mod support;

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use support::process::{PATIENCE, POLL, Process};
use tempfile::TempDir;
use tokio::time::sleep;

/// Two processes, ideal from the beginning.
async fn ring() -> [Process; 2] {
    let addresses = [(); 2].map(|()| support::free_address());
    let ring = format!("a@{}#1,b@{}#1", addresses[0], addresses[1]);
    let mut nodes = [("a", addresses[0]), ("b", addresses[1])]
        .map(|(name, address)| Process::start(address, &["--name", name, "--ring", &ring]));
    for node in &mut nodes {
        node.is_ready().await;
    }
    nodes
}

#[tokio::test]
async fn a_node_that_has_lost_its_ring_comes_back_to_whoever_is_at_the_addresses_it_was_given() {
    let first = support::free_address();
    let ring = format!("a@{first}#1");
    let mut a = Process::start(first, &["--name", "a", "--ring", &ring]);
    a.is_ready().await;
    let address = support::free_address();
    let mut b = Process::start(address, &["--name", "b", "--join", &first.to_string()]);
    b.is_ready().await;

    a.signal(Signal::KILL);
    a.ended().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, ready) = b.get("/readyz").await.expect("it runs");
        let reason = ready["error"]["message"].to_string();
        if status == 503 && reason.contains("lost its place") {
            break;
        }
        assert!(Instant::now() < deadline, "it goes on: {}", b.read("err"));
        sleep(POLL).await;
    }

    // Not the node that it knew, but another one in its place.
    let ring = format!("c@{first}#1");
    let mut c = Process::start(first, &["--name", "c", "--ring", &ring]);
    c.is_ready().await;
    b.is_ready().await;
    let (_, successor) = b.get("/successor").await.expect("it runs");
    assert_eq!(successor["address"], first.to_string());
}

#[tokio::test]
async fn nodes_come_and_go_and_their_content_stays() {
    let [mut a, mut b] = ring().await;
    let joiner = support::free_address();
    let mut joiner = Process::start(joiner, &["--name", "m", "--join", &a.address.to_string()]);
    joiner.is_ready().await;
    for number in 0..30 {
        let stored = joiner
            .send(reqwest::Method::POST, "/store", &format!("v{number}"))
            .await;
        assert_eq!(stored.map(|(status, _)| status), Some(201));
    }
    let share = joiner
        .get("/nodeinfo")
        .await
        .map(|(_, info)| info["keys"].clone());
    assert_ne!(share, Some(0.into()));

    joiner.signal(Signal::TERM);
    assert_eq!(
        joiner.ended().await.code(),
        Some(0),
        "{}",
        joiner.read("err")
    );
    assert_eq!(joiner.read("out"), "", "standard output is for data");
    for number in 0..30 {
        let found = a.get(&format!("/lookup/v{number}")).await;
        assert_eq!(found.map(|(status, _)| status), Some(200), "v{number}");
    }

    let left = b.send(reqwest::Method::POST, "/leave", "").await;
    assert_eq!(left.map(|(status, _)| status), Some(200));
    assert_eq!(b.ended().await.code(), Some(0));
    let info = a.get("/nodeinfo").await.expect("it is there").1;
    assert_eq!(info["keys"], 30);

    let last = a
        .send(reqwest::Method::POST, "/leave", "")
        .await
        .expect("it is there");
    assert_eq!(
        (last.0, &last.1["error"]["code"]),
        (409, &"last_node".into())
    );
    a.signal(Signal::INT);
    assert_eq!(a.ended().await.code(), Some(0));
    assert!(
        a.read("err").contains("its content with it"),
        "{}",
        a.read("err")
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = taken.local_addr().expect("it has an address");
    let mut node = Process::start(address, &["--join", "127.0.0.1:1"]);
    let (code, line) = node.failure().await;
    assert_eq!(code, Some(1));
    assert!(
        line.starts_with(&format!("error: cannot listen on {address}")),
        "{line}"
    );
}

#[tokio::test]
async fn a_ring_that_does_not_want_a_node_says_why() {
    let [mut a, _b] = ring().await;
    let member = a.address.to_string();
    for (flags, words) in [
        (["--name", "b"], "identifier is taken"),
        (["--network", "other"], "wrong network"),
        (["--ownership", "predecessor"], "ownership"),
        (["--replicas", "3"], "--replicas 1"),
    ] {
        let flags = [&flags[..], &["--join", &member]].concat();
        let mut node = Process::start(support::free_address(), &flags);
        let (code, line) = node.failure().await;
        assert_eq!(code, Some(1), "{line}");
        assert!(
            line.starts_with("error: ") && line.contains(words),
            "{line}"
        );
    }
    a.is_ready().await;
}

#[tokio::test]
async fn each_life_of_a_node_is_traced_behind_the_one_before() {
    let folder = TempDir::new().expect("a temporary folder");
    let trace = folder.path().join("trace").display().to_string();
    let address = support::free_address();
    for life in 1..=2 {
        let ring = format!("a@{address}#{life}");
        let flags = ["--name", "a", "--ring", &ring, "--trace", &trace];
        let mut node = Process::start(address, &flags);
        node.is_ready().await;
        let stored = node.send(reqwest::Method::POST, "/store", "value").await;
        assert_eq!(stored.map(|(status, _)| status), Some(201));
        node.signal(Signal::KILL);
        node.ended().await;
        let text = fs::read_to_string(&trace).expect("it was written");
        let heads = text
            .lines()
            .filter(|line| line.contains("\"trace\":\"dht\""));
        assert_eq!(heads.count(), life);
        let last = text.lines().last().expect("a line");
        let last: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!(last["node"]["incarnation"], life, "{last}");
    }
}

#[tokio::test]
async fn a_trace_that_cannot_be_written_is_named() {
    let flags = ["--join", "127.0.0.1:1", "--trace", "/nowhere/trace"];
    let mut node = Process::start(support::free_address(), &flags);
    let (code, line) = node.failure().await;
    assert_eq!(code, Some(1));
    assert!(
        line.starts_with("error: cannot write the trace \"/nowhere/trace\""),
        "{line}"
    );
}

#[tokio::test]
async fn wrong_usage_is_exit_code_two() {
    for flags in [
        &["--nonsense"][..],
        &["--workers", "many"],
        &["--workers", "0", "--join", "127.0.0.1:1"],
        &["--successors", "33", "--join", "127.0.0.1:1"],
        &[
            "--replicas",
            "3",
            "--successors",
            "2",
            "--join",
            "127.0.0.1:1",
        ],
        &[],
        &["--join", "a:1", "--ring", "a@127.0.0.1:1#1"],
    ] {
        let mut node = Process::start(support::free_address(), flags);
        let (code, _) = node.failure().await;
        assert_eq!(code, Some(2), "{flags:?}: {}", node.read("err"));
        assert!(node.read("err").contains("error: "), "{}", node.read("err"));
    }
}

#[tokio::test]
async fn a_node_that_waits_for_its_ring_answers_and_can_be_ended() {
    let nobody = support::free_address().to_string();
    let mut node = Process::start(support::free_address(), &["--join", &nobody]);
    let deadline = Instant::now() + PATIENCE;
    while node.get("/healthz").await.is_none() {
        assert!(Instant::now() < deadline);
        sleep(POLL).await;
    }
    assert_eq!(
        node.get("/readyz").await.map(|(status, _)| status),
        Some(503)
    );
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_ring_that_starts_late_is_waited_for() {
    let [address, other] = [(); 2].map(|()| support::free_address());
    let mut joiner = Process::start(
        support::free_address(),
        &["--name", "m", "--join", &address.to_string()],
    );
    let ring = format!("a@{address}#1,b@{other}#1");
    let mut a = Process::start(address, &["--name", "a", "--ring", &ring]);
    let mut b = Process::start(other, &["--name", "b", "--ring", &ring]);
    for node in [&mut joiner, &mut a, &mut b] {
        node.is_ready().await;
    }
}

#[tokio::test]
async fn a_member_that_starts_late_is_not_taken_for_dead() {
    let [address, other] = [(); 2].map(|()| support::free_address());
    let ring = format!("a@{address}#1,b@{other}#1");
    let mut a = Process::start(address, &["--name", "a", "--ring", &ring]);
    let deadline = Instant::now() + PATIENCE;
    while a.get("/healthz").await.is_none() {
        assert!(Instant::now() < deadline);
        sleep(POLL).await;
    }
    let (status, reason) = a.get("/readyz").await.expect("it listens");
    assert_eq!(
        (status, &reason["error"]["code"]),
        (503, &"not_ready".into())
    );
    let mut b = Process::start(other, &["--name", "b", "--ring", &ring]);
    for node in [&mut a, &mut b] {
        node.is_ready().await;
    }
    assert!(!a.read("err").contains("gone"), "{}", a.read("err"));
}

#[tokio::test]
async fn nothing_that_is_meant_for_other_rockets_counts() {
    let address = support::free_address();
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("Rocket.toml"), "[default]\nport = 1\n").expect("writable");
    let child = Command::new(env!("CARGO_BIN_EXE_node"))
        .args(["--address", &address.to_string(), "--name", "a"])
        .args(["--ring", &format!("a@{address}#1")])
        .env("ROCKET_PORT", "2")
        .env("ROCKET_ADDRESS", "nonsense")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(fs::File::create(folder.path().join("out")).expect("a file"))
        .stderr(fs::File::create(folder.path().join("err")).expect("a file"))
        .spawn()
        .expect("the executable runs");
    let mut node = Process {
        child,
        address,
        folder,
    };
    node.is_ready().await;
}
