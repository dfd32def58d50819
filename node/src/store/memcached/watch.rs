//! Watch: a thread that looks whether memcached is there, and what it has forgotten.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::engine::Engine;
use super::server::{Look, Server};

/// The thread; it ends with this.
#[derive(Debug)]
pub(super) struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn begin(engine: Arc<RwLock<Engine>>, server: Arc<Server>) -> Watch {
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("memcached".to_owned());
        let thread = thread.spawn(move || watch(&engine, &server, &ended));
        Watch {
            end: Some(end),
            thread: Some(thread.expect("a process may have one more thread")),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(engine: &RwLock<Engine>, server: &Server, ended: &Receiver<()>) {
    loop {
        let pause = match server.trouble() {
            Some(_) => PAUSE_AWAY,
            None => PAUSE,
        };
        if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        // The mark comes last: as long as it is not there all is looked for once more.
        if server.look() == Look::Emptied && sweep(engine, server) {
            server.leave_mark();
        }
    }
}

/// Looks for all that is in the index, so that what is gone does not count any more. Returns whether it came
/// to the end.
fn sweep(engine: &RwLock<Engine>, server: &Server) -> bool {
    let mut after = None;
    loop {
        let read = || engine.read().unwrap_or_else(PoisonError::into_inner);
        let page = read().places(after, SWEEP_MAX);
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(*last);
        let values: Vec<_> = page
            .into_iter()
            .filter_map(|(key, place)| Some((key, place?)))
            .collect();
        let Ok(found) = server.has(&values) else {
            return false;
        };
        let gone = values.into_iter().zip(found).filter(|(_, found)| !found);
        read().are_gone(gone.map(|(value, _)| value));
    }
    let mut engine = engine.write().unwrap_or_else(PoisonError::into_inner);
    engine.forget_gone();
    true
}

/// Between two looks: so long it may take until a node says that it is not ready.
const PAUSE: Duration = Duration::from_secs(1);

/// The same while memcached is away.
const PAUSE_AWAY: Duration = Duration::from_millis(200);

/// Values looked for in one round trip.
const SWEEP_MAX: usize = 512;
