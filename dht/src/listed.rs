//! Listed: a node of a network whose members are a complete list.
//!
//! ```text
//!   list ──► table 1 ──► table 2 ──► …      each decided by a majority of the members of the one before
//!              │
//!              ├─ now:  where each key belongs       reads and writes go there
//!              └─ goal: where it belongs after the   writes go there, too, and content is
//!                       step under way               handed over; then comes the next table
//! ```
//!
//! All members have the same table, and with it each finds by itself who keeps a key: there is no way to
//! look for. A change of the list is carried out in steps: what moves is copied, then the next table says so,
//! and then the old copies go. No copy is given up before those that keep the key by the table have it.
//!
//! What this is not: consensus about content. The first of a key's replicas that answers stamps a write, and
//! acknowledges it when a majority of them has it; two that take each other for dead may both do so, and then
//! the newest version wins. With one or two copies a write is acknowledged by one of them alone, where
//! the other one can't be reached.
//!
//! One exchange a file: `found` (the first table), `decide` (the next one), `steer` (which one that
//! should be), `operate` (what clients want, wherever it is), `read` and `write` (by a replica), `sweep`
//! (copies go where they belong, in the course of a change and ever after), `presence` (who is there).

pub mod message;
pub mod table;

mod decide;
mod found;
mod operate;
mod presence;
mod read;
mod steer;
mod sweep;
mod write;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::event::{Action, Call, Cause, Event, Failure, Note, Returned, Ticket, Timer};
use crate::id::Id;
use crate::listed::decide::Vote;
use crate::listed::found::Acquaintances;
use crate::listed::message::{Ask, Refused, Told, What};
use crate::listed::operate::Operation;
use crate::listed::presence::Presence;
use crate::listed::read::Gather;
use crate::listed::steer::Course;
use crate::listed::sweep::Sweeping;
use crate::listed::table::{Layout, Member, Table};
use crate::listed::write::{Asker, Write};
use crate::message::{Elsewhere, Reply, Request};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::placement::Scheme;
use crate::record::{Changed, Record, Version};
use crate::replication::Ballot;
use crate::slots::Slots;
use crate::store::{self, Command, Outcome};
use crate::view::{Phase, View};

/// What a node of a list is told once, at its start. All members are told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// How keys are placed.
    pub scheme: Scheme,
    /// How many members keep each key, if there are so many; 1 to [`REPLICAS_MAX`](crate::node::REPLICAS_MAX).
    pub replicas: u8,
    /// Where the randomness comes from with which partitions are dealt.
    pub seed: u64,
    /// Whether the members are to be always those that were listed last, as a registry does; or else only
    /// the first ones, and later ones come and go by [`Call::Members`].
    pub follows: bool,
    /// Records that are compared with those of other members at a time.
    pub page: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            scheme: Scheme::Partitions { count: 200 },
            replicas: 1,
            seed: 1,
            follows: false,
            page: 256,
        }
    }
}

/// One node of the list. Its contract is that of [`Node`](crate::Node), but only [`Timer::Beat`] is
/// scheduled, some times a second.
#[derive(Clone, Debug)]
pub struct Listed<A> {
    config: Config,
    me: Id,
    view: View<A>,
    /// Whether the view has changed since it was last published.
    touched: bool,
    /// The newest table that it knows; of version 0 where it was only told a list.
    table: Option<Arc<Table<A>>>,
    /// Where keys belong by it, and after the step that is under way.
    now: Option<Layout>,
    goal: Option<Layout>,
    presence: Presence<A>,
    acquaintances: Acquaintances<A>,
    vote: Vote<A>,
    course: Course<A>,
    sweeping: Sweeping,
    /// Members that may have something that this node lacks, since it was away.
    owed: BTreeSet<Id>,
    /// The highest time of any version seen.
    clock: u64,
    questions: Slots<Question<A>>,
    /// Questions to those that are told the table first.
    deferred: Vec<Question<A>>,
    errands: Slots<Errand<A>>,
    operations: Slots<Operation<A>>,
    gathers: Slots<Gather>,
    writes: Slots<Write>,
}

