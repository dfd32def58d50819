//! Causal: a store in shards of replicas, where no client ever sees less than what it has already seen.
//!
//! ```text
//!     client's text ──► seen ──► operate ──► spread ──► take in        view, shards
//!                                   │           two copies   │           meet: who is there
//!                                   ▼                        ▼           arrange: what is wanted
//!                                 answer ◄── deferred ◄── store          decide: what is next
//!                                            until durable               relocate: get there
//!     a replica that lacks something: compare ──► pages
//! ```
//!
//! A node takes writes for its shard, numbers them, keeps them and spreads them; a write shows, and is
//! acknowledged, once two stores have it. Replicas take writes in when all that comes before them is there,
//! so what a replica shows is always closed under what happened before. What a client has seen travels with the
//! client, as [`seen::Seen`]; a node that lacks something of it says [`Failure::NotYet`](message::Failure).
//!
//! Causal memory: Ahamad and others, *Causal Memory: Definitions, Implementation, and Programming* (1995).

pub mod found;
pub mod layout;
pub mod message;
pub mod roster;
pub mod seen;
pub mod vector;
pub mod write;

mod arrange;
mod compare;
mod content;
mod decide;
mod fill;
mod forward;
mod keep;
mod log;
mod meet;
mod operate;
mod page;
mod relocate;
mod spread;
mod sync;
mod take;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use self::arrange::Wish;
use self::compare::Comparing;
use self::content::Content;
use self::decide::Proposal;
use self::fill::Filling;
use self::forward::Sought;
use self::found::{Founding, Witnesses};
use self::layout::{Change, Layout};
use self::meet::Acquaintance;
use self::message::{Ask, Call, Decree, Failure, Returned, Told};
use self::operate::{Asker, Reading};
use self::page::Paging;
use self::relocate::{Former, Relocation};
use self::roster::{Entry, Roster, Status};
use self::sync::Syncs;
use self::vector::Writer;
use self::write::Clock;
use crate::event::{self, Action, Cause, Event, Ticket, Timer};
use crate::id::Id;
use crate::message::{Reply, Request};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::record::Record;
use crate::replication::acceptor::{Acceptor, Ballot};
use crate::slots::Slots;
use crate::store::{Command, Note, Outcome};
use crate::view::{Phase, View};

/// What a node is told once, at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config<A> {
    /// Which store the node runs on: the incarnation in which that was made, at least 1.
    pub store: u32,
    /// The nodes of the view, itself included. They start with a layout of just these, unless they hear of another.
    pub view: BTreeSet<A>,
    /// How many shards they begin with; nothing where they are not divided, and of a node that comes later.
    pub shards: Option<u32>,
}

/// One node of a causal store.
///
/// Its contract is that of [`crate::Node`]: a function of its state and the event, which reads no clock and draws
/// no random number. Its owner keeps this:
/// - every [`Action::Ask`] is answered by one [`Event::Answered`] or [`Event::Unanswered`]. A peer of
///   incarnation 0 is one of which only the address is known: whoever listens there is told by [`Event::Met`],
///   and the question counts as refused;
/// - every [`Action::Store`] is answered by one [`Event::Stored`], in order, but for those of syncs;
/// - [`Timer::Beat`] elapses about four times a second: it is the only clock;
/// - after a restart on its store the node gets the notes that are there, by [`Causal::restore`].
#[derive(Clone, Debug)]
pub struct Causal<A> {
    me: Peer<A>,
    config: Config<A>,
    writer: Writer,
    view: View<A>,
    beats: u32,
    roster: Roster<A>,
    acquaintance: Acquaintance<A>,
    /// How everything began; nothing while it may be about to begin.
    founding: Option<Founding>,
    /// Whether that is durable.
    is_founding_kept: bool,
    witnesses: Witnesses<A>,
    /// Whether it has once been told all that there was when it began on its store.
    is_resident: bool,
    /// The layout whose content is in force here.
    layout: Layout<A>,
    /// The last decision: of the layout in force, or of the one that comes next.
    decree: Decree<A>,
    /// What that changes of the layout before, if that was known here.
    change: Option<Change>,
    content: Content<A>,
    /// What it still keeps of the layout before, for those that are on their way.
    former: Option<Former<A>>,
    /// The latest clock of all that it ever had.
    clock: Clock,
    acceptor: Acceptor<Decree<A>>,
    /// Since which beat it has waited for a decision that it has promised to take part in.
    sealed_since: u32,
    proposal: Option<Box<Proposal<A>>>,
    wish: Option<Wish<A>>,
    relocation: Option<Box<Relocation<A>>>,
    comparing: Option<Comparing<A>>,
    filling: Option<Box<Filling<A>>>,
    /// Up to which layout it has forgotten what belongs to other shards.
    purged: u32,
    /// Whether the store has noted where the node is.
    is_kept: bool,
    /// Counts what goes to one of several nodes in turn.
    turn: usize,
    syncs: Syncs<A>,
    questions: Slots<About<A>>,
    errands: Slots<Errand>,
}

