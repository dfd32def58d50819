//! Steer: which table should be next.
//!
//! Who wants a change proposes the table with which it begins. From then on the first member of the list that
//! is there leads it, whoever began it: when those that have what moves have handed it over, and all know the
//! present table, the next one is proposed, until nothing is left to do.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::event::{Action, Failure, Note, Returned, Ticket};
use crate::id::Id;
use crate::listed::exchange::About;
use crate::listed::message::What;
use crate::listed::table::{Change, Member, Refusal, Table};
use crate::listed::{Listed, fail};
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// How far the changes are that are wanted.
#[derive(Clone, Debug)]
pub(super) struct Course<A> {
    /// What clients of this node wait for.
    wishes: Vec<Wish<A>>,
    /// Those that were members before the present table, and are no more.
    pub(super) former: Vec<Peer<A>>,
    /// Those that know the present table.
    pub(super) informed: BTreeSet<Id>,
    /// Those that have handed over what moves in its step.
    pub(super) swept: BTreeSet<Id>,
    /// Whom this node has told that it has.
    pub(super) reported: Option<Id>,
    /// Who waits for this node to leave, once it is no member any more; and for how many beats.
    pub(super) farewell: Option<(Ticket, u32)>,
}

/// A change that a client of this node waits for.
#[derive(Clone, Debug)]
struct Wish<A> {
    ticket: Ticket,
    change: Change<A>,
    /// Whether it was under way at the last table.
    has_begun: bool,
    /// Beats since anything happened.
    age: u32,
}

impl<A> Wish<A> {
    fn leaves(&self) -> bool {
        matches!(self.change, Change::Remove { leaves: true, .. })
    }
}

impl<A> Course<A> {
    pub(super) const fn new() -> Course<A> {
        Course {
            wishes: Vec::new(),
            former: Vec::new(),
            informed: BTreeSet::new(),
            swept: BTreeSet::new(),
            reported: None,
            farewell: None,
        }
    }

    /// Another table: nobody has done anything by it yet.
    pub(super) fn renew(&mut self) {
        self.informed.clear();
        self.swept.clear();
        self.reported = None;
        self.wishes.iter_mut().for_each(|wish| wish.age = 0);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.farewell.is_some() || self.wishes.iter().any(Wish::leaves)
    }
}

impl<A: Address> Listed<A> {
    /// A client wants the list to be changed.
    pub(super) fn wish(&mut self, ticket: Ticket, change: Change<A>, out: &mut Vec<Action<A>>) {
        let Some(table) = self.decided().filter(|_| self.is_member()) else {
            return fail(ticket, Failure::NotAMember, out);
        };
        if let Err(refusal) = table.refuse(&change) {
            return fail(ticket, Failure::Members(refusal), out);
        }
        if self.course.wishes.len() >= WISHES_MAX {
            return fail(ticket, Failure::Overloaded, out);
        }
        self.course.wishes.push(Wish {
            ticket,
            change,
            has_begun: false,
            age: 0,
        });
        self.pursue(out);
    }

    /// A client wants this node to leave.
    pub(super) fn leave(&mut self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        let Some(table) = self.decided().filter(|_| self.is_member()) else {
            return fail(ticket, Failure::NotAMember, out);
        };
        if self.course.is_leaving() {
            return fail(ticket, Failure::NotAMember, out);
        }
        let change = Change::Remove {
            id: self.me,
            leaves: true,
        };
        match table.refuse(&change) {
            Err(Refusal::Only) => return fail(ticket, Failure::LastNode, out),
            Err(refusal) => return fail(ticket, Failure::Members(refusal), out),
            Ok(()) => {}
        }
        self.wish(ticket, change, out);
        if self.course.is_leaving() {
            self.sweeping.moved = 0;
            self.view.phase = Phase::Leaving;
            self.touched = true;
        }
    }

    /// There is a new table: of what is wanted, is it under way, or has it been given up?
    pub(super) fn see_what_began(&mut self, table: &Table<A>, out: &mut Vec<Action<A>>) {
        let subject = table
            .change
            .as_ref()
            .map(|underway| underway.change.subject());
        self.fulfil(out);
        let mut over = Vec::new();
        self.course.wishes.retain_mut(|wish| {
            let is_begun = subject == Some(wish.change.subject());
            let is_over = wish.has_begun && !is_begun;
            wish.has_begun = is_begun;
            if is_over {
                over.push((wish.ticket, wish.leaves()));
            }
            !is_over
        });
        for (ticket, leaves) in over {
            let failure = if leaves {
                Failure::NoTaker
            } else {
                Failure::Unreachable
            };
            self.grant_no_wish(ticket, failure, out);
        }
    }

