//! `tasks demo`: tells the whole story on a network of its own, and leaves nothing behind.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use dht::id::Id;
use dht::message::Routing;
use dht_state::Process;
use indicatif::ProgressBar;

use crate::cli;
use crate::client::Call;
use crate::cluster::Cluster;
use crate::commands::walkthrough::stage::Stage;
use crate::commands::{leave::leave, trace};
use crate::converge::{Wait, converge, problems};
use crate::grow::{join, join_many};
use crate::load::{look_up_all, store_all};
use crate::printer::Printer;
use crate::ring::{Names, Report, check, look};
use crate::settings::Settings;
use crate::start::boot;
use crate::table;
use crate::words::values;

pub(super) async fn run(args: cli::Demo, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let settings = args.settings;
    Stage::play("demo", cluster, printer, async |stage: &mut Stage| {
        Story { stage, settings }.tell().await
    })
    .await
}

struct Story<'a> {
    stage: &'a mut Stage,
    settings: Settings,
}

impl Story<'_> {
    async fn tell(&mut self) -> Result<()> {
        self.boot().await?;
        self.grow().await?;
        let values = values(VALUES);
        self.store(&values).await?;
        self.look_up(&values).await?;
        self.join().await?;
        self.leave().await?;
        self.look_up_once_more(&values).await?;
        self.trace(&values[0]).await?;
        self.monitor().await
    }

    async fn boot(&self) -> Result<()> {
        let begun = Instant::now();
        let (processes, ring) = boot(&self.stage.cluster, 2, &self.settings, false).await?;
        ideal(ring)?;
        let names: Vec<_> = processes
            .iter()
            .map(|process| process.name.as_str())
            .collect();
        let (names, ms) = (names.join(" and "), begun.elapsed().as_millis());
        self.stage
            .say(format_args!("Boot: {names} know each other after {ms} ms."))
    }

    async fn grow(&mut self) -> Result<()> {
        let begun = Instant::now();
        let grown = join_many(&self.stage.cluster, NODES - 2, None, &ProgressBar::hidden()).await;
        if let Some(failure) = grown.failures.into_iter().next() {
            return Err(failure);
        }
        if grown.interrupted {
            bail!("interrupted");
        }
        ideal(converge(&self.stage.cluster, Wait::Changed).await?)?;
        self.stage.note("nodes", NODES);
        let (more, ms) = (NODES - 2, begun.elapsed().as_millis());
        self.stage.say(format_args!(
            "Grow: {more} more joined; an ideal ring of {NODES} after {ms} ms."
        ))
    }

    async fn store(&mut self, values: &[String]) -> Result<()> {
        let members = self.stage.cluster.running()?;
        let hidden = ProgressBar::hidden();
        let stores = values.iter().map(|value| Call::store(value.as_str()));
        let stored = store_all(&self.stage.cluster.client, &members, stores, &hidden).await;
        if let Some(failure) = stored.failure {
            return Err(failure);
        }
        let counts = || stored.per_node.values().map(|(_, count)| *count);
        let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        let nodes = table::nodes(stored.per_node.len());
        self.stage.note("stored", stored.count());
        self.stage.say(format_args!(
            "Store: {VALUES} values such as `{}` lie on {nodes}, {least} to {most} on each.",
            values[0]
        ))
    }

    async fn look_up(&mut self, values: &[String]) -> Result<()> {
        let members = self.stage.cluster.running()?;
        for (routing, name) in [(Routing::Finger, "finger"), (Routing::Linear, "linear")] {
            let found = look_up_all(&self.stage.cluster.client, &members, values, routing).await?;
            ensure!(
                found.found == VALUES,
                "only {} of {VALUES} values are found",
                found.found
            );
            let hops = found.mean_hops();
            self.stage.note(&format!("mean_hops_{name}"), hops);
            self.stage.say(format_args!(
                "Look up: all {VALUES} found by {name} routing, {hops:.2} hops on average."
            ))?;
        }
        Ok(())
    }

    async fn join(&mut self) -> Result<()> {
        let joiner = join(&self.stage.cluster, None).await?;
        let ring = ideal(converge(&self.stage.cluster, Wait::Changed).await?)?;
        let keys = |process: &Process| {
            let info = ring.nodes.iter().find(|info| info.name == process.name);
            info.map_or(0, |info| info.keys)
        };
        let (name, keys) = (&joiner.name, keys(&joiner));
        self.stage.note("joiner_took", keys);
        self.stage.say(format_args!(
            "Join: {name} joined and took {keys} values from its neighbour."
        ))
    }

    async fn leave(&mut self) -> Result<()> {
        let ring = ideal(converge(&self.stage.cluster, Wait::Changed).await?)?;
        let fullest = ring.nodes.iter().max_by_key(|info| info.keys);
        let fullest = fullest.context("an ideal ring has nodes")?;
        let leaver = self.stage.cluster.find_running(&fullest.name)?;
        let (_, moved) = leave(&self.stage.cluster, &leaver).await?;
        ideal(converge(&self.stage.cluster, Wait::Changed).await?)?;
        self.stage.note("leaver_gave", moved);
        let name = leaver.name;
        self.stage.say(format_args!(
            "Leave: {name} left and gave {moved} values to its neighbour."
        ))
    }

    async fn look_up_once_more(&mut self, values: &[String]) -> Result<()> {
        let members = self.stage.cluster.running()?;
        let client = &self.stage.cluster.client;
        let found = look_up_all(client, &members, values, Routing::Finger)
            .await?
            .found;
        ensure!(found == VALUES, "only {found} of {VALUES} values are left");
        self.stage.note("found", found);
        self.stage
            .say(format_args!("Look up: all {VALUES} are still there."))
    }

    async fn trace(&self, value: &str) -> Result<()> {
        let network = self.stage.cluster.network()?;
        let members = self.stage.cluster.running()?;
        let key = Id::of(value.as_bytes());
        let routing = Routing::Finger;
        let answer = trace::trace(&self.stage.cluster, &members, key, routing).await?;
        let names = Names::of_processes(&network.processes);
        self.stage
            .say(format_args!("Trace: the way to `{value}`:"))?;
        self.stage
            .say(trace::shown(self.stage.printer, &answer, routing, &names)?)
    }

    async fn monitor(&self) -> Result<()> {
        let network = self.stage.cluster.network()?;
        let members = look(&self.stage.cluster.client, &network).await;
        let report = check(&members, &network.settings);
        self.stage.say("Monitor: the ring as it is now:")?;
        self.stage.say(table::ring(
            self.stage.printer,
            &members,
            "last seen",
            |_| "now".to_owned(),
        ))?;
        self.stage.say(table::verdict(&report))
    }
}

fn ideal(report: Report) -> Result<Report> {
    ensure!(
        report.ideal,
        "the ring does not become ideal:\n  {}",
        problems(&report)
    );
    Ok(report)
}

const NODES: usize = 12;
const VALUES: usize = 100;