/// An open question, and what it was about.
#[derive(Clone, Debug)]
struct Question<A> {
    to: Peer<A>,
    /// Nothing where it is only asked whether it is there.
    what: Option<What<A>>,
    about: About,
}

/// What a question was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Presence,
    Greeting,
    Install,
    Vote(Ballot),
    Swept,
    Operation(Ticket),
    /// A copy for a reader.
    Copy(Ticket),
    /// A copy of a write, in this attempt, of this key.
    Write(Ticket, u32, Id),
    /// Something of the sweep of this number.
    Sweep(u32),
    /// That one has been offered all that it may have missed.
    CaughtUp,
}

/// What the store was asked to do.
#[derive(Clone, Debug)]
enum Errand<A> {
    /// Nobody waits for it.
    Discard,
    /// All before this is durable: so it may be said.
    Say(Ticket, Told<A>),
    /// The own promise is durable, or the own acceptance.
    Voted(Ballot, bool),
    /// Read the own copy for another member.
    Copy(Ticket),
    /// Read what is here of what another member sends.
    Keep(Ticket, Vec<(Id, Version)>),
    /// Read what is here of what another member has.
    Offer(Ticket, Vec<(Id, Version)>),
    /// Read the own copy for a reader.
    Own(Ticket),
    /// Make a change.
    Change(Ticket),
    /// Read what has become of it.
    Written(Ticket, u32),
    /// It is durable here.
    Synced(Ticket, u32),
    /// Read a page of what is here.
    Page(u32),
}

impl<A: Address> Listed<A> {
    /// A node that knows nobody, but what its store has noted for it.
    pub fn new(me: Member<A>, config: Config, notes: &[(Vec<u8>, Vec<u8>)]) -> Listed<A> {
        let view = View {
            me: me.peer.clone(),
            phase: Phase::Joining,
            ownership: Ownership::Successor,
            predecessor: None,
            successors: Vec::new(),
            fingers: Vec::new(),
            serves: Vec::new(),
            fenced: None,
            handover: None,
            receives: Vec::new(),
            groups: Vec::new(),
            fetches: Vec::new(),
            table: None,
        };
        let mut node = Listed {
            config,
            me: me.peer.id,
            view,
            touched: false,
            table: None,
            now: None,
            goal: None,
            presence: Presence::new(),
            acquaintances: Acquaintances::new(),
            vote: Vote::new(),
            course: Course::new(),
            sweeping: Sweeping::new(),
            owed: BTreeSet::new(),
            clock: 0,
            questions: Slots::new(),
            deferred: Vec::new(),
            errands: Slots::new(),
            operations: Slots::new(),
            gathers: Slots::new(),
            writes: Slots::new(),
        };
        node.restore(notes);
        node
    }

    /// Takes one event, and appends to `actions` what is to be done because of it, in order.
    pub fn handle(&mut self, event: Event<A>, actions: &mut Vec<Action<A>>) {
        let before = actions.len();
        match event {
            Event::Asked {
                ticket,
                from,
                request,
            } => self.asked(ticket, from, request, actions),
            Event::Answered {
                ticket,
                from,
                reply,
                micros,
            } => {
                if let Some(question) = self.questions.take(ticket) {
                    self.answered(question, from, reply, micros, actions);
                }
            }
            Event::Unanswered { ticket, cause } => {
                if let Some(question) = self.questions.take(ticket) {
                    self.missed(&question.to);
                    self.untold(question, cause, actions);
                }
            }
            Event::Met(peer) => self.met(peer, actions),
            Event::Listed(members) => self.listed(members, actions),
            Event::Elapsed(Timer::Beat) => self.beat(actions),
            Event::Elapsed(Timer::Operation(operation)) => self.advance(operation, actions),
            // All others look after rings.
            Event::Elapsed(_) => {}
            Event::Stored { ticket, outcome } => {
                if let Some(errand) = self.errands.take(ticket) {
                    self.stored(errand, outcome, actions);
                }
            }
            Event::Called { ticket, call } => self.called(ticket, call, actions),
        }
        if core::mem::take(&mut self.touched) {
            actions.insert(before, Action::Publish);
        }
    }

    /// The node as others may see it.
    pub fn view(&self) -> &View<A> {
        &self.view
    }

