//! Projection: what tells two nodes apart, for whoever explores all states of a ring.
//!
//! A node counts what it has done, and its tickets are never used again, so no two of its states are
//! ever equal. Leave the counters out, and a small ring has a finite number of states.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::Ticket;
use crate::id::Arc;
use crate::node::Node;
use crate::peer::{Address, Peer};
use crate::view::{Phase, Range};

/// A node without what it has counted. Of two nodes with equal projections, but for the numbers in
/// their tickets, the same event makes two such nodes again, and they do the same.
///
/// Left out, and to be kept from mattering by whoever relies on this: fingers and what refreshes
/// them, self-checks, lookups under way, when the predecessor was last heard of, and that an arc is
/// missed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Projection<A> {
    /// The node itself.
    pub me: Peer<A>,
    /// How far its life has gone.
    pub phase: Phase,
    /// The node before it.
    pub predecessor: Option<Peer<A>>,
    /// The nodes after it.
    pub successors: Vec<Peer<A>>,
    /// Whether an exchange about its own pointers is open, so that it answers Busy.
    pub exchange: bool,
    /// Who wants to be its predecessor once the exchange is over.
    pub notified: Option<Peer<A>>,
    /// Whether a stabilization outside the schedule is due.
    pub again: bool,
    /// Nodes that it takes for dead, in order of their identifiers.
    pub gone: Vec<Peer<A>>,
    /// Its open questions, in no order: what each is about, in words that are the same for the same
    /// question, and its ticket.
    pub questions: Vec<(String, Ticket)>,
    /// What it answers for.
    pub serves: Vec<Range>,
    /// The part of it that is on its way to another node.
    pub fenced: Option<Arc>,
    /// How far it has come with joining or leaving, in words.
    pub passage: String,
    /// How far it has come with handovers, given and received, in words.
    pub handovers: String,
}

impl<A: Address> Node<A> {
    /// What tells this node apart from others, and from itself at other times.
    pub fn projection(&self) -> Projection<A> {
        let mut gone = self.detector.gone().to_vec();
        gone.sort_unstable();
        let questions = self.questions.entries();
        let questions = questions.map(|(ticket, question)| (format!("{question:?}"), ticket));
        let (join, leave) = (&self.join, &self.leave);
        let (given, taken) = (&self.outgoing, (&self.incoming, &self.taken));
        let held = (self.is_bereaved, &self.last_taker, &self.kept);
        Projection {
            me: self.view.me.clone(),
            phase: self.view.phase,
            predecessor: self.view.predecessor.clone(),
            successors: self.view.successors.clone(),
            exchange: self.exchange,
            notified: self.notified.clone(),
            again: self.again,
            gone,
            questions: questions.collect(),
            serves: self.view.serves.clone(),
            fenced: self.view.fenced,
            passage: format!("{join:?} {leave:?} {}", self.is_handover_due),
            handovers: format!("{given:?} {taken:?} {held:?} {}", self.epoch),
        }
    }
}
