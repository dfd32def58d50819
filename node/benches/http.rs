//! What a `GET /kv/<key>` costs the server in CPU time, against a bare Rocket route that returns the
//! same bytes: at the node that has the key, and one hop away from it.
//!
//! `cargo bench -p node --bench http`. Servers are processes of their own (this executable again), with
//! one thread each; the load comes over loopback. Runs alternate, and those that other programs
//! disturbed are left out. Bare: the same Rocket, one route, the value as a constant.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use rocket::http::ContentType;
use rocket::{get, routes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some("bare") => serve_bare(arguments.next()),
        Some("node") => {
            let name = "node".to_owned();
            node::run(Flags::parse_from([name].into_iter().chain(arguments)).args)
        }
        Some("--bench") => match runtime().block_on(compare()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        // As a part of all tests it only has to compile.
        _ => ExitCode::SUCCESS,
    }
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    args: node::Args,
}

#[get("/value")]
fn value() -> (ContentType, &'static [u8]) {
    (ContentType::Binary, &VALUE)
}

fn serve_bare(address: Option<String>) -> ExitCode {
    let address = address
        .and_then(|address| address.parse().ok())
        .expect("an address to listen on");
    let rocket = node::server::bare(address, NonZeroUsize::MIN).mount("/", routes![value]);
    match runtime().block_on(rocket.launch()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// One thread, as a node has.
fn runtime() -> tokio::runtime::Runtime {
    node::server::runtime(NonZeroUsize::MIN).expect("threads can be started")
}

async fn compare() -> Result<(), Error> {
    let [bare, here, there] = free_addresses()?;
    let ring = format!("here@{here}#1,there@{there}#1");
    let _bare = Server::start(&["bare", &bare.to_string()])?;
    let node = |name, address: SocketAddr| {
        Server::start(&[
            "node",
            "--name",
            name,
            "--address",
            &address.to_string(),
            "--ring",
            &ring,
        ])
    };
    let (_here, _there) = (node("here", here)?, node("there", there)?);
    await_ok(bare, "/value").await?;
    await_ok(here, "/readyz").await?;
    await_ok(there, "/readyz").await?;
    let key = put_at(here).await?;
    let path = format!("/kv/{key}");

    let cases = [
        ("bare", bare, "/value", vec![&_bare]),
        ("owner", here, path.as_str(), vec![&_here]),
        ("forwarded", there, path.as_str(), vec![&_here, &_there]),
    ];
    let mut micros = [const { Vec::new() }; 3];
    let mut disturbed = 0;
    while micros.iter().any(|runs| runs.len() < RUNS) {
        for ((_, address, path, servers), runs) in cases.iter().zip(&mut micros) {
            let run = measure(*address, path, servers).await?;
            if run.others <= OTHERS_MAX || disturbed >= DISTURBED_MAX {
                runs.push(run.micros);
            } else {
                disturbed += 1;
            }
        }
    }
    let medians = micros.map(|mut runs| {
        runs.sort_by(f64::total_cmp);
        runs[runs.len() / 2]
    });
    let ratio = |micros: f64| micros / medians[0];
    println!(
        "server CPU per request: bare {:.1} µs  owner {:.1} µs ({:.2} ×)  forwarded {:.1} µs ({:.2} ×)",
        medians[0],
        medians[1],
        ratio(medians[1]),
        medians[2],
        ratio(medians[2]),
    );
    println!(
        "medians of at least {RUNS} alternating runs of {REQUESTS} requests on {CONNECTIONS} connections; \
         forwarded counts both nodes; {disturbed} runs left out{}",
        if disturbed >= DISTURBED_MAX {
            ", then no more: this machine is busy"
        } else {
            ""
        },
    );
    Ok(())
}

struct Run {
    /// CPU time of the servers per request.
    micros: f64,
    /// Cores that other programs used meanwhile.
    others: f64,
}

async fn measure(address: SocketAddr, path: &str, servers: &[&Server]) -> Result<Run, Error> {
    // Connections are opened and pools filled before the clock starts.
    load(address, path, REQUESTS / 20).await?;
    let ours = || -> Result<f64, Error> {
        let mut seconds = cpu_of(std::process::id())?;
        for server in servers {
            seconds += cpu_of(server.0.id())?;
        }
        Ok(seconds)
    };
    let cost = || {
        servers
            .iter()
            .map(|server| cpu_of(server.0.id()))
            .sum::<Result<f64, Error>>()
    };
    let (began, before, ours_before, all_before) =
        (Instant::now(), cost()?, ours()?, cpu_of_all()?);
    load(address, path, REQUESTS).await?;
    let (took, after, ours_after, all_after) = (began.elapsed(), cost()?, ours()?, cpu_of_all()?);
    let others = (all_after - all_before) - (ours_after - ours_before);
    Ok(Run {
        micros: (after - before) * 1e6 / REQUESTS as f64,
        others: others / took.as_secs_f64(),
    })
}

async fn load(address: SocketAddr, path: &str, requests: usize) -> Result<(), Error> {
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(client(address, path.to_owned(), requests / CONNECTIONS)))
        .collect();
    let done = async {
        for client in clients {
            client.await??;
        }
        Ok(())
    };
    timeout(LOAD_MAX, done)
        .await
        .map_err(|_| "the server is stuck")?
}

/// Asks the same again and again on one connection.
async fn client(address: SocketAddr, path: String, requests: usize) -> Result<(), Error> {
    let mut connection = Connection::open(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for _ in 0..requests {
        let status = connection.ask(request.as_bytes()).await?;
        if status != 200 || connection.body().len() != VALUE.len() {
            return Err(format!("GET {path} answers with status {status}").into());
        }
    }
    Ok(())
}

/// A connection that is kept open, and the last answer on it.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    body_at: usize,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Connection, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            answer: Vec::with_capacity(4096),
            body_at: 0,
        })
    }

    /// Returns the status.
    async fn ask(&mut self, request: &[u8]) -> Result<u16, Error> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let Some(head) = self
                .answer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            else {
                continue;
            };
            let text = str::from_utf8(&self.answer[..head])?;
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.ok_or("an answer without a length")?.parse()?;
            self.body_at = head + 4;
            if self.answer.len() >= self.body_at + length {
                let status = text.split(' ').nth(1).ok_or("an answer without a status")?;
                return Ok(status.parse()?);
            }
        }
    }

    fn body(&self) -> &[u8] {
        &self.answer[self.body_at..]
    }
}

