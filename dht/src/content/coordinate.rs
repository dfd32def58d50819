//! Coordinate: what a client of this node wants is carried through, wherever the key is.
//!
//! An operation is a lookup and what to do at its end. For content the owner's own check is the last
//! step: it does what is asked, or says who may. An operation that gets stuck, since a node died or an
//! arc is moving, tries again after a while; only a change that may have happened does not.

use alloc::vec::Vec;

use crate::chord::reunion::Step;
use crate::content::serve::Asker;
use crate::event::{Action, Call, Cause, Delay, Failure, Hop, Returned, Ticket, Timer};
use crate::id::Id;
use crate::lookup::{Lookup, Next};
use crate::message::{Elsewhere, Link, LinkKind, Reply, Request, Route, Routed, Routing};
use crate::node::{Node, Question, fail, wait};
use crate::peer::{Address, Peer};
use crate::record::{Change, Changed, Record};
use crate::replication::group::{Member, Tag};
use crate::replication::message::Ask;
use crate::replication::{ANY_STORE, About};
use crate::view::{Decision, Phase};

/// A lookup, and what it is for.
#[derive(Clone, Debug)]
pub(crate) struct Operation<A> {
    purpose: Purpose,
    lookup: Lookup<A>,
    retries: u8,
    /// How the lookup came to the node itself, if it did.
    local: Option<Link<A>>,
    /// Who is asked at the moment.
    asked: Option<Peer<A>>,
    /// Whether that is for the owner to do, and no question about the way.
    is_put: bool,
    /// Beats since then.
    beats: u8,
}

/// What a lookup is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// A client wants to know the owner.
    Find(Ticket),
    /// A client wants to read.
    Read(Ticket),
    /// A client wants to write or delete.
    Change(Ticket, Change),
    /// The finger of this exponent.
    Finger(u8),
    /// The node looks for itself, in this incarnation.
    SelfCheck(u32),
    /// The node looks for its place.
    Join,
    /// The node looks at another ring, in this incarnation.
    Reunion(u32, Step),
    /// What the node has brought along belongs to another one.
    Carry(Change),
    /// The node looks for who keeps an arc that it has heard nothing of for long.
    Keeper(Tag),
}

impl Purpose {
    fn caller(&self) -> Option<Ticket> {
        match self {
            Purpose::Find(ticket) | Purpose::Read(ticket) | Purpose::Change(ticket, _) => {
                Some(*ticket)
            }
            Purpose::Finger(_)
            | Purpose::SelfCheck(_)
            | Purpose::Join
            | Purpose::Reunion(..)
            | Purpose::Carry(_)
            | Purpose::Keeper(_) => None,
        }
    }

    /// What the supposed owner is asked. Where nothing is wanted of it, it confirms the way.
    fn request<A>(&self, route: Route) -> Request<A> {
        match self {
            Purpose::Read(_) => Request::Read(route.key),
            Purpose::Change(_, change) | Purpose::Carry(change) => {
                Request::Change(route.key, change.clone())
            }
            Purpose::Find(_)
            | Purpose::Finger(_)
            | Purpose::SelfCheck(_)
            | Purpose::Join
            | Purpose::Reunion(..)
            | Purpose::Keeper(_) => Request::Route(route),
        }
    }

    fn is_content(&self) -> bool {
        matches!(self, Purpose::Read(_)) || self.is_change()
    }

    fn is_change(&self) -> bool {
        matches!(self, Purpose::Change(..) | Purpose::Carry(_))
    }
}

impl<A: Address> Operation<A> {
    pub(crate) fn new(purpose: Purpose, lookup: Lookup<A>) -> Operation<A> {
        Operation {
            purpose,
            lookup,
            retries: 0,
            local: None,
            asked: None,
            is_put: false,
            beats: 0,
        }
    }

    fn asks(&mut self, peer: &Peer<A>, is_put: bool) {
        self.asked = Some(peer.clone());
        self.is_put = is_put;
        self.beats = 0;
    }

