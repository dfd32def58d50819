//! Write: a replica makes a change, and sees to it that the others have it.
//!
//! It judges the change by its own copy, or where it has none by those of the others, and stamps it with a time
//! that is later than all it has seen: that of the clock of whoever took the change, or the next one. If another
//! replica turns out to have something newer, the change is judged again by that. While a key moves, those that
//! are to keep it get it as well.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::Id;
use crate::listed::exchange::About;
use crate::listed::message::{Refused, What};
use crate::listed::{Done, Errand, Listed};
use crate::peer::Address;
use crate::record::{Change, Changed, Condition, Record, Version};
use crate::store::Command;

/// Who wants to read or to change something.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A client of this node, by this operation.
    Client(Ticket),
    /// Another member.
    Member(Ticket),
    /// Somebody who asks this very node.
    Outside(Ticket),
}

/// A change on its way to all that are to have it.
#[derive(Clone, Debug)]
pub(super) struct Write {
    key: Id,
    change: Change,
    asker: Asker,
    changed: Option<Changed>,
    record: Option<Record>,
    /// Those that keep the key, and those that will after the step that is under way.
    groups: Vec<Vec<Id>>,
    /// Those that have it durably.
    has: BTreeSet<Id>,
    /// Those that may still say so.
    waits: BTreeSet<Id>,
    /// Which attempt this is to have it where it belongs: what comes of earlier ones counts no more.
    attempt: u32,
    /// How often it was judged.
    judged: u8,
}

impl<A: Address> Listed<A> {
    /// Somebody wants to make a change.
    pub(super) fn serve_change(
        &mut self,
        key: Id,
        change: Change,
        asker: Asker,
        out: &mut Vec<Action<A>>,
    ) {
        let refused = self.refuses(key);
        let refused = refused.or_else(|| (!self.is_reachable(key)).then_some(Refused::Alone));
        match refused {
            Some(refused) => self.deliver(key, asker, Done::Refused(refused), out),
            None if self.is_doubtful(key) || self.is_to_be_seen(key, &change) => {
                self.gather(key, asker, Some(change), out);
            }
            None => self.make(key, change, asker, out),
        }
    }

    /// Whether what becomes of a change depends on a copy that others may have where this node has none: a store
    /// may lose what it had, and nobody hears of it. What is written whatever there was is newer than all copies.
    fn is_to_be_seen(&self, key: Id, change: &Change) -> bool {
        depends(change) && self.replicas(key).len() > 1
    }

    /// Whether enough of those that should have a write are there, as far as known.
    fn is_reachable(&self, key: Id) -> bool {
        let there = |id: &&Id| !self.is_absent(**id);
        self.groups(key)
            .iter()
            .all(|group| group.iter().filter(there).count() >= least(group.len()))
    }

    /// Those that keep a key, and those that will after the step that is under way.
    fn groups(&self, key: Id) -> Vec<Vec<Id>> {
        let mut groups = Vec::from([self.replicas(key)]);
        groups.extend(self.heirs(key).filter(|heirs| *heirs != groups[0]));
        groups
    }

    /// Makes the change here.
    pub(super) fn make(&mut self, key: Id, change: Change, asker: Asker, out: &mut Vec<Action<A>>) {
        let write = self.writes.insert(Write {
            key,
            change,
            asker,
            changed: None,
            record: None,
            groups: Vec::new(),
            has: BTreeSet::new(),
            waits: BTreeSet::new(),
            attempt: 0,
            judged: 0,
        });
        self.attempt(write, out);
    }

    fn attempt(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(write) = self.writes.find(ticket) else {
            return;
        };
        write.attempt += 1;
        write.judged += 1;
        write.has.clear();
        write.waits.clear();
        write.record = None;
        let (key, change, attempt) = (write.key, write.change.clone(), write.attempt);
        let version = self.stamp(key, change.now_ms);
        let command = Command::Change {
            key,
            change,
            version,
            tombstone: true,
            note: None,
        };
        self.store(command, Errand::Change(ticket), out);
        self.store(Command::Read(key), Errand::Written(ticket, attempt), out);
    }

