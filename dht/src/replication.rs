//! Replication: an arc is kept by a group, and what a majority of it has is never lost.
//!
//! ```text
//!            epoch e                                  epoch e + 1
//!   ┌──────────────────────┐   one decision   ┌──────────────────────┐
//!   │ leader ─► follower   │  (single-decree  │ leader ─► follower   │
//!   │       └─► follower   │      Paxos)      │       └─► follower   │
//!   └──────────────────────┘ ───────────────► └──────────────────────┘
//!     orders writes 1, 2, …     ends at start    begins with start
//! ```
//!
//! Within an epoch the leader orders the writes of its arc, and acknowledges one when a majority of the
//! members has it and all before it durably. It answers reads when a majority has confirmed, after
//! the read came, that the epoch goes on. An epoch ends by a decision of its members, which names the
//! next group, or two, and up to which write they begin: a member that promised to take part in the
//! decision takes no more writes, so a majority of promises knows all that was acknowledged.
//!
//! What this rests on, wherever it is touched:
//! - nothing is told to anyone before it is durable: promises, acceptances, positions;
//! - a member votes only when it has what its group began with;
//! - a position says that all writes up to it are in the store, and none after it, or it is not synced;
//! - the leader serves when a majority has what the group began with;
//! - who gives a copy up waits until the next group serves.
//!
//! One exchange a file: `append` (writes and reads in an epoch), `propose` and `install` (the end of
//! one), `fetch` (a member gets what it lacks), `steer` (which groups there should be by the ring), `merge`
//! (two groups become one), `zones` (where copies may be), `compare` (whether copies are the same), `strays`
//! (what nobody accounts for), `dismiss` (what is kept no more), `failing` (a store takes nothing more), `beat` (the
//! clock of it all), `keep` (what a restart finds again).

pub mod group;
pub mod message;

pub(crate) mod acceptor;
pub(crate) mod append;
pub(crate) mod backlog;
pub(crate) mod beat;
pub(crate) mod compare;
pub(crate) mod dismiss;
pub(crate) mod failing;
pub(crate) mod fetch;
pub(crate) mod install;
pub(crate) mod keep;
pub(crate) mod merge;
pub(crate) mod order;
pub(crate) mod propose;
pub(crate) mod replica;
pub(crate) mod steer;
pub(crate) mod strays;
pub(crate) mod window;
pub(crate) mod zones;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::event::{Action, Cause, Ticket};
use crate::id::{Arc, Id};
use crate::message::{Reply, Request};
use crate::node::{Node, Question};
use crate::peer::{Address, Peer};
use crate::replication::group::{Group, Member, Next, Tag};
use crate::replication::message::{Ask, Fetch, GroupRequest, Told};
use crate::replication::replica::{Replica, Retired};
use crate::replication::strays::Search;
use crate::replication::zones::Neighbour;
use crate::view::Range;

pub use acceptor::Ballot;

/// All groups of one node.
#[derive(Clone, Debug)]
pub(crate) struct Groups<A> {
    pub(crate) replicas: Vec<Replica<A>>,
    pub(crate) retired: Vec<Retired>,
    /// Decisions whose new leaders may not know them yet.
    pub(crate) decided: Vec<Decided<A>>,
    /// Epochs that have ended here: whoever took part in the end of one must never forget that, or the group
    /// could decide twice.
    pub(crate) over: Vec<Range>,
    /// Whether the groups that the ring was founded with are not kept yet.
    pub(crate) is_unkept: bool,
    /// Arcs of which nothing is kept any more, as soon as it is forgotten.
    pub(crate) dismissed: Vec<Arc>,
    /// Bytes that may still be fetched until the next beat; below 0 where a page was larger.
    pub(crate) allowance: i64,
    /// For what the store has and no group accounts for.
    pub(crate) search: Search,
    /// Where others are, as far as that matters.
    pub(crate) neighbours: Vec<Neighbour<A>>,
    /// Whether the store takes nothing more in this life.
    pub(crate) is_failing: bool,
}

/// A decision, and who is to be told.
#[derive(Clone, Debug)]
pub(crate) struct Decided<A> {
    pub(crate) next: Next<A>,
    pub(crate) untold: Vec<Member<A>>,
    pub(crate) age: u8,
}