    fn asked(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        request: Request<A>,
        out: &mut Vec<Action<A>>,
    ) {
        match request {
            Request::Listed(ask) => self.asked_by_member(ticket, from, *ask, out),
            Request::Read(key) => self.serve_read(key, Asker::Outside(ticket), out),
            Request::Change(key, change) => {
                self.serve_change(key, change, Asker::Outside(ticket), out);
            }
            Request::Ping => reply(ticket, Reply::Pong, out),
            // There is no ring here.
            _ => reply(ticket, Reply::Gone, out),
        }
    }

    fn asked_by_member(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        ask: Ask<A>,
        out: &mut Vec<Action<A>>,
    ) {
        self.shows(&from);
        let (version, what) = match ask.what {
            What::Install(table) if table.version > self.version() => {
                self.learn(*table, out);
                (self.version(), None)
            }
            What::Install(table) => (table.version, None),
            what => (ask.version, Some(what)),
        };
        if version != self.version() {
            return tell(ticket, self.other_table(version), out);
        }
        self.course.informed.insert(from.id);
        match what {
            None => tell(ticket, Told::Done, out),
            Some(What::Install(_)) => unreachable!("it is learned by now"),
            Some(What::Greet) => self.greet_for(ticket, &from, out),
            Some(What::Prepare(ballot)) => self.prepare_for(ticket, ballot, out),
            Some(What::Accept(ballot, table)) => self.accept_for(ticket, ballot, table, out),
            Some(What::Swept) => {
                self.course.swept.insert(from.id);
                tell(ticket, Told::Done, out);
                self.pursue(out);
            }
            Some(What::Read(key)) => self.serve_read(key, Asker::Member(ticket), out),
            Some(What::Change(key, change)) => {
                self.serve_change(key, change, Asker::Member(ticket), out);
            }
            Some(What::Copy(key)) => self.store(Command::Read(key), Errand::Copy(ticket), out),
            Some(What::Put(records)) => self.keep_for(ticket, records, out),
            Some(What::Offer { items, is_owed }) => {
                self.offer_for(ticket, from.id, items, is_owed, out);
            }
        }
    }

    /// What one is told that acts by a table of another version.
    fn other_table(&self, version: u32) -> Told<A> {
        match &self.table {
            Some(table) if table.version > version => Told::Newer(Box::new(Table::clone(table))),
            _ => Told::Behind(self.version()),
        }
    }

    fn answered(
        &mut self,
        question: Question<A>,
        from: Peer<A>,
        reply: Reply<A>,
        micros: u32,
        out: &mut Vec<Action<A>>,
    ) {
        let told = match reply {
            Reply::Listed(told) => *told,
            Reply::Gone => {
                self.missed(&from);
                return self.untold(question, Cause::Refused, out);
            }
            _ => return self.shows(&from),
        };
        self.shows(&from);
        match told {
            Told::Newer(table) => {
                self.learn(*table, out);
                // Whatever it was, it is begun anew by that table.
                self.outdated(question, micros, out);
            }
            Told::Behind(version) if version >= self.version() || self.version() == 0 => {
                self.outdated(question, micros, out);
            }
            Told::Behind(_) => self.defer(question, out),
            told => {
                self.course.informed.insert(from.id);
                self.told(question, told, micros, out);
            }
        }
    }

    /// One that has an older table is told this one, and then asked again.
    fn defer(&mut self, question: Question<A>, out: &mut Vec<Action<A>>) {
        let to = question.to.id;
        if question.about == About::Install {
            return;
        }
        let is_told = self.deferred.iter().any(|other| other.to.id == to);
        self.deferred.push(question);
        if !is_told {
            self.install(to, out);
        }
    }

    /// What was put off for this one.
    fn take_deferred(&mut self, to: Id) -> Vec<Question<A>> {
        self.deferred
            .extract_if(.., |question| question.to.id == to)
            .collect()
    }

