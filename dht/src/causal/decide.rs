//! Decide: the members of a layout choose the one that follows, and with which writes it begins.
//!
//! Single-decree Paxos among the members. Whoever promises a ballot takes no more writes of the layout, and says
//! which it has; who proposes waits for so many of each shard that no write which anyone may have seen is
//! missing among what they have. So a majority of promises ends the writing, and the decision says exactly
//! where. If whoever proposes dies, any member that has promised goes on: it finds what was accepted, or proposes
//! to leave everything as it is.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::layout::Layout;
use super::message::{Ask, Decree, Told};
use super::spread::COPIES;
use super::sync::Then;
use super::vector::Vector;
use super::{About, Causal};
use crate::event::{Action, Ticket};
use crate::peer::Address;
use crate::replication::acceptor::Ballot;

/// Of each that has promised: whether that is a vote, and what it has, where its copies count.
type Promises<A> = BTreeMap<A, (bool, Option<Vector>)>;

/// A proposal on its way.
#[derive(Clone, Debug)]
pub(super) struct Proposal<A> {
    ballot: Ballot,
    /// What to propose, if nothing was accepted before.
    wish: Layout<A>,
    /// Who has promised.
    promises: Promises<A>,
    /// The latest that any of them had accepted.
    accepted: Option<(Ballot, Decree<A>)>,
    /// What is proposed.
    decree: Option<Decree<A>>,
    /// Who has accepted that, and whether it remembers all that it ever promised.
    accepts: BTreeMap<A, bool>,
    /// The beat in which it began.
    since: u32,
}

impl<A: Address> Causal<A> {
    /// Proposes the next layout.
    pub(super) fn propose(&mut self, wish: Layout<A>, out: &mut Vec<Action<A>>) {
        // Whoever has lost a store is another proposer, for it has forgotten its ballots.
        let ballot = self.acceptor.next_ballot(self.writer.id());
        self.proposal = Some(
            Proposal {
                ballot,
                wish,
                promises: BTreeMap::new(),
                accepted: None,
                decree: None,
                accepts: BTreeMap::new(),
                since: self.beats,
            }
            .into(),
        );
        if self.shard().is_some() && self.promise(ballot).is_ok() {
            self.keep_vote(out);
            self.after_sync(Then::OwnVote(ballot), out);
        }
        self.ask_members(out);
    }

    /// Asks all members that have not answered.
    fn ask_members(&mut self, out: &mut Vec<Action<A>>) {
        let Some(proposal) = self.proposal.as_deref() else {
            return;
        };
        let (ballot, epoch) = (proposal.ballot, self.layout.epoch + 1);
        let has_answered = |node: &A| match &proposal.decree {
            None => proposal.promises.contains_key(node),
            Some(_) => proposal.accepts.contains_key(node),
        };
        let members = self.layout.nodes();
        let missing = members.filter(|node| **node != self.me.address && !has_answered(node));
        // Also those that are not part of the view: every vote counts.
        let entries = missing.filter_map(|node| self.roster.entry(node));
        let peers: Vec<_> = entries.map(|entry| entry.peer.clone()).collect();
        let decree = proposal.decree.clone();
        for peer in peers {
            let about = About::Decide(peer.address.clone(), ballot);
            let ask = match &decree {
                None => Ask::Prepare(epoch, ballot),
                Some(decree) => Ask::Accept(ballot, decree.clone()),
            };
            self.ask(&peer, ask, about, out);
        }
    }

    /// Another node wants a promise.
    pub(super) fn prepare_for(
        &mut self,
        ticket: Ticket,
        epoch: u32,
        ballot: Ballot,
        out: &mut Vec<Action<A>>,
    ) {
        if !self.may_end(epoch) {
            return self.tell_news(ticket, out);
        }
        if let Err(higher) = self.promise(ballot) {
            return self.tell(ticket, Told::Rejected(higher), out);
        }
        self.keep_vote(out);
        let told = self.promised();
        self.after_sync(Then::Tell(ticket, told.into()), out);
    }

    fn promised(&self) -> Told<A> {
        Told::Promised {
            votes: self.votes(),
            accepted: self.acceptor.accepted.clone(),
            sealed: self.sealed(),
        }
    }

    fn promise(&mut self, ballot: Ballot) -> Result<(), Ballot> {
        self.acceptor.promise(ballot)?;
        // Whoever proposes gets its time.
        self.sealed_since = self.beats;
        self.proposal.take_if(|own| own.ballot < ballot);
        Ok(())
    }

