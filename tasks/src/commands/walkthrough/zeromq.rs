//! The story of the key-value store over ZeroMQ: servers that know nothing of each other, a client that spreads
//! the keys over them, and a membership that both follow. Whoever joins or goes, no value is missing.

mod membership;
mod process;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use self::membership::Membership;
use self::process::Process;
use crate::commands::walkthrough::stage::Stage;
use crate::shards::{Server, Sharding, Shards};

/// Arguments of this story.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Consul, which keeps the membership; its key `cluster_size` is written [default: a list in this command]
    #[arg(
        long,
        env = "CONSUL_HTTP_ADDR",
        value_name = "URL",
        hide_env_values = true
    )]
    consul: Option<String>,
}

/// Tells it, once for each way to spread the keys.
pub(super) async fn play(stage: &mut Stage, args: Args) -> Result<()> {
    for (sharding, name) in [
        (Sharding::Ring, "consistent hashing"),
        (Sharding::Rendezvous, "highest random weight"),
    ] {
        stage.say(format_args!("Keys are spread by {name}."))?;
        let mut story = Story {
            membership: Membership::new(args.consul.as_deref())?,
            processes: Vec::new(),
            sharding,
            values: BTreeMap::new(),
        };
        let told = story.tell(stage).await;
        // Consul is to forget them however it went.
        let forgotten = story.membership.clear().await;
        stage.note(name, told?);
        forgotten?;
    }
    Ok(())
}

struct Story {
    membership: Membership,
    processes: Vec<Process>,
    sharding: Sharding,
    /// What has been put.
    values: BTreeMap<String, Value>,
}

impl Story {
    async fn tell(&mut self, stage: &Stage) -> Result<Value> {
        stage.say(format_args!("Membership: {}.", self.membership.describe()))?;
        let begun = self.begin(stage).await?;
        let counts = self.put(stage, &begun).await?;
        let (more, taken) = self.add(stage, begun).await?;
        let given = self.remove(stage, more).await?;
        Ok(json!({
            "keys": KEYS, "counts": counts, "moved_on_add": taken, "moved_on_remove": given,
        }))
    }

    /// The servers of the first cluster size start and register; the client finds them.
    async fn begin(&mut self, stage: &Stage) -> Result<Shards> {
        let size = self.membership.signal(SERVERS).await?;
        for number in 0..size {
            self.start(number).await?;
        }
        let shards = self.look_up_servers().await?;
        stage.say(format_args!(
            "Start: {SERVERS} servers have registered, and the client has found them."
        ))?;
        Ok(shards)
    }

    async fn put(&mut self, stage: &Stage, shards: &Shards) -> Result<BTreeMap<String, usize>> {
        let value = |number| (format!("key-{number}"), json!(format!("value-{number}")));
        self.values = (0..KEYS).map(value).collect();
        let puts = self
            .values
            .iter()
            .map(|(key, value)| shards.put(key, value));
        let puts = stream::iter(puts).buffer_unordered(AT_ONCE);
        puts.try_collect::<()>().await?;
        stage.say(format_args!("Put: {KEYS} values."))?;
        self.check(stage, shards).await
    }

    /// The signal comes first, then the server, then the data.
    async fn add(&mut self, stage: &Stage, before: Shards) -> Result<(Shards, usize)> {
        let size = self.membership.signal(SERVERS + 1).await?;
        let number = size - 1;
        stage.say(format_args!(
            "Add: the signal says {size} servers; server-{number} starts and registers."
        ))?;
        self.start(number).await?;
        let after = self.look_up_servers().await?;
        let moved = before.move_to(&after).await?;
        let counts = self.check(stage, &after).await?;
        let taken = counts[&self.processes[number].name];
        ensure!(
            taken == moved,
            "{moved} values were moved, and it holds {taken}"
        );
        stage.say(format_args!(
            "Add: {moved} of {KEYS} values moved to it, and nothing between the others."
        ))?;
        Ok((after, moved))
    }

    /// The data moves first, then comes the signal, and the server goes.
    async fn remove(&mut self, stage: &Stage, before: Shards) -> Result<usize> {
        let leaver = self.processes.remove(0);
        let rest: Vec<Arc<Server>> = before.others(&leaver.name);
        let after = Shards::new(rest, self.sharding)?;
        let moved = before.move_to(&after).await?;
        stage.say(format_args!(
            "Remove: {moved} values of {} moved to the others; then the signal, and it is gone.",
            leaver.name
        ))?;
        self.membership.forget(&leaver.name).await?;
        self.membership.signal(SERVERS).await?;
        drop(leaver);
        let after = self.look_up_servers().await?;
        self.check(stage, &after).await?;
        Ok(moved)
    }

    async fn start(&mut self, number: usize) -> Result<()> {
        let process = Process::start(&format!("server-{number}")).await?;
        self.membership.register(&process).await?;
        self.processes.push(process);
        Ok(())
    }

    /// The servers as the client finds them, when it has been told of all that run.
    async fn look_up_servers(&mut self) -> Result<Shards> {
        let servers = self.membership.servers(&self.processes).await?;
        Shards::new(servers, self.sharding)
    }

    /// Every value is there, exactly once, at the server that it belongs to, and is what it was.
    async fn check(&self, stage: &Stage, shards: &Shards) -> Result<BTreeMap<String, usize>> {
        let mut all = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for (server, items) in shards.all().await? {
            counts.insert(server.label.clone(), items.len());
            for item in items {
                let key = item.key.unwrap_or_default();
                let (owner, label) = (&shards.server_of(&key).label, &server.label);
                ensure!(
                    owner == label,
                    "`{key}` is at {label} and belongs to {owner}"
                );
                all.insert(key, item.value);
            }
        }
        ensure!(all == self.values, "not all values are what they were");
        let gets = self.values.iter().map(async |(key, value)| {
            let item = shards.get(key).await?;
            ensure!(item.value == *value, "`{key}` is {}", item.value);
            Ok(())
        });
        let gets = stream::iter(gets).buffer_unordered(AT_ONCE);
        gets.try_collect::<()>().await?;
        let rows = counts
            .iter()
            .map(|(label, count)| [label.clone(), count.to_string()].into());
        stage.say(stage.printer.table(&["server", "values"], rows.collect()))?;
        stage.say(format_args!(
            "Get: all {KEYS} are there, one by one and as a whole, each where it belongs."
        ))?;
        Ok(counts)
    }
}

const SERVERS: usize = 4;
const KEYS: usize = 1_000;
const AT_ONCE: usize = 32;