    fn told(
        &mut self,
        question: Question<A>,
        told: Told<A>,
        micros: u32,
        out: &mut Vec<Action<A>>,
    ) {
        let to = question.to.id;
        match (question.about, told) {
            (About::Greeting, Told::Greeting(greeting)) => self.greeted(to, greeting, out),
            (About::Install, _) => {
                for question in self.take_deferred(to) {
                    self.ask_again(question, out);
                }
                self.pursue(out);
            }
            (About::Vote(ballot), told) => self.voted_by(to, ballot, told, out),
            (About::Swept, _) => self.course.reported = Some(to),
            (About::Operation(operation), told) => {
                self.operation_told(operation, question.to, told, micros, out);
            }
            (about @ (About::Copy(_) | About::Write(..) | About::Sweep(_)), Told::Refused(_)) => {
                let question = Question { about, ..question };
                self.untold(question, Cause::Refused, out);
            }
            (About::Copy(gather), Told::Record(record)) => {
                self.copy_told(gather, Some(record), out)
            }
            (About::Write(write, attempt, _), Told::Kept(newer)) => {
                self.write_kept(write, attempt, to, newer, out);
            }
            (About::Sweep(number), told) => self.sweep_told(number, to, told, out),
            _ => {}
        }
    }

    /// A question has not been answered, and will not be.
    fn untold(&mut self, question: Question<A>, cause: Cause, out: &mut Vec<Action<A>>) {
        let to = question.to.id;
        match question.about {
            About::Presence | About::Greeting | About::Vote(_) | About::Swept => {}
            About::CaughtUp => self.falls_behind(to),
            About::Install => {
                for question in self.take_deferred(to) {
                    // These were not even looked at.
                    self.untold(question, Cause::Refused, out);
                }
            }
            About::Operation(operation) => {
                self.operation_missed(operation, question.to, cause, out);
            }
            About::Copy(gather) => self.copy_told(gather, None, out),
            About::Write(write, attempt, key) => {
                self.write_missed(write, attempt, (to, key), out);
            }
            About::Sweep(number) => self.sweep_missed(number, to, out),
        }
    }

    /// A question was asked by a table that has been replaced meanwhile.
    fn outdated(&mut self, question: Question<A>, micros: u32, out: &mut Vec<Action<A>>) {
        match question.about {
            About::Operation(operation) => {
                self.operation_outdated(operation, question.to, micros, out);
            }
            _ => self.untold(question, Cause::Refused, out),
        }
    }

    fn stored(&mut self, errand: Errand<A>, outcome: Outcome, out: &mut Vec<Action<A>>) {
        match (errand, outcome) {
            (Errand::Discard, _) => {}
            (errand, Outcome::Failed) => self.store_failed(errand, out),
            (Errand::Say(ticket, told), _) => tell(ticket, told, out),
            (Errand::Voted(ballot, accepts), _) => self.voted(ballot, accepts, out),
            (Errand::Copy(ticket), Outcome::Record(record)) => {
                tell(ticket, Told::Record(record), out);
            }
            (Errand::Keep(ticket, sent), Outcome::Records(here)) => {
                self.kept(ticket, &sent, here, out);
            }
            (Errand::Offer(ticket, items), Outcome::Records(here)) => {
                let wanted = items.iter().filter(|item| !has(&here, item));
                let wanted = wanted.map(|(key, _)| *key);
                tell(ticket, Told::Wanted(wanted.collect()), out);
            }
            (Errand::Own(gather), Outcome::Record(record)) => self.own_read(gather, record, out),
            (Errand::Change(write), Outcome::Changed(changed)) => self.changed(write, changed, out),
            (Errand::Written(write, attempt), Outcome::Record(record)) => {
                self.written(write, attempt, record, out);
            }
            (Errand::Synced(write, attempt), _) => self.write_synced(write, attempt, out),
            (Errand::Page(number), Outcome::Records(records)) => {
                self.page_read(number, records, out);
            }
            (errand, outcome) => panic!("the store answered {errand:?} with {outcome:?}"),
        }
    }

    /// The store is out of reach: others that have copies are to be asked instead.
    fn store_failed(&mut self, errand: Errand<A>, out: &mut Vec<Action<A>>) {
        match errand {
            Errand::Copy(ticket) | Errand::Keep(ticket, _) | Errand::Offer(ticket, _) => {
                tell(ticket, Told::Refused(Refused::Store), out);
            }
            Errand::Own(gather) => self.own_unreadable(gather, out),
            Errand::Change(write) => self.unchanged(write, out),
            Errand::Written(write, attempt) => self.written(write, attempt, None, out),
            Errand::Page(number) => self.page_unreadable(number),
            errand => panic!("what needs no content has failed: {errand:?}"),
        }
    }

