//! Fill: takes the pages of a shard from another node.
//!
//! Pages of a shard that goes on changing are of different moments. So whoever takes them shows nothing of them
//! before it also has what the giver had at the last one. What the giver writes meanwhile it takes between the
//! pages, or there might be more of that at the end than the giver has at hand.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::compare::Comparing;
use super::log::Log;
use super::message::{Ask, Told};
use super::page::Paging;
use super::seen::Seen;
use super::vector::Vector;
use super::write::{Clock, Write, records};
use super::{About, Causal, Errand};
use crate::event::Action;
use crate::id::Id;
use crate::peer::Address;
use crate::record::{Record, TOMBSTONE_MS};
use crate::store::Command;

/// Pages that are being taken.
#[derive(Clone, Debug)]
pub(super) struct Filling<A> {
    from: A,
    /// Which of all fillings it is.
    serial: usize,
    epoch: u32,
    shard: u32,
    after: Option<Id>,
    /// The shard of the layout before that is taken; nothing where it is the own one.
    pub(super) of: Option<u32>,
    /// Of the own shard: what will be there with the last page: what the giver had at the first one, and what it has
    /// written since.
    seen: Option<Seen>,
    /// Whether the giver has all that this node had: what it does not give, it has seen deleted.
    is_ahead_of_me: bool,
    /// Whether it has been asked what it has written.
    is_following: bool,
}

/// Part of the own store that is compared with a page that was taken.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    /// Of which filling.
    pub(super) serial: usize,
    /// What was on the page.
    given: BTreeSet<Id>,
    /// Where it ended; nothing where it was the last one.
    end: Option<Id>,
    /// What the giver had then.
    vector: Vector,
}

impl<A: Address> Causal<A> {
    /// Takes all that another replica has of the own shard.
    pub(super) fn fill_from(&mut self, node: &A, vector: &Vector, out: &mut Vec<Action<A>>) {
        let Some(shard) = self.shard() else {
            return;
        };
        let is_beyond = self.relocation.is_some() && !self.cut_of(shard).covers(vector);
        if self.filling.is_some() || self.has_told() || is_beyond {
            return;
        }
        // Of two that both lack much one has to give: it goes on as it is until the other one has all.
        let has_more = !vector.covers(&self.content.vector(shard));
        if has_more && self.content.is_whole() && self.me.address > *node {
            return;
        }
        self.content.is_partial = true;
        self.content.target = None;
        self.content.serves = false;
        self.content.buffer.clear();
        self.begin_filling(node, self.layout.epoch, shard, None, out);
    }

    pub(super) fn begin_filling(
        &mut self,
        node: &A,
        epoch: u32,
        shard: u32,
        of: Option<u32>,
        out: &mut Vec<Action<A>>,
    ) {
        self.turn = self.turn.wrapping_add(1);
        self.filling = Some(Box::new(Filling {
            from: node.clone(),
            serial: self.turn,
            epoch,
            shard,
            after: None,
            of,
            seen: None,
            is_ahead_of_me: false,
            is_following: false,
        }));
        self.ask_page(out);
    }

    fn ask_page(&mut self, out: &mut Vec<Action<A>>) {
        let Some(filling) = &self.filling else {
            return;
        };
        let (epoch, shard, after) = (filling.epoch, filling.shard, filling.after);
        let about = About::Page(filling.serial);
        match self.roster.peer_in(&filling.from).cloned() {
            Some(peer) => self.ask(
                &peer,
                Ask::Page {
                    epoch,
                    shard,
                    after,
                },
                about,
                out,
            ),
            None => self.filling = None,
        }
    }

    pub(super) fn page_told(&mut self, serial: usize, told: Told<A>, out: &mut Vec<Action<A>>) {
        let is_same = |filling: &&mut Box<Filling<A>>| filling.serial == serial;
        let Some(filling) = self.filling.as_mut().filter(is_same) else {
            return;
        };
        let epoch = filling.epoch - u32::from(filling.of.is_some());
        let (records, seen, next, is_ahead) = match told {
            Told::Page {
                records,
                seen,
                next,
                is_ahead,
            } if seen.epoch == epoch => (records, seen, next, is_ahead),
            told => {
                self.filling = None;
                return self.learned(told, out);
            }
        };
        let after = core::mem::replace(&mut filling.after, next);
        let (of, shard) = (filling.of, filling.shard);
        let vector = seen.of(shard).cloned().unwrap_or_default();
        let is_beyond = self.relocation.is_some() && !self.cut_of(shard).covers(&vector);
        // What belongs to a layout that is not known here yet is not taken: after a restart it would show.
        let is_early = is_ahead && self.relocation.is_none();
        if of.is_none() && (is_beyond || is_early) {
            self.filling = None;
            return;
        }
        self.content.is_ahead |= is_ahead;
        let given = records.iter().map(|(key, _)| *key).collect();
        self.merge_page(records, out);
        match of {
            Some(_) if next.is_some() => self.ask_page(out),
            Some(shard) => {
                self.filling = None;
                self.got_base(shard, out);
            }
            None => {
                self.starts_with(seen, &vector);
                let sweep = Sweep {
                    serial,
                    given,
                    end: next,
                    vector,
                };
                // On the way into a layout there are records that the giver need not have.
                match self.relocation.is_some() {
                    true => self.swept(&sweep, out),
                    false => self.scan(Paging::Sweep(sweep), after, out),
                }
            }
        }
    }

