//! Namespaces: a store whose nodes have a network namespace each, so that one can really be cut off.
//!
//! Making namespaces takes root and iproute2, so this is no part of the plain tests; `.ci/run` runs it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{self, Command, Stdio};
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::store::{Node, Store, joined};

#[tokio::test]
#[ignore = "it makes network namespaces, which takes root and iproute2"]
async fn a_store_is_cut_loses_nodes_grows_and_is_divided_anew() {
    let network = Net::new(7);
    let view = joined(&network.addresses[..6]);
    let start = |place: usize| {
        let within = ["ip", "netns", "exec", &network.names[place]];
        let shards = (place < 6).then_some(2);
        let view = match place {
            6 => joined(&network.addresses),
            _ => view.clone(),
        };
        Node::start(network.addresses[place], &view, shards, &within)
    };
    let mut store = Store::of((0..6).map(start).collect());
    for place in 0..6 {
        store.is_ready(place).await;
    }

    let mut seen = Value::Null;
    for number in 0..KEYS {
        let told = store
            .put(number % 6, &format!("key{number}"), json!(number), &seen)
            .await;
        assert_eq!(told.status, 201, "{told:?}");
        seen = told.body["causal-metadata"].clone();
    }
    let early = seen.clone();
    is_balanced(&store, 2).await;

    // One replica hears nothing of the others any more, but clients reach it.
    let members = store.members(0, "0").await;
    let (lost, other) = (members[0], members[1]);
    let changed = key_of(&store, "0", &seen).await;
    let key = changed.as_str();
    network.cut_off(lost);
    let told = store.put(other, key, json!("newer"), &seen).await;
    assert_eq!(told.status, 200, "two are left of three: {told:?}");
    seen = told.body["causal-metadata"].clone();
    let began = Instant::now();
    let told = store.read_once(lost, key, &seen).await;
    assert_eq!(told.status, 503, "it can't have it: {told:?}");
    let text = "Causal dependencies not satisfied; try again later";
    assert_eq!(
        (told.body, told.retry_after.as_deref()),
        (json!({"error": text}), Some("1"))
    );
    println!("cut off: told to come again after {:?}", began.elapsed());
    let told = store.read(lost, key, &early).await;
    assert_eq!(
        told.status, 200,
        "what is there is shown to who has not seen more: {told:?}"
    );
    assert_ne!(told.body["value"], "newer");
    let told = store.put_once(lost, key, json!("alone"), &early).await;
    assert_eq!(told.status, 503, "one copy is none: {told:?}");

    let began = Instant::now();
    network.heal(lost);
    store
        .until("who was cut off catches up", async || {
            store.read_once(lost, key, &seen).await.status == 200
        })
        .await;
    println!("healed: it has all of it after {:?}", began.elapsed());

    // A node dies, others go on, and it comes back on its disk.
    let victim = store.members(lost, "1").await[0];
    store.nodes[victim].kill();
    let alive: Vec<usize> = (0..6).filter(|place| *place != victim).collect();
    for number in 0..60 {
        let (place, key) = (alive[number % 5], format!("key{number}"));
        let told = store
            .put(place, &key, json!({"again": number}), &seen)
            .await;
        assert_eq!(told.status, 200, "{told:?}");
        seen = told.body["causal-metadata"].clone();
    }
    store.nodes[victim].restart(&view, Some(2));
    store.is_ready(victim).await;
    for number in 0..60 {
        let key = format!("key{number}");
        let told = store.read_once(victim, &key, &seen).await;
        let is_known = told.status == 200 && told.body["value"]["again"] == number;
        assert!(is_known, "{key}: {told:?}");
    }

    // A seventh node comes late, is given a place, and has all that its shard holds before it serves.
    store.nodes.push(start(6));
    let joiner = json!({"socket-address": network.addresses[6].to_string()});
    store
        .until(
            "the seventh node has a place, once it is known",
            async || {
                let path = "/shard/add-member/1";
                let told = store.ask(2, Method::PUT, path, joiner.clone()).await;
                assert!(matches!(told.status, 200 | 404 | 409), "{told:?}");
                told.status == 200
            },
        )
        .await;
    store.is_ready(6).await;
    let count = store.get(6, "/shard/key-count/1").await.body["shard-key-count"].clone();
    assert_eq!(
        count,
        store.get(victim, "/shard/key-count/1").await.body["shard-key-count"]
    );

    // Three shards, with metadata from before, at any node, at the first try.
    let before = seen.clone();
    let began = Instant::now();
    store
        .until("it is divided, once nothing else is changed", async || {
            let body = json!({"shard-count": 3});
            let told = store.ask(4, Method::PUT, "/shard/reshard", body).await;
            assert!(matches!(told.status, 200 | 409), "{told:?}");
            told.status == 200
        })
        .await;
    println!("divided into three shards after {:?}", began.elapsed());
    for number in 0..KEYS {
        let key = format!("key{number}");
        let told = store.read_once(number % 7, &key, &before).await;
        assert_eq!(told.status, 200, "{key} at {}: {told:?}", number % 7);
        let value = &told.body["value"];
        let is_known = match number {
            // What was written alone was not acknowledged, but has got there since: neither was before the other.
            _ if key == changed => value == "newer" || value == "alone",
            0..60 => value["again"] == number,
            _ => *value == number,
        };
        assert!(is_known, "{key}: {value}");
    }
    is_balanced(&store, 3).await;
}