    fn grant_no_wish(&mut self, ticket: Ticket, failure: Failure<A>, out: &mut Vec<Action<A>>) {
        fail(ticket, failure, out);
        // Whoever wanted to leave stays.
        if let Some(table) = self.table.clone() {
            self.show(&table);
        }
    }

    /// The first member that is there, as far as this node knows.
    pub(super) fn leader(&self) -> Option<Id> {
        let mut members = self.table.iter().flat_map(|table| &table.members);
        let leader = members.find(|member| !self.is_absent(member.peer.id));
        leader.map(|member| member.peer.id)
    }

    pub(super) fn is_changing(&self) -> bool {
        self.table
            .as_ref()
            .is_some_and(|table| table.change.is_some())
    }

    /// Takes the next step towards what is wanted, if it can be taken.
    pub(super) fn pursue(&mut self, out: &mut Vec<Action<A>>) {
        if self.version() == 0 {
            return self.found(out);
        }
        self.fulfil(out);
        if self.vote.proposal.is_some() || !self.may_vote() {
            return;
        }
        match self.is_changing() {
            true => self.lead(out),
            false => self.begin(out),
        }
    }

    /// Tells those whose wishes have come true.
    fn fulfil(&mut self, out: &mut Vec<Action<A>>) {
        let Some(table) = self.table.clone() else {
            return;
        };
        let is_true = |wish: &mut Wish<A>| {
            let is_there = table.member(wish.change.subject()).is_some();
            is_there == matches!(wish.change, Change::Add(_))
        };
        let fulfilled: Vec<Wish<A>> = self.course.wishes.extract_if(.., is_true).collect();
        for wish in fulfilled {
            let ticket = wish.ticket;
            if wish.leaves() {
                self.course.farewell = Some((ticket, 0));
                continue;
            }
            let returned = Returned::Members(table.version);
            out.push(Action::Return { ticket, returned });
        }
    }

    /// Begins a change that a client of this node wants, or that follows from the list.
    fn begin(&mut self, out: &mut Vec<Action<A>>) {
        let Some(table) = self.table.clone() else {
            return;
        };
        let seed = self.config.seed.wrapping_add(table.version.into());
        while let Some(wish) = self.course.wishes.first() {
            match table.begun(wish.change.clone(), seed) {
                Ok(next) => return self.propose(next, out),
                Err(refusal) => {
                    let wish = self.course.wishes.remove(0);
                    fail(wish.ticket, Failure::Members(refusal), out);
                }
            }
        }
        if let Some(change) = self.due(&table)
            && let Ok(next) = table.begun(change, seed)
        {
            self.propose(next, out);
        }
    }

    /// What the list that was told last makes necessary.
    fn due(&self, table: &Table<A>) -> Option<Change<A>> {
        let list = &self.acquaintances.list;
        if !self.config.follows || list.is_empty() || self.leader() != Some(self.me) {
            return None;
        }
        let is_new = |member: &&Member<A>| {
            let life = (member.peer.id, member.peer.incarnation);
            table.member(member.peer.id).is_none() && !table.left.contains(&life)
        };
        if let Some(member) = list.iter().find(is_new) {
            return Some(Change::Add(member.clone()));
        }
        let is_listed = |id: &Id| list.iter().any(|member| member.peer.id == *id);
        let mut members = table.members.iter().map(|member| member.peer.id);
        let id = members.find(|id| !is_listed(id))?;
        let leaves = false;
        Some(Change::Remove { id, leaves })
    }

    /// Leads the change that is under way, if that is this node's part.
    fn lead(&mut self, out: &mut Vec<Action<A>>) {
        let Some(table) = self.table.clone() else {
            return;
        };
        let Some(underway) = &table.change else {
            return;
        };
        if self.leader() != Some(self.me) {
            return;
        }
        let subject = underway.change.subject();
        let is_added = matches!(underway.change, Change::Add(_));
        if is_added && !underway.is_undone && self.is_gone_for(subject, LOST) {
            let seed = self.config.seed.wrapping_add(table.version.into());
            return self.propose(table.undone(seed), out);
        }
        let goes = !is_added || underway.is_undone;
        // What others have copies of need not wait for one that is gone.
        let can_go = |id: Id| table.replicas > 1 || (goes && id == subject);
        let (sources, heirs) = (table.sources(), table.heirs());
        let needed = sources.iter().chain(&heirs).filter(|id| !can_go(**id));
        // One that is being added is another matter.
        let mut needed = needed.filter(|id| table.member(**id).is_some());
        if needed.any(|id| self.is_gone_for(*id, LOST)) {
            return self.propose(table.stopped(), out);
        }
        let mut everyone = table.everyone().map(|member| member.peer.id);
        let knows =
            |id: Id| id == self.me || self.course.informed.contains(&id) || self.is_absent(id);
        let mut waits = sources;
        waits.retain(|id| !self.course.swept.contains(id));
        let is_gone = |id: Id| can_go(id) && self.is_gone_for(id, GONE);
        if !everyone.all(knows) || !waits.iter().all(|id| is_gone(*id)) {
            return;
        }
        // Once, however many partitions there are.
        let is_last = table.replicas == 1 && underway.moves.len() <= 1;
        for peer in waits
            .into_iter()
            .filter(|_| is_last)
            .filter_map(|id| self.peer(id))
        {
            out.push(Action::Note(Note::Abandoned(peer)));
        }
        self.propose(table.advanced(), out);
    }

