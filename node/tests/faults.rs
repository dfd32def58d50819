//! Faults that are injected: what is cut off is silence, on both ends, until it is healed.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use node::peers::{Missed, Peers};
use node::{Peer, Reply, Request};
use reqwest::Method;
use serde_json::{Value, json};
use support::process::Process;
use support::{two, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Two processes that take faults, ideal from the beginning.
async fn ring() -> [Process; 2] {
    let addresses = [(); 2].map(|()| support::free_address());
    let ring = format!("a@{}#1,b@{}#1", addresses[0], addresses[1]);
    let start = |name, address| {
        let flags = ["--fault-injection", "--name", name, "--ring", &ring];
        Process::start(address, &flags)
    };
    let mut nodes = [start("a", addresses[0]), start("b", addresses[1])];
    for node in &mut nodes {
        node.is_ready().await;
    }
    nodes
}

fn peer_of(name: &str, node: &Process) -> Peer {
    Peer {
        address: node.address,
        ..support::peer(name)
    }
}

async fn put_json(node: &Process, path: &str, body: &Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build();
    let url = format!("http://{}{path}", node.address);
    let answer = client.expect("a client").put(url).json(body).send().await;
    let answer = answer.expect("an answer");
    (
        answer.status().as_u16(),
        answer.json().await.expect("JSON in all cases"),
    )
}

async fn cut_off(node: &Process, unreachable: &[&dyn ToString]) {
    let mut unreachable: Vec<_> = unreachable.iter().map(|one| one.to_string()).collect();
    unreachable.sort();
    let broken = json!({ "unreachable": unreachable });
    let told = put_json(node, "/faults", &broken).await;
    assert_eq!(told, (200, broken.clone()));
    assert_eq!(node.get("/faults").await, Some((200, broken)));
}

#[tokio::test]
async fn what_is_cut_off_is_silent_to_clients_until_it_is_healed() {
    let [a, b] = ring().await;
    let peer = json!(peer_of("b", &b));
    assert_eq!(put_json(&a, "/successor", &peer).await.0, 200);
    for number in 0..20 {
        let stored = b.send(Method::POST, "/store", &format!("v{number}")).await;
        assert_eq!(stored.map(|(status, _)| status), Some(201));
    }
    cut_off(&a, &[&b.address]).await;
    let began = Instant::now();
    let (status, error) = put_json(&a, "/successor", &peer).await;
    assert_eq!(
        (status, error["error"]["code"].as_str()),
        (400, Some("unreachable_peer"))
    );
    let message = error["error"]["message"].as_str();
    assert!(message.is_some_and(|text| text.contains("does not answer")));
    assert!(began.elapsed() >= PATIENCE, "silence is no refusal");
    let statuses = async || {
        // All at once, so that it takes far less than the silence after which a node is taken for dead.
        let found = (0..20).map(async |number| a.get(&format!("/lookup/v{number}")).await);
        let found = join_all(found).await.into_iter();
        let statuses = found.map(|found| found.expect("an answer").0);
        statuses.collect::<BTreeSet<_>>()
    };
    assert_eq!(
        statuses().await,
        [200, 503].into(),
        "its own, and the other's"
    );
    cut_off(&a, &[]).await;
    until("all is found again", async || {
        statuses().await == [200].into()
    })
    .await;
    assert_eq!(put_json(&a, "/successor", &peer).await.0, 200);
}

#[tokio::test]
async fn who_is_cut_off_is_not_answered_although_nobody_told_it() {
    let [a, _b] = ring().await;
    let (near, far) = (support::peer("near"), peer_of("a", &a));
    let peers = Peers::new("default");
    let ping = || vec![Request::Ping];
    let both = async || {
        let plain = peers.ask(near, far, ping()).await;
        (plain, peers.ask_by_line(near, far, ping()).await)
    };
    let answered = (Ok(vec![Reply::Pong]), Ok(vec![Reply::Pong]));
    assert_eq!(both().await, answered);
    cut_off(&a, &[&near.address]).await;
    let began = Instant::now();
    assert_eq!(both().await, (Err(Missed::Silent), Err(Missed::Silent)));
    assert!(began.elapsed() >= 2 * PATIENCE);
    let other = support::peer("other");
    let replies = peers.ask(other, far, ping()).await;
    assert_eq!(replies, Ok(vec![Reply::Pong]), "others are answered");
    let join = async || {
        let client = reqwest::Client::builder().no_proxy().build();
        let url = format!("http://{}/join", a.address);
        let request = client.expect("a client").post(url).json(&near);
        request.timeout(PATIENCE).send().await
    };
    assert!(join().await.is_err_and(|error| error.is_timeout()));
    cut_off(&a, &[]).await;
    assert_eq!(both().await, answered);
}

#[tokio::test]
async fn bad_addresses_change_nothing() {
    let [a, b] = ring().await;
    cut_off(&a, &[&b.address]).await;
    let own = a.address.to_string();
    let many = vec!["127.0.0.1:1"; 1_025];
    for (list, code) in [
        (json!(["127.0.0.1:1", "127.0.0.1"]), "bad_address"),
        (json!(["localhost:1"]), "bad_address"),
        (json!([""]), "bad_address"),
        (json!([own]), "self_pointer"),
        (json!(many), "too_many"),
        (json!([1]), "bad_json"),
        (json!(null), "bad_json"),
    ] {
        let (status, error) = put_json(&a, "/faults", &json!({ "unreachable": list })).await;
        assert_eq!(
            (status, error["error"]["code"].as_str()),
            (400, Some(code)),
            "{list}"
        );
    }
    let unknown = json!({"unreachable": [], "slow": []});
    assert_eq!(put_json(&a, "/faults", &unknown).await.0, 400);
    let same = json!({"unreachable": [b.address]});
    assert_eq!(a.get("/faults").await, Some((200, same)));
    let large = json!({"unreachable": ["127.0.0.1:1".repeat(10_000)]});
    assert_eq!(put_json(&a, "/faults", &large).await.0, 413);
}

#[rocket::async_test]
async fn a_node_without_the_option_takes_no_faults() {
    let (a, b) = two().await;
    let body = json!({"unreachable": [b.me.address]}).to_string();
    let put = send!(a.put("/faults"), "Content-Type": "application/json"; &body);
    let get = send!(a.get("/faults"));
    let nonsense = send!(a.put("/faults"); "nonsense");
    for answer in [put, get, nonsense] {
        assert_eq!(answer.error(), (403, "no_fault_injection".into()));
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("--fault-injection"), "{message}");
    }
    assert!(a.service.ping(b.me).await.is_ok());
}

#[tokio::test]
async fn a_question_under_way_is_cut_off_too_and_its_line_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let far = Peer {
        address: listener.local_addr().expect("it has an address"),
        ..support::peer("far")
    };
    let (asked, is_asked) = oneshot::channel();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await;
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: dht\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = asked.send(());
        // Until the line is closed.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    });
    let peers = Peers::new(support::NETWORK).with_faults();
    let began = Instant::now();
    let asking = peers.ask_by_line(support::peer("near"), far, vec![Request::Ping]);
    let cutting = async {
        is_asked.await.expect("it is asked");
        let faults = peers.faults().expect("it takes them");
        faults.cut_off([far.address].into());
        peers.hang_up(&[far.address].into()).await;
        serving.await.expect("the line is closed");
        assert!(began.elapsed() < PATIENCE, "at once");
    };
    let (missed, ()) = tokio::join!(asking, cutting);
    assert_eq!(missed, Err(Missed::Silent));
    assert!(began.elapsed() >= PATIENCE, "silence is no refusal");
}

/// How long a node waits for an answer to the questions that are asked here.
const PATIENCE: Duration = Duration::from_millis(300);