    /// A version that is newer than all that this node has seen, and that no other replica gives.
    fn stamp(&mut self, key: Id, now_ms: u64) -> Version {
        self.clock = (self.clock + 1).max(now_ms << COUNTS);
        let replicas = self.replicas(key);
        let rank = replicas.iter().position(|id| *id == self.me);
        let rank = rank.unwrap_or(replicas.len()) as u64;
        Version::from_number(self.clock << RANKS | rank)
    }

    /// Takes note of the time of a version.
    pub(super) fn tick(&mut self, version: Version) {
        self.clock = self.clock.max(version.number() >> RANKS);
    }

    /// The own store has judged it.
    pub(super) fn changed(&mut self, ticket: Ticket, changed: Changed, out: &mut Vec<Action<A>>) {
        let Some(write) = self.writes.find(ticket) else {
            return;
        };
        write.changed = Some(changed);
        match changed {
            Changed::Created(version) | Changed::Replaced(version) => self.tick(version),
            Changed::Deleted => {}
            Changed::Missing | Changed::Refused(_) | Changed::Collision => {
                let (key, asker) = (write.key, write.asker);
                self.writes.take(ticket);
                self.deliver(key, asker, Done::Changed(changed, 1), out);
            }
        }
    }

    /// The own store could not make it.
    pub(super) fn unchanged(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        self.end(ticket, |_| Done::Refused(Refused::Store), out);
    }

    /// What it has made of it is to be at the others.
    pub(super) fn written(
        &mut self,
        ticket: Ticket,
        attempt: u32,
        record: Option<Record>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(write) = self.writes.find(ticket) else {
            return;
        };
        if write.attempt != attempt {
            return;
        }
        match record.is_some() {
            true => {
                write.record = record;
                self.spread(ticket, out);
            }
            false => self.end(ticket, |_| Done::Refused(Refused::Unsure), out),
        }
    }

    /// Sends it to all that are to have it by the present table.
    fn spread(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(write) = self.writes.look(ticket) else {
            return;
        };
        let (key, attempt) = (write.key, write.attempt);
        let Some(record) = write.record.clone() else {
            return;
        };
        let groups = self.groups(key);
        let to: BTreeSet<Id> = groups.iter().flatten().copied().collect();
        let there: BTreeSet<Id> = to
            .iter()
            .copied()
            .filter(|id| !self.is_absent(*id))
            .collect();
        for away in to.difference(&there) {
            self.misses(*away, key);
        }
        if let Some(write) = self.writes.find(ticket) {
            write.groups = groups;
            write.waits.clone_from(&there);
        }
        for other in there {
            if other == self.me {
                self.store(Command::Sync, Errand::Synced(ticket, attempt), out);
            } else {
                let what = What::Put([(key, record.clone())].into());
                self.ask(other, what, About::Write(ticket, attempt, key), out);
            }
        }
        self.acknowledge(ticket, out);
    }

    /// There is another table: what is under way goes to those that it names.
    pub(super) fn spread_anew(&mut self, out: &mut Vec<Action<A>>) {
        for ticket in self.writes.tickets(|write| write.record.is_some()) {
            if let Some(write) = self.writes.find(ticket) {
                write.attempt += 1;
                write.has.clear();
            }
            self.spread(ticket, out);
        }
    }

    /// It is durable here.
    pub(super) fn write_synced(&mut self, ticket: Ticket, attempt: u32, out: &mut Vec<Action<A>>) {
        self.write_got(ticket, attempt, self.me, out);
    }

    /// It never will be: the others may have it for good.
    pub(super) fn write_not_synced(
        &mut self,
        ticket: Ticket,
        attempt: u32,
        out: &mut Vec<Action<A>>,
    ) {
        if let Some(write) = self.writes.find(ticket)
            && write.attempt == attempt
        {
            write.waits.remove(&self.me);
            self.acknowledge(ticket, out);
        }
    }

    fn write_got(&mut self, ticket: Ticket, attempt: u32, by: Id, out: &mut Vec<Action<A>>) {
        if let Some(write) = self.writes.find(ticket)
            && write.attempt == attempt
        {
            write.waits.remove(&by);
            write.has.insert(by);
            self.acknowledge(ticket, out);
        }
    }

