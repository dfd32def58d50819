//! The client of servers over ZeroMQ, and the stories that are told with them, through the command line alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A process that does not outlive its test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A node that is alone in its network.
struct Server {
    _process: Guard,
    _folder: TempDir,
    http: SocketAddr,
}

impl Server {
    /// Starts one with this way in, and waits until it serves.
    fn start(name: &str, zeromq: &str) -> Server {
        let http = free_address();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let child = tasks()
            .args(["node", "--name", name, "--address", &http.to_string()])
            .args(["--ring", &format!("{name}@{http}#1"), "--zeromq", zeromq])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn();
        let process = Guard(child.expect("it runs"));
        let server = Server {
            _process: process,
            _folder: folder,
            http,
        };
        let begun = Instant::now();
        while server.curl("/readyz").is_none() {
            assert!(begun.elapsed() < PATIENCE, "{name} does not get ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// What a path shows, if anything.
    fn curl(&self, path: &str) -> Option<String> {
        let url = format!("http://{}{path}", self.http);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().ok()?;
            let answer = client.get(url).send().await.ok()?;
            answer.error_for_status().ok()?.text().await.ok()
        })
    }
}

fn tasks() -> Command {
    let mut command = Command::new(cargo_bin!("tasks"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("DHT_") || name.starts_with("CONSUL_") {
            command.env_remove(&variable);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn run(line: &str) -> Output {
    tasks()
        .args(line.split_whitespace())
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command prints; it must succeed.
fn says(line: &str) -> String {
    let output = run(line);
    assert!(
        output.status.success(),
        "tasks {line}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn json(line: &str) -> Value {
    serde_json::from_str(&says(&format!("{line} --json"))).expect("JSON")
}

/// What a command complains about when it ends with this exit code.
fn fails(line: &str, code: i32) -> String {
    let output = run(line);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "tasks {line}: {error}");
    error
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    listener.local_addr().expect("it has an address")
}

/// Servers that know nothing of each other, and how they are named.
fn servers(count: usize, side: &str) -> (Vec<Server>, Vec<String>) {
    let endpoints: Vec<_> = (0..count)
        .map(|_| format!("tcp://{}", free_address()))
        .collect();
    let start = |(number, endpoint): (usize, &String)| {
        Server::start(&format!("server-{number}"), &format!("{side}:{endpoint}"))
    };
    let servers = endpoints.iter().enumerate().map(start).collect();
    (servers, endpoints)
}

#[test]
fn an_item_of_which_many_have_a_copy_is_shown_once() {
    let (_nodes, endpoints) = servers(2, "bind");
    for endpoint in &endpoints {
        says(&format!("zeromq put k v --servers {endpoint}"));
    }
    let only = &endpoints[1];
    says(&format!("zeromq put other w --servers {only}"));
    let named = endpoints.join(",");
    let all = json(&format!("zeromq all --servers {named}"));
    let items = json!([{"key": "k", "value": "v"}, {"key": "other", "value": "w"}]);
    assert_eq!(all["collection"], items);
    assert_eq!(all["servers"][&endpoints[0]], 1);
    assert_eq!(all["servers"][only], 2);
    let lines = says(&format!("zeromq all --servers {named}"));
    assert_eq!(lines, "k\tv\nother\tw\n");
}

#[test]
fn keys_are_spread_over_servers_and_found_again() {
    let (nodes, endpoints) = servers(3, "bind");
    let named = endpoints.join(",");
    for sharding in ["ring", "rendezvous"] {
        let with = format!("--servers {named} --sharding {sharding}");
        let mut at = BTreeSet::new();
        for number in 0..12 {
            let put = json(&format!("zeromq put {sharding}-{number} v{number} {with}"));
            assert_eq!(
                (&put["status"], &put["key"]),
                (&json!("OK"), &json!(format!("{sharding}-{number}")))
            );
            at.insert(put["server"].as_str().expect("a server").to_owned());
        }
        assert!(at.len() > 1 && at.iter().all(|server| endpoints.contains(server)));
        // In another order they have the same keys.
        let turned: Vec<_> = endpoints.iter().rev().cloned().collect();
        let turned = format!("--servers {} --sharding {sharding}", turned.join(","));
        assert_eq!(says(&format!("zeromq get {sharding}-7 {turned}")), "v7\n");
    }
    let all = json(&format!("zeromq all --servers {named}"));
    let items = all["collection"].as_array().expect("a collection");
    assert_eq!(items.len(), 24);
    let counts: BTreeMap<String, usize> =
        serde_json::from_value(all["servers"].clone()).expect("counts");
    assert_eq!(counts.values().sum::<usize>(), 24);
    for (node, endpoint) in nodes.iter().zip(&endpoints) {
        let content: Value =
            serde_json::from_str(&node.curl("/content").expect("it runs")).expect("JSON");
        assert_eq!(content["count"], counts[endpoint], "as HTTP shows it");
    }
    let lines = says(&format!("zeromq all --servers {named}"));
    assert_eq!(lines.lines().count(), 24);
    assert!(lines.contains("ring-7\tv7\n"), "{lines}");
}

#[test]
fn values_may_be_json_and_what_is_not_there_is_exit_code_3() {
    let (_nodes, endpoints) = servers(1, "bind");
    let with = format!("--servers {}", endpoints[0]);
    says(&format!("zeromq put k {{\"n\":[1,null]}} --as-json {with}"));
    assert_eq!(says(&format!("zeromq get k {with}")), "{\"n\":[1,null]}\n");
    let got = json(&format!("zeromq get k {with}"));
    let expected = json!({"key": "k", "value": {"n": [1, null]}, "server": endpoints[0]});
    assert_eq!(got, expected);
    says(&format!("zeromq del k {with}"));
    let error = fails(&format!("zeromq get k {with}"), 3);
    assert!(error.contains("there is nothing under `k`"), "{error}");
    let output = run(&format!("zeromq get k {with} --json"));
    assert_eq!(output.status.code(), Some(3));
    let missing: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(missing["value"], Value::Null);
    let error = fails(&format!("zeromq put k x --as-json {with}"), 2);
    assert!(error.contains("no JSON"), "{error}");
    let error = fails(&format!("zeromq put k null --as-json {with}"), 1);
    assert!(error.contains("null means that there is none"), "{error}");
}

#[test]
fn servers_come_to_a_client_that_listens() {
    let (_nodes, endpoints) = servers(2, "connect");
    let with = format!("--servers {} --bind", endpoints.join(","));
    for number in 0..6 {
        says(&format!("zeromq put key-{number} v{number} {with}"));
    }
    assert_eq!(says(&format!("zeromq get key-3 {with}")), "v3\n");
    let all = json(&format!("zeromq all {with}"));
    assert_eq!(all["collection"].as_array().map(Vec::len), Some(6));
}

#[test]
fn a_server_that_is_not_there_is_exit_code_4_and_no_server_is_wrong_usage() {
    let nobody = format!("tcp://{}", free_address());
    let begun = Instant::now();
    for bind in ["", " --bind"] {
        let error = fails(
            &format!("zeromq all --servers {nobody} --timeout-ms 300{bind}"),
            4,
        );
        assert!(
            error.contains(&nobody) && error.contains("--zeromq"),
            "{error}"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it waits no longer than it was told"
    );
    for (line, words) in [
        ("zeromq all", "--servers"),
        ("zeromq all --servers 127.0.0.1:1", "tcp://HOST:PORT"),
        ("zeromq all --servers tcp://h:1,tcp://h:1", "twice"),
        (
            "zeromq all --bind --consul 127.0.0.1:1",
            "--bind needs --servers",
        ),
    ] {
        let error = fails(line, 2);
        assert!(error.contains(words), "{error}");
    }
}

/// A stand-in for Consul, and where it is.
fn stand_in() -> (Guard, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/consul_stand_in.py");
    let child = Command::new("python3")
        .arg(script)
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .spawn();
    let mut guard = Guard(child.expect("Python is there"));
    let mut line = String::new();
    let output = guard.0.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut line).expect("a line");
    (guard, format!("http://{}", line.trim()))
}

/// Tells a story; the document it ends with.
fn story(line: &str) -> Value {
    let state = tempfile::tempdir().expect("a temporary folder");
    let output = tasks()
        .env("DHT_STATE", state.path())
        .args(line.split_whitespace())
        .arg("--json")
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "tasks {line}: {}",
        text(&output.stderr)
    );
    let left = std::fs::read_dir(state.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left behind");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn the_story_of_the_store_over_zeromq_is_told_without_consul() {
    let told = story("walkthrough zeromq");
    for name in ["consistent hashing", "highest random weight"] {
        let told = &told[name];
        assert_eq!(told["keys"], 1000);
        assert_eq!(
            told["counts"].as_object().map(|counts| counts.len()),
            Some(4)
        );
        let moved = told["moved_on_add"].as_u64().expect("a number");
        assert!((100..300).contains(&moved), "about a fifth: {moved}");
    }
}

#[test]
fn the_story_of_the_store_over_zeromq_is_told_with_consul() {
    let (_consul, url) = stand_in();
    let told = story(&format!("walkthrough zeromq --consul {url}"));
    assert_eq!(told["consistent hashing"]["keys"], 1000);
}

#[test]
fn servers_that_consul_knows_are_found() {
    let (_consul, url) = stand_in();
    let error = fails(&format!("zeromq all --consul {url}"), 4);
    assert!(
        error.contains("none of them has a door for ZeroMQ"),
        "{error}"
    );
}

#[test]
fn the_story_of_the_lab_is_told_by_both_rules() {
    for rule in ["predecessor", "successor"] {
        let told = story(&format!("walkthrough chord --ownership {rule}"));
        assert_eq!((&told["stored"], &told["found"]), (&json!(60), &json!(59)));
        assert!(told["leaver_gave"].as_u64().is_some_and(|gave| gave > 0));
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
