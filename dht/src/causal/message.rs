//! Messages of the causal store: between nodes, and between a node and its clients.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::causal::found::Founding;
use crate::causal::layout::{Change, Layout};
use crate::causal::roster::Roster;
use crate::causal::seen::Seen;
use crate::causal::vector::Vector;
use crate::causal::write::Write;
use crate::event::{self, Action, Ticket};
use crate::id::Id;
use crate::record::{Blob, Record};
use crate::replication::acceptor::Ballot;

/// What one node can ask another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Ask<A> {
    /// What I know of nodes and layouts: [`Told::News`].
    Meet(News<A>),
    /// Writes of mine: [`Told::Has`].
    Spread {
        /// Under which layout.
        epoch: u32,
        /// In order.
        writes: Vec<Write>,
    },
    /// This is what I have of our shard: [`Told::Lacks`].
    Compare {
        /// Under which layout.
        epoch: u32,
        /// What the asker has.
        vector: Vector,
    },
    /// Records of a shard, in order of their keys: [`Told::Page`].
    Page {
        /// Under which layout: the one in force here, or the one that comes after what is here.
        epoch: u32,
        /// Which shard of it.
        shard: u32,
        /// Only what comes after this key.
        after: Option<Id>,
    },
    /// A client of mine wants this: [`Told::Operated`].
    Operate(Operation),
    /// How many keys has this shard, which is yours? [`Told::Counted`].
    Count(u32),
    /// Stop writing, and promise me this ballot for the layout of this epoch: [`Told::Promised`].
    Prepare(u32, Ballot),
    /// Accept this decision: [`Told::Accepted`].
    Accept(Ballot, Decree<A>),
}

/// An answer to an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Told<A> {
    /// What this node knows. To anything: what was asked is not for now, since one of the two has another
    /// layout in force, or its content is on its way; nothing changed.
    News(News<A>),
    /// All that this node has for good of the shard.
    Has(Vector),
    /// What the asker may lack.
    Lacks {
        /// Some of it; nothing where more is missing than this node has at hand: then take pages.
        writes: Option<Vec<Write>>,
        /// All that this node has for good.
        vector: Vector,
    },
    /// Some records.
    Page {
        /// Tombstones included.
        records: Vec<(Id, Record)>,
        /// What this node has seen, all on these pages and the ones before included.
        seen: Seen,
        /// The key to go on after; nothing where this is the last page.
        next: Option<Id>,
        /// Whether some of them are of the next layout, and are not to be shown before that is in force.
        is_ahead: bool,
    },
    /// What came of an operation.
    Operated(Result<Done, Failure>),
    /// Live keys of the shard.
    Counted(u64),
    /// The ballot has the promise.
    Promised {
        /// Whether it counts as a vote: not that of a node that has lost the store on which it may have promised
        /// or accepted something else.
        votes: bool,
        /// What was accepted under an earlier one.
        accepted: Option<(Ballot, Decree<A>)>,
        /// All that this node has, and nothing comes to it any more; nothing where its copies do not count.
        sealed: Option<Vector>,
    },
    /// The decision is accepted.
    Accepted {
        /// Whether this node remembers all that it ever promised of the layout that ends.
        votes: bool,
    },
    /// Another ballot has the promise.
    Rejected(Ballot),
}

/// What a node knows of nodes and layouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct News<A> {
    /// All nodes.
    pub roster: Roster<A>,
    /// The last decision.
    pub decree: Decree<A>,
    /// How everything began; nothing where the node does not know.
    pub founding: Option<Founding>,
}

/// What the members of one layout decide together: the next one, and with which writes it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Decree<A> {
    /// The next layout.
    pub layout: Layout<A>,
    /// What belongs to it of each shard of the one before: neither less nor more.
    pub cut: BTreeMap<u32, Vector>,
}

/// Something that a client wants done with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The key's bytes.
    pub key: Blob,
    /// What.
    pub what: What,
    /// What the client has seen.
    pub seen: Seen,
    /// Unix milliseconds, by the clock of whoever took it from the client.
    pub now_ms: u64,
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Read its value.
    Get,
    /// Give it a value.
    Put(Blob),
    /// Delete it.
    Delete,
}

/// What came of an [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What.
    pub result: Outcome,
    /// What the client has seen now.
    pub seen: Seen,
    /// The shard of the key; nothing where the store is not divided.
    pub shard: Option<u32>,
}

/// What was found, or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The value.
    Found(Blob),
    /// There is none; a delete has changed nothing.
    Missing,
    /// There was none before.
    Created,
    /// There was one before.
    Replaced,
    /// There is none any more.
    Deleted,
}

