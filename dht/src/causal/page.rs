//! Page: the records of a shard, a batch at a time, for those that lack too much of it or have just come.
//!
//! By pages the own store is also counted, and rid of what does not belong there.

use alloc::vec::Vec;

use super::fill::Sweep;
use super::log::BATCH_BYTES_MAX;
use super::message::{Failure, Returned, Told};
use super::operate::Asker;
use super::seen::Seen;
use super::sync::Then;
use super::{Causal, Errand};
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
    /// To forget what is on it and a giver no longer has.
    Sweep(Sweep),
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

impl<A: Address> Causal<A> {
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

    /// Counts the live keys of a shard, which is the own one.
    pub(super) fn count(&mut self, asker: Asker, shard: u32, out: &mut Vec<Action<A>>) {
        match self.shard() == Some(shard) && self.content.serves {
            true => self.scan(Paging::Count(asker, shard, 0), None, out),
            false => match asker {
                Asker::Node(ticket) => self.tell_news(ticket, out),
                Asker::Client(ticket) => self.fail(ticket, Failure::Moving, out),
            },
        }
    }

    /// Forgets what belongs to other shards.
    pub(super) fn purge(&mut self, out: &mut Vec<Action<A>>) {
        self.scan(Paging::Purge(self.layout.epoch), None, out);
    }

    pub(super) fn scan(&mut self, paging: Paging, after: Option<Id>, out: &mut Vec<Action<A>>) {
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
            Paging::Sweep(sweep) => self.sweep(sweep, records.collect(), next, out),
            Paging::Purge(epoch) => {
                if epoch != self.layout.epoch || self.relocation.is_some() {
                    return;
                }
                let own = self.shard();
                let is_foreign = |key: &Id| Some(self.layout.shard_of(*key)) != own;
                let forget: Vec<Id> = records.map(|(key, _)| key).filter(is_foreign).collect();
                self.store(Command::forget(forget), Errand::Nothing, out);
                if next.is_some() {
                    self.scan(Paging::Purge(epoch), next, out);
                }
            }
        }
    }

    /// What keeps the content cannot be read.
    pub(super) fn scan_failed(&mut self, paging: Paging, out: &mut Vec<Action<A>>) {
        match paging {
            Paging::Give(ticket, _) | Paging::Count(Asker::Node(ticket), ..) => {
                self.tell_news(ticket, out);
            }
            Paging::Count(Asker::Client(ticket), ..) => {
                self.fail(ticket, Failure::NotKept, out);
            }
            Paging::Sweep(sweep) => self.page_missed(sweep.serial),
            Paging::Purge(_) => {}
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
