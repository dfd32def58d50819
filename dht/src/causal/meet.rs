//! Meet: nodes tell each other who is there and what was decided, one other node on each beat.
//!
//! Who is not heard of for a while is taken out of the view by whoever notices; who finds itself taken out
//! announces itself again, and so does whoever starts.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::message::{Ask, Failure, News, Operation, Told};
use super::roster::{Entry, Status};
use super::seen::Seen;
use super::vector::Writer;
use super::{About, Causal, roster};
use crate::event::{Action, Ticket};
use crate::peer::{Address, Peer};

/// What a node knows of others beside what they tell each other.
#[derive(Clone, Debug)]
pub(super) struct Acquaintance<A> {
    /// The beat in which each was last heard.
    heard: BTreeMap<A, u32>,
    /// Meetings so far: usual ones, and those that may be with a lost node.
    turns: [usize; 2],
    /// Whom clients of this node have taken out, and until which beat it looks whether that is known everywhere.
    gone: BTreeMap<A, u32>,
    /// Clients that have seen another store, or what writers have written that this node does not know.
    strangers: Vec<Stranger<A>>,
}

/// A client that waits for others to say whether they know a founder or a writer.
#[derive(Clone, Debug)]
struct Stranger<A> {
    ticket: Ticket,
    founder: Option<Writer>,
    operation: Operation,
    /// Who has yet to say.
    asked: Vec<A>,
    /// Whether somebody did not.
    is_unsure: bool,
}

impl<A> Default for Acquaintance<A> {
    fn default() -> Acquaintance<A> {
        Acquaintance {
            heard: BTreeMap::new(),
            turns: [0; 2],
            gone: BTreeMap::new(),
            strangers: Vec::new(),
        }
    }
}

impl<A: Address> Causal<A> {
    /// Says of itself that it is there, and up to which layout its copies count.
    pub(super) fn introduce(&mut self, vouches: u32) {
        let known = self.roster.entry(&self.me.address);
        let serial = match known {
            Some(known) if known.peer.incarnation == self.me.incarnation => known.serial,
            _ => 0,
        };
        let mut stores = BTreeSet::from([self.config.store]);
        if self.founding.is_some() && !self.is_founder() {
            stores.insert(roster::FORGOTTEN);
        }
        self.roster.take(Entry {
            peer: self.me.clone(),
            serial: serial + 1,
            status: Status::In,
            vouches,
            stores,
        });
    }

    /// Up to which layout others know that its copies count.
    pub(super) fn vouched(&self) -> u32 {
        let own = self.roster.entry(&self.me.address);
        own.map_or(0, |own| own.vouches)
    }

    pub(super) fn met(&mut self, peer: &Peer<A>) {
        self.roster.meet(peer);
    }

    pub(super) fn heard(&mut self, from: &Peer<A>) {
        self.met(from);
        let heard = &mut self.acquaintance.heard;
        heard.insert(from.address.clone(), self.beats);
        // Another life of it is there.
        if !self.is_gone(&from.address) {
            self.acquaintance.gone.remove(&from.address);
        }
    }

    /// A client of this node has taken another one out.
    pub(super) fn take_out(&mut self, node: A) {
        let until = self.beats + GONE_BEATS;
        self.acquaintance.gone.insert(node, until);
    }

    /// The node may have had a later life than the one known here when it was taken out, of which others tell: they
    /// have lost that, and it is gone for good as well.
    fn look_for_gone(&mut self, out: &mut Vec<Action<A>>) {
        let beats = self.beats;
        self.acquaintance.gone.retain(|_, until| *until > beats);
        let is_lost = |node: &&A| self.roster.status(node) == Some(Status::Lost);
        let gone = self.acquaintance.gone.keys();
        let lost: Vec<A> = gone.filter(is_lost).cloned().collect();
        for node in &lost {
            self.roster.say(node, Status::Deleted);
        }
        if !lost.is_empty() {
            self.keep_roster(out);
            self.meet_all(out);
        }
    }