    /// What the giver had at the first page.
    fn starts_with(&mut self, seen: Seen, vector: &Vector) {
        let shard = self.shard();
        let own = shard.map(|shard| self.content.vector(shard));
        if let Some(filling) = self
            .filling
            .as_mut()
            .filter(|filling| filling.seen.is_none())
        {
            filling.is_ahead_of_me = own.is_some_and(|own| vector.covers(&own));
            filling.seen = Some(seen);
        }
    }

    /// Forgets what the giver of a page does not have, where that was deleted: so long ago perhaps that there is no
    /// tombstone any more.
    pub(super) fn sweep(
        &mut self,
        sweep: Sweep,
        own: Vec<(Id, Record)>,
        last: Option<Id>,
        out: &mut Vec<Action<A>>,
    ) {
        let is_same = |filling: &&Filling<A>| filling.serial == sweep.serial;
        let Some(filling) = self.filling.as_deref().filter(is_same) else {
            return;
        };
        let (is_ahead, now_ms) = (filling.is_ahead_of_me, self.clock.ms());
        let is_old = |record: &Record| Clock::of(record).ms().saturating_add(TOMBSTONE_MS) < now_ms;
        let is_within = |key: &Id| sweep.end.is_none_or(|end| *key <= end);
        let is_deleted = |(key, record): &(Id, Record)| {
            let is_own = Some(self.layout.shard_of(*key)) == self.shard();
            let is_missing = is_own && is_within(key) && !sweep.given.contains(key);
            is_missing && (is_ahead || is_old(record))
        };
        let forget: Vec<Id> = own
            .iter()
            .filter(|own| is_deleted(own))
            .map(|(key, _)| *key)
            .collect();
        if !forget.is_empty() {
            self.store(Command::forget(forget), Errand::Nothing, out);
        }
        match last.filter(is_within) {
            Some(last) if Some(last) != sweep.end => {
                self.scan(Paging::Sweep(sweep), Some(last), out)
            }
            _ => self.swept(&sweep, out),
        }
    }

    /// A page is dealt with.
    fn swept(&mut self, sweep: &Sweep, out: &mut Vec<Action<A>>) {
        if sweep.end.is_some() {
            return self.follow(out);
        }
        let filling = self.filling.take();
        let Some((filling, shard)) = filling.zip(self.shard()) else {
            return;
        };
        self.content.seen.merge(&filling.seen.unwrap_or_default());
        self.content.log = Log::after(self.content.vector(shard));
        self.content.target = Some(sweep.vector.clone());
        let notes = [self.seen_note()].into();
        self.note(notes, out);
        self.drop_shown(shard, out);
        self.settle(out);
        self.compare_with(&filling.from, out);
    }

    /// Between two pages: what has the giver written?
    fn follow(&mut self, out: &mut Vec<Action<A>>) {
        let is_busy = self.comparing.is_some() || self.relocation.is_some();
        let Some(filling) = self.filling.as_mut().filter(|_| !is_busy) else {
            return self.ask_page(out);
        };
        let vector = filling
            .seen
            .as_ref()
            .and_then(|seen| seen.of(filling.shard));
        let vector = vector.cloned().unwrap_or_default();
        let (node, epoch) = (filling.from.clone(), filling.epoch);
        let Some(peer) = self.roster.peer_in(&node).cloned() else {
            self.filling = None;
            return;
        };
        filling.is_following = true;
        self.comparing = Some(Comparing { with: node.clone() });
        self.ask(
            &peer,
            Ask::Compare { epoch, vector },
            About::Compare(node, epoch),
            out,
        );
    }

    /// The giver has written this since. What it does not show itself is left to it: it may come to nothing.
    pub(super) fn followed(
        &mut self,
        node: &A,
        writes: Vec<Write>,
        vector: &Vector,
        out: &mut Vec<Action<A>>,
    ) {
        let is_following =
            |filling: &&mut Box<Filling<A>>| filling.is_following && filling.from == *node;
        let Some(filling) = self.filling.as_mut().filter(is_following) else {
            return;
        };
        filling.is_following = false;
        let shard = filling.shard;
        let seen = filling.seen.get_or_insert_default();
        let mut taken = Vec::new();
        for write in writes {
            let have = seen.shards.entry(shard).or_default();
            let is_shown = write.number <= vector.last(write.writer);
            if is_shown && write.is_next(shard, have) {
                seen.merge(&write.after);
                let have = seen.shards.entry(shard).or_default();
                have.raise(write.writer, write.number);
                taken.push(write);
            }
        }
        let is_behind = seen.of(shard).is_none_or(|have| !have.covers(vector));
        if taken.is_empty() {
            return self.ask_page(out);
        }
        self.merge_page(records(&taken), out);
        match is_behind {
            true => self.follow(out),
            false => self.ask_page(out),
        }
    }

    /// It does not say: then perhaps after the next page.
    pub(super) fn follow_missed(&mut self, node: &A, out: &mut Vec<Action<A>>) {
        let is_following =
            |filling: &&mut Box<Filling<A>>| filling.is_following && filling.from == *node;
        if let Some(filling) = self.filling.as_mut().filter(is_following) {
            filling.is_following = false;
            self.ask_page(out);
        }
    }

    pub(super) fn page_missed(&mut self, serial: usize) {
        self.filling.take_if(|filling| filling.serial == serial);
    }

    fn merge_page(&mut self, records: Vec<(Id, Record)>, out: &mut Vec<Action<A>>) {
        let clocks = records.iter().map(|(_, record)| Clock::of(record));
        self.clock = clocks.fold(self.clock, Ord::max);
        let notes = [self.seen_note()].into();
        self.merge(records, notes, out);
    }
}
