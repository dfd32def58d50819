//! Replica: one group, as one of its members knows it.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::content::serve::Asker;
use crate::event::Ticket;
use crate::id::{Arc, Id};
use crate::peer::Address;
use crate::record::{Changed, Record};
use crate::replication::acceptor::{Acceptor, Ballot};
use crate::replication::backlog::Backlog;
use crate::replication::compare::Round;
use crate::replication::group::{Group, Member, Next, Tag};
use crate::replication::install::SILENT;
use crate::replication::message::Fetch;
use crate::replication::propose::Proposal;
use crate::replication::window::Window;

/// One group at one member.
#[derive(Clone, Debug)]
pub(crate) struct Replica<A> {
    pub(crate) group: Group<A>,
    /// The decision that made the group; nothing for the first one of a ring.
    pub(crate) origin: Option<Box<Next<A>>>,
    pub(crate) acceptor: Acceptor<Next<A>>,
    /// Whether this is no member yet, but one that may become one of the next group.
    pub(crate) is_learner: bool,
    /// Whether the store has what the group began with. Only then does it vote.
    pub(crate) is_synced: bool,
    /// The store has all writes up to this one, where it is synced or about to be.
    pub(crate) position: u32,
    /// So much of `position` is known to be durable; nothing as long as not even what the group began with is.
    pub(crate) durable: Option<u32>,
    /// Whether the whole arc has been fetched; it is synced once its position is that of what it fetched
    /// last, which holds some later writes.
    pub(crate) is_fetched: bool,
    pub(crate) until: u32,
    /// What it may have acknowledged: nothing that holds less takes the place of what is here.
    pub(crate) pledged: u32,
    /// Whether it is to fetch the whole arc anew, since nobody has at hand what it lacks. Until the first of
    /// that comes it has what it had, and votes with it.
    pub(crate) is_outdated: bool,
    /// Where it stands in the epoch before, if it was part of that.
    pub(crate) lineage: Option<u32>,
    /// The last writes of this epoch.
    pub(crate) window: Window,
    /// The last writes of the epoch before.
    pub(crate) prior: Window,
    /// Beats since the leader was heard of.
    pub(crate) silence: u8,
    /// What is being fetched.
    pub(crate) pull: Option<Pull>,
    /// How often it fetched in vain.
    pub(crate) tries: u8,
    /// The end of the epoch, as this member proposes it.
    pub(crate) proposal: Option<Box<Proposal<A>>>,
    /// What only the leader keeps.
    pub(crate) lead: Option<Box<Lead<A>>>,
}

impl<A: Address> Replica<A> {
    pub(crate) fn new(group: Group<A>, origin: Option<Next<A>>) -> Replica<A> {
        Replica {
            group,
            origin: origin.map(Box::new),
            acceptor: Acceptor::new(),
            is_learner: false,
            is_synced: false,
            position: 0,
            durable: None,
            is_fetched: false,
            until: 0,
            pledged: 0,
            is_outdated: false,
            lineage: None,
            window: Window::default(),
            prior: Window::default(),
            silence: 0,
            pull: None,
            tries: 0,
            proposal: None,
            lead: None,
        }
    }

    pub(crate) fn tag(&self) -> Tag {
        self.group.tag()
    }

    /// Whether the epoch is about to end.
    pub(crate) fn is_fenced(&self) -> bool {
        self.acceptor.promised.is_some() || self.proposal.is_some()
    }

    /// Whether there is something to fetch, and it may take the place of what is here: who has promised to take
    /// part in the end of the epoch has done so with just that.
    pub(crate) fn is_lacking(&self) -> bool {
        let has_all = self.is_synced || self.is_fetched;
        !has_all || (self.is_outdated && !self.is_fenced())
    }

    /// Whether it answers for its arc.
    pub(crate) fn is_leading(&self) -> bool {
        let established = |lead: &Lead<A>| lead.is_established;
        self.lead.as_deref().is_some_and(established)
    }