/// A process that ends with this.
struct Server(Child);

impl Server {
    fn start(arguments: &[&str]) -> Result<Server, Error> {
        let mut command = Command::new(env::current_exe()?);
        let quiet = command
            .args(arguments)
            .stdout(Stdio::null())
            .env("RUST_LOG", "");
        Ok(Server(quiet.stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn free_addresses<const N: usize>() -> Result<[SocketAddr; N], Error> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    let listeners: Vec<_> = addresses
        .iter()
        .map(TcpListener::bind)
        .collect::<Result<_, _>>()?;
    for (address, listener) in addresses.iter_mut().zip(listeners) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}

async fn await_ok(address: SocketAddr, path: &str) -> Result<(), Error> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for _ in 0..500 {
        if let Ok(mut connection) = Connection::open(address).await
            && connection.ask(request.as_bytes()).await? == 200
        {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Err(format!("{address} does not get ready").into())
}

/// Puts the value under a key that this node owns. Returns the key.
async fn put_at(address: SocketAddr) -> Result<String, Error> {
    let mut connection = Connection::open(address).await?;
    for number in 0..1000 {
        let head = format!(
            "PUT /kv/key-{number} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
            VALUE.len()
        );
        connection.ask(&[head.as_bytes(), &VALUE].concat()).await?;
        if str::from_utf8(connection.body())?.contains("\"hops\":0") {
            return Ok(format!("key-{number}"));
        }
    }
    Err("no key belongs to this node".into())
}

/// Seconds of CPU time that a process has used: user and system time, fields 14 and 15.
fn cpu_of(pid: u32) -> Result<f64, Error> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = line.rsplit_once(')').ok_or("an odd line in /proc")?;
    let fields = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks = fields.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// Seconds of CPU time that the whole machine has used.
fn cpu_of_all() -> Result<f64, Error> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .skip(1);
    let ticks: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    // All but idle (4th) and waiting for disks (5th); guests are counted as users already.
    let busy: f64 = ticks.iter().take(8).sum::<f64>() - ticks.iter().skip(3).take(2).sum::<f64>();
    Ok(busy / TICKS_PER_SECOND)
}

const VALUE: [u8; 100] = [b'v'; 100];
const CONNECTIONS: usize = 16;
const REQUESTS: usize = 32_000;
const RUNS: usize = 7;
/// Cores that others may use during a run that counts.
const OTHERS_MAX: f64 = 0.2;
const DISTURBED_MAX: usize = 14;
const LOAD_MAX: Duration = Duration::from_secs(60);
/// Of the numbers in /proc, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;
