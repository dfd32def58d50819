//! Operate: a client reads, writes or deletes a key.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::content::{Pending, Waiting};
use super::message::{Done, Failure, Operation, Outcome, Returned, Told, What};
use super::seen::{Metadata, Seen};
use super::sync::Then;
use super::write::Write;
use super::{Causal, Errand, keep};
use crate::event::{Action, Ticket};
use crate::id::Id;
use crate::peer::Address;
use crate::record::{Blob, Record, TOMBSTONE_MS};
use crate::store::Command;

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A client of this node.
    Client(Ticket),
    /// Another node, for a client of its own.
    Node(Ticket),
}

/// An operation whose record is being read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) asker: Asker,
    operation: Operation,
    /// Under which layout.
    epoch: u32,
}

impl<A: Address> Causal<A> {
    pub(super) fn operate_call(
        &mut self,
        ticket: Ticket,
        key: Blob,
        what: What,
        seen: Option<&str>,
        now_ms: u64,
        out: &mut Vec<Action<A>>,
    ) {
        let decoded = seen.map_or(Ok(Metadata::default()), Metadata::decode);
        let Ok(Metadata { founder, seen }) = decoded else {
            return self.fail(ticket, Failure::NotSeen, out);
        };
        let operation = Operation {
            key,
            what,
            seen,
            now_ms,
        };
        if !self.knows(founder, &operation.seen) {
            return self.ask_around(ticket, founder, operation, out);
        }
        self.seek(ticket, operation, out);
    }

    /// Does it here, or says why not.
    pub(super) fn operate(&mut self, asker: Asker, operation: Operation, out: &mut Vec<Action<A>>) {
        if let Err(failure) = self.admit(&operation) {
            return self.answer(asker, Err(failure), out);
        }
        let command = Command::Read(Id::of_key(&operation.key));
        let epoch = self.layout.epoch;
        let reading = Reading {
            asker,
            operation,
            epoch,
        };
        self.store(command, Errand::Read(Box::new(reading)), out);
    }

    /// Whether this node answers for the key, and has all that its client has seen.
    pub(super) fn admit(&self, operation: &Operation) -> Result<(), Failure> {
        let own = self.shard().filter(|_| !self.is_deleted());
        let own = own.ok_or(Failure::NoShard)?;
        let shard = self.layout.shard_of(Id::of_key(&operation.key));
        if shard != own || !self.content.serves || self.content.is_ahead {
            return Err(Failure::Moving);
        }
        let seen = &operation.seen;
        let has = |vector| self.content.vector(own).covers(vector);
        if seen.epoch > self.layout.epoch
            || seen.epoch == self.layout.epoch && !seen.of(own).is_none_or(has)
        {
            return Err(Failure::NotYet);
        }
        if operation.what == What::Get {
            return Ok(());
        }
        if self.is_sealed() {
            return Err(Failure::Moving);
        }
        if self.syncs.is_broken() {
            return Err(Failure::NotKept);
        }
        match self.content.pending.len() < PENDING_MAX {
            true => Ok(()),
            false => Err(Failure::Overloaded),
        }
    }

    /// The record is there, or known not to be.
    pub(super) fn read(
        &mut self,
        reading: Reading,
        record: Option<Record>,
        out: &mut Vec<Action<A>>,
    ) {
        let Reading {
            asker,
            operation,
            epoch,
        } = reading;
        if epoch != self.layout.epoch {
            return self.answer(asker, Err(Failure::Moving), out);
        }
        if let Err(failure) = self.admit(&operation) {
            return self.answer(asker, Err(failure), out);
        }
        let value = record.and_then(|record| record.value);
        let (outcome, written) = match (operation.what.clone(), value) {
            (What::Get, Some(value)) => (Outcome::Found(value), None),
            (What::Get | What::Delete, None) => (Outcome::Missing, None),
            (What::Put(new), None) => (Outcome::Created, Some(Some(new))),
            (What::Put(new), Some(_)) => (Outcome::Replaced, Some(Some(new))),
            (What::Delete, Some(_)) => (Outcome::Deleted, Some(None)),
        };
        match written {
            Some(value) => self.write(asker, operation, value, outcome, out),
            None => {
                let done = self.done(outcome, operation.seen);
                self.when_durable(Then::Answer(asker, Ok(done)), out);
            }
        }
    }

