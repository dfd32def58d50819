//! Exchange: questions of other members and their answers, and the questions of this node and what came of
//! them.
//!
//! Every question says by which table it is meant. Nothing is done by an older one: who has that is told the
//! newer one, and asks, or is asked, again.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::event::{Action, Cause, Ticket};
use crate::id::Id;
use crate::listed::message::{Ask, Refused, Told, What};
use crate::listed::table::Table;
use crate::listed::write::Asker;
use crate::listed::{Done, Errand, Listed};
use crate::message::{Elsewhere, Reply, Request};
use crate::peer::{Address, Peer};
use crate::replication::Ballot;
use crate::store::Command;

/// An open question, and what it was about.
#[derive(Clone, Debug)]
pub(super) struct Question<A> {
    pub(super) to: Peer<A>,
    /// Nothing where it is only asked whether it is there.
    pub(super) what: Option<What<A>>,
    pub(super) about: About,
    /// By which table it was asked.
    pub(super) version: u32,
    /// How often it was put off, since the other one had an older table.
    deferrals: u8,
}

/// What a question was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
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

impl<A: Address> Listed<A> {
    pub(super) fn asked(
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
            Some(What::Greet { was_away }) => self.greet_for(ticket, &from, was_away, out),
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

    pub(super) fn answered(
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
                if question.version == self.version() {
                    self.course.informed.insert(from.id);
                }
                self.told(question, told, micros, out);
            }
        }
    }

    /// One that has an older table is told this one, and then asked again.
    fn defer(&mut self, mut question: Question<A>, out: &mut Vec<Action<A>>) {
        if question.about == About::Install {
            // It does not take the table, since it can't reach this node: nothing can be done with it.
            self.missed(&question.to);
            return self.untold(question, Cause::Refused, out);
        }
        if question.deferrals >= DEFERRALS_MAX {
            return self.untold(question, Cause::Refused, out);
        }
        question.deferrals += 1;
        let to = question.to.clone();
        let is_told = self.deferred.iter().any(|other| other.to.id == to.id);
        self.deferred.push(question);
        if !is_told {
            // Even if it is no member by this table.
            self.install_at(to, out);
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
        let is_current = question.version == self.version();
        match (question.about, told) {
            // These are of that table only.
            (About::Greeting | About::Swept, _) if !is_current => {}
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
    pub(super) fn untold(&mut self, question: Question<A>, cause: Cause, out: &mut Vec<Action<A>>) {
        let to = question.to.id;
        match question.about {
            About::Presence | About::Greeting | About::Vote(_) | About::Swept => {}
            About::CaughtUp => self.is_back(to),
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

    /// Asks another member. It has to be known.
    pub(super) fn ask(&mut self, to: Id, what: What<A>, about: About, out: &mut Vec<Action<A>>) {
        if let Some(to) = self.peer(to) {
            self.ask_peer(to, Some(what), about, out);
        }
    }

    /// Asks one that the table may not name; where there is nothing to ask, whether it is there.
    pub(super) fn ask_peer(
        &mut self,
        to: Peer<A>,
        what: Option<What<A>>,
        about: About,
        out: &mut Vec<Action<A>>,
    ) {
        let version = self.version();
        let question = Question {
            to,
            what,
            about,
            version,
            deferrals: 0,
        };
        self.ask_again(question, out);
    }

    fn ask_again(&mut self, mut question: Question<A>, out: &mut Vec<Action<A>>) {
        let version = self.version();
        question.version = version;
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
    pub(super) fn install(&mut self, to: Id, out: &mut Vec<Action<A>>) {
        if let Some(to) = self.peer(to) {
            self.install_at(to, out);
        }
    }

    /// Tells one the table that it may not name.
    pub(super) fn install_at(&mut self, to: Peer<A>, out: &mut Vec<Action<A>>) {
        if let Some(table) = self.decided() {
            let what = What::Install(Box::new(Table::clone(table)));
            self.ask_peer(to, Some(what), About::Install, out);
        }
    }

    /// Answers whoever wanted to read or to change something.
    pub(super) fn deliver(&mut self, key: Id, asker: Asker, done: Done, out: &mut Vec<Action<A>>) {
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

fn reply<A>(ticket: Ticket, reply: Reply<A>, out: &mut Vec<Action<A>>) {
    out.push(Action::Reply { ticket, reply });
}

pub(super) fn tell<A>(ticket: Ticket, told: Told<A>, out: &mut Vec<Action<A>>) {
    reply(ticket, Reply::Listed(Box::new(told)), out);
}

/// How often a question is put off. The table may have changed again whenever it is asked, but not for ever.
const DEFERRALS_MAX: u8 = 8;
