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

/// A node without what it has counted: nodes with equal projections do the same, and stay equal.
///
/// Left out, and to be kept from mattering by whoever relies on this: whom it takes for dead, which
/// its notes tell; whom it suspects; fingers, self-checks and lookups under way; when the predecessor
/// was last heard of; and since when an arc is missed.
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
    /// What its open questions are about, in words, sorted.
    pub questions: Vec<String>,
    /// What it answers for.
    pub serves: Vec<Range>,
    /// The part of it that is on its way to another node.
    pub fenced: Option<Arc>,
    /// How far it has come with joining or leaving, in words.
    pub passage: String,
    /// How far it has come with handovers, given and received, in words. Handovers are told apart by
    /// numbers that only grow, so this part alone does not stay finite.
    pub handovers: String,
    /// Who took nothing a moment ago, sorted.
    pub unwilling: Vec<Peer<A>>,
    /// Who stands close by and may not be pointed to yet, and for how many more rounds of looking after
    /// the predecessor that is remembered, sorted.
    pub newcomers: Vec<(Peer<A>, u8)>,
    /// Whether a neighbour has died since it last got an arc.
    pub is_bereaved: bool,
    /// How far it has come with claiming an arc that nobody has handed over, in words; empty where
    /// nobody is asked, or where the answers would not count any more.
    pub claim: String,
    /// What it knows of the groups that it belongs to or used to belong to, in words: everything, also how
    /// long it has waited for what.
    pub groups: String,
}

impl<A: Address> Node<A> {
    /// What tells this node apart from others, and from itself at other times.
    pub fn projection(&self) -> Projection<A> {
        let questions = self.questions.iter();
        let mut questions: Vec<String> = questions.map(|open| format!("{open:?}")).collect();
        questions.sort_unstable();
        let join = &self.join;
        let leave = self.leave.as_ref().map(|leave| leave.in_words());
        let (given, taken) = (&self.outgoing, (&self.incoming, &self.taken));
        let mut unwilling = self.detector.unwilling().to_vec();
        unwilling.sort_unstable();
        let mut newcomers = self.newcomers.clone();
        newcomers.sort_unstable();
        let gap = self.gap.as_ref();
        Projection {
            me: self.view.me.clone(),
            phase: self.view.phase,
            predecessor: self.view.predecessor.clone(),
            successors: self.view.successors.clone(),
            exchange: self.exchange,
            notified: self.notified.clone(),
            again: self.again,
            questions,
            serves: self.view.serves.clone(),
            fenced: self.view.fenced,
            passage: format!(
                "{join:?} {leave:?} {} {}",
                self.is_orphan, self.is_handover_due
            ),
            handovers: format!(
                "{given:?} {taken:?} {:?} {:?} {} {}",
                self.kept, self.carried, self.serial, self.epoch
            ),
            unwilling,
            newcomers,
            is_bereaved: self.is_bereaved,
            claim: gap.map_or_else(String::new, |gap| gap.in_words(self.moves)),
            groups: match &self.groups {
                Some(groups) => format!("{groups:?}"),
                None => String::new(),
            },
        }
    }

    /// What one of its open questions is about, in the words of [`Projection::questions`].
    pub fn question(&self, ticket: Ticket) -> Option<String> {
        let open = self.questions.look(ticket)?;
        Some(format!("{open:?}"))
    }
}
