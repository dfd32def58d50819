//! Propose: a member leads its group to the decision that ends the epoch.
//!
//! The leader does so when other members should keep the arc, and another member when the leader has been
//! silent for long. It takes no more writes, asks all for promises, and proposes what it wishes, or
//! what another proposal may have decided already. A majority of promises knows every write that was
//! acknowledged; the one of them that has most says up to which write the next groups begin.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::replication::acceptor::Ballot;
use crate::replication::group::{Group, Member, Next, Tag};
use crate::replication::message::{Ask, Told};
use crate::replication::replica::Synced;
use crate::replication::{About, tell};
use crate::store::Command;

/// The end of an epoch, as one member proposes it.
#[derive(Clone, Debug)]
pub(crate) struct Proposal<A> {
    ballot: Ballot,
    wish: Wish<A>,
    stage: Stage<A>,
    /// Beats since it began.
    pub(crate) age: u8,
}

/// What should follow a group.
#[derive(Clone, Debug)]
pub(crate) struct Wish<A> {
    /// One group, or two where the arc is split.
    pub(crate) groups: Vec<Group<A>>,
    /// The sealed group that is to end as well.
    pub(crate) sealed: Option<Tag>,
    /// Whether the members may take no more writes of this epoch, so that it is no use to wait until they
    /// have those that they lack.
    pub(crate) is_urgent: bool,
}

impl<A> Wish<A> {
    /// These groups instead of the one that there is.
    pub(crate) fn of(groups: Vec<Group<A>>) -> Wish<A> {
        Wish {
            groups,
            sealed: None,
            is_urgent: false,
        }
    }
}

#[derive(Clone, Debug)]
enum Stage<A> {
    /// Writes that the own store is making must end, and a majority should get them.
    Drain,
    /// Who has promised, and how much it has; and what was accepted before.
    Prepare {
        promises: Vec<(Member<A>, u32)>,
        accepted: Option<(Ballot, Next<A>)>,
    },
    /// Who has accepted.
    Accept {
        next: Box<Next<A>>,
        accepts: Vec<Member<A>>,
    },
}

impl<A: Address> Node<A> {
    /// Proposes what should follow a group.
    pub(crate) fn propose(&mut self, tag: Tag, wish: Wish<A>, out: &mut Vec<Action<A>>) {
        let me = self.view.me.id;
        let is_sealed = self.is_sealed(tag);
        if self.is_failing() {
            // It could keep no promise, not even its own.
            return;
        }
        let Some(replica) = self.replica(tag) else {
            return;
        };
        if replica.proposal.is_some() || !replica.is_synced || replica.is_learner || is_sealed {
            return;
        }
        replica.proposal = Some(Box::new(Proposal {
            ballot: replica.acceptor.next_ballot(me),
            wish,
            stage: Stage::Drain,
            age: 0,
        }));
        self.go_on_proposing(tag, out);
    }

    /// A leader whose members follow it no more: the same members decide to go on together.
    pub(crate) fn begin_again(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let me = self.member();
        if let Some(replica) = self.replica(tag)
            && let Some(same) = replica.group.under(&me)
        {
            let wish = Wish {
                is_urgent: true,
                ..Wish::of([same].into())
            };
            self.propose(tag, wish, out);
        }
    }

