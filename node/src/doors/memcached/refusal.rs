//! Refusal: what a client is told when something is not done.

use crate::Failure;
use crate::service::Failed;

/// Why a request is not carried out; nothing was changed, unless the words say that it may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such command, or it has too few or too many words.
    Unknown,
    /// There are too many clients.
    Crowd,
    /// The client has made a mistake.
    Client(&'static str),
    /// This node or another one can't do it.
    Server(&'static str),
}

impl Refusal {
    pub(super) const FORMAT: Refusal = Refusal::Client("bad command line format");
    pub(super) const DATA: Refusal = Refusal::Client("bad data chunk");
    pub(super) const EXPTIME: Refusal = Refusal::Client("invalid exptime argument");
    pub(super) const DELTA: Refusal = Refusal::Client("invalid numeric delta argument");
    pub(super) const NO_NUMBER: Refusal =
        Refusal::Client("cannot increment or decrement non-numeric value");
    pub(super) const DELETE: Refusal =
        Refusal::Client("bad command line format.  Usage: delete <key> [noreply]");
    pub(super) const LINE: Refusal = Refusal::Client("line too long");
    pub(super) const BINARY: Refusal =
        Refusal::Client("the binary protocol is not spoken here: use the text protocol");
    pub(super) const SILENCE: Refusal = Refusal::Client("the rest of the request did not come");
    pub(super) const LARGE: Refusal = Refusal::Server("object too large for cache");
    pub(super) const MEMORY: Refusal = Refusal::Server("out of memory storing object");
    pub(super) const CONTENDED: Refusal =
        Refusal::Server("others change this item all the time; it was left as it is");
    pub(super) const COLLISION: Refusal =
        Refusal::Server("another key has the same identifier; nothing was changed");
    pub(super) const READ_ONLY: Refusal =
        Refusal::Server("this node can store nothing now: its /readyz says why");

    /// The word that it begins with, and the rest.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Refusal::Unknown => ("ERROR", ""),
            // By this very line clients of memcached know it.
            Refusal::Crowd => ("ERROR ", "Too many open connections"),
            Refusal::Client(text) => ("CLIENT_ERROR ", text),
            Refusal::Server(text) => ("SERVER_ERROR ", text),
        }
    }
}

impl From<Failed> for Refusal {
    fn from(Failed(failure, _): Failed) -> Refusal {
        Refusal::Server(match failure {
            Failure::NotAMember => "this node is not part of a ring",
            Failure::Overloaded => "too much is going on at this node",
            Failure::Unreachable => "no node that serves the key could be reached",
            Failure::TooManyHops => "the lookup took more hops than there should be nodes",
            Failure::Store => "the store of the node that owns the key is out of reach",
            Failure::Unknown => {
                "the owner did not answer in time: the change may have been made or not"
            }
            Failure::Taken(_)
            | Failure::LastNode
            | Failure::NoTaker
            | Failure::Members(_)
            | Failure::NoList => "this node can't do that to an item",
        })
    }
}
