//! Faults: what is broken, one thing at a time, and when it is mended.
//!
//! What comes next is drawn from a seed. Nothing is broken before the network is whole again: so never
//! more than one node at a time of those that hold the same content.

use std::fmt;
use std::slice;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dht_state::Process;
use indicatif::ProgressBar;
use sim::random::Random;
use tokio::time::sleep;

use super::ground::Ground;
use super::partition;
use super::record::{Fault, Record};
use crate::cluster::end;
use crate::commands::leave::leave;
use crate::listed;
use crate::restart;

/// A way to break something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A process ends at once; a new one joins in its place.
    Kill,
    /// A process stands still for a while.
    Pause,
    /// One more joins.
    Join,
    /// One hands over and goes.
    Leave,
    /// Nothing passes between two parts of the nodes for a while.
    Partition,
    /// A process ends at once, and starts again on its disk.
    Restart,
    /// All processes end at once, and start again on their disks.
    Stop,
}

impl Kind {
    /// As it is typed and printed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::Pause => "pause",
            Kind::Join => "join",
            Kind::Leave => "leave",
            Kind::Partition => "partition",
            Kind::Restart => "restart",
            Kind::Stop => "stop",
        }
    }

    /// The one that was typed; nothing for `none`.
    pub(super) fn parse(word: &str) -> Result<Option<Kind>, String> {
        match word {
            "kill" => Ok(Some(Kind::Kill)),
            "pause" => Ok(Some(Kind::Pause)),
            "join" => Ok(Some(Kind::Join)),
            "leave" => Ok(Some(Kind::Leave)),
            "partition" => Ok(Some(Kind::Partition)),
            "restart" => Ok(Some(Kind::Restart)),
            "stop" => Ok(Some(Kind::Stop)),
            "none" => Ok(None),
            _ => Err(
                "there are kill, pause, join, leave, partition, restart, stop, and none alone"
                    .to_owned(),
            ),
        }
    }

    /// Whether a node that dies of it has to find its content on its disk.
    pub(super) fn needs_disks(self) -> bool {
        matches!(self, Kind::Restart | Kind::Stop)
    }

    /// Whether the ring has to survive a death.
    pub(super) fn is_death(self) -> bool {
        matches!(self, Kind::Kill | Kind::Restart)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who breaks things.
pub(super) struct Breaker<'a> {
    pub(super) ground: &'a Ground,
    pub(super) record: &'a std::cell::RefCell<Record>,
    pub(super) kinds: Vec<Kind>,
    pub(super) random: Random,
    /// How many nodes there are at first, which is about as many as there will be.
    pub(super) size: usize,
    /// Whether a death leaves a ring of so many members whole.
    pub(super) survives: &'a dyn Fn(usize) -> bool,
    /// Whether also those may go that we did not let join.
    pub(super) anyone_may_go: bool,
    /// Longest pause.
    pub(super) pause_ms_max: u64,
    /// Told of each fault when it begins.
    pub(super) tell: &'a dyn Fn(&Fault),
}

