//! Found: a node whose store is empty finds out whether everything begins, or it alone begins anew.
//!
//! It cannot know: who keeps all in memory, or has lost its disk, looks the same. So until it knows it keeps nothing
//! for others, tells them nothing, and has no vote. Once so many of those it was told of say that they know no more
//! than it does, they are the founders. Whoever hears of a founding that it was no part of has begun later, or again:
//! it answers clients when all of its shard have told it what they have, and has no vote in the first layout.
//!
//! Founders answer clients when as many know of the founding. So there is none a second time while not more than one
//! of these has forgotten it: two sets of so many as `quorum` says share at least two.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Causal;
use super::message::News;
use super::roster::Entry;
use super::sync::Then;
use super::vector::Writer;
use crate::event::Action;
use crate::peer::{Address, Peer};

/// How the store began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// Who had nothing then: on these stores they remember whatever they promised.
    pub founders: BTreeSet<Writer>,
    /// Whether enough nodes know of it.
    pub has_begun: bool,
}

/// What others have said of the beginning, to a node that was told of none or of one that too few know of.
#[derive(Clone, Debug)]
pub(super) struct Witnesses<A> {
    /// Who knew no more than this node, when it knew of this one.
    blank: BTreeSet<(A, Writer)>,
    /// Who knows of the founding.
    told: BTreeSet<A>,
}

impl<A> Default for Witnesses<A> {
    fn default() -> Witnesses<A> {
        Witnesses {
            blank: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }
}

impl<A: Address> Causal<A> {
    /// Another node says what it knows.
    pub(super) fn witness(&mut self, from: &Peer<A>, news: &News<A>) {
        if self.has_begun() {
            return;
        }
        let entry = news.roster.entry(&from.address);
        let store = entry.filter(|entry| entry.peer == *from).map(Entry::store);
        let own = news.roster.entry(&self.me.address);
        let knows_me = own.is_some_and(|own| own.stores.contains(&self.config.store));
        match (&news.founding, store) {
            (Some(_), _) => {
                self.witnesses.told.insert(from.address.clone());
            }
            (None, Some(store)) if store > 0 && knows_me && news.decree == self.decree => {
                let writer = Writer::of(from.id, store);
                self.witnesses.blank.insert((from.address.clone(), writer));
            }
            _ => {}
        }
    }

    /// Somebody knows how the store began. Returns whether this node did not.
    pub(super) fn learn_founding(&mut self, told: Founding, out: &mut Vec<Action<A>>) -> bool {
        let Some(own) = &mut self.founding else {
            self.begin(told, out);
            return true;
        };
        let before = own.clone();
        own.founders.extend(told.founders);
        own.has_begun |= told.has_begun;
        if *own != before {
            self.keep_layout(out);
        }
        false
    }

    /// Sees whether enough others have said something.
    pub(super) fn look_at_founding(&mut self, out: &mut Vec<Action<A>>) {
        if self.founding.is_none() && self.may_found() {
            let blank = self.witnesses.blank.iter().map(|(_, writer)| *writer);
            let founding = Founding {
                founders: blank.chain([self.writer]).collect(),
                has_begun: false,
            };
            self.begin(founding, out);
        }
        let told = self.witnesses.told.iter();
        let needed = match self.beats < PATIENT_BEATS {
            true => quorum(self.expected()),
            false => majority(self.expected()),
        };
        let is_known = self.tally(told) >= needed;
        let began = self.founding.as_mut().filter(|own| !own.has_begun);
        if let Some(founding) = began.filter(|_| is_known) {
            founding.has_begun = true;
            self.keep_layout(out);
            self.meet_all(out);
        }
    }

    fn begin(&mut self, founding: Founding, out: &mut Vec<Action<A>>) {
        self.founding = Some(founding);
        self.introduce(0);
        self.keep_layout(out);
        // Others count on it that who knows of the founding does not forget it.
        self.after_sync(Then::Founded, out);
    }

    /// That it knows how the store began is durable.
    pub(super) fn founded(&mut self, out: &mut Vec<Action<A>>) {
        self.is_founding_kept = true;
        self.meet_all(out);
    }

    /// Whether those who know no more than this node are enough to begin with: all; or most, if the others do not
    /// come; or more than half, if even these do not, and nobody knows of an earlier life of any of them.
    fn may_found(&self) -> bool {
        let expected = self.expected();
        let has_lived = |node: &A| {
            let entry = self.roster.entry(node);
            entry.is_some_and(|entry| entry.stores.len() > 1)
        };
        let blank = || self.witnesses.blank.iter().map(|(node, _)| node);
        let needed = match self.beats {
            ..COMPLETE_BEATS => expected,
            COMPLETE_BEATS..PATIENT_BEATS => quorum(expected),
            _ if blank().chain([&self.me.address]).any(has_lived) => quorum(expected),
            _ => majority(expected),
        };
        self.tally(blank()) >= needed
    }

    /// How many of those it was told of these are, itself included.
    fn tally<'a>(&'a self, nodes: impl Iterator<Item = &'a A>) -> usize {
        let nodes = nodes.chain([&self.me.address]);
        let counts = |node: &&A| self.config.view.contains(*node) && !self.is_gone(node);
        nodes.filter(counts).collect::<BTreeSet<&A>>().len()
    }

    /// How many it was told of.
    fn expected(&self) -> usize {
        self.tally(self.config.view.iter())
    }

    /// Whether it ran on its store when everything began.
    pub(super) fn is_founder(&self) -> bool {
        let founding = self.founding.as_ref();
        founding.is_some_and(|founding| founding.founders.contains(&self.writer))
    }

    /// One of the founders, by which this store is told from others.
    pub(super) fn founder(&self) -> Option<Writer> {
        let founding = self.founding.as_ref()?;
        founding.founders.first().copied()
    }

    /// Whether what a client has seen is of this store, as far as this node knows: where several have begun at once,
    /// it may not have heard of all of them yet.
    pub(super) fn is_founded_by(&self, founder: Option<Writer>) -> bool {
        let founding = self.founding.as_ref();
        founder.is_none_or(|it| founding.is_some_and(|own| own.founders.contains(&it)))
    }

    /// Whether it knows that the store has begun, and enough others do.
    pub(super) fn has_begun(&self) -> bool {
        let founding = self.founding.as_ref();
        founding.is_some_and(|founding| founding.has_begun)
    }

    /// Whether it may answer clients, as far as that depends on how it began.
    pub(super) fn has_been_told(&self) -> bool {
        self.is_resident || self.has_begun() && (self.is_founder() || self.vouches())
    }
}

/// More than half.
fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}

/// So many that two such sets have two nodes in common, or all of one or two.
fn quorum(nodes: usize) -> usize {
    nodes.div_ceil(2).saturating_add(1).min(nodes)
}

/// Beats in which all of the view are waited for: 5 s.
const COMPLETE_BEATS: u32 = 20;

/// Beats in which a [`quorum`] of them is: 10 s.
const PATIENT_BEATS: u32 = 40;
