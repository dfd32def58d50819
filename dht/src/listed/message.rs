//! Messages: what members of a list ask each other, and what they are told.
//!
//! Every question says by which table it is meant. Whoever has a newer one answers with that one, and whoever has
//! an older one says so, and is told: so nobody acts on what another has already left behind.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::listed::table::Table;
use crate::record::{self, Changed, Record, Version};
use crate::replication::Ballot;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Ask<A> {
    /// The asker's table; 0 where it has none.
    pub version: u32,
    /// What it wants.
    pub what: What<A>,
}

/// What one member wants of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum What<A> {
    /// What do you know of the next table? [`Told::Greeting`].
    Greet {
        /// I was away, or have just begun this life: what have I missed?
        was_away: bool,
    },
    /// This is the table now: [`Told::Done`].
    Install(Box<Table<A>>),
    /// Promise to accept no older proposal of the next table: [`Told::Promised`], or [`Told::Outbid`].
    Prepare(Ballot),
    /// Accept this as the next table: [`Told::Accepted`], or [`Told::Outbid`].
    Accept(Ballot, Box<Table<A>>),
    /// I have handed over all that moves in this step: [`Told::Done`].
    Swept,
    /// The record under this key, wherever you get it from: [`Told::Record`], or [`Told::Refused`].
    Read(Id),
    /// Make a change: [`Told::Changed`], or [`Told::Refused`].
    Change(Id, record::Change),
    /// Your own copy of this: [`Told::Record`], or [`Told::Refused`].
    Copy(Id),
    /// Keep these unless you have newer ones: [`Told::Kept`], or [`Told::Refused`].
    Put(Vec<(Id, Record)>),
    /// I have these: which of them do you lack? [`Told::Wanted`], or [`Told::Refused`].
    Offer {
        /// Keys and versions, up to some hundreds; none once you have been offered all that you may lack since
        /// you were away.
        items: Vec<(Id, Version)>,
        /// Whether you may lack something that I have not offered yet, since you were away.
        is_owed: bool,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Told<A> {
    /// The table is a newer one, and nothing was done.
    Newer(Box<Table<A>>),
    /// Mine is of this version, which is older, or there is none; and nothing was done.
    Behind(u32),
    /// To [`What::Install`] and [`What::Swept`].
    Done,
    /// To [`What::Greet`], by one whose table is the same: what it has promised and accepted; nothing where
    /// it does not know that itself.
    Greeting(Option<Box<Greeting<A>>>),
    /// To [`What::Prepare`]: what has been accepted before.
    Promised(Option<(Ballot, Box<Table<A>>)>),
    /// To [`What::Accept`].
    Accepted,
    /// To [`What::Prepare`] and [`What::Accept`]: a higher one came before; nothing where this member does not
    /// know what it has promised.
    Outbid(Option<Ballot>),
    /// To [`What::Read`] and [`What::Copy`].
    Record(Option<Record>),
    /// To [`What::Change`]: what became of it, and how many members have it.
    Changed(Changed, u8),
    /// To [`What::Put`]: all is durable here, and these are newer than what came.
    Kept(Vec<(Id, Record)>),
    /// To [`What::Offer`].
    Wanted(Vec<Id>),
    /// To whatever concerns content.
    Refused(Refused),
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// The key is not this member's.
    NotMine,
    /// Too few of those that keep the key can be reached. Nothing changed.
    Alone,
    /// Too much is going on here. Nothing changed.
    Overloaded,
    /// The store is out of reach. Nothing changed, but of many records some may be kept.
    Store,
    /// The change may have been made or not.
    Unsure,
}

/// What a member has promised and accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Greeting<A> {
    /// The highest proposal that it has heard of.
    pub promised: Option<Ballot>,
    /// The last one that it has accepted.
    pub accepted: Option<(Ballot, Box<Table<A>>)>,
}

impl<A> Ask<A> {
    /// Milliseconds after which it counts as unanswered.
    pub(crate) fn patience_ms(&self) -> u32 {
        match self.what {
            What::Greet { .. } | What::Copy(_) => 300,
            What::Read(_) | What::Change(..) => 1_500,
            _ => 1_000,
        }
    }

    pub(crate) fn is_answered_by(&self, told: &Told<A>) -> bool {
        if matches!(told, Told::Newer(_) | Told::Behind(_)) {
            return true;
        }
        match self.what {
            What::Greet { .. } => matches!(told, Told::Greeting(_)),
            What::Install(_) | What::Swept => matches!(told, Told::Done),
            What::Prepare(_) => matches!(told, Told::Promised(_) | Told::Outbid(_)),
            What::Accept(..) => matches!(told, Told::Accepted | Told::Outbid(_)),
            What::Read(_) => matches!(told, Told::Record(_) | Told::Refused(_)),
            What::Change(..) => matches!(told, Told::Changed(..) | Told::Refused(_)),
            What::Copy(_) => matches!(told, Told::Record(_) | Told::Refused(_)),
            What::Put(_) => matches!(told, Told::Kept(_) | Told::Refused(_)),
            What::Offer { .. } => matches!(told, Told::Wanted(_) | Told::Refused(_)),
        }
    }
}
