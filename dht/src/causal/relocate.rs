//! Relocate: a node gets what its place in the next layout needs, and puts that layout in force.
//!
//! Every node does so by itself, in its own time; nobody conducts. It serves reads of the layout before until it
//! has everything. Nothing is taken from the giver's store before all have what they need.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::content::Content;
use super::layout::Layout;
use super::log::Log;
use super::message::Decree;
use super::sync::Then;
use super::vector::Vector;
use super::write::Write;
use super::{Causal, Errand, keep};
use crate::event::Action;
use crate::id::Arc;
use crate::peer::Address;
use crate::store::Command;

/// What a node still keeps of the layout before: all that the cut says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Former<A> {
    pub(super) layout: Layout<A>,
    pub(super) shard: u32,
}

/// A node on its way into the next layout.
#[derive(Clone, Debug)]
pub(super) struct Relocation<A> {
    /// Shards of the layout before of which it still has to get something.
    todo: BTreeSet<u32>,
    /// The beat in which it began.
    since: u32,
    /// Whether somebody was found who has the whole cut of the own shard.
    is_found: bool,
    /// What other replicas of the own shard have, as they have told since.
    heard: BTreeMap<A, Vector>,
}

impl<A: Address> Causal<A> {
    /// Something was decided.
    pub(super) fn learn_decree(&mut self, decree: Decree<A>, out: &mut Vec<Action<A>>) {
        let (known, epoch) = (self.decree.layout.epoch, decree.layout.epoch);
        if epoch <= known {
            return;
        }
        let is_of_it = match self.shard() {
            // Whose copies do not count has nothing that others have not.
            Some(_) => self.vouches(),
            // A place that an earlier life was given may have been used by that.
            None => {
                let seat = decree.layout.seat(&self.me.address);
                seat.is_none_or(|seat| seat.store == self.config.store)
            }
        };
        self.learn_change(&decree.layout, out);
        let follows = self.layout.epoch + 1 == epoch && is_of_it;
        match follows {
            true => self.set_out(decree, out),
            false => self.jump(decree, out),
        }
    }

    fn learn_change(&mut self, layout: &Layout<A>, out: &mut Vec<Action<A>>) {
        // The last that was decided may not be in force here yet.
        self.change = layout.change(&self.decree.layout);
        self.keep_change(out);
    }

    /// Takes the layout of those who were there before, which need not be the one that it has begun with.
    pub(super) fn join(&mut self, decree: Decree<A>, out: &mut Vec<Action<A>>) {
        if decree != self.decree {
            self.jump(decree, out);
        }
    }

    /// Goes from the layout in force to the one that follows.
    fn set_out(&mut self, decree: Decree<A>, out: &mut Vec<Action<A>>) {
        self.forget_votes();
        let old = self.layout.all_shards();
        let todo = match decree.layout.shard(&self.me.address) {
            // Keys stay where they are.
            Some(shard) if old == decree.layout.all_shards() => [shard].into(),
            Some(_) => old.collect(),
            None => BTreeSet::new(),
        };
        self.decree = decree;
        self.relocation = Some(
            Relocation {
                todo,
                since: self.beats,
                is_found: false,
                heard: BTreeMap::new(),
            }
            .into(),
        );
        if let Some(shard) = self.shard() {
            self.cut_pending(shard, out);
            if !self.cut_of(shard).covers(&self.content.vector(shard)) {
                self.discard(out);
            }
            // What waits for something before it, and is not part of the cut, must not come after that either.
            let cut = self.cut_of(shard);
            let is_part = |write: &Write| cut.last(write.writer) >= write.number;
            self.content.buffer.retain(is_part);
        }
        self.keep_layout(out);
        self.relocate(out);
    }

    /// Own writes that are part of the cut show, whoever has them; the others are gone.
    fn cut_pending(&mut self, shard: u32, out: &mut Vec<Action<A>>) {
        let last = self.cut_of(shard).last(self.writer);
        let pending = core::mem::take(&mut self.content.pending).into_iter();
        let (kept, dropped): (Vec<_>, Vec<_>) =
            pending.partition(|pending| pending.write.number <= last);
        let kept: Vec<_> = kept.into_iter().map(|pending| pending.write).collect();
        kept.iter()
            .for_each(|write| self.content.absorb(shard, write));
        self.keep_own(shard, kept, out);
        let numbers = dropped.iter().map(|pending| pending.write.number);
        let notes = numbers.map(|number| keep::pending(number, None)).collect();
        self.note(notes, out);
        self.end_unsure(out);
    }

    /// Takes a layout that it has no content for, and gets that from those who have it in force.
    fn jump(&mut self, decree: Decree<A>, out: &mut Vec<Action<A>>) {
        self.forget_votes();
        self.end_unsure(out);
        self.drop_pending(out);
        self.relocation = None;
        self.former = None;
        self.layout = decree.layout.clone();
        self.decree = decree;
        self.content = self.empty_content();
        // Of layouts before the first there is nothing to have.
        self.content.is_partial = self.shard().is_some() && self.layout.epoch > 1;
        self.discard(out);
        self.keep_layout(out);
        self.introduce(0);
    }

