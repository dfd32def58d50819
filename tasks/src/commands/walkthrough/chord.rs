//! The story of the lab: two nodes that know each other, more that join, values that are stored and found, and
//! content that passes on when somebody comes or goes. After each step the ring is shown, and judged by SHA-1.

mod content;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args as _, Command, FromArgMatches as _};
use dht::id::Id;
use dht::message::Routing;
use indicatif::ProgressBar;

use self::content::Content;
use crate::client::Call;
use crate::commands::leave::leave;
use crate::commands::walkthrough::stage::Stage;
use crate::converge::{Wait, converge, problems};
use crate::grow::{join, join_many};
use crate::item::value_path;
use crate::load::{look_up_all, look_up_call, store_all};
use crate::ring::look;
use crate::settings::Settings;
use crate::start::boot;
use crate::table;
use crate::words::values;

/// Arguments of this story.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which neighbour of a key owns it: the last node at or before it, as in the lab, or the first one at or
    /// after it, as in the Chord paper
    #[arg(
        long,
        value_name = "RULE",
        default_value = "predecessor",
        value_parser = ["predecessor", "successor"]
    )]
    ownership: String,
}

/// Tells it.
pub(super) async fn play(stage: &mut Stage, args: Args) -> Result<()> {
    let story = Story {
        stage,
        settings: settings(&args.ownership),
        values: Vec::new(),
    };
    story.tell().await
}

/// The lab's way: one copy, in memory.
fn settings(ownership: &str) -> Settings {
    let flags = [
        "--replicas",
        "1",
        "--store",
        "memory",
        "--ownership",
        ownership,
    ];
    let command = Settings::augment_args(Command::new("settings").no_binary_name(true));
    let settings = Settings::from_arg_matches(&command.get_matches_from(flags));
    settings.expect("these flags are right")
}

struct Story<'a> {
    stage: &'a mut Stage,
    settings: Settings,
    /// What has been stored.
    values: Vec<String>,
}

