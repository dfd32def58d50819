//! Nodeinfo: what a node says of itself. Only what is needed here has a type; the rest is kept as
//! it came, so that `--json` passes on all that a node says.

use dht::id::Id;
use dht::ownership::Ownership;
use dht_state::Process;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::listed::Listed;

/// Another node, as nodes name each other.
pub(crate) type Peer = dht::peer::Peer<String>;

/// How nodes name the one that this process is.
pub(crate) fn peer_of(process: &Process) -> Peer {
    Peer {
        id: Id::of(process.name.as_bytes()),
        address: process.address.clone(),
        incarnation: process.incarnation,
    }
}

/// The answer to `GET /nodeinfo`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeInfo {
    /// Name of the node.
    pub(crate) name: String,
    /// Its identifier.
    pub(crate) id: Id,
    /// Where it listens.
    pub(crate) address: String,
    /// Which start of the node it is, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) incarnation: Option<u32>,
    /// The node before it; nothing while it joins.
    pub(crate) predecessor: Option<Peer>,
    /// The node after it; itself where it is alone, nothing while it joins.
    pub(crate) successor: Option<Peer>,
    /// The nodes after it, in ring order.
    pub(crate) successors: Vec<Peer>,
    /// Where its long links point.
    pub(crate) fingers: Vec<Finger>,
    /// Items that it serves.
    pub(crate) keys: u64,
    /// Which rule of ownership it goes by.
    pub(crate) ownership: Ownership,
    /// Name of its network.
    pub(crate) network: String,
    /// How far its life has gone; "member" when it is part of the ring.
    pub(crate) phase: String,
    /// Where it runs, if that matters to where copies go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<String>,
    /// Partitions that it owns, where content is placed by such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partitions: Option<u64>,
    /// The list of members, where there is one, and what it holds by it; asked for apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) listed: Option<Listed>,
    /// The arcs that it answers for.
    pub(crate) serves: Vec<Range>,
    /// What it is handing over right now.
    pub(crate) handover: Option<Handover>,
    /// The groups that it belongs to, where content is kept by groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<Group>,
    /// What it fetches for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fetches: Vec<Fetching>,
    /// Everything else that it says.
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

/// A group, as one of its members knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The arc that it keeps, and in which epoch.
    #[serde(flatten)]
    pub(crate) range: Range,
    /// Who orders its writes.
    pub(crate) leader: Peer,
    /// All members.
    pub(crate) members: Vec<Peer>,
    /// Those that have everything, as far as this one knows; its leader knows.
    pub(crate) synced: Vec<Id>,
}

/// A group's content on its way to a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fetching {
    /// The arc, and in which epoch.
    #[serde(flatten)]
    pub(crate) range: Range,
    /// Records that have come.
    pub(crate) records: u64,
    /// How much of the arc they lie on.
    pub(crate) percent: u8,
}

/// A long link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Finger {
    /// It points to the first node at or after this identifier.
    pub(crate) start: Id,
    /// Which is this one.
    pub(crate) node: Peer,
}

/// A piece of the ring that a node answers for: (start, end].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    /// The identifier before it.
    pub(crate) start: Id,
    /// The last identifier.
    pub(crate) end: Id,
    /// Since which change of owners.
    pub(crate) epoch: u64,
}

impl Range {
    /// Where it lies.
    pub(crate) fn arc(self) -> dht::id::Arc {
        dht::id::Arc::new(self.start, self.end)
    }
}

/// A handover that a node gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    /// Who takes.
    pub(crate) to: Peer,
    /// What moves.
    pub(crate) arc: dht::id::Arc,
    /// Items sent so far.
    pub(crate) sent: u64,
}
