//! Keep: what other members send to be kept here, and what they offer. The newest version wins.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::Id;
use crate::listed::exchange::tell;
use crate::listed::message::{Refused, Told};
use crate::listed::{Errand, Listed};
use crate::peer::Address;
use crate::record::{Record, Version};
use crate::store::Command;

impl<A: Address> Listed<A> {
    /// Another member sends what is to be kept here.
    pub(super) fn keep_for(
        &mut self,
        ticket: Ticket,
        records: Vec<(Id, Record)>,
        out: &mut Vec<Action<A>>,
    ) {
        let sent: Vec<(Id, Version)> = records
            .iter()
            .map(|(key, record)| (*key, record.version))
            .collect();
        for (_, version) in &sent {
            self.tick(*version);
        }
        self.merge(records, out);
        let keys = sent.iter().map(|(key, _)| *key).collect();
        self.store(Command::Collect(keys), Errand::Keep(ticket, sent), out);
    }

    /// It is kept, but for what is newer here.
    pub(super) fn kept(
        &mut self,
        ticket: Ticket,
        sent: &[(Id, Version)],
        here: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        let sent: BTreeMap<Id, Version> = sent.iter().copied().collect();
        let is_kept = |(key, record): &(Id, Option<Record>)| {
            let version = record.as_ref().map(|record| record.version);
            version.is_some_and(|version| sent.get(key).is_none_or(|sent| *sent <= version))
        };
        // A store that was out of reach has not kept all of it.
        if !here.iter().all(is_kept) {
            return tell(ticket, Told::Refused(Refused::Store), out);
        }
        let mut newer: Vec<(Id, Record)> = Vec::new();
        let mut bytes = 0;
        for (key, record) in here {
            let is_newer =
                |record: &Record| sent.get(&key).is_some_and(|sent| *sent < record.version);
            if let Some(record) = record.filter(is_newer)
                && (newer.is_empty() || bytes < NEWER_BYTES)
            {
                bytes += record.bytes();
                newer.push((key, record));
            }
        }
        self.store(Command::Sync, Errand::Say(ticket, Told::Kept(newer)), out);
    }

    /// Another member says what it has.
    pub(super) fn offer_for(
        &mut self,
        ticket: Ticket,
        from: Id,
        items: Vec<(Id, Version)>,
        is_owed: bool,
        out: &mut Vec<Action<A>>,
    ) {
        if items.is_empty() {
            self.owed.remove(&from);
            return tell(ticket, Told::Wanted(Vec::new()), out);
        }
        if is_owed {
            self.owed.insert(from);
        }
        let keys = items.iter().map(|(key, _)| *key).collect();
        self.store(Command::Collect(keys), Errand::Offer(ticket, items), out);
    }

    /// What is here of that is read.
    pub(super) fn offered(
        &mut self,
        ticket: Ticket,
        items: Vec<(Id, Version)>,
        here: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        let version = |(key, record): (Id, Option<Record>)| Some((key, record?.version));
        let here: BTreeMap<Id, Version> = here.into_iter().filter_map(version).collect();
        let lacks =
            |(key, version): &(Id, Version)| here.get(key).is_none_or(|here| here < version);
        let wanted = items.iter().filter(|item| lacks(item)).map(|(key, _)| *key);
        tell(ticket, Told::Wanted(wanted.collect()), out);
    }
}

/// Bytes of newer records that are sent back at a time.
const NEWER_BYTES: usize = 256 * 1024;