impl Story<'_> {
    async fn tell(mut self) -> Result<()> {
        self.boot().await?;
        self.add().await?;
        self.add_many().await?;
        self.store_many().await?;
        self.look_up().await?;
        self.join().await?;
        self.leave().await?;
        self.delete().await?;
        self.monitor().await
    }

    async fn boot(&self) -> Result<()> {
        boot(&self.stage.cluster, 2, &self.settings, false).await?;
        self.stage.say("Boot: two nodes that know each other.")?;
        self.show(2).await?;
        Ok(())
    }

    async fn add(&self) -> Result<()> {
        let joiner = join(&self.stage.cluster, None).await?;
        self.stage.say(format_args!(
            "Add: {} asked one of them for its place, and is between them now.",
            joiner.name
        ))?;
        self.show(3).await?;
        Ok(())
    }

    async fn add_many(&mut self) -> Result<()> {
        let hidden = ProgressBar::hidden();
        let grown = join_many(&self.stage.cluster, NODES - 3, None, &hidden).await;
        if let Some(failure) = grown.failures.into_iter().next() {
            return Err(failure);
        }
        if grown.interrupted {
            bail!("interrupted");
        }
        self.stage
            .say(format_args!("Add many: {} more at once.", NODES - 3))?;
        self.show(NODES).await?;
        self.stage.note("nodes", NODES);
        Ok(())
    }

    async fn store_many(&mut self) -> Result<()> {
        let members = self.stage.cluster.running()?;
        self.values = values(VALUES);
        let stores = self.values.iter().map(|value| Call::store(value.as_str()));
        let hidden = ProgressBar::hidden();
        let stored = store_all(&self.stage.cluster.client, &members, stores, &hidden).await;
        if let Some(failure) = stored.failure {
            return Err(failure);
        }
        self.stage.note("stored", stored.count());
        self.stage.say(format_args!(
            "Store many: {VALUES} values such as `{}`, each at the owner of its SHA-1.",
            self.values[0]
        ))?;
        self.show(NODES).await?;
        Ok(())
    }

    async fn look_up(&mut self) -> Result<()> {
        let members = self.stage.cluster.running()?;
        let client = self.stage.cluster.client.clone();
        for (routing, name) in [(Routing::Linear, "linear"), (Routing::Finger, "finger")] {
            let found = look_up_all(&client, &members, &self.values, routing).await?;
            ensure!(
                found.found == VALUES,
                "only {} are found by {name} routing",
                found.found
            );
            let hops = found.mean_hops();
            self.stage.note(&format!("mean_hops_{name}"), hops);
            self.stage.say(format_args!(
                "Look up: all {VALUES} are found by {name} routing, after {hops:.2} hops on average."
            ))?;
        }
        Ok(())
    }

    /// A joiner takes what is its own, and nothing else moves.
    async fn join(&mut self) -> Result<()> {
        let before = self.content().await?;
        let joiner = join(&self.stage.cluster, None).await?;
        let id = Id::of(joiner.name.as_bytes());
        let after = self.show(NODES + 1).await?;
        let taken = &after.0[&id];
        for (node, held) in &before.0 {
            let kept: BTreeSet<Id> = held.difference(taken).copied().collect();
            ensure!(
                after.0[node] == kept,
                "what is not {}'s has moved",
                joiner.name
            );
        }
        self.stage.note("joiner_took", taken.len());
        self.stage.say(format_args!(
            "Join: {} took the {} values that are its own, and nothing else moved.",
            joiner.name,
            taken.len()
        ))
    }

    /// A leaver hands all that it holds to one neighbour.
    async fn leave(&mut self) -> Result<()> {
        let before = self.content().await?;
        let fullest = before.0.iter().max_by_key(|(_, held)| held.len());
        let (id, held) = fullest.context("a ring has nodes")?;
        let members = self.stage.cluster.running()?;
        let leaver = members.iter().find(|process| process.id == id.to_string());
        let leaver = leaver.context("whoever holds something runs")?;
        let (_, moved) = leave(&self.stage.cluster, leaver).await?;
        let after = self.show(NODES).await?;
        let heir = after.0.iter().find(|(_, now)| held.is_subset(now));
        ensure!(
            moved == held.len() as u64 && heir.is_some(),
            "{} held {} values and handed over {moved}",
            leaver.name,
            held.len()
        );
        self.stage.note("leaver_gave", moved);
        self.stage.say(format_args!(
            "Leave: {} gave its {moved} values to its neighbour and is gone.",
            leaver.name
        ))
    }

    async fn delete(&mut self) -> Result<()> {
        let value = self.values.pop().context("there are values")?;
        let path = value_path(value.as_bytes()).context("words have a path")?;
        let members = self.stage.cluster.running()?;
        let client = &self.stage.cluster.client;
        let (answer, _) = client.ask_any(&members, &Call::delete(path)).await?;
        ensure!(answer.is_success(), "{}", answer.complaint());
        let call = look_up_call(value.as_bytes(), Routing::Finger);
        let (answer, _) = client.ask_any(&members, &call).await?;
        ensure!(answer.is_missing(), "`{value}` was deleted, and is there");
        self.stage
            .say(format_args!("Delete: `{value}` is not found any more."))
    }

    async fn monitor(&mut self) -> Result<()> {
        let members = self.stage.cluster.running()?;
        let client = &self.stage.cluster.client;
        let found = look_up_all(client, &members, &self.values, Routing::Finger).await?;
        ensure!(
            found.found == self.values.len(),
            "only {} are left",
            found.found
        );
        self.stage.note("found", found.found);
        self.stage.say(format_args!(
            "Monitor: the other {} are still found; the ring as it is now:",
            found.found
        ))?;
        self.show(NODES).await?;
        Ok(())
    }

    /// Waits for an ideal ring of so many nodes, shows it, and checks that each value is at its owner.
    async fn show(&self, nodes: usize) -> Result<Content> {
        let cluster = &self.stage.cluster;
        let report = converge(cluster, Wait::Changed).await?;
        ensure!(
            report.ideal && report.nodes.len() == nodes,
            "the ring of {nodes} does not become ideal:\n  {}",
            problems(&report)
        );
        let content = Content::look(&cluster.client, &report).await?;
        content.check(&self.values, self.settings.ownership)?;
        let members = look(&cluster.client, &cluster.network()?).await;
        let printer = self.stage.printer;
        let ring = table::ring(printer, &members, "last seen", |_| "now".to_owned());
        self.stage.say(ring)?;
        self.stage.say(table::verdict(&report))?;
        Ok(content)
    }

    async fn content(&self) -> Result<Content> {
        let cluster = &self.stage.cluster;
        Content::look(&cluster.client, &converge(cluster, Wait::Changed).await?).await
    }
}

const NODES: usize = 8;
const VALUES: usize = 60;
