//! Listed: what a node of a network is told whose members are a complete list.

use std::fmt;
use std::net::SocketAddr;

use dht::placement::{Hash, Scheme};
use serde::{Deserialize, Serialize};

use crate::config::draft::{Draft, Engine};
use crate::config::{Entry, Error, NAME_BYTES_MAX, resolve};
use crate::consul::Consul;

/// How a node belongs to a list of members.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Who says which members there are.
    pub source: Source,
    /// How keys are placed; the same in the whole network.
    pub scheme: Scheme,
    /// What is hashed for its place on a ring by murmur3.
    pub label: String,
    /// How much this node should hold, compared to others; 1 where the scheme knows no weights.
    pub weight: u16,
}

/// Who says which members there are.
#[derive(Clone, Debug)]
pub enum Source {
    /// This list, at the beginning; from then on whoever changes it at `/members`.
    Static(Vec<Listing>),
    /// A service in Consul, always.
    Consul {
        /// Where Consul is.
        consul: Consul,
        /// Name of the service.
        service: String,
    },
}

/// A member as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Where it is reached.
    pub address: SocketAddr,
    /// What it must say that it is called, if that is known.
    pub name: Option<String>,
}

/// Where members are told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// Nowhere: the ring keeps itself, and each node knows a few.
    #[default]
    Chord,
    /// In a list that each node is started with.
    Static,
    /// In Consul.
    Consul,
}

/// How keys are placed, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Each to the next position on a ring.
    Ring,
    /// By partitions in a fixed number.
    Partitions,
    /// To whoever draws highest for it.
    Rendezvous,
    /// By jumps to numbered members.
    Jump,
}

/// What the values about listed members mean together; nothing where the ring keeps itself.
pub(super) fn listed(draft: &Draft, name: &str, me: SocketAddr) -> Result<Option<Listed>, Error> {
    if draft.values.membership == Membership::Chord {
        return refuse_without_list(draft).map(|()| None);
    }
    refuse_with_list(draft)?;
    Ok(Some(Listed {
        source: source(draft, me)?,
        scheme: scheme(draft)?,
        label: label(draft, name)?,
        weight: weight(draft)?,
    }))
}

/// What makes sense only where there is a list.
fn refuse_without_list(draft: &Draft) -> Result<(), Error> {
    let values = &draft.values;
    let needs_list = "it needs the complete list of members, and nodes of a Chord ring know only a few: set \
        membership to static or consul";
    if let Some(placement) = values.placement
        && placement != Placement::Ring
    {
        return Err(draft.refuse("placement", name_of(placement), needs_list));
    }
    let given = [
        ("partitions", values.partitions.map(|n| n.to_string())),
        ("positions", values.positions.map(|n| n.to_string())),
        ("hash", values.hash.map(|hash| hash_name(hash).to_owned())),
        ("label", values.label.clone()),
        ("weight", values.weight.map(|n| n.to_string())),
        (
            "members",
            Some(values.members.join(",")).filter(|list| !list.is_empty()),
        ),
        ("consul", values.consul.clone()),
        ("service", values.service.clone()),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            return Err(draft.refuse(key, value, needs_list));
        }
    }
    Ok(())
}

/// What makes sense only where there is none.
fn refuse_with_list(draft: &Draft) -> Result<(), Error> {
    let values = &draft.values;
    let lists = [
        ("ring", &values.ring),
        ("again", &values.again),
        ("join", &values.join),
    ];
    for (key, list) in lists {
        if !list.is_empty() {
            let reason =
                "the members are listed, and nobody joins a ring: leave it out, or membership";
            return Err(draft.refuse(key, list.join(","), reason));
        }
    }
    if values.ownership == dht::Ownership::Predecessor {
        let reason =
            "placements over a list of members do not know it: it is for membership = chord";
        return Err(draft.refuse("ownership", "predecessor", reason));
    }
    if let Some(trace) = &values.trace {
        let reason = "only nodes of a ring can live again by a trace";
        return Err(draft.refuse("trace", trace.display(), reason));
    }
    if let Some(rate) = values.fetch_rate {
        let reason = "it limits what groups of a ring fetch: it is for membership = chord";
        return Err(draft.refuse("fetch_rate", rate, reason));
    }
    Ok(())
}

