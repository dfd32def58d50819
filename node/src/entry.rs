//! Entry: how a node that has just begun to listen gets into a ring, and back into one.
//!
//! It asks the members it was told of who they are, and the first that answers for its place. All that
//! is only a hint; what counts is what the future predecessor says itself, which is the protocol's part.

use std::convert::Infallible;
use std::time::Duration;

use dht::view::Phase;
use futures::future::join_all;
use rand::RngExt as _;
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::config::{Config, Entry};
use crate::envelope::NETWORK_HEADER;
use crate::introduction::{Refusal, Stranger, answer, info};
use crate::service::{Failed, Service};
use crate::{Failure, Peer};

/// Why a node is in no ring.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A member belongs to another network, or what must be the same in all of it is not.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// A living node has the identifier.
    #[error("the identifier is taken: {0}")]
    Taken(String),
    /// The members refuse it for another reason.
    #[error("cannot join: {0}")]
    Refused(String),
}

/// The answer to `POST /join`.
#[derive(Debug, Deserialize)]
struct Place {
    predecessor: Peer,
    successors: Vec<Peer>,
}

/// Gets the node into its ring, as it was told to.
pub(crate) async fn enter(service: &Service, config: &Config) -> Result<(), Error> {
    let members = match &config.entry {
        Entry::Join(members) => members,
        Entry::Ring(_) | Entry::Again(_) => {
            await_neighbours(service).await;
            info!("member of an ideal ring");
            return Ok(());
        }
        // It is told of them as they answer.
        Entry::Listed(_) | Entry::Causal(_) => return Ok(()),
    };
    let hints = place(service, config, members).await?;
    match service.join(hints).await {
        Ok(()) => Ok(()),
        Err(Failed(Failure::Taken(peer), _)) => Err(Error::Taken(format!("{peer} is alive"))),
        Err(Failed(failure, _)) => Err(Error::Refused(format!(
            "the ring does not let it in ({failure:?})"
        ))),
    }
}

/// Waits until all that the node points to are there, for a while: the members of a new ring start at
/// the same time, some of them later than others.
async fn await_neighbours(service: &Service) {
    let view = service.view().clone();
    let fingers = view.fingers.iter().map(|finger| &finger.node);
    let known = view
        .successors
        .iter()
        .chain(&view.predecessor)
        .chain(fingers);
    let mut missing: Vec<Peer> = known.filter(|peer| **peer != view.me).copied().collect();
    missing.sort_unstable();
    missing.dedup();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pings = missing.iter().map(|peer| service.ping(*peer));
        let answers = join_all(pings).await;
        let silent = missing
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.is_err());
        missing = silent.map(|(peer, _)| *peer).collect();
        if missing.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            return warn!(?missing, "these members of the ring have not started");
        }
        sleep(PAUSE_START).await;
    }
}

/// The nodes to begin with: the predecessor-to-be, its successors, and a member that is known to be
/// there. A ring that is busy or not there yet is asked again for a while.
async fn place(service: &Service, config: &Config, members: &[String]) -> Result<Vec<Peer>, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut reasons = Vec::new();
        for member in members.iter().filter(|member| **member != service.address) {
            match ask(service, config, member).await? {
                Ok(hints) => return Ok(hints),
                Err(reason) => reasons.push(format!("{member}: {reason}")),
            }
        }
        let reasons = reasons.join("; ");
        if Instant::now() > deadline {
            let text = if reasons.is_empty() {
                "the only member named is this node itself"
            } else {
                &reasons
            };
            return Err(Error::Refused(text.to_owned()));
        }
        debug!("no place yet: {reasons}");
        sleep(PAUSE).await;
    }
}

/// Asks one member for a place. The inner error is a reason to go on trying, the outer one to give up.
async fn ask(
    service: &Service,
    config: &Config,
    member: &str,
) -> Result<Result<Vec<Peer>, String>, Error> {
    let info = match info(service, member).await {
        Ok(info) => info,
        Err(Refusal::Later(reason) | Refusal::Final(_, reason)) => return Ok(Err(reason)),
    };
    info.check(service, member)?;
    let client = service.driver().peers().client();
    let question = client
        .post(format!("http://{member}/join"))
        .header(NETWORK_HEADER, &config.network)
        .json(&config.me);
    match answer::<Place>(question).await {
        Ok(place) => {
            let hints = [place.predecessor, info.peer()]
                .into_iter()
                .chain(place.successors);
            Ok(Ok(hints
                .filter(|peer| *peer != config.me)
                .take(HINTS_MAX)
                .collect()))
        }
        Err(Refusal::Later(reason)) => Ok(Err(reason)),
        Err(Refusal::Final(code, reason)) if code == "identifier_taken" => {
            Err(Error::Taken(reason))
        }
        Err(Refusal::Final(_, reason)) => Err(Error::Refused(format!("{member}: {reason}"))),
    }
}

/// Looks for members now and then: of a ring that has gone on without this node, or one that never knew of it.
/// It tells the protocol who is there, which compares their ring with its own, or joins it if it has none.
pub(crate) async fn seek(service: &Service, config: &Config) -> Infallible {
    let members: Vec<String> = match &config.entry {
        Entry::Join(members) => members.clone(),
        Entry::Ring(ring) | Entry::Again(ring) => {
            let addresses = ring.iter().map(|peer| peer.address.to_string());
            addresses.collect()
        }
        Entry::Listed(_) | Entry::Causal(_) => Vec::new(),
    };
    let mut sought = Instant::now();
    loop {
        sleep(PAUSE_LOST.mul_f64(rand::rng().random_range(0.5..1.5))).await;
        if service.view().phase != Phase::Lost && sought.elapsed() < PAUSE_MEMBER {
            continue;
        }
        sought = Instant::now();
        let mut others = members.iter().filter(|member| **member != service.address);
        let count = others.clone().count();
        let place = rand::rng().random_range(0..count.max(1));
        let Some(member) = others.nth(place) else {
            continue;
        };
        match info(service, member).await {
            Ok(info) => match info.check(service, member) {
                Ok(()) => service.driver().met(info.peer()),
                Err(error) => debug!("{error}"),
            },
            Err(Refusal::Later(reason) | Refusal::Final(_, reason)) => debug!("{member}: {reason}"),
        }
    }
}

/// For how long members are asked that are busy, or not there yet.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks for members: of a node that has lost its place, and of one that seems to need none.
const PAUSE_LOST: Duration = Duration::from_secs(1);
const PAUSE_MEMBER: Duration = Duration::from_secs(60);
/// Members of a new ring are there within moments.
const PAUSE_START: Duration = Duration::from_millis(20);
/// More would not be better.
const HINTS_MAX: usize = 8;
