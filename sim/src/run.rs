//! Run: a plan carried out to its end, under the observers' eyes.
//!
//! First the script, the lookups and the clients, for as long as the plan says; then, where anything
//! happened to the ring, quiet, until it is ideal. A violation ends a run at once, and so does a panic: a
//! broken promise of a node to itself is a violation of its own, NodesDoNotPanic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dht::Id;
use dht::view::Phase;

use crate::engine::{Address, Network, Status};
use crate::observe::clients::Clients;
use crate::observe::content::Content;
use crate::observe::copies;
use crate::observe::ideal::{self, Ideal};
use crate::observe::lookups::Lookups;
use crate::observe::owners::Owners;
use crate::observe::watch::Watch;
use crate::observe::{Violation, fail, invariant};
use crate::plan::{Detector, Impossible, Plan};
use crate::random::Random;
use crate::report::{Report, Tally};
use crate::script::{Fault, Step, Who};

/// A plan being carried out.
pub struct Run {
    plan: Plan,
    network: Network,
    lookups: Lookups,
    content: Option<Content>,
    clients: Option<Clients>,
    observers: Option<(Watch, Owners)>,
    stage: Stage,
    /// The next step of the script.
    next: usize,
    tally: Tally,
    /// When the last thing that the script began ends.
    busy_until_us: u64,
    ideal: Ideal,
    ideal_after_us: Option<u64>,
    violations: Vec<Violation>,
    looked_us: u64,
    chance: Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The script, the lookups and the clients.
    Busy,
    /// Nothing new begins; what has begun ends, sleepers wake, and cuts heal.
    Quiet,
    /// All that may happen has happened: from `since_us` on the clock runs.
    Settling {
        since_us: u64,
        until_us: u64,
    },
    /// The pointers were ideal in time; content may still be moving.
    Moving {
        until_us: u64,
    },
    /// Everything is where it should be; each key is read once more.
    Reading {
        /// The next one.
        key: usize,
    },
    Over,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Virtual time, in milliseconds, of which there are [`Plan::ms`] before it gets quiet.
    pub ms: u64,
    /// Events so far.
    pub events: u64,
    /// Members at the moment.
    pub members: usize,
}

impl Run {
    /// Builds the ring that a plan starts with. Errors: the plan is impossible.
    pub fn new(plan: Plan) -> Result<Run, Impossible> {
        plan.check()?;
        let mut network = Network::new(&plan);
        network.remind(0, due(Due::Script, 0));
        network.remind(0, due(Due::Look, 0));
        network.remind(plan.ms * 1_000, due(Due::End, 0));
        if plan.lookups > 0 {
            network.remind(0, due(Due::Lookup, 0));
        }
        if plan.content.is_some() {
            network.remind(0, due(Due::Client, 0));
        }
        Ok(Run {
            content: plan
                .content
                .filter(|_| plan.replicas == 1)
                .map(|content| Content::new(content.keys)),
            clients: plan.content.filter(|_| plan.replicas > 1).map(Clients::new),
            chance: Random::new(plan.seed, STREAM),
            plan,
            network,
            observers: None,
            lookups: Lookups::default(),
            stage: Stage::Busy,
            next: 0,
            tally: Tally::default(),
            busy_until_us: 0,
            ideal: Ideal::default(),
            ideal_after_us: None,
            violations: Vec::new(),
            looked_us: 0,
        })
    }

