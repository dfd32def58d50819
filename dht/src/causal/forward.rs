//! Forward: what a client wants of another shard is asked of one of its replicas, and then of another.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::message::{Ask, Failure, Operation, Returned, Told, What};
use super::operate::Asker;
use super::{About, Causal};
use crate::event::{Action, Cause, Ticket};
use crate::id::Id;
use crate::peer::Address;

/// Something that a client wants, on its way.
#[derive(Clone, Debug)]
pub(super) struct Sought<A> {
    ticket: Ticket,
    want: Want,
    tried: Vec<A>,
    /// Why it was not done by those.
    failure: Failure,
}

#[derive(Clone, Debug)]
enum Want {
    Operate(Operation),
    Count(u32),
}

impl Want {
    fn is_write(&self) -> bool {
        matches!(self, Want::Operate(operation) if operation.what != What::Get)
    }
}

impl<A: Address> Causal<A> {
    /// Has an operation done for a client of this node, here or elsewhere.
    pub(super) fn seek(&mut self, ticket: Ticket, operation: Operation, out: &mut Vec<Action<A>>) {
        let failure = match self.admit(&operation) {
            Ok(()) => return self.operate(Asker::Client(ticket), operation, out),
            Err(failure) => failure,
        };
        // What this replica lacks another one of the shard may have.
        if failure == Failure::NotYet {
            self.compare_with_any(out);
        }
        let may_go = matches!(
            failure,
            Failure::NotYet | Failure::Moving | Failure::NoShard
        );
        if !may_go || failure == Failure::NoShard && self.is_deleted() {
            return self.fail(ticket, failure, out);
        }
        let sought = Sought {
            ticket,
            want: Want::Operate(operation),
            tried: Vec::new(),
            failure,
        };
        self.forward(sought, out);
    }

    pub(super) fn count_call(&mut self, ticket: Ticket, shard: u32, out: &mut Vec<Action<A>>) {
        if !self.layout.all_shards().contains(&shard) {
            return self.fail(ticket, Failure::NoSuchShard, out);
        }
        if self.shard() == Some(shard) && self.content.serves {
            return self.count(Asker::Client(ticket), shard, out);
        }
        let sought = Sought {
            ticket,
            want: Want::Count(shard),
            tried: Vec::new(),
            failure: Failure::Unreachable,
        };
        self.forward(sought, out);
    }

    /// Asks the next replica.
    fn forward(&mut self, mut sought: Sought<A>, out: &mut Vec<Action<A>>) {
        let shard = match &sought.want {
            Want::Operate(operation) => self.layout.shard_of(Id::of_key(&operation.key)),
            Want::Count(shard) => *shard,
        };
        let members = self.layout.members(shard);
        let others: Vec<&A> = members
            .filter(|node| **node != self.me.address && !sought.tried.contains(node))
            .filter(|node| self.roster.peer_in(node).is_some())
            .collect();
        self.turn = self.turn.wrapping_add(1);
        let next = others.get(self.turn % others.len().max(1));
        let peer = next.and_then(|node| self.roster.peer_in(node)).cloned();
        let Some(peer) = peer.filter(|_| sought.tried.len() < TRIES_MAX) else {
            return self.fail(sought.ticket, sought.failure, out);
        };
        sought.tried.push(peer.address.clone());
        let ask = match &sought.want {
            Want::Operate(operation) => Ask::Operate(operation.clone()),
            Want::Count(shard) => Ask::Count(*shard),
        };
        self.ask(&peer, ask, About::Forward(Box::new(sought)), out);
    }

    pub(super) fn forward_told(
        &mut self,
        mut sought: Sought<A>,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        match told {
            Told::Operated(Ok(done)) => self.give_done(sought.ticket, done, out),
            Told::Operated(Err(
                failure @ (Failure::NotYet | Failure::Moving | Failure::NotKept),
            )) => {
                sought.failure = failure;
                self.forward(sought, out);
            }
            Told::Operated(Err(failure)) => self.fail(sought.ticket, failure, out),
            Told::Counted(count) => self.give(sought.ticket, Returned::Count(count), out),
            told => {
                self.learned(told, out);
                sought.failure = Failure::Moving;
                self.forward(sought, out);
            }
        }
    }

    pub(super) fn forward_missed(
        &mut self,
        mut sought: Sought<A>,
        cause: Cause,
        out: &mut Vec<Action<A>>,
    ) {
        if cause == Cause::Silent && sought.want.is_write() {
            return self.fail(sought.ticket, Failure::Unsure, out);
        }
        // What this node itself lacks is told before the silence of others.
        if sought.failure != Failure::NotYet {
            sought.failure = Failure::Unreachable;
        }
        self.forward(sought, out);
    }
}

/// Replicas that are asked for one client.
const TRIES_MAX: usize = 3;
