//! Take: the other side of a handover.
//!
//! A batch is kept only if it follows the one before it. The last one says "serve from this epoch", and
//! counts once the store has kept it; if it comes again, it is acknowledged again.

use alloc::vec::Vec;

use crate::content::give::RESEND;
use crate::event::{Action, Note, Ticket};
use crate::id::Arc;
use crate::message::{Declined, Reply, Request, Transfer};
use crate::node::{Errand, Node, Question, note};
use crate::peer::{Address, Peer};
use crate::ranges;
use crate::store::Command;
use crate::view::Phase;

/// A handover as its receiver knows it.
#[derive(Clone, Debug)]
pub(crate) struct Incoming<A> {
    from: Peer<A>,
    serial: u32,
    arc: Arc,
    /// Number of the next batch.
    next: u32,
    /// How often the predecessor was looked after since the last batch.
    idle: u8,
}

/// A handover that was taken whole.
#[derive(Clone, Debug)]
pub(crate) struct Taken<A> {
    giver: Peer<A>,
    serial: u32,
    arc: Arc,
    /// Whether the giver knows: until then it would serve the arc again if this node died.
    is_known: bool,
}

impl<A: Address> Taken<A> {
    fn is(&self, giver: &Peer<A>, serial: u32) -> bool {
        self.giver == *giver && self.serial == serial
    }
}

/// A batch that the receiver's store is keeping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    serial: u32,
    batch: u32,
    arc: Arc,
    epoch: u32,
    serve: bool,
}

impl<A: Address> Node<A> {
    pub(crate) fn receive(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        transfer: Transfer,
        out: &mut Vec<Action<A>>,
    ) {
        match self.admit(&from, &transfer, out) {
            Some(reply) => out.push(Action::Reply { ticket, reply }),
            None => {
                if transfer.leaving {
                    self.detector.declined(from.clone());
                }
                let receipt = Receipt {
                    serial: transfer.serial,
                    batch: transfer.batch,
                    arc: transfer.arc,
                    epoch: transfer.epoch,
                    serve: transfer.serve,
                };
                let errand = Errand::Receive(ticket, from, receipt);
                self.store(Command::Merge(transfer.records), errand, out);
            }
        }
    }

    /// Whether a batch is to be kept: nothing if so, else the answer.
    fn admit(
        &mut self,
        from: &Peer<A>,
        transfer: &Transfer,
        out: &mut Vec<Action<A>>,
    ) -> Option<Reply<A>> {
        let serial = transfer.serial;
        if self.taken.iter().any(|taken| taken.is(from, serial)) {
            return Some(Reply::Received);
        }
        if self.view.phase != Phase::Member {
            return Some(Reply::Declined(Declined::NotStaying));
        }
        let is_same = |known: &&Incoming<A>| known.from == *from && known.serial == serial;
        let Some(known) = self.incoming.iter().find(is_same) else {
            return self.admit_first(from, transfer, out);
        };
        if known.arc != transfer.arc || transfer.batch > known.next {
            return Some(Reply::Declined(Declined::OutOfOrder));
        }
        (transfer.batch < known.next).then_some(Reply::Received)
    }

    fn admit_first(
        &mut self,
        from: &Peer<A>,
        transfer: &Transfer,
        out: &mut Vec<Action<A>>,
    ) -> Option<Reply<A>> {
        if transfer.batch > 0 {
            return Some(Reply::Declined(Declined::OutOfOrder));
        }
        if self.is_giving(transfer.arc) {
            // Whoever gives back what we are giving has it, so our last batch was taken: its
            // acknowledgement is still on its way, and must not make us forget what comes now.
            if !self.has_given() {
                return Some(Reply::Declined(Declined::Full));
            }
            self.complete_handover(out);
        }
        // A giver that starts again has given up what it started before.
        self.drop_incoming(from);
        if self.incoming.len() == INCOMING_MAX {
            return Some(Reply::Declined(Declined::Full));
        }
        self.incoming.push(Incoming {
            from: from.clone(),
            serial: transfer.serial,
            arc: transfer.arc,
            next: 0,
            idle: 0,
        });
        self.show_incoming();
        self.discard_strays(transfer.arc, out);
        None
    }

