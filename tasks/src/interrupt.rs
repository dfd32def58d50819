//! Interrupt: Ctrl-C, and being told to end.

use std::future::pending;

use tokio::signal::unix::{SignalKind, signal};

/// Returns when this process is told to end (SIGINT, SIGTERM). From the first call on nothing else
/// happens then, so whoever calls it must see to the end.
pub(crate) async fn interrupted() {
    tokio::select! {
        () = told(SignalKind::interrupt()) => {}
        () = told(SignalKind::terminate()) => {}
    }
}

async fn told(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // No listener: the signal does what it always does, and ends the process.
        Err(_) => pending().await,
    }
}
