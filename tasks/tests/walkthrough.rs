//! The stories, told to the end; each checks itself.

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn partitions_are_dealt_evenly_to_4_nodes_and_5_and_4_again() {
    let state = TempDir::new().expect("a temporary folder");
    let output = Command::new(cargo_bin!("tasks"))
        .env("DHT_STATE", state.path())
        .args(["walkthrough", "partitions", "--json"])
        .timeout(std::time::Duration::from_secs(300))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let facts: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let four = json!({"nodes": 4, "partitions_each": 50, "keys_each": 2500});
    let five = json!({"nodes": 5, "partitions_each": 40, "keys_each": 2000});
    assert_eq!(
        [&facts["booted"], &facts["added"], &facts["removed"]],
        [&four, &five, &four]
    );
    // Nothing is left behind.
    assert_eq!(state.path().read_dir().expect("a folder").count(), 0);
}
