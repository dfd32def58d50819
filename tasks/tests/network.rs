//! Real networks of real processes, through the command line alone.
//!
//! What the commands say is compared with an independent computation: SHA-1 of names and values,
//! sorted. Every network lies in a state folder of its own and is destroyed however a test ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use dht::id::Id;
use dht::ownership::Ownership;
use serde_json::Value;
use tempfile::TempDir;

/// A network that does not outlive its test.
struct Network {
    state: TempDir,
    name: String,
}

impl Drop for Network {
    fn drop(&mut self) {
        let output = self.run("destroy --yes");
        if std::thread::panicking() {
            eprintln!("{}", text(&output.stderr));
        } else {
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
    }
}

impl Network {
    /// A place for a network of this name.
    fn new(name: &str) -> Network {
        Network {
            state: tempfile::tempdir().expect("a temporary folder"),
            name: name.to_owned(),
        }
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(cargo_bin!("tasks"));
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("DHT_") {
                command.env_remove(variable);
            }
        }
        command
            .env("DHT_STATE", self.state.path())
            .env("DHT_NETWORK", &self.name)
            .stdin(Stdio::null())
            .args(words);
        command
    }

    /// Runs a command to its end.
    fn run(&self, line: &str) -> Output {
        let output = self.command(line.split_whitespace()).output();
        output.expect("it runs")
    }

