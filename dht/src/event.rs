//! Events: all that can happen to a node. Actions: all that a node can ask of the world.
//!
//! Both are plain data. Whoever owns the node, a server, a simulator or a model checker, turns what
//! happens into events and performs the actions, in the order in which they come.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::causal;
use crate::id::{Arc, Id};
use crate::listed::table::{Change as ListChange, Member, Refusal};
use crate::message::{LinkKind, Reply, Request, Routing};
use crate::ownership::Ownership;
use crate::peer::Peer;
use crate::record::{Change, Changed, Record};
use crate::store;

/// Ties an answer to its question. Tickets of questions that come from outside are the driver's and
/// mean nothing to the node; its own are slots of a bounded table, and never mean two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event<A> {
    /// Another node asked; answered by exactly one [`Action::Reply`] with the same ticket.
    Asked {
        /// The driver's.
        ticket: Ticket,
        /// Who asks.
        from: Peer<A>,
        /// What.
        request: Request<A>,
    },
    /// A node answered.
    Answered {
        /// Of the [`Action::Ask`].
        ticket: Ticket,
        /// Who answered: the driver has made sure that it is the one that was asked.
        from: Peer<A>,
        /// What.
        reply: Reply<A>,
        /// How long it took, in microseconds, by the driver's clock.
        micros: u32,
    },
    /// A question was not answered.
    Unanswered {
        /// Of the [`Action::Ask`].
        ticket: Ticket,
        /// What is known of the reason.
        cause: Cause,
    },
    /// Somebody is there: another life of a node that was asked, which goes before [`Event::Unanswered`], or
    /// a node that the driver was told of. It is a hint, for a node that has nobody left to ask.
    Met(Peer<A>),
    /// Whoever keeps the list of members tells it, itself included: once, or whenever it changes, as the
    /// node's configuration says. For a node of a ring it means nothing.
    Listed(Vec<Member<A>>),
    /// A time has come: a scheduled one, or one that [`Action::Wait`] asked for.
    Elapsed(Timer<A>),
    /// The store has done what [`Action::Store`] asked for.
    Stored {
        /// Of the [`Action::Store`].
        ticket: Ticket,
        /// What came of it.
        outcome: store::Outcome,
    },
    /// A client of this node wants something; answered by exactly one [`Action::Return`].
    Called {
        /// The driver's.
        ticket: Ticket,
        /// What.
        call: Call<A>,
    },
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// Nobody listens there, or somebody else does: the request was not carried out.
    Refused,
    /// Nothing came back in time; whether the request was carried out is unknown.
    Silent,
}

/// A point in time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Timer<A> {
    /// Compare notes with the successor. Scheduled.
    Stabilize,
    /// Refresh fingers. Scheduled.
    Fingers,
    /// See whether the predecessor is there. Scheduled.
    Predecessor,
    /// Look the own identifier up through somebody else. Scheduled.
    SelfCheck,
    /// Show those that keep content with this node that it is there. Scheduled, some times a second,
    /// where content is kept by groups.
    Beat,
    /// Try to join again.
    Join,
    /// Ask a node that refused once more before it is taken for dead.
    Probe(Peer<A>),
    /// A node has been silent for so long that it is taken for dead if it still is, by the suspicion of
    /// this number.
    Silence(Peer<A>, u32),
    /// Go on with an operation that waits.
    Operation(Ticket),
    /// Go on with the outgoing handover.
    Handover,
    /// Ask for an arc that nobody has handed over.
    Claim,
    /// Nobody has taken the content of a leaving node.
    Leave,
    /// Leave the ring that dissolves for the other one.
    Reunion,
}

/// Something that a client of this node wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call<A> {
    /// Become a member of the ring that these nodes belong to.
    Join(Vec<Peer<A>>),
    /// Find the owner of a key.
    Find {
        /// What is looked for.
        key: Id,
        /// By which rule.
        rule: Ownership,
        /// By which links.
        routing: Routing,
    },
    /// Read the record under a key, wherever it is.
    Read {
        /// Its identifier.
        key: Id,
        /// By which links.
        routing: Routing,
    },
    /// Make a change, wherever the key is.
    Change {
        /// Its identifier.
        key: Id,
        /// What to change.
        change: Change,
        /// By which links.
        routing: Routing,
    },
    /// Hand the content over and leave the ring.
    Leave,
    /// Change the list of members; it returns when the content has moved.
    Members(Box<ListChange<A>>),
    /// Something of a node of a causal store.
    Causal(Box<causal::message::Call<A>>),
}