    fn forget_votes(&mut self) {
        self.acceptor = super::Acceptor::new();
        self.proposal = None;
        self.filling = None;
        self.comparing = None;
    }

    /// The content of the layout in force, before there is any.
    pub(super) fn empty_content(&self) -> Content<A> {
        let mut content = Content::new(&self.layout, &self.me.address);
        content.since = self.beats;
        content
    }

    /// Throws away what the store has: it is not what it should be, and others have it.
    fn discard(&mut self, out: &mut Vec<Action<A>>) {
        self.content.seen.shards.clear();
        self.content.log = Log::default();
        self.content.buffer.clear();
        self.content.is_ahead = false;
        self.content.serves = false;
        let command = Command::Discard([Arc::WHOLE].into());
        self.store(command, Errand::Nothing, out);
        let notes = [self.seen_note()].into();
        self.note(notes, out);
    }

    fn drop_pending(&mut self, out: &mut Vec<Action<A>>) {
        let pending = core::mem::take(&mut self.content.pending);
        let notes = pending
            .iter()
            .map(|pending| keep::pending(pending.write.number, None));
        let notes = notes.collect();
        self.note(notes, out);
    }

    /// Gets what is missing, one thing at a time.
    pub(super) fn relocate(&mut self, out: &mut Vec<Action<A>>) {
        let (own, has_cut) = (self.shard(), self.has_cut());
        let Some(relocation) = &mut self.relocation else {
            return self.look_behind(out);
        };
        if let Some(own) = own.filter(|_| has_cut) {
            relocation.todo.remove(&own);
        }
        let waited = self.beats.saturating_sub(relocation.since);
        let has_all = relocation.todo.is_empty();
        let is_found = has_cut || relocation.is_found;
        if waited > ALONE_BEATS {
            self.trim_cut(out);
        }
        let may_leave = own.is_none() || is_found || waited > ALONE_BEATS && self.is_not_needed();
        if has_all && may_leave {
            return self.arrive(true, out);
        }
        let epoch = self.decree.layout.epoch;
        let Some(shard) = self.decree.layout.shard(&self.me.address) else {
            return;
        };
        if !has_all && may_leave && waited > ALONE_BEATS && self.has_arrived(shard) {
            return self.arrive(false, out);
        }
        let is_busy = self.filling.is_some() || self.comparing.is_some();
        let is_turn = !is_busy && !self.beats.is_multiple_of(2);
        let Some(next) = self.next_base(waited).filter(|_| is_turn) else {
            return;
        };
        let me = &self.me.address;
        let givers = self.layout.members(next).filter(|node| *node != me);
        let givers: Vec<A> = givers
            .filter(|node| self.roster.peer_in(node).is_some())
            .cloned()
            .collect();
        if !givers.is_empty() {
            let giver = &givers[self.turn % givers.len()];
            self.content.is_ahead |= own == Some(next);
            self.begin_filling(giver, epoch, shard, Some(next), out);
        }
    }

    /// A shard of the layout before of which something is missing, if it is time to ask for it: what replicas of
    /// the own shard lack they mostly find by comparing.
    fn next_base(&self, waited: u32) -> Option<u32> {
        let todo = &self.relocation.as_ref()?.todo;
        let own = self.shard().filter(|_| waited < COMPARE_FIRST_BEATS);
        todo.iter().find(|shard| Some(**shard) != own).copied()
    }

    /// All of a shard of the layout before is there, as far as it belongs here.
    pub(super) fn got_base(&mut self, of: u32, out: &mut Vec<Action<A>>) {
        let own = self.shard();
        if let Some(relocation) = &mut self.relocation {
            relocation.todo.remove(&of);
            relocation.is_found |= own == Some(of);
        }
        self.relocate(out);
    }

    /// Puts the next layout in force. `is_whole`: whether all is there; or else others of the shard have it.
    fn arrive(&mut self, is_whole: bool, out: &mut Vec<Action<A>>) {
        let shard = self.shard().filter(|_| self.has_cut());
        self.former = shard.map(|shard| Former {
            layout: self.layout.clone(),
            shard,
        });
        self.end_unsure(out);
        self.layout = self.decree.layout.clone();
        self.content = self.empty_content();
        self.relocation = None;
        self.filling = None;
        self.comparing = None;
        if is_whole {
            self.content.owes.clear();
            self.content.greets.clear();
        }
        self.content.is_partial = !is_whole;
        self.is_resident = true;
        self.keep_layout(out);
        let notes = [self.seen_note()].into();
        self.note(notes, out);
        self.content.is_arriving = true;
        self.after_sync(Then::Arrived(self.layout.epoch), out);
    }

    /// The layout of this epoch is in force for good.
    pub(super) fn arrived(&mut self, epoch: u32, out: &mut Vec<Action<A>>) {
        if epoch != self.layout.epoch {
            return;
        }
        self.content.is_arriving = false;
        self.settle(out);
        self.meet_all(out);
    }