    /// Meets another node, and more of them as long as it does not know how everything began.
    pub(super) fn meet_some(&mut self, out: &mut Vec<Action<A>>) {
        let others = self.roster.view().count().saturating_sub(1);
        let meetings = match self.has_begun() {
            true => 1,
            false => others.clamp(1, MEETINGS_MAX),
        };
        (0..meetings).for_each(|_| self.meet_next(out));
    }

    /// Meets the node whose turn it is; one that was lost only now and then.
    fn meet_next(&mut self, out: &mut Vec<Action<A>>) {
        let is_for_lost = self.beats.is_multiple_of(LOST_TURN);
        let is_due = |entry: &&Entry<A>| match entry.status {
            Status::In => entry.peer.address != self.me.address,
            Status::Lost => is_for_lost,
            Status::Deleted => false,
        };
        let due: Vec<&Peer<A>> = self
            .roster
            .entries()
            .filter(is_due)
            .map(|entry| &entry.peer)
            .collect();
        let turn = self.acquaintance.turns[usize::from(is_for_lost)];
        if let Some(peer) = due.get(turn % due.len().max(1)).copied().cloned() {
            self.acquaintance.turns[usize::from(is_for_lost)] = turn.wrapping_add(1);
            self.meet(&peer, out);
        }
    }

    /// Meets everyone who is part of the view, for there is something new.
    pub(super) fn meet_all(&mut self, out: &mut Vec<Action<A>>) {
        let others = self.roster.view().map(|entry| &entry.peer);
        let others = others.filter(|peer| peer.address != self.me.address);
        for peer in others.cloned().collect::<Vec<Peer<A>>>() {
            self.meet(&peer, out);
        }
    }

    fn meet(&mut self, peer: &Peer<A>, out: &mut Vec<Action<A>>) {
        let (ask, about) = (Ask::Meet(self.news()), About::Meet(peer.address.clone()));
        self.ask(peer, ask, about, out);
    }

    pub(super) fn news(&self) -> News<A> {
        News {
            roster: self.roster.clone(),
            decree: self.decree.clone(),
            founding: self.founding.clone().filter(|_| self.is_founding_kept),
        }
    }

    pub(super) fn tell_news(&self, ticket: Ticket, out: &mut Vec<Action<A>>) {
        self.tell(ticket, Told::News(self.news()), out);
    }

    /// What another node knows.
    pub(super) fn learn(&mut self, news: News<A>, out: &mut Vec<Action<A>>) {
        if self.roster.merge(news.roster) {
            let own = self.roster.entry(&self.me.address);
            if own.is_some_and(|own| own.status == Status::Lost && own.peer == self.me) {
                self.introduce(self.vouched());
            }
            self.keep_roster(out);
        }
        let founding = news.founding;
        match founding.is_some_and(|founding| self.learn_founding(founding, out)) {
            true => self.join(news.decree, out),
            false => self.learn_decree(news.decree, out),
        }
    }

    /// The same, if that is what an answer says.
    pub(super) fn learned(&mut self, told: Told<A>, out: &mut Vec<Action<A>>) {
        if let Told::News(news) = told {
            self.learn(news, out);
        }
    }

    /// A node that was to be met has answered, or not.
    pub(super) fn met_or_missed(&mut self, node: &A, is_met: bool, out: &mut Vec<Action<A>>) {
        if is_met {
            self.is_there(node, out);
        }
        let strangers = core::mem::take(&mut self.acquaintance.strangers);
        for mut stranger in strangers {
            stranger.asked.retain(|asked| asked != node);
            stranger.is_unsure |= !is_met;
            if self.knows(stranger.founder, &stranger.operation.seen) {
                self.seek(stranger.ticket, stranger.operation, out);
            } else if !stranger.asked.is_empty() {
                self.acquaintance.strangers.push(stranger);
            } else {
                let failure = self.unknown(stranger.is_unsure);
                self.fail(stranger.ticket, failure, out);
            }
        }
    }

    /// Whether a client has seen this store, and all writers of which it has seen something are known here.
    pub(super) fn knows(&self, founder: Option<Writer>, seen: &Seen) -> bool {
        self.is_founded_by(founder) && self.knows_writers(seen)
    }

