//! Operate: what a client of this node wants is carried through, wherever the key is: at the first of its
//! replicas that answers, the owner before all others.

use alloc::vec::Vec;

use crate::event::{Action, Call, Cause, Delay, Failure, Hop, Returned, Ticket, Timer};
use crate::id::Id;
use crate::listed::exchange::About;
use crate::listed::message::{Refused, Told, What};
use crate::listed::write::Asker;
use crate::listed::{Done, Listed, fail};
use crate::message::LinkKind;
use crate::peer::{Address, Peer};
use crate::record::Change;

/// Something that a client waits for.
#[derive(Clone, Debug)]
pub(super) struct Operation<A> {
    ticket: Ticket,
    key: Id,
    /// What to change; nothing where it is to be read.
    change: Option<Change>,
    path: Vec<Hop<A>>,
    /// Those that could not do it.
    tried: Vec<Id>,
    retries: u8,
}

impl<A: Address> Listed<A> {
    /// A client wants something.
    pub(super) fn operate(&mut self, ticket: Ticket, call: Call<A>, out: &mut Vec<Action<A>>) {
        if self.now.is_none() {
            return fail(ticket, Failure::NotAMember, out);
        }
        if self.operations.len() >= OPERATIONS_MAX {
            return fail(ticket, Failure::Overloaded, out);
        }
        let (key, change) = match call {
            Call::Find { key, .. } => return self.find(ticket, key, out),
            Call::Read { key, .. } => (key, None),
            Call::Change { key, change, .. } => (key, Some(change)),
            Call::Join(_) | Call::Leave | Call::Members(_) | Call::Causal(_) => {
                unreachable!("what changes who is a member is no operation")
            }
        };
        let path = [self.start()].into();
        let operation = self.operations.insert(Operation {
            ticket,
            key,
            change,
            path,
            tried: Vec::new(),
            retries: 0,
        });
        self.advance(operation, out);
    }

    /// Everybody knows who keeps what.
    fn find(&mut self, ticket: Ticket, key: Id, out: &mut Vec<Action<A>>) {
        let mut path = Vec::from([self.start()]);
        let owner = self.next_replica(key, &[]);
        let owner = owner.filter(|owner| *owner != self.me);
        if let Some(node) = owner.and_then(|owner| self.peer(owner)) {
            path.push(hop(node, 0, true));
        }
        let returned = Returned::Found(path);
        out.push(Action::Return { ticket, returned });
    }

    /// The first hop of everything: this node.
    fn start(&self) -> Hop<A> {
        Hop {
            why: LinkKind::Start,
            ..hop(self.view.me.clone(), 0, true)
        }
    }

    /// The first of those that keep the key which is there, as far as known; or else one that was not.
    fn next_replica(&self, key: Id, tried: &[Id]) -> Option<Id> {
        let mut replicas = self.replicas(key);
        replicas.retain(|id| !tried.contains(id));
        let there = replicas.iter().find(|id| !self.is_absent(**id));
        there.or(replicas.first()).copied()
    }

    /// Goes on with an operation.
    pub(super) fn advance(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(operation) = self.operations.look(ticket) else {
            return;
        };
        let (key, change) = (operation.key, operation.change.clone());
        let Some(replica) = self.next_replica(key, &operation.tried) else {
            return self.stuck(ticket, Failure::Unreachable, out);
        };
        let asker = Asker::Client(ticket);
        match change {
            Some(change) if replica == self.me => self.serve_change(key, change, asker, out),
            None if replica == self.me => self.serve_read(key, asker, out),
            change => {
                let what = change.map_or(What::Read(key), |change| What::Change(key, change));
                self.ask(replica, what, About::Operation(ticket), out);
            }
        }
    }

    /// A replica has answered.
    pub(super) fn operation_told(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        told: Told<A>,
        micros: u32,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        operation.path.push(hop(from.clone(), micros, true));
        let done = match told {
            Told::Record(record) => Done::Record(record),
            Told::Changed(changed, copies) => Done::Changed(changed, copies),
            Told::Refused(refused) => Done::Refused(refused),
            _ => return,
        };
        self.operation_done(ticket, &from, done, out);
    }

