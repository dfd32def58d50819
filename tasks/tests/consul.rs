//! Networks whose members Consul lists, by the commands that people type. Consul is a stand-in.

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
        // Both fail only if it has ended by itself, which is as good.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Consul's stand-in, and a state folder whose network ends with it.
struct Net {
    state: TempDir,
    url: String,
    _consul: Guard,
}

impl Net {
    fn new() -> Net {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/consul_stand_in.py");
        let child = Command::new("python3")
            .arg(script)
            .args(["--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut consul = Guard(child.expect("Python is there"));
        let mut line = String::new();
        let output = consul.0.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        Net {
            state: TempDir::new().expect("a temporary folder"),
            url: format!("http://{}", line.trim()),
            _consul: consul,
        }
    }

    fn tasks(&self) -> Command {
        let mut command = Command::new(cargo_bin!("tasks"));
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("DHT_") || name.starts_with("CONSUL_") {
                command.env_remove(&variable);
            }
        }
        command.env("DHT_STATE", self.state.path());
        command.stdin(Stdio::null());
        command
    }

    fn output(&self, line: &str) -> Output {
        let mut command = self.tasks();
        let output = command.args(line.split_whitespace()).output();
        output.expect("it runs")
    }

    /// What it prints with `--json`; it must succeed.
    fn json(&self, line: &str) -> Value {
        let output = self.output(&format!("{line} --json"));
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "tasks {line}: {error}{out}");
        serde_json::from_str(&out).expect("one document")
    }

    /// There is nothing under the key that a command is about.
    fn finds_nothing(&self, line: &str) {
        let output = self.output(line);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "tasks {line}: {error}");
    }

    /// Waits until all is as it should be in a network of so many nodes: copies may still be made, and Consul may
    /// have to find out that somebody is dead. Every key is found meanwhile.
    fn becomes_ideal(&self, count: usize) {
        let copies = count.min(COPIES) as u64 * u64::from(KEYS - 1);
        let begun = Instant::now();
        loop {
            let ring: Value = serde_json::from_slice(&self.output("ring --json").stdout)
                .expect("nodes that are there answer");
            let nodes = ring["nodes"].as_array().expect("nodes");
            let keys = nodes.iter().filter_map(|node| node["keys"].as_u64());
            if (nodes.len(), keys.sum()) == (count, copies) && ring["ideal"] == true {
                break;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "not ideal: {}",
                ring["problems"]
            );
            self.finds_everything();
        }
        self.finds_everything();
        let size = fetch(reqwest::Method::GET, &self.size_url(), "");
        assert_eq!(size, Some(count.to_string()), "as Consul has it");
    }

    fn finds_everything(&self) {
        for number in 1..KEYS {
            let value = &self.json(&format!("get key-{number}"))["value"];
            assert_eq!(value, &json!(format!("value-{number}")));
        }
        self.finds_nothing("get key-0");
    }

    /// Where Consul keeps of how many nodes a network is to be.
    fn size_url(&self) -> String {
        format!("{}/v1/kv/cluster_size?raw", self.url)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.output("destroy --yes");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The body of an answer that says yes.
fn fetch(method: reqwest::Method, url: &str, body: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().ok()?;
        let request = client.request(method, url).body(body.to_owned());
        let answer = request.send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    })
}

#[test]
fn members_in_consul_come_and_go_and_every_key_is_found() {
    let net = Net::new();
    let booted = net.json(&format!(
        "boot --nodes 3 --membership consul --consul {}",
        net.url
    ));
    assert_eq!(booted["ideal"], true);
    let name = |place: usize| booted["processes"][place]["name"].as_str().expect("a name");
    for number in 0..KEYS {
        net.json(&format!("put key-{number} value-{number}"));
    }
    net.json("del key-0");
    net.becomes_ideal(3);

    assert_eq!(net.json("add")["ideal"], true);
    net.becomes_ideal(4);
    let left = net.json(&format!("leave {}", name(0)));
    assert!(left["moved"].as_u64() > Some(0), "{left}");
    net.becomes_ideal(3);
    net.json(&format!("kill {}", name(1)));
    net.becomes_ideal(2);
}