fn source(draft: &Draft, me: SocketAddr) -> Result<Source, Error> {
    let values = &draft.values;
    if values.membership == Membership::Consul {
        if !values.members.is_empty() {
            let reason = "Consul tells who they are: leave it out, or set membership to static";
            return Err(draft.refuse("members", values.members.join(","), reason));
        }
        let url = values.consul.as_deref();
        let consul = Consul::of_environment(url).map_err(|error| {
            draft.refuse(
                "consul",
                url.unwrap_or("CONSUL_HTTP_ADDR"),
                error.to_string(),
            )
        })?;
        return Ok(Source::Consul {
            consul,
            service: service(draft)?,
        });
    }
    for (key, value) in [("consul", &values.consul), ("service", &values.service)] {
        if let Some(value) = value {
            let reason = "the members are listed: leave it out, or set membership to consul";
            return Err(draft.refuse(key, value, reason));
        }
    }
    if values.members.is_empty() {
        return Err(Error::Entry(
            "a static membership needs its list: `--members HOST:PORT,…`, this node included",
        ));
    }
    let listing =
        |text: &String| listing(text).map_err(|reason| draft.refuse("members", text, reason));
    let members: Vec<Listing> = values
        .members
        .iter()
        .map(listing)
        .collect::<Result<_, _>>()?;
    for (place, member) in members.iter().enumerate() {
        if members[..place]
            .iter()
            .any(|other| other.address == member.address)
        {
            return Err(draft.refuse("members", member.address, "it is there twice"));
        }
    }
    if !members.iter().any(|member| member.address == me) {
        let reason = format!("this node, {me}, is not among them");
        return Err(draft.refuse("members", values.members.join(","), reason));
    }
    Ok(Source::Static(members))
}

/// `HOST:PORT` or `NAME@HOST:PORT`. The error is the reason in words.
fn listing(text: &str) -> Result<Listing, String> {
    // From the end, for a name may hold any of the marks.
    let (name, address) = match text.rsplit_once('@') {
        Some(("", _)) => return Err("its name is empty".to_owned()),
        Some((name, address)) => (Some(name), address),
        None => (None, text),
    };
    Ok(Listing {
        address: resolve(address)?,
        name: name.map(str::to_owned),
    })
}

fn service(draft: &Draft) -> Result<String, Error> {
    let service = draft.values.service.as_deref().unwrap_or(SERVICE);
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !(1..=SERVICE_BYTES_MAX).contains(&service.len()) || !service.bytes().all(is_good) {
        let reason = format!("it must be 1 to {SERVICE_BYTES_MAX} letters, digits and hyphens");
        return Err(draft.refuse("service", service, reason));
    }
    Ok(service.to_owned())
}

fn scheme(draft: &Draft) -> Result<Scheme, Error> {
    let values = &draft.values;
    let placement = values.placement.unwrap_or(Placement::Ring);
    let partitions = values
        .partitions
        .filter(|_| placement != Placement::Partitions);
    let positions = values.positions.filter(|_| placement != Placement::Ring);
    let hash = values.hash.filter(|_| placement != Placement::Ring);
    for (key, value) in [
        ("partitions", partitions.map(|count| count.to_string())),
        ("positions", positions.map(|count| count.to_string())),
        ("hash", hash.map(|hash| hash_name(hash).to_owned())),
    ] {
        if let Some(value) = value {
            let reason = format!("placement = {} has none", name_of(placement));
            return Err(draft.refuse(key, value, reason));
        }
    }
    if placement == Placement::Jump && values.membership == Membership::Consul {
        let reason = "it needs members that are numbered, and those in Consul are not: set placement to \
            rendezvous";
        return Err(draft.refuse("placement", "jump", reason));
    }
    let within = |key, value: u16, max: u16| match (1..=max).contains(&value) {
        true => Ok(value),
        false => Err(draft.refuse(key, value, format!("it must be 1 to {max}"))),
    };
    Ok(match placement {
        Placement::Ring => Scheme::Ring {
            positions: within(
                "positions",
                values.positions.unwrap_or(POSITIONS),
                POSITIONS_MAX,
            )?,
            hash: values.hash.unwrap_or_default(),
        },
        Placement::Partitions => Scheme::Partitions {
            count: within(
                "partitions",
                values.partitions.unwrap_or(PARTITIONS),
                PARTITIONS_MAX,
            )?,
        },
        Placement::Rendezvous => Scheme::Rendezvous,
        Placement::Jump => Scheme::Jump,
    })
}

