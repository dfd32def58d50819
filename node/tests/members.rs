//! Networks whose members are listed, as processes: by a list, at `/members`, and by Consul.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::consul::StandIn;
use support::listed::{here, listed, network, put};
use support::process::Process;
use support::{free_address, until};

const PLACEMENTS: [&str; 4] = ["ring", "partitions", "rendezvous", "jump"];

/// A node that is no member yet, beside these.
async fn newcomer(name: &str, beside: &Process, flags: &[&str]) -> Process {
    let address = free_address();
    let node = listed(
        name,
        address,
        &format!("{},{address}", beside.address),
        flags,
    );
    until("it listens", async || node.get("/nodeinfo").await.is_some()).await;
    node
}

/// As `support::process::Process::send`, with JSON and the patience that a move of content needs.
async fn call(node: &Process, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("http://{}{path}", node.address);
    let request = client.request(method, url).timeout(Duration::from_secs(30));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let response = request.send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.expect("JSON"),
    )
}

async fn add(to: &Process, name: &str, node: &Process) -> (u16, Value) {
    let body = json!({"name": name, "address": node.address});
    call(to, Method::PUT, "/members", Some(body)).await
}

/// Waits until all of these nodes find all of these keys.
async fn all_find(nodes: &[&Process], keys: std::ops::Range<u32>) {
    for node in nodes {
        for key in keys.clone() {
            until("the key is found", async || {
                let client = reqwest::Client::builder()
                    .no_proxy()
                    .build()
                    .expect("a client");
                let url = format!("http://{}/kv/{key}", node.address);
                let Ok(response) = client.get(url).send().await else {
                    return false;
                };
                let status = response.status().as_u16();
                assert_ne!(status, 404, "{key} is lost");
                status == 200
                    && response
                        .text()
                        .await
                        .is_ok_and(|text| text == format!("value {key}"))
            })
            .await;
        }
    }
}

/// The names on a node's list, and its version; nothing while there is none.
async fn list(node: &Process) -> Option<(u64, BTreeSet<String>)> {
    let (status, table) = node.get("/members").await?;
    let names = table["members"].as_array()?.iter();
    let names = names.map(|member| member["name"].as_str().unwrap_or_default().to_owned());
    let is_quiet = status == 200 && table["moving"] == false;
    is_quiet.then(|| (table["version"].as_u64().unwrap_or(0), names.collect()))
}