    /// Members take no more writes of this epoch: what is proposed already waits for them no longer. Else it
    /// would stand in the way of all that could end the epoch, again and again.
    pub(crate) fn hurry(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag);
        if let Some(proposal) = replica.and_then(|replica| replica.proposal.as_mut()) {
            proposal.wish.is_urgent = true;
            self.go_on_proposing(tag, out);
        }
    }

    /// The store is making nothing any more: ask for promises.
    ///
    /// What the next groups begin with had better not be with the leader alone when it is decided: if it died
    /// then, nobody else could begin.
    pub(crate) fn go_on_proposing(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let me = self.member();
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let Some(proposal) = &mut replica.proposal else {
            return;
        };
        let (is_urgent, position) = (proposal.wish.is_urgent, replica.position);
        let is_draining = replica.lead.as_ref().is_some_and(|lead| {
            let is_shared = lead.committed == position;
            lead.changing > 0 || !(is_shared || is_urgent)
        });
        if is_draining || !matches!(proposal.stage, Stage::Drain) {
            return;
        }
        proposal.stage = Stage::Prepare {
            promises: Vec::new(),
            accepted: None,
        };
        let ballot = proposal.ballot;
        let is_alone = replica.group.quorum() == 1;
        let members = replica.group.members.clone();
        for member in members.iter().filter(|member| !member.is(&me)) {
            self.ask_member(
                member,
                tag,
                Ask::Prepare(ballot),
                About::Prepare(ballot),
                out,
            );
        }
        if is_alone {
            self.promise_oneself(tag, out);
        }
    }

    /// The own promise comes last, for it ends the writing: a member that only believes its leader to be
    /// silent must not disturb the others.
    fn promise_oneself(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let Some(ballot) = replica.proposal.as_ref().map(|proposal| proposal.ballot) else {
            return;
        };
        if replica.acceptor.promise(ballot).is_err() {
            replica.proposal = None;
            return;
        }
        self.keep_replica(tag, out);
        let synced = Synced::OwnPromise(tag, ballot);
        self.store(Command::Sync, Errand::Synced(synced), out);
    }

    pub(crate) fn own_promise_kept(&mut self, tag: Tag, ballot: Ballot, out: &mut Vec<Action<A>>) {
        let me = self.member();
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let (accepted, position) = (replica.acceptor.accepted.clone(), replica.position);
        let told = Told::Promised(accepted, position);
        self.prepare_told(tag, me, ballot, told, out);
    }

    /// Another member wants a promise.
    pub(crate) fn prepare_for(
        &mut self,
        ticket: Ticket,
        from: &Member<A>,
        tag: Tag,
        ballot: Ballot,
        out: &mut Vec<Action<A>>,
    ) {
        let newer = self.newer_than(tag).cloned();
        let (is_sealed, is_failing) = (self.is_sealed(tag), self.is_failing());
        let Some(replica) = self.replica(tag).filter(|replica| !replica.is_learner) else {
            return tell(ticket, newer.map_or(Told::Unknown, Told::Newer), out);
        };
        if !replica.is_synced || is_failing {
            return tell(ticket, Told::Lagging, out);
        }
        let is_loyal = replica.acceptor.promised.is_none()
            && !replica.group.leader().is(from)
            && match &replica.lead {
                Some(lead) => lead.is_established || lead.changing > 0,
                None => replica.silence < LOYAL,
            };
        if is_loyal || is_sealed {
            return tell(ticket, Told::Loyal, out);
        }
        if let Err(higher) = replica.acceptor.promise(ballot) {
            return tell(ticket, Told::Rejected(higher), out);
        }
        // Whoever proposes gets its time.
        replica.silence = 0;
        if replica
            .proposal
            .as_ref()
            .is_some_and(|own| own.ballot < ballot)
        {
            replica.proposal = None;
        }
        self.keep_replica(tag, out);
        let synced = Synced::Promise(tag, ballot, ticket);
        self.store(Command::Sync, Errand::Synced(synced), out);
    }

    pub(crate) fn promise_kept(
        &mut self,
        tag: Tag,
        ballot: Ballot,
        ticket: Ticket,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(replica) = self.replica(tag) else {
            return tell(ticket, Told::Unknown, out);
        };
        let told = match replica.acceptor.promised {
            Some(higher) if higher > ballot => Told::Rejected(higher),
            _ => Told::Promised(replica.acceptor.accepted.clone(), replica.position),
        };
        tell(ticket, told, out);
    }

    /// A member has promised, or not.
    pub(crate) fn prepare_told(
        &mut self,
        tag: Tag,
        from: Member<A>,
        ballot: Ballot,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let me = self.member();
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let quorum = replica.group.quorum();
        let Some(proposal) = replica.proposal.as_mut().filter(|own| own.ballot == ballot) else {
            return;
        };
        let Stage::Prepare { promises, accepted } = &mut proposal.stage else {
            return;
        };
        let (theirs, position) = match told {
            Told::Promised(theirs, position) => (theirs, position),
            Told::Rejected(higher) => return self.outbid(tag, higher),
            // It has not heard how the epoch began.
            Told::Unknown => return self.tell_origin(tag, &from, out),
            Told::Loyal => {
                // Nobody else may have promised anything yet; if somebody has, the leader will notice.
                replica.proposal = None;
                return;
            }
            _ => return,
        };
        if promises.iter().any(|(member, _)| member.is(&from)) {
            return;
        }
        if theirs.as_ref().map(|(ballot, _)| *ballot) > accepted.as_ref().map(|(ballot, _)| *ballot)
        {
            *accepted = theirs;
        }
        promises.push((from, position));
        let has_own = promises.iter().any(|(member, _)| member.is(&me));
        if promises.len() >= quorum && has_own {
            self.propose_value(tag, out);
        } else if !has_own && promises.len() + 1 == quorum {
            self.promise_oneself(tag, out);
        }
    }

    /// Tells a member of the decision that made the group.
    pub(crate) fn tell_origin(&mut self, tag: Tag, member: &Member<A>, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let (ask, about) = match replica.origin.as_deref() {
            Some(next) => (Ask::Install(next.clone()), About::Install),
            None => (Ask::Enroll(replica.group.clone()), About::Enroll),
        };
        self.ask_member(member, tag, ask, about, out);
    }

    /// A majority has promised: what to propose to it.
    fn propose_value(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let me = self.member();
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let former = replica.group.members.clone();
        let Some(proposal) = &mut replica.proposal else {
            return;
        };
        let Stage::Prepare { promises, accepted } = &mut proposal.stage else {
            return;
        };
        let next = match accepted.take() {
            Some((_, next)) => next,
            None => {
                // The proposer itself where several have as much: it may lead the next group.
                let most = promises
                    .iter()
                    .max_by_key(|(member, position)| (*position, member.is(&me)));
                let Some((source, start)) = most.cloned() else {
                    return;
                };
                Next {
                    from: tag,
                    former: former.clone(),
                    groups: proposal.wish.groups.clone(),
                    sealed: proposal.wish.sealed,
                    start,
                    source,
                }
            }
        };
        let ballot = proposal.ballot;
        proposal.stage = Stage::Accept {
            next: Box::new(next.clone()),
            accepts: Vec::new(),
        };
        if let Err(higher) = replica.acceptor.accept(ballot, next.clone()) {
            return self.outbid(tag, higher);
        }
        self.keep_replica(tag, out);
        let synced = Synced::OwnAccept(tag, ballot);
        self.store(Command::Sync, Errand::Synced(synced), out);
        for member in former.iter().filter(|member| !member.is(&me)) {
            let ask = Ask::Accept(ballot, next.clone());
            self.ask_member(member, tag, ask, About::Accept(ballot), out);
        }
    }

    pub(crate) fn own_accept_kept(&mut self, tag: Tag, ballot: Ballot, out: &mut Vec<Action<A>>) {
        self.accept_told(tag, self.member(), ballot, Told::Accepted, out);
    }

    /// Another member wants its proposal accepted.
    pub(crate) fn accept_for(
        &mut self,
        ticket: Ticket,
        tag: Tag,
        ballot: Ballot,
        next: Next<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let is_failing = self.is_failing();
        let newer = self.newer_than(tag).cloned();
        let Some(replica) = self.replica(tag).filter(|replica| !replica.is_learner) else {
            return tell(ticket, newer.map_or(Told::Unknown, Told::Newer), out);
        };
        let is_changing = replica.lead.as_ref().is_some_and(|lead| lead.changing > 0);
        if !replica.is_synced || is_changing || is_failing {
            return tell(ticket, Told::Lagging, out);
        }
        if let Err(higher) = replica.acceptor.accept(ballot, next) {
            return tell(ticket, Told::Rejected(higher), out);
        }
        replica.silence = 0;
        self.keep_replica(tag, out);
        self.store(Command::Sync, Errand::Synced(Synced::Accept(ticket)), out);
    }

    /// A member has accepted, or not.
    pub(crate) fn accept_told(
        &mut self,
        tag: Tag,
        from: Member<A>,
        ballot: Ballot,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let quorum = replica.group.quorum();
        let Some(proposal) = replica.proposal.as_mut().filter(|own| own.ballot == ballot) else {
            return;
        };
        let Stage::Accept { next, accepts } = &mut proposal.stage else {
            return;
        };
        match told {
            Told::Accepted if !accepts.iter().any(|member| member.is(&from)) => accepts.push(from),
            Told::Rejected(higher) => return self.outbid(tag, higher),
            _ => return,
        }
        if accepts.len() >= quorum {
            let next = (**next).clone();
            self.decided(next, out);
        }
    }

    /// Somebody else proposes, too, and is ahead: it gets its time.
    fn outbid(&mut self, tag: Tag, higher: Ballot) {
        if let Some(replica) = self.replica(tag) {
            replica.proposal = None;
            replica.silence = 0;
            // To have promised more than one was asked for does no harm, and the next ballot is higher.
            let _ = replica.acceptor.promise(higher);
        }
    }
}

impl<A: Address> Group<A> {
    /// The same members in the next epoch, under this one of them.
    pub(crate) fn under(&self, leader: &Member<A>) -> Option<Group<A>> {
        let place = self.members.iter().position(|member| member.is(leader))?;
        Some(Group {
            arc: self.arc,
            epoch: self.epoch + 1,
            members: self.members.clone(),
            leader: place as u8,
            sealed: None,
        })
    }
}

/// Beats after which a member believes that its leader may be gone.
const LOYAL: u8 = 3;
