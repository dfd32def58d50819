//! Refusal: what a client of ZeroMQ is told when something is not done.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::limits::{
    ALL_BYTES_MAX, ALL_RECORDS_MAX, KEY_BYTES_MAX, PAGE_RECORDS_MAX, VALUE_BYTES_MAX,
};
use crate::Failure;
use crate::service::Failed;

/// Why a request is not carried out: a word for programs and a sentence for people. Nothing was changed, unless
/// the sentence says that it may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
        let message = message.into();
        Refusal { code, message }
    }

    /// As it is sent.
    pub(super) fn json(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }

    pub(super) fn frames(count: usize) -> Refusal {
        let message = format!("a request is one frame of JSON, and these are {count}");
        Refusal::new("multipart", message)
    }

    pub(super) fn no_text() -> Refusal {
        Refusal::new("bad_json", "a request is one object of JSON, in UTF-8")
    }

    pub(super) fn json_error(error: &serde_json::Error) -> Refusal {
        Refusal::new(
            "bad_json",
            format!("a request is one object of JSON: {error}"),
        )
    }

    pub(super) fn no_op() -> Refusal {
        Refusal::new("no_op", format!("`op` says what to do: {OPS}"))
    }

    pub(super) fn unknown_op() -> Refusal {
        Refusal::new("unknown_op", format!("there is no such `op`: it is {OPS}"))
    }

    pub(super) fn no_key() -> Refusal {
        Refusal::new("no_key", "`key` is missing")
    }

    pub(super) fn bad_key() -> Refusal {
        let message = format!("`key` is a string of 1 to {KEY_BYTES_MAX} bytes");
        Refusal::new("bad_key", message)
    }

    pub(super) fn no_value() -> Refusal {
        let message = "`value` is missing; null means that there is none, which DELETE is for";
        Refusal::new("no_value", message)
    }

    pub(super) fn too_large() -> Refusal {
        let message = format!("a value has at most {VALUE_BYTES_MAX} bytes");
        Refusal::new("too_large", message)
    }

    pub(super) fn bad_limit() -> Refusal {
        let message = format!("`limit` is a number, 1 to {PAGE_RECORDS_MAX}");
        Refusal::new("bad_limit", message)
    }

    pub(super) fn bad_after() -> Refusal {
        let message = "`after` is what the page before has as `next`: 40 hexadecimal digits";
        Refusal::new("bad_after", message)
    }

    /// All of it would be too long an answer.
    pub(super) fn too_many() -> Refusal {
        let message = format!(
            "this node holds more than {ALL_RECORDS_MAX} items or {ALL_BYTES_MAX} bytes: ask for pages, first \
             with \"limit\":{PAGE_RECORDS_MAX}, then also with \"after\": what the page before has as \"next\""
        );
        Refusal::new("too_many", message)
    }

    pub(super) fn collision() -> Refusal {
        let message = "another key has the same identifier; nothing was changed";
        Refusal::new("collision", message)
    }

    pub(super) fn read_only() -> Refusal {
        let message = "the disk of this node has failed: it can store nothing more";
        Refusal::new("read_only", message)
    }
}

impl From<Failed> for Refusal {
    fn from(Failed(failure, _): Failed) -> Refusal {
        let (code, message) = match failure {
            Failure::NotAMember => ("not_a_member", "this node is not part of a ring"),
            Failure::Overloaded => ("overloaded", "too much is going on at this node"),
            Failure::Unreachable => (
                "unreachable",
                "no node that serves the key could be reached",
            ),
            Failure::Store => (
                "store_unreachable",
                "the store of the node that owns the key is out of reach",
            ),
            Failure::TooManyHops => (
                "too_many_hops",
                "the lookup took more hops than there should be nodes",
            ),
            Failure::Unknown => (
                "unknown_outcome",
                "the owner did not answer in time: the change may have been made or not",
            ),
            Failure::Taken(_)
            | Failure::LastNode
            | Failure::NoTaker
            | Failure::Members(_)
            | Failure::NoList => ("refused", "this node can't do that to an item"),
        };
        Refusal::new(code, message)
    }
}

const OPS: &str = "PUT, GET_ONE, GET_ALL or DELETE";
