//! Compare: replicas of a shard look for what they lack, now and then, and often while they know that they do.

use alloc::vec::Vec;

use super::log::batch;
use super::message::{Ask, Told};
use super::sync::Then;
use super::vector::Vector;
use super::write::Write;
use super::{About, Causal};
use crate::event::{Action, Ticket};
use crate::peer::{Address, Peer};

/// A comparison that is going on.
#[derive(Clone, Debug)]
pub(super) struct Comparing<A> {
    pub(super) with: A,
}

impl<A: Address> Causal<A> {
    pub(super) fn compare_next(&mut self, out: &mut Vec<Action<A>>) {
        self.settle(out);
        let is_due = self.beats.is_multiple_of(COMPARE_BEATS);
        // On the way into a layout, pages of it have every other beat.
        let is_turn = self.relocation.is_none() || self.beats.is_multiple_of(2);
        if is_due || self.lacks() && is_turn {
            self.compare_with_any(out);
        }
    }

    /// Compares with the replica whose turn it is, unless one has yet to answer.
    pub(super) fn compare_with_any(&mut self, out: &mut Vec<Action<A>>) {
        let mut replicas = self.replicas();
        // Those that may have something from before this one began come first.
        let owes =
            |node: &A| self.content.owes.contains(node) || self.content.greets.contains(node);
        if replicas.iter().any(owes) {
            replicas.retain(owes);
        }
        self.turn = self.turn.wrapping_add(1);
        if let Some(node) = replicas.get(self.turn % replicas.len().max(1)).cloned() {
            self.compare_with(&node, out);
        }
    }

    pub(super) fn compare_with(&mut self, node: &A, out: &mut Vec<Action<A>>) {
        let (Some(shard), Some(peer)) = (self.shard(), self.roster.peer_in(node).cloned()) else {
            return;
        };
        if self.comparing.is_some() || self.filling.is_some() {
            return;
        }
        let epoch = self.layout.epoch;
        let vector = self.content.vector(shard);
        self.comparing = Some(Comparing { with: node.clone() });
        let about = About::Compare(node.clone(), epoch);
        self.ask(&peer, Ask::Compare { epoch, vector }, about, out);
    }

    /// Another replica looks for what it lacks.
    pub(super) fn compare_for(
        &mut self,
        ticket: Ticket,
        from: &Peer<A>,
        epoch: u32,
        vector: &Vector,
        out: &mut Vec<Action<A>>,
    ) {
        let shard = self.shard().filter(|shard| {
            let is_replica = self.layout.shard(&from.address) == Some(*shard);
            let is_known = self.founding.is_some() && self.content.is_whole();
            is_replica && epoch == self.layout.epoch && is_known
        });
        let Some(shard) = shard else {
            return self.tell_news(ticket, out);
        };
        let told = Told::Lacks {
            writes: self.news_for(vector),
            vector: self.content.vector(shard),
        };
        self.when_durable(Then::Tell(ticket, told.into()), out);
    }

    /// What a replica that has this much lacks: also own writes that do not show yet, for if it had them before it
    /// lost its store, it may have shown them.
    fn news_for(&self, vector: &Vector) -> Option<Vec<Write>> {
        let mut writes = self.content.log.since(vector)?;
        let kept = self.content.pending.iter().filter(|own| own.is_kept);
        let lacks = kept.filter(|own| own.write.number > vector.last(self.writer));
        writes.extend(batch(lacks.map(|own| &own.write)));
        Some(writes)
    }

    pub(super) fn compare_told(
        &mut self,
        node: &A,
        epoch: u32,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        self.compare_missed(node);
        let (writes, vector) = match told {
            Told::Lacks { writes, vector } if epoch == self.layout.epoch => (writes, vector),
            told => {
                self.learned(told, out);
                return self.follow_missed(node, out);
            }
        };
        if self.filling.is_some() {
            return self.followed(node, writes.unwrap_or_default(), &vector, out);
        }
        let Some(shard) = self.shard() else {
            return;
        };
        self.heard_of(node, &vector);
        let lacks = !self.content.vector(shard).covers(&vector);
        match writes {
            Some(writes) if self.takes_writes() => {
                let is_new = self.take_in(writes, out);
                if self.content.vector(shard).covers(&vector) {
                    self.paid(node, out);
                } else if is_new {
                    self.compare_with(node, out);
                }
            }
            None if lacks => self.fill_from(node, &vector, out),
            _ if self.content.is_partial => self.fill_from(node, &vector, out),
            _ => {}
        }
        self.settle(out);
    }

    pub(super) fn compare_missed(&mut self, node: &A) {
        self.comparing.take_if(|comparing| comparing.with == *node);
    }

    /// It has all that this replica had.
    fn paid(&mut self, node: &A, out: &mut Vec<Action<A>>) {
        self.content.greets.remove(node);
        if self.content.owes.remove(node) {
            self.keep_layout(out);
        }
    }

    /// Whether it knows that there may be something that it lacks.
    fn lacks(&self) -> bool {
        let content = &self.content;
        let is_behind = |shard| content.vector(shard) != self.cut_of(shard);
        let gathers = self.relocation.is_some() && self.shard().is_some_and(is_behind);
        !content.serves || content.is_partial || !content.buffer.is_empty() || gathers
    }

    /// Sees whether it has got so far that it answers clients, and that its copies count.
    pub(super) fn settle(&mut self, out: &mut Vec<Action<A>>) {
        let Some(shard) = self.shard() else {
            return;
        };
        let vector = self.content.vector(shard);
        let has_target = |target: &Vector| vector.covers(target);
        if self.content.target.as_ref().is_some_and(has_target) {
            self.content.target = None;
            self.content.is_partial = false;
            let notes = [self.seen_note()].into();
            self.note(notes, out);
            self.sync(out);
        }
        if self.has_cut() {
            self.content.is_ahead = false;
        }
        if self.content.is_partial || self.content.is_arriving {
            return;
        }
        let mut unseen = self.content.greets.iter();
        let is_waiting = unseen.any(|node| self.roster.peer_in(node).is_some());
        let is_patient = self.beats.saturating_sub(self.content.since) < PATIENCE_BEATS;
        let is_due = !is_waiting || !is_patient;
        if is_due && self.has_been_told() && !self.content.serves {
            self.content.serves = true;
            self.is_resident = true;
            self.keep_layout(out);
        }
        let epoch = self.layout.epoch;
        if self.vouches() && self.vouched() < epoch {
            self.introduce(epoch);
        }
    }

    /// Whether this replica has all that any other had before it began, so that its copies count.
    pub(super) fn vouches(&self) -> bool {
        let mut owes = self.content.owes.iter();
        let is_told = owes.all(|node| self.is_gone(node));
        self.founding.is_some() && self.content.is_whole() && is_told
    }
}

/// Beats between two comparisons, where nothing is known to be missing.
const COMPARE_BEATS: u32 = 4;

/// Beats after which a replica answers clients though some others have not told it what they have: what a
/// client has seen is looked at in any case. 10 s.
const PATIENCE_BEATS: u32 = 40;
