//! Spread: a writer sends its writes to the other replicas until one of them has them as well.
//!
//! One message at a time goes to each replica, with all that it may lack: so a slow one gets larger ones,
//! not more of them. What still does not reach somebody is found by comparing.

use alloc::vec::Vec;

use super::log::batch;
use super::message::{Ask, Failure, Told};
use super::sync::Then;
use super::write::Write;
use super::{About, Causal, keep};
use crate::event::{Action, Ticket};
use crate::peer::{Address, Peer};

impl<A: Address> Causal<A> {
    /// An own write is on the own store for good.
    pub(super) fn kept(&mut self, number: u64, out: &mut Vec<Action<A>>) {
        for pending in &mut self.content.pending {
            pending.is_kept |= pending.write.number <= number;
        }
        self.spread(out);
        self.show_pending(out);
    }

    pub(super) fn spread_again(&mut self, out: &mut Vec<Action<A>>) {
        if self.beats.is_multiple_of(SPREAD_BEATS) {
            self.spread(out);
        }
    }

    fn spread(&mut self, out: &mut Vec<Action<A>>) {
        if self.is_sealed() {
            return;
        }
        for node in self.replicas() {
            self.spread_to(&node, out);
        }
    }

    /// Sends a replica what it may lack of the own writes, unless it has some to answer for.
    fn spread_to(&mut self, node: &A, out: &mut Vec<Action<A>>) {
        let content = &mut self.content;
        let acked = content.acked.get(node).copied().unwrap_or(0);
        let kept = content.pending.iter().filter(|pending| pending.is_kept);
        let lacks = kept.filter(|pending| pending.write.number > acked);
        let writes = batch(lacks.map(|pending| &pending.write));
        let Some(peer) = self.roster.peer_in(node).cloned() else {
            return;
        };
        if writes.is_empty() || !content.spreading.insert(node.clone()) {
            return;
        }
        let epoch = self.layout.epoch;
        let about = About::Spread(node.clone(), epoch);
        self.ask(&peer, Ask::Spread { epoch, writes }, about, out);
    }

    /// Another replica has written.
    pub(super) fn spread_by(
        &mut self,
        ticket: Ticket,
        from: &Peer<A>,
        epoch: u32,
        writes: Vec<Write>,
        out: &mut Vec<Action<A>>,
    ) {
        let shard = self.shard().filter(|shard| {
            let is_replica = self.layout.shard(&from.address) == Some(*shard);
            let is_present = epoch == self.layout.epoch && !self.is_sealed();
            is_replica && is_present && self.takes_writes()
        });
        let Some(shard) = shard else {
            return self.tell_news(ticket, out);
        };
        self.take_in(writes, out);
        let told = Told::Has(self.content.vector(shard));
        self.when_durable(Then::Tell(ticket, told.into()), out);
    }

    /// A replica has them, or not.
    pub(super) fn spread_told(
        &mut self,
        node: &A,
        epoch: u32,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        self.spread_missed(node, epoch);
        let Told::Has(vector) = told else {
            return self.learned(told, out);
        };
        if epoch != self.layout.epoch {
            return;
        }
        let has = vector.last(self.writer);
        let acked = self.content.acked.entry(node.clone()).or_default();
        let is_more = has > *acked;
        *acked = has.max(*acked);
        self.show_pending(out);
        if is_more && !self.is_sealed() {
            self.spread_to(node, out);
        }
    }

    pub(super) fn spread_missed(&mut self, node: &A, epoch: u32) {
        if epoch == self.layout.epoch {
            self.content.spreading.remove(node);
        }
    }

    /// Shows own writes that are on enough stores, in order.
    fn show_pending(&mut self, out: &mut Vec<Action<A>>) {
        let Some(shard) = self.shard() else {
            return;
        };
        let copies = self.copies(shard);
        let mut shown = Vec::new();
        while let Some(first) = self.content.pending.front() {
            let number = first.write.number;
            let acked = self.content.acked.values().filter(|last| **last >= number);
            if !first.is_kept || 1 + acked.count() < copies {
                break;
            }
            let Some(first) = self.content.pending.pop_front() else {
                break;
            };
            self.content.absorb(shard, &first.write);
            shown.push(first.write);
        }
        if !shown.is_empty() {
            self.keep_own(shard, shown, out);
            // Others may have come that depend on them.
            self.take_in(Vec::new(), out);
        }
    }

    /// Stores that a write of a shard must be on before anyone sees it: two, unless all that there is is one node.
    fn copies(&self, shard: u32) -> usize {
        match self.layout.is_sharded() {
            true => COPIES,
            false => COPIES.min(self.layout.members(shard).count()),
        }
    }

    /// Stores own writes that show from now on. They are durable already, as pending ones.
    pub(super) fn keep_own(&mut self, shard: u32, shown: Vec<Write>, out: &mut Vec<Action<A>>) {
        let mut notes: Vec<_> = shown
            .iter()
            .map(|write| keep::pending(write.number, None))
            .collect();
        notes.push(self.seen_note());
        self.merge(super::write::records(&shown), notes, out);
        self.end_shown(shard, out);
    }

    /// Clients whose writes show are told so.
    pub(super) fn end_shown(&mut self, shard: u32, out: &mut Vec<Action<A>>) {
        let last = self.content.vector(shard).last(self.writer);
        self.end_waiting(|waiting| waiting.number <= last, Ok(()), out);
    }

    /// All that wait for writes of a layout that is no more in force: what does not show by now may be lost.
    pub(super) fn end_unsure(&mut self, out: &mut Vec<Action<A>>) {
        self.end_waiting(|_| true, Err(Failure::Unsure), out);
    }

    /// The other nodes of the own shard that are part of the view.
    pub(super) fn replicas(&self) -> Vec<A> {
        let Some(shard) = self.shard() else {
            return Vec::new();
        };
        let members = self.layout.members(shard);
        let others = members.filter(|node| **node != self.me.address);
        others
            .filter(|node| self.roster.peer_in(node).is_some())
            .cloned()
            .collect()
    }
}

/// Stores that a write must be on before anyone sees it.
pub(super) const COPIES: usize = 2;

/// Beats after which writes are sent again.
const SPREAD_BEATS: u32 = 2;
