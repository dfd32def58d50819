//! Request: what a client wants, in types that hold no nonsense.

use bytes::Bytes;
use dht::record::Blob;

use super::line::{shared_words, words};
use super::meta::{Head, MetaArithmetic, MetaDelete, MetaGet, MetaSet};
use super::refusal::Refusal;

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    Get(Get),
    Store(Store),
    Arithmetic(Arithmetic),
    Touch(Touch),
    Delete(Delete),
    MetaGet(Box<MetaGet>),
    MetaSet(Box<MetaSet>),
    MetaDelete(Box<MetaDelete>),
    MetaArithmetic(Box<MetaArithmetic>),
    /// What is known of an item beside its value.
    MetaDebug(Head),
    /// Nothing: it marks the place in a row of silent ones.
    MetaNothing,
    /// Everything is to go, `exptime` from now.
    FlushAll {
        exptime: i64,
        quiet: bool,
    },
    /// Some figures, of one kind or in general.
    Stats(Bytes),
    Verbosity {
        quiet: bool,
    },
    Version,
    Quit,
    /// What can't be carried out.
    Refused(Refused),
}

/// Something that is not a request, or not one that can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// Nobody wants to hear of it.
    pub(super) quiet: bool,
    /// What follows can't be understood any more.
    pub(super) is_last: bool,
}

/// Values of many keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Get {
    /// The keys, with spaces between them; all of them can be keys.
    pub(super) keys: Bytes,
    /// Whether versions are wanted.
    pub(super) with_version: bool,
    /// When they are to expire from now on, if that is to change.
    pub(super) touch: Option<i64>,
}

/// A value that is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Store {
    pub(super) way: Way,
    pub(super) key: Bytes,
    pub(super) flags: u32,
    pub(super) exptime: i64,
    pub(super) quiet: bool,
    pub(super) value: Blob,
}

/// How a value is stored, and under which condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Set,
    /// If there is none.
    Add,
    /// If there is one.
    Replace,
    /// Behind the one that is there.
    Append,
    /// Before the one that is there.
    Prepend,
    /// If the one that is there has this version.
    Cas(u64),
}

/// A number that is to be changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arithmetic {
    pub(super) key: Bytes,
    pub(super) step: Step,
    pub(super) quiet: bool,
}

/// By how much a number is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Beyond 2^64 - 1 it begins again at 0.
    Up(u64),
    /// It stops at 0.
    Down(u64),
}

/// An item is to expire at another time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Touch {
    pub(super) key: Bytes,
    pub(super) exptime: i64,
    pub(super) quiet: bool,
}

/// An item is to go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Delete {
    pub(super) key: Bytes,
    pub(super) quiet: bool,
}

impl Request {
    /// The same with the value that came behind the line.
    pub(super) fn with_value(mut self, value: Blob) -> Request {
        match &mut self {
            Request::Store(store) => store.value = value,
            Request::MetaSet(set) => set.value = value,
            _ => {}
        }
        self
    }

    /// Whether nobody wants to hear what becomes of it.
    pub(super) fn is_quiet(&self) -> bool {
        match self {
            Request::Store(store) => store.quiet,
            // A meta command that is silent still tells what is unusual.
            _ => false,
        }
    }
}

impl From<Refusal> for Request {
    fn from(refusal: Refusal) -> Request {
        Request::Refused(Refused {
            refusal,
            quiet: false,
            is_last: false,
        })
    }
}

impl Get {
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        words(&self.keys)
    }

    /// All keys from this one on, as what outlives it.
    pub(super) fn keys_from(&self, key: &[u8]) -> impl Iterator<Item = Bytes> {
        let first = self.keys().position(|other| std::ptr::eq(other, key));
        shared_words(&self.keys).skip(first.unwrap_or(0))
    }
}

impl Step {
    /// The number after it.
    pub(super) fn from(self, number: u64) -> u64 {
        match self {
            Step::Up(by) => number.wrapping_add(by),
            Step::Down(by) => number.saturating_sub(by),
        }
    }
}
