//! Networks that are stopped, and start again with what they have on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A network that does not outlive its test.
struct Network(TempDir);

impl Drop for Network {
    fn drop(&mut self) {
        let output = self.run("destroy --yes");
        assert!(
            output.status.success() || thread::panicking(),
            "{}",
            text(&output.stderr)
        );
    }
}

impl Network {
    /// Boots one with ports from `port` on: while it is dead nobody else should take them, and other
    /// networks look for theirs from 10001 upwards.
    fn boot(port: u16, flags: &str) -> Network {
        let network = Network(tempfile::tempdir().expect("a temporary folder"));
        let folder = network.0.path().join("default");
        fs::create_dir(&folder).expect("a folder");
        let counters = json!({ "next_port": port, "incarnation": 1 });
        fs::write(folder.join("counters.json"), counters.to_string()).expect("writable");
        network.json(&format!("boot {flags}"), 0);
        network
    }

    fn run(&self, line: &str) -> Output {
        tasks(self.0.path(), line.split_whitespace())
    }

    /// The document that a command prints when it ends with this exit code.
    fn json(&self, line: &str, code: i32) -> Value {
        let output = self.run(&format!("{line} --json"));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "tasks {line}: {error}");
        serde_json::from_slice(&output.stdout).expect(line)
    }

    /// Waits until `holds` of what `tasks ring` says of each node.
    fn wait_for(&self, what: &str, holds: impl Fn(&[Value]) -> bool) {
        let begun = Instant::now();
        loop {
            let output = self.run("ring --json");
            let ring: Value = serde_json::from_slice(&output.stdout).expect("a document");
            let nodes = ring["nodes"].as_array().expect("a list");
            if holds(nodes) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {ring}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What a command complains about.
    fn fails(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1), "tasks {line}");
        text(&output.stderr)
    }

    fn processes(&self) -> Vec<Value> {
        let file = self.0.path().join("default/network.json");
        let bytes = fs::read(file).expect("there is a network");
        let network: Value = serde_json::from_slice(&bytes).expect("JSON");
        network["processes"].as_array().expect("a list").clone()
    }

    /// Kills processes as a power failure would, and waits until they have ended.
    fn kill(&self, processes: &[Value]) {
        for process in processes {
            let pid = process["pid"].to_string();
            let killed = Command::new("kill").args(["-KILL", &pid]).status();
            assert!(killed.expect("it runs").success());
        }
        for process in processes {
            while is_running(process) {
                thread::yield_now();
            }
        }
    }
}

fn tasks<'a>(state: &Path, words: impl IntoIterator<Item = &'a str>) -> Output {
    let mut command = Command::new(cargo_bin!("tasks"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DHT_") {
            command.env_remove(variable);
        }
    }
    let command = command.env("DHT_STATE", state).stdin(Stdio::null());
    command.args(words).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a process has not ended yet; one that nobody has waited for has.
fn is_running(process: &Value) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process["pid"]));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn names(processes: &[Value]) -> Vec<String> {
    let name = |process: &Value| process["name"].as_str().expect("a name").to_owned();
    processes.iter().map(name).collect()
}

/// Writes keys of its own as fast as it can until `stop` is set. Returns those that were acknowledged as
/// being on two disks, with their values.
fn write(addresses: &[String], writer: usize, stop: &AtomicBool) -> BTreeMap<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.expect("a client");
        let mut acknowledged = BTreeMap::new();
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (key, value) = (format!("{writer}-{}", number % 300), number.to_string());
            let address = &addresses[number % addresses.len()];
            let put = client.put(format!("http://{address}/kv/{key}"));
            let answer = put.body(value.clone()).send().await;
            let receipt: Option<Value> = match answer {
                Ok(answer) if answer.status().is_success() => answer.json().await.ok(),
                // Nobody has heard of this one, and the others are gone, too.
                Err(error) if error.is_connect() => break,
                _ => None,
            };
            match receipt {
                Some(receipt) if receipt["synced"].as_u64() >= Some(2) => {
                    acknowledged.insert(key, value);
                }
                // It may have been made or not, so nothing is known of this key any more.
                _ => {
                    acknowledged.remove(&key);
                }
            }
        }
        acknowledged
    })
}