    /// Whether it waits for an answer of this one, and not for that of another one meanwhile.
    fn waits_for(&self, link: &Link<A>) -> bool {
        self.asked.as_ref() == Some(&link.node)
    }
}

impl<A: Address> Node<A> {
    /// A client wants something that may be elsewhere.
    pub(crate) fn begin_operation(
        &mut self,
        ticket: Ticket,
        call: Call<A>,
        out: &mut Vec<Action<A>>,
    ) {
        // A leaving node that serves nothing any more only finishes what it has begun.
        let is_done = self.view.phase == Phase::Leaving && self.view.serves.is_empty();
        if !self.is_in_ring() || is_done {
            return fail(ticket, Failure::NotAMember, out);
        }
        if self.operations.len() >= OPERATIONS_MAX {
            return fail(ticket, Failure::Overloaded, out);
        }
        let own = self.config.ownership;
        let (purpose, key, rule, routing) = match call {
            Call::Find { key, rule, routing } => (Purpose::Find(ticket), key, rule, routing),
            Call::Read { key, routing } => (Purpose::Read(ticket), key, own, routing),
            Call::Change {
                key,
                change,
                routing,
            } => (Purpose::Change(ticket, change), key, own, routing),
            Call::Join(_) | Call::Leave | Call::Members(_) | Call::Causal(_) => {
                unreachable!("what changes who is a member is no lookup")
            }
        };
        let route = Route { key, rule, routing };
        let mut lookup = Lookup::from(route, &self.view.me, self.known(route));
        if purpose.is_content() && routing == Routing::Finger {
            let leader = self.leader_of(key);
            leader.into_iter().for_each(|link| lookup.suppose(link));
        }
        self.operate(Operation::new(purpose, lookup), out);
    }

    /// Who leads the group of a key, where this node is a member of it: no other one needs to be asked for
    /// the way.
    fn leader_of(&self, key: Id) -> Option<Link<A>> {
        let leader = self.replica_of(key)?.group.leader();
        let node = self.latest(&leader.peer);
        let is_good = node != self.view.me && !self.detector.distrusts(&node);
        let kind = LinkKind::Hint;
        is_good.then_some(Link { node, kind })
    }

    /// What this node knows itself of a way. One that has left only knows whom it left behind.
    pub(crate) fn known(&self, route: Route) -> Routed<A> {
        if self.view.phase == Phase::Left {
            let kind = LinkKind::Start;
            let others = self.view.successors.iter().cloned();
            return Routed::Closer(others.map(|node| Link { node, kind }).collect());
        }
        let skipped = |peer: &Peer<A>| self.detector.distrusts(peer);
        self.view
            .route(route.key, route.rule, route.routing, skipped)
    }

    /// Looks for who keeps an arc, by its last key.
    pub(crate) fn look_for_keeper(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        if !self.is_in_ring() || self.operations.len() >= OPERATIONS_MAX {
            return;
        }
        let route = Route {
            key: tag.arc.end,
            rule: self.config.ownership,
            routing: Routing::Finger,
        };
        let lookup = Lookup::from(route, &self.view.me, self.known(route));
        self.operate(Operation::new(Purpose::Keeper(tag), lookup), out);
    }

    fn keeper_found(&mut self, tag: Tag, node: Option<Peer<A>>, out: &mut Vec<Action<A>>) {
        if let Some(peer) = node.filter(|peer| *peer != self.view.me) {
            let store = ANY_STORE;
            let keeper = Member { peer, store };
            self.ask_member(&keeper, tag, Ask::Status, About::Status, out);
        }
    }

    pub(crate) fn operate(&mut self, operation: Operation<A>, out: &mut Vec<Action<A>>) {
        let ticket = self.operations.insert(operation);
        self.advance(ticket, out);
    }