    /// Places after this one among the members, from the leader on: who takes over first.
    pub(crate) fn rank(&self, id: Id) -> u8 {
        let members = &self.group.members;
        let place = members.iter().position(|member| member.peer.id == id);
        let count = members.len();
        let place = place.unwrap_or(count) + count - usize::from(self.group.leader);
        (place % count) as u8
    }
}

/// What was kept for a group that this node does not belong to any more, until the new members have it.
#[derive(Clone, Debug)]
pub(crate) struct Retired {
    pub(crate) tag: Tag,
    /// All writes of the epoch up to this one are here; nothing where it never had all, and is only to be
    /// forgotten some time.
    pub(crate) position: Option<u32>,
    pub(crate) window: Window,
    /// Beats since it was kept so.
    pub(crate) age: u8,
}

impl Retired {
    /// What is left of a replica on a part of its arc.
    pub(crate) fn of<A: Address>(replica: &Replica<A>, arc: Arc) -> Retired {
        let epoch = replica.group.epoch;
        let had_all = replica.is_synced && !replica.is_learner;
        Retired {
            tag: Tag { arc, epoch },
            position: had_all.then_some(replica.position),
            window: match had_all {
                true => replica.window.clone(),
                false => Window::default(),
            },
            age: 0,
        }
    }

    /// A group of a later epoch than this one, which serves, has all that counts of it.
    pub(crate) fn after(&self) -> u32 {
        let is_learned = self.position.is_none();
        self.tag.epoch - u32::from(is_learned)
    }
}

/// The way from what a store has to what its group began with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pull {
    /// Everything up to this sequence of the epoch before is there; nothing where the whole is fetched.
    pub(crate) since: Option<u32>,
    /// So far the whole has been fetched.
    pub(crate) after: Option<Id>,
    /// Records that have come.
    pub(crate) records: u32,
    /// What the first page had.
    pub(crate) has: Option<u32>,
    /// What an answer is awaited to. One that comes late is to another question: what it says of is not what is
    /// lacking now.
    pub(crate) asked: Option<Fetch>,
}

impl Pull {
    /// With what is here of the epoch before, if anything is.
    pub(crate) const fn new(since: Option<u32>) -> Pull {
        Pull {
            since,
            after: None,
            records: 0,
            has: None,
            asked: None,
        }
    }
}

/// What a leader keeps.
#[derive(Clone, Debug)]
pub(crate) struct Lead<A> {
    /// The other members, and those who are to become members.
    pub(crate) followers: Vec<Follower<A>>,
    /// The last sequence that was given to a write.
    pub(crate) assigned: u32,
    /// Writes that the store has not answered.
    pub(crate) changing: usize,
    /// Up to where the own store is durable; nothing while it is not synced.
    pub(crate) durable: Option<u32>,
    /// Whether the own store is about to say more of that.
    pub(crate) is_syncing: bool,
    /// A majority has everything up to here.
    pub(crate) committed: u32,
    /// What it has not yet.
    pub(crate) backlog: Backlog,
    /// Whether a majority has what the group began with and has been heard lately: it serves.
    pub(crate) is_established: bool,
    /// Writes that wait for a majority.
    pub(crate) writes: VecDeque<Write>,
    /// Reads that wait for a majority to confirm the epoch.
    pub(crate) reads: VecDeque<Read>,
    /// Counts reads: what is asked after one of them confirms it.
    pub(crate) clock: u32,
    /// Members that want to leave, and the beats since they last said so: a leave may fail.
    pub(crate) resigned: Vec<(Id, u8)>,
    /// Members of the epoch before who are none any more, and still keep the content.
    pub(crate) former: Vec<Member<A>>,
    /// Beats since it leads.
    pub(crate) age: u32,
    /// How far copies have been compared.
    pub(crate) round: Round,
    /// Beats since it fell silent, for another member to take its place: its store takes nothing more.
    pub(crate) yields: u8,
}

