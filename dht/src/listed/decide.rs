//! Decide: the members of a table choose the next one, by single-decree Paxos.
//!
//! What a member promises or accepts is durable before anyone hears of it. So whoever proposes what, all
//! come to the same next table; who has proposed another one plans anew by that.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::Id;
use crate::listed::exchange::{About, tell};
use crate::listed::message::{Greeting, Told, What};
use crate::listed::table::Table;
use crate::listed::{Errand, Listed};
use crate::peer::Address;
use crate::replication::Ballot;
use crate::replication::acceptor::Acceptor;
use crate::store::{Command, Note};

/// A node's part in the decision on the next table.
#[derive(Clone, Debug)]
pub(super) struct Vote<A> {
    acceptor: Acceptor<Box<Table<A>>>,
    /// Whether it knows all that it has promised and accepted in earlier lives.
    pub(super) recalls: bool,
    pub(super) proposal: Option<Proposal<A>>,
}

/// A next table, as this node proposes it.
#[derive(Clone, Debug)]
pub(super) struct Proposal<A> {
    ballot: Ballot,
    /// What it wishes, or what may have been decided already.
    table: Box<Table<A>>,
    /// Under which ballot that was accepted before.
    before: Option<Ballot>,
    /// Whether a majority has promised.
    is_promised: bool,
    /// Who has promised, and then who has accepted.
    by: BTreeSet<Id>,
    age: u8,
}

impl<A: Address> Vote<A> {
    pub(super) const fn new() -> Vote<A> {
        Vote {
            acceptor: Acceptor::new(),
            recalls: true,
            proposal: None,
        }
    }

    /// Takes what another member knows for what this one may have known.
    pub(super) fn recall(&mut self, greeting: Greeting<A>) {
        let acceptor = &mut self.acceptor;
        acceptor.promised = acceptor.promised.max(greeting.promised);
        let known = acceptor.accepted.as_ref().map(|(ballot, _)| *ballot);
        let told = greeting.accepted.as_ref().map(|(ballot, _)| *ballot);
        if told > known {
            acceptor.accepted = greeting.accepted;
        }
    }
}

impl<A: Address> Listed<A> {
    /// What it was when its store noted it last.
    pub(super) fn restore(&mut self, notes: &[(Vec<u8>, Vec<u8>)]) {
        let note = |name: &[u8]| {
            let note = notes.iter().find(|(other, _)| other == name);
            note.map(|(_, bytes)| bytes.as_slice())
        };
        let table = note(TABLE).and_then(|bytes| postcard::from_bytes::<Table<A>>(bytes).ok());
        let Some(table) = table.filter(Table::is_sound) else {
            return;
        };
        let acceptor =
            note(ACCEPTOR).and_then(|bytes| postcard::from_bytes::<(u32, Acceptor<_>)>(bytes).ok());
        if let Some((version, acceptor)) = acceptor
            && table.version == version
        {
            self.vote.acceptor = acceptor;
        }
        let table = Arc::new(table);
        self.now = Some(table.layout());
        self.goal = table.goal();
        self.show(&table);
        self.table = Some(table);
        self.touched = false;
        self.return_to_life();
    }

    /// A new table begins: nothing has been promised of the one after it, as far as this life knows.
    pub(super) fn begin_votes(&mut self, out: &mut Vec<Action<A>>) {
        let Some(table) = self.table.clone() else {
            return;
        };
        let me = table.member(self.me);
        let is_known = me.is_some_and(|me| me.peer.incarnation == self.view.me.incarnation);
        // Who has known all along knows that it has not come so far in an earlier life.
        let is_first = self.view.table.is_none();
        self.vote.recalls = is_known || (self.vote.recalls && !is_first);
        self.vote.acceptor = Acceptor::new();
        self.vote.proposal = None;
        self.forget_greetings(&table);
        let notes = [note(TABLE, &*table), self.acceptor_note()];
        self.note(notes.into(), out);
    }

    fn acceptor_note(&self) -> Note {
        note(ACCEPTOR, &(self.version(), &self.vote.acceptor))
    }

    /// What it has promised and accepted; nothing where it does not know.
    pub(super) fn greeting(&self) -> Option<Box<Greeting<A>>> {
        let acceptor = &self.vote.acceptor;
        self.vote.recalls.then(|| {
            Box::new(Greeting {
                promised: acceptor.promised,
                accepted: acceptor.accepted.clone(),
            })
        })
    }

    /// Whether it may take part.
    pub(super) fn may_vote(&self) -> bool {
        self.vote.recalls && (self.is_member() || self.version() == 0)
    }

    /// Proposes a next table, if it may and does not propose one already.
    pub(super) fn propose(&mut self, table: Table<A>, out: &mut Vec<Action<A>>) {
        if !self.may_vote() || self.vote.proposal.is_some() {
            return;
        }
        let ballot = self.vote.acceptor.next_ballot(self.me);
        self.vote.proposal = Some(Proposal {
            ballot,
            table: Box::new(table),
            before: None,
            is_promised: false,
            by: BTreeSet::new(),
            age: 0,
        });
        // Before anyone else: so nobody who asks all others can miss it.
        let promise = self.vote.acceptor.promise(ballot);
        promise.expect("it is higher than all before");
        self.keep_vote(Errand::Voted(ballot, false), out);
    }

