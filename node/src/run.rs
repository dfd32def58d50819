//! Run: the life of a node process, from its flags to its exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use dht::Id;
use dht::store::Store as _;
use dht::trace::Birth;
use tracing::{info, warn};

use crate::args::Args;
use crate::config::{Config, Entry, Storage};
use crate::content::Content;
use crate::doors::{memcached, zeromq};
use crate::driver::{Driver, Trace};
use crate::entry::{enter, seek};
use crate::exit::{End, Signals, leave};
use crate::peers::Peers;
use crate::schedule::{BEAT, Maintenance};
use crate::server::{self, Server};
use crate::service::Service;
use crate::store::{self, DiskStore};
use crate::{Address, config, entry, exit, log, schedule};

/// Runs a node until it is told to stop. Exit codes: 0 it has left its ring or stopped, 1 it failed, 2 it can't
/// be configured so; an error stands on standard error.
pub fn run(args: Args) -> ExitCode {
    log::start();
    match try_run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                Error::Config(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Why a node has failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    #[error("cannot listen to signals: {0}")]
    Signals(std::io::Error),
    #[error("cannot write the trace {0:?}: {1}")]
    Trace(PathBuf, std::io::Error),
    #[error(transparent)]
    Store(#[from] store::disk::Error),
    #[error(transparent)]
    Server(#[from] server::Error),
    #[error(transparent)]
    ZeroMq(#[from] zeromq::Error),
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    #[error(transparent)]
    Entry(#[from] entry::Error),
    #[error(transparent)]
    Exit(#[from] exit::Error),
}

fn try_run(args: &Args) -> Result<(), Error> {
    let config = Config::load(args)?;
    let runtime = server::runtime(config.workers).map_err(Error::Threads)?;
    let result = runtime.block_on(live(&config));
    // Whatever still goes on is of no use to anyone.
    runtime.shutdown_background();
    result
}

async fn live(config: &Config) -> Result<(), Error> {
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let mut peers = Peers::new(&config.network);
    if config.fault_injection {
        warn!("anyone who reaches this node can cut it off: faults are injected at /faults");
        peers = peers.with_faults();
    }
    let content = content(config)?;
    let birth = birth(config, &content);
    let driver = Driver::new(birth.node(), peers, content, trace(config, birth)?);
    let service = Arc::new(Service::new(driver, config));
    // Listening comes first: a port that is taken is the end of it, and members call back.
    let rocket = server::build(service.clone(), config.workers);
    let server = Server::start(rocket, config.me.address).await?;
    info!(name = config.name, id = %config.me.id, address = %config.me.address, "listening");
    let memcached = let_memcached_in(&service, config).await?;
    let zeromq = let_zeromq_in(&service, config).await?;

    let entered = tokio::select! {
        entered = enter(&service, config) => entered,
        () = signals.next() => {
            info!("ended before it was part of a ring");
            return Ok(());
        }
    };
    entered?;
    // Only now: to look for neighbours that are still starting would be to find them dead.
    let _maintenance = Maintenance::start(service.driver(), config.intervals).await?;
    service.settle();
    let end = tokio::select! {
        () = service.has_left() => End::Asked,
        () = signals.next() => End::Signal,
        never = seek(&service, config) => match never {},
    };
    let left = match end {
        End::Asked => Ok(()),
        End::Signal if service.driver().content().outlasts() => {
            info!("stops; what it holds stays on disk");
            Ok(())
        }
        End::Signal => leave(&service, &mut signals).await,
    };
    drop((memcached, zeromq));
    server.stop().await;
    service.driver().content().close();
    Ok(left?)
}

/// Lets clients of memcached in, if so configured.
async fn let_memcached_in(
    service: &Arc<Service>,
    config: &Config,
) -> Result<Option<memcached::Door>, Error> {
    let Some(address) = config.memcached else {
        return Ok(None);
    };
    let door = memcached::Door::open(service.clone(), address).await;
    let door = door.map_err(|error| server::Error::Address(address, error))?;
    info!(address = %door.address, "listening to clients of memcached");
    service.memcached.get_or_init(|| door.address);
    Ok(Some(door))
}

/// Lets clients of ZeroMQ in, if so configured.
async fn let_zeromq_in(service: &Arc<Service>, config: &Config) -> Result<zeromq::Door, Error> {
    let door = zeromq::Door::open(service.clone(), &config.zeromq).await?;
    for endpoint in &door.endpoints {
        info!(%endpoint, "lets clients of ZeroMQ in");
    }
    service.zeromq.get_or_init(|| door.endpoints.clone());
    Ok(door)
}

/// How the node begins.
fn birth(config: &Config, content: &Content) -> Birth<Address> {
    Birth {
        me: config.me,
        config: dht::Config {
            ownership: config.ownership,
            successors: config.successors,
            replicas: config.replicas,
            store: content.number().unwrap_or(config.me.incarnation),
            zone: config.zone.as_deref().map(zone_number),
            fetch: config.fetch_rate.map(per_beat),
            ..dht::Config::default()
        },
        ring: match &config.entry {
            Entry::Ring(ring) | Entry::Again(ring) => Some(ring.clone()),
            Entry::Join(_) => None,
        },
        again: matches!(config.entry, Entry::Again(_)),
        notes: content.notes(),
    }
}

/// Kilobytes a second as bytes a beat.
fn per_beat(kilobytes: u32) -> u32 {
    let bytes = u128::from(kilobytes) * 1_000 * BEAT.as_millis() / 1_000;
    bytes.try_into().unwrap_or(u32::MAX)
}

/// What nodes call a zone among themselves.
fn zone_number(name: &str) -> u64 {
    let bytes = Id::of(name.as_bytes()).as_bytes()[..8].try_into();
    u64::from_be_bytes(bytes.expect("an identifier is longer"))
}

/// What it has kept, if it keeps anything.
fn content(config: &Config) -> Result<Content, Error> {
    let Storage::Disk(folder) = &config.storage else {
        return Ok(Content::default());
    };
    let began = Instant::now();
    let store = DiskStore::open(folder, config.me.incarnation)?;
    let (values, number) = (store.len(), store.number());
    info!(
        values,
        number,
        ms = began.elapsed().as_millis(),
        "opened the store"
    );
    Ok(Content::Disk(store))
}

fn trace(config: &Config, birth: Birth<Address>) -> Result<Option<Trace>, Error> {
    let Some(path) = &config.trace else {
        return Ok(None);
    };
    let trace = Trace::begin(path, birth);
    trace
        .map(Some)
        .map_err(|error| Error::Trace(path.clone(), error))
}