    /// Carries it out, until it is over, something is violated, or `stop` is set.
    pub fn go(&mut self, stop: &AtomicBool, mut progress: impl FnMut(Progress)) -> Report {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.carry_on(stop, &mut progress)));
        let violation = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(violation),
            Err(panic) => {
                let text = words(&*panic);
                let now_us = self.network.now_us();
                Some(Violation::new("NodesDoNotPanic", now_us, text))
            }
        };
        self.violations.extend(violation);
        self.report(
            start.elapsed(),
            self.stage != Stage::Over && self.violations.is_empty(),
        )
    }

    fn carry_on(
        &mut self,
        stop: &AtomicBool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), Violation> {
        self.begin_to_observe()?;
        let mut steps = 0_u64;
        while self.stage != Stage::Over && self.violations.is_empty() {
            steps += 1;
            if steps.is_multiple_of(8_192) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                progress(self.progress());
            }
            if self.network.step().is_none() {
                self.stage = Stage::Over;
            }
            self.after_step()?;
        }
        Ok(())
    }

    /// The network, to look at it or to plant mistakes.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// What came of lookups so far.
    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// What happened to content so far.
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    fn progress(&self) -> Progress {
        Progress {
            ms: self.network.now_us() / 1_000,
            events: self.network.events(),
            members: self.network.census().len(),
        }
    }

    fn after_step(&mut self) -> Result<(), Violation> {
        self.hear()?;
        if let Some(what) = self.network.moment().due {
            self.due(what)?;
            // A call that needs no messages has returned already, and a fault has shown at once.
            self.hear()?;
        }
        Ok(())
    }

    /// Takes note of what the last step has brought.
    fn hear(&mut self) -> Result<(), Violation> {
        let moment = self.network.take_moment();
        for (ticket, returned) in &moment.returned {
            if self.lookups.returned(&self.network, *ticket, returned) {
                continue;
            }
            if let Some(content) = &mut self.content {
                content.returned(&self.network, *ticket, returned)?;
            }
            if let Some(clients) = &mut self.clients {
                clients.returned(&self.network, *ticket, returned);
            }
        }
        if let Some((watch, owners)) = &mut self.observers {
            // A leader that does not know of its end yet does no harm: it can't confirm anything.
            if self.plan.replicas == 1 {
                owners.look_at(&self.network, &moment.changed)?;
            }
            watch.look_at(&self.network, &moment.changed)?;
            for at in &moment.changed {
                self.check_place(*at)?;
            }
        }
        self.network.give_back(moment);
        Ok(())
    }

    /// Whoever keeps up with each change is there where something can change.
    fn begin_to_observe(&mut self) -> Result<(), Violation> {
        let is_one = self.plan.schedule.is_some() && !self.plan.partitions;
        if is_one && self.observers.is_none() {
            let network = &self.network;
            self.observers = Some((Watch::begin(network)?, Owners::begin(network)?));
        }
        Ok(())
    }

    fn check_place(&self, at: Address) -> Result<(), Violation> {
        let is_lost =
            self.network.status(at) != Status::Down && self.network.view(at).phase == Phase::Lost;
        if is_lost && self.plan.detector == Detector::Oracle {
            let me = self.network.view(at).me;
            let text = format!("{me:?} has lost its place in the ring");
            let now_us = self.network.now_us();
            return Err(Violation::new("NobodyLosesItsPlace", now_us, text));
        }
        Ok(())
    }

    fn due(&mut self, what: u64) -> Result<(), Violation> {
        let number = what >> 8;
        match what as u8 {
            kind if kind == Due::Script as u8 => self.script(number),
            kind if kind == Due::Lookup as u8 => self.lookup(),
            kind if kind == Due::Client as u8 => self.client(),
            kind if kind == Due::End as u8 => self.end(),
            kind if kind == Due::Mend as u8 => self.mend(number as Address),
            _ => return self.look(),
        }
        Ok(())
    }

    /// The next step of the script is due; `tries` times it could not be done before.
    fn script(&mut self, tries: u64) {
        let step = self.plan.script.get(self.next).copied();
        let Some(step) = step.filter(|_| self.stage == Stage::Busy) else {
            return;
        };
        let now_us = self.network.now_us();
        if now_us < step.at_ms * 1_000 {
            let at_us = step.at_ms * 1_000;
            return self.network.remind(at_us, due(Due::Script, 0));
        }
        match self.perform(step) {
            Outcome::Done => {
                self.tally.done += 1;
                self.tally.joins += u64::from(matches!(step.fault, Fault::Join(_)));
                let end_us = now_us + length_ms(step.fault) * 1_000;
                self.busy_until_us = self.busy_until_us.max(end_us);
            }
            Outcome::NotNow if tries < TRIES_MAX => {
                let at_us = now_us + RETRY_US;
                return self.network.remind(at_us, due(Due::Script, tries + 1));
            }
            Outcome::NotNow | Outcome::Never => self.tally.skipped += 1,
        }
        self.next += 1;
        self.network.remind(now_us, due(Due::Script, 0));
    }

    fn perform(&mut self, step: Step) -> Outcome {
        if let Fault::Cut { cut, lot, ms } = step.fault {
            self.network.cut(cut, lot, ms * 1_000);
            return Outcome::Done;
        }
        if let Fault::Stop { after_ms } = step.fault {
            for at in self.network.stop(after_ms * 1_000) {
                self.abandon(at);
            }
            return Outcome::Done;
        }
        let census = self.network.census();
        let at = match step.who {
            Who::Node(address) => census.contains(address).then_some(address),
            Who::After(place) => {
                let mut bytes = [0; Id::BYTES];
                bytes[..8].copy_from_slice(&place.to_be_bytes());
                let member = census.at_or_after(Id::from_bytes(bytes));
                member.map(|(_, address)| address)
            }
        };
        let Some(at) = at else {
            return Outcome::Never;
        };
        match step.fault {
            Fault::Join(address) => {
                self.network.join(address, at);
                return Outcome::Done;
            }
            Fault::Pause { ms } => self.network.pause(at, ms * 1_000),
            Fault::Slow { factor, ms } => self.network.slow(at, factor, ms * 1_000),
            Fault::Fill { ms, seals } => {
                self.network.fill(at, seals);
                let at_us = self.network.now_us() + ms * 1_000;
                self.network.remind(at_us, due(Due::Mend, at.into()));
            }
            Fault::Leave | Fault::Crash | Fault::Restart { .. } => {
                if !self.may_go(at) || !self.may_lose(step.fault) {
                    return Outcome::NotNow;
                }
                self.go_away(at, step.fault);
            }
            Fault::Cut { .. } | Fault::Stop { .. } => {}
        }
        Outcome::Done
    }

    /// The disk of a machine is to have room again, for which it starts again as soon as it may.
    fn mend(&mut self, at: Address) {
        if !self.network.is_full(at) {
            return;
        }
        match self.may_go(at) {
            true => self.go_away(at, MENDING),
            false => {
                let at_us = self.network.now_us() + RETRY_US;
                self.network.remind(at_us, due(Due::Mend, at.into()));
            }
        }
    }

    fn go_away(&mut self, at: Address, fault: Fault) {
        if fault == Fault::Leave {
            self.network.call(at, dht::event::Call::Leave);
            return;
        }
        if let Some(content) = &mut self.content {
            content.crashes(&self.network, at);
        }
        self.abandon(at);
        self.network.crash(at);
        if let Fault::Restart { after_ms, keep } = fault {
            self.network.restart(at, after_ms * 1_000, keep);
        }
    }

    /// Whoever asked a node that is gone hears nothing more.
    fn abandon(&mut self, at: Address) {
        if let Some(clients) = &mut self.clients {
            clients.crashes(at);
        }
        self.lookups.abandon(at);
    }

    /// Copies are lost one at a time: the next one goes when all is there again.
    fn may_lose(&self, fault: Fault) -> bool {
        let keeps = matches!(fault, Fault::Leave | Fault::Restart { keep: true, .. });
        self.plan.replicas == 1 || keeps || copies::missing(&self.network).is_none()
    }

    fn may_go(&self, at: Address) -> bool {
        match self.plan.careful || self.plan.detector == Detector::Oracle {
            true => fail::is_allowed(&self.network, at),
            false => self.network.census().len() > 1,
        }
    }

    fn lookup(&mut self) {
        let (network, chance) = (&mut self.network, &mut self.chance);
        self.lookups.begin(network, self.plan.routing, chance);
        let begun = self.lookups.begun;
        if begun < self.plan.lookups && self.stage == Stage::Busy {
            let at = u128::from(self.plan.ms) * 1_000 * u128::from(begun);
            let at_us = (at / u128::from(self.plan.lookups)) as u64;
            network.remind(at_us, due(Due::Lookup, 0));
        }
    }

    fn client(&mut self) {
        let Some(plan) = self.plan.content else {
            return;
        };
        let (network, chance) = (&mut self.network, &mut self.chance);
        if let Some(content) = &mut self.content {
            content.begin(network, self.plan.routing, chance);
        }
        if let Some(clients) = &mut self.clients {
            clients.begin(network, self.plan.routing, chance);
        }
        if self.stage == Stage::Busy {
            let pause = self.chance.exponential(1_000_000.0 / f64::from(plan.per_s));
            let at_us = self.network.now_us() + pause as u64;
            self.network.remind(at_us, due(Due::Client, 0));
        }
    }

    /// Nothing new begins.
    fn end(&mut self) {
        self.tally.skipped += (self.plan.script.len() - self.next) as u64;
        self.stage = Stage::Quiet;
    }

    /// Time to look at the whole network.
    fn look(&mut self) -> Result<(), Violation> {
        let now_us = self.network.now_us();
        let members = self.network.census().len();
        let every_us = (members as u64 * 5).clamp(100_000, 2_000_000);
        // A look at the whole of a large ring takes as long as many thousands of events.
        let check_us = self.looked_us + members as u64 * CHECK_US_PER_MEMBER;
        if self.observers.is_some() && now_us >= check_us {
            self.looked_us = now_us;
            invariant::check(&self.network)?;
        }
        self.look_for_ideal();
        match self.stage {
            Stage::Quiet => self.look_quiet(),
            Stage::Settling { since_us, until_us } => self.look_settling(since_us, until_us)?,
            Stage::Moving { until_us } => self.look_moving(until_us)?,
            Stage::Reading { key } => self.look_reading(key)?,
            Stage::Busy | Stage::Over => {}
        }
        if self.stage != Stage::Over {
            self.network.remind(now_us + every_us, due(Due::Look, 0));
        }
        Ok(())
    }

    /// Whether the pointers are ideal for the first time since the script has ended.
    fn look_for_ideal(&mut self) {
        let now_us = self.network.now_us();
        let is_read = self.next == self.plan.script.len() || self.stage != Stage::Busy;
        let is_over = is_read && now_us >= self.busy_until_us;
        if self.plan.is_quiet() || !is_over || self.ideal_after_us.is_some() {
            return;
        }
        if self.ideal.pointers(&self.network).is_none() {
            self.ideal_after_us = Some(now_us - self.busy_until_us);
        }
    }

    fn look_quiet(&mut self) {
        let now_us = self.network.now_us();
        let clients = self.content.as_ref().map_or(0, Content::open)
            + self.clients.as_ref().map_or(0, Clients::open);
        let is_waiting = self.lookups.open() + clients > 0 || now_us < self.busy_until_us;
        if is_waiting && now_us < self.plan.ms * 1_000 + LINGER_US {
            return;
        }
        if self.plan.schedule.is_none() {
            self.stage = Stage::Over;
            return;
        }
        let patience_us = ideal::patience_us(&self.network, &self.plan);
        self.stage = Stage::Settling {
            since_us: now_us,
            until_us: now_us + patience_us,
        };
    }

    fn look_settling(&mut self, since_us: u64, until_us: u64) -> Result<(), Violation> {
        let now_us = self.network.now_us();
        match self.ideal.pointers(&self.network) {
            None => {
                let until_us = now_us + ideal::moving_us(&self.plan);
                self.stage = Stage::Moving { until_us };
            }
            Some(text) if now_us > until_us => {
                let waited_ms = (now_us - since_us) / 1_000;
                let text = format!("not ideal after {waited_ms} ms of quiet: {text}");
                return Err(Violation::new("IdealInTime", now_us, text));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn look_moving(&mut self, until_us: u64) -> Result<(), Violation> {
        let now_us = self.network.now_us();
        let missing = match self.plan.replicas {
            1 => self.ideal.everything(&self.network),
            _ => copies::missing(&self.network)
                .or_else(|| copies::unmerged(&self.network))
                .or_else(|| copies::different(&self.network)),
        };
        match missing {
            None if self.clients.is_some() => self.stage = Stage::Reading { key: 0 },
            None => self.stage = Stage::Over,
            Some(text) if now_us > until_us => {
                return Err(Violation::new("EverythingIsServed", now_us, text));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Reads key after key, and judges when all are read.
    fn look_reading(&mut self, key: usize) -> Result<(), Violation> {
        let Some(clients) = self.clients.as_mut().filter(|clients| clients.open() == 0) else {
            return Ok(());
        };
        if key == clients.keys() {
            self.stage = Stage::Over;
            return clients.judge(&self.network);
        }
        clients.read_again(&mut self.network, &mut self.chance, key);
        self.stage = Stage::Reading { key: key + 1 };
        Ok(())
    }

    fn report(&self, elapsed: std::time::Duration, is_partial: bool) -> Report {
        let mut violations = self.violations.clone();
        if self.plan.is_quiet()
            && let Some(text) = self.lookups.first_wrong.clone()
        {
            let now_us = self.network.now_us();
            violations.push(Violation::new("LookupsAreRight", now_us, text));
        }
        Report::new(
            &self.plan,
            &self.network,
            &self.lookups,
            (self.content.as_ref(), self.clients.as_ref()),
            (elapsed, is_partial),
            self.tally,
            self.ideal_after_us,
            violations,
        )
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

/// How long something that happens lasts.
fn length_ms(fault: Fault) -> u64 {
    match fault {
        Fault::Pause { ms }
        | Fault::Slow { ms, .. }
        | Fault::Cut { ms, .. }
        | Fault::Fill { ms, .. } => ms,
        Fault::Restart { after_ms, .. } | Fault::Stop { after_ms } => after_ms,
        Fault::Join(_) | Fault::Leave | Fault::Crash => 0,
    }
}

/// What came of a step of a script.
enum Outcome {
    Done,
    NotNow,
    Never,
}

/// Why the network reminded us.
#[derive(Clone, Copy, Debug)]
enum Due {
    Script,
    Lookup,
    Client,
    End,
    Look,
    Mend,
}

fn due(kind: Due, number: u64) -> u64 {
    number << 8 | kind as u64
}

/// Between two looks at the whole ring, for each member.
const CHECK_US_PER_MEMBER: u64 = 1_000;

/// How a machine gets its disk mended.
const MENDING: Fault = Fault::Restart {
    after_ms: 500,
    keep: true,
};

/// Before a step that the proof does not allow is tried again, and how often.
const RETRY_US: u64 = 20_000;
const TRIES_MAX: u64 = 250;

/// How long what has begun may take to end.
const LINGER_US: u64 = 700_000_000;

/// The stream of chance that clients draw from.
const STREAM: u64 = 2;
