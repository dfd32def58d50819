//! zeromq: one JSON object a message over ZeroMQ, for clients with REQ or DEALER sockets in any language.
//!
//! ```text
//! client ◄─TCP─► gate ◄─TCP─► REP socket ─► request ─► answer ─► service
//!               (frames)     (crate zeromq)    └─────► item
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `{"op":"PUT","key","value"}` | `{"status":"OK"}` |
//! | `{"op":"GET_ONE","key"}` | `{"key","value"}`, `value` null where there is none |
//! | `{"op":"GET_ALL"}`, with `"limit"` and `"after"` in pages | `{"collection":[{"key","value"}…]}` of what this node holds; a page has `"next"` |
//! | `{"op":"DELETE","key"}` | `{"status":"OK"}`, also where there was nothing |
//!
//! An item is the one under `/kv/<key>`, so any node serves any key, and all doors see the same. A string is kept
//! as its bytes; any other value as its JSON text, with a mark by which this door shows it as what it was. Bytes
//! that are no text are shown in base64, as `value_base64`. What can't be done is answered by
//! `{"error":{"code","message"}}`, and the connection goes on.
//!
//! Each connection has a REP socket of its own: requests of one client are answered in their order, those of
//! many at once, and who does not read has one answer waiting. The socket stands behind a gate, because it
//! takes memory for a frame as soon as its length is announced, however large.

mod answer;
mod connection;
mod frames;
mod gate;
mod item;
mod limits;
mod refusal;
mod request;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngExt as _;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use self::limits::{
    CONNECT_MAX, CONNECTIONS_MAX, FILES_PER_CONNECTION, PAUSE_ACCEPT, PAUSE_MAX, PAUSE_MIN,
};
use crate::config::{Endpoint, Side};
use crate::files;
use crate::service::Service;

/// A door that is open, until this goes.
#[derive(Debug)]
pub struct Door {
    /// The ways in; where the system gave a port it is named.
    pub endpoints: Vec<Endpoint>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why a door can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {0} for clients of ZeroMQ: {1}")]
pub struct Error(Endpoint, #[source] io::Error);

impl Door {
    /// Lets clients in at these endpoints. Errors: nobody can listen at one of them; then none is open.
    pub async fn open(node: Arc<Service>, endpoints: &[Endpoint]) -> Result<Door, Error> {
        let room = Arc::new(Semaphore::new(connections_max()));
        let mut door = Door {
            endpoints: Vec::new(),
            tasks: Vec::new(),
        };
        for endpoint in endpoints {
            let (node, room, mut endpoint) = (node.clone(), room.clone(), endpoint.clone());
            let task = match endpoint.side {
                Side::Bind => {
                    let bound = bind(&endpoint.address).await;
                    let (listener, address) =
                        bound.map_err(|error| Error(endpoint.clone(), error))?;
                    endpoint.address = address.to_string();
                    tokio::spawn(welcome(node, room, listener))
                }
                Side::Connect => tokio::spawn(visit(node, endpoint.address.clone())),
            };
            door.endpoints.push(endpoint);
            door.tasks.push(task);
        }
        Ok(door)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn bind(address: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let addresses: Vec<SocketAddr> = lookup_host(address).await?.collect();
    let listener = TcpListener::bind(&addresses[..]).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Lets clients in for ever. They go when this does.
async fn welcome(node: Arc<Service>, room: Arc<Semaphore>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                while clients.try_join_next().is_some() {}
                // A client of ZeroMQ that is turned away comes again by itself.
                let Ok(place) = room.clone().try_acquire_owned() else {
                    tracing::debug!(%address, "a client of ZeroMQ is turned away: there are too many");
                    continue;
                };
                let node = node.clone();
                clients.spawn(async move {
                    serve(&node, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!("a client of ZeroMQ could not be let in: {error}");
                // Most often there are too many files open, and some will be closed.
                sleep(PAUSE_ACCEPT).await;
            }
        }
    }
}

/// Goes to a client that listens, again and again for as long as it is away. Its place is its own: those who come by
/// themselves can't take it.
async fn visit(node: Arc<Service>, address: String) {
    let mut pause = PAUSE_MIN;
    loop {
        let connected = timeout(CONNECT_MAX, TcpStream::connect(&address)).await;
        if let Ok(Ok(stream)) = connected {
            tracing::debug!(address, "connected to a client of ZeroMQ");
            let begun = Instant::now();
            serve(&node, stream).await;
            if begun.elapsed() > PAUSE_MAX {
                pause = PAUSE_MIN;
            }
        }
        // Many nodes may wait for one client.
        let part = rand::rng().random_range(0.5..1.0);
        sleep(pause.mul_f64(part)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn serve(node: &Service, stream: TcpStream) {
    let ended = connection::serve(node, stream).await;
    if let Err(end) = ended {
        tracing::debug!("a client of ZeroMQ is gone: {end}");
    }
}

/// Not more than a quarter of the files that this process may open: other nodes and the other doors need some.
fn connections_max() -> usize {
    files::limit().map_or(CONNECTIONS_MAX, |files| {
        CONNECTIONS_MAX.min(files / 4 / FILES_PER_CONNECTION)
    })
}