/// Waits until all of these nodes have one list, with exactly these names, and returns its version.
async fn agree(nodes: &[&Process], names: &[&str]) -> u64 {
    let names: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let lists = join_all(nodes.iter().map(|node| list(node))).await;
        if let [Some((version, found)), ..] = &lists[..]
            && *found == names
            && lists.iter().all(|list| *list == lists[0])
        {
            return *version;
        }
        assert!(
            Instant::now() < deadline,
            "they do not agree on {names:?}: {lists:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn any_member_serves_any_key_under_every_placement() {
    for placement in PLACEMENTS {
        let nodes = network(3, &["--placement", placement, "--replicas", "2"]).await;
        put(&nodes[0], 0..20).await;
        let all: Vec<&Process> = nodes.iter().collect();
        all_find(&all, 0..20).await;
        let (_, info) = nodes[1].get("/nodeinfo").await.expect("an answer");
        assert_eq!(info["membership"], "static");
        assert_eq!(info["placement"], placement);
        until("each key has two copies, where they belong", async || {
            let keys = join_all(nodes.iter().map(|node| here(node, "keys"))).await;
            let strays = join_all(nodes.iter().map(|node| here(node, "strays"))).await;
            let owned = join_all(nodes.iter().map(|node| here(node, "owned"))).await;
            let sum = |counts: &[u64]| counts.iter().sum::<u64>();
            (sum(&keys), sum(&strays), sum(&owned)) == (40, 0, 20)
        })
        .await;
        let (status, found) = nodes[2]
            .get("/findNode/00112233445566778899aabbccddeeff00112233")
            .await
            .expect("an answer");
        assert_eq!(status, 200);
        let path = found["path"].as_array().expect("a path");
        assert_eq!(path[0]["why"], "start");
        assert!((1..=2).contains(&path.len()), "{found}");
    }
}

#[tokio::test]
async fn two_changes_at_once_end_in_the_same_list_everywhere() {
    for placement in ["partitions", "ring"] {
        let flags = ["--placement", placement, "--partitions", "20"];
        let flags = if placement == "partitions" {
            &flags[..]
        } else {
            &flags[..2]
        };
        let nodes = network(3, flags).await;
        put(&nodes[0], 0..30).await;
        let x = newcomer("x", &nodes[0], flags).await;
        let y = newcomer("y", &nodes[1], flags).await;
        let (one, two) = tokio::join!(add(&nodes[1], "x", &x), add(&nodes[2], "y", &y));
        assert_eq!((one.0, two.0), (200, 200), "{one:?} {two:?}");
        let all: Vec<&Process> = nodes.iter().chain([&x, &y]).collect();
        let version = agree(&all, &["n0", "n1", "n2", "x", "y"]).await;
        assert!(
            one.1["version"]
                .as_u64()
                .is_some_and(|told| told <= version)
        );
        all_find(&all, 0..30).await;
        // Again, by others, and one of them removes.
        let (gone, again) = tokio::join!(
            call(&x, Method::DELETE, "/members/n0", None),
            add(&nodes[2], "y", &y),
        );
        assert_eq!((gone.0, again.0), (200, 409), "{gone:?} {again:?}");
        agree(&all[1..], &["n1", "n2", "x", "y"]).await;
        all_find(&all[1..], 0..30).await;
        let (status, reason) = nodes[0].get("/readyz").await.expect("it runs on");
        assert_eq!(status, 503);
        assert!(
            reason["error"]["message"].to_string().contains("taken off"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn the_keys_of_a_killed_member_are_read_from_copies_and_come_back_to_it() {
    for placement in PLACEMENTS {
        let flags = ["--placement", placement, "--replicas", "3"];
        let mut nodes = network(4, &flags).await;
        put(&nodes[3], 0..20).await;
        let addresses: Vec<String> = nodes.iter().map(|node| node.address.to_string()).collect();
        nodes[2].signal(Signal::KILL);
        nodes[2].ended().await;
        all_find(&[&nodes[0], &nodes[1], &nodes[3]], 0..20).await;
        // A write goes on, too: two of three copies are a majority.
        put(&nodes[1], 20..30).await;
        nodes[2] = listed("n2", nodes[2].address, &addresses.join(","), &flags);
        nodes[2].is_ready().await;
        all_find(&nodes.iter().collect::<Vec<_>>(), 0..30).await;
        until("it has its copies back", async || {
            let keys = join_all(nodes.iter().map(|node| here(node, "keys"))).await;
            keys.iter().sum::<u64>() == 90
        })
        .await;
    }
}

#[tokio::test]
async fn a_member_that_leaves_hands_over_what_it_holds() {
    let flags = ["--placement", "partitions", "--partitions", "12"];
    let mut nodes = network(3, &flags).await;
    put(&nodes[0], 0..24).await;
    let (status, left) = call(&nodes[0], Method::POST, "/leave", None).await;
    assert_eq!(status, 200, "{left}");
    assert!(left["moved"].as_u64() >= Some(8), "{left}");
    assert_eq!(nodes[0].ended().await.code(), Some(0));
    agree(&[&nodes[1], &nodes[2]], &["n1", "n2"]).await;
    all_find(&[&nodes[1], &nodes[2]], 0..24).await;

    nodes[1].signal(Signal::TERM);
    assert_eq!(
        nodes[1].ended().await.code(),
        Some(0),
        "{}",
        nodes[1].read("err")
    );
    agree(&[&nodes[2]], &["n2"]).await;
    all_find(&[&nodes[2]], 0..24).await;

    let (status, refused) = call(&nodes[2], Method::POST, "/leave", None).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &"last_node".into())
    );
    let (status, refused) = call(&nodes[2], Method::DELETE, "/members/n2", None).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &"last_node".into())
    );
}

#[tokio::test]
async fn a_member_with_a_disk_stops_and_comes_back_with_what_it_held() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let addresses = [free_address(), free_address()];
    let list = format!("n0@{},n1@{}", addresses[0], addresses[1]);
    let start = |i: usize| {
        let folder = data.path().join(i.to_string());
        let folder = folder.to_str().expect("UTF-8").to_owned();
        let flags = [
            "--placement",
            "rendezvous",
            "--store",
            "disk",
            "--data",
            &folder,
        ];
        listed(&format!("n{i}"), addresses[i], &list, &flags)
    };
    let mut nodes = [start(0), start(1)];
    for node in &mut nodes {
        node.is_ready().await;
    }
    put(&nodes[0], 0..20).await;
    let held = here(&nodes[1], "keys").await;
    assert!((1..20).contains(&held));
    for node in &mut nodes {
        node.signal(Signal::TERM);
        assert_eq!(node.ended().await.code(), Some(0));
    }
    // A name that is started again is another life of it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut nodes = [start(0), start(1)];
    for node in &mut nodes {
        node.is_ready().await;
    }
    assert_eq!(here(&nodes[1], "keys").await, held);
    all_find(&[&nodes[0], &nodes[1]], 0..20).await;
}

