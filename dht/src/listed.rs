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
//! the newest version wins. With two copies a write is acknowledged by one of them alone, where the other one
//! can't be reached. And a member that has not heard of a new table yet, or was cut off, may answer a read by what
//! it has.
//!
//! One exchange a file: `found` (the first table), `decide` (the next one), `steer` (which one that
//! should be), `change` (how one follows from the other), `operate` (what clients want, wherever it is), `read`
//! and `write` (by a replica), `keep` (what that sends), `sweep` (copies go where they belong, in the course of a
//! change and ever after), `behind` (what others have missed), `presence` (who is there), `exchange` (all that
//! is asked).

pub mod message;
pub mod table;

mod behind;
mod change;
mod decide;
mod exchange;
mod found;
mod keep;
mod operate;
mod presence;
mod read;
mod steer;
mod sweep;
mod write;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::causal;
use crate::event::{Action, Call, Event, Failure, Note, Returned, Ticket, Timer};
use crate::id::Id;
use crate::listed::behind::Missed;
use crate::listed::decide::Vote;
use crate::listed::exchange::{Question, tell};
use crate::listed::found::Acquaintances;
use crate::listed::message::{Refused, Told};
use crate::listed::operate::Operation;
use crate::listed::presence::Presence;
use crate::listed::read::Gather;
use crate::listed::steer::Course;
use crate::listed::sweep::Sweeping;
use crate::listed::table::{Layout, Member, Table};
use crate::listed::write::Write;
use crate::ownership::Ownership;
use crate::peer::Address;
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
    /// Members that have missed something.
    behind: BTreeMap<Id, Missed>,
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
    /// Read what is here, since this member has something newer than this attempt of a write.
    Newer(Ticket, u32, Id, Record),
    /// It is durable here.
    Synced(Ticket, u32),
    /// Read a page of what is here.
    Page(u32),
}

impl<A: Address> Listed<A> {
    /// A node that knows nobody, but what its store has noted for it.
    pub fn new(me: Member<A>, config: Config, notes: &[(Vec<u8>, Vec<u8>)]) -> Listed<A> {
        let view = View::joining(me.peer.clone(), Ownership::Successor);
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
            behind: BTreeMap::new(),
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
                self.offered(ticket, items, here, out);
            }
            (Errand::Own(gather), Outcome::Record(record)) => self.own_read(gather, record, out),
            (Errand::Change(write), Outcome::Changed(changed)) => self.changed(write, changed, out),
            (Errand::Written(write, attempt), Outcome::Record(record)) => {
                self.written(write, attempt, record, out);
            }
            (Errand::Newer(write, attempt, by, newer), Outcome::Record(here)) => {
                self.newer_found((write, attempt), by, newer, here, out);
            }
            (Errand::Synced(write, attempt), _) => self.write_synced(write, attempt, out),
            (Errand::Page(number), Outcome::Records(records)) => {
                self.page_read(number, records, out);
            }
            (errand, outcome) => panic!("the store answered {errand:?} with {outcome:?}"),
        }
    }

    /// The store is out of reach, or takes nothing more: others that have copies are to be asked instead.
    fn store_failed(&mut self, errand: Errand<A>, out: &mut Vec<Action<A>>) {
        match errand {
            Errand::Copy(ticket) | Errand::Keep(ticket, _) | Errand::Offer(ticket, _) => {
                tell(ticket, Told::Refused(Refused::Store), out);
            }
            Errand::Own(gather) => self.own_unreadable(gather, out),
            Errand::Change(write) => self.unchanged(write, out),
            Errand::Written(write, attempt) => self.written(write, attempt, None, out),
            Errand::Newer(write, attempt, ..) => self.newer_unknown(write, attempt, out),
            Errand::Page(number) => self.page_unreadable(number),
            // What was to be said is not durable, and so it is not true.
            Errand::Say(ticket, Told::Kept(_)) => {
                tell(ticket, Told::Refused(Refused::Store), out);
            }
            Errand::Say(ticket, _) => tell(ticket, Told::Outbid(None), out),
            Errand::Voted(ballot, _) => self.not_voted(ballot),
            Errand::Synced(write, attempt) => self.write_not_synced(write, attempt, out),
            errand => panic!("what needs no content has failed: {errand:?}"),
        }
    }

    fn called(&mut self, ticket: Ticket, call: Call<A>, out: &mut Vec<Action<A>>) {
        match call {
            Call::Join(_) => fail(ticket, Failure::NoList, out),
            Call::Leave => self.leave(ticket, out),
            Call::Members(change) => self.wish(ticket, *change, out),
            Call::Causal(_) => out.push(causal::message::decline(ticket)),
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
}

/// What came of a read or a change.
#[derive(Clone, Debug)]
enum Done {
    Record(Option<Record>),
    Changed(Changed, u8),
    Refused(Refused),
}

fn fail<A>(ticket: Ticket, failure: Failure<A>, out: &mut Vec<Action<A>>) {
    let returned = Returned::Failed(failure, Vec::new());
    out.push(Action::Return { ticket, returned });
}