/// What came of a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Returned<A> {
    /// Of [`Call::Join`].
    Joined,
    /// Of [`Call::Find`]: the last hop is the owner.
    Found(Vec<Hop<A>>),
    /// Of [`Call::Read`]: the last hop is the owner, which vouches for the answer.
    Record(Option<Record>, Vec<Hop<A>>),
    /// Of [`Call::Change`]: what became of it, and how many members have it; the last hop is the owner.
    Changed(Changed, u8, Vec<Hop<A>>),
    /// Of [`Call::Leave`]: number of records that others have taken over.
    Left(usize),
    /// Of [`Call::Members`]: the version of the table that says so.
    Members(u32),
    /// Of [`Call::Causal`].
    Causal(Box<causal::message::Returned<A>>),
    /// It could not be done.
    Failed(Failure<A>, Vec<Hop<A>>),
}

/// Why a call could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure<A> {
    /// This node is not a member of a ring. Nothing changed.
    NotAMember,
    /// Too much is going on at this node. Nothing changed.
    Overloaded,
    /// No node that serves the key could be reached. Nothing changed.
    Unreachable,
    /// The lookup took more hops than there should be nodes. Nothing changed.
    TooManyHops,
    /// What keeps the content of the owner is out of reach. Nothing changed.
    Store,
    /// The owner was asked to make the change and did not answer: it may have happened or not.
    Unknown,
    /// This living node already has the identifier. Nothing changed.
    Taken(Peer<A>),
    /// This is the last node of the ring, which can't leave it. Nothing changed.
    LastNode,
    /// No other node takes the content. It stays here, and so does the node.
    NoTaker,
    /// The list of members can't be changed so. Nothing changed.
    Members(Refusal),
    /// This network keeps no list of members. Nothing changed.
    NoList,
}

/// One node that a lookup asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop<A> {
    /// Which.
    pub node: Peer<A>,
    /// Why that one.
    pub why: LinkKind,
    /// How long its answer took, in microseconds.
    pub micros: u32,
    /// Whether it answered.
    pub ok: bool,
}

/// Something that a node wants from the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action<A> {
    /// Ask another node; brings [`Event::Answered`] or [`Event::Unanswered`].
    Ask {
        /// The node's.
        ticket: Ticket,
        /// Whom: nobody else may answer.
        to: Peer<A>,
        /// What.
        request: Request<A>,
    },
    /// Answer an [`Event::Asked`].
    Reply {
        /// The driver's.
        ticket: Ticket,
        /// What.
        reply: Reply<A>,
    },
    /// Answer an [`Event::Called`].
    Return {
        /// The driver's.
        ticket: Ticket,
        /// What.
        returned: Returned<A>,
    },
    /// Do something with the content; brings [`Event::Stored`].
    Store {
        /// The node's.
        ticket: Ticket,
        /// What.
        command: store::Command,
    },
    /// Bring [`Event::Elapsed`] after a delay.
    Wait {
        /// Which.
        timer: Timer<A>,
        /// How long.
        delay: Delay,
    },
    /// The node's view has changed: whoever serves from a copy of it needs the new one before any
    /// later action is performed.
    Publish,
    /// Something happened that people want to know of.
    Note(Note<A>),
}

/// How long to wait: any time between the two, drawn anew by the driver. Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Delay {
    /// At least.
    pub min_ms: u32,
    /// At most.
    pub max_ms: u32,
}

impl Delay {
    /// Just so long.
    pub const fn exactly(ms: u32) -> Delay {
        Delay {
            min_ms: ms,
            max_ms: ms,
        }
    }

    /// Any time between the two.
    pub const fn between(min_ms: u32, max_ms: u32) -> Delay {
        Delay { min_ms, max_ms }
    }
}

/// Something that happened in a node's life, for logs, traces and onlookers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note<A> {
    /// It became a member, after this node.
    Joined(Peer<A>),
    /// Its predecessor is now this one.
    Predecessor(Peer<A>),
    /// Its first successor is now this one.
    Successor(Peer<A>),
    /// It takes this node for dead, or knows that it left.
    Gone(Peer<A>),
    /// It began to hand an arc over to this node.
    HandoverBegan(Arc, Peer<A>),
    /// This node serves the arc now, and took so many records.
    HandedOver(Arc, Peer<A>, usize),
    /// The handover to this node came to nothing; the arc is served here as before.
    HandoverFailed(Arc, Peer<A>),
    /// It serves this arc, which this node handed over.
    Received(Arc, Peer<A>),
    /// It serves this arc, since the node that did is dead; what that one held is lost.
    TookOver(Arc),
    /// It belongs to the group that keeps this arc in this epoch, under this leader.
    Epoch(Arc, u32, Peer<A>),
    /// It leads that group now, and serves.
    Leads(Arc, u32),
    /// It has lost its place in the ring: it serves nothing any more and joins again.
    Lost,
    /// It has left the ring.
    Left,
    /// By the table of this version so many are members; and whether content moves.
    Table(u32, usize, bool),
    /// This member is gone before it has handed over what it kept: what others have no copy of is lost.
    Abandoned(Peer<A>),
    /// The ids are the same, the addresses aren't: this peer claims the node's own identifier.
    Impostor(Peer<A>),
}
