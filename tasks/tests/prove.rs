//! `tasks prove` on real processes: what it says, and what it leaves behind.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::TempDir;

/// A command whose every file lies in `folder`.
fn tasks(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(cargo_bin!("tasks"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DHT_") {
            command.env_remove(variable);
        }
    }
    let temporary = folder.join("temporary");
    fs::create_dir_all(&temporary).expect("a folder");
    command
        .env("DHT_STATE", folder.join("state"))
        .env("TMPDIR", temporary)
        .current_dir(folder)
        .stdin(Stdio::null())
        .args(line.split_whitespace());
    command
}

fn run(folder: &Path, line: &str) -> Output {
    tasks(folder, line).output().expect("it runs")
}

/// The document that a command prints; it must succeed.
fn json(folder: &Path, line: &str) -> Value {
    let output = run(folder, &format!("{line} --json"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tasks {line}: {error}");
    serde_json::from_slice(&output.stdout).expect(line)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Processes that run from a folder.
fn processes_in(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").expect("there are processes");
    let is_in = |entry: &fs::DirEntry| {
        let place = fs::read_link(entry.path().join("cwd"));
        place.is_ok_and(|place| place.starts_with(folder))
    };
    processes.flatten().filter(is_in).count()
}

#[test]
fn joins_and_leaves_lose_nothing() {
    let folder = folder();
    let line = "prove --seconds 5 --nodes 4 --faults join,leave --seed 1 --to out";
    let proof = json(folder.path(), line);
    assert_eq!(proof["verdict"], "nothing lost");
    assert_eq!(proof["lost"], Value::Array(vec![]));
    assert_eq!(proof["seed"], 1);
    assert!(
        proof["seconds"].as_f64().is_some_and(|s| s >= 5.0),
        "{proof}"
    );
    assert!(proof["acknowledged"].as_u64() > Some(100), "{proof}");
    for count in [
        "stale_reads",
        "non_monotonic_reads",
        "linearizability_violations",
    ] {
        assert_eq!(proof[count], 0, "{count}");
    }
    assert!(proof["errors"].is_object());
    let faults = proof["faults"].as_array().expect("faults");
    assert!(!faults.is_empty());
    for fault in faults {
        assert!(["join", "leave"].contains(&fault["kind"].as_str().expect("a kind")));
        assert!(fault["node"].as_str().expect("a name").starts_with("PROC"));
        for number in ["at_ms", "longest_write_gap_ms", "longest_read_gap_ms"] {
            assert!(fault[number].is_u64(), "{number} of {fault}");
        }
    }
    let picture = fs::read_to_string(folder.path().join("out/seed-1.svg")).expect("a picture");
    assert!(picture.contains("writes") && picture.contains("nothing lost"));
    let numbers = fs::read_to_string(folder.path().join("out/seed-1.csv")).expect("numbers");
    assert_eq!(numbers.lines().count(), 6, "{numbers}");
    let left = fs::read_dir(folder.path().join("temporary")).expect("a folder");
    assert_eq!(left.count(), 0);
    assert_eq!(processes_in(folder.path()), 0);
}

#[test]
fn nodes_that_come_back_on_their_disks_lose_nothing() {
    let folder = folder();
    let flags = "--nodes 6 --replicas 3 --store disk --seconds 8 --seed 2 --to out";
    for (fault, node) in [("stop", "all"), ("restart", "PROC")] {
        let proof = json(folder.path(), &format!("prove --faults {fault} {flags}"));
        assert_eq!(proof["verdict"], "nothing lost", "{proof}");
        assert_eq!(proof["linearizability_violations"], 0, "{proof}");
        assert!(proof["acknowledged"].as_u64() > Some(20), "{proof}");
        let faults = proof["faults"].as_array().expect("faults");
        assert!(!faults.is_empty());
        for told in faults {
            assert_eq!(told["kind"], fault);
            assert!(
                told["node"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(node))
            );
            assert!(told["error"].is_null(), "{told}");
        }
    }
    assert_eq!(processes_in(folder.path()), 0);
}

/// A folder whose network `lab` does not outlive its test.
struct Lab(TempDir);

impl Drop for Lab {
    fn drop(&mut self) {
        let ended = run(self.0.path(), "destroy --yes --network lab");
        assert!(ended.status.success() || std::thread::panicking());
    }
}

#[test]
fn a_network_that_runs_is_left_as_it_was() {
    let lab_folder = Lab(folder());
    let folder = &lab_folder.0;
    let lab = |line: &str| format!("{line} --network lab");
    json(folder.path(), &lab("boot --nodes 3"));
    let names = || {
        let ring = json(folder.path(), &lab("ring"));
        let nodes = ring["nodes"].as_array().expect("nodes").iter();
        let nodes = nodes.map(|node| (node["name"].clone(), node["keys"].clone()));
        nodes.collect::<Vec<_>>()
    };
    let before = names();
    let proof = json(folder.path(), &lab("prove --seconds 4 --seed 3"));
    assert_eq!(proof["verdict"], "nothing lost");
    let faults = proof["faults"].as_array().expect("faults");
    assert!(
        faults.iter().any(|fault| fault["kind"] == "join"),
        "{proof}"
    );
    assert_eq!(names(), before);
}

#[test]
fn parted_nodes_lose_nothing_and_are_one_ring_again() {
    let folder = folder();
    let line = "prove --nodes 6 --replicas 3 --store disk --seconds 12 --faults partition --seed 1";
    let proof = json(folder.path(), &format!("{line} --to out"));
    assert_eq!(proof["verdict"], "nothing lost", "{proof}");
    assert_eq!(proof["linearizability_violations"], 0, "{proof}");
    assert!(proof["acknowledged"].as_u64() > Some(20), "{proof}");
    assert_eq!(proof["ideal"], true, "{proof}");
    let faults = proof["faults"].as_array().expect("faults");
    assert!(!faults.is_empty());
    for fault in faults {
        assert_eq!(fault["kind"], "partition");
        let parted = fault["node"].as_str().expect("names").split(", ");
        let parted: Vec<_> = parted.collect();
        assert!((1..=3).contains(&parted.len()), "{fault}");
        assert!(parted.iter().all(|name| name.starts_with("PROC")));
        assert!(fault["whole_after_ms"].as_u64() >= Some(5_000), "{fault}");
        assert!(fault["error"].is_null(), "{fault}");
    }
    let errors = proof["errors"].as_object().expect("errors");
    assert!(!errors.is_empty(), "nothing was cut off: {proof}");
    let picture = fs::read_to_string(folder.path().join("out/seed-1.svg")).expect("a picture");
    assert!(picture.contains("partition"));
    assert_eq!(processes_in(folder.path()), 0);
}

/// The lists of unreachable addresses of a network's nodes.
#[tokio::main(flavor = "current_thread")]
async fn faults_of(folder: &Path, network: &str) -> Vec<Value> {
    let ring = json(folder, &format!("ring --network {network}"));
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client");
    let mut lists = Vec::new();
    for node in ring["nodes"].as_array().expect("nodes") {
        let address = node["address"].as_str().expect("an address");
        let answer = client.get(format!("http://{address}/faults")).send().await;
        let answer: Value = answer.expect("it listens").json().await.expect("JSON");
        lists.push(answer["unreachable"].clone());
    }
    lists
}

#[test]
fn a_network_that_runs_is_parted_only_if_it_was_booted_for_that_and_is_always_healed() {
    let lab_folder = Lab(folder());
    let folder = &lab_folder.0;
    json(folder.path(), "boot --nodes 3 --network lab");
    let prove = "prove --faults partition --seconds 9 --seed 3 --network lab";
    let output = run(folder.path(), prove);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("tasks boot --fault-injection"), "{error}");

    let again = "boot --nodes 3 --force --fault-injection --network lab";
    json(folder.path(), again);
    json(folder.path(), "add --network lab");
    let none = Value::Array(vec![]);
    let is_healed = || {
        let lists = faults_of(folder.path(), "lab");
        assert_eq!(lists.len(), 4, "also the one that was added takes faults");
        lists.iter().all(|list| *list == none)
    };
    let proof = json(folder.path(), prove);
    assert_eq!(proof["verdict"], "nothing lost", "{proof}");
    assert_eq!(proof["faults"][0]["kind"], "partition", "{proof}");
    assert!(is_healed());

    let mut child = tasks(folder.path(), &prove.replace("9", "60"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_healed() {
        assert!(Instant::now() < deadline, "nobody is cut off");
        sleep(Duration::from_millis(100));
    }
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-INT", &pid]).status();
    assert!(told.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    assert!(is_healed(), "whatever happens");
}

#[test]
fn an_interrupted_proof_proves_nothing_and_leaves_nothing() {
    let folder = folder();
    let mut command = tasks(
        folder.path(),
        "prove --seconds 60 --nodes 3 --faults pause --seed 1",
    );
    let mut child: Child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let deadline = Instant::now() + Duration::from_secs(10);
    // Itself and three nodes.
    while processes_in(folder.path()) < 4 {
        assert!(Instant::now() < deadline, "no node starts");
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(500));
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-INT", &pid]).status();
    assert!(told.expect("kill runs").success());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(1));
    let left = fs::read_dir(folder.path().join("temporary")).expect("a folder");
    assert_eq!(left.count(), 0);
    assert_eq!(processes_in(folder.path()), 0);
}

#[test]
fn what_can_not_be_had_is_refused_with_the_reason() {
    let folder = folder();
    for (line, reason) in [
        ("prove --faults flood", "partition"),
        ("prove --nodes 4", "may not survive a death"),
        ("prove --faults none,kill", "alone"),
        ("prove --faults stop --store memory", "--store disk"),
        ("prove --faults restart --replicas 1", "--replicas 3"),
    ] {
        let output = run(folder.path(), line);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(error.contains(reason), "{line}: {error}");
    }
    fs::write(folder.path().join("file"), "").expect("a file");
    let output = run(folder.path(), "prove --to file/out");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("--to"), "{error}");
    let absent = run(folder.path(), "prove --network nowhere");
    assert_eq!(absent.status.code(), Some(4));
}
