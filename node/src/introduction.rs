//! Introduction: who somebody at an address is, by its own word, and whether it may be in one network with this
//! node.

use std::time::Duration;

use dht::Id;
use dht::ownership::Ownership;
use dht::placement::Scheme;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::{Config, Entry, Membership, scheme_flags};
use crate::service::Service;
use crate::{Address, Member, Peer, peers};

/// What is needed of a node's `GET /nodeinfo`.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeInfo {
    pub(crate) name: String,
    id: Id,
    address: Address,
    incarnation: u32,
    network: String,
    ownership: Ownership,
    replicas: u8,
    membership: Membership,
    scheme: Option<Scheme>,
    label: String,
    weight: u16,
    zone: Option<String>,
}

/// Why somebody gives no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It may give one later.
    Later(String),
    /// It will not: the error's code, and what it says.
    Final(String, String),
}

/// Why somebody may not be in one network with this node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stranger {
    /// It belongs to another network.
    #[error("{member} belongs to the network `{theirs}`, not to `{ours}`: wrong network")]
    Network {
        member: String,
        theirs: String,
        ours: String,
    },
    /// What must be the same in a whole network is not.
    #[error("{member} has another {setting}: start this node with `{theirs}`")]
    Setting {
        member: String,
        setting: &'static str,
        theirs: String,
    },
}

/// Whether a text is host and port, and nothing else that a URL may hold.
pub(crate) fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        let has_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        has_port && !host.is_empty() && !host.contains(['/', '@', '?', '#'])
    })
}

/// Who is at an address: host and port.
pub(crate) async fn info(service: &Service, address: &str) -> Result<NodeInfo, Refusal> {
    if is_cut_off(service, address) {
        return Err(Refusal::Later(SILENT.to_owned()));
    }
    let client = service.driver().peers().client();
    answer(client.get(format!("http://{address}/nodeinfo"))).await
}

impl NodeInfo {
    /// Which node it is.
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            id: self.id,
            address: self.address,
            incarnation: self.incarnation,
        }
    }

    /// The same as a member of a list.
    pub(crate) fn member(&self) -> Member {
        Member {
            peer: self.peer(),
            name: self.name.clone(),
            label: self.label.clone(),
            weight: self.weight,
            zone: self.zone.as_deref().map(zone_number),
        }
    }

    /// Whether it may be in one network with this node. `member`: as this node was told of it.
    pub(crate) fn check(&self, ours: &Service, member: &str) -> Result<(), Stranger> {
        if self.network != ours.network {
            return Err(Stranger::Network {
                member: member.to_owned(),
                theirs: self.network.clone(),
                ours: ours.network.clone(),
            });
        }
        let (setting, theirs) = if self.membership != ours.membership {
            ("membership", format!("--membership {}", self.membership))
        } else if self.scheme != ours.scheme {
            (
                "placement",
                self.scheme.map_or_else(String::new, scheme_flags),
            )
        } else if self.ownership != ours.view().ownership {
            let theirs = self.ownership.pick("predecessor", "successor");
            ("ownership", format!("--ownership {theirs}"))
        } else if self.replicas != ours.replicas {
            ("replicas", format!("--replicas {}", self.replicas))
        } else {
            return Ok(());
        };
        Err(Stranger::Setting {
            member: member.to_owned(),
            setting,
            theirs,
        })
    }
}

/// This node as a member of a list.
pub(crate) fn own_member(config: &Config) -> Member {
    let (label, weight) = match &config.entry {
        Entry::Listed(listed) => (&listed.label, listed.weight),
        Entry::Ring(_) | Entry::Again(_) | Entry::Join(_) | Entry::Causal(_) => (&config.name, 1),
    };
    Member {
        peer: config.me,
        name: config.name.clone(),
        label: label.clone(),
        weight,
        zone: config.zone.as_deref().map(zone_number),
    }
}

/// What nodes call a zone among themselves.
pub(crate) fn zone_number(name: &str) -> u64 {
    let bytes = Id::of(name.as_bytes()).as_bytes()[..8].try_into();
    u64::from_be_bytes(bytes.expect("an identifier is longer"))
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

/// The answer to a question about membership, as JSON.
pub(crate) async fn answer<T: DeserializeOwned>(question: RequestBuilder) -> Result<T, Refusal> {
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

/// `POST /join` looks the place up first, around dead nodes if it must.
const ANSWER_MAX: Duration = Duration::from_secs(5);
