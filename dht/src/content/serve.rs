//! Serve: the owner's side of reads and changes.
//!
//! The owner decides for itself whether a key is its own, whatever the asker believed, and stamps
//! each change with its epoch and a number that only grows.

use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::{Arc, Id};
use crate::message::{Elsewhere, Reply};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::record::{Change, Changed, Record, Version};
use crate::store::Command;
use crate::view::Decision;

/// A change that the store is making.
#[derive(Clone, Debug)]
pub(crate) struct Changing {
    key: Id,
    pub(crate) changer: Asker,
}

/// Who wants to read or to change something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    /// A client of this node, by this operation.
    Client(Ticket),
    /// Another node, by this question.
    Peer(Ticket),
}

impl<A: Address> Node<A> {
    /// Another node wants to read.
    pub(crate) fn read_for(&mut self, ticket: Ticket, key: Id, out: &mut Vec<Action<A>>) {
        match self.serving(key) {
            Ok(_) => self.read(key, Asker::Peer(ticket), out),
            Err(elsewhere) => {
                let reply = Reply::Elsewhere(elsewhere);
                out.push(Action::Reply { ticket, reply });
            }
        }
    }

    /// Another node wants to make a change.
    pub(crate) fn change_for(
        &mut self,
        ticket: Ticket,
        key: Id,
        change: Change,
        out: &mut Vec<Action<A>>,
    ) {
        match self.serving(key) {
            Ok(epoch) => self.change(key, change, epoch, Asker::Peer(ticket), out),
            Err(elsewhere) => {
                let reply = Reply::Elsewhere(elsewhere);
                out.push(Action::Reply { ticket, reply });
            }
        }
    }

    /// The epoch in which this node serves the key for others.
    fn serving(&self, key: Id) -> Result<u32, Elsewhere<A>> {
        match self.view.decide(key) {
            Decision::Serve(_) if self.errands.len() >= ERRANDS_MAX => Err(Elsewhere::Overloaded),
            Decision::Serve(epoch) => Ok(epoch),
            Decision::Elsewhere(elsewhere) => Err(elsewhere),
        }
    }

    /// Reads a key that this node serves.
    pub(crate) fn read(&mut self, key: Id, reader: Asker, out: &mut Vec<Action<A>>) {
        match self.is_replicated() {
            true => self.group_read(key, reader, out),
            false => self.store(Command::Read(key), Errand::Read(reader), out),
        }
    }

    /// It is read.
    pub(crate) fn finish_reading(
        &mut self,
        reader: Asker,
        record: Option<Record>,
        out: &mut Vec<Action<A>>,
    ) {
        match reader {
            Asker::Client(operation) => self.finish_read(operation, record, out),
            Asker::Peer(ticket) => {
                let reply = Reply::Record(record);
                out.push(Action::Reply { ticket, reply });
            }
        }
    }

    /// Makes a change to a key that this node serves.
    pub(crate) fn change(
        &mut self,
        key: Id,
        change: Change,
        epoch: u32,
        changer: Asker,
        out: &mut Vec<Action<A>>,
    ) {
        if self.is_replicated() {
            return self.group_change(key, change, changer, out);
        }
        self.sequence = self.sequence.wrapping_add(1);
        let version = Version::new(epoch, self.sequence);
        let errand = Errand::Change(Changing { key, changer });
        // With one copy there is nobody to keep an older write from, so a delete leaves nothing.
        let command = Command::Change {
            key,
            change,
            version,
            tombstone: false,
            note: None,
        };
        self.store(command, errand, out);
    }

    /// The store has made it.
    pub(crate) fn finish_change(
        &mut self,
        changing: Changing,
        changed: Changed,
        out: &mut Vec<Action<A>>,
    ) {
        let Changing { key, changer } = changing;
        if matches!(
            changed,
            Changed::Created(_) | Changed::Replaced(_) | Changed::Deleted
        ) {
            self.remember_change(key);
        }
        self.tell_changer(changer, changed, 1, out);
        self.after_change(out);
    }

    pub(crate) fn tell_changer(
        &mut self,
        changer: Asker,
        changed: Changed,
        copies: u8,
        out: &mut Vec<Action<A>>,
    ) {
        match changer {
            Asker::Client(operation) => self.finish_change_call(operation, changed, copies, out),
            Asker::Peer(ticket) => {
                let reply = Reply::Changed(changed, copies);
                out.push(Action::Reply { ticket, reply });
            }
        }
    }

    /// Whether the store is making a change on this arc.
    pub(crate) fn is_changing(&self, arc: Arc) -> bool {
        let mut errands = self.errands.iter();
        errands.any(|errand| matches!(errand, Errand::Change(c) if arc.contains(c.key)))
    }
}

/// Errands for other nodes in progress at a time.
const ERRANDS_MAX: usize = 4096;