    fn called(&mut self, ticket: Ticket, call: Call<A>, out: &mut Vec<Action<A>>) {
        match call {
            Call::Join(_) => fail(ticket, Failure::NoList, out),
            Call::Leave => self.leave(ticket, out),
            Call::Members(change) => self.wish(ticket, *change, out),
            Call::Find { .. } | Call::Read { .. } | Call::Change { .. } => {
                self.operate(ticket, call, out);
            }
        }
    }

    /// Some time has passed.
    fn beat(&mut self, out: &mut Vec<Action<A>>) {
        self.look_after_others(out);
        self.look_for_table(out);
        self.age_proposal();
        self.age_wishes(out);
        self.keep_sweeping(out);
        self.report(out);
        self.pursue(out);
    }

    /// Goes by this table from now on.
    fn adopt(&mut self, table: Table<A>, out: &mut Vec<Action<A>>) {
        let table = Arc::new(table);
        let old = self.table.replace(table.clone());
        self.now = Some(table.layout());
        self.goal = table.goal();
        let is_first = old.as_ref().is_none_or(|old| old.version == 0);
        self.begin_votes(out);
        self.course.renew();
        let former = old.iter().flat_map(|old| old.everyone());
        let former = former.map(|member| member.peer.id);
        let former = former.filter(|id| table.everyone().all(|member| member.peer.id != *id));
        self.course.former = former.filter_map(|id| self.peer(id)).collect();
        self.presence.keep_only(&table);
        let known: Vec<Id> = table.members.iter().map(|member| member.peer.id).collect();
        self.owed.retain(|id| known.contains(id));
        if is_first {
            self.introduce(&table, out);
        }
        self.show(&table);
        let members = table.members.len();
        out.push(Action::Note(Note::Table(
            table.version,
            members,
            table.change.is_some(),
        )));
        let loses = old.is_none_or(|old| old.version == 0 || old.is_given_up(&table, self.me));
        self.sweep_for(&table, loses, out);
        self.spread_anew(out);
        self.see_what_began(&table, out);
        self.pursue(out);
    }

    /// Somebody has a newer table, or says so.
    fn learn(&mut self, table: Table<A>, out: &mut Vec<Action<A>>) {
        if table.version > self.version() && table.is_sound() {
            self.adopt(table, out);
        }
    }

    /// Changes the view, to be published before any action of this event.
    fn show(&mut self, table: &Arc<Table<A>>) {
        let is_member = table.member(self.me).is_some();
        self.view.table = Some(table.clone());
        self.view.phase = match self.view.phase {
            Phase::Left => Phase::Left,
            Phase::Leaving if self.course.is_leaving() => Phase::Leaving,
            _ if is_member => Phase::Member,
            Phase::Joining => Phase::Joining,
            _ => Phase::Lost,
        };
        self.touched = true;
    }

    /// The version of the table; 0 where there is none.
    fn version(&self) -> u32 {
        self.table.as_ref().map_or(0, |table| table.version)
    }

    /// The table, if one has been decided.
    fn decided(&self) -> Option<&Arc<Table<A>>> {
        self.table.as_ref().filter(|table| table.version > 0)
    }

    fn is_member(&self) -> bool {
        let table = self.table.as_ref();
        table.is_some_and(|table| table.member(self.me).is_some())
    }

    /// Those that keep a key, the owner first; nobody as long as there is no table.
    fn replicas(&self, key: Id) -> Vec<Id> {
        let now = self.now.as_ref();
        now.map_or_else(Vec::new, |now| now.replicas(key))
    }

    /// Those that keep it after the step that is under way, if there is one.
    fn heirs(&self, key: Id) -> Option<Vec<Id>> {
        self.goal.as_ref().map(|goal| goal.replicas(key))
    }

    /// Asks another member. It has to be known.
    fn ask(&mut self, to: Id, what: What<A>, about: About, out: &mut Vec<Action<A>>) {
        if let Some(to) = self.peer(to) {
            let what = Some(what);
            self.ask_again(Question { to, what, about }, out);
        }
    }