#[tokio::test]
async fn who_does_not_belong_to_the_network_is_not_let_in() {
    let nodes = network(2, &["--placement", "jump"]).await;
    let address = free_address();
    let flags = ["--placement", "jump", "--network", "other"];
    let mut other = listed("z", address, &address.to_string(), &flags);
    other.is_ready().await;
    let (status, refused) = add(&nodes[0], "z", &other).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &"wrong_network".into())
    );
    let mut ring = listed("y", free_address(), "127.0.0.1:1", &[]);
    assert_eq!(ring.failure().await.0, Some(2), "it is not on its own list");

    let address = free_address();
    let beside = format!("{},{address}", nodes[0].address);
    let mut ring = listed("y", address, &beside, &["--placement", "ring"]);
    let (code, said) = ring.failure().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("--placement jump"), "{said}");

    let y = newcomer("y", &nodes[0], &["--placement", "jump"]).await;
    let body = json!({"name": "x", "address": y.address});
    let (status, refused) = call(&nodes[0], Method::PUT, "/members", Some(body)).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &"identity_mismatch".into())
    );
    let body = json!({"address": "127.0.0.1:1/x:1"});
    let (status, refused) = call(&nodes[0], Method::PUT, "/members", Some(body)).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (400, &"bad_address".into())
    );
    let body = json!({"address": "127.0.0.1:1"});
    let (status, refused) = call(&nodes[0], Method::PUT, "/members", Some(body)).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (400, &"unreachable_peer".into())
    );
    assert_eq!(add(&nodes[0], "y", &y).await.0, 200);
    assert_eq!(add(&nodes[1], "y", &y).await.0, 409);

    // Members are numbered here.
    let (status, refused) = call(&nodes[0], Method::DELETE, "/members/n0", None).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &"not_last".into())
    );
    let (status, _) = call(&nodes[0], Method::DELETE, "/members/nobody", None).await;
    assert_eq!(status, 404);
    let path = format!("/members/{}", y.address);
    assert_eq!(call(&nodes[0], Method::DELETE, &path, None).await.0, 200);
}

#[tokio::test]
async fn a_ring_that_keeps_itself_has_no_list() {
    let address = free_address();
    let mut node = Process::start(
        address,
        &["--name", "a", "--ring", &format!("a@{address}#1")],
    );
    node.is_ready().await;
    for (method, path, body) in [
        (Method::GET, "/members", None),
        (
            Method::PUT,
            "/members",
            Some(json!({"address": "127.0.0.1:1"})),
        ),
        (Method::DELETE, "/members/a", None),
    ] {
        let (status, refused) = call(&node, method, path, body).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (404, &"no_list".into())
        );
    }
    let (_, info) = node.get("/nodeinfo").await.expect("an answer");
    assert_eq!(
        (&info["membership"], &info["table"]),
        (&"chord".into(), &Value::Null)
    );
}

fn registered(name: &str, consul: &str, flags: &[&str]) -> Process {
    let base = ["--name", name, "--membership", "consul", "--consul", consul];
    Process::start(free_address(), &[&base[..], flags].concat())
}

