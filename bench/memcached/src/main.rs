//! What a `get` and a `set` cost the server, beside memcached: one process of each on this machine, in one
//! run, from one client.
//!
//!     apt-get install memcached
//!     cargo build --release && cargo run --release --manifest-path bench/memcached/Cargo.toml
//!
//! What counts is the server's time on a processor for each request, as the kernel books it: how many
//! requests a second there are says more about the client, which shares the machine. Ours is one node that
//! keeps one copy in memory; memcached runs with one thread and with four, and the better of the two is
//! compared. Rounds alternate, and the medians are compared. Every answer is checked.

mod client;
mod server;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use crate::client::{Load, Verb};
use crate::server::Server;

#[derive(Parser)]
#[command(about = "Server time of a get and a set, beside memcached")]
struct Args {
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// Different keys
    #[arg(long, default_value_t = 10_000)]
    keys: usize,
    /// Milliseconds of a round
    #[arg(long, default_value_t = 2_000)]
    millis: u64,
    /// Rounds of each
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// The `node` of this repository
    #[arg(long, default_value = "target/release/node")]
    node: String,
}

/// What was measured of one server and one verb.
#[derive(Default)]
struct Series {
    micros: Vec<f64>,
    rates: Vec<f64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.rounds > 0, "a median needs a round");
    ensure!(
        args.connections > 0 && args.keys > 0 && args.millis > 0,
        "there must be something to measure"
    );
    let servers = [
        Server::node(&args.node)?,
        Server::memcached(1)?,
        Server::memcached(4)?,
    ];
    let load = Load {
        connections: args.connections,
        bytes: args.bytes,
        keys: args.keys,
        millis: args.millis,
    };
    for server in &servers {
        let name = &server.name;
        load.fill(server.address)
            .with_context(|| format!("{name} can't be filled"))?;
    }
    println!(
        "{} connections, values of {} bytes, {} keys; medians of {} rounds of {} ms:",
        args.connections, args.bytes, args.keys, args.rounds, args.millis
    );
    for (verb, aim) in [(Verb::Get, 1.0), (Verb::Set, 1.2)] {
        compare(&servers, &load, verb, aim, args.rounds)?;
    }
    Ok(())
}

/// Measures all servers in turn, and says how the first one compares with the better of the others.
fn compare(servers: &[Server; 3], load: &Load, verb: Verb, aim: f64, rounds: usize) -> Result<()> {
    let mut all: [Series; 3] = Default::default();
    for _ in 0..rounds {
        for (server, series) in servers.iter().zip(&mut all) {
            let before = server.micros()?;
            let rate = load
                .run(server.address, verb)
                .with_context(|| format!("{} failed", server.name))?;
            let requests = rate.requests as f64;
            series.micros.push((server.micros()? - before) / requests);
            series.rates.push(requests / rate.seconds);
        }
    }
    let medians = all.map(|series| (median(series.micros), median(series.rates)));
    for (server, (micros, rate)) in servers.iter().zip(&medians) {
        println!(
            "{:>4} {:<16} {micros:>6.2} µs of the server each, {rate:>7.0} a second",
            verb.word(),
            server.name
        );
    }
    let [(ours, _), (one, _), (four, _)] = medians;
    let ratio = ours / one.min(four);
    let verdict = match ratio <= aim {
        true => "reached",
        false => "missed",
    };
    println!(
        "{:>4} {ratio:.2} times the better memcached; the aim of {aim:.1} is {verdict}",
        verb.word()
    );
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