#[test]
fn a_network_that_is_killed_at_once_under_load_has_all_that_it_acknowledged() {
    let network = Network::boot(25_100, "--nodes 5 --replicas 3 --store disk");
    let before = network.processes();
    let addresses: Vec<String> = before
        .iter()
        .map(|process| process["address"].as_str().expect("an address").to_owned())
        .collect();
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<_> = thread::scope(|scope| {
        let (addresses, stop) = (&addresses, &stop);
        let writers: Vec<_> = (0..4)
            .map(|writer| scope.spawn(move || write(addresses, writer, stop)))
            .collect();
        thread::sleep(Duration::from_secs(2));
        network.kill(&before);
        stop.store(true, Ordering::Relaxed);
        let writers = writers.into_iter();
        writers
            .map(|writer| writer.join().expect("it writes"))
            .collect()
    });
    let count: usize = acknowledged.iter().map(BTreeMap::len).sum();
    assert!(count > 20, "{count} keys were written");

    let restarted = network.json("restart", 0);
    assert_eq!(restarted["ideal"], true);
    assert_eq!(restarted["content"], "kept");
    let after = network.processes();
    assert_eq!(names(&after), names(&before));
    for (before, after) in before.iter().zip(&after) {
        for same in ["id", "address", "data", "log"] {
            assert_eq!(before[same], after[same]);
        }
        assert!(before["incarnation"].as_u64() < after["incarnation"].as_u64());
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let lost = runtime.block_on(async {
        let mut lost = Vec::new();
        for (key, value) in acknowledged.iter().flatten() {
            let url = format!("http://{}/kv/{key}", addresses[0]);
            let found = reqwest::get(url).await.expect("it listens");
            let found = found.text().await.expect("an answer");
            if found != *value {
                lost.push(format!("{key}: {found}, not {value}"));
            }
        }
        lost
    });
    assert_eq!(lost, [""; 0], "of {count}");
}

#[test]
fn one_node_comes_back_on_its_disk_dead_or_alive() {
    let network = Network::boot(25_200, "--nodes 4 --replicas 3 --store disk");
    for number in 0..20 {
        network.json(&format!("put key-{number} value-{number}"), 0);
    }
    let victim = &network.processes()[1];
    let name = victim["name"].as_str().expect("a name").to_owned();
    for is_dead in [true, false] {
        if is_dead {
            network.kill(&network.processes()[1..2]);
        }
        let before = network.processes()[1].clone();
        let restarted = network.json(&format!("restart {name}"), 0);
        assert_eq!(restarted["content"], "kept");
        let after = &network.processes()[1];
        assert_eq!(after["name"], before["name"]);
        assert_eq!(after["address"], before["address"]);
        assert!(before["incarnation"].as_u64() < after["incarnation"].as_u64());
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while !network.run("ring").status.success() {
        assert!(Instant::now() < deadline, "the ring becomes ideal again");
    }
    for number in 0..20 {
        let found = network.run(&format!("get key-{number} --via {name}"));
        assert_eq!(text(&found.stdout), format!("value-{number}"));
    }
}

#[test]
fn one_copy_on_disk_outlives_a_stop_and_its_versions_go_on() {
    let network = Network::boot(25_500, "--nodes 3 --store disk");
    let put = |value: &str| {
        let put = network.json(&format!("put key {value}"), 0);
        put["version"].as_u64().expect("a version")
    };
    let versions = ["one", "two", "three"].map(put);
    network.kill(&network.processes());
    assert_eq!(network.json("restart", 0)["content"], "kept");
    assert_eq!(text(&network.run("get key").stdout), "three");
    assert!(put("four") > versions[2], "{versions:?}");
}

#[test]
fn a_restart_says_what_it_can_not_do_and_what_is_lost() {
    let network = Network::boot(25_300, "--nodes 2 --store disk --replicas 2");
    let processes = network.processes();
    let first = names(&processes)[0].clone();
    assert!(network.fails("restart").contains("are alive"));
    network.kill(&processes[..1]);
    let some = network.fails("restart");
    assert!(some.contains(&format!("restart NODE`: {first}")), "{some}");
    network.kill(&processes[1..]);
    let alone = network.fails(&format!("restart {first}"));
    assert!(alone.contains("no other node is alive"), "{alone}");
    let data = processes[0]["data"].as_str().expect("a folder");
    let away = format!("{data}-away");
    fs::rename(data, &away).expect("it may be moved");
    let gone = network.fails("restart");
    assert!(gone.contains(&first) && gone.contains("gone"), "{gone}");
    fs::rename(&away, data).expect("it may be moved back");
    network.json("restart", 0);
    drop(network);

    let network = Network::boot(25_400, "--nodes 2 --replicas 1 --store memory");
    network.json("put key value", 0);
    network.kill(&network.processes());
    assert_eq!(network.json("restart", 0)["content"], "lost");
    assert_eq!(network.run("get key").status.code(), Some(3));
}

#[test]
fn copies_are_in_different_zones_also_after_a_restart() {
    let network = Network::boot(25_500, "--nodes 6 --replicas 3 --store disk --zones 3");
    let are_spread = |nodes: &[Value]| {
        let zones: BTreeMap<&str, &str> = nodes
            .iter()
            .filter_map(|node| Some((node["id"].as_str()?, node["zone"].as_str()?)))
            .collect();
        let mut groups = nodes.iter().flat_map(|node| {
            let groups = node["groups"].as_array().expect("a list").iter();
            groups.filter(|group| group["leader"]["id"] == node["id"])
        });
        let is_spread = |group: &Value| {
            let members = group["members"].as_array().expect("a list").iter();
            let ids = members.filter_map(|member| member["id"].as_str());
            ids.map(|id| zones[id]).collect::<BTreeSet<_>>().len() == 3
        };
        zones.values().collect::<BTreeSet<_>>().len() == 3 && groups.all(is_spread)
    };
    network.wait_for("each group is in three zones", are_spread);
    network.json("put key value", 0);
    network.kill(&network.processes());
    network.json("restart", 0);
    assert_eq!(text(&network.run("get key").stdout), "value");
    network.wait_for("each group is in three zones again", are_spread);
}
