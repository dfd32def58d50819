//! Envelope: what travels between two nodes over HTTP, as `POST /peer`, many messages at a time.
//!
//! Who asks and who is asked stand on the envelope, once for all messages in it. The answer names its
//! sender too: a peer is one life of one node, and an answer from anyone else counts as none.

use serde::{Deserialize, Serialize};

use crate::{Peer, Reply, Request};

/// Questions of one node to another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    /// Who asks.
    pub from: Peer,
    /// Who is asked.
    pub to: Peer,
    /// What, 1 to [`BATCH_MAX`] of them.
    pub requests: Vec<Request>,
}

/// The answers, one for each question, in the same order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answers {
    /// Who answers.
    pub from: Peer,
    /// What.
    pub replies: Vec<Reply>,
}

/// The header that names the network.
pub const NETWORK_HEADER: &str = "Dht-Network";

/// Messages in one envelope at most.
pub const BATCH_MAX: usize = 64;

/// Bytes of one envelope at most, either way: a value of 1 MiB in base64, and room for company.
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024 * 1024;
