//! The stories, told to the end; each checks itself.

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn partitions_are_dealt_evenly_to_4_nodes_and_5_and_4_again() {
    let facts = told("partitions");
    let four = json!({"nodes": 4, "partitions_each": 50, "keys_each": 2500});
    let five = json!({"nodes": 5, "partitions_each": 40, "keys_each": 2000});
    assert_eq!(
        [&facts["booted"], &facts["added"], &facts["removed"]],
        [&four, &five, &four]
    );
}

#[test]
fn a_table_over_memcached_outlives_its_servers() {
    let facts = told("memcached");
    for (step, servers) in [("booted", 5), ("removed", 4), ("added", 5)] {
        let held = facts[step]["servers"].as_array().expect("a list");
        let sum = |field: &str| {
            held.iter()
                .filter_map(|server| server[field].as_u64())
                .sum()
        };
        let (keys, owned): (u64, u64) = (sum("keys"), sum("owned"));
        assert_eq!((held.len(), keys, owned), (servers, 150, 50), "{step}");
    }
    // No more than those of which the server that goes or comes keeps a copy.
    let held = |step: &str, place: usize| facts[step]["servers"][place]["keys"].clone();
    assert_eq!(facts["moved_when_removed"], held("booted", 1));
    assert_eq!(facts["moved_when_added"], held("added", 4));
    assert!(facts["killed"]["owned"].is_u64(), "{facts}");
}

#[test]
fn shards_lose_a_node_get_it_back_grow_and_are_divided_anew() {
    let facts = told("shards");
    for (step, shards, nodes) in [
        ("filled", 2, 6),
        ("returned", 2, 6),
        ("joined", 2, 7),
        ("resharded", 3, 7),
    ] {
        let told = facts[step]["shards"].as_array().expect("a list");
        let members = told.iter().flat_map(|shard| shard["members"].as_array());
        let keys: u64 = told.iter().filter_map(|shard| shard["keys"].as_u64()).sum();
        let seen = (told.len(), members.map(Vec::len).sum::<usize>(), keys);
        assert_eq!(seen, (shards, nodes, 600), "{step}: {facts}");
    }
}

/// Has a story told. Returns what it noted; nothing is left behind.
fn told(story: &str) -> Value {
    let state = TempDir::new().expect("a temporary folder");
    let output = Command::new(cargo_bin!("tasks"))
        .env("DHT_STATE", state.path())
        .args(["walkthrough", story, "--json"])
        .timeout(std::time::Duration::from_secs(300))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(state.path().read_dir().expect("a folder").count(), 0);
    serde_json::from_slice(&output.stdout).expect("one document")
}