    /// Another one has it, or something newer.
    pub(super) fn write_kept(
        &mut self,
        ticket: Ticket,
        attempt: u32,
        by: Id,
        newer: Vec<(Id, Record)>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some((key, record)) = newer.into_iter().next() else {
            return self.write_got(ticket, attempt, by, out);
        };
        self.tick(record.version);
        let errand = Errand::Newer(ticket, attempt, by, record);
        self.store(Command::Read(key), errand, out);
    }

    /// Another one has something newer. If it is known here by now, it came after this write.
    pub(super) fn newer_found(
        &mut self,
        (ticket, attempt): (Ticket, u32),
        by: Id,
        newer: Record,
        here: Option<Record>,
        out: &mut Vec<Action<A>>,
    ) {
        if here.is_some_and(|here| here.version >= newer.version) {
            return self.write_got(ticket, attempt, by, out);
        }
        let Some(write) = self.writes.find(ticket) else {
            return;
        };
        if write.attempt != attempt {
            return;
        }
        let (key, is_last) = (write.key, write.judged >= JUDGED_MAX);
        self.merge([(key, newer)].into(), out);
        match !is_last {
            true => self.attempt(ticket, out),
            false => self.end(ticket, |_| Done::Refused(Refused::Unsure), out),
        }
    }

    /// Another one has something newer, and what is here can't be read: it may have come before this write, which
    /// then was not judged by it, or after.
    pub(super) fn newer_unknown(&mut self, ticket: Ticket, attempt: u32, out: &mut Vec<Action<A>>) {
        let write = self.writes.look(ticket);
        if write.is_some_and(|write| write.attempt == attempt) {
            self.end(ticket, |_| Done::Refused(Refused::Unsure), out);
        }
    }

    /// Another one has not answered.
    pub(super) fn write_missed(
        &mut self,
        ticket: Ticket,
        attempt: u32,
        (by, key): (Id, Id),
        out: &mut Vec<Action<A>>,
    ) {
        // It may have been acknowledged already, since others have it.
        self.misses(by, key);
        if let Some(write) = self.writes.find(ticket)
            && write.attempt == attempt
        {
            write.waits.remove(&by);
            self.acknowledge(ticket, out);
        }
    }

    /// Says so when enough have it, or when it is clear that they will not.
    fn acknowledge(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(write) = self.writes.look(ticket) else {
            return;
        };
        let is_over = write.waits.is_empty();
        let groups = &write.groups;
        let has = |group: &[Id]| group.iter().filter(|id| write.has.contains(id)).count();
        let is_enough = groups.iter().all(|group| {
            let least = if is_over {
                least(group.len())
            } else {
                group.len() / 2 + 1
            };
            has(group) >= least
        });
        let copies = has(&groups[0]).max(1) as u8;
        if is_enough {
            let done = |write: &Write| match write.changed {
                Some(changed) => Done::Changed(changed, copies),
                None => Done::Refused(Refused::Unsure),
            };
            self.end(ticket, done, out);
        } else if is_over {
            self.end(ticket, |_| Done::Refused(Refused::Unsure), out);
        }
    }

    fn end(&mut self, ticket: Ticket, done: impl FnOnce(&Write) -> Done, out: &mut Vec<Action<A>>) {
        if let Some(write) = self.writes.take(ticket) {
            let done = done(&write);
            self.deliver(write.key, write.asker, done, out);
        }
    }
}

/// Whether it matters for a change what there is.
pub(super) fn depends(change: &Change) -> bool {
    change.value.is_none() || change.condition != Condition::Always
}

/// How many of so many replicas have to have a write. With two, one is enough where the other can't be
/// reached: or else a second copy would make writes fail more often than none.
fn least(replicas: usize) -> usize {
    match replicas {
        0..=2 => 1,
        _ => replicas / 2 + 1,
    }
}

/// Bits of a version that tell apart what two replicas stamp at the same time: there are up to 7 of them.
const RANKS: u32 = 3;

/// Bits of a version that count within a millisecond. With those above, versions stay below 2^53 until 2039, so
/// that they survive in JSON.
const COUNTS: u32 = 9;

/// How often one write is judged: each time something newer has turned up.
const JUDGED_MAX: u8 = 8;
