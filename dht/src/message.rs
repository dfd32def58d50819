//! Messages: everything that one node can ask another, and what it can be told.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::causal;
use crate::id::{Arc, Id};
use crate::listed;
use crate::ownership::Ownership;
use crate::peer::Peer;
use crate::record::{Change, Changed, Record};
use crate::replication::message::{Ask, GroupRequest, Told};
use crate::view::Finger;

/// A question from one node to another. The envelope names both of them, the message does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Request<A> {
    /// Are you there? Answered at once by everyone: [`Reply::Pong`].
    Ping,
    /// Your predecessor and successor list: [`Reply::State`], or [`Reply::Busy`].
    State,
    /// I think that I am your predecessor: [`Reply::Noted`], or [`Reply::Buried`].
    Notify,
    /// My pointers have changed, so yours may have to follow: have a look soon. [`Reply::Noted`].
    Look,
    /// I am here, maybe in another ring than you: compare them. [`Reply::Noted`].
    Meet,
    /// Where does this key belong, or who is closer to it? [`Reply::Routed`].
    Route(Route),
    /// Your fingers, for I have just joined and have none: [`Reply::Fingers`].
    Fingers,
    /// I am about to leave, and these are my neighbours: [`Reply::Noted`] once you can do without me,
    /// or [`Reply::Busy`].
    Leaving(State<A>),
    /// I should serve this arc, and nobody has given it to me: [`Reply::Claimed`].
    Claim(Arc),
    /// A batch of a handover: [`Reply::Received`], or [`Reply::Declined`].
    Transfer(Transfer),
    /// The record under this key, which you serve: [`Reply::Record`], or [`Reply::Elsewhere`].
    Read(Id),
    /// Make a change to this key, which you serve: [`Reply::Changed`], or [`Reply::Elsewhere`].
    Change(Id, Change),
    /// One member of a group to another: [`Reply::Group`].
    Group(Box<GroupRequest<A>>),
    /// One member of a list to another: [`Reply::Listed`].
    Listed(Box<listed::message::Ask<A>>),
    /// One node of a causal store to another: [`Reply::Causal`].
    Causal(Box<causal::message::Ask<A>>),
}

impl<A> Request<A> {
    /// Milliseconds after which a question without an answer counts as unanswered.
    ///
    /// Short for what only steers the ring, since silence merely makes others skip the node; long
    /// for what carries content, since a write without an answer has an unknown outcome.
    pub fn patience_ms(&self) -> u32 {
        match self {
            Request::Ping
            | Request::State
            | Request::Notify
            | Request::Look
            | Request::Meet
            | Request::Route(_)
            | Request::Fingers
            | Request::Claim(_) => 300,
            // The one that is told asks somebody else before it answers.
            Request::Leaving(_) => 1_000,
            // Little longer than it takes the members of a silent leader to choose another one, which
            // then is asked.
            Request::Read(_) | Request::Change(..) => 1_500,
            Request::Transfer(_) => 2_000,
            Request::Group(request) => match request.ask {
                // What only moves content must not count its giver as silent when that is busy.
                Ask::Fetch(_) => 2_000,
                _ => 1_000,
            },
            Request::Listed(ask) => ask.patience_ms(),
            Request::Causal(ask) => ask.patience_ms(),
        }
    }
}

impl<A> Request<A> {
    /// Whether this is a kind of reply that the request asks for.
    pub fn is_answered_by(&self, reply: &Reply<A>) -> bool {
        match self {
            Request::Ping => matches!(reply, Reply::Pong | Reply::Gone),
            Request::State => matches!(reply, Reply::State(_) | Reply::Busy | Reply::Gone),
            Request::Notify => matches!(reply, Reply::Noted | Reply::Buried | Reply::Gone),
            Request::Look | Request::Meet => matches!(reply, Reply::Noted | Reply::Gone),
            Request::Route(_) => matches!(reply, Reply::Routed(_) | Reply::Gone),
            Request::Fingers => matches!(reply, Reply::Fingers(_) | Reply::Gone),
            Request::Leaving(_) => matches!(reply, Reply::Noted | Reply::Busy | Reply::Gone),
            Request::Claim(_) => matches!(reply, Reply::Claimed(_) | Reply::Gone),
            Request::Transfer(_) => matches!(reply, Reply::Received | Reply::Declined(_)),
            Request::Read(_) => matches!(reply, Reply::Record(_) | Reply::Elsewhere(_)),
            Request::Change(..) => matches!(reply, Reply::Changed(..) | Reply::Elsewhere(_)),
            Request::Group(request) => match reply {
                Reply::Group(told) => request.ask.is_answered_by(told),
                _ => false,
            },
            Request::Listed(ask) => match reply {
                Reply::Listed(told) => ask.is_answered_by(told),
                Reply::Gone => true,
                _ => false,
            },
            Request::Causal(ask) => match reply {
                Reply::Causal(told) => ask.is_answered_by(told),
                Reply::Gone => true,
                _ => false,
            },
        }
    }
}

