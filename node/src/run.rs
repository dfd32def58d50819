//! Run: the life of a node process, from its flags to its exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use dht::listed;
use dht::store::Store as _;
use dht::trace::Birth;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::args::Args;
use crate::config::{Config, Entry, Membership, Storage};
use crate::content::Content;
use crate::doors::{memcached, zeromq};
use crate::driver::{Driver, Trace};
use crate::entry::{enter, seek};
use crate::exit::{End, Signals, leave};
use crate::introduction::{own_member, zone_number};
use crate::members::{follow, sign_off};
use crate::peers::Peers;
use crate::schedule::{BEAT, Maintenance};
use crate::server::{self, Server};
use crate::service::Service;
use crate::store::{self, DiskStore, MemcachedStore};
use crate::{Address, Machine, config, entry, exit, files, log, members, schedule};

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
    Disk(#[from] store::disk::Error),
    #[error(transparent)]
    Memcached(#[from] store::memcached::Error),
    #[error(transparent)]
    Server(#[from] server::Error),
    #[error(transparent)]
    ZeroMq(#[from] zeromq::Error),
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    #[error(transparent)]
    Entry(#[from] entry::Error),
    #[error(transparent)]
    Members(#[from] members::Error),
    #[error(transparent)]
    Exit(#[from] exit::Error),
}

fn try_run(args: &Args) -> Result<(), Error> {
    let config = Config::load(args)?;
    files::raise_limit();
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
    let (node, trace) = machine(config, &content)?;
    let driver = Driver::new(node, peers, content, trace);
    let service = Arc::new(Service::new(driver, config));
    wait_for_own_second(config).await?;
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
        failed = look_out(&service, config) => return Err(failed.into()),
    };
    let left = match end {
        End::Asked => Ok(()),
        End::Signal if stays(&service, config) => {
            info!("stops; what it holds stays on disk");
            Ok(())
        }
        End::Signal => leave(&service, &mut signals).await,
    };
    if let Entry::Listed(listed) = &config.entry {
        sign_off(config, listed).await;
    }
    drop((memcached, zeromq));
    server.stop().await;
    service.driver().content().close();
    Ok(left?)
}

/// Waits until no other start can get the same incarnation by the clock. Nobody knows of this one before, so one
/// that begins in the same second, when this one has ended again, may have it.
async fn wait_for_own_second(config: &Config) -> Result<(), server::Error> {
    let Some(time) = config.silent_until else {
        return Ok(());
    };
    let _port = server::reserve(config.me.address)?;
    let left = time.duration_since(SystemTime::now()).unwrap_or_default();
    // No longer, if the clock is set back meanwhile.
    sleep(left.min(Duration::from_secs(1))).await;
    Ok(())
}

/// Sees to it that the node hears of others. Ends only where that can come to nothing.
async fn look_out(service: &Service, config: &Config) -> members::Error {
    let failed = match &config.entry {
        Entry::Listed(listed) => follow(service, config, listed).await,
        Entry::Ring(_) | Entry::Again(_) | Entry::Join(_) | Entry::Causal(_) => {
            Ok(seek(service, config).await)
        }
    };
    match failed {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

/// Whether a node that is told to end is still a member then, and will be back with what it holds. Whom Consul
/// does not list is none.
fn stays(service: &Service, config: &Config) -> bool {
    let is_followed = config.entry.membership() == Membership::Consul;
    let is_causal = matches!(config.entry, Entry::Causal(_));
    // Others have what a node of a causal store holds, and only an operator removes it from the view.
    is_causal || service.driver().content().outlasts() && !is_followed
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

/// The state machine, and where all that happens to it is written down, if anywhere.
fn machine(config: &Config, content: &Content) -> Result<(Machine, Option<Trace>), Error> {
    if let Entry::Listed(listed) = &config.entry {
        let settings = listed::Config {
            scheme: listed.scheme,
            replicas: config.replicas,
            follows: config.entry.membership() == Membership::Consul,
            ..listed::Config::default()
        };
        let node = dht::Listed::new(own_member(config), settings, &content.notes());
        return Ok((Machine::Listed(node), None));
    }
    if let Entry::Causal(causal) = &config.entry {
        let settings = dht::causal::Config {
            store: content.number().unwrap_or(config.me.incarnation),
            view: causal.view.clone(),
            shards: causal.shards,
        };
        let mut node = dht::Causal::new(config.me, settings);
        node.restore(&content.notes());
        return Ok((Machine::Causal(node), None));
    }
    let birth = birth(config, content);
    Ok((Machine::Ring(birth.node()), trace(config, birth)?))
}

/// How a node of a ring begins.
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
            Entry::Join(_) | Entry::Listed(_) | Entry::Causal(_) => None,
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

/// What it has kept, if it keeps anything.
fn content(config: &Config) -> Result<Content, Error> {
    match &config.storage {
        Storage::Memory => Ok(Content::default()),
        Storage::Disk(folder) => on_disk(config, folder),
        Storage::Memcached(server) => {
            let store = MemcachedStore::open(server, config.me.id)?;
            warn!(
                server,
                "values are kept in memcached, which promises nothing: what it evicts is gone, and all \
                 of it when memcached or this node ends"
            );
            Ok(Content::Memcached(store))
        }
    }
}

fn on_disk(config: &Config, folder: &Path) -> Result<Content, Error> {
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
