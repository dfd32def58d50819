//! A causally consistent store, by the commands that people type.

mod support;

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Net;

#[test]
fn what_clients_put_under_load_they_get_and_what_they_carry_along_stays_small() {
    let net = Net::new();
    net.json("shards boot --nodes 4 --shards 2 --store memory");
    let told = net.json("shards load --connections 4 --keys 10 --puts 400 --seconds 1");
    assert_eq!(told["puts"]["count"], 400, "{told}");
    assert!(told["gets"]["count"].as_u64() > Some(4), "{told}");
    assert_eq!(told["wrong"], 0, "{told}");
    let most = told["metadata"]["most"].as_u64();
    assert!(most > Some(0) && most < Some(500), "{told}");

    let output = net.output("shards load --bytes 3");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_store_grows_and_is_divided_anew_and_says_what_can_t_be() {
    let net = Net::new();
    net.json("shards boot --nodes 4 --shards 2 --store memory");
    net.json("kvs put bird {\"sings\":[true,null]}");
    let output = net.output("shards reshard 3");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("Not enough nodes"), "{error}");
    for _ in 0..2 {
        net.json("shards add-member");
    }
    net.json("shards reshard 3");
    let status = net.json("shards status");
    let shards = status["shards"].as_array().expect("shards").iter();
    let sizes: Vec<_> = shards
        .map(|shard| shard["members"].as_array().map(Vec::len))
        .collect();
    assert_eq!(sizes, [Some(2); 3], "{status}");
    let told = net.json("kvs get bird");
    assert_eq!(told["value"], json!({"sings": [true, null]}));
}

#[test]
fn nodes_die_and_come_back_and_what_is_for_rings_is_refused() {
    let net = Net::new();
    net.json("shards boot --nodes 5 --shards 2");
    for number in 0..20 {
        net.json(&format!("kvs put key{number} {number}"));
    }
    for (line, instead) in [
        ("ring", "tasks shards status"),
        ("put a b", "tasks kvs put"),
        ("get a", "tasks kvs get"),
        ("add", "tasks shards add-member"),
        ("storemany 5", "tasks shards load"),
        ("leave PROC1", "tasks kill"),
        ("reboot", "tasks shards boot"),
    ] {
        let output = net.output(line);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(error.contains(instead), "{line}: {error}");
    }

    let status = settled(&net);
    let shards = status["shards"].as_array().expect("shards");
    let of_three = |shard: &&Value| shard["members"].as_array().map(Vec::len) == Some(3);
    let shard = shards
        .iter()
        .find(of_three)
        .expect("five are two and three");
    let member = |place: usize| shard["members"][place].as_str().expect("a name").to_owned();
    let (first, second) = (member(0), member(1));
    // That one node has seen everything settle does not mean that all have.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let output = net.output(&format!("safe {first} --json"));
        if output.status.success() {
            break;
        }
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(Instant::now() < deadline, "never safe: {told}");
        sleep(Duration::from_millis(100));
    }
    net.json(&format!("kill {first}"));
    let output = net.output(&format!("safe {second} --json"));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(
        (output.status.code(), &told["safe"]),
        (Some(1), &false.into())
    );

    // The others go on, and it learns what it has missed.
    net.json("kvs put key0 \"zero\"");
    net.json(&format!("restart {first}"));
    let told = net.json(&format!("kvs get key0 --via {first}"));
    assert_eq!(told["value"], "zero");

    // All end at once, and all is there again.
    let status = settled(&net);
    let members = status["shards"].as_array().expect("shards").iter();
    let members = members.flat_map(|shard| shard["members"].as_array().expect("names"));
    for name in members {
        net.json(&format!("kill {}", name.as_str().expect("a name")));
    }
    net.json("restart");
    for number in 1..20 {
        assert_eq!(net.json(&format!("kvs get key{number}"))["value"], number);
    }
}

/// How the store is divided, once everything is where it belongs.
fn settled(net: &Net) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = net.json("shards status");
        if status["settled"] == true {
            return status;
        }
        assert!(Instant::now() < deadline, "never settled: {status}");
        sleep(Duration::from_millis(100));
    }
}