    /// The store keeps the batch.
    pub(crate) fn batch_kept(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        receipt: Receipt,
        out: &mut Vec<Action<A>>,
    ) {
        let is_same = |known: &Incoming<A>| known.from == from && known.serial == receipt.serial;
        let known = self.incoming.iter_mut().find(|known| is_same(known));
        let serial = receipt.serial;
        if self.taken.iter().any(|taken| taken.is(&from, serial)) {
            let reply = Reply::Received;
            return out.push(Action::Reply { ticket, reply });
        }
        let (Some(known), Phase::Member) = (known, self.view.phase) else {
            let reply = Reply::Declined(Declined::NotStaying);
            return out.push(Action::Reply { ticket, reply });
        };
        known.next = known.next.max(receipt.batch + 1);
        known.idle = 0;
        let reply = Reply::Received;
        out.push(Action::Reply { ticket, reply });
        if !receipt.serve {
            return;
        }
        self.drop_incoming(&from);
        if self.taken.len() == TAKEN_MAX {
            self.taken.remove(0);
        }
        self.taken.push(Taken {
            giver: from.clone(),
            serial,
            arc: receipt.arc,
            is_known: false,
        });
        self.is_bereaved = false;
        self.kept.clear();
        self.serve(receipt.arc, receipt.epoch);
        note(Note::Received(receipt.arc, from), out);
        self.reconcile(out);
    }

    /// One who gave us something of this arc and may not know yet that we have it.
    ///
    /// If we handed the arc on and died, the giver would find nobody and serve it again.
    pub(crate) fn unaware_giver(&self, arc: Arc) -> Option<&Peer<A>> {
        let shares = |other: Arc| other.intersection(arc).next().is_some();
        let mut unaware = self.taken.iter().filter(|taken| !taken.is_known);
        let taken = unaware.find(|taken| shares(taken.arc) && !self.detector.is_gone(&taken.giver));
        taken.map(|taken| &taken.giver)
    }

    /// Asks a giver whether it still holds what it gave.
    pub(crate) fn ask_giver(&mut self, giver: Peer<A>, arc: Arc, out: &mut Vec<Action<A>>) {
        let is_open = |question: &Question<A>| matches!(question, Question::Giver(..));
        if !self.questions.iter().any(is_open) {
            let question = Question::Giver(giver.clone(), arc);
            self.ask(&giver, Request::Claim(arc), question, out);
        }
    }

    /// It has answered.
    pub(crate) fn giver_told(
        &mut self,
        giver: &Peer<A>,
        arc: Arc,
        holds: bool,
        out: &mut Vec<Action<A>>,
    ) {
        if holds {
            return self.handover_later(RESEND, out);
        }
        for taken in self.taken.iter_mut().filter(|taken| taken.giver == *giver) {
            taken.is_known |= taken.arc.intersection(arc).next().is_some();
        }
        self.reconcile(out);
    }

    /// Givers that have not sent anything for long have given up.
    pub(crate) fn drop_idle(&mut self) {
        for incoming in &mut self.incoming {
            incoming.idle += 1;
        }
        self.incoming.retain(|incoming| incoming.idle < IDLE_MAX);
        self.show_incoming();
    }

    /// Serves an arc from now on.
    pub(crate) fn serve(&mut self, arc: Arc, epoch: u32) {
        self.epoch = self.epoch.max(epoch);
        ranges::insert(&mut self.view_mut().serves, arc, epoch);
    }

    /// Before an arc arrives or is taken over: what lies there already without being served is of a
    /// handover that came to nothing, or of an earlier life, and nobody vouches for it.
    pub(crate) fn discard_strays(&mut self, arc: Arc, out: &mut Vec<Action<A>>) {
        let served = self.view.serves.iter().map(|range| range.arc);
        let good = self.kept.iter().chain(self.carried_arcs()).copied();
        let strays = ranges::missing(arc, served.chain(good));
        if !strays.is_empty() {
            self.store(Command::Discard(strays), Errand::Discard, out);
        }
    }

    pub(crate) fn drop_incoming(&mut self, from: &Peer<A>) {
        self.incoming.retain(|incoming| incoming.from != *from);
        self.show_incoming();
    }

    pub(crate) fn show_incoming(&mut self) {
        let receives = self.incoming.iter();
        let receives = receives
            .map(|known| (known.arc, known.from.clone()))
            .collect();
        if self.view.receives != receives {
            self.view_mut().receives = receives;
        }
    }
}

/// Rounds of looking after the predecessor without a batch, after which its giver has given up: many
/// times as long as it waits before it sends one again.
const IDLE_MAX: u8 = 8;

/// Handovers received at a time.
const INCOMING_MAX: usize = 8;

/// Handovers remembered after they were taken, in case the last batch comes again.
const TAKEN_MAX: usize = 64;
