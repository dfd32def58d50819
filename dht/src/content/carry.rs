//! Carry: what a node brings along from a ring that it has left for another one.
//!
//! With one copy the content of a ring that dissolves is with its nodes alone. What a node served there and
//! does not serve in the other ring it stores there, a few records at a time, as a client would, and then
//! forgets. Where the other ring has a value of the same key that one stays: which of the two is later
//! nobody can tell.

use alloc::vec::Vec;

use crate::content::coordinate::{Operation, Purpose};
use crate::event::Action;
use crate::id::{Arc, Id};
use crate::lookup::Lookup;
use crate::message::{Route, Routing};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::ranges;
use crate::record::{Change, Condition, Record};
use crate::store::{Command, Limit};
use crate::view::Decision;

/// What is still to be stored elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// Where it lies.
    arcs: Vec<Arc>,
    /// Whether the store is reading some of it.
    is_reading: bool,
    /// Records on their way.
    open: usize,
    /// Whether one of them did not arrive: the rest has to wait.
    is_held_up: bool,
}

impl<A: Address> Node<A> {
    /// This node is about to join another ring, or this one anew. Groups follow their members by themselves.
    pub(crate) fn carry_along(&mut self) {
        if self.is_replicated() {
            return;
        }
        let carried = self.carried.get_or_insert_default();
        for range in &self.view.serves {
            let rest = ranges::missing(range.arc, carried.arcs.iter().copied());
            carried.arcs.extend(rest);
        }
    }

    /// Arcs whose records are still to be stored elsewhere, and must not be forgotten before.
    pub(crate) fn carried_arcs(&self) -> &[Arc] {
        self.carried.as_ref().map_or(&[], |carried| &carried.arcs)
    }

    /// Reads what is to be stored elsewhere next, once this node has all that it should serve itself.
    pub(crate) fn carry(&mut self, out: &mut Vec<Action<A>>) {
        if self.carried.is_none() || !self.is_in_ring() || self.missing_arc().is_some() {
            return;
        }
        let served: Vec<Arc> = self.view.serves.iter().map(|range| range.arc).collect();
        let Some(carried) = &mut self.carried else {
            return;
        };
        if carried.is_reading || carried.open > 0 {
            return;
        }
        let arcs = core::mem::take(&mut carried.arcs).into_iter();
        let rest = arcs.flat_map(|arc| ranges::missing(arc, served.iter().copied()));
        carried.arcs = rest.collect();
        carried.is_held_up = false;
        let Some(arc) = carried.arcs.first().copied() else {
            self.carried = None;
            return self.reconcile(out);
        };
        carried.is_reading = true;
        let (after, limit) = (None, PAGE);
        let command = Command::Scan { arc, after, limit };
        self.store(command, Errand::Carry(arc), out);
    }

    /// The store has read what is to be stored elsewhere.
    pub(crate) fn carried_read(
        &mut self,
        arc: Arc,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(carried) = &mut self.carried else {
            return;
        };
        carried.is_reading = false;
        if records.is_empty() {
            carried.arcs.retain(|other| *other != arc);
            return self.carry(out);
        }
        // Counted first: the last one may be stored before the next one is on its way.
        carried.open = records.len();
        for (key, record) in records {
            match record.filter(|record| record.value.is_some()) {
                Some(record) => self.store_elsewhere(key, record, out),
                None => self.has_carried(key, out),
            }
        }
    }

    fn store_elsewhere(&mut self, key: Id, record: Record, out: &mut Vec<Action<A>>) {
        let change = Change {
            name: record.name,
            value: record.value,
            condition: Condition::Absent,
            flags: record.flags,
            expires_ms: record.expires_ms,
            now_ms: 0,
        };
        let route = Route {
            key,
            rule: self.config.ownership,
            routing: Routing::Finger,
        };
        let lookup = Lookup::from(route, &self.view.me, self.known(route));
        self.operate(Operation::new(Purpose::Carry(change), lookup), out);
    }

    /// The store could not read it: the next stabilization tries again.
    pub(crate) fn carrying_failed(&mut self) {
        if let Some(carried) = &mut self.carried {
            carried.is_reading = false;
        }
    }

    /// A record is stored elsewhere, or was there already.
    pub(crate) fn has_carried(&mut self, key: Id, out: &mut Vec<Action<A>>) {
        // Meanwhile this node may have become the one to keep it.
        if matches!(self.view.decide(key), Decision::Elsewhere(_)) {
            let command = Command::Write {
                put: Vec::new(),
                merge: Vec::new(),
                forget: [key].into(),
                notes: Vec::new(),
            };
            self.store(command, Errand::Discard, out);
        }
        self.one_less(false, out);
    }

    /// A record has found nobody who keeps it, or may not have: it is tried again with the next stabilization.
    pub(crate) fn has_not_carried(&mut self, out: &mut Vec<Action<A>>) {
        self.one_less(true, out);
    }

    fn one_less(&mut self, is_held_up: bool, out: &mut Vec<Action<A>>) {
        let Some(carried) = &mut self.carried else {
            return;
        };
        carried.open = carried.open.saturating_sub(1);
        carried.is_held_up |= is_held_up;
        if carried.open == 0 && !carried.is_held_up {
            self.carry(out);
        }
    }
}

/// What is on its way at a time: a client among others.
const PAGE: Limit = Limit {
    records: 32,
    bytes: 256 * 1024,
};
