//! Pointers: the neighbours of a node. What is put here is a hint, and is looked into first.

use rocket::http::Status;
use rocket::serde::json::Json as Answer;
use rocket::{get, put};

use crate::doors::http::Node;
use crate::doors::http::bytes::{Json, Readable};
use crate::doors::http::error::{Error, taken};
use crate::doors::http::faults::hear;
use crate::doors::http::guard::{Native, SameNetwork};
use crate::peers::Missed;
use crate::{Peer, Request};

/// The node before it; there is none before it has joined.
#[get("/predecessor")]
pub(crate) fn predecessor(node: &Node) -> Result<Answer<Peer>, Error> {
    let predecessor = node.view().predecessor;
    predecessor.map(Answer).ok_or_else(|| none("predecessor"))
}

/// The node after it; there is none before it has joined, nor where it is alone.
#[get("/successor")]
pub(crate) fn successor(node: &Node) -> Result<Answer<Peer>, Error> {
    let view = node.view();
    view.successors
        .first()
        .copied()
        .map(Answer)
        .ok_or_else(|| none("successor"))
}

/// Notify: somebody says that it is the predecessor. Answers with the one that it is now.
#[put("/predecessor", data = "<peer>")]
pub(crate) async fn put_predecessor(
    node: &Node,
    _native: Native,
    _network: SameNetwork,
    peer: Json<Peer>,
) -> Result<Answer<Peer>, Error> {
    let peer = peer.0;
    hear(node, peer.address).await?;
    look_into(node, peer).await?;
    node.answer(peer, Request::Notify).await;
    predecessor(node)
}

/// Probe: somebody may be the successor. Compares notes with the present one, which is how a better
/// one is found. Answers with the one that it is at this moment.
#[put("/successor", data = "<peer>")]
pub(crate) async fn put_successor(
    node: &Node,
    _native: Native,
    _network: SameNetwork,
    peer: Json<Peer>,
) -> Result<Answer<Peer>, Error> {
    look_into(node, peer.0).await?;
    node.look_at_successor();
    successor(node)
}

/// Makes sure that a peer that somebody names is there, and is who it is said to be.
pub(crate) async fn look_into(node: &Node, peer: Peer) -> Result<(), Error> {
    let me = node.view().me;
    if peer.address == me.address {
        return Err(Error::bad(
            "self_pointer",
            "this is the address of this node itself",
        ));
    }
    if peer.id == me.id {
        return Err(taken("this is the identifier of this node").with("node", me));
    }
    node.ping(peer).await.map_err(|missed| match missed {
        Missed::Nobody | Missed::Silent => Error::bad(
            "unreachable_peer",
            format!("{} can't be reached: {missed}", peer.address),
        ),
        Missed::AnotherLife(_) | Missed::SomebodyElse => {
            let message = format!("{} is not the node that it is said to be", peer.address);
            Error::new(Status::Conflict, "identity_mismatch", message)
        }
    })
}

fn none(noun: &str) -> Error {
    Error::new(Status::NotFound, "none", format!("this node has no {noun}"))
}

impl Readable for Peer {
    /// It takes some 130; the rest is room for what others add.
    const BYTES_MAX: usize = 4096;
}
