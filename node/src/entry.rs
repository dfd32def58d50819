//! Entry: how a node that has just begun to listen gets into a ring, and back into one.
//!
//! It asks the members it was told of who they are, and the first that answers for its place. All that
//! is only a hint; what counts is what the future predecessor says itself, which is the protocol's part.

use std::convert::Infallible;
use std::time::Duration;

use dht::Id;
use dht::ownership::Ownership;
use dht::view::Phase;
use futures::future::join_all;
use rand::RngExt as _;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::config::{Config, Entry};
use crate::envelope::NETWORK_HEADER;
use crate::service::{Failed, Service};
use crate::{Address, Failure, Peer, peers};

/// Why a node is in no ring.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The member belongs to another network.
    #[error("{member} belongs to the network `{theirs}`, not to `{ours}`: wrong network")]
    Network {
        member: String,
        theirs: String,
        ours: String,
    },
    /// What must be the same in a whole network is not.
    #[error("{member} has another {setting}: start this node with `--{setting} {theirs}`")]
    Setting {
        member: String,
        setting: &'static str,
        theirs: String,
    },
    /// A living node has the identifier.
    #[error("the identifier is taken: {0}")]
    Taken(String),
    /// The members refuse it for another reason.
    #[error("cannot join: {0}")]
    Refused(String),
}

/// What is needed of a member's `GET /nodeinfo`.
#[derive(Debug, Deserialize)]
struct NodeInfo {
    id: Id,
    address: Address,
    incarnation: u32,
    network: String,
    ownership: Ownership,
    replicas: u8,
}

/// The answer to `POST /join`.
#[derive(Debug, Deserialize)]
struct Place {
    predecessor: Peer,
    successors: Vec<Peer>,
}

/// Why a member gives no answer.
#[derive(Debug)]
enum Refusal {
    /// It may give one later.
    Later(String),
    /// It will not: the error's code, and what it says.
    Final(String, String),
}

/// Gets the node into its ring, as it was told to.
pub(crate) async fn enter(service: &Service, config: &Config) -> Result<(), Error> {
    let Entry::Join(members) = &config.entry else {
        await_neighbours(service).await;
        info!("member of an ideal ring");
        return Ok(());
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
    info.check(config, member)?;
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
            Ok(info) => match info.check(config, member) {
                Ok(()) => service.driver().met(info.peer()),
                Err(error) => debug!("{error}"),
            },
            Err(Refusal::Later(reason) | Refusal::Final(_, reason)) => debug!("{member}: {reason}"),
        }
    }
}

/// Who a member is.
async fn info(service: &Service, member: &str) -> Result<NodeInfo, Refusal> {
    if is_cut_off(service, member) {
        return Err(Refusal::Later(SILENT.to_owned()));
    }
    let client = service.driver().peers().client();
    answer(client.get(format!("http://{member}/nodeinfo"))).await
}

impl NodeInfo {
    fn peer(&self) -> Peer {
        Peer {
            id: self.id,
            address: self.address,
            incarnation: self.incarnation,
        }
    }

    /// Whether it may be in one ring with a node that is configured so.
    fn check(&self, config: &Config, member: &str) -> Result<(), Error> {
        if self.network != config.network {
            return Err(Error::Network {
                member: member.to_owned(),
                theirs: self.network.clone(),
                ours: config.network.clone(),
            });
        }
        let differs = |setting, theirs| Error::Setting {
            member: member.to_owned(),
            setting,
            theirs,
        };
        if self.ownership != config.ownership {
            let theirs = self.ownership.pick("predecessor", "successor");
            return Err(differs("ownership", theirs.to_owned()));
        }
        if self.replicas != config.replicas {
            return Err(differs("replicas", self.replicas.to_string()));
        }
        Ok(())
    }
}

/// Whether faults keep this node from a member; those are told by addresses in numbers.
fn is_cut_off(service: &Service, member: &str) -> bool {
    let faults = service.driver().peers().faults();
    faults.is_some_and(|faults| {
        member
            .parse()
            .is_ok_and(|address| faults.is_cut_off(address))
    })
}

async fn answer<T: DeserializeOwned>(question: RequestBuilder) -> Result<T, Refusal> {
    let response = question.timeout(ANSWER_MAX).send().await.map_err(|error| {
        let reason = if error.is_connect() {
            "nobody listens there"
        } else {
            SILENT
        };
        Refusal::Later(reason.to_owned())
    })?;
    let status = response.status();
    let body = peers::read(response).await;
    let body = body.ok_or_else(|| Refusal::Later("its answer breaks off".to_owned()))?;
    if status.is_success() {
        let nonsense =
            |_| Refusal::Later("its answer makes no sense: it may be no node".to_owned());
        return serde_json::from_slice(&body).map_err(nonsense);
    }
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |field| error["error"][field].as_str().map(str::to_owned);
    let message = text("message").unwrap_or_else(|| format!("it answers with status {status}"));
    if status.is_client_error() {
        Err(Refusal::Final(text("code").unwrap_or_default(), message))
    } else {
        Err(Refusal::Later(message))
    }
}

const SILENT: &str = "it does not answer";

/// For how long members are asked that are busy, or not there yet.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks for members: of a node that has lost its place, and of one that seems to need none.
const PAUSE_LOST: Duration = Duration::from_secs(1);
const PAUSE_MEMBER: Duration = Duration::from_secs(60);
/// Members of a new ring are there within moments.
const PAUSE_START: Duration = Duration::from_millis(20);
/// `POST /join` looks the place up first, around dead nodes if it must.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// More would not be better.
const HINTS_MAX: usize = 8;
