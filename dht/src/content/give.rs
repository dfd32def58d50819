//! Give: an arc moves to another node by copy, fence, serve.
//!
//! The giver copies while it goes on serving and notes what changes meanwhile. Then it stops serving
//! the arc and sends the rest; the last batch says "serve from this epoch". The receiver keeps it,
//! serves, and acknowledges, and only then does the giver forget. A batch without an answer is sent
//! again until it is answered or the receiver is dead, so at each moment one of the two has it all.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::event::{Action, Cause, Delay, Note, Timer};
use crate::id::{Arc, Id};
use crate::message::{Declined, Reply, Request, Transfer};
use crate::node::{BEAT_MS, Errand, Node, Question, note, wait};
use crate::peer::{Address, Peer};
use crate::ranges;
use crate::record::Record;
use crate::store::{Command, Limit};
use crate::view::{Handover, Phase};

/// A handover as its giver knows it.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<A> {
    to: Peer<A>,
    arc: Arc,
    epoch: u32,
    serial: u32,
    stage: Stage,
    /// Keys that changed since the copying began.
    changed: BTreeSet<Id>,
    /// The batch that has not been acknowledged.
    batch: Option<Transfer>,
    /// Number of the next batch.
    next: u32,
    /// Records that the receiver keeps now.
    sent: usize,
    /// Whether the next batch waits, so that the arc moves no faster than it may.
    is_held_back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Everything, in ring order; this far so far.
    Copy(Option<Id>),
    /// What changed since, while more may change; so many batches so far.
    Follow(u8),
    /// Nothing is served any more; changes that the store is making must end.
    Drain,
    /// What is left.
    Rest,
}

impl<A: Address> Node<A> {
    pub(crate) fn begin_handover(&mut self, arc: Arc, to: Peer<A>, out: &mut Vec<Action<A>>) {
        if let Some(giver) = self.unaware_giver(arc).filter(|giver| **giver != to) {
            return self.ask_giver(giver.clone(), arc, out);
        }
        self.serial += 1;
        let epochs = self
            .view
            .serves
            .iter()
            .filter(|range| range.arc.covers(arc));
        let epoch = epochs.map(|range| range.epoch).max().unwrap_or(self.epoch) + 1;
        self.outgoing = Some(Box::new(Outgoing {
            to: to.clone(),
            arc,
            epoch,
            serial: self.serial,
            stage: Stage::Copy(None),
            changed: BTreeSet::new(),
            batch: None,
            next: 0,
            sent: 0,
            is_held_back: false,
        }));
        let sent = 0;
        self.view_mut().handover = Some(Handover {
            to: to.clone(),
            arc,
            sent,
        });
        note(Note::HandoverBegan(arc, to), out);
        self.fetch_batch(out);
    }

    /// Fetches what is to be sent next.
    fn fetch_batch(&mut self, out: &mut Vec<Action<A>>) {
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        let mut limit = BATCH;
        if let Some(bytes_per_beat) = self.config.fetch {
            limit.bytes = limit.bytes.min(bytes_per_beat as usize);
        }
        let arc = outgoing.arc;
        let command = match outgoing.stage {
            Stage::Copy(after) => Command::Scan { arc, after, limit },
            Stage::Follow(_) | Stage::Drain | Stage::Rest => {
                let keys = core::iter::from_fn(|| outgoing.changed.pop_first());
                Command::Collect(keys.take(BATCH.records).collect())
            }
        };
        let errand = Errand::Batch(outgoing.serial);
        self.store(command, errand, out);
    }

    /// The store has fetched it.
    pub(crate) fn batch_fetched(
        &mut self,
        serial: u32,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(outgoing) = self.outgoing.as_mut().filter(|out| out.serial == serial) else {
            return;
        };
        if let Stage::Copy(after) = &mut outgoing.stage {
            match records.last() {
                Some((key, _)) => *after = Some(*key),
                None => return self.follow(out),
            }
        }
        let (kept, rest) = split_by_bytes(records);
        outgoing.changed.extend(rest);
        let transfer = Transfer {
            arc: outgoing.arc,
            epoch: outgoing.epoch,
            serial,
            batch: outgoing.next,
            records: kept,
            serve: outgoing.stage == Stage::Rest && outgoing.changed.is_empty(),
            leaving: self.view.phase == Phase::Leaving,
        };
        outgoing.next += 1;
        outgoing.batch = Some(transfer);
        self.send_batch(out);
    }

    fn send_batch(&mut self, out: &mut Vec<Action<A>>) {
        if let Some(outgoing) = &self.outgoing
            && let Some(batch) = outgoing.batch.clone()
        {
            let (to, question) = (outgoing.to.clone(), Question::Transfer(outgoing.serial));
            self.ask(&to, Request::Transfer(batch), question, out);
        }
    }