    /// Does what the lookup wants next, until it waits for something.
    fn advance(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        let route = operation.lookup.route;
        let is_content = operation.purpose.is_content();
        match operation.lookup.next() {
            Next::Ask(link) => {
                operation.asks(&link.node, false);
                let request = Request::Route(route);
                self.ask(
                    &link.node.clone(),
                    request,
                    Question::Operation(ticket, link),
                    out,
                );
            }
            Next::Confirm(link) if link.node == self.view.me => self.arrive(ticket, link, out),
            Next::Found if is_content => {
                let node = operation.lookup.last().cloned();
                let node = node.expect("a lookup that found the owner has asked it");
                let kind = LinkKind::Owner;
                let link = Link { node, kind };
                if link.node == self.view.me {
                    self.arrive(ticket, link, out);
                } else {
                    self.put_to_owner(ticket, link, out);
                }
            }
            // What counts is whom the ring names; the one it names may know better, but nobody asks it.
            Next::Confirm(link) => match operation.purpose {
                Purpose::SelfCheck(incarnation) => {
                    self.operations.take(ticket);
                    self.self_found(incarnation, Some(link.node), out);
                }
                Purpose::Reunion(incarnation, Step::Place) => {
                    self.operations.take(ticket);
                    self.ring_found((incarnation, Step::Place), Some(link.node), out);
                }
                _ => self.put_to_owner(ticket, link, out),
            },
            Next::Found => self.complete(ticket, out),
            Next::Stuck => self.stuck(ticket, Failure::Unreachable, out),
            Next::TooLong => self.stuck(ticket, Failure::TooManyHops, out),
        }
    }

    fn put_to_owner(&mut self, ticket: Ticket, link: Link<A>, out: &mut Vec<Action<A>>) {
        if let Some(operation) = self.operations.find(ticket) {
            operation.asks(&link.node, true);
            let request = operation.purpose.request(operation.lookup.route);
            self.ask(
                &link.node.clone(),
                request,
                Question::Operation(ticket, link),
                out,
            );
        }
    }