impl Breaker<'_> {
    /// Breaks one thing after another. Nothing new is begun after `until`.
    pub(super) async fn work(mut self, until: Instant) -> Result<()> {
        if self.kinds.is_empty() {
            return Ok(());
        }
        loop {
            let calm_ms = self.random.between(CALM_MS_MIN, CALM_MS_MAX);
            sleep(Duration::from_millis(calm_ms)).await;
            if Instant::now() >= until {
                return Ok(());
            }
            if self.ground.problem().await?.is_some() {
                continue;
            }
            let Some((kind, victims)) = self.choose(until)? else {
                continue;
            };
            self.inflict(kind, victims, until).await?;
            if kind == Kind::Kill && Instant::now() < until {
                self.inflict(Kind::Join, Vec::new(), until).await?;
            }
        }
    }

    /// What to break next, and whom.
    fn choose(&mut self, until: Instant) -> Result<Option<(Kind, Vec<Process>)>> {
        let mut running = self.ground.cluster.running()?;
        running.sort_by(|a, b| a.name.cmp(&b.name));
        let count = running.len();
        let may_go = |process: &Process| self.anyone_may_go || self.ground.has_joined(process);
        let candidates = |kind| {
            let is_possible = match kind {
                Kind::Join | Kind::Stop | Kind::Partition => false,
                Kind::Leave => count > 2.max(self.size.saturating_sub(SPREAD)),
                Kind::Kill => count + SPREAD > self.size && (self.survives)(count),
                Kind::Restart => (self.survives)(count),
                Kind::Pause => count > 1,
            };
            let any = running.iter().filter(|_| is_possible);
            match kind {
                Kind::Pause => any.collect::<Vec<_>>(),
                _ => any.filter(|process| may_go(process)).collect(),
            }
        };
        let possible = self.kinds.iter().copied().filter(|kind| match kind {
            Kind::Join => count < self.size + SPREAD,
            Kind::Stop => self.anyone_may_go,
            // So that it is over in time.
            Kind::Partition => count > 1 && ms_left(until) >= PARTITION_MS_MIN,
            kind => !candidates(*kind).is_empty(),
        });
        let possible: Vec<Kind> = possible.collect();
        if possible.is_empty() {
            return Ok(None);
        }
        let kind = possible[self.random.below(possible.len() as u64) as usize];
        let candidates = candidates(kind);
        let victims = match candidates.len() as u64 {
            0 if kind == Kind::Partition => partition::draw(running, &mut self.random),
            0 => Vec::new(),
            some => vec![candidates[self.random.below(some) as usize].clone()],
        };
        Ok(Some((kind, victims)))
    }

    /// Breaks it, and waits until the network is whole again.
    async fn inflict(&mut self, kind: Kind, victims: Vec<Process>, until: Instant) -> Result<()> {
        let fault = Fault {
            kind,
            node: names(&victims),
            at: self.record.borrow().now(),
            whole: None,
            problem: None,
            error: None,
        };
        (self.tell)(&fault);
        let place = {
            let faults = &mut self.record.borrow_mut().faults;
            faults.push(fault);
            faults.len() - 1
        };
        let done = self.act(kind, victims, until).await;
        let whole_by = until.max(Instant::now() + Duration::from_millis(MEND_MS_MAX));
        let whole = self.ground.becomes_whole(whole_by).await;
        let problem = match done {
            Ok(node) => {
                self.record.borrow_mut().faults[place].node = node;
                whole?
            }
            Err(error) => {
                let error = format!("{error:#}");
                self.record.borrow_mut().faults[place].error = Some(error.clone());
                // Where nobody answers any more, this is why.
                whole.context(error)?
            }
        };
        let now = self.record.borrow().now();
        let fault = &mut self.record.borrow_mut().faults[place];
        match problem {
            None => fault.whole = Some(now),
            problem => fault.problem = problem,
        }
        self.ground.refresh()
    }

    /// Breaks it; returns the name of the node, or of all that were cut off.
    async fn act(&mut self, kind: Kind, victims: Vec<Process>, until: Instant) -> Result<String> {
        let cluster = &self.ground.cluster;
        let process = match (kind, victims.first()) {
            (Kind::Partition, _) => {
                let ms = self.up_to(PARTITION_MS_MAX, PARTITION_MS_MIN, until);
                let parted = self.ground.part(&victims).await;
                if parted.is_ok() {
                    sleep(Duration::from_millis(ms)).await;
                }
                self.ground.heal().await?;
                return parted.map(|()| names(&victims));
            }
            (Kind::Stop, _) => {
                end(&cluster.running()?)?;
                self.lie_down(until).await;
                restart::all(cluster, &ProgressBar::hidden()).await?;
                return Ok("all".to_owned());
            }
            (_, None) => {
                let joined = self.ground.join().await?;
                self.ground.refresh()?;
                return Ok(joined.name);
            }
            (_, Some(process)) => process,
        };
        match kind {
            Kind::Kill => {
                end(slice::from_ref(process))?;
                cluster.forget(&process.name)?;
                listed::dismiss(cluster, &cluster.network()?.settings, &process.name).await?;
            }
            Kind::Restart => {
                end(slice::from_ref(process))?;
                self.lie_down(until).await;
                restart::rejoin(&self.ground.cluster, process).await?;
            }
            Kind::Pause => {
                let ms = self.up_to(self.pause_ms_max, PAUSE_MS_MIN, until);
                let paused = Paused::new(process)?;
                sleep(Duration::from_millis(ms)).await;
                paused.resume()?;
            }
            Kind::Leave => {
                leave(cluster, process).await?;
            }
            Kind::Join | Kind::Partition | Kind::Stop => {
                unreachable!("nobody in particular suffers from it")
            }
        }
        Ok(process.name.clone())
    }

    /// The time between an end and a start.
    async fn lie_down(&mut self, until: Instant) {
        let ms = self.up_to(DOWN_MS_MAX, DOWN_MS_MIN, until);
        sleep(Duration::from_millis(ms)).await;
    }

    /// A random time, which ends by `until` if it can.
    fn up_to(&mut self, most_ms: u64, least_ms: u64, until: Instant) -> u64 {
        let most = most_ms.min(ms_left(until));
        self.random.between(least_ms, most.max(least_ms))
    }
}

fn ms_left(until: Instant) -> u64 {
    let left = until.saturating_duration_since(Instant::now());
    left.as_millis() as u64
}

fn names(processes: &[Process]) -> String {
    let names = processes.iter().map(|process| process.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// A process that stands still, and goes on at the latest when this is dropped.
struct Paused<'a>(&'a Process);

impl<'a> Paused<'a> {
    fn new(process: &'a Process) -> Result<Paused<'a>> {
        let paused = process.pause();
        paused.with_context(|| format!("cannot pause {}", process.name))?;
        Ok(Paused(process))
    }

    fn resume(self) -> Result<()> {
        let resumed = self.0.resume();
        resumed.with_context(|| format!("cannot resume {}", self.0.name))?;
        Ok(())
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        // Where it fails, the process is gone or not ours any more: nobody is held up by it.
        let _ = self.0.resume();
    }
}

/// How long nothing is broken after the network is whole again.
const CALM_MS_MIN: u64 = 200;
const CALM_MS_MAX: u64 = 2_000;
const PAUSE_MS_MIN: u64 = 1_000;
/// How long nodes are parted: long enough for groups to choose other leaders, and beyond the half minute after
/// which each part takes the other one for dead.
const PARTITION_MS_MIN: u64 = 5_000;
const PARTITION_MS_MAX: u64 = 45_000;
/// How long a node is down before it starts again.
const DOWN_MS_MIN: u64 = 50;
const DOWN_MS_MAX: u64 = 3_000;
/// How many nodes more or less than at first there may be.
const SPREAD: usize = 2;
/// How long to wait for a network that becomes whole after the last fault.
const MEND_MS_MAX: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_kinds() {
        for kind in [
            Kind::Kill,
            Kind::Pause,
            Kind::Join,
            Kind::Leave,
            Kind::Partition,
            Kind::Restart,
            Kind::Stop,
        ] {
            assert_eq!(Kind::parse(kind.name()), Ok(Some(kind)));
        }
        assert_eq!(Kind::parse("none"), Ok(None));
        assert!(Kind::parse("flood").is_err());
    }
}