    /// The receiver has answered.
    pub(crate) fn batch_answered(
        &mut self,
        serial: u32,
        reply: Reply<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(outgoing) = self.outgoing.as_mut().filter(|out| out.serial == serial) else {
            return;
        };
        if !matches!(reply, Reply::Received) {
            if reply == Reply::Declined(Declined::NotStaying) {
                self.detector.declined(outgoing.to.clone());
            }
            return self.abandon_handover(false, out);
        }
        let Some(batch) = outgoing.batch.take() else {
            return;
        };
        outgoing.sent += batch.records.len();
        let sent = outgoing.sent;
        if let Some(handover) = &mut self.view_mut().handover {
            handover.sent = sent;
        }
        if batch.serve {
            return self.complete_handover(out);
        }
        match self.stage() {
            Some(Stage::Copy(_)) => self.go_on_copying(&batch, out),
            Some(Stage::Rest) => self.fetch_batch(out),
            _ => self.follow(out),
        }
    }

    /// The next batch, once the last one has taken the time that it may not be faster than. What is sent
    /// while nobody serves the arc never waits for that.
    fn go_on_copying(&mut self, last: &Transfer, out: &mut Vec<Action<A>>) {
        let (Some(outgoing), Some(bytes_per_beat)) = (&mut self.outgoing, self.config.fetch) else {
            return self.fetch_batch(out);
        };
        let records = last
            .records
            .iter()
            .filter_map(|(_, record)| record.as_ref());
        let bytes: u64 = records.map(|record| record.bytes() as u64).sum();
        let ms = bytes * u64::from(BEAT_MS) / u64::from(bytes_per_beat.max(1));
        outgoing.is_held_back = true;
        let ms = ms.min(HOLD_BACK_MS_MAX.into()) as u32;
        self.handover_later(Delay::exactly(ms), out);
    }

    /// The copying is done: catch up with what changed, then stop serving.
    fn follow(&mut self, out: &mut Vec<Action<A>>) {
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        let rounds = match outgoing.stage {
            Stage::Follow(rounds) => rounds + 1,
            _ => 0,
        };
        if outgoing.changed.len() > BATCH.records && rounds < FOLLOW_MAX {
            outgoing.stage = Stage::Follow(rounds);
            return self.fetch_batch(out);
        }
        outgoing.stage = Stage::Drain;
        let arc = outgoing.arc;
        self.view_mut().fenced = Some(arc);
        self.after_change(out);
    }