/// Nodes that register themselves with Consul, and let clients of ZeroMQ in.
struct Servers {
    addresses: BTreeMap<String, SocketAddr>,
    _processes: Vec<Guard>,
    _folder: TempDir,
}

impl Servers {
    /// As many as Consul is told to expect, which all serve by this placement.
    fn start(net: &Net, placement: &str) -> Servers {
        let names = ["one", "two", "three"];
        fetch(
            reqwest::Method::PUT,
            &net.size_url(),
            &names.len().to_string(),
        )
        .expect("Consul keeps it");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut servers = Servers {
            addresses: BTreeMap::new(),
            _processes: Vec::new(),
            _folder: folder,
        };
        for name in names {
            let free = TcpListener::bind("127.0.0.1:0").expect("some port is free");
            let address = free.local_addr().expect("it has an address");
            drop(free);
            let child = net
                .tasks()
                .args(["node", "--name", name, "--address", &address.to_string()])
                .args(["--membership", "consul", "--consul", &net.url])
                .args(["--service", placement, "--placement", placement])
                .args(["--replicas", "1", "--zeromq", "tcp://127.0.0.1:0"])
                .current_dir(servers._folder.path())
                .stderr(Stdio::null())
                .spawn();
            servers._processes.push(Guard(child.expect("it runs")));
            servers.addresses.insert(name.to_owned(), address);
        }
        for address in servers.addresses.values() {
            let url = format!("http://{address}/readyz");
            let begun = Instant::now();
            while fetch(reqwest::Method::GET, &url, "").is_none() {
                assert!(begun.elapsed() < PATIENCE, "{address} does not get ready");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        servers
    }

    /// How many keys each of them holds, by its own word.
    fn keys(&self) -> BTreeMap<String, Value> {
        let keys = |(name, address): (&String, &SocketAddr)| {
            let here = fetch(
                reqwest::Method::GET,
                &format!("http://{address}/members/here"),
                "",
            );
            let here: Value = serde_json::from_str(&here.expect("it runs")).expect("JSON");
            (name.clone(), here["keys"].clone())
        };
        self.addresses.iter().map(keys).collect()
    }
}

fn a_client_over_zeromq_finds_everything(sharding: &str) {
    let net = Net::new();
    let servers = Servers::start(&net, sharding);
    let with = format!(
        "--consul {} --service {sharding} --sharding {sharding}",
        net.url
    );
    let mut at = BTreeMap::<String, u64>::new();
    for number in 0..KEYS {
        let put = net.json(&format!("zeromq put key-{number} value-{number} {with}"));
        let server = put["server"].as_str().expect("a server").to_owned();
        *at.entry(server).or_default() += 1;
    }
    assert!(at.len() > 1, "{at:?}");
    let placed: BTreeMap<String, Value> = servers.keys();
    for (server, count) in &placed {
        let put = at.get(server).copied().unwrap_or_default();
        assert_eq!(
            count,
            &json!(put),
            "the nodes place keys as the client does"
        );
    }
    let got = net.json(&format!("zeromq get key-7 {with}"));
    assert_eq!(got["value"], "value-7");
    net.json(&format!("zeromq del key-0 {with}"));
    net.finds_nothing(&format!("zeromq get key-0 {with}"));
    let all = net.json(&format!("zeromq all {with}"));
    let items = all["collection"].as_array().expect("a collection").iter();
    let keys: BTreeSet<_> = items.map(|item| item["key"].to_string()).collect();
    let expected = (1..KEYS).map(|number| format!("\"key-{number}\""));
    assert_eq!(keys, expected.collect());
    assert_eq!(all["servers"], json!(servers.keys()));
}

#[test]
fn a_client_over_zeromq_finds_the_nodes_of_a_ring_by_consul() {
    a_client_over_zeromq_finds_everything("ring");
}

#[test]
fn a_client_over_zeromq_finds_the_nodes_of_rendezvous_hashing_by_consul() {
    a_client_over_zeromq_finds_everything("rendezvous");
}

/// Copies of each item that a network keeps by default.
const COPIES: usize = 3;
const KEYS: u32 = 12;
const PATIENCE: Duration = Duration::from_secs(20);