    /// Another node wants its decision accepted.
    pub(super) fn accept_for(
        &mut self,
        ticket: Ticket,
        ballot: Ballot,
        decree: Decree<A>,
        out: &mut Vec<Action<A>>,
    ) {
        if self.founding.is_none() || !self.may_end(decree.layout.epoch) {
            return self.tell_news(ticket, out);
        }
        let promised = self.promise(ballot);
        let accepted = promised.and_then(|()| self.acceptor.accept(ballot, decree));
        if let Err(higher) = accepted {
            return self.tell(ticket, Told::Rejected(higher), out);
        }
        self.keep_vote(out);
        let told = Told::Accepted {
            votes: self.votes(),
        };
        self.after_sync(Then::Tell(ticket, told.into()), out);
    }

    /// The own promise, or acceptance, is durable.
    pub(super) fn own_vote(&mut self, ballot: Ballot, out: &mut Vec<Action<A>>) {
        let told = match self.proposal.as_deref() {
            Some(own) if own.ballot == ballot && own.decree.is_none() => self.promised(),
            _ => Told::Accepted {
                votes: self.votes(),
            },
        };
        self.decide_told(&self.me.address.clone(), ballot, told, out);
    }

    /// A member has answered.
    pub(super) fn decide_told(
        &mut self,
        node: &A,
        ballot: Ballot,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let is_same = |own: &&mut alloc::boxed::Box<Proposal<A>>| own.ballot == ballot;
        let Some(proposal) = self.proposal.as_mut().filter(is_same) else {
            return self.learned(told, out);
        };
        match told {
            Told::Promised {
                votes,
                accepted,
                sealed,
            } if proposal.decree.is_none() => {
                let ballot_of = |accepted: &Option<(Ballot, Decree<A>)>| {
                    accepted.as_ref().map(|(ballot, _)| *ballot)
                };
                if ballot_of(&accepted) > ballot_of(&proposal.accepted) {
                    proposal.accepted = accepted;
                }
                proposal.promises.insert(node.clone(), (votes, sealed));
                self.propose_decree(out);
            }
            Told::Accepted { votes } if proposal.decree.is_some() => {
                proposal.accepts.insert(node.clone(), votes);
                let (decree, accepts) = (proposal.decree.clone(), proposal.accepts.clone());
                let accepts = accepts.iter().map(|(node, votes)| (node, *votes));
                if let Some(decree) = decree.filter(|_| self.is_quorum(accepts)) {
                    self.learn_decree(decree, out);
                    self.meet_all(out);
                }
            }
            Told::Rejected(higher) => {
                self.proposal = None;
                // To have promised more than one was asked for does no harm, and the next ballot is higher.
                if self.shard().is_some() && self.promise(higher).is_ok() {
                    self.keep_vote(out);
                }
            }
            told => self.learned(told, out),
        }
    }

    /// Proposes a decision once there are promises enough.
    fn propose_decree(&mut self, out: &mut Vec<Action<A>>) {
        let Some(proposal) = self.proposal.as_deref() else {
            return;
        };
        let is_covered = |shard| self.is_covered(shard, &proposal.promises);
        let promises = proposal.promises.iter();
        let is_quorum = self.is_quorum(promises.map(|(node, (votes, _))| (node, *votes)));
        if !is_quorum || !self.layout.all_shards().all(is_covered) {
            return;
        }
        let decree = match &proposal.accepted {
            Some((_, decree)) => decree.clone(),
            None => {
                let shards = self.layout.all_shards();
                let cut = shards.map(|shard| (shard, self.cut(shard, &proposal.promises)));
                Decree {
                    cut: cut.collect(),
                    layout: proposal.wish.clone(),
                }
            }
        };
        let ballot = proposal.ballot;
        if let Some(proposal) = &mut self.proposal {
            proposal.decree = Some(decree.clone());
        }
        if self.shard().is_some() && self.acceptor.accept(ballot, decree).is_ok() {
            self.keep_vote(out);
            self.after_sync(Then::OwnVote(ballot), out);
        }
        self.ask_members(out);
    }

