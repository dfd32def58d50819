//! Trial: one run: clients work, something is broken, and in the end all is read back.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::future::{join, join_all};
use futures::stream::{self, StreamExt as _};
use indicatif::ProgressBar;
use sim::history::{Condition, What};
use sim::random::Random;
use tokio::time::{interval, sleep};

use super::Args;
use super::answers;
use super::faults::{Breaker, Kind};
use super::ground::Ground;
use super::load::{CONTENDED, Load, Worker};
use super::proof::{Circumstances, Proof, prove};
use super::record::{Fault, Record};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::start::boot;

/// One run.
pub(super) struct Trial<'a> {
    pub(super) args: &'a Args,
    pub(super) seed: u64,
    pub(super) printer: Printer,
    pub(super) ground: &'a Ground,
}

impl Trial<'_> {
    /// Does it. Errors: nothing is proven.
    pub(super) async fn go(&self) -> Result<Proof> {
        let Trial { args, ground, .. } = self;
        let settings = self.prepare().await?;
        let size = ground.nodes.borrow().len();
        let prefix = format!("prove-{}-{}", self.seed, unix_ms());
        let contended = (0..CONTENDED).map(|number| format!("{prefix}-all-{number}"));
        let record = RefCell::new(Record::new(contended));
        let load = Load {
            client: &ground.cluster.client,
            record: &record,
            nodes: &ground.nodes,
            prefix,
            seed: self.seed,
        };
        let time = Duration::from_secs(args.seconds.into());
        let until = Instant::now() + time;
        let bar = self.printer.progress(args.seconds.into(), "");
        let tell = |fault: &Fault| {
            let (at_s, kind, node) = (fault.at as f64 / 1e6, fault.kind, &fault.node);
            let line = format!("{at_s:7.2} s  {kind:9}  {node}");
            bar.suspend(|| self.printer.note(line));
        };
        let breaker = Breaker {
            ground,
            record: &record,
            kinds: args.kinds(!ground.is_own()),
            random: Random::new(self.seed, 0),
            size,
            survives: &|count| settings.failures_survived(count) > 0,
            anyone_may_go: ground.is_own() || args.faults.is_some(),
            pause_ms_max: PAUSE_MS_MAX.min(time.as_millis() as u64 / 4),
            tell: &tell,
        };
        let quiet = time
            .mul_f64(QUIET_SHARE)
            .min(Duration::from_millis(QUIET_MS_MAX));
        let workers = (0..args.clients).map(|number| Worker::new(&load, number).work(until));
        let working = async {
            tokio::select! {
                _ = join_all(workers) => record.borrow().now(),
                () = show(&bar, &record) => unreachable!("it shows for ever"),
            }
        };
        let (stopped, broken) = join(working, breaker.work(until - quiet)).await;
        broken?;
        ground.heal().await?;
        bar.set_message("until all is quiet");
        let whole_by = Instant::now() + Duration::from_millis(WHOLE_MS_MAX);
        let problem = ground.becomes_whole(whole_by).await?;
        ground.refresh()?;
        read_back(&load, args.clients, &bar).await;
        bar.finish_and_clear();
        let of = Circumstances {
            seed: self.seed,
            nodes: size,
            clients: args.clients,
            stopped,
            problem,
        };
        if !ground.is_own() {
            clean(&load).await;
        }
        let proof = prove(&record.borrow(), of);
        if proof.acknowledged == 0 {
            bail!(
                "no change was acknowledged in {} s, so nothing is proven; what came instead: {:?}",
                args.seconds,
                proof.errors
            );
        }
        Ok(proof)
    }

    /// Boots the network if it is to be ours, and waits until it is whole.
    async fn prepare(&self) -> Result<Settings> {
        let Trial { args, ground, .. } = self;
        if ground.is_own() {
            let nodes = args.nodes as usize;
            let mut settings = args.settings.clone();
            settings.fault_injection |= args.kinds(false).contains(&Kind::Partition);
            boot(&ground.cluster, nodes, &settings, false).await?;
        }
        let whole_by = Instant::now() + Duration::from_millis(WHOLE_MS_MAX);
        if let Some(problem) = ground.becomes_whole(whole_by).await? {
            bail!("the network is not whole to begin with: {problem}");
        }
        ground.refresh()?;
        Ok(ground.cluster.network()?.settings)
    }
}

/// Shows how far it is, for ever.
async fn show(bar: &ProgressBar, record: &RefCell<Record>) {
    let mut ticks = interval(Duration::from_millis(SHOW_MS));
    loop {
        ticks.tick().await;
        let record = record.borrow();
        bar.set_position(record.now() / 1_000_000);
        let (faults, errors) = (record.faults.len(), record.errors.len());
        bar.set_message(format!("{faults} faults, {errors} errors"));
    }
}

/// Reads every key, until somebody answers or too much time is gone; those that all fought for at each
/// node.
async fn read_back(load: &Load<'_>, clients: u32, bar: &ProgressBar) {
    let deadline = Instant::now() + Duration::from_millis(READ_BACK_MS_MAX);
    let keys = load.record.borrow().keys.len();
    bar.set_length(keys as u64);
    bar.set_position(0);
    bar.set_message("reading back");
    let nodes = load.nodes.borrow().clone();
    let readers = (0..READERS).map(|lane| {
        let mut reader = Worker::new(load, clients + lane as u32);
        let nodes = &nodes;
        async move {
            for key in (lane..keys).step_by(READERS) {
                if key < CONTENDED {
                    for node in nodes {
                        reader.read(key, Some(node)).await;
                    }
                }
                while !reader.read(key, None).await && Instant::now() < deadline {
                    sleep(Duration::from_millis(SHOW_MS)).await;
                }
                bar.inc(1);
            }
        }
    });
    join_all(readers).await;
}

/// Deletes what was written into a network that is not ours, as far as that goes.
async fn clean(load: &Load<'_>) {
    let what = What::Delete {
        condition: Condition::Always,
    };
    let names = load.record.borrow().names();
    let nodes = load.nodes.borrow().clone();
    let deletes = names.iter().zip(nodes.iter().cycle()).map(|(name, node)| {
        let call = answers::call(name, what, CLEAN_MS_MAX);
        async move { load.client.ask(node, &call).await }
    });
    let mut deletes = stream::iter(deletes).buffer_unordered(READERS);
    // What stays is litter, and harms nobody.
    while deletes.next().await.is_some() {}
}

/// Something that no other run has had.
fn unix_ms() -> u128 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| since.as_millis())
}

/// Longest pause: half of what is taken for a death.
const PAUSE_MS_MAX: u64 = 15_000;
/// At the end nothing new is broken for this share of the time, but at most so long.
const QUIET_SHARE: f64 = 0.15;
const QUIET_MS_MAX: u64 = 3_000;
/// How long to wait for a whole network, at the beginning and in the end.
pub(super) const WHOLE_MS_MAX: u64 = 60_000;
/// How long all reading back may take; whoever was not asked by then is asked once.
const READ_BACK_MS_MAX: u64 = 60_000;
/// How many read at once then.
const READERS: usize = 16;
/// How long to wait for the deletion of a key.
const CLEAN_MS_MAX: u64 = 1_000;
/// How often progress is shown.
const SHOW_MS: u64 = 200;