/// What an open question was about.
#[derive(Clone, Debug)]
enum About<A> {
    Meet(A),
    Spread(A, u32),
    Compare(A, u32),
    Page(usize),
    Forward(Box<Sought<A>>),
    Decide(A, Ballot),
}

/// What the store was asked to do.
#[derive(Clone, Debug)]
enum Errand {
    /// Nobody waits for it.
    Nothing,
    /// Read a record for somebody.
    Read(Box<Reading>),
    /// Read a page for another node, or to count or forget what is on it.
    Page(Paging),
    /// All up to this sync is durable.
    Synced(u64),
}

impl<A: Address> Causal<A> {
    /// A node that starts with an empty store.
    pub fn new(me: Peer<A>, config: Config<A>) -> Causal<A> {
        assert!(
            config.view.contains(&me.address) && config.store > 0,
            "a node is part of its own view, and its store has a number"
        );
        let layout = Layout::first(&config.view, config.shards);
        let decree = Decree {
            layout: layout.clone(),
            cut: Default::default(),
        };
        let mut roster = Roster::new();
        for address in &config.view {
            roster.take(Entry::unmet(address.clone()));
        }
        let content = Content::new(&layout, &me.address);
        let mut node = Causal {
            writer: Writer::of(me.id, config.store),
            view: View::joining(me.clone(), Ownership::Successor),
            beats: 0,
            roster,
            acquaintance: Acquaintance::default(),
            founding: None,
            is_founding_kept: false,
            witnesses: Witnesses::default(),
            is_resident: false,
            layout,
            decree,
            change: None,
            content,
            former: None,
            clock: Clock::default(),
            acceptor: Acceptor::new(),
            sealed_since: 0,
            proposal: None,
            wish: None,
            relocation: None,
            comparing: None,
            filling: None,
            purged: 0,
            is_kept: false,
            turn: 0,
            syncs: Syncs::default(),
            questions: Slots::new(),
            errands: Slots::new(),
            me,
            config,
        };
        node.introduce(0);
        node
    }

    /// Takes one event, and appends to `actions` what is to be done because of it, in order.
    pub fn handle(&mut self, event: Event<A>, actions: &mut Vec<Action<A>>) {
        if !self.is_kept {
            self.is_kept = true;
            self.keep_layout(actions);
        }
        match event {
            Event::Asked {
                ticket,
                from,
                request,
            } => self.asked(ticket, &from, request, actions),
            Event::Answered {
                ticket,
                from,
                reply,
                ..
            } => self.answered(ticket, &from, reply, actions),
            Event::Unanswered { ticket, cause } => self.unanswered(ticket, cause, actions),
            Event::Met(peer) => self.met(&peer),
            Event::Elapsed(Timer::Beat) => self.beat(actions),
            Event::Elapsed(_) | Event::Listed(_) => {}
            Event::Stored { ticket, outcome } => self.stored(ticket, outcome, actions),
            Event::Called { ticket, call } => match call {
                event::Call::Causal(call) => self.called(ticket, *call, actions),
                _ => {
                    let failure = event::Failure::NotAMember;
                    let returned = event::Returned::Failed(failure, Vec::new());
                    actions.push(Action::Return { ticket, returned });
                }
            },
        }
        self.publish(actions);
    }

