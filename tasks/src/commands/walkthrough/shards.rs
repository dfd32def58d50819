//! `tasks walkthrough shards`: a key-value store in shards of replicas, where no client sees less than it has
//! seen: six nodes in two shards, a death, a return, a late joiner, and three shards in the end.

use anyhow::{Result, bail, ensure};
use dht_state::Process;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::causal::{self, Status};
use crate::client::{Answer, Call};
use crate::cluster::end;
use crate::commands::shards::status::table;
use crate::commands::walkthrough::stage::Stage;
use crate::settings::Store;

pub(super) async fn play(stage: &mut Stage) -> Result<()> {
    stage.say("Six nodes in two shards, each shard with three copies of its keys:")?;
    causal::boot(&stage.cluster, 6, 2, Store::Disk, false).await?;
    tell(stage, "booted").await?;

    let mut session = Session::default();
    stage.say(format_args!(
        "A client puts {KEYS} keys, at one node after the other:"
    ))?;
    for number in 0..KEYS {
        session
            .put(stage, number, json!({"number": number, "round": 1}))
            .await?;
    }
    let status = tell(stage, "filled").await?;
    balanced(&status)?;

    let victim = member_of(stage, &status, 0)?;
    stage.say(format_args!(
        "{} is killed, and the client goes on:",
        victim.name
    ))?;
    end(std::slice::from_ref(&victim))?;
    for number in 0..KEYS / 2 {
        session
            .put(stage, number, json!({"number": number, "round": 2}))
            .await?;
    }
    session.read_all(stage).await?;
    tell(stage, "killed").await?;

    stage.say(format_args!("{} starts again, on its disk:", victim.name))?;
    causal::restart(&stage.cluster, &victim.name).await?;
    settled(stage, |status| {
        status.dead.is_empty() && status.waiting.is_empty()
    })
    .await?;
    session.read_all(stage).await?;
    tell(stage, "returned").await?;

    stage.say("A seventh node comes late, and is given a place in a shard:")?;
    let late = causal::add_member(&stage.cluster, None).await?;
    stage.say(format_args!("{} belongs to it now.", late.name))?;
    settled(stage, |status| status.waiting.is_empty()).await?;
    tell(stage, "joined").await?;

    stage.say(
        "What the client has seen so far is kept, and the store is divided into three shards:",
    )?;
    let before = session.clone();
    causal::reshard(&stage.cluster, 3).await?;
    let status = settled(stage, |status| status.shards.len() == 3).await?;
    tell(stage, "resharded").await?;
    balanced(&status)?;

    stage.say(
        "Every key is read at the first try, by a client that comes from before the change:",
    )?;
    let mut session = before;
    session.is_strict = true;
    session.read_all(stage).await?;
    stage.say(format_args!(
        "All {KEYS} keys are there, and what the client carries along has {} bytes.",
        session.seen.as_deref().unwrap_or_default().len()
    ))?;
    stage.note("keys", KEYS);
    Ok(())
}

/// A client, and what it has seen.
#[derive(Clone, Debug, Default)]
struct Session {
    seen: Option<String>,
    /// What it wrote last under each key.
    values: Vec<Value>,
    /// Whose turn it is.
    turn: usize,
    /// Whether "try again later" counts as a failure.
    is_strict: bool,
}

impl Session {
    async fn put(&mut self, stage: &Stage, number: usize, value: Value) -> Result<()> {
        let mut body = self.body();
        body["value"] = value.clone();
        let answer = self.ask(stage, Method::PUT, number, &body).await?;
        ensure!(answer.is_success(), "key {number}: {}", answer.complaint());
        match self.values.get_mut(number) {
            Some(known) => *known = value,
            None => self.values.push(value),
        }
        Ok(())
    }

    async fn read_all(&mut self, stage: &Stage) -> Result<()> {
        for number in 0..self.values.len() {
            let body = self.body();
            let answer = self.ask(stage, Method::GET, number, &body).await?;
            ensure!(answer.is_success(), "key {number}: {}", answer.complaint());
            let told: Value = answer.read()?;
            ensure!(
                told["value"] == self.values[number],
                "key {number} is {} and should be {}",
                told["value"],
                self.values[number]
            );
        }
        stage.say(format_args!(
            "  all {} keys are as they should be",
            self.values.len()
        ))
    }

    fn body(&self) -> Value {
        json!({"causal-metadata": self.seen})
    }

    /// At the next node that lives; where it asks to come again, at the one after it.
    async fn ask(
        &mut self,
        stage: &Stage,
        method: Method,
        number: usize,
        body: &Value,
    ) -> Result<Answer> {
        let running = stage.cluster.running()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.turn += 1;
            let node = &running[self.turn % running.len()];
            let call = Call::json(method.clone(), format!("/kvs/key{number}"), body);
            let answer = stage.cluster.client.ask(&node.address, &call).await?;
            if answer.status == 503 && !self.is_strict && Instant::now() < deadline {
                sleep(PAUSE).await;
                continue;
            }
            if let Some(seen) = answer.headers.get("Causal-Metadata") {
                self.seen = Some(seen.to_str()?.to_owned());
            }
            return Ok(answer);
        }
    }
}

/// Prints the shards, and keeps them for programs.
async fn tell(stage: &mut Stage, name: &'static str) -> Result<Status> {
    let status = causal::status(&stage.cluster).await?;
    stage.say(table(stage.printer, &status))?;
    stage.note(name, &status);
    Ok(status)
}

/// Waits until everything is where it belongs, and this holds.
async fn settled(stage: &Stage, holds: impl Fn(&Status) -> bool) -> Result<Status> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = causal::status(&stage.cluster).await?;
        if status.settled && holds(&status) {
            return Ok(status);
        }
        if Instant::now() > deadline {
            bail!("it does not settle: {status:?}");
        }
        sleep(PAUSE).await;
    }
}

/// Every shard has its share of the keys, a quarter more or less.
fn balanced(status: &Status) -> Result<()> {
    let share = KEYS as f64 / status.shards.len() as f64;
    for shard in &status.shards {
        let keys = shard.keys.unwrap_or_default() as f64;
        ensure!(
            (0.75 * share..=1.25 * share).contains(&keys),
            "shard {} has {keys} keys, and its share is {share}",
            shard.id
        );
    }
    let keys: u64 = status.shards.iter().filter_map(|shard| shard.keys).sum();
    ensure!(
        keys == KEYS as u64,
        "the shards have {keys} keys, not {KEYS}"
    );
    Ok(())
}

/// The first node of a shard.
fn member_of(stage: &Stage, status: &Status, shard: usize) -> Result<Process> {
    match status
        .shards
        .get(shard)
        .and_then(|shard| shard.members.first())
    {
        Some(name) => stage.cluster.find(name),
        None => bail!("there is no shard {shard}"),
    }
}

const KEYS: usize = 600;
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);