/// What a client of a node can want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call<A> {
    /// Something with a key: [`Returned::Done`].
    Operate {
        /// Its bytes.
        key: Blob,
        /// What.
        what: What,
        /// The text that the client received last; nothing where it has received none.
        seen: Option<String>,
        /// Unix milliseconds.
        now_ms: u64,
    },
    /// Who is part of the view? [`Returned::View`].
    View,
    /// This address belongs to a node of this store: [`Returned::Added`].
    Add(A),
    /// The node at this address is gone for good: [`Returned::Deleted`].
    Delete(A),
    /// Which shards are there, and who is in which? [`Returned::Shards`].
    Shards,
    /// How many keys has this shard? [`Returned::Count`].
    Count(u32),
    /// Give the node at this address a place in this shard: [`Returned::Arranged`].
    AddMember(A, u32),
    /// Divide everything anew into so many shards: [`Returned::Arranged`].
    Reshard(u32),
}

/// What came of a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Returned<A> {
    /// What, what the client has seen now, as text to bring along, and the key's shard.
    Done(Outcome, String, Option<u32>),
    /// In order.
    View(Vec<A>),
    /// Whether it is new.
    Added(bool),
    /// Whether it was there.
    Deleted(bool),
    /// How the store is divided, as far as this node knows.
    Shards(Shards<A>),
    /// Live keys.
    Count(u64),
    /// It is done.
    Arranged,
    /// It could not be done.
    Failed(Failure),
}

/// How a store is divided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Shards<A> {
    /// The layout that was decided last; it may be on its way.
    pub layout: Layout<A>,
    /// The shard whose content this node has in force; nothing if none.
    pub own: Option<u32>,
    /// Whether everything is where the layout wants it, so that the next change may begin.
    pub is_settled: bool,
    /// Whether a change is being decided on, so that nothing is written.
    pub is_deciding: bool,
    /// What that layout has changed, where this node knows the one before.
    pub change: Option<Change>,
}

/// Why something could not be done. Nothing has changed unless it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// What the client says it has seen is no text that a node has given, or names writers that nobody
    /// knows (400). Begin anew without it.
    NotSeen,
    /// Something that the client has seen has not come here yet (503). Ask again soon, or another node.
    NotYet,
    /// The content of the key is on its way, or not yet complete here (503). Ask again soon.
    Moving,
    /// The write is not known to be on two stores, and may get there yet (503). It may have happened.
    Unsure,
    /// This node has no place in the store: it waits to be added to a shard, or was deleted (503).
    NoShard,
    /// No node that has the key answers (503).
    Unreachable,
    /// Too much is going on here (503).
    Overloaded,
    /// There would be fewer than [`SHARD_MIN`](crate::causal::layout::SHARD_MIN) nodes for each shard (400).
    TooFewNodes,
    /// There is no such shard (404).
    NoSuchShard,
    /// The view has no such node, or nobody has met it yet (404).
    NoSuchNode,
    /// Another change is under way, has come first, or has left things to be moved (409). Ask again when it
    /// is done.
    Conflict,
    /// The change goes on, or was taken back: [`Call::Shards`] says which (504).
    Unfinished,
    /// So few of the nodes that decide about the shards answer that they cannot (503). Ask again when the others
    /// are back.
    NoMajority,
    /// This node has not been told yet what there is (503). Ask again soon, or another node.
    NotTold,
    /// The store of this node does not keep what it is given (503). Ask another node.
    NotKept,
    /// The view has room for no more nodes, those that are gone included (409).
    Full,
}

/// What a client is told who asks a node of another kind.
pub(crate) fn decline<A>(ticket: Ticket) -> Action<A> {
    let failed = Returned::Failed(Failure::NoShard);
    let returned = event::Returned::Causal(Box::new(failed));
    Action::Return { ticket, returned }
}

impl<A> Ask<A> {
    /// Milliseconds after which a question without an answer counts as unanswered.
    pub fn patience_ms(&self) -> u32 {
        match self {
            // Longer than a write waits for its second copy.
            Ask::Operate(operation) if operation.what != What::Get => 5_000,
            Ask::Page { .. } | Ask::Count(_) => 2_000,
            _ => 1_000,
        }
    }

    /// Whether this is a kind of answer to it.
    pub fn is_answered_by(&self, told: &Told<A>) -> bool {
        matches!(
            (self, told),
            (_, Told::News(_))
                | (Ask::Spread { .. }, Told::Has(_))
                | (Ask::Compare { .. }, Told::Lacks { .. })
                | (Ask::Page { .. }, Told::Page { .. })
                | (Ask::Operate(_), Told::Operated(_))
                | (Ask::Count(_), Told::Counted(_))
                | (Ask::Prepare(..), Told::Promised { .. } | Told::Rejected(_))
                | (Ask::Accept(..), Told::Accepted { .. } | Told::Rejected(_))
        )
    }
}