    /// Once everything is where it belongs, what belongs elsewhere is forgotten.
    fn look_behind(&mut self, out: &mut Vec<Action<A>>) {
        if self.purged < self.layout.epoch && self.is_settled() {
            self.purged = self.layout.epoch;
            self.former = None;
            self.keep_layout(out);
            self.purge(out);
        }
    }

    /// Whether all has come where the layout wants it: each replica that is part of the view has it, and of those
    /// of a shard that are not at most one may lack it.
    pub(super) fn is_settled(&self) -> bool {
        let epoch = self.layout.epoch;
        let lacks = |node: &&A| {
            let entry = self.roster.entry(node);
            !self.is_gone(node) && entry.is_none_or(|entry| entry.vouches < epoch)
        };
        let is_in = |node: &A| self.roster.peer_in(node).is_some();
        self.decree.layout.epoch == epoch
            && self.layout.all_shards().all(|shard| {
                let mut lacking = self.layout.members(shard).filter(lacks);
                let first = lacking.next();
                first.is_none_or(|node| !is_in(node)) && lacking.next().is_none()
            })
    }

    /// Whether some replica of a shard has the next layout in force, with all that belongs to it.
    fn has_arrived(&self, shard: u32) -> bool {
        let epoch = self.decree.layout.epoch;
        self.decree.layout.members(shard).any(|node| {
            let entry = self.roster.entry(node);
            entry.is_some_and(|entry| entry.vouches >= epoch)
        })
    }

    /// Whether nobody will ask this node for anything that it has: of each shard some replica has all. Until then
    /// it stays until it has all that is to be had of its own shard, for others may find it nowhere else.
    fn is_not_needed(&self) -> bool {
        let shards = self.decree.layout.all_shards();
        let mut shards = shards.into_iter();
        shards.all(|shard| self.has_arrived(shard))
    }

    /// What other replicas of the own shard have, of which more may be needed.
    pub(super) fn heard_of(&mut self, node: &A, vector: &Vector) {
        if let Some(relocation) = &mut self.relocation {
            relocation.heard.insert(node.clone(), vector.clone());
        }
    }

    /// A write that only one store had may be part of the cut, and that store may have been lost since. Nobody
    /// has seen it. Once all others of the shard have told what they have, the cut ends where they do.
    fn trim_cut(&mut self, out: &mut Vec<Action<A>>) {
        let (Some(shard), Some(relocation)) = (self.shard(), &self.relocation) else {
            return;
        };
        let (cut, vector) = (self.cut_of(shard), self.content.vector(shard));
        let seats = self.layout.seats.iter().filter(|seat| seat.shard == shard);
        let mut others = seats.filter(|seat| seat.node != self.me.address);
        let is_through = others.all(|seat| {
            let entry = self.roster.entry(&seat.node);
            let heard = relocation.heard.get(&seat.node);
            let is_lost = entry.is_some_and(|entry| entry.has_lost(seat.store));
            is_lost || self.is_gone(&seat.node) || heard.is_some_and(|heard| vector.covers(heard))
        });
        // Where others have found all of it, so will this one.
        let stays = self.layout.all_shards() == self.decree.layout.all_shards();
        let needs = |to: &u32| !stays || *to == shard;
        let mut needing = self.decree.layout.all_shards().filter(needs);
        let has_arrived = needing.any(|shard| self.has_arrived(shard));
        let is_less = vector != cut && cut.covers(&vector) && self.content.is_whole();
        if is_less && is_through && !has_arrived {
            self.decree.cut.insert(shard, vector);
            self.keep_layout(out);
        }
    }

    /// What of a shard of the layout before belongs to the next one.
    pub(super) fn cut_of(&self, shard: u32) -> Vector {
        self.decree.cut.get(&shard).cloned().unwrap_or_default()
    }

    /// Whether it has of its shard just what belongs to the next layout.
    pub(super) fn has_cut(&self) -> bool {
        let shard = self.shard().filter(|_| self.relocation.is_some());
        shard.is_some_and(|shard| {
            self.content.is_whole() && self.content.vector(shard) == self.cut_of(shard)
        })
    }

    /// A node on its way that has started again.
    pub(super) fn relocate_again(&mut self) {
        if self.decree.layout.epoch > self.layout.epoch {
            self.content.is_ahead = true;
            let todo = self.layout.all_shards().collect();
            let has_seat = self.decree.layout.seat(&self.me.address).is_some();
            self.relocation = Some(
                Relocation {
                    todo: if has_seat { todo } else { BTreeSet::new() },
                    since: self.beats,
                    is_found: false,
                    heard: BTreeMap::new(),
                }
                .into(),
            );
        }
    }
}

/// Beats after which a node that cannot get everything takes it from one that has.
const ALONE_BEATS: u32 = 8;

/// Beats in which replicas find what they lack by comparing, before they take pages.
const COMPARE_FIRST_BEATS: u32 = 4;
