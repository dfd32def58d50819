//! Read: a replica answers for a key.
//!
//! The owner answers by its own copy. Where it has none, or may lack something since it was away, and where
//! another replica answers in its place, the copies of all that are there are compared: the newest version
//! wins, and is kept here, too. What a change depends on is read in the same way before it is made.

use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::Id;
use crate::listed::exchange::About;
use crate::listed::message::{Refused, What};
use crate::listed::write::{Asker, depends};
use crate::listed::{Done, Errand, Listed};
use crate::peer::Address;
use crate::record::{Change, Record};
use crate::store::Command;

/// Copies of one key, as they come in.
#[derive(Clone, Debug)]
pub(super) struct Gather {
    key: Id,
    asker: Asker,
    /// What is to be changed then; nothing where it is only read.
    change: Option<Change>,
    newest: Option<Record>,
    own: Option<Record>,
    /// How many have shown their copy, the node itself included.
    heard: usize,
    /// How many may still do so.
    waits: usize,
}

impl<A: Address> Listed<A> {
    /// Somebody wants to read.
    pub(super) fn serve_read(&mut self, key: Id, asker: Asker, out: &mut Vec<Action<A>>) {
        match self.refuses(key) {
            Some(refused) => self.deliver(key, asker, Done::Refused(refused), out),
            None => self.gather(key, asker, None, out),
        }
    }

    /// Why this node does not answer for a key, if so.
    pub(super) fn refuses(&self, key: Id) -> Option<Refused> {
        let is_mine = self.replicas(key).contains(&self.me);
        let is_full = self.gathers.len() + self.writes.len() >= SERVED_MAX;
        match (is_mine, is_full) {
            (false, _) => Some(Refused::NotMine),
            (true, true) => Some(Refused::Overloaded),
            (true, false) => None,
        }
    }

    /// Whether others may have something newer than this node, of a key that it keeps.
    pub(super) fn is_doubtful(&self, key: Id) -> bool {
        let is_owner = self.replicas(key).first() == Some(&self.me);
        !is_owner || self.owed.iter().any(|id| !self.is_absent(*id))
    }

    /// Reads the own copy, and others' where that is not enough.
    pub(super) fn gather(
        &mut self,
        key: Id,
        asker: Asker,
        change: Option<Change>,
        out: &mut Vec<Action<A>>,
    ) {
        let gather = self.gathers.insert(Gather {
            key,
            asker,
            change,
            newest: None,
            own: None,
            heard: 1,
            waits: 0,
        });
        self.store(Command::Read(key), Errand::Own(gather), out);
    }

    /// The own copy is read.
    pub(super) fn own_read(
        &mut self,
        ticket: Ticket,
        record: Option<Record>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(gather) = self.gathers.find(ticket) else {
            return;
        };
        let key = gather.key;
        let is_enough = record.is_some();
        gather.newest.clone_from(&record);
        gather.own = record;
        let mut others = match is_enough && !self.is_doubtful(key) {
            true => Vec::new(),
            false => self.replicas(key),
        };
        others.retain(|id| *id != self.me && !self.is_absent(*id));
        if let Some(gather) = self.gathers.find(ticket) {
            gather.waits = others.len();
        }
        for other in &others {
            self.ask(*other, What::Copy(key), About::Copy(ticket), out);
        }
        if others.is_empty() {
            self.gathered(ticket, out);
        }
    }

    /// The own copy can't be read.
    pub(super) fn own_unreadable(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        if let Some(Gather { key, asker, .. }) = self.gathers.take(ticket) {
            self.deliver(key, asker, Done::Refused(Refused::Store), out);
        }
    }

    /// Another replica has shown its copy; nothing where it did not answer.
    pub(super) fn copy_told(
        &mut self,
        ticket: Ticket,
        copy: Option<Option<Record>>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(gather) = self.gathers.find(ticket) else {
            return;
        };
        gather.waits -= 1;
        if let Some(copy) = copy {
            gather.heard += 1;
            if version(&copy) > version(&gather.newest) {
                gather.newest = copy;
            }
        }
        if gather.waits == 0 {
            self.gathered(ticket, out);
        }
    }

    /// All that can be seen is there.
    fn gathered(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(gather) = self.gathers.take(ticket) else {
            return;
        };
        let Gather { key, asker, .. } = gather;
        // It may have gone elsewhere meanwhile, and the own copy with it.
        if !self.replicas(key).contains(&self.me) {
            return self.deliver(key, asker, Done::Refused(Refused::NotMine), out);
        }
        if let Some(record) = &gather.newest {
            self.tick(record.version);
            if version(&gather.newest) > version(&gather.own) {
                self.merge([(key, record.clone())].into(), out);
            }
        }
        // A write is at a majority: so many have to be seen to say that there is none.
        let copies = self.replicas(key).len();
        let least = copies - copies / 2;
        let is_clear = gather.newest.is_some() || gather.heard >= least;
        match gather.change {
            Some(change) if is_clear || !depends(&change) => self.make(key, change, asker, out),
            None if is_clear => self.deliver(key, asker, Done::Record(gather.newest), out),
            _ => self.deliver(key, asker, Done::Refused(Refused::Alone), out),
        }
    }
}

fn version(record: &Option<Record>) -> Option<crate::record::Version> {
    record.as_ref().map(|record| record.version)
}

/// Reads and changes in progress at a replica at a time.
const SERVED_MAX: usize = 4_096;