    /// The node as others may see it: only who it is, and whether it is ready for clients.
    pub fn view(&self) -> &View<A> {
        &self.view
    }

    /// Whether it answers for keys of its shard.
    pub fn is_ready(&self) -> bool {
        self.content.serves
            && !self.content.is_ahead
            && self.shard().is_some()
            && !self.is_deleted()
    }

    /// The layout whose content it has in force, and the last that was decided.
    pub fn layouts(&self) -> (&Layout<A>, &Layout<A>) {
        (&self.layout, &self.decree.layout)
    }

    /// All nodes that it knows of.
    pub fn roster(&self) -> &Roster<A> {
        &self.roster
    }

    /// What it shows of all shards.
    pub fn seen(&self) -> &seen::Seen {
        &self.content.seen
    }

    fn asked(
        &mut self,
        ticket: Ticket,
        from: &Peer<A>,
        request: Request<A>,
        out: &mut Vec<Action<A>>,
    ) {
        self.heard(from);
        let ask = match request {
            Request::Causal(ask) => *ask,
            Request::Ping => {
                let reply = Reply::Pong;
                return out.push(Action::Reply { ticket, reply });
            }
            _ => {
                let reply = Reply::Gone;
                return out.push(Action::Reply { ticket, reply });
            }
        };
        match ask {
            Ask::Meet(news) => {
                self.witness(from, &news);
                self.learn(news, out);
                self.tell_news(ticket, out);
            }
            Ask::Spread { epoch, writes } => self.spread_by(ticket, from, epoch, writes, out),
            Ask::Compare { epoch, vector } => self.compare_for(ticket, from, epoch, &vector, out),
            Ask::Page {
                epoch,
                shard,
                after,
            } => self.page_for(ticket, epoch, shard, after, out),
            Ask::Operate(operation) => self.operate(Asker::Node(ticket), operation, out),
            Ask::Count(shard) => self.count(Asker::Node(ticket), shard, out),
            Ask::Prepare(epoch, ballot) => self.prepare_for(ticket, epoch, ballot, out),
            Ask::Accept(ballot, decree) => self.accept_for(ticket, ballot, decree, out),
        }
    }

    fn answered(
        &mut self,
        ticket: Ticket,
        from: &Peer<A>,
        reply: Reply<A>,
        out: &mut Vec<Action<A>>,
    ) {
        self.heard(from);
        let (Some(about), Reply::Causal(told)) = (self.questions.take(ticket), reply) else {
            return;
        };
        match (about, *told) {
            (About::Meet(node), told) => {
                if let Told::News(news) = &told {
                    self.witness(from, news);
                }
                self.learned(told, out);
                self.met_or_missed(&node, true, out);
            }
            (About::Spread(node, epoch), told) => self.spread_told(&node, epoch, told, out),
            (About::Compare(node, epoch), told) => self.compare_told(&node, epoch, told, out),
            (About::Page(serial), told) => self.page_told(serial, told, out),
            (About::Forward(sought), told) => self.forward_told(*sought, told, out),
            (About::Decide(node, ballot), told) => self.decide_told(&node, ballot, told, out),
        }
    }

    fn unanswered(&mut self, ticket: Ticket, cause: Cause, out: &mut Vec<Action<A>>) {
        match self.questions.take(ticket) {
            Some(About::Meet(node)) => self.met_or_missed(&node, false, out),
            Some(About::Spread(node, epoch)) => self.spread_missed(&node, epoch),
            Some(About::Compare(node, _)) => {
                self.compare_missed(&node);
                self.follow_missed(&node, out);
            }
            Some(About::Page(serial)) => self.page_missed(serial),
            Some(About::Forward(sought)) => self.forward_missed(*sought, cause, out),
            Some(About::Decide(..)) | None => {}
        }
    }

