//! memcached: the text protocol of memcached 1.6, with its meta commands, for clients that are there already.
//!
//! ```text
//! bytes ─► codec ─► request ─► answer ─► service
//!            (command, meta)      └────► output ─► bytes
//! ```
//!
//! An item is the one under `/kv/<key>`, so any node serves any key, and both doors see the same. The "cas
//! unique" is its version. What is other than in memcached:
//!
//! - Nothing is thrown away to make room, and an item is written anew to be touched, so its version changes.
//! - A value behind a line that is refused is not taken for commands where the line says how long it is. Where
//!   that can't be read, or words are missing, what follows is the next line, as in memcached.
//! - `flush_all` takes as long as it takes to list everything; `E` and the last access are not to be had.
//! - Neither UDP, nor the binary protocol, nor commands about memory that is managed in slabs.

mod answer;
mod budget;
mod codec;
mod command;
mod connection;
mod counts;
mod expiry;
mod item;
mod limits;
mod line;
mod meta;
mod output;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use self::answer::Pending;
use self::budget::Budget;
use self::counts::Counts;
use self::limits::CONNECTIONS_MAX;
use crate::files;
use crate::service::Service;

/// A door that is open, until this goes.
#[derive(Debug)]
pub struct Door {
    /// Where clients come in.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

/// What all connections have in common.
#[derive(Debug)]
struct Shared {
    node: Arc<Service>,
    counts: Counts,
    budget: Budget,
    pending: Pending,
    connections_max: usize,
}

impl Door {
    /// Lets clients in at an address; port 0 is one that the system gives. Errors: it can't be had.
    pub async fn open(node: Arc<Service>, address: SocketAddr) -> io::Result<Door> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            node,
            counts: Counts::new(),
            budget: Budget::default(),
            pending: Pending::default(),
            connections_max: connections_max(),
        });
        let task = tokio::spawn(welcome(shared, listener));
        Ok(Door { address, task })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lets clients in for ever. They go when this does.
async fn welcome(shared: Arc<Shared>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while clients.try_join_next().is_some() {}
                let counts = &shared.counts.connections;
                match clients.len() < shared.connections_max {
                    true => {
                        counts.total.up();
                        clients.spawn(serve(shared.clone(), stream));
                    }
                    false => {
                        counts.rejected.up();
                        connection::turn_away(&stream);
                    }
                }
            }
            Err(error) => {
                tracing::debug!("a client could not be let in: {error}");
                // Most often there are too many files open, and some will be closed.
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let _here = shared.counts.connections.enter();
    if let Err(error) = connection::serve(&shared, stream).await {
        tracing::debug!("a client is gone: {error}");
    }
}

/// Not more than half of the files that this process may open: other nodes and the other doors need some.
fn connections_max() -> usize {
    files::limit().map_or(CONNECTIONS_MAX, |files| CONNECTIONS_MAX.min(files / 2))
}

/// Before the next client is let in, where one could not be.
const PAUSE: Duration = Duration::from_millis(100);
