//! Server: the Rocket that the doors are built into.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rocket::config::{Config, Ident, LogLevel, Shutdown};
use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use rocket::figment::Figment;
use rocket::shield::{NoSniff, Shield};
use rocket::{Build, Rocket};
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::doors::http;
use crate::service::Service;

/// A Rocket as nodes use it, without routes. Neither `Rocket.toml` nor `ROCKET_*` have a say in it.
pub fn bare(address: SocketAddr, workers: NonZeroUsize) -> Rocket<Build> {
    let config = Config {
        address: address.ip(),
        port: address.port(),
        workers: workers.get(),
        ident: Ident::none(),
        ip_header: None,
        log_level: LogLevel::Off,
        cli_colors: false,
        // Signals are the node's own affair. Once it has left, nobody needs to be waited for long.
        shutdown: Shutdown {
            ctrlc: false,
            signals: Default::default(),
            grace: 1,
            mercy: 0,
            ..Shutdown::default()
        },
        ..Config::release_default()
    };
    // Values are anybody's bytes, so browsers must not guess what they are.
    rocket::custom(Figment::from(config)).attach(Shield::new().enable(NoSniff::Enable))
}

/// The Rocket of a node.
pub fn build(service: Arc<Service>, workers: NonZeroUsize) -> Rocket<Build> {
    let address = service.view().me.address;
    http::mount(bare(address, workers), service)
}

/// What a node runs on. One worker is the thread that it begins with, which saves the way from one
/// thread to another.
pub fn runtime(workers: NonZeroUsize) -> io::Result<Runtime> {
    let mut builder = match workers.get() {
        1 => Builder::new_current_thread(),
        workers => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    builder.thread_name("node").enable_all().build()
}

/// Takes an address without listening there: who connects to it is refused, and nobody is given it by the system.
/// A server can still be started there.
///
/// Errors: somebody listens there.
pub(crate) fn reserve(address: SocketAddr) -> Result<TcpSocket, Error> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let reserve = |socket: TcpSocket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    let reserved = socket.and_then(reserve);
    reserved.map_err(|error| Error::Address(address, error))
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    shutdown: rocket::Shutdown,
    task: JoinHandle<()>,
}

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be had.
    #[error("cannot listen on {0}: {1}")]
    Address(SocketAddr, io::Error),
    /// Anything else, which nobody expects.
    #[error("cannot start the server: {0}")]
    Other(String),
}

impl Server {
    /// Starts to listen. Returns as soon as it does.
    pub async fn start(rocket: Rocket<Build>, address: SocketAddr) -> Result<Server, Error> {
        let (sender, listens) = oneshot::channel();
        let rocket = rocket.attach(AdHoc::on_liftoff("listening", |_| {
            Box::pin(async move {
                // Nobody waits for it if the start was given up.
                let _ = sender.send(());
            })
        }));
        let rocket = rocket.ignite().await.map_err(|error| other(&error))?;
        let shutdown = rocket.shutdown();
        let mut task = tokio::spawn(rocket.launch());
        tokio::select! {
            Ok(()) = listens => {}
            ended = &mut task => return Err(match ended {
                Ok(Ok(_)) => Error::Other("it ended at once".to_owned()),
                Ok(Err(error)) => refused(&error, address),
                Err(error) => Error::Other(error.to_string()),
            }),
        }
        let task = tokio::spawn(async move {
            if let Ok(Err(error)) = task.await {
                // Also what Rocket calls an error when a client keeps its connection open.
                tracing::debug!("{}", other(&error));
            }
        });
        Ok(Server { shutdown, task })
    }

    /// Takes no more requests, and waits until those that are there are answered, but not long.
    pub async fn stop(self) {
        self.shutdown.notify();
        let _ = tokio::time::timeout(STOP_MAX, self.task).await;
    }
}

fn refused(error: &rocket::Error, address: SocketAddr) -> Error {
    match error.kind() {
        ErrorKind::Bind(error) => {
            Error::Address(address, io::Error::new(error.kind(), error.to_string()))
        }
        _ => other(error),
    }
}

/// Rocket's errors panic when they are dropped without having been looked at.
fn other(error: &rocket::Error) -> Error {
    Error::Other(error.kind().to_string())
}

/// Rocket itself waits for at least a second where any connection is open.
const STOP_MAX: Duration = Duration::from_millis(300);