impl<A: Address> Decided<A> {
    /// A decision of which `me` alone knows.
    fn new(next: Next<A>, me: &Member<A>) -> Decided<A> {
        let mut untold: Vec<Member<A>> = Vec::new();
        let new = next.groups.iter().flat_map(|group| &group.members);
        for member in next.former.iter().chain(new) {
            if !member.is(me) && !untold.iter().any(|other| other.is(member)) {
                untold.push(member.clone());
            }
        }
        let age = 0;
        Decided { next, untold, age }
    }
}

/// An open question to a member of a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupQuestion<A> {
    pub(crate) tag: Tag,
    pub(crate) to: Member<A>,
    pub(crate) about: About,
}

/// What it was about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About {
    /// Confirms reads up to this clock.
    Append(u32),
    Enroll,
    /// What was asked for.
    Fetch(Fetch),
    Prepare(Ballot),
    Accept(Ballot),
    Install,
    Release,
    Resign,
    Status,
    Zone,
    /// This piece, after this write.
    Compare(Arc, u32),
    Mend,
}

impl<A: Address> Groups<A> {
    pub(crate) const fn new() -> Groups<A> {
        Groups {
            replicas: Vec::new(),
            retired: Vec::new(),
            decided: Vec::new(),
            over: Vec::new(),
            is_unkept: false,
            dismissed: Vec::new(),
            allowance: 0,
            search: Search::new(),
            neighbours: Vec::new(),
            is_failing: false,
        }
    }
}

impl<A: Address> Node<A> {
    /// Whether content is kept by groups.
    pub fn is_replicated(&self) -> bool {
        self.groups.is_some()
    }

    /// This node as a member of groups.
    pub(crate) fn member(&self) -> Member<A> {
        Member {
            peer: self.view.me.clone(),
            store: self.config.store,
        }
    }

    pub(crate) fn replicas(&self) -> &[Replica<A>] {
        self.groups.as_ref().map_or(&[], |groups| &groups.replicas)
    }

    pub(crate) fn replica(&mut self, tag: Tag) -> Option<&mut Replica<A>> {
        let replicas = &mut self.groups.as_mut()?.replicas;
        replicas.iter_mut().find(|replica| replica.tag() == tag)
    }

    /// The replica that keeps a key, as a member.
    pub(crate) fn replica_of(&self, key: Id) -> Option<&Replica<A>> {
        let keeps = |replica: &&Replica<A>| !replica.is_learner && replica.group.arc.contains(key);
        self.replicas().iter().find(keeps)
    }

    pub(crate) fn ask_member(
        &mut self,
        to: &Member<A>,
        tag: Tag,
        ask: Ask<A>,
        about: About,
        out: &mut Vec<Action<A>>,
    ) {
        let peer = self.latest(&to.peer);
        let request = Request::Group(Box::new(GroupRequest {
            tag,
            from: self.config.store,
            to: to.store,
            ask,
        }));
        let to = to.clone();
        let question = Question::Group(Box::new(GroupQuestion { tag, to, about }));
        self.ask(&peer, request, question, out);
    }

    /// The latest life of a node, as far as the pointers tell.
    pub(crate) fn latest(&self, peer: &Peer<A>) -> Peer<A> {
        let pointers = self.view.predecessor.iter().chain(&self.view.successors);
        let lives = pointers
            .chain(self.named())
            .filter(|other| other.id == peer.id);
        let latest = lives.max_by_key(|life| life.incarnation);
        let latest = latest.filter(|life| life.incarnation > peer.incarnation);
        latest.unwrap_or(peer).clone()
    }

    /// Whether this life of a member is over, and no later one is known.
    pub(crate) fn is_away(&self, member: &Member<A>) -> bool {
        self.detector.is_gone(&self.latest(&member.peer))
    }

