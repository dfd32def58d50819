//! Page: the records of a shard, a batch at a time, for those that lack too much of it or have just come.
//!
//! Pages of a shard that goes on changing are of different moments. So whoever takes them shows nothing of them
//! before it also has what the giver had at the last one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::log::{BATCH_BYTES_MAX, Log};
use super::message::{Ask, Returned, Told};
use super::operate::Asker;
use super::seen::Seen;
use super::sync::Then;
use super::vector::Vector;
use super::write::Clock;
use super::{About, Causal, Errand};
use crate::event::{Action, Ticket};
use crate::id::{Arc, Id};
use crate::peer::Address;
use crate::record::Record;
use crate::store::{Command, Limit};

/// Why a page is read of the own store.
#[derive(Clone, Debug)]
pub(super) enum Paging {
    /// For another node.
    Give(Ticket, Given),
    /// To count its live keys.
    Count(Asker, u32, u64),
    /// To forget what is on it and belongs to other shards of this layout.
    Purge(u32),
}

/// What is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// The own shard, as it is.
    Own,
    /// Of the own shard of the layout before, what belongs to this shard of the one in force.
    Former(u32),
    /// Of the own shard, what belongs to this shard of the layout that comes next.
    Cut(u32),
}

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
    /// What the giver had at the first page.
    first: Option<Seen>,
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
            first: None,
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

    pub(super) fn page_for(
        &mut self,
        ticket: Ticket,
        epoch: u32,
        shard: u32,
        after: Option<Id>,
        out: &mut Vec<Action<A>>,
    ) {
        match self.given(epoch, shard) {
            Some(given) => self.scan(Paging::Give(ticket, given), after, out),
            None => self.tell_news(ticket, out),
        }
    }

    /// What this node can give of a shard under a layout, if anything.
    fn given(&self, epoch: u32, shard: u32) -> Option<Given> {
        self.founding.as_ref()?;
        let own = self.shard();
        let is_present = epoch == self.layout.epoch;
        if is_present && own == Some(shard) {
            return self.content.is_whole().then_some(Given::Own);
        }
        // On its way it may still have what others need to come as far as it is.
        match is_present {
            true => self.former.is_some().then_some(Given::Former(shard)),
            false => {
                let has_cut = epoch == self.decree.layout.epoch && self.has_cut();
                has_cut.then_some(Given::Cut(shard))
            }
        }
    }

    pub(super) fn page_told(
        &mut self,
        node: &A,
        serial: usize,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
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
        filling.after = next;
        let (of, shard) = (filling.of, filling.shard);
        let first = filling.first.get_or_insert_with(|| seen.clone()).clone();
        let vector = seen.of(shard).cloned().unwrap_or_default();
        let is_beyond = self.relocation.is_some() && !self.cut_of(shard).covers(&vector);
        // What belongs to a layout that is not known here yet is not taken: after a restart it would show.
        let is_early = is_ahead && self.relocation.is_none();
        if of.is_none() && (is_beyond || is_early) {
            self.filling = None;
            return;
        }
        self.content.is_ahead |= is_ahead;
        self.merge_page(records, out);
        if next.is_some() {
            return self.ask_page(out);
        }
        self.filling = None;
        match of {
            Some(shard) => self.got_base(shard, out),
            None => {
                self.content.seen.merge(&first);
                self.content.log = Log::after(self.content.vector(shard));
                self.content.target = Some(vector);
                let notes = [self.seen_note()].into();
                self.note(notes, out);
                self.drop_shown(shard, out);
                self.settle(out);
                self.compare_with(node, out);
            }
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

    /// Counts the live keys of a shard, which is the own one.
    pub(super) fn count(&mut self, asker: Asker, shard: u32, out: &mut Vec<Action<A>>) {
        match self.shard() == Some(shard) && self.content.serves {
            true => self.scan(Paging::Count(asker, shard, 0), None, out),
            false => match asker {
                Asker::Node(ticket) => self.tell_news(ticket, out),
                Asker::Client(ticket) => self.fail(ticket, super::Failure::Moving, out),
            },
        }
    }

    /// Forgets what belongs to other shards.
    pub(super) fn purge(&mut self, out: &mut Vec<Action<A>>) {
        self.scan(Paging::Purge(self.layout.epoch), None, out);
    }

    fn scan(&mut self, paging: Paging, after: Option<Id>, out: &mut Vec<Action<A>>) {
        let command = Command::Scan {
            arc: Arc::WHOLE,
            after,
            limit: PAGE,
        };
        self.store(command, Errand::Page(paging), out);
    }

    pub(super) fn scanned(
        &mut self,
        paging: Paging,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        let next = records.last().map(|(key, _)| *key);
        let records = records.into_iter();
        let records = records.filter_map(|(key, record)| Some((key, record?)));
        match paging {
            Paging::Give(ticket, given) => {
                let records = records.filter(|(key, _)| self.is_given(*key, given));
                let seen = match (given, &self.former) {
                    (Given::Own, _) => self.content.seen.clone(),
                    (Given::Former(_), Some(former)) => Seen::none_of(former.layout.epoch),
                    (Given::Former(_), None) => return self.tell_news(ticket, out),
                    (Given::Cut(_), _) => Seen::none_of(self.layout.epoch),
                };
                let told = Told::Page {
                    records: records.collect(),
                    seen,
                    next,
                    is_ahead: given == Given::Own && self.content.is_ahead,
                };
                self.when_durable(Then::Tell(ticket, told.into()), out);
            }
            Paging::Count(asker, shard, count) => {
                let is_live = |(key, record): &(Id, Record)| {
                    record.value.is_some() && self.layout.shard_of(*key) == shard
                };
                let count = count + records.filter(is_live).count() as u64;
                match (next, asker) {
                    (Some(_), _) => self.scan(Paging::Count(asker, shard, count), next, out),
                    (None, Asker::Client(ticket)) => self.give(ticket, Returned::Count(count), out),
                    (None, Asker::Node(ticket)) => self.tell(ticket, Told::Counted(count), out),
                }
            }
            Paging::Purge(epoch) => {
                if epoch != self.layout.epoch || self.relocation.is_some() {
                    return;
                }
                let own = self.shard();
                let is_foreign = |key: &Id| Some(self.layout.shard_of(*key)) != own;
                let forget: Vec<Id> = records.map(|(key, _)| key).filter(is_foreign).collect();
                let command = Command::Write {
                    put: Vec::new(),
                    merge: Vec::new(),
                    forget,
                    notes: Vec::new(),
                };
                self.store(command, Errand::Nothing, out);
                if next.is_some() {
                    self.scan(Paging::Purge(epoch), next, out);
                }
            }
        }
    }

    fn is_given(&self, key: Id, given: Given) -> bool {
        match (given, &self.former) {
            (Given::Own, _) => Some(self.layout.shard_of(key)) == self.shard(),
            (Given::Former(shard), Some(former)) => {
                former.layout.shard_of(key) == former.shard && self.layout.shard_of(key) == shard
            }
            (Given::Former(_), None) => false,
            (Given::Cut(shard), _) => {
                Some(self.layout.shard_of(key)) == self.shard()
                    && self.decree.layout.shard_of(key) == shard
            }
        }
    }
}

/// How much goes into one page: so little that nothing else waits long behind it.
const PAGE: Limit = Limit {
    records: 512,
    bytes: BATCH_BYTES_MAX,
};
