//! `tasks shards load`: puts and gets as fast as clients can, each of which sees all that it has written.

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use futures::future::try_join_all;
use indicatif::ProgressBar;
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::causal::store;
use crate::client::{Answer, Call, Client};
use crate::cluster::Cluster;
use crate::failure::FAILED;
use crate::printer::{Line, Printer};

/// How much, and by how many.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Clients, each with a session of its own and one request under way
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,

    /// How long to put, and then to get
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,

    /// Put so many values instead, however long it takes
    #[arg(long)]
    puts: Option<u64>,

    /// Keys of each client
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keys: u32,

    /// Characters of a value
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    bytes: u32,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Report {
    connections: u32,
    puts: Speed,
    gets: Speed,
    /// Gets that showed something else than what the same client had written before.
    wrong: u64,
    metadata: Sizes,
}

/// How fast something went.
#[derive(Debug, Serialize)]
struct Speed {
    count: u64,
    per_second: u64,
    p50_ms: f64,
    p99_ms: f64,
    /// Times a node said that it could not yet, and was asked again.
    later: u64,
}

/// Bytes of what a client carries along: after its first put, after its last one, and at most.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sizes {
    first: usize,
    last: usize,
    most: usize,
}

pub(super) async fn run(args: &Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    store(cluster)?;
    let nodes: Vec<String> = cluster
        .running()?
        .into_iter()
        .map(|process| process.address)
        .collect();
    if nodes.is_empty() {
        bail!("no node of the store runs: `tasks restart` starts them again");
    }
    let load = Load {
        args,
        client: &cluster.client,
        nodes,
        left: Cell::new(args.puts.unwrap_or(u64::MAX)),
        times_us: RefCell::default(),
        later: Cell::new(0),
        wrong: Cell::new(0),
        progress: printer.progress(args.puts.unwrap_or(0), "putting"),
    };
    let mut sessions: Vec<Session> = (0..args.connections).map(Session::new).collect();
    let began = Instant::now();
    let until = match args.puts {
        Some(_) => None,
        None => Some(began + Duration::from_secs(args.seconds)),
    };
    let putting = sessions.iter_mut().map(|session| load.put(session, until));
    try_join_all(putting).await?;
    let puts = load.speed(began.elapsed());
    load.progress.set_message("getting");
    let began = Instant::now();
    let until = began + Duration::from_secs(args.seconds);
    let getting = sessions.iter_mut().map(|session| load.get(session, until));
    try_join_all(getting).await?;
    let gets = load.speed(began.elapsed());
    load.progress.finish_and_clear();
    let sizes = sessions.iter().map(|session| session.sizes);
    let metadata = sizes.fold(Sizes::default(), |all, one| Sizes {
        first: all.first.max(one.first),
        last: all.last.max(one.last),
        most: all.most.max(one.most),
    });
    let report = Report {
        connections: args.connections,
        puts,
        gets,
        wrong: load.wrong.get(),
        metadata,
    };
    tell(&report, printer)
}