    /// On a beat: those that may not know the present table are told, by whoever leads; and it is told that
    /// this node has handed over what moves.
    pub(super) fn report(&mut self, out: &mut Vec<Action<A>>) {
        let Some(leader) = self.leader().filter(|_| self.version() > 0) else {
            return;
        };
        if leader == self.me {
            for other in self.uninformed() {
                self.install(other, out);
            }
        }
        self.report_sweep(leader, out);
    }

    /// Those that are there and may not know the present table.
    fn uninformed(&self) -> Vec<Id> {
        let everyone = self.table.iter().flat_map(|table| table.everyone());
        let ids = everyone.map(|member| member.peer.id);
        let is_due =
            |id: &Id| *id != self.me && !self.course.informed.contains(id) && !self.is_absent(*id);
        ids.filter(is_due).collect()
    }

    /// Tells whoever leads that all is handed over that moves in this step.
    pub(super) fn report_sweep(&mut self, leader: Id, out: &mut Vec<Action<A>>) {
        let table = self.table.as_ref();
        let is_source = table.is_some_and(|table| table.sources().contains(&self.me));
        if !self.sweeping.is_done || !self.is_changing() || !is_source {
            return;
        }
        if leader == self.me {
            self.course.swept.insert(self.me);
        } else if self.course.reported != Some(leader) {
            self.ask(leader, What::Swept, About::Swept, out);
        }
    }

    /// Tells all others the table that has just been decided.
    pub(super) fn announce(&mut self, out: &mut Vec<Action<A>>) {
        for other in self.uninformed() {
            self.install(other, out);
        }
        for to in core::mem::take(&mut self.course.former) {
            self.install_at(to, out);
        }
    }

    /// On a beat: nobody waits for ever for what can't be decided.
    pub(super) fn age_wishes(&mut self, out: &mut Vec<Action<A>>) {
        let is_changing = self.is_changing();
        let mut over = Vec::new();
        self.course.wishes.retain_mut(|wish| {
            wish.age += 1;
            let is_over = wish.age > if is_changing { STUCK } else { UNDECIDED };
            if is_over {
                over.push((wish.ticket, wish.leaves()));
            }
            !is_over
        });
        for (ticket, leaves) in over {
            let failure = match (leaves, is_changing) {
                (true, _) => Failure::NoTaker,
                (false, true) => Failure::Unknown,
                (false, false) => Failure::Unreachable,
            };
            self.grant_no_wish(ticket, failure, out);
        }
        if let Some((_, age)) = &mut self.course.farewell {
            *age += 1;
            if *age > FAREWELL {
                self.say_farewell(out);
            }
        }
    }

    /// This node is no member any more, and others have what it kept.
    pub(super) fn say_farewell(&mut self, out: &mut Vec<Action<A>>) {
        let Some((ticket, _)) = self.course.farewell.take() else {
            return;
        };
        self.view.phase = Phase::Left;
        self.touched = true;
        out.push(Action::Note(Note::Left));
        let returned = Returned::Left(self.sweeping.moved);
        out.push(Action::Return { ticket, returned });
    }
}

/// Changes that wait at one node.
const WISHES_MAX: usize = 64;

/// Beats for which one is silent whose copies others have, or that is to go anyway, before nobody waits for
/// it any more: 3 s.
pub(super) const GONE: u32 = 12;

/// Beats for which one is silent that was to be added, before that is undone: 10 s.
const LOST: u32 = 40;

/// Beats after which a change that could not even begin is given up: 10 s.
const UNDECIDED: u32 = 40;

/// Beats without a new table after which nobody waits any more for a change that has begun: 10 minutes. It
/// goes on all the same.
const STUCK: u32 = 2_400;

/// Beats for which one that has left goes on looking for takers of what it still holds: 5 s.
const FAREWELL: u32 = 20;