/// Another member, as the leader knows it.
#[derive(Clone, Debug)]
pub(crate) struct Follower<A> {
    pub(crate) member: Member<A>,
    pub(crate) is_learner: bool,
    /// The node runs on this store instead: the member is gone for ever.
    pub(crate) other_store: Option<u32>,
    /// Whether it knows of the group.
    pub(crate) is_installed: bool,
    /// It has durably all up to here; nothing while it is not synced.
    pub(crate) acked: Option<u32>,
    /// Its store takes nothing more.
    pub(crate) is_full: bool,
    /// What to send next.
    pub(crate) next: u32,
    /// Whether an answer of it is awaited.
    pub(crate) is_asked: bool,
    /// The reads that its last answer confirms.
    pub(crate) confirmed: u32,
    /// Beats since it was heard of.
    pub(crate) silence: u8,
}

impl<A: Address> Lead<A> {
    /// All members that are there have everything up to here.
    pub(crate) fn acked(&self) -> Option<u32> {
        let followers = self.followers.iter();
        let present = followers.filter(|other| other.silence < SILENT);
        present.filter_map(|follower| follower.acked).min()
    }
}

impl<A: Address> Follower<A> {
    pub(crate) fn new(member: Member<A>, is_learner: bool) -> Follower<A> {
        Follower {
            member,
            is_learner,
            other_store: None,
            is_installed: false,
            acked: None,
            is_full: false,
            next: 1,
            is_asked: false,
            confirmed: 0,
            silence: 0,
        }
    }

    /// It fetches what it lacks. What it has got with that is asked later, by the last write that there is: the
    /// first ones may not be at hand any more.
    pub(crate) fn fetches(&mut self, position: u32) {
        self.acked = None;
        self.next = position + 1;
    }

    /// Whether it takes writes: a copy whose store has not failed.
    pub(crate) fn takes(&self) -> bool {
        self.is_copy() && !self.is_full
    }

    /// Whether it can be counted on: a member that has everything, and was heard of lately.
    pub(crate) fn is_copy(&self) -> bool {
        !self.is_learner && self.acked.is_some() && self.silence < SILENT
    }
}

/// A write that waits for a majority.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) sequence: u32,
    pub(crate) changer: Asker,
    pub(crate) changed: Changed,
    pub(crate) age: u8,
}

/// A read that waits to be confirmed.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) clock: u32,
    /// The read shows writes up to this one.
    pub(crate) sequence: u32,
    pub(crate) answer: Answer,
    pub(crate) age: u8,
}

/// What is told once a read is confirmed.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Record(Asker, Option<Record>),
    /// A write that its condition forbade has read, too.
    Refused(Asker, Changed),
}

impl Answer {
    /// Who is told.
    pub(crate) fn asker(&self) -> Asker {
        match self {
            Answer::Record(asker, _) | Answer::Refused(asker, _) => *asker,
        }
    }
}

/// What the store of a leader is making.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    pub(crate) tag: Tag,
    pub(crate) sequence: u32,
    pub(crate) key: Id,
    pub(crate) record: Record,
    pub(crate) changer: Asker,
}

/// What becomes durable, and who is told then.
#[derive(Clone, Debug)]
pub(crate) enum Synced {
    /// The leader's own writes, up to this one.
    Lead(Tag, u32),
    /// A follower's, and the leader is told.
    Follow(Tag, u32, Ticket),
    /// A promise to another member.
    Promise(Tag, Ballot, Ticket),
    /// A promise to itself.
    OwnPromise(Tag, Ballot),
    /// Another member's proposal.
    Accept(Ticket),
    /// The own proposal.
    OwnAccept(Tag, Ballot),
    /// A decision that somebody told.
    Install(Ticket),
    /// The own store has what the group began with.
    Start(Tag),
}