#[tokio::test]
async fn the_members_are_those_that_consul_lists() {
    let stand_in = StandIn::start();
    let consul = node::consul::Consul::new(&stand_in.address, None).expect("an address");
    consul.set_cluster_size(3).await.expect("it is kept");
    let flags = ["--placement", "rendezvous", "--replicas", "2"];
    let start = |name: &str| registered(name, &stand_in.address, &flags);
    let (mut a, mut b) = (start("a"), start("b"));
    until("two are registered", async || {
        let passing = consul.passing("dht", 0, Duration::ZERO).await;
        passing.is_ok_and(|passing| passing.instances.len() == 2)
    })
    .await;
    assert_eq!(
        list(&a).await,
        None,
        "it waits for as many as there are to be"
    );
    let mut c = start("c");
    for node in [&mut a, &mut b, &mut c] {
        node.is_ready().await;
    }
    agree(&[&a, &b, &c], &["a", "b", "c"]).await;
    put(&a, 0..20).await;

    // One more comes by starting, and the list is not for others to change.
    let mut d = start("d");
    d.is_ready().await;
    agree(&[&a, &b, &c, &d], &["a", "b", "c", "d"]).await;
    let (status, refused) = call(&a, Method::DELETE, "/members/d", None).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &"listed_elsewhere".into())
    );

    // A kill is noticed by the check, and others make up for it.
    b.signal(Signal::KILL);
    b.ended().await;
    agree(&[&a, &c, &d], &["a", "c", "d"]).await;
    all_find(&[&a, &c, &d], 0..20).await;

    // One that leaves hands over first, and is registered no more.
    d.signal(Signal::TERM);
    assert_eq!(d.ended().await.code(), Some(0), "{}", d.read("err"));
    agree(&[&a, &c], &["a", "c"]).await;
    assert!(!consul.is_registered("dht-d").await.expect("an answer"));
    all_find(&[&a, &c], 0..20).await;
}

#[tokio::test]
async fn nothing_changes_while_consul_is_away_nor_when_it_comes_back_without_its_memory() {
    let stand_in = StandIn::start();
    let flags = ["--placement", "partitions"];
    let consul = node::consul::Consul::new(&stand_in.address, None).expect("an address");
    consul.set_cluster_size(2).await.expect("it is kept");
    let mut nodes = ["a", "b"].map(|name| registered(name, &stand_in.address, &flags));
    for node in &mut nodes {
        node.is_ready().await;
    }
    put(&nodes[0], 0..10).await;
    let version = agree(&[&nodes[0], &nodes[1]], &["a", "b"]).await;

    let address = stand_in.stop();
    tokio::time::sleep(Duration::from_secs(2)).await;
    all_find(&[&nodes[0], &nodes[1]], 0..10).await;
    let (_, port) = address.split_once(':').expect("host and port");
    let _again = StandIn::start_at(port, &[]);
    until("both are registered again", async || {
        let passing = consul.passing("dht", 0, Duration::ZERO).await;
        passing.is_ok_and(|passing| passing.instances.len() == 2)
    })
    .await;
    assert_eq!(agree(&[&nodes[0], &nodes[1]], &["a", "b"]).await, version);
    put(&nodes[1], 10..20).await;
    all_find(&[&nodes[0], &nodes[1]], 0..20).await;
}

#[tokio::test]
async fn a_network_that_waits_for_its_members_begins_when_consul_comes_back_late() {
    let stand_in = StandIn::start();
    let consul = node::consul::Consul::new(&stand_in.address, None).expect("an address");
    consul.set_cluster_size(2).await.expect("it is kept");
    let mut a = registered("a", &stand_in.address, &["--placement", "rendezvous"]);
    until("it is registered", async || {
        consul.is_registered("dht-a").await.is_ok_and(|is| is)
    })
    .await;
    let address = stand_in.stop();
    // Pauses have grown longer than a node that waits looks at Consul at a time.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (_, port) = address.split_once(':').expect("host and port");
    let again = StandIn::start_at(port, &[]);
    consul.set_cluster_size(2).await.expect("it is kept");
    let mut b = registered("b", &again.address, &["--placement", "rendezvous"]);
    for node in [&mut a, &mut b] {
        node.is_ready().await;
    }
    agree(&[&a, &b], &["a", "b"]).await;
}
