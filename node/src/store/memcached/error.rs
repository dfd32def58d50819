//! Error: why memcached is of no use.

use memcache::exp;

/// Why there is no store. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers.
    #[error(
        "no memcached answers at {0} ({1}): start one there, or name another one by \
         --store memcached://HOST:PORT"
    )]
    Unreachable(String, String),
    /// Somebody answers, but not to the commands that are needed.
    #[error("what answers at {0} is no memcached of version 1.6 or later ({1})")]
    Foreign(String, String),
}

/// The server can't be reached, or does not take a value; nothing can be said of what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable;

/// The cause in words, without the key.
pub(super) fn cause(error: &exp::Error) -> String {
    match error {
        exp::Error::Io(error) => error.to_string(),
        exp::Error::Timeout { .. } => "it takes too long".to_owned(),
        exp::Error::Ambiguous { source, .. } => cause(source),
        error => error.to_string(),
    }
}

/// Whether it is an answer, so that the server is there.
pub(super) fn is_answer(error: &exp::Error) -> bool {
    match error {
        exp::Error::Server(_) | exp::Error::Rejected(_) | exp::Error::Usage(_) => true,
        exp::Error::Ambiguous { source, .. } => is_answer(source),
        _ => false,
    }
}
