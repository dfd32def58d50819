//! Sweep: a node goes through all that it holds, page by page, and sees that it is where it belongs.
//!
//! While a step is under way it offers what moves to those that are to have it. What it holds without being
//! one of its replicas it offers to those that are, and forgets it when a majority of them has it. In repair it
//! offers all it keeps to the other replicas: so one that was away, or lost what it had, gets its copies back.
//! One page is under way at a time, so whoever is slow is not flooded.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::Action;
use crate::id::{Arc, Id};
use crate::listed::behind::{Missed, keys_of};
use crate::listed::exchange::About;
use crate::listed::message::{Told, What};
use crate::listed::steer::GONE;
use crate::listed::table::Table;
use crate::listed::{Errand, Listed};
use crate::peer::Address;
use crate::record::{Record, Version};
use crate::store::{Command, Limit};

/// What is swept, and what is to be.
#[derive(Clone, Debug)]
pub(super) struct Sweeping {
    sweep: Option<Sweep>,
    /// Sweeps so far.
    number: u32,
    /// Whether what moves, or does not belong here, is still to be looked for.
    pub(super) is_due: bool,
    /// Whether all that moves in the present step has been handed over.
    pub(super) is_done: bool,
    /// Beats before the next sweep.
    rest: u32,
    /// Beats since the last repair.
    age: u32,
    /// Records that others have taken over, and that are not kept here any more.
    pub(super) moved: usize,
}

/// One way through all that is here.
#[derive(Clone, Debug)]
struct Sweep {
    kind: Kind,
    /// All that is to be looked at, where that is known.
    keys: Option<Vec<Id>>,
    after: Option<Id>,
    /// Whether the next page waits for a beat.
    is_paused: bool,
    /// The present page.
    records: BTreeMap<Id, Record>,
    /// What was offered to whom, and not answered yet.
    offers: BTreeMap<Id, Vec<(Id, Version)>>,
    /// What does not belong here, how many have it, and how many should.
    strays: BTreeMap<Id, (usize, usize)>,
    /// Whether somebody did not answer, so that it is to be begun anew.
    has_failed: bool,
    /// Whether something that moves has not been handed over.
    is_short: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// What moves, and what does not belong here.
    Step,
    /// Copies for these, which have missed something.
    CatchUp(BTreeMap<Id, Missed>),
    /// Copies for all others.
    Repair,
}

impl Sweeping {
    /// Nothing has been swept in this life: what is here is to be looked through as soon as others are there.
    pub(super) fn begin_again(&mut self) {
        self.is_due = true;
        self.age = REPAIR;
    }

    pub(super) const fn new() -> Sweeping {
        Sweeping {
            sweep: None,
            number: 0,
            is_due: false,
            is_done: false,
            rest: 0,
            age: 0,
            moved: 0,
        }
    }
}

impl<A: Address> Listed<A> {
    /// There is a new table: what it moves is to be handed over, and what is no longer kept here.
    pub(super) fn sweep_for(&mut self, table: &Table<A>, loses: bool, out: &mut Vec<Action<A>>) {
        let is_source = table.change.is_some() && table.sources().contains(&self.me);
        let was_due = self.sweeping.is_due;
        self.sweeping.is_done = !is_source;
        self.sweeping.is_due = was_due || is_source || loses;
        self.behind.retain(|id, _| table.member(*id).is_some());
        // Whatever it was, it went by another table.
        match self.sweeping.sweep.take().map(|sweep| sweep.kind) {
            Some(Kind::CatchUp(others)) => self.fall_behind(others),
            Some(Kind::Step) => self.sweeping.is_due = true,
            Some(Kind::Repair) | None => {}
        }
        self.sweeping.rest = 0;
        self.keep_sweeping_now(out);
    }

    /// On a beat.
    pub(super) fn keep_sweeping(&mut self, out: &mut Vec<Action<A>>) {
        if self.version() == 0 {
            return;
        }
        self.sweeping.rest = self.sweeping.rest.saturating_sub(1);
        self.sweeping.age += 1;
        if let Some(sweep) = &mut self.sweeping.sweep {
            if core::mem::take(&mut sweep.is_paused) {
                self.next_page(out);
            }
            return;
        }
        self.keep_sweeping_now(out);
    }