    /// A change has been made: if the handover waited for the last one, it goes on.
    pub(crate) fn after_change(&mut self, out: &mut Vec<Action<A>>) {
        let Some(outgoing) = self
            .outgoing
            .as_ref()
            .filter(|out| out.stage == Stage::Drain)
        else {
            return;
        };
        if self.is_changing(outgoing.arc) {
            return;
        }
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.stage = Stage::Rest;
        }
        self.fetch_batch(out);
    }

    /// A key has changed: if it is on its way, it must be sent again.
    pub(crate) fn remember_change(&mut self, key: Id) {
        if let Some(outgoing) = &mut self.outgoing
            && outgoing.arc.contains(key)
        {
            outgoing.changed.insert(key);
        }
    }

    /// The receiver has not answered: it may have kept the batch, so only its death ends this.
    pub(crate) fn batch_missed(&mut self, serial: u32, cause: Cause, out: &mut Vec<Action<A>>) {
        let Some(outgoing) = self.outgoing.as_ref().filter(|out| out.serial == serial) else {
            return;
        };
        let to = outgoing.to.clone();
        if cause == Cause::Refused && self.detector.is_gone(&to) {
            return self.abandon_handover(true, out);
        }
        self.missed(to, cause, out);
        if self.outgoing.is_some() {
            self.handover_later(RESEND, out);
        }
    }

    /// Time to send the batch again, or to look for an heir again.
    pub(crate) fn resume_handover(&mut self, out: &mut Vec<Action<A>>) {
        self.is_handover_due = false;
        let serial = self.outgoing.as_ref().map(|outgoing| outgoing.serial);
        let is_open = |question: &Question<A>| match question {
            Question::Transfer(other) => serial == Some(*other),
            _ => false,
        };
        match serial {
            Some(_) if self.questions.iter().any(is_open) => {}
            Some(_) if self.ends_holding_back() => self.fetch_batch(out),
            Some(_) => self.send_batch(out),
            None => self.reconcile(out),
        }
    }

    /// Whether the next batch has waited until now.
    fn ends_holding_back(&mut self) -> bool {
        let outgoing = self.outgoing.as_mut();
        outgoing.is_some_and(|outgoing| core::mem::take(&mut outgoing.is_held_back))
    }

    /// Goes on with a handover after a while, by one timer at a time.
    pub(crate) fn handover_later(&mut self, delay: Delay, out: &mut Vec<Action<A>>) {
        if !core::mem::replace(&mut self.is_handover_due, true) {
            wait(Timer::Handover, delay, out);
        }
    }

    pub(crate) fn complete_handover(&mut self, out: &mut Vec<Action<A>>) {
        let Some(outgoing) = self.outgoing.take() else {
            return;
        };
        self.end_handover();
        ranges::remove(&mut self.view_mut().serves, outgoing.arc);
        self.store(
            Command::Discard([outgoing.arc].into()),
            Errand::Discard,
            out,
        );
        self.count_moved(outgoing.sent);
        note(
            Note::HandedOver(outgoing.arc, outgoing.to, outgoing.sent),
            out,
        );
        self.reconcile(out);
    }

    /// The handover comes to nothing, and the arc is served here as before. Where the receiver may
    /// have begun to serve before it died, it is served under a later epoch than that one's.
    fn abandon_handover(&mut self, maybe_served: bool, out: &mut Vec<Action<A>>) {
        let Some(outgoing) = self.outgoing.take() else {
            return;
        };
        self.end_handover();
        if maybe_served {
            self.serve(outgoing.arc, outgoing.epoch + 1);
        }
        note(Note::HandoverFailed(outgoing.arc, outgoing.to), out);
        if self.view.phase == Phase::Leaving {
            self.reconcile(out);
        }
    }

    /// The store could not fetch the next batch. Nobody was told to serve the arc, so it is served here as
    /// before, and given anew. Returns whether this handover was still under way.
    pub(crate) fn drop_handover(&mut self, serial: u32, out: &mut Vec<Action<A>>) -> bool {
        let Some(outgoing) = self.outgoing.take_if(|outgoing| outgoing.serial == serial) else {
            return false;
        };
        self.end_handover();
        note(Note::HandoverFailed(outgoing.arc, outgoing.to), out);
        true
    }

    fn end_handover(&mut self) {
        let view = self.view_mut();
        view.handover = None;
        view.fenced = None;
    }

    fn stage(&self) -> Option<Stage> {
        self.outgoing.as_ref().map(|outgoing| outgoing.stage)
    }

    /// A node has left or is dead: nothing comes from it any more, and nothing goes to it. But one that
    /// has left still answers whether it took the last batch; only its death leaves that open.
    pub(crate) fn drop_handovers(
        &mut self,
        peer: &Peer<A>,
        is_dead: bool,
        out: &mut Vec<Action<A>>,
    ) {
        self.drop_incoming(peer);
        let is_asked = self.waits_for_taker(peer);
        let is_taker = self
            .outgoing
            .as_ref()
            .is_some_and(|outgoing| outgoing.to == *peer);
        if is_taker && (is_dead || !is_asked) {
            self.abandon_handover(is_asked, out);
        }
    }

    /// Whether something of this arc is on its way to another node.
    pub(crate) fn is_giving(&self, arc: Arc) -> bool {
        let shares = |outgoing: &Outgoing<A>| outgoing.arc.intersection(arc).next().is_some();
        self.outgoing.as_deref().is_some_and(shares)
    }

    /// Whether the last batch of the handover is on its way, so that it may have been taken.
    pub(crate) fn has_given(&self) -> bool {
        let batch = self
            .outgoing
            .as_ref()
            .and_then(|outgoing| outgoing.batch.as_ref());
        batch.is_some_and(|batch| batch.serve)
    }

    /// Whether this node has been told to serve an arc of ours, and has not answered yet.
    pub(crate) fn waits_for_taker(&self, peer: &Peer<A>) -> bool {
        let is_taker = self
            .outgoing
            .as_ref()
            .is_some_and(|outgoing| outgoing.to == *peer);
        is_taker && self.has_given()
    }

    /// This node has lost its place: nothing that it gives or takes counts any more.
    pub(crate) fn drop_all_handovers(&mut self, out: &mut Vec<Action<A>>) {
        self.abandon_handover(false, out);
        self.incoming.clear();
        self.show_incoming();
    }
}

/// Cuts a batch that has grown too large in bytes; at least one record stays.
fn split_by_bytes(mut records: Vec<(Id, Option<Record>)>) -> (Vec<(Id, Option<Record>)>, Vec<Id>) {
    let size = |record: &Option<Record>| record.as_ref().map_or(0, Record::bytes);
    let mut bytes = 0;
    let fits = records.iter().take_while(|(_, record)| {
        bytes += size(record);
        bytes <= BATCH.bytes
    });
    let fits = fits.count().max(1).min(records.len());
    let rest = records
        .split_off(fits)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    (records, rest)
}

/// One batch: small enough that nothing else waits long behind it.
const BATCH: Limit = Limit {
    records: 256,
    bytes: 256 * 1024,
};

/// However large a record is, the next batch comes before the giver, if it is a leaver, is taken for stuck.
const HOLD_BACK_MS_MAX: u32 = 2_000;

/// Batches of changes that are sent while more may come; after that a giver stops serving, however
/// fast its clients write.
const FOLLOW_MAX: u8 = 8;

/// Before a batch without an answer is sent again.
pub(crate) const RESEND: Delay = Delay::exactly(100);