    /// All that anyone may have seen of a shard. Where all members have told what they have, that is on two of
    /// them; or else whoever has not told may be the second.
    fn cut(&self, shard: u32, promises: &Promises<A>) -> Vector {
        let members = self.layout.members(shard).count();
        let sealed = self.layout.members(shard);
        let sealed = sealed.filter_map(|node| promises.get(node)?.1.as_ref());
        let sealed: Vec<&Vector> = sealed.collect();
        let mut cut = Vector::default();
        for (place, vector) in sealed.iter().enumerate() {
            if members < COPIES || sealed.len() < members {
                cut.merge(vector);
                continue;
            }
            for (writer, last) in vector.iter() {
                let others = sealed
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != place);
                let second = others.map(|(_, other)| other.last(writer)).max();
                cut.raise(writer, last.min(second.unwrap_or(0)));
            }
        }
        cut
    }

    /// Goes on with a proposal, or with that of somebody who does not.
    pub(super) fn decide_again(&mut self, out: &mut Vec<Action<A>>) {
        match self.proposal.as_deref() {
            Some(own) if self.beats - own.since > PROPOSAL_BEATS => self.proposal = None,
            Some(_) if self.beats.is_multiple_of(ASK_BEATS) => self.ask_members(out),
            Some(_) => {}
            None if self.acceptor.promised.is_some() && self.relocation.is_none() => {
                // One after the other, so that they do not outbid each other for ever.
                let place = self.layout.place(&self.me.address).unwrap_or(0) as u32;
                let waits = RESUME_BEATS + TURN_BEATS * (place % TURNS);
                if self.beats.saturating_sub(self.sealed_since) >= waits {
                    self.propose(self.same_layout(), out);
                }
            }
            None => {}
        }
    }

    /// The next layout, where it is to be as it is.
    pub(super) fn same_layout(&self) -> Layout<A> {
        let (nobody, none) = (BTreeMap::new(), BTreeSet::new());
        self.layout.with(&nobody, &none, &self.stores())
    }

    /// The stores on which nodes run now.
    pub(super) fn stores(&self) -> BTreeMap<A, u32> {
        let entries = self.roster.entries().filter(|entry| entry.store() > 0);
        entries
            .map(|entry| (entry.peer.address.clone(), entry.store()))
            .collect()
    }

    /// Whether the layout of this epoch would end the one of which it is a member.
    fn may_end(&self, epoch: u32) -> bool {
        let is_next = epoch == self.layout.epoch + 1 && self.decree.layout.epoch < epoch;
        is_next && self.shard().is_some()
    }

    /// Whether it remembers all that it ever promised of the layout in force.
    fn votes(&self) -> bool {
        let seat = self.layout.seat(&self.me.address);
        seat.is_some_and(|seat| match seat.store {
            0 => self.is_founder(),
            store => store == self.config.store,
        })
    }

    /// All that it has, where its copies count.
    fn sealed(&self) -> Option<Vector> {
        let shard = self.shard().filter(|_| self.vouches())?;
        Some(self.content.sealed(shard, self.writer))
    }

    /// Whether it takes no more writes of the layout in force.
    pub(super) fn is_sealed(&self) -> bool {
        self.acceptor.promised.is_some() || self.relocation.is_some()
    }

    /// Whether these could decide on the next layout, as far as can be said without asking them to end this one:
    /// more than half of the members that are not gone for good, and of each shard so many that all is there which
    /// anyone may have seen.
    pub(super) fn may_decide(&self, there: &BTreeSet<A>) -> bool {
        let left = || self.layout.nodes().filter(|node| !self.is_gone(node));
        let is_majority = 2 * left().filter(|node| there.contains(*node)).count() > left().count();
        is_majority
            && self.layout.all_shards().all(|shard| {
                let has_told = |node: &A| there.contains(node);
                self.is_covered_by(shard, has_told)
            })
    }

    /// Whether these are enough to decide, of each of whom is said whether it remembers all that it promised: more
    /// than half of the members that are not gone for good do; or all are there, and those that do not remember
    /// are so few that any other quorum has one that does. Else of two members none could ever lose its store.
    fn is_quorum<'a>(&self, nodes: impl Iterator<Item = (&'a A, bool)>) -> bool
    where
        A: 'a,
    {
        let counts = |node: &&A| self.layout.seat(node).is_some() && !self.is_gone(node);
        let (all, left) = (
            self.layout.nodes().count(),
            self.layout.nodes().filter(counts).count(),
        );
        let (mut there, mut remember) = (0, 0);
        for (_, remembers) in nodes.filter(|(node, _)| counts(node)) {
            there += 1;
            remember += usize::from(remembers);
        }
        2 * remember > left || there == left && 2 * (all - remember) <= all
    }

    /// Whether all that anyone may have seen of a shard is among what these have: each write that shows is on
    /// two stores, so one member may be missing, or those that are gone for good.
    fn is_covered(&self, shard: u32, promises: &Promises<A>) -> bool {
        let has_told = |node: &A| {
            promises
                .get(node)
                .is_some_and(|(_, sealed)| sealed.is_some())
        };
        self.is_covered_by(shard, has_told)
    }

    fn is_covered_by(&self, shard: u32, has_told: impl Fn(&A) -> bool) -> bool {
        let missing = || self.layout.members(shard).filter(|node| !has_told(node));
        let copies = COPIES.min(self.layout.members(shard).count());
        missing().count() < copies.max(1) || missing().all(|node| self.is_gone(node))
    }
}

/// Beats after which a proposal is given up: 6 s.
const PROPOSAL_BEATS: u32 = 24;

/// Beats after which members are asked once more.
const ASK_BEATS: u32 = 3;

/// Beats after which a member that has promised believes that nobody proposes any more: 8 s.
const RESUME_BEATS: u32 = 32;

/// Beats between two members that go on with it.
const TURN_BEATS: u32 = 4;

/// How many have turns of their own.
const TURNS: u32 = 16;