    fn ask_again(&mut self, question: Question<A>, out: &mut Vec<Action<A>>) {
        let version = self.version();
        let what = question.what.clone();
        let request = what.map(|what| Request::Listed(Box::new(Ask { version, what })));
        let to = question.to.clone();
        let ticket = self.questions.insert(question);
        out.push(Action::Ask {
            ticket,
            to,
            request: request.unwrap_or(Request::Ping),
        });
    }

    /// Tells another one the table.
    fn install(&mut self, to: Id, out: &mut Vec<Action<A>>) {
        if let Some(table) = self.decided() {
            let what = What::Install(Box::new(Table::clone(table)));
            self.ask(to, what, About::Install, out);
        }
    }

    fn store(&mut self, command: Command, errand: Errand<A>, out: &mut Vec<Action<A>>) {
        let ticket = self.errands.insert(errand);
        out.push(Action::Store { ticket, command });
    }

    /// Keeps what others have newer.
    fn merge(&mut self, records: Vec<(Id, Record)>, out: &mut Vec<Action<A>>) {
        if records.is_empty() {
            return;
        }
        let command = Command::Write {
            put: Vec::new(),
            merge: records,
            forget: Vec::new(),
            notes: Vec::new(),
        };
        self.store(command, Errand::Discard, out);
    }

    /// Keeps notes for the next life.
    fn note(&mut self, notes: Vec<store::Note>, out: &mut Vec<Action<A>>) {
        let command = Command::Write {
            put: Vec::new(),
            merge: Vec::new(),
            forget: Vec::new(),
            notes,
        };
        self.store(command, Errand::Discard, out);
    }

    /// Answers whoever wanted to read or to change something.
    fn deliver(&mut self, key: Id, asker: Asker, done: Done, out: &mut Vec<Action<A>>) {
        match asker {
            Asker::Client(operation) => {
                let by = self.view.me.clone();
                self.operation_done(operation, &by, done, out);
            }
            Asker::Member(ticket) => {
                let told = match done {
                    Done::Record(record) => Told::Record(record),
                    Done::Changed(changed, copies) => Told::Changed(changed, copies),
                    Done::Refused(refused) => Told::Refused(refused),
                };
                tell(ticket, told, out);
            }
            Asker::Outside(ticket) => {
                let answer = match done {
                    Done::Record(record) => Reply::Record(record),
                    Done::Changed(changed, copies) => Reply::Changed(changed, copies),
                    Done::Refused(Refused::NotMine) => {
                        let owner = self.replicas(key).first().copied();
                        let owner = owner.and_then(|owner| self.peer(owner));
                        Reply::Elsewhere(Elsewhere::At(owner))
                    }
                    Done::Refused(Refused::Unsure) => Reply::Elsewhere(Elsewhere::Unsure),
                    Done::Refused(Refused::Alone | Refused::Overloaded | Refused::Store) => {
                        Reply::Elsewhere(Elsewhere::Overloaded)
                    }
                };
                reply(ticket, answer, out);
            }
        }
    }
}

/// What came of a read or a change.
#[derive(Clone, Debug)]
enum Done {
    Record(Option<Record>),
    Changed(Changed, u8),
    Refused(Refused),
}

/// Whether what is here has a record of this version, or a newer one.
fn has(here: &[(Id, Option<Record>)], (key, version): &(Id, Version)) -> bool {
    let is_same_or_newer = |record: &Record| record.version >= *version;
    here.iter()
        .any(|(other, record)| other == key && record.as_ref().is_some_and(is_same_or_newer))
}

fn reply<A>(ticket: Ticket, reply: Reply<A>, out: &mut Vec<Action<A>>) {
    out.push(Action::Reply { ticket, reply });
}

fn tell<A>(ticket: Ticket, told: Told<A>, out: &mut Vec<Action<A>>) {
    reply(ticket, Reply::Listed(Box::new(told)), out);
}

fn fail<A>(ticket: Ticket, failure: Failure<A>, out: &mut Vec<Action<A>>) {
    let returned = Returned::Failed(failure, Vec::new());
    out.push(Action::Return { ticket, returned });
}