    /// A member of a group asks.
    pub(crate) fn group_asked(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        request: GroupRequest<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let is_other = request.to != self.config.store && request.to != ANY_STORE;
        if !self.is_replicated() || is_other {
            return tell(ticket, Told::Store(self.config.store), out);
        }
        self.doubt_deaths([&from], out);
        let from = Member {
            peer: from,
            store: request.from,
        };
        self.meet(&from);
        let tag = request.tag;
        match request.ask {
            Ask::Append { after, entries } => self.append_for(ticket, tag, after, entries, out),
            Ask::Enroll(group) => self.enroll_for(ticket, group, out),
            Ask::Fetch(fetch) => self.fetch_for(ticket, tag, fetch, out),
            Ask::Prepare(ballot) => self.prepare_for(ticket, &from, tag, ballot, out),
            Ask::Accept(ballot, next) => self.accept_for(ticket, tag, ballot, next, out),
            Ask::Install(next) => self.install_for(ticket, next, out),
            Ask::Release(group) => self.release_for(ticket, &group, out),
            Ask::Resign => self.resign_for(ticket, &from, tag, out),
            Ask::Status => self.status_for(ticket, tag, out),
            Ask::Zone => self.zone_for(ticket, out),
            Ask::Compare(piece, at, digest) => {
                self.compare_for(ticket, tag, (piece, at, digest), out);
            }
            Ask::Mend(at, records) => self.mend_for(ticket, tag, (at, records), out),
        }
    }

    /// A member has answered.
    pub(crate) fn group_told(
        &mut self,
        question: GroupQuestion<A>,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let GroupQuestion { tag, to, about } = question;
        if let Told::Newer(group) = &told
            && !matches!(about, About::Release | About::Install | About::Status)
        {
            return self.superseded(tag, group, out);
        }
        match about {
            About::Append(clock) => self.append_told(tag, &to, clock, told, out),
            About::Enroll => self.enroll_told(tag, &to, told),
            About::Fetch(fetch) => self.fetch_told(tag, &to, fetch, told, out),
            About::Prepare(ballot) => self.prepare_told(tag, to, ballot, told, out),
            About::Accept(ballot) => self.accept_told(tag, to, ballot, told, out),
            About::Install => self.install_told(tag, &to, &told, out),
            About::Release => self.release_told(tag, &to),
            About::Status => self.status_told(&to, &told, out),
            About::Resign => self.resign_told(tag, &told, out),
            About::Zone => self.zone_told(&to.peer, told, out),
            About::Compare(piece, at) => {
                self.compare_told(tag, &to, (piece, at), told, out);
            }
            // If it got lost, the next round will find it.
            About::Mend => {}
        }
    }

    /// A member has not answered.
    pub(crate) fn group_untold(
        &mut self,
        question: GroupQuestion<A>,
        cause: Cause,
        out: &mut Vec<Action<A>>,
    ) {
        let GroupQuestion { tag, to, about } = question;
        self.missed(self.latest(&to.peer), cause, out);
        match about {
            About::Append(_) | About::Enroll => {
                if let Some(follower) = self.follower(tag, &to) {
                    follower.is_asked = false;
                }
            }
            About::Install => self.install_told(tag, &to, &Told::Unknown, out),
            About::Fetch(fetch) => self.fetch_missed(tag, fetch),
            About::Status => self.keeper_missed(tag.arc),
            About::Prepare(_)
            | About::Accept(_)
            | About::Release
            | About::Resign
            | About::Zone
            | About::Compare(..)
            | About::Mend => {}
        }
    }

    /// Takes note of the life in which a member is there.
    fn meet(&mut self, from: &Member<A>) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        for replica in &mut groups.replicas {
            let followers = replica.lead.iter_mut().flat_map(|lead| &mut lead.followers);
            let followers = followers.map(|follower| &mut follower.member);
            for member in replica.group.members.iter_mut().chain(followers) {
                if member.is(from) && member.peer.incarnation < from.peer.incarnation {
                    member.peer = from.peer.clone();
                }
            }
        }
    }

    /// A group that keeps a part of this one's arc in a later epoch, if there is one here.
    pub(crate) fn newer_than(&self, tag: Tag) -> Option<&Group<A>> {
        let is_newer = |group: &&Group<A>| {
            group.epoch > tag.epoch && group.arc.intersection(tag.arc).next().is_some()
        };
        let groups = self.replicas().iter().filter(|replica| !replica.is_learner);
        groups.map(|replica| &replica.group).find(is_newer)
    }
}

pub(crate) fn tell<A>(ticket: Ticket, told: Told<A>, out: &mut Vec<Action<A>>) {
    let reply = Reply::Group(Box::new(told));
    out.push(Action::Reply { ticket, reply });
}

/// Whatever store a node runs on. Stores are named by incarnations, which begin at 1.
pub(crate) const ANY_STORE: u32 = 0;
