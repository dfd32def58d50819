//! Failure: the ends of a command that have an exit code of their own. Every other error is 1.

use std::process::ExitCode;

/// An end that scripts can tell from the others by its exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed makes no sense (2).
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there (3).
    #[error("{0}")]
    NotFound(String),
    /// There is no network, or none of its processes answers (4).
    #[error("{0}")]
    NoNetwork(String),
    /// Whoever read our output has stopped reading: no failure at all (0).
    #[error("nobody reads standard output any more")]
    Unread,
}

/// The command did not do what it was asked to (1).
pub(crate) const FAILED: u8 = 1;
/// What was asked for is not there (3).
pub(crate) const NOT_FOUND: u8 = 3;

/// The exit code for an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(Failure::Unread) => ExitCode::SUCCESS,
        Some(Failure::Usage(_)) => ExitCode::from(2),
        Some(Failure::NotFound(_)) => ExitCode::from(NOT_FOUND),
        Some(Failure::NoNetwork(_)) => ExitCode::from(4),
        None => ExitCode::from(FAILED),
    }
}