    fn knows_writers(&self, seen: &Seen) -> bool {
        // What was seen under another layout is not looked at.
        if seen.epoch != self.layout.epoch {
            return true;
        }
        seen.shards.iter().all(|(shard, vector)| {
            let own = self.content.seen.of(*shard);
            vector.iter().all(|(writer, _)| {
                own.is_some_and(|own| own.last(writer) > 0) || self.roster.knows(writer)
            })
        })
    }

    /// Asks all others whether they know the founder and the writers that a client has seen.
    pub(super) fn ask_around(
        &mut self,
        ticket: Ticket,
        founder: Option<Writer>,
        operation: Operation,
        out: &mut Vec<Action<A>>,
    ) {
        if self.acquaintance.strangers.len() >= STRANGERS_MAX {
            return self.fail(ticket, Failure::Overloaded, out);
        }
        let others = self.roster.view().map(|entry| entry.peer.address.clone());
        let asked: Vec<A> = others.filter(|other| *other != self.me.address).collect();
        // Those that are lost may know it.
        let is_lost = |entry: &Entry<A>| entry.status == Status::Lost;
        let is_unsure = self.roster.entries().any(is_lost);
        if asked.is_empty() {
            let failure = self.unknown(is_unsure);
            return self.fail(ticket, failure, out);
        }
        self.acquaintance.strangers.push(Stranger {
            ticket,
            founder,
            operation,
            asked,
            is_unsure,
        });
        self.meet_all(out);
    }

    /// What a client is told whose store or writers nobody knows. `is_unsure` whether somebody could not be asked.
    fn unknown(&self, is_unsure: bool) -> Failure {
        match is_unsure || self.founding.is_none() {
            true => Failure::NotYet,
            false => Failure::NotSeen,
        }
    }

    /// Takes those out of the view that were not heard for a while.
    pub(super) fn look_for_lost(&mut self, out: &mut Vec<Action<A>>) {
        self.look_for_gone(out);
        let beats = self.beats;
        // In so many beats any two of many nodes have met as well, whoever began.
        let patience = LOST_BEATS.max(2 * self.roster.view().count() as u32);
        let heard = &mut self.acquaintance.heard;
        let others = self.roster.view().map(|entry| &entry.peer.address);
        let mut is_lost = |node: &&A| {
            let last = *heard.entry((*node).clone()).or_insert(beats);
            **node != self.me.address && beats.saturating_sub(last) > patience
        };
        let lost: Vec<A> = others.filter(|node| is_lost(node)).cloned().collect();
        for node in &lost {
            self.roster.say(node, Status::Lost);
            // It gets as long again if it comes back.
            self.acquaintance.heard.remove(node);
        }
        if !lost.is_empty() {
            self.keep_roster(out);
        }
    }

    /// This node, and those of whom it has heard in the time in which it meets each other one.
    pub(super) fn heard_lately(&self) -> BTreeSet<A> {
        let patience = HEARD_BEATS.max(2 * self.roster.view().count() as u32);
        let heard = self.acquaintance.heard.iter();
        let lately = heard.filter(|(_, last)| self.beats.saturating_sub(**last) <= patience);
        let lately = lately.map(|(node, _)| node);
        lately.chain([&self.me.address]).cloned().collect()
    }

    /// Whether somebody vouched that the node is gone for good.
    pub(super) fn is_gone(&self, node: &A) -> bool {
        self.roster.status(node) == Some(Status::Deleted)
    }
}

/// Beats without a word after which a node is taken out of a view of up to 20: 10 s.
const LOST_BEATS: u32 = 40;

/// Beats in which a node of a small view is heard of that is there: 2 s.
const HEARD_BEATS: u32 = 8;

/// Beats in which others tell of all lives of a node that was taken out: 2 min.
const GONE_BEATS: u32 = 480;

/// Meetings on a beat at most.
const MEETINGS_MAX: usize = 16;

/// Of so many meetings one may be with a lost node.
const LOST_TURN: u32 = 4;

/// Clients at a time whose writers others are asked about.
const STRANGERS_MAX: usize = 64;
