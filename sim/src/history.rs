//! History: what clients did to one key, what they were told, and whether a register that lies in one
//! place and does one thing at a time could have told them so.
//!
//! Pure, for real processes as for simulated ones. Times are any numbers that grow, of one clock; what
//! begins when something else ends counts as concurrent with it. The key is absent at first, and each
//! value is written at most once. Three questions are asked, one file each:
//! - [`order`]: is there an order of all operations that explains all answers? (Herlihy and Wing 1990)
//! - [`reads`]: which single reads are older than they may be, whatever the others say?
//! - [`reads`] again: is the last read so, which is to say, was something acknowledged lost?
//!
//! ```
//! use sim::history::{Operation, What, Outcome, judge};
//!
//! let history = [
//!     Operation::write(0, 10, 7).made(20),
//!     Operation::read(1, 30).saw(40, None),
//! ];
//! let verdict = judge(&history);
//! assert!(!verdict.order.is_linearizable());
//! assert_eq!(verdict.lost.expect("it was acknowledged").changes, [0]);
//! ```

mod facts;
pub mod order;
pub mod reads;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use facts::Facts;
use order::Order;
use reads::{Back, Lost, Stale};

/// Something that a client did, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who; a client does one thing after another.
    pub client: u32,
    /// When it was asked for.
    pub invoked: u64,
    /// What was asked for.
    pub what: What,
    /// The answer. Nothing where none came: what was asked for may happen at any later time, or never.
    pub returned: Option<Returned>,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// What is there?
    Read,
    /// Let this value be there.
    Write {
        /// No other write has it.
        value: u64,
        /// What must hold for it.
        condition: Condition,
    },
    /// Let nothing be there.
    Delete {
        /// What must hold for it.
        condition: Condition,
    },
}

/// What must hold of what is there, for a change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Condition {
    /// Nothing.
    Always,
    /// Nothing is there (`If-None-Match: *`).
    Absent,
    /// Something is there (`If-Match: *`).
    Present,
    /// What is there has this version (`If-Match: "…"`).
    Version(u64),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// When it came.
    pub at: u64,
    /// What it says.
    pub outcome: Outcome,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// To a read: what is there.
    Saw(Option<Seen>),
    /// To a change: it is made.
    Made {
        /// The version that it made, if that was told.
        version: Option<u64>,
        /// Whether something was there before, if that was told. A delete that found nothing changed
        /// nothing.
        found: Option<bool>,
    },
    /// To a change: its condition did not hold. Nothing changed.
    Refused,
    /// Nothing was done, for certain, and nothing is told: it does not count.
    Failed,
}

/// What a read saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which value.
    pub value: u64,
    /// Its version, if that was told. Versions of a key grow from write to write.
    pub version: Option<u64>,
}

/// What is to be said of a history. Numbers are places in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether one order explains everything.
    pub order: Order,
    /// What was acknowledged and is gone, by the last read.
    pub lost: Option<Lost>,
    /// Reads of what was overwritten before they began.
    pub stale: Vec<Stale>,
    /// Reads of what is older than what an earlier read saw.
    pub back: Vec<Back>,
    /// Reads of what nobody had written.
    pub phantoms: Vec<usize>,
}

/// Judges what happened to one key.
pub fn judge(history: &[Operation]) -> Verdict {
    let facts = Facts::of(history);
    let reads = reads::Reads::of(history, &facts);
    Verdict {
        order: order::search(history, &facts, order::CONFIGURATIONS_MAX),
        lost: reads.lost(),
        stale: reads.stale(),
        back: reads.back(),
        phantoms: reads.phantoms(),
    }
}

impl Verdict {
    /// Whether nothing at all speaks against the history, and everything was decided.
    pub fn is_clean(&self) -> bool {
        self.order.is_linearizable()
            && self.lost.is_none()
            && self.stale.is_empty()
            && self.back.is_empty()
            && self.phantoms.is_empty()
    }
}

impl Operation {
    /// A read that has no answer yet.
    pub fn read(client: u32, invoked: u64) -> Operation {
        Operation::begin(client, invoked, What::Read)
    }

    /// A write of `value`, whatever is there, that has no answer yet.
    pub fn write(client: u32, invoked: u64, value: u64) -> Operation {
        let condition = Condition::Always;
        Operation::begin(client, invoked, What::Write { value, condition })
    }

    /// A delete, whatever is there, that has no answer yet.
    pub fn delete(client: u32, invoked: u64) -> Operation {
        let condition = Condition::Always;
        Operation::begin(client, invoked, What::Delete { condition })
    }

    /// Anything that has no answer yet.
    pub fn begin(client: u32, invoked: u64, what: What) -> Operation {
        Operation {
            client,
            invoked,
            what,
            returned: None,
        }
    }

    /// The same change under a condition; a read has none.
    pub fn only_if(mut self, only: Condition) -> Operation {
        match &mut self.what {
            What::Read => {}
            What::Write { condition, .. } | What::Delete { condition } => *condition = only,
        }
        self
    }

    /// The same with an answer.
    pub fn returned(mut self, at: u64, outcome: Outcome) -> Operation {
        self.returned = Some(Returned { at, outcome });
        self
    }

    /// The same read, which saw this value, or that nothing is there.
    pub fn saw(self, at: u64, value: Option<u64>) -> Operation {
        let version = None;
        let seen = value.map(|value| Seen { value, version });
        self.returned(at, Outcome::Saw(seen))
    }

    /// The same change, which was made, and nothing more is told.
    pub fn made(self, at: u64) -> Operation {
        let (version, found) = (None, None);
        self.returned(at, Outcome::Made { version, found })
    }

    /// The same change, whose condition did not hold.
    pub fn refused(self, at: u64) -> Operation {
        self.returned(at, Outcome::Refused)
    }
}