    /// What a command prints; it must succeed.
    fn says(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(
            output.status.success(),
            "tasks {line}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// The document that a command prints; it must succeed.
    fn json(&self, line: &str) -> Value {
        self.json_with(line, Some(0))
    }

    /// The document that a command prints when it ends with this exit code.
    fn json_with(&self, line: &str, code: Option<i32>) -> Value {
        let output = self.run(&format!("{line} --json"));
        assert_eq!(
            output.status.code(),
            code,
            "tasks {line}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect(line)
    }

    /// What a command complains about when it ends with this exit code.
    fn fails(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "tasks {line}: {error}");
        assert!(error.starts_with("error: "), "tasks {line}: {error}");
        error
    }

    /// The names of the processes in `network.json`.
    fn processes(&self) -> Vec<String> {
        let file = self.state.path().join(&self.name).join("network.json");
        let network: Value = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("a whole file"),
            Err(_) => return Vec::new(),
        };
        let processes = network["processes"].as_array().expect("processes");
        let name = |process: &Value| process["name"].as_str().expect("a name").to_owned();
        processes.iter().map(name).collect()
    }

    /// Waits until the ring is ideal, and returns it.
    fn ideal_ring(&self) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let output = self.run("ring --json");
            if output.status.success() || Instant::now() > deadline {
                assert!(output.status.success(), "{}", text(&output.stdout));
                return serde_json::from_slice(&output.stdout).expect("a report");
            }
        }
    }

    /// Stores values and checks where they go; returns them.
    fn store(&self, count: usize, rule: Ownership) -> Vec<String> {
        let values: Vec<_> = (0..count)
            .map(|number| format!("värde/{number}?"))
            .collect();
        let ring = ids(&self.json("ring"));
        for value in &values {
            let output = self
                .command(["store", value, "--json"])
                .output()
                .expect("it runs");
            assert!(output.status.success(), "{}", text(&output.stderr));
            let stored: Value = serde_json::from_slice(&output.stdout).expect("an answer");
            let key = Id::of(value.as_bytes());
            assert_eq!(stored["key"], key.to_string());
            assert_eq!(stored["node"]["id"], owner(&ring, key, rule).to_string());
        }
        values
    }

    /// Every node holds exactly what the rule says, and everything is found by both routings.
    fn assert_placed(&self, values: &[String], rule: Ownership) {
        let ring = self.ideal_ring();
        let ids = ids(&ring);
        let mut expected = BTreeMap::new();
        for value in values {
            *expected
                .entry(owner(&ids, Id::of(value.as_bytes()), rule).to_string())
                .or_insert(0) += 1;
        }
        for node in ring["nodes"].as_array().expect("nodes") {
            let id = node["id"].as_str().expect("an identifier");
            let keys = expected.get(id).copied().unwrap_or(0);
            assert_eq!(node["keys"], keys, "{node}");
        }
        for (number, value) in values.iter().enumerate() {
            let routing = ["linear", "finger"][number % 2];
            let found = self
                .command(["lookup", value, "--routing", routing, "--json"])
                .output();
            let found = found.expect("it runs");
            assert!(found.status.success(), "{value}: {}", text(&found.stderr));
            let found: Value = serde_json::from_slice(&found.stdout).expect("an answer");
            assert_eq!(found["value"], value.as_str());
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn names(document: &Value) -> Vec<String> {
    let processes = document["processes"].as_array().expect("processes");
    let name = |process: &Value| process["name"].as_str().expect("a name").to_owned();
    processes.iter().map(name).collect()
}

/// The identifiers of a ring, which are those of its names, in order.
fn ids(ring: &Value) -> BTreeSet<Id> {
    let nodes = ring["nodes"].as_array().expect("nodes").iter();
    let id = |node: &Value| {
        let name = node["name"].as_str().expect("a name");
        let id = Id::of(name.as_bytes());
        assert_eq!(node["id"], id.to_string());
        id
    };
    nodes.map(id).collect()
}

/// Who owns a key, computed from all nodes at once.
fn owner(ring: &BTreeSet<Id>, key: Id, rule: Ownership) -> Id {
    let owner = match rule {
        Ownership::Successor => ring.range(key..).next().or(ring.first()),
        Ownership::Predecessor => ring.range(..=key).next_back().or(ring.last()),
    };
    *owner.expect("a ring has nodes")
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn a_paused_node_stands_still_until_it_is_resumed() {
    let network = Network::new("pause");
    let booted = network.json("boot --nodes 3");
    let name = &names(&booted)[1];
    let paused = network.json(&format!("pause {name}"));
    assert_eq!(paused["node"]["address"], booted["processes"][1]["address"]);
    assert_eq!(
        (&paused["paused"], &paused["was_paused"]),
        (&true.into(), &false.into())
    );
    assert!(
        network
            .says(&format!("pause {name}"))
            .contains("was paused already")
    );
    let ring = network.json_with("ring", Some(1));
    let problems = ring["problems"].as_array().expect("a list");
    assert!(
        problems.contains(&format!("{name}: is paused").into()),
        "{ring}"
    );
    let resumed = network.json(&format!("resume {name}"));
    assert_eq!(
        (&resumed["paused"], &resumed["was_paused"]),
        (&false.into(), &true.into())
    );
    network.ideal_ring();
    assert!(
        network
            .says(&format!("resume {name}"))
            .contains("was not paused")
    );
}

#[test]
fn a_network_lives_from_boot_to_destroy() {
    let network = Network::new("life");
    let booted = network.json("boot");
    assert_eq!(booted["ideal"], true);
    assert_eq!(names(&booted).len(), 2);
    let added = network.json("add");
    assert_eq!(added["ideal"], true);
    let added = &names(&added)[0];
    assert_eq!(
        names(&network.json(&format!("addmany 4 --via {added}"))).len(),
        4
    );
    let ring = network.json("ring");
    assert_eq!(ring["problems"], Value::Array(Vec::new()));
    assert_eq!(ring["nodes"].as_array().expect("nodes").len(), 7);

    let mut values = network.store(30, Ownership::Successor);
    network.assert_placed(&values, Ownership::Successor);
    network.says("addmany 2");
    network.assert_placed(&values, Ownership::Successor);
    for name in &network.processes()[..4] {
        let left = network.json(&format!("leave {name}"));
        assert!(left["moved"].is_u64(), "{left}");
        assert!(left["node"]["id"].is_string(), "{left}");
    }
    network.assert_placed(&values, Ownership::Successor);

    let gone = values.pop().expect("there are values");
    let delete = || {
        network
            .command(["delete", &gone])
            .output()
            .expect("it runs")
    };
    assert_eq!(delete().status.code(), Some(0));
    assert_eq!(delete().status.code(), Some(3));
    let missing = network.json_with("lookup never-stored", Some(3));
    assert_eq!(missing["value"], Value::Null);
    assert!(
        network
            .fails("lookup never-stored", 3)
            .contains("`never-stored` is not stored")
    );

    let (one, other) = (&network.processes()[0], &network.processes()[1]);
    let killed = network.json(&format!("kill {one}"));
    assert_eq!(killed["moved"], 0);
    assert_eq!(
        network.ideal_ring()["nodes"]
            .as_array()
            .expect("nodes")
            .len(),
        4
    );
    assert!(
        network
            .fails(&format!("kill {one}"), 3)
            .contains(other.as_str())
    );

    network.says("storemany 200");
    assert_eq!(network.says("killall"), "ended 4 nodes\n");
    assert!(
        network
            .fails("ring", 4)
            .contains("there is no network `life`")
    );
    // The log of a node that is gone, and no port again.
    assert!(!network.says(&format!("logs {one}")).is_empty());
    let again = names(&network.json("boot"));
    assert!(
        again.iter().all(|name| name.as_str() > "PROC10009"),
        "{again:?}"
    );
}

#[test]
fn what_is_on_disk_outlives_the_network_until_it_is_destroyed() {
    let network = Network::new("disk");
    let booted = network.json("boot --store disk");
    let folder = network.state.path().join("disk");
    let data = |name: &String| folder.join("data").join(name);
    for process in booted["processes"].as_array().expect("processes") {
        let name = process["name"].as_str().expect("a name").to_owned();
        assert_eq!(
            process["data"].as_str().map(PathBuf::from),
            Some(data(&name))
        );
    }
    let values = network.store(20, Ownership::Successor);
    // Those that come later keep their content likewise.
    network.says("addmany 2");
    network.assert_placed(&values, Ownership::Successor);
    let members = network.processes();
    network.says(&format!("leave {}", members[0]));
    network.assert_placed(&values, Ownership::Successor);
    network.says("killall");
    for name in &members {
        assert!(data(name).join("content.redb").is_file(), "{name}");
    }
    network.says("destroy --yes");
    assert!(!folder.exists());
    // It is destroyed at the end of each test, so there must be one.
    network.says("boot");
}

#[test]
fn the_labs_rule_gives_keys_to_the_node_before_them() {
    let network = Network::new("lab");
    network.says("boot --nodes 3 --ownership predecessor");
    let values = network.store(20, Ownership::Predecessor);
    network.says("addmany 3");
    network.assert_placed(&values, Ownership::Predecessor);
    for _ in 0..3 {
        let first = network.processes().remove(0);
        network.says(&format!("leave {first}"));
    }
    network.assert_placed(&values, Ownership::Predecessor);
}

#[test]
fn content_and_traces_tell_the_same_story() {
    let network = Network::new("content");
    network.says("boot --nodes 6");
    let put = network.json("put greeting hello");
    assert_eq!(put["key"], Id::of(b"kv:greeting").to_string());
    assert_eq!(network.says("get greeting"), "hello");
    let got = network.json("get greeting");
    assert_eq!(got["value"], "hello");
    assert_eq!(got["key"], put["key"]);
    assert_eq!(got["version"], put["version"]);

    let mut put_bytes = network.command(["put", "bytes", "-"]);
    put_bytes.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = put_bytes.spawn().expect("it runs");
    let mut input = child.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut input, b"\xff\x00\n").expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(network.run("get bytes").stdout, b"\xff\x00\n");
    assert_eq!(network.json("get bytes")["value_base64"], "/wAK");

    for routing in ["linear", "finger"] {
        let trace = network.json(&format!("trace greeting --routing {routing}"));
        assert_eq!(trace["key"], put["key"]);
        assert_eq!(trace["node"]["id"], put["node"]["id"]);
        let path = trace["path"].as_array().expect("a path");
        assert_eq!(path[0]["why"], "start");
        assert_eq!(trace["hops"], path.len() - 1, "{trace}");
    }
    let shown = network.says("trace greeting");
    assert!(
        shown.contains(put["key"].as_str().expect("a key")),
        "{shown}"
    );

    let name = &network.processes()[0];
    let info = network.json(&format!("nodeinfo {name}"));
    assert_eq!(info["name"], name.as_str());
    assert_eq!(info["successors"].as_array().expect("a list").len(), 4);
    assert!(
        network
            .says(&format!("nodeinfo {name}"))
            .contains("127.0.0.1:")
    );
    let monitor = network.says("monitor --once --content");
    assert!(
        monitor.contains("An ideal ring of 6 nodes, 2 keys."),
        "{monitor}"
    );
    assert!(monitor.contains("hello"), "{monitor}");
    assert_eq!(network.json("monitor --once")["ideal"], true);

    network.says("del greeting");
    assert!(
        network
            .fails("get greeting", 3)
            .contains("nothing under `greeting`")
    );
    assert!(
        network
            .fails("del greeting", 3)
            .contains("nothing under `greeting`")
    );
    network.json_with("get greeting", Some(3));

    let stored = network.json("storemany 300");
    assert_eq!(stored["stored"], 300);
    assert_eq!(stored["failed"], 0);
    let per_node = stored["per_node"].as_object().expect("counts").values();
    assert_eq!(
        per_node
            .map(|count| count.as_u64().expect("a count"))
            .sum::<u64>(),
        300
    );
}

#[test]
fn what_real_nodes_wrote_down_happens_again() {
    let network = Network::new("traced");
    network.says("boot --nodes 4 --trace");
    network.says("storemany 50");
    network.says("addmany 2");
    let members = network.processes();
    network.says(&format!("leave {}", members[1]));
    network.says(&format!("kill {}", members[2]));
    network.ideal_ring();
    network.says("killall");

    let trace = |name: &String| {
        let logs = network.state.path().join("traced/logs");
        logs.join(format!("{name}.trace"))
    };
    let mut events = 0;
    for member in &members {
        let replayed = network.json(&format!("replay {}", trace(member).display()));
        assert_eq!(replayed["difference"], Value::Null, "{member}");
        assert_eq!(
            (&replayed["lives"], &replayed["broke"]),
            (&1.into(), &Value::Null)
        );
        events += replayed["same"].as_u64().expect("a number");
    }
    assert!(events > 200, "{events}");

    // One that answers otherwise than the node that is replayed.
    let file = trace(&members[0]);
    let text = fs::read_to_string(&file).expect("a trace");
    let answer = "\"reply\":\"Pong\"}}]";
    let line = 1 + text
        .lines()
        .position(|line| line.contains(answer))
        .expect("a ping");
    let other = text.replacen(answer, "\"reply\":\"Gone\"}}]", 1);
    fs::write(&file, other).expect("writable");
    let replayed = network.json_with(&format!("replay {}", file.display()), Some(1));
    assert_eq!(replayed["difference"]["line"], line);
    let error = network.fails(&format!("replay {}", file.display()), 1);
    assert!(
        error.starts_with(&format!("error: line {line} differs\n")),
        "{error}"
    );

    // The life of a process that was killed in the middle of a line.
    let torn = &text[..text.len() - 10];
    fs::write(&file, torn).expect("writable");
    let replayed = network.json(&format!("replay {}", file.display()));
    assert_eq!(
        (&replayed["torn"], &replayed["difference"]),
        (&1.into(), &Value::Null)
    );
}

#[test]
fn adds_at_the_same_moment_lose_nothing() {
    let network = Network::new("parallel");
    network.says("boot --nodes 3");
    let start = |_| {
        let mut add = network.command(["add", "--json"]);
        add.stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs")
    };
    let adding: Vec<_> = (0..5).map(start).collect();
    for child in adding {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let processes: BTreeSet<_> = network.processes().into_iter().collect();
    assert_eq!(processes.len(), 8);
    assert_eq!(
        network.ideal_ring()["nodes"]
            .as_array()
            .expect("nodes")
            .len(),
        8
    );
}

#[test]
fn an_interrupted_addmany_keeps_what_it_started() {
    let network = Network::new("interrupted");
    network.says("boot --nodes 3");
    let mut command = network.command(["addmany", "200"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("it runs");
    while network.processes().len() < 6 {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    let output = child.wait_with_output().expect("it ends");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("interrupted: ") && error.contains(" of 200 joined"),
        "{error}"
    );
    let processes = network.processes().len();
    assert!((6..203).contains(&processes), "{processes}");
    let ring = network.ideal_ring();
    assert_eq!(ring["nodes"].as_array().expect("nodes").len(), processes);
}

#[test]
fn boots_and_ends_are_orderly() {
    let network = Network::new("order");
    let first = names(&network.json("boot --successors 3 --nodes 3"));
    let error = network.fails("boot", 1);
    assert!(
        error.contains("3 processes") && error.contains("--force"),
        "{error}"
    );
    assert_eq!(network.processes(), first);
    let second = names(&network.json("reboot"));
    assert_eq!(second.len(), 3);
    assert!(first.iter().all(|name| !second.contains(name)));
    let file = network.state.path().join("order/network.json");
    let settings = fs::read_to_string(&file).expect("it is there");
    assert!(settings.contains("\"successors\": 3"), "{settings}");

    // A port that somebody else has is skipped.
    let counters = fs::read(network.state.path().join("order/counters.json"));
    let counters: Value = serde_json::from_slice(&counters.expect("it is there")).expect("JSON");
    let next = counters["next_port"].as_u64().expect("a port") as u16;
    let taken = TcpListener::bind(("127.0.0.1", next));
    let added = names(&network.json("add")).remove(0);
    assert_ne!(added, format!("PROC{next}"));
    drop(taken);

    // A node that can't run shows why at once.
    let begun = Instant::now();
    let whole = fs::read_to_string(&file).expect("it is there");
    let broken = whole.replace("\"successors\": 3", "\"successors\": 0");
    assert_ne!(broken, whole);
    fs::write(&file, broken).expect("writable");
    let error = network.fails("add", 1);
    assert!(
        error.contains("ended at its start") && error.contains("its log"),
        "{error}"
    );
    assert!(error.contains("successors"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(network.processes().len(), 4, "it is not recorded any more");
    fs::write(&file, whole).expect("writable");

    // Someone else ends a process.
    let victim = &network.processes()[0];
    // A node that was added is a member, and on a busy machine its neighbours learn of it a little later.
    let ring = network.ideal_ring();
    let file = fs::read(&file).expect("it is there");
    let state: Value = serde_json::from_slice(&file).expect("JSON");
    let pid = state["processes"][0]["pid"].to_string();
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .expect("it runs")
            .success()
    );
    let mended = network.ideal_ring();
    assert_eq!(mended["dead"][0], victim.as_str());
    let alive = |ring: &Value| ring["nodes"].as_array().expect("nodes").len();
    assert_eq!(alive(&mended), alive(&ring) - 1);
    assert!(network.says("monitor --once").contains("dead"));
    assert!(
        network
            .fails(&format!("leave {victim}"), 1)
            .contains("is dead")
    );
    assert!(
        network
            .says(&format!("kill {victim}"))
            .contains("was dead already")
    );

    // The last one stays.
    for name in &network.processes()[1..] {
        network.says(&format!("leave {name}"));
    }
    let last = network.processes().remove(0);
    let error = network.fails(&format!("leave {last}"), 1);
    assert!(
        error.contains("last node") && error.contains("tasks killall"),
        "{error}"
    );
    network.says("ring");
    let again = network.says("boot --force");
    assert!(again.contains("no failure is guaranteed"), "{again}");
}

#[test]
fn the_demo_tells_its_story_and_leaves_nothing() {
    let network = Network::new("beside-the-demo");
    network.says("boot --nodes 1");
    let begun = Instant::now();
    let facts = network.json("demo");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(facts["found"], 100, "{facts}");
    assert_eq!(facts["nodes"], 12);
    assert!(
        facts["mean_hops_finger"].as_f64() < facts["mean_hops_linear"].as_f64(),
        "{facts}"
    );

    let mut command = network.command(["demo"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("it runs");
    let networks = || {
        let entries = fs::read_dir(network.state.path()).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries.map(name).collect::<Vec<_>>()
    };
    while networks().len() < 2 {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(networks(), ["beside-the-demo"]);
}