/// A key of a shard.
async fn key_of(store: &Store, shard: &str, seen: &Value) -> String {
    for number in 100..KEYS {
        let key = format!("key{number}");
        if store.read(0, &key, seen).await.body["shard-id"] == shard {
            return key;
        }
    }
    panic!("shard {shard} has no keys");
}

/// All keys are there, and no shard has a quarter more or less than its share of them.
async fn is_balanced(store: &Store, shards: u32) {
    let mut counts = Vec::new();
    for shard in 0..shards {
        let told = store.get(1, &format!("/shard/key-count/{shard}")).await;
        counts.push(told.body["shard-key-count"].as_u64().expect("a number"));
    }
    println!("keys of {shards} shards: {counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), KEYS as u64);
    let share = KEYS as f64 / f64::from(shards);
    for count in counts {
        assert!(
            (0.75 * share..=1.25 * share).contains(&(count as f64)),
            "{count} of {share}"
        );
    }
}

/// Namespaces on one bridge, and this process beside them; all of it goes with this.
struct Net {
    /// Of the namespace with the bridge.
    hub: String,
    names: Vec<String>,
    addresses: Vec<SocketAddr>,
}

impl Net {
    fn new(count: u8) -> Net {
        let pid = process::id();
        // Of the range for tests between networks, which nobody routes: RFC 2544.
        let subnet = (pid % 250) as u8;
        let address = |host| Ipv4Addr::new(198, 18, subnet, host);
        let network = Net {
            hub: format!("dht{pid}"),
            names: (0..count)
                .map(|place| format!("dht{pid}-{place}"))
                .collect(),
            addresses: (0..count)
                .map(|place| SocketAddr::new(IpAddr::V4(address(10 + place)), 8090))
                .collect(),
        };
        let (hub, own) = (&network.hub, format!("dht{pid}"));
        ip(&format!("netns add {hub}"));
        ip(&format!("-n {hub} link add bridge type bridge"));
        ip(&format!("-n {hub} link set bridge up"));
        ip(&format!(
            "link add {own} type veth peer name client netns {hub}"
        ));
        ip(&format!("-n {hub} link set client master bridge up"));
        ip(&format!("address add {}/24 dev {own}", address(1)));
        ip(&format!("link set {own} up"));
        for (place, name) in network.names.iter().enumerate() {
            let host = address(10 + place as u8);
            ip(&format!("netns add {name}"));
            ip(&format!(
                "-n {name} link add eth0 type veth peer name port{place} netns {hub}"
            ));
            ip(&format!("-n {hub} link set port{place} master bridge up"));
            ip(&format!("-n {name} address add {host}/24 dev eth0"));
            ip(&format!("-n {name} link set eth0 up"));
            ip(&format!("-n {name} link set lo up"));
        }
        network
    }

    /// From now on nothing passes between one and the others.
    fn cut_off(&self, place: usize) {
        self.route(place, "add");
    }

    fn heal(&self, place: usize) {
        self.route(place, "del");
    }

    fn route(&self, place: usize, verb: &str) {
        let (name, address) = (&self.names[place], self.addresses[place].ip());
        let all = self.names.iter().zip(&self.addresses);
        for (other, other_address) in all.filter(|(other, _)| *other != name) {
            let other_address = other_address.ip();
            ip(&format!(
                "-n {name} route {verb} blackhole {other_address}/32"
            ));
            ip(&format!("-n {other} route {verb} blackhole {address}/32"));
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in self.names.iter().chain([&self.hub]) {
            // Those that were not made yet are not there.
            let mut command = Command::new("ip");
            let _ = command
                .args(["netns", "del", name])
                .stderr(Stdio::null())
                .status();
        }
    }
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "ip {words}: it takes root and iproute2"
    );
}

const KEYS: usize = 600;