    fn stored(&mut self, ticket: Ticket, outcome: Outcome, out: &mut Vec<Action<A>>) {
        match (self.errands.take(ticket), outcome) {
            (Some(Errand::Read(reading)), Outcome::Record(record)) => {
                self.read(*reading, record, out);
            }
            (Some(Errand::Page(paging)), Outcome::Records(records)) => {
                self.scanned(paging, records, out);
            }
            (Some(Errand::Read(reading)), Outcome::Failed) => {
                self.answer(reading.asker, Err(Failure::NotKept), out);
            }
            (Some(Errand::Page(paging)), Outcome::Failed) => self.scan_failed(paging, out),
            (Some(Errand::Synced(_)), Outcome::Failed) => self.sync_failed(out),
            (Some(Errand::Synced(number)), _) => self.synced(number, out),
            _ => {}
        }
    }

    fn called(&mut self, ticket: Ticket, call: Call<A>, out: &mut Vec<Action<A>>) {
        match call {
            Call::Operate {
                key,
                what,
                seen,
                now_ms,
            } => self.operate_call(ticket, key, what, seen.as_deref(), now_ms, out),
            Call::View => {
                let view = self.roster.view().map(|entry| entry.peer.address.clone());
                let returned = Returned::View(view.collect());
                self.give(ticket, returned, out);
            }
            Call::Add(address) => self.add(ticket, address, out),
            Call::Delete(address) => self.delete(ticket, &address, out),
            Call::Shards => {
                let returned = Returned::Shards(self.shards());
                self.give(ticket, returned, out);
            }
            Call::Count(shard) => self.count_call(ticket, shard, out),
            Call::AddMember(address, shard) => self.add_member(ticket, address, shard, out),
            Call::Reshard(shards) => self.reshard(ticket, shards, out),
        }
    }

    /// A quarter of a second has passed.
    fn beat(&mut self, out: &mut Vec<Action<A>>) {
        self.beats += 1;
        self.meet_some(out);
        self.look_at_founding(out);
        self.look_for_lost(out);
        self.spread_again(out);
        self.give_up_writes(out);
        self.give_up_syncs(out);
        self.compare_next(out);
        self.relocate(out);
        self.decide_again(out);
        self.look_at_wish(out);
        self.tidy(out);
    }

    fn ask(&mut self, to: &Peer<A>, ask: Ask<A>, about: About<A>, out: &mut Vec<Action<A>>) {
        let ticket = self.questions.insert(about);
        let request = Request::Causal(Box::new(ask));
        let to = to.clone();
        out.push(Action::Ask {
            ticket,
            to,
            request,
        });
    }

    fn tell(&self, ticket: Ticket, told: Told<A>, out: &mut Vec<Action<A>>) {
        let reply = Reply::Causal(Box::new(told));
        out.push(Action::Reply { ticket, reply });
    }

    fn give(&self, ticket: Ticket, returned: Returned<A>, out: &mut Vec<Action<A>>) {
        let returned = event::Returned::Causal(Box::new(returned));
        out.push(Action::Return { ticket, returned });
    }

    fn fail(&self, ticket: Ticket, failure: Failure, out: &mut Vec<Action<A>>) {
        self.give(ticket, Returned::Failed(failure), out);
    }

    /// Keeps notes.
    fn note(&mut self, notes: Vec<Note>, out: &mut Vec<Action<A>>) {
        self.merge(Vec::new(), notes, out);
    }

    /// Stores records, unless those that are there are later, and with them notes, as one.
    fn merge(&mut self, merge: Vec<(Id, Record)>, notes: Vec<Note>, out: &mut Vec<Action<A>>) {
        let command = Command::Write {
            put: Vec::new(),
            merge,
            forget: Vec::new(),
            notes,
        };
        self.store(command, Errand::Nothing, out);
    }

    fn store(&mut self, command: Command, errand: Errand, out: &mut Vec<Action<A>>) {
        let ticket = self.errands.insert(errand);
        out.push(Action::Store { ticket, command });
    }

    /// The shard whose content it has in force.
    fn shard(&self) -> Option<u32> {
        self.layout.shard(&self.me.address)
    }

    fn is_deleted(&self) -> bool {
        self.roster.status(&self.me.address) == Some(Status::Deleted)
    }

    fn publish(&mut self, out: &mut Vec<Action<A>>) {
        let phase = match self.is_ready() {
            true => Phase::Member,
            false => Phase::Joining,
        };
        if self.view.phase != phase {
            self.view.phase = phase;
            out.push(Action::Publish);
        }
    }
}
