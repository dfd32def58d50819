//! A node that keeps its content on disk: what it finds again, and what it says when the disk is no good.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use support::free_address;
use support::process::Process;
use tempfile::TempDir;

/// A ring of one node that keeps its content in this folder.
fn start(address: SocketAddr, incarnation: u32, data: &Path) -> Process {
    start_by(
        Command::new(env!("CARGO_BIN_EXE_node")),
        address,
        incarnation,
        data,
    )
}

fn start_by(command: Command, address: SocketAddr, incarnation: u32, data: &Path) -> Process {
    let ring = format!("a@{address}#{incarnation}");
    let data = data.to_str().expect("a path in words");
    let flags = ["--name", "a", "--ring", &ring];
    let flags = [&flags[..], &["--store", "disk", "--data", data]].concat();
    Process::start_by(command, address, &flags)
}

async fn store(node: &Process, value: &str) -> (u16, Value) {
    let stored = node.send(Method::POST, "/store", value).await;
    stored.expect("it listens")
}

async fn get(node: &Process, path: &str) -> (u16, Value) {
    node.get(path).await.expect("it listens")
}

#[tokio::test]
async fn a_node_finds_its_content_again() {
    let (folder, address) = (TempDir::new().expect("a folder"), free_address());
    let data = folder.path().join("new").join("data");
    for incarnation in 1..4 {
        let mut node = start(address, incarnation, &data);
        node.is_ready().await;
        for before in 1..incarnation {
            let (status, found) = get(&node, &format!("/lookup/value-{before}")).await;
            assert_eq!(
                (status, &found["value"]),
                (200, &format!("value-{before}").into())
            );
        }
        let (_, info) = get(&node, "/nodeinfo").await;
        assert_eq!(info["keys"], incarnation - 1);
        let stored = store(&node, &format!("value-{incarnation}")).await;
        assert_eq!(stored.0, 201);
        node.signal(Signal::TERM);
        assert!(node.ended().await.success(), "{}", node.read("err"));
    }
}

#[tokio::test]
async fn a_node_on_a_disk_stops_without_leaving_and_one_in_memory_leaves() {
    for engine in ["disk", "memory"] {
        let addresses = [(); 2].map(|()| free_address());
        let ring = format!("a@{}#1,b@{}#1", addresses[0], addresses[1]);
        let folders = [(); 2].map(|()| TempDir::new().expect("a folder"));
        let mut nodes = [0, 1].map(|n| {
            let data = folders[n].path().to_str().expect("a path in words");
            let flags = ["--name", ["a", "b"][n], "--ring", &ring];
            let flags = [&flags[..], &["--store", engine, "--data", data]].concat();
            Process::start(addresses[n], &flags)
        });
        for node in &mut nodes {
            node.is_ready().await;
        }
        for number in 0..20 {
            let stored = store(&nodes[0], &format!("v{number}")).await;
            assert_eq!(stored.0, 201);
        }
        let (_, info) = get(&nodes[1], "/nodeinfo").await;
        let own = info["keys"].as_u64().expect("a number");
        assert!(own > 0 && own < 20, "{own}");

        nodes[0].signal(Signal::TERM);
        assert!(nodes[0].ended().await.success());
        let said = nodes[0].read("err");
        let (_, info) = get(&nodes[1], "/nodeinfo").await;
        // One of two that is left alone serves nothing until it has company again.
        let is_handed_over = info["keys"] == 20;
        match engine {
            "disk" => assert!(said.contains("stays on disk") && !is_handed_over, "{said}"),
            _ => assert!(said.contains("left") && is_handed_over, "{said}"),
        }
    }
}

#[tokio::test]
async fn a_folder_that_another_node_has_is_named() {
    let folder = TempDir::new().expect("a folder");
    let mut node = start(free_address(), 1, folder.path());
    node.is_ready().await;
    let (code, error) = start(free_address(), 1, folder.path()).failure().await;
    assert_eq!(code, Some(1));
    assert!(error.contains("is in use by another process"), "{error}");
}

#[tokio::test]
async fn a_store_that_is_damaged_is_named_with_the_way_out() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("content.redb");
    fs::write(&file, "no store").expect("writable");
    let (code, error) = start(free_address(), 1, folder.path()).failure().await;
    assert_eq!(code, Some(1));
    for words in ["content.redb", "is damaged", "move it away"] {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(fs::read(&file).expect("it is there"), b"no store");
}

/// Whoever goes on without what its log has lost would vote for what it has forgotten.
#[tokio::test]
async fn a_log_that_has_rotted_keeps_its_node_from_starting() {
    let (folder, address) = (TempDir::new().expect("a folder"), free_address());
    let mut node = start(address, 1, folder.path());
    node.is_ready().await;
    for number in 0..20 {
        assert_eq!(store(&node, &format!("value {number}")).await.0, 201);
    }
    // Killed, so that nothing gets from its log into the file.
    drop(node);
    let log = folder.path().join("0.log");
    let mut bytes = fs::read(&log).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).expect("writable");
    let (code, error) = start(address, 2, folder.path()).failure().await;
    assert_eq!(code, Some(1));
    for words in ["0.log", "has rotted", "move it away"] {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(
        fs::read(&log).expect("it is there"),
        bytes,
        "nothing was changed"
    );
    // The way out.
    fs::rename(folder.path(), folder.path().with_extension("away")).expect("movable");
    let mut node = start(address, 3, folder.path());
    node.is_ready().await;
    fs::remove_dir_all(folder.path().with_extension("away")).expect("removable");
}

/// What a full disk does to a process, a limit to its files does as well.
#[tokio::test]
async fn a_node_whose_disk_is_full_refuses_changes_and_stays_readable() {
    let (folder, address) = (TempDir::new().expect("a folder"), free_address());
    let mut limited = Command::new("sh");
    // In blocks of 512 bytes, or in some shells of 1024.
    let script = "trap '' XFSZ; ulimit -f 6000; exec \"$0\" \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_node")]);
    let mut node = start_by(limited, address, 1, folder.path());
    node.is_ready().await;
    let value = |number: u32| format!("{number}-{}", "v".repeat(100_000));
    let mut keys = Vec::new();
    let unknown = loop {
        assert!(keys.len() < 1000, "100 MB are more than its files may have");
        let (status, answer) = store(&node, &value(keys.len() as u32)).await;
        match status {
            201 => keys.push(answer["key"].as_str().expect("a key").to_owned()),
            _ => break status,
        }
    };
    assert_eq!(unknown, 504, "it was made, and did not get to the disk");
    let refused = store(&node, "one more").await;
    let code = "read_only";
    assert_eq!(
        (refused.0, &refused.1["error"]["code"]),
        (503, &code.into())
    );
    let (status, reason) = get(&node, "/readyz").await;
    assert_eq!((status, &reason["error"]["code"]), (503, &code.into()));
    assert_eq!(get(&node, "/healthz").await.0, 200);
    let deleted = node.send(Method::DELETE, "/lookup/any", "").await;
    assert_eq!(deleted.expect("it listens").0, 503);
    for (number, key) in (0..).zip(&keys) {
        let (status, found) = get(&node, &format!("/get/{key}")).await;
        assert_eq!((status, &found["value"]), (200, &value(number).into()));
    }
    drop(node);
    // With room again it starts with all that it acknowledged.
    let mut node = start(address, 2, folder.path());
    node.is_ready().await;
    for (number, key) in (0..).zip(&keys) {
        let (status, found) = get(&node, &format!("/get/{key}")).await;
        assert_eq!((status, &found["value"]), (200, &value(number).into()));
    }
    assert_eq!(store(&node, "one more").await.0, 201);
}
