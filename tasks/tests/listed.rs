//! Networks whose members are listed, by the commands that people type.

mod support;

use serde_json::Value;
use support::Net;

/// How many keys each node has.
fn keys(net: &Net) -> Vec<u64> {
    let ring = net.json("ring");
    let nodes = ring["nodes"].as_array().expect("nodes").iter();
    nodes
        .map(|node| node["keys"].as_u64().expect("a number"))
        .collect()
}

fn name(of: &Value, place: usize) -> String {
    let name = of["processes"][place]["name"].as_str();
    name.expect("a process has a name").to_owned()
}

#[test]
fn listed_members_come_and_go_and_their_content_moves() {
    let net = Net::new();
    let booted = net.json("boot --nodes 3 --membership static --placement partitions --replicas 1");
    assert_eq!(booted["ideal"], true);
    net.json("users 600");
    assert_eq!(keys(&net).iter().sum::<u64>(), 600);
    let added = net.json("add");
    assert_eq!((&added["ideal"], keys(&net)), (&true.into(), vec![150; 4]));

    // Stopped, it is still a member, and comes back with what it has on disk.
    net.json(&format!("restart {}", name(&booted, 1)));
    assert_eq!(keys(&net), vec![150; 4]);
    let left = net.json(&format!("leave {}", name(&booted, 2)));
    assert!(left["moved"].as_u64() >= Some(150), "{left}");
    assert_eq!(keys(&net).iter().sum::<u64>(), 600);
    let user = net.json("get 599");
    assert!(
        user["value"]
            .as_str()
            .is_some_and(|user| user.contains("\"id\":599"))
    );
    assert_eq!(user["key"], format!("{:040x}", 599));
    let info = net.json("nodeinfo");
    assert_eq!(info["listed"]["here"]["strays"], 0);
}

#[test]
fn a_listed_member_that_is_killed_is_made_up_for() {
    let net = Net::new();
    let booted =
        net.json("boot --nodes 4 --membership static --placement rendezvous --store memory");
    net.json("storemany 60");
    assert_eq!(keys(&net).iter().sum::<u64>(), 180);
    net.json(&format!("kill {}", name(&booted, 0)));
    let output = net.output("ring");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(keys(&net), vec![60; 3]);
    assert_eq!(net.json("ring")["ideal"], true);
}

#[test]
fn keys_and_members_of_a_ring_may_be_placed_by_murmur3() {
    let net = Net::new();
    net.json("boot --membership static --hash murmur3 --replicas 1 --store memory");
    net.json("put hello world");
    net.json("put 7 seven");
    // MurmurHash3 of 32 bits of these keys, worked out by another implementation.
    for (key, value, hash) in [("hello", "world", "248bfa47"), ("7", "seven", "23ea8628")] {
        let got = net.json(&format!("get {key}"));
        assert_eq!(got["value"], value);
        let id = got["key"].as_str().expect("an identifier");
        assert!(id.starts_with(hash), "{id}");
    }
    assert_eq!(net.json("add")["ideal"], true);
    let scheme = &net.json("nodeinfo")["scheme"];
    assert_eq!(scheme["ring"]["hash"], "murmur3");
    assert_eq!(keys(&net).iter().sum::<u64>(), 2);
    net.json("del hello");
    assert_eq!(keys(&net).iter().sum::<u64>(), 1);
}

#[test]
fn what_does_not_go_together_is_refused_at_the_start() {
    let net = Net::new();
    for (flags, reason) in [
        ("--placement partitions", "complete list of members"),
        ("--membership static --ownership predecessor", "ownership"),
        ("--membership static --trace", "only nodes of a ring"),
        ("--hash murmur3", "complete list of members"),
        (
            "--membership static --placement jump --hash murmur3",
            "placement = jump has none",
        ),
    ] {
        let output = net.output(&format!("boot {flags}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(reason),
            "{flags}: {said}"
        );
    }
}