    /// The supposed owner is this node itself.
    fn arrive(&mut self, ticket: Ticket, link: Link<A>, out: &mut Vec<Action<A>>) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        let route = operation.lookup.route;
        operation.local = Some(link.clone());
        if !operation.purpose.is_content() {
            operation.lookup.answered(&link, 0);
            let known = self.known(route);
            if let Some(operation) = self.operations.find(ticket) {
                operation.lookup.learn(&link.node, known);
            }
            return self.advance(ticket, out);
        }
        let epoch = match self.view.decide(route.key) {
            Decision::Serve(epoch) => epoch,
            Decision::Elsewhere(elsewhere) => {
                return self.turned_away(ticket, &link, elsewhere, 0, out);
            }
        };
        match &operation.purpose {
            Purpose::Change(_, change) | Purpose::Carry(change) => {
                let change = change.clone();
                self.change(route.key, change, epoch, Asker::Client(ticket), out);
            }
            _ => self.read(route.key, Asker::Client(ticket), out),
        }
    }

    /// A node that the lookup asked has answered.
    pub(crate) fn hop_answered(
        &mut self,
        ticket: Ticket,
        link: Link<A>,
        reply: Reply<A>,
        micros: u32,
        out: &mut Vec<Action<A>>,
    ) {
        let operation = self.operations.find(ticket);
        let Some(operation) = operation.filter(|operation| operation.waits_for(&link)) else {
            return;
        };
        operation.asked = None;
        match reply {
            Reply::Elsewhere(elsewhere) => {
                return self.turned_away(ticket, &link, elsewhere, micros, out);
            }
            Reply::Routed(routed) => {
                operation.lookup.answered(&link, micros);
                operation.lookup.learn(&link.node, routed);
                return self.advance(ticket, out);
            }
            _ => operation.lookup.answered(&link, micros),
        }
        match reply {
            Reply::Record(record) => self.finish_read(ticket, record, out),
            Reply::Changed(changed, copies) => {
                self.finish_change_call(ticket, changed, copies, out);
            }
            // Nonsense, which is no better than nothing.
            _ => self.advance(ticket, out),
        }
    }

    /// The supposed owner does not serve the key.
    fn turned_away(
        &mut self,
        ticket: Ticket,
        link: &Link<A>,
        elsewhere: Elsewhere<A>,
        micros: u32,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        operation.lookup.answered(link, micros);
        match elsewhere {
            Elsewhere::At(hint) => {
                operation.lookup.redirected(hint);
                self.advance(ticket, out);
            }
            Elsewhere::Moving | Elsewhere::Overloaded => {
                self.stuck(ticket, Failure::Unreachable, out);
            }
            Elsewhere::Unsure => self.give_up(ticket, Failure::Unknown, out),
        }
    }

    /// A node that the lookup asked has not answered.
    pub(crate) fn hop_missed(
        &mut self,
        ticket: Ticket,
        link: Link<A>,
        cause: Cause,
        out: &mut Vec<Action<A>>,
    ) {
        self.missed(link.node.clone(), cause, out);
        let operation = self.operations.find(ticket);
        let Some(operation) = operation.filter(|operation| operation.waits_for(&link)) else {
            return;
        };
        operation.asked = None;
        operation.lookup.failed(&link);
        let is_change = operation.purpose.is_change();
        // It may have made the change or not, and making it twice could undo somebody else's.
        if is_change && operation.is_put && cause == Cause::Silent {
            return self.give_up(ticket, Failure::Unknown, out);
        }
        self.advance(ticket, out);
    }

    /// An owner that takes its time is asked whether it is there at all: what waits for one that is not should
    /// know soon, and who comes next should not wait for it.
    pub(crate) fn look_after_owners(&mut self, out: &mut Vec<Action<A>>) {
        let mut slow: Vec<Peer<A>> = Vec::new();
        for operation in self
            .operations
            .iter_mut()
            .filter(|operation| operation.is_put)
        {
            let Some(owner) = &operation.asked else {
                continue;
            };
            operation.beats = operation.beats.saturating_add(1);
            if operation.beats == SLOW && !slow.contains(owner) {
                slow.push(owner.clone());
            }
        }
        for owner in slow {
            self.ask(&owner.clone(), Request::Ping, Question::Owner(owner), out);
        }
    }

    /// It is not, as it seems.
    pub(crate) fn owner_silent(&mut self, owner: Peer<A>, out: &mut Vec<Action<A>>) {
        let waits = |operation: &Operation<A>| {
            operation.is_put && operation.beats >= SLOW && operation.asked.as_ref() == Some(&owner)
        };
        for ticket in self.operations.tickets(waits) {
            let (node, kind) = (owner.clone(), LinkKind::Owner);
            self.hop_missed(ticket, Link { node, kind }, Cause::Silent, out);
        }
    }

    /// No way is left: maintenance goes by schedule anyway, and a client's call is tried again.
    pub(crate) fn stuck(&mut self, ticket: Ticket, failure: Failure<A>, out: &mut Vec<Action<A>>) {
        if let Some(operation) = self.operations.find(ticket) {
            // Until that one has noticed that its neighbour is dead, the key has no owner.
            let misled = operation.lookup.misled_by();
            self.hint(misled, out);
        }
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        if operation.purpose.caller().is_none() || operation.retries == RETRIES_MAX {
            return self.give_up(ticket, failure, out);
        }
        let delay_ms = (RETRY_MS << operation.retries.min(8)).min(RETRY_MS_MAX);
        operation.retries += 1;
        let delay = Delay::between(delay_ms / 2, delay_ms);
        wait(Timer::Operation(ticket), delay, out);
    }

    /// The wait is over: start anew from what this node knows now.
    pub(crate) fn try_again(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(operation) = self.operations.find(ticket) else {
            return;
        };
        let route = operation.lookup.route;
        let known = self.known(route);
        if let Some(operation) = self.operations.find(ticket) {
            operation.lookup.retry(&self.view.me, known);
            self.advance(ticket, out);
        }
    }

    /// Whether a client of this node still waits for something.
    pub(crate) fn has_callers(&self) -> bool {
        self.operations
            .iter()
            .any(|operation| operation.purpose.caller().is_some())
    }

    pub(crate) fn give_up(
        &mut self,
        ticket: Ticket,
        failure: Failure<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(operation) = self.operations.take(ticket) else {
            return;
        };
        match operation.purpose {
            Purpose::Finger(exponent) => self.finger_found(exponent, None, out),
            Purpose::SelfCheck(incarnation) => self.self_found(incarnation, None, out),
            Purpose::Join => self.place_found(None, out),
            Purpose::Reunion(incarnation, step) => self.ring_found((incarnation, step), None, out),
            Purpose::Keeper(tag) => self.keeper_missed(tag.arc),
            Purpose::Carry(_) => self.has_not_carried(out),
            Purpose::Find(ticket) | Purpose::Read(ticket) | Purpose::Change(ticket, _) => {
                let returned = Returned::Failed(failure, operation.lookup.into_path());
                out.push(Action::Return { ticket, returned });
                self.end_leave(out);
            }
        }
    }

    /// The owner is found, and nothing is wanted of it.
    fn complete(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(operation) = self.operations.take(ticket) else {
            return;
        };
        let node = operation.lookup.last().cloned();
        match operation.purpose {
            Purpose::Finger(exponent) => self.finger_found(exponent, node, out),
            Purpose::SelfCheck(incarnation) => self.self_found(incarnation, node, out),
            Purpose::Join => self.place_found(node, out),
            Purpose::Reunion(incarnation, step) => self.ring_found((incarnation, step), node, out),
            Purpose::Keeper(tag) => self.keeper_found(tag, node, out),
            Purpose::Carry(_) => self.has_not_carried(out),
            Purpose::Find(ticket) | Purpose::Read(ticket) | Purpose::Change(ticket, _) => {
                let returned = Returned::Found(operation.lookup.into_path());
                out.push(Action::Return { ticket, returned });
                self.end_leave(out);
            }
        }
    }

    /// The owner has read the record.
    pub(crate) fn finish_read(
        &mut self,
        ticket: Ticket,
        record: Option<Record>,
        out: &mut Vec<Action<A>>,
    ) {
        self.finish(ticket, |path| Returned::Record(record, path), out);
    }

    /// The owner has made the change, or refused it.
    pub(crate) fn finish_change_call(
        &mut self,
        ticket: Ticket,
        changed: Changed,
        copies: u8,
        out: &mut Vec<Action<A>>,
    ) {
        self.finish(ticket, |path| Returned::Changed(changed, copies, path), out);
    }

    fn finish(
        &mut self,
        ticket: Ticket,
        returned: impl FnOnce(Vec<Hop<A>>) -> Returned<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(mut operation) = self.operations.take(ticket) else {
            return;
        };
        if let Some(link) = operation.local.take() {
            operation.lookup.answered(&link, 0);
        }
        if let Purpose::Carry(_) = operation.purpose {
            self.has_carried(operation.lookup.route.key, out);
        } else if let Some(ticket) = operation.purpose.caller() {
            let returned = returned(operation.lookup.into_path());
            out.push(Action::Return { ticket, returned });
            self.end_leave(out);
        }
    }
}

/// Beats after which an owner takes its time.
const SLOW: u8 = 2;

/// Calls in progress at a time: more would only wait longer.
const OPERATIONS_MAX: usize = 1024;

/// Attempts of one call after the first; with the delays below, about 5 s, which is longer than
/// the ring takes to mend itself after a death.
const RETRIES_MAX: u8 = 18;

/// Before the first retry; it doubles from one to the next.
const RETRY_MS: u32 = 20;

/// The longest wait between two attempts.
const RETRY_MS_MAX: u32 = 400;