    /// Begins the sweep that is due, if one is.
    fn keep_sweeping_now(&mut self, out: &mut Vec<Action<A>>) {
        let sweeping = &self.sweeping;
        if sweeping.sweep.is_some() || sweeping.rest > 0 {
            return;
        }
        let copies = self.table.as_ref().map_or(1, |table| table.replicas);
        let behind = self.behind.iter();
        let back = behind.filter(|(id, _)| !self.is_absent(**id));
        let back: BTreeMap<Id, Missed> = back.map(|(id, missed)| (*id, missed.clone())).collect();
        let kind = if sweeping.is_due {
            Kind::Step
        } else if !back.is_empty() {
            self.behind.retain(|id, _| !back.contains_key(id));
            Kind::CatchUp(back)
        } else if copies > 1 && sweeping.age >= REPAIR {
            Kind::Repair
        } else {
            return;
        };
        if kind == Kind::Repair {
            self.sweeping.age = 0;
        }
        self.sweeping.number = self.sweeping.number.wrapping_add(1);
        self.sweeping.is_due = false;
        let keys = match &kind {
            Kind::CatchUp(behind) => keys_of(behind),
            Kind::Step | Kind::Repair => None,
        };
        self.sweeping.sweep = Some(Sweep {
            kind,
            keys,
            after: None,
            is_paused: false,
            records: BTreeMap::new(),
            offers: BTreeMap::new(),
            strays: BTreeMap::new(),
            has_failed: false,
            is_short: false,
        });
        self.next_page(out);
    }

    fn next_page(&mut self, out: &mut Vec<Action<A>>) {
        let page = self.config.page as usize;
        let Some(sweep) = &mut self.sweeping.sweep else {
            return;
        };
        let command = match &mut sweep.keys {
            Some(keys) => {
                let rest = keys.split_off(page.min(keys.len()));
                Command::Collect(core::mem::replace(keys, rest))
            }
            None => Command::Scan {
                arc: Arc::WHOLE,
                after: sweep.after,
                limit: Limit {
                    records: page,
                    bytes: PAGE_BYTES,
                },
            },
        };
        self.store(command, Errand::Page(self.sweeping.number), out);
    }

    /// A page is read: each record of it is offered to those that should have it.
    pub(super) fn page_read(
        &mut self,
        number: u32,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        if number != self.sweeping.number {
            return;
        }
        let Some(mut sweep) = self.sweeping.sweep.take() else {
            return;
        };
        let Some((last, _)) = records.last() else {
            return self.swept(sweep, out);
        };
        sweep.after = Some(*last);
        sweep.records.clear();
        sweep.strays.clear();
        for (key, record) in records {
            let Some(record) = record else {
                continue;
            };
            self.tick(record.version);
            for to in self.lacking(key, &mut sweep) {
                if self.is_passed_over(to, &sweep.kind) {
                    self.falls_behind(to);
                    // Nobody is to be told that it has caught up.
                    sweep.has_failed |= matches!(sweep.kind, Kind::CatchUp(_));
                    continue;
                }
                let offer = sweep.offers.entry(to).or_default();
                offer.push((key, record.version));
            }
            sweep.records.insert(key, record);
        }
        let is_owed = matches!(sweep.kind, Kind::CatchUp(_));
        for (to, items) in sweep.offers.clone() {
            let what = What::Offer { items, is_owed };
            self.ask(to, what, About::Sweep(number), out);
        }
        let is_empty = sweep.offers.is_empty();
        self.sweeping.sweep = Some(sweep);
        if is_empty {
            self.page_done(out);
        }
    }

    /// The page can't be read now: it is tried again with the next beat.
    pub(super) fn page_unreadable(&mut self, number: u32) {
        if number == self.sweeping.number
            && let Some(sweep) = &mut self.sweeping.sweep
        {
            sweep.is_paused = true;
        }
    }

    /// Whether one gets what it is to have when it is back, since nobody needs its copy now.
    fn is_passed_over(&self, id: Id, kind: &Kind) -> bool {
        let table = self.table.as_ref();
        let has_copies = table.is_some_and(|table| {
            table.replicas > 1 && table.joiner().is_none_or(|joiner| joiner.peer.id != id)
        });
        match kind {
            Kind::Step => has_copies && self.is_gone_for(id, GONE),
            Kind::CatchUp(_) | Kind::Repair => self.is_absent(id),
        }
    }

    /// Those to which a record is to be offered.
    fn lacking(&self, key: Id, sweep: &mut Sweep) -> Vec<Id> {
        let now = self.replicas(key);
        let heirs = self.heirs(key).unwrap_or_default();
        let mut others = match (now.contains(&self.me), &sweep.kind) {
            (true, Kind::Step) => heirs.into_iter().filter(|id| !now.contains(id)).collect(),
            (true, Kind::CatchUp(behind)) => now
                .into_iter()
                .filter(|id| behind.contains_key(id))
                .collect(),
            (true, Kind::Repair) => now,
            (false, Kind::Step) if !heirs.contains(&self.me) => {
                sweep.strays.insert(key, (0, now.len() / 2 + 1));
                now
            }
            (false, _) => Vec::new(),
        };
        others.retain(|id| *id != self.me);
        others
    }