/// What is hashed for the place of this node, where labels are.
fn label(draft: &Draft, name: &str) -> Result<String, Error> {
    let values = &draft.values;
    let Some(label) = &values.label else {
        return Ok(match &values.store {
            Engine::Memcached(server) => python_label(server),
            Engine::Memory | Engine::Disk => name.to_owned(),
        });
    };
    let reason = if values.hash != Some(Hash::Murmur3) {
        "only places on a ring by murmur3 go by it: set hash to murmur3".to_owned()
    } else if !(1..=NAME_BYTES_MAX).contains(&label.len()) || label.chars().any(char::is_control) {
        format!("it must be 1 to {NAME_BYTES_MAX} bytes without control characters")
    } else {
        return Ok(label.clone());
    };
    Err(draft.refuse("label", label, reason))
}

/// A server as Python writes the pair of its host and port, which is what clients there hash.
fn python_label(server: &str) -> String {
    let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
    format!("('{host}', {port})")
}

fn weight(draft: &Draft) -> Result<u16, Error> {
    let Some(weight) = draft.values.weight else {
        return Ok(1);
    };
    let placement = draft.values.placement.unwrap_or(Placement::Ring);
    let reason = if !scheme(draft)?.is_weighted() {
        let name = name_of(placement);
        format!(
            "placement = {name} gives all members the same: set placement to ring or rendezvous"
        )
    } else if !(1..=WEIGHT_MAX).contains(&weight) {
        format!("it must be 1 to {WEIGHT_MAX}")
    } else {
        return Ok(weight);
    };
    Err(draft.refuse("weight", weight, reason))
}

impl Entry {
    /// Where members are told of.
    pub fn membership(&self) -> Membership {
        match self {
            Entry::Ring(_) | Entry::Again(_) | Entry::Join(_) | Entry::Causal(_) => {
                Membership::Chord
            }
            Entry::Listed(listed) => match listed.source {
                Source::Static(_) => Membership::Static,
                Source::Consul { .. } => Membership::Consul,
            },
        }
    }

    /// How keys are placed on listed members; nothing where the ring keeps itself.
    pub fn scheme(&self) -> Option<Scheme> {
        match self {
            Entry::Ring(_) | Entry::Again(_) | Entry::Join(_) | Entry::Causal(_) => None,
            Entry::Listed(listed) => Some(listed.scheme),
        }
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Membership::Chord => "chord",
            Membership::Static => "static",
            Membership::Consul => "consul",
        })
    }
}

/// What people call the way in which a scheme places keys.
pub fn placement_name(scheme: Scheme) -> &'static str {
    name_of(match scheme {
        Scheme::Ring { .. } => Placement::Ring,
        Scheme::Partitions { .. } => Placement::Partitions,
        Scheme::Rendezvous => Placement::Rendezvous,
        Scheme::Jump => Placement::Jump,
    })
}

/// A scheme as flags of a node.
pub fn scheme_flags(scheme: Scheme) -> String {
    let name = placement_name(scheme);
    match scheme {
        Scheme::Ring { positions, hash } => {
            let hash = hash_name(hash);
            format!("--placement {name} --positions {positions} --hash {hash}")
        }
        Scheme::Partitions { count } => format!("--placement {name} --partitions {count}"),
        Scheme::Rendezvous | Scheme::Jump => format!("--placement {name}"),
    }
}

fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "sha1",
        Hash::Murmur3 => "murmur3",
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(*self))
    }
}

fn name_of(placement: Placement) -> &'static str {
    match placement {
        Placement::Ring => "ring",
        Placement::Partitions => "partitions",
        Placement::Rendezvous => "rendezvous",
        Placement::Jump => "jump",
    }
}

const SERVICE: &str = "dht";
/// The longest label of a name in DNS, which Consul makes of it.
const SERVICE_BYTES_MAX: usize = 63;

const PARTITIONS: u16 = 200;
/// Each change of the list may take as many steps.
const PARTITIONS_MAX: u16 = 16_384;
const POSITIONS: u16 = 128;
const POSITIONS_MAX: u16 = 4_096;
/// A hundred times as much as another one is as good as all of it.
const WEIGHT_MAX: u16 = 100;
