//! Durable writes beside etcd: three nodes of each on this machine, in one run, from one client.
//!
//!     apt-get install etcd-server protobuf-compiler
//!     cargo build --release && cargo run --release --manifest-path bench/etcd/Cargo.toml
//!
//! Both keep three copies and answer when two have flushed theirs. They do not promise the same: etcd
//! orders all writes in one log, so that it can read all keys as they were at one moment and change
//! several at once; here each arc of keys has a log of its own, and nothing is promised across keys.
//! etcd is asked twice, by its HTTP gateway as we are, and by its own gRPC, which is what its users do.
//! Rounds alternate, and the medians are compared.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Parser;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Parser)]
#[command(about = "Durable writes a second, beside etcd")]
struct Args {
    /// Connections that write at the same time
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// Seconds of a round
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The `tasks` of this repository
    #[arg(long, default_value = "target/release/tasks")]
    tasks: String,
}

/// Whom to write to, and how.
#[derive(Clone)]
enum Target {
    /// Our own key-value door.
    Dht(Vec<String>),
    /// etcd's JSON gateway.
    Gateway(Vec<String>),
    /// etcd's gRPC.
    Grpc(Vec<String>),
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let etcd = Etcd::start().await?;
    let dht = Dht::start(&args.tasks)?;
    let targets = [
        ("dht, HTTP", Target::Dht(dht.nodes.clone())),
        ("etcd, HTTP gateway", Target::Gateway(etcd.clients.clone())),
        ("etcd, gRPC", Target::Grpc(etcd.clients.clone())),
    ];
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..args.rounds {
        for (rates, (name, target)) in rates.iter_mut().zip(&targets) {
            let rate = measure(&args, target, round)
                .await
                .with_context(|| format!("{name} failed"))?;
            println!("round {round}: {name}: {rate:.0} puts/s");
            rates.push(rate);
        }
    }
    let [ours, gateway, grpc] = rates.map(median);
    let best = gateway.max(grpc);
    println!(
        "{} connections, values of {} bytes, 3 copies, 2 of them flushed; medians of {} rounds:",
        args.connections, args.bytes, args.rounds
    );
    for ((name, _), rate) in targets.iter().zip([ours, gateway, grpc]) {
        println!("{name:>20} {rate:>8.0} puts/s");
    }
    println!("{:.2} times the better of etcd's two", ours / best);
    Ok(())
}