    /// One has said what it lacks, or that it has got it.
    pub(super) fn sweep_told(
        &mut self,
        number: u32,
        to: Id,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        if number != self.sweeping.number {
            return;
        }
        let Some(sweep) = &mut self.sweeping.sweep else {
            return;
        };
        match told {
            Told::Wanted(keys) if !keys.is_empty() => {
                let record = |key: Id| Some((key, sweep.records.get(&key)?.clone()));
                let records: Vec<(Id, Record)> = keys.into_iter().filter_map(record).collect();
                self.ask(to, What::Put(records), About::Sweep(number), out);
            }
            Told::Wanted(_) => self.took(to, out),
            Told::Kept(newer) => {
                self.merge(newer, out);
                self.took(to, out);
            }
            _ => {}
        }
    }

    /// One has all that it was offered.
    fn took(&mut self, to: Id, out: &mut Vec<Action<A>>) {
        let Some(sweep) = &mut self.sweeping.sweep else {
            return;
        };
        for (key, _) in sweep.offers.remove(&to).unwrap_or_default() {
            if let Some((has, _)) = sweep.strays.get_mut(&key) {
                *has += 1;
            }
        }
        if sweep.offers.is_empty() {
            self.page_done(out);
        }
    }

    /// One has not answered.
    pub(super) fn sweep_missed(&mut self, number: u32, to: Id, out: &mut Vec<Action<A>>) {
        if number != self.sweeping.number {
            return;
        }
        let Some(sweep) = &mut self.sweeping.sweep else {
            return;
        };
        let items = sweep.offers.remove(&to).unwrap_or_default();
        sweep.has_failed = true;
        sweep.is_short |= items.iter().any(|(key, _)| !sweep.strays.contains_key(key));
        if sweep.offers.is_empty() {
            self.page_done(out);
        }
    }

    /// All have answered: what does not belong here, and is where it belongs, is forgotten.
    fn page_done(&mut self, out: &mut Vec<Action<A>>) {
        let Some(sweep) = &mut self.sweeping.sweep else {
            return;
        };
        let strays = core::mem::take(&mut sweep.strays).into_iter();
        let (given, kept): (Vec<_>, Vec<_>) = strays.partition(|(_, (has, least))| has >= least);
        sweep.has_failed |= !kept.is_empty();
        // There is no hurry to repair what may be whole.
        sweep.is_paused = sweep.kind == Kind::Repair;
        let is_paused = sweep.is_paused;
        let forget: Vec<Id> = given.into_iter().map(|(key, _)| key).collect();
        self.sweeping.moved += forget.len();
        if !forget.is_empty() {
            self.store(Command::forget(forget), Errand::Discard, out);
        }
        if !is_paused {
            self.next_page(out);
        }
    }

    /// All that is here has been gone through.
    fn swept(&mut self, sweep: Sweep, out: &mut Vec<Action<A>>) {
        match sweep.kind {
            Kind::Step => {
                if sweep.has_failed {
                    self.sweeping.is_due = true;
                    self.sweeping.rest = REST;
                } else if !self.is_member() {
                    self.say_farewell(out);
                }
                if !sweep.is_short {
                    self.sweeping.is_done = true;
                    if let Some(leader) = self.leader() {
                        self.report_sweep(leader, out);
                    }
                    self.pursue(out);
                }
            }
            Kind::CatchUp(behind) if sweep.has_failed => {
                self.fall_behind(behind);
                self.sweeping.rest = REST;
            }
            Kind::CatchUp(behind) => {
                // Now they have all that this node had when they came back.
                for to in behind.into_keys() {
                    let what = What::Offer {
                        items: Vec::new(),
                        is_owed: false,
                    };
                    self.ask(to, what, About::CaughtUp, out);
                }
            }
            Kind::Repair => {}
        }
        if self.sweeping.sweep.is_none() {
            self.keep_sweeping_now(out);
        }
    }
}

/// Bytes that are read at a time.
const PAGE_BYTES: usize = 256 * 1024;

/// Beats before a sweep that failed is begun anew: half a second.
const REST: u32 = 2;

/// Beats between two repairs: a minute.
const REPAIR: u32 = 240;