fn tell(report: &Report, printer: Printer) -> Result<ExitCode> {
    printer.document(report)?;
    let row = |what: &str, speed: &Speed| -> Line {
        [
            what.to_owned(),
            speed.count.to_string(),
            speed.per_second.to_string(),
            format!("{:.2} ms", speed.p50_ms),
            format!("{:.2} ms", speed.p99_ms),
            speed.later.to_string(),
        ]
        .into()
    };
    let rows = vec![row("put", &report.puts), row("get", &report.gets)];
    let header = ["", "done", "a second", "median", "99 %", "asked again"];
    printer.line(printer.table(&header, rows))?;
    let Sizes { first, last, most } = report.metadata;
    printer.line(format_args!(
        "What a client carries along: {first} bytes after its first put, {last} after its last, {most} at most."
    ))?;
    if report.wrong > 0 {
        printer.note(format_args!(
            "error: {} gets showed something else than the client had written",
            report.wrong
        ));
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// What all clients share.
struct Load<'a> {
    args: &'a Args,
    client: &'a Client,
    nodes: Vec<String>,
    /// Puts that nobody has begun.
    left: Cell<u64>,
    /// How long each request took.
    times_us: RefCell<Vec<u32>>,
    later: Cell<u64>,
    wrong: Cell<u64>,
    progress: ProgressBar,
}

/// A client.
struct Session {
    number: u32,
    /// Number of its last put. The one with number `n` is under key `n` modulo the keys it has.
    last: u64,
    seen: Option<String>,
    sizes: Sizes,
}

impl Session {
    fn new(number: u32) -> Session {
        Session {
            number,
            last: 0,
            seen: None,
            sizes: Sizes::default(),
        }
    }

    fn path(&self, put: u64, keys: u32) -> String {
        format!("/kvs/load-{}-{}", self.number, put % u64::from(keys))
    }

    /// Keeps what an answer says that was seen.
    fn see(&mut self, answer: &Answer) {
        let seen = answer.headers.get("Causal-Metadata");
        let Some(seen) = seen.and_then(|seen| seen.to_str().ok()) else {
            return;
        };
        let bytes = seen.len();
        let Sizes { first, most, .. } = self.sizes;
        self.sizes = Sizes {
            first: if first == 0 { bytes } else { first },
            last: bytes,
            most: most.max(bytes),
        };
        self.seen = Some(seen.to_owned());
    }
}

impl Load<'_> {
    /// Puts one value after the other, at the client's own node.
    async fn put(&self, session: &mut Session, until: Option<Instant>) -> Result<()> {
        let node = &self.nodes[session.number as usize % self.nodes.len()];
        while self.left.get() > 0 && until.is_none_or(|until| Instant::now() < until) {
            self.left.set(self.left.get() - 1);
            let put = session.last + 1;
            let body = json!({"value": self.value(put), "causal-metadata": session.seen});
            let call = Call::json(Method::PUT, session.path(put, self.args.keys), &body);
            let answer = self.ask(node, &call).await?;
            if !answer.is_success() {
                bail!(answer.complaint());
            }
            session.last = put;
            session.see(&answer);
            self.progress.inc(1);
        }
        Ok(())
    }

    /// Gets what it has put, at any node.
    async fn get(&self, session: &mut Session, until: Instant) -> Result<()> {
        let oldest = session.last.saturating_sub(self.args.keys.into()) + 1;
        while session.last > 0 && Instant::now() < until {
            let put = rand::random_range(oldest..=session.last);
            let node = &self.nodes[rand::random_range(0..self.nodes.len())];
            let body = json!({"causal-metadata": session.seen});
            let call = Call::json(Method::GET, session.path(put, self.args.keys), &body);
            let answer = self.ask(node, &call).await?;
            if !answer.is_success() && !answer.is_missing() {
                bail!(answer.complaint());
            }
            let told: Value = answer.read()?;
            if told["value"] != self.value(put) {
                self.wrong.set(self.wrong.get() + 1);
            }
            session.see(&answer);
        }
        Ok(())
    }

    /// The value of a put: its number, filled up.
    fn value(&self, put: u64) -> String {
        format!("{put:0>width$}", width = self.args.bytes as usize)
    }

    /// Asks until the node can, and books how long all of that took.
    async fn ask(&self, node: &str, call: &Call) -> Result<Answer> {
        let began = Instant::now();
        loop {
            let answer = self.client.ask(node, call).await;
            let answer = answer.map_err(|error| anyhow!(error).context(format!("{node} fails")))?;
            if answer.status != LATER {
                let us = u32::try_from(began.elapsed().as_micros());
                self.times_us.borrow_mut().push(us.unwrap_or(u32::MAX));
                return Ok(answer);
            }
            if began.elapsed() > PATIENCE {
                bail!(
                    "{node} can't for {} s: {}",
                    PATIENCE.as_secs(),
                    answer.complaint()
                );
            }
            self.later.set(self.later.get() + 1);
            sleep(PAUSE).await;
        }
    }

    /// How fast all went since this was asked last.
    fn speed(&self, took: Duration) -> Speed {
        let mut times_us = self.times_us.take();
        times_us.sort_unstable();
        let quantile_ms = |percent: usize| {
            let place = times_us.len() * percent / 100;
            times_us.get(place).map_or(0.0, |us| f64::from(*us) / 1e3)
        };
        let count = times_us.len() as u64;
        Speed {
            count,
            per_second: (count as f64 / took.as_secs_f64()) as u64,
            p50_ms: quantile_ms(50),
            p99_ms: quantile_ms(99),
            later: self.later.take(),
        }
    }
}

/// HTTP status of a node that can't yet.
const LATER: u16 = 503;
/// Before it is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a node may say so.
const PATIENCE: Duration = Duration::from_secs(30);