/// Writes for a while, each connection with keys of its own; acknowledged writes a second.
async fn measure(args: &Args, target: &Target, round: usize) -> Result<f64> {
    let value = "v".repeat(args.bytes);
    let start = Instant::now();
    let until = start + Duration::from_secs(args.seconds);
    let mut writers = JoinSet::new();
    for number in 0..args.connections {
        let mut writer = Writer::new(target, number).await?;
        let value = value.clone();
        writers.spawn(async move {
            let mut count = 0_u32;
            while Instant::now() < until {
                writer
                    .put(&format!("{round}-{number}-{count}"), &value)
                    .await?;
                count += 1;
            }
            Ok::<u32, anyhow::Error>(count)
        });
    }
    let mut done = 0;
    while let Some(count) = writers.join_next().await {
        done += count??;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}

/// One connection.
enum Writer {
    Dht(reqwest::Client, String),
    Gateway(reqwest::Client, String),
    Grpc(Box<etcd_client::Client>),
}

impl Writer {
    async fn new(target: &Target, number: usize) -> Result<Writer> {
        let one = |nodes: &[String]| nodes[number % nodes.len()].clone();
        Ok(match target {
            Target::Dht(nodes) => Writer::Dht(reqwest::Client::new(), one(nodes)),
            Target::Gateway(nodes) => Writer::Gateway(reqwest::Client::new(), one(nodes)),
            Target::Grpc(nodes) => Writer::Grpc(Box::new(
                etcd_client::Client::connect([one(nodes)], None).await?,
            )),
        })
    }

    async fn put(&mut self, key: &str, value: &str) -> Result<()> {
        let request = match self {
            Writer::Dht(client, node) => client
                .put(format!("{node}/kv/{key}"))
                .body(value.to_owned()),
            Writer::Gateway(client, node) => {
                let body = json!({"key": BASE64.encode(key), "value": BASE64.encode(value)});
                client.post(format!("{node}/v3/kv/put")).json(&body)
            }
            Writer::Grpc(client) => {
                client.put(key, value, None).await?;
                return Ok(());
            }
        };
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{status}: {text}");
        Ok(())
    }
}

/// Three members, ended when dropped.
struct Etcd {
    members: Vec<Child>,
    clients: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Etcd {
    async fn start() -> Result<Etcd> {
        let folder = tempfile::tempdir()?;
        let ports = free_ports(6)?;
        let peer = |place: usize| format!("http://127.0.0.1:{}", ports[place]);
        let client = |place: usize| format!("http://127.0.0.1:{}", ports[3 + place]);
        let all: Vec<String> = (0..3)
            .map(|place| format!("m{place}={}", peer(place)))
            .collect();
        let mut etcd = Etcd {
            members: Vec::new(),
            clients: (0..3).map(client).collect(),
            _folder: folder,
        };
        for place in 0..3 {
            let data = etcd._folder.path().join(format!("m{place}"));
            let member = Command::new("etcd")
                .args([
                    "--name",
                    &format!("m{place}"),
                    "--initial-cluster",
                    &all.join(","),
                ])
                .args([
                    "--listen-peer-urls",
                    &peer(place),
                    "--initial-advertise-peer-urls",
                    &peer(place),
                ])
                .args([
                    "--listen-client-urls",
                    &client(place),
                    "--advertise-client-urls",
                    &client(place),
                ])
                .args(["--log-level", "error", "--data-dir"])
                .arg(data)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("etcd can't be started; Debian has it as etcd-server")?;
            etcd.members.push(member);
        }
        let http = reqwest::Client::new();
        for client in &etcd.clients {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !is_healthy(&http, client).await {
                ensure!(Instant::now() < deadline, "etcd is not healthy after 20 s");
                sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(etcd)
    }
}

async fn is_healthy(http: &reqwest::Client, client: &str) -> bool {
    match http.get(format!("{client}/health")).send().await {
        Ok(response) => response
            .text()
            .await
            .is_ok_and(|text| text.contains("true")),
        Err(_) => false,
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

/// Three nodes of ours, ended when dropped.
struct Dht {
    tasks: String,
    nodes: Vec<String>,
    folder: tempfile::TempDir,
}

impl Dht {
    fn start(tasks: &str) -> Result<Dht> {
        let mut dht = Dht {
            tasks: tasks.to_owned(),
            nodes: Vec::new(),
            folder: tempfile::tempdir()?,
        };
        dht.run(&["boot", "--nodes", "3", "--replicas", "3", "--store", "disk"])?;
        let ring = dht.run(&["ring"])?;
        let nodes = ring["nodes"]
            .as_array()
            .context("`tasks ring --json` lists the nodes")?;
        let address = |node: &Value| Some(format!("http://{}", node["address"].as_str()?));
        dht.nodes = nodes.iter().filter_map(address).collect();
        ensure!(dht.nodes.len() == 3, "three nodes were booted: {ring}");
        Ok(dht)
    }

    fn run(&self, words: &[&str]) -> Result<Value> {
        let output = Command::new(&self.tasks)
            .args(["--json", "--state"])
            .arg(self.folder.path())
            .args(words)
            .output()
            .with_context(|| format!("{} can't be started; build it first", self.tasks))?;
        if !output.status.success() {
            bail!(
                "tasks {}: {}",
                words.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Dht {
    fn drop(&mut self) {
        let _ = self.run(&["destroy", "--yes"]);
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners = (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0"));
    let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}
