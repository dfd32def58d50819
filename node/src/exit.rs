//! Exit: how a node goes, within a bounded time.

use std::io;
use std::process;
use std::time::Duration;

use dht::view::Phase;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::Failure;
use crate::clock::now_ms;
use crate::service::{Failed, Service};

/// Who ended it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Somebody asked it to leave, and it has left.
    Asked,
    /// A signal told it to.
    Signal,
}

/// Why a node could not leave. It ends all the same, and takes what it holds along.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody takes its content.
    #[error("nobody takes over what this node holds: it is lost unless somebody else has it")]
    NoTaker,
    /// It took too long.
    #[error("leaving took more than {} s: what was not handed over is lost", LEAVE_MAX.as_secs())]
    TooSlow,
}

/// The signals that end a node.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on these signals don't end the process by themselves.
    pub(crate) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Leaves the ring. A second signal ends the process at once.
pub(crate) async fn leave(service: &Service, signals: &mut Signals) -> Result<(), Error> {
    info!("leaving");
    tokio::select! {
        left = timeout(LEAVE_MAX, try_leave(service)) => left.unwrap_or(Err(Error::TooSlow)),
        () = signals.next() => {
            warn!("ended at once by a second signal");
            process::exit(1)
        }
    }
}

async fn try_leave(service: &Service) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        match service.leave().await {
            Ok(moved) => {
                let ms = began.elapsed().as_millis();
                info!(moved, ms, "left");
                return Ok(());
            }
            Err(Failed(Failure::LastNode, _)) => {
                let lost = service.driver().content().count(&service.shows(), now_ms());
                warn!(
                    lost,
                    "the last node of its network ends, and its content with it"
                );
                return Ok(());
            }
            Err(Failed(Failure::NoTaker, _)) => return Err(Error::NoTaker),
            // Somebody else has told it to leave, too.
            Err(_) if service.view().phase == Phase::Leaving => sleep(LOOK_AGAIN).await,
            Err(_) => {
                info!("was in no network");
                return Ok(());
            }
        }
    }
}

const LEAVE_MAX: Duration = Duration::from_secs(9);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
