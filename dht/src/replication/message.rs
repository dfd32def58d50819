//! Messages between the members of groups.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{Arc, Id};
use crate::peer::Peer;
use crate::record::Record;
use crate::replication::acceptor::Ballot;
use crate::replication::group::{Group, Next, Tag};

/// What one member of a group asks another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct GroupRequest<A> {
    /// Which group it is about.
    pub tag: Tag,
    /// The store of the asker.
    pub from: u32,
    /// The store that is asked: a node that runs on another one knows nothing of it.
    pub to: u32,
    /// What.
    pub ask: Ask<A>,
}

/// What one member of a group can ask another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Ask<A> {
    /// The leader's writes after that of this sequence, in order; none to learn whether it still leads.
    Append {
        /// The sequence before the first.
        after: u32,
        /// Without gaps.
        entries: Vec<Entry>,
    },
    /// Fetch what this group keeps, to become a member of its successor.
    Enroll(Group<A>),
    /// What you have.
    Fetch(Fetch),
    /// Promise me this ballot.
    Prepare(Ballot),
    /// Accept this proposal.
    Accept(Ballot, Next<A>),
    /// This was decided.
    Install(Next<A>),
    /// Every member of this group has everything: forget what you have kept for its sake.
    Release(Group<A>),
    /// I am about to leave: do without me.
    Resign,
    /// Do you lead a group that keeps this arc in a later epoch? I hear nothing of it any more.
    Status,
    /// Where are you, and who is behind you?
    Zone,
    /// After the write of this sequence I have this digest of what we keep on this piece of our arc.
    Compare(Arc, u32, Id),
    /// After the write of this sequence you should have had these, and nothing under a key without one.
    Mend(u32, Vec<(Id, Option<Record>)>),
}

/// A write in the order of its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, counted from 1 in each epoch.
    pub sequence: u32,
    /// What was written where; nothing where a write was refused after it had got its place.
    pub write: Option<(Id, Record)>,
}

/// What a member wants of what another one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Where the group began: the sequence of the epoch before, which the answerer must have.
    pub start: u32,
    /// The asker has everything up to this sequence of the epoch before, and needs the rest up to
    /// `start`; nothing where it needs the whole arc.
    pub since: Option<u32>,
    /// Of the whole arc, what comes after this key.
    pub after: Option<Id>,
}

/// What a member of a group is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Told<A> {
    /// To [`Ask::Append`]: all up to this sequence is durable here.
    Appended(u32),
    /// To [`Ask::Append`]: I have all up to this sequence, and need what follows it.
    Behind(u32),
    /// To anything that takes the content: I don't have it yet, and am fetching it. To [`Ask::Compare`]: I
    /// have not got so far, or further on this piece.
    Lagging,
    /// To [`Ask::Append`]: the epoch is about to end.
    Fenced,
    /// This group, of a later epoch, keeps the arc or a part of it.
    Newer(Group<A>),
    /// I know nothing of this group, or can't do that now.
    Unknown,
    /// To [`Ask::Enroll`], and where another store was asked than the one that the node runs on: it is
    /// this one.
    Store(u32),
    /// To [`Ask::Fetch`]: all that you lack of the epoch before.
    Tail(Vec<Entry>),
    /// To [`Ask::Fetch`]: records in ring order.
    Page(Page),
    /// To [`Ask::Prepare`]: promised, and here is what I have accepted, and up to which sequence I have
    /// everything.
    Promised(Option<(Ballot, Next<A>)>, u32),
    /// To [`Ask::Prepare`] and [`Ask::Accept`]: I have promised this one.
    Rejected(Ballot),
    /// To [`Ask::Prepare`]: the leader is alive.
    Loyal,
    /// To [`Ask::Accept`].
    Accepted,
    /// To [`Ask::Compare`]: so have I.
    Same,
    /// To [`Ask::Compare`]: what I have there.
    Different(Vec<(Id, Record)>),
    /// To [`Ask::Install`], [`Ask::Release`], [`Ask::Resign`] and [`Ask::Mend`].
    Done,
    /// To [`Ask::Zone`].
    Zone(Zoned<A>),
    /// To [`Ask::Append`]: all up to this sequence is durable here, and the store takes nothing more.
    Full(u32),
}

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Zoned<A> {
    /// Its zone, if it has one.
    pub zone: Option<u64>,
    /// The nodes behind it, as it knows them.
    pub successors: Vec<Peer<A>>,
}

/// A part of what a group keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// In ring order.
    pub records: Vec<(Id, Record)>,
    /// Whether there is more behind them.
    pub more: bool,
    /// The page holds all writes up to this sequence, and maybe later ones …
    pub has: u32,
    /// … but none after this one.
    pub until: u32,
}

impl<A> Ask<A> {
    /// Whether this is a kind of answer that it asks for.
    pub fn is_answered_by(&self, told: &Told<A>) -> bool {
        if matches!(
            told,
            Told::Newer(_) | Told::Unknown | Told::Store(_) | Told::Lagging
        ) {
            return true;
        }
        match self {
            Ask::Append { .. } => {
                matches!(
                    told,
                    Told::Appended(_) | Told::Behind(_) | Told::Fenced | Told::Full(_)
                )
            }
            Ask::Fetch(_) => matches!(told, Told::Tail(_) | Told::Page(_)),
            Ask::Prepare(_) => {
                matches!(told, Told::Promised(..) | Told::Rejected(_) | Told::Loyal)
            }
            Ask::Accept(..) => matches!(told, Told::Accepted | Told::Rejected(_)),
            Ask::Enroll(_) | Ask::Status => false,
            Ask::Zone => matches!(told, Told::Zone(_)),
            Ask::Compare(..) => matches!(told, Told::Same | Told::Different(_)),
            Ask::Install(_) | Ask::Release(_) | Ask::Resign | Ask::Mend(..) => {
                matches!(told, Told::Done)
            }
        }
    }
}