    /// Takes a write, and keeps it to itself until another replica has it as well.
    fn write(
        &mut self,
        asker: Asker,
        operation: Operation,
        value: Option<Blob>,
        outcome: Outcome,
        out: &mut Vec<Action<A>>,
    ) {
        let (Some(shard), Some(seat)) = (self.shard(), self.layout.place(&self.me.address)) else {
            return self.answer(asker, Err(Failure::NoShard), out);
        };
        let last = self.content.pending.back();
        let shown = || self.content.vector(shard).last(self.writer);
        let number = 1 + last.map_or_else(shown, |pending| pending.write.number);
        self.clock = self.clock.next(operation.now_ms, seat);
        let mut after = self.content.seen.clone();
        after.merge(&operation.seen);
        let purge_ms = value
            .is_none()
            .then(|| operation.now_ms.saturating_add(TOMBSTONE_MS));
        let write = Write {
            writer: self.writer,
            number,
            clock: self.clock,
            key: operation.key,
            value,
            purge_ms,
            after,
        };
        let notes = [keep::pending(number, Some(&write)), self.seen_note()].into();
        self.note(notes, out);
        let is_kept = false;
        self.content.pending.push_back(Pending { write, is_kept });
        self.content.waiting.push(Waiting {
            number,
            asker,
            outcome,
            seen: operation.seen,
            until: self.beats + WRITE_BEATS,
        });
        self.after_sync(Then::Kept(self.layout.epoch, number), out);
    }

    /// What a client is told.
    pub(super) fn done(&self, result: Outcome, mut seen: Seen) -> Done {
        seen.merge(&self.content.seen);
        Done {
            result,
            seen,
            shard: self.shard().filter(|_| self.layout.is_sharded()),
        }
    }

    /// Tells a client of this node what was done, and what it has seen now.
    pub(super) fn give_done(&self, ticket: Ticket, done: Done, out: &mut Vec<Action<A>>) {
        let metadata = Metadata {
            founder: self.founder(),
            seen: done.seen,
        };
        let returned = Returned::Done(done.result, metadata.encode(), done.shard);
        self.give(ticket, returned, out);
    }

    pub(super) fn answer(
        &mut self,
        asker: Asker,
        result: Result<Done, Failure>,
        out: &mut Vec<Action<A>>,
    ) {
        match (asker, result) {
            (Asker::Client(ticket), Ok(done)) => {
                self.give_done(ticket, done, out);
            }
            (Asker::Client(ticket), Err(failure)) => self.fail(ticket, failure, out),
            (Asker::Node(ticket), result) => self.tell(ticket, Told::Operated(result), out),
        }
    }

    /// Clients that have waited for too long are told so.
    pub(super) fn give_up_writes(&mut self, out: &mut Vec<Action<A>>) {
        let beats = self.beats;
        self.end_waiting(|waiting| waiting.until <= beats, Err(Failure::Unsure), out);
    }

    /// Answers those that wait for writes of which this is true.
    pub(super) fn end_waiting(
        &mut self,
        is: impl Fn(&Waiting) -> bool,
        result: Result<(), Failure>,
        out: &mut Vec<Action<A>>,
    ) {
        let (ended, waiting) = core::mem::take(&mut self.content.waiting)
            .into_iter()
            .partition(is);
        self.content.waiting = waiting;
        let ended: Vec<Waiting> = ended;
        for waiting in ended {
            let done = || self.done(waiting.outcome, waiting.seen);
            let result = result.map(|()| done());
            self.answer(waiting.asker, result, out);
        }
    }
}

/// Own writes that wait for a second copy.
const PENDING_MAX: usize = 256;

/// Beats after which a client is told that its write may not be on two stores: 3 s.
const WRITE_BEATS: u32 = 12;