    /// A replica, maybe this node itself, has done it or has not.
    pub(super) fn operation_done(
        &mut self,
        ticket: Ticket,
        by: &Peer<A>,
        done: Done,
        out: &mut Vec<Action<A>>,
    ) {
        let failure = match done {
            Done::Refused(Refused::NotMine | Refused::Alone) => Failure::Unreachable,
            Done::Refused(Refused::Overloaded) => Failure::Overloaded,
            Done::Refused(Refused::Store) => return self.pass_on(ticket, by, out),
            Done::Refused(Refused::Unsure) => return self.give_up(ticket, Failure::Unknown, out),
            done => {
                let Some(operation) = self.operations.take(ticket) else {
                    return;
                };
                let path = operation.path;
                let returned = match done {
                    Done::Changed(changed, copies) => Returned::Changed(changed, copies, path),
                    Done::Record(record) => Returned::Record(record, path),
                    Done::Refused(_) => unreachable!("these have been dealt with"),
                };
                let ticket = operation.ticket;
                return out.push(Action::Return { ticket, returned });
            }
        };
        self.stuck(ticket, failure, out);
    }

    /// A replica can't reach its store: the next one may do it.
    fn pass_on(&mut self, ticket: Ticket, by: &Peer<A>, out: &mut Vec<Action<A>>) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        operation.tried.push(by.id);
        if let Some(hop) = operation.path.last_mut().filter(|hop| hop.node == *by) {
            hop.ok = hop.why == LinkKind::Start;
        }
        let (key, tried) = (operation.key, operation.tried.clone());
        match self.next_replica(key, &tried) {
            Some(_) => self.advance(ticket, out),
            None => self.give_up(ticket, Failure::Store, out),
        }
    }

    /// A replica has not answered.
    pub(super) fn operation_missed(
        &mut self,
        ticket: Ticket,
        to: Peer<A>,
        cause: Cause,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        operation.tried.push(to.id);
        operation.path.push(hop(to, 0, false));
        // It may have made the change or not, and making it twice could undo somebody else's.
        match operation.change.is_some() && cause == Cause::Silent {
            true => self.give_up(ticket, Failure::Unknown, out),
            false => self.advance(ticket, out),
        }
    }

    /// One of the two had an older table: both have the same now, and nothing was done.
    pub(super) fn operation_outdated(
        &mut self,
        ticket: Ticket,
        to: Peer<A>,
        micros: u32,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        operation.path.push(hop(to, micros, true));
        if operation.retries >= RETRIES_MAX {
            return self.give_up(ticket, Failure::Unreachable, out);
        }
        operation.retries += 1;
        operation.tried.clear();
        self.advance(ticket, out);
    }

    /// Nobody can do it at the moment: it is tried again after a while.
    fn stuck(&mut self, ticket: Ticket, failure: Failure<A>, out: &mut Vec<Action<A>>) {
        let start = self.start();
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        if operation.retries >= RETRIES_MAX {
            return self.give_up(ticket, failure, out);
        }
        let delay_ms = (RETRY_MS << operation.retries.min(8)).min(RETRY_MS_MAX);
        operation.retries += 1;
        operation.tried.clear();
        operation.path = [start].into();
        let (timer, delay) = (
            Timer::Operation(ticket),
            Delay::between(delay_ms / 2, delay_ms),
        );
        out.push(Action::Wait { timer, delay });
    }

    fn give_up(&mut self, ticket: Ticket, failure: Failure<A>, out: &mut Vec<Action<A>>) {
        if let Some(operation) = self.operations.take(ticket) {
            let ticket = operation.ticket;
            let returned = Returned::Failed(failure, operation.path);
            out.push(Action::Return { ticket, returned });
        }
    }
}

fn hop<A>(node: Peer<A>, micros: u32, ok: bool) -> Hop<A> {
    let why = LinkKind::Owner;
    Hop {
        node,
        why,
        micros,
        ok,
    }
}

/// Calls in progress at a time: more would only wait longer.
const OPERATIONS_MAX: usize = 1_024;

/// Attempts of one call after the first: with the delays below about 5 s.
const RETRIES_MAX: u8 = 18;

/// Before the first retry; it doubles from one to the next.
const RETRY_MS: u32 = 20;

/// The longest wait between two attempts.
const RETRY_MS_MAX: u32 = 400;