/// An answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Reply<A> {
    /// To [`Request::Ping`].
    Pong,
    /// To [`Request::State`].
    State(State<A>),
    /// To [`Request::State`] and [`Request::Leaving`]: a question of my own is open, so my state is undefined. This is final:
    /// the asker ends what it was doing unchanged and comes again later.
    Busy,
    /// To [`Request::Notify`], [`Request::Look`], [`Request::Meet`] and [`Request::Leaving`].
    Noted,
    /// To [`Request::Notify`]: I hold this life of yours for over, and never take it for my predecessor.
    Buried,
    /// To anything but content: I am of no network of your kind, or have left the ring, and only finish what I
    /// have begun.
    Gone,
    /// To [`Request::Route`].
    Routed(Routed<A>),
    /// To [`Request::Fingers`]: by rising exponent; none where there are none yet.
    Fingers(Vec<Finger<A>>),
    /// To [`Request::Claim`].
    Claimed(Claimed<A>),
    /// To [`Request::Transfer`]: the batch is stored, and served if it was the last one.
    Received,
    /// To [`Request::Transfer`]: nothing of it is or will be served here.
    Declined(Declined),
    /// To [`Request::Read`].
    Record(Option<Record>),
    /// To [`Request::Change`]: what became of it, and how many members have it.
    Changed(Changed, u8),
    /// To [`Request::Read`] and [`Request::Change`]: nothing was done, since this node does not
    /// serve the key.
    Elsewhere(Elsewhere<A>),
    /// To [`Request::Group`].
    Group(Box<Told<A>>),
    /// To [`Request::Listed`].
    Listed(Box<listed::message::Told<A>>),
    /// To [`Request::Causal`].
    Causal(Box<causal::message::Told<A>>),
}

/// What a node knows of an arc that somebody misses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Claimed<A> {
    /// Whether something of the arc is served here, or on its way here.
    pub holds: bool,
    /// Whether the asker may have it, as far as this node can tell.
    pub free: bool,
    /// Whether it misses something itself.
    pub waits: bool,
    /// The node before it.
    pub predecessor: Option<Peer<A>>,
    /// The node after it.
    pub successor: Peer<A>,
}

/// What a node knows of its place in the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct State<A> {
    /// The node before it; nothing only while it joins.
    pub predecessor: Option<Peer<A>>,
    /// The nodes after it, in clockwise order; empty where it is alone.
    pub successors: Vec<Peer<A>>,
}

/// One step of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// What is looked for.
    pub key: Id,
    /// By which rule: data goes by the network's, ring maintenance by the one it needs.
    pub rule: Ownership,
    /// By which links.
    pub routing: Routing,
}

/// Which links a lookup follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Routing {
    /// Successor by successor: about half of the ring.
    Linear,
    /// Fingers and the successor list: about half of log2 of the ring.
    #[default]
    Finger,
}

/// Answer to one step of a lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Routed<A> {
    /// By the pointers of the node that answers, this node owns the key.
    Owner(Peer<A>),
    /// Nodes that precede the key, the closest first.
    Closer(Vec<Link<A>>),
}

/// A node, and what makes it a way to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link<A> {
    /// Where it leads.
    pub node: Peer<A>,
    /// What it is to the node that names it.
    pub kind: LinkKind,
}

/// Why a node was asked in the course of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LinkKind {
    /// It is where the lookup starts.
    Start,
    /// It stands in the successor list, at this place counted from 1.
    Successor(u8),
    /// It is the finger for this node's identifier + 2^exponent.
    Finger(u8),
    /// A node before it named it as the owner.
    Owner,
    /// A node that does not serve the key named it as the one that may.
    Hint,
}

/// One batch of a handover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The arc that moves.
    pub arc: Arc,
    /// Under which epoch the receiver will serve it.
    pub epoch: u32,
    /// Which handover of the giver this is.
    pub serial: u32,
    /// Which batch of the handover this is, counted from 0.
    pub batch: u32,
    /// Records to take over, and identifiers of which the giver has no record any more.
    pub records: Vec<(Id, Option<Record>)>,
    /// The last batch: the giver has stopped serving, and the receiver serves from now on.
    pub serve: bool,
    /// The giver is on its way out of the ring, so it takes nothing back.
    pub leaving: bool,
}

/// Why a handover was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Declined {
    /// The receiver is itself leaving, or not a member yet.
    NotStaying,
    /// The receiver takes part in as many handovers as it can.
    Full,
    /// The batch does not follow the one before it; the handover must start again.
    OutOfOrder,
}

/// Why a node does not serve a key at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Elsewhere<A> {
    /// It is not its own; this node may know more (421).
    At(Option<Peer<A>>),
    /// It moves right now: ask again soon (503).
    Moving,
    /// Too much is going on here, or the store is out of reach: ask again later (503).
    Overloaded,
    /// It led the group of the key when the change came, and does no more: the change may have been made
    /// or not (504).
    Unsure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fitting_reply_is_an_answer() {
        let state: Request<u32> = Request::State;
        assert!(state.is_answered_by(&Reply::Busy));
        assert!(!Request::Ping.is_answered_by(&Reply::<u32>::Busy));
        assert!(!Request::Notify.is_answered_by(&Reply::<u32>::Pong));
    }
}