    /// The vote is to be durable before what comes of it.
    fn keep_vote(&mut self, errand: Errand<A>, out: &mut Vec<Action<A>>) {
        let note = self.acceptor_note();
        self.note([note].into(), out);
        self.store(Command::Sync, errand, out);
    }

    /// The own promise is durable, or the own acceptance.
    pub(super) fn voted(&mut self, ballot: Ballot, accepts: bool, out: &mut Vec<Action<A>>) {
        let Some(proposal) = self.vote.proposal.as_ref() else {
            return;
        };
        if proposal.ballot != ballot || proposal.is_promised != accepts {
            return;
        }
        if !accepts {
            for other in self.others() {
                self.ask(other, What::Prepare(ballot), About::Vote(ballot), out);
            }
        }
        self.count(self.me, out);
    }

    /// The own vote can't be kept: others may propose.
    pub(super) fn not_voted(&mut self, ballot: Ballot) {
        let proposal = &mut self.vote.proposal;
        proposal.take_if(|proposal| proposal.ballot == ballot);
    }

    /// Another member wants a promise.
    pub(super) fn prepare_for(&mut self, ticket: Ticket, ballot: Ballot, out: &mut Vec<Action<A>>) {
        if !self.may_vote() {
            return tell(ticket, Told::Outbid(None), out);
        }
        if let Err(higher) = self.vote.acceptor.promise(ballot) {
            return tell(ticket, Told::Outbid(Some(higher)), out);
        }
        let told = Told::Promised(self.vote.acceptor.accepted.clone());
        self.keep_vote(Errand::Say(ticket, told), out);
    }

    /// Another member wants this table to be the next one.
    pub(super) fn accept_for(
        &mut self,
        ticket: Ticket,
        ballot: Ballot,
        table: Box<Table<A>>,
        out: &mut Vec<Action<A>>,
    ) {
        if !self.may_vote() || table.version != self.version() + 1 || !table.is_sound() {
            return tell(ticket, Told::Outbid(None), out);
        }
        if let Err(higher) = self.vote.acceptor.accept(ballot, table) {
            return tell(ticket, Told::Outbid(Some(higher)), out);
        }
        self.keep_vote(Errand::Say(ticket, Told::Accepted), out);
    }

    /// Another member has voted.
    pub(super) fn voted_by(
        &mut self,
        from: Id,
        ballot: Ballot,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(proposal) = &mut self.vote.proposal else {
            return;
        };
        if proposal.ballot != ballot {
            return;
        }
        match told {
            Told::Promised(accepted) if !proposal.is_promised => {
                if let Some((before, table)) = accepted
                    && Some(before) > proposal.before
                {
                    proposal.before = Some(before);
                    proposal.table = table;
                }
                self.count(from, out);
            }
            Told::Accepted if proposal.is_promised => self.count(from, out),
            Told::Outbid(Some(higher)) => {
                // The next one will be higher. That this is not durable does no harm: it is no promise.
                let _ = self.vote.acceptor.promise(higher);
                self.vote.proposal = None;
            }
            _ => {}
        }
    }

    fn count(&mut self, voter: Id, out: &mut Vec<Action<A>>) {
        let Some(proposal) = &mut self.vote.proposal else {
            return;
        };
        let members = self.table.iter().flat_map(|table| &table.members).count();
        proposal.by.insert(voter);
        if proposal.by.len() <= members / 2 {
            return;
        }
        if proposal.is_promised {
            let table = *proposal.table.clone();
            self.adopt(table, out);
            return self.announce(out);
        }
        // The own promise counts as others' do.
        if let Some((before, table)) = &self.vote.acceptor.accepted
            && Some(*before) > proposal.before
        {
            proposal.table = table.clone();
        }
        proposal.is_promised = true;
        proposal.by.clear();
        proposal.age = 0;
        let (ballot, table) = (proposal.ballot, proposal.table.clone());
        if self.vote.acceptor.accept(ballot, table.clone()).is_err() {
            self.vote.proposal = None;
            return;
        }
        self.keep_vote(Errand::Voted(ballot, true), out);
        for other in self.others() {
            let what = What::Accept(ballot, table.clone());
            self.ask(other, what, About::Vote(ballot), out);
        }
    }

    /// On a beat: what takes too long is begun anew.
    pub(super) fn age_proposal(&mut self) {
        if let Some(proposal) = &mut self.vote.proposal {
            proposal.age += 1;
            if proposal.age > AGE_MAX {
                self.vote.proposal = None;
            }
        }
    }
}

fn note(name: &[u8], thing: &impl serde::Serialize) -> Note {
    Note {
        name: name.into(),
        bytes: Some(postcard::to_allocvec(thing).expect("plain data")),
    }
}

/// The note of the table.
const TABLE: &[u8] = b"listed table";

/// The note of what was promised and accepted, and at which version of the table.
const ACCEPTOR: &[u8] = b"listed acceptor";

/// Beats after which a proposal that no majority has answered is given up.
const AGE_MAX: u8 = 6;
