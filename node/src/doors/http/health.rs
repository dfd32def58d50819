//! Health: whether the node is alive, and whether it is ready for clients.

use dht::view::Phase;
use rocket::get;
use rocket::serde::json::Json;
use serde_json::{Value, json};

use crate::doors::http::Node;
use crate::doors::http::error::Error;
use crate::doors::http::guard::read_only;

/// Alive: it listens, whatever else.
#[get("/healthz")]
pub(crate) fn healthz() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// Ready: it is part of a ring, serves what is its own there, and can keep what it is given.
#[get("/readyz")]
pub(crate) fn readyz(node: &Node) -> Result<Json<Value>, Error> {
    if let Some(reason) = node.driver().content().refusal() {
        return Err(read_only(reason));
    }
    let view = node.view();
    let is_listed = node.scheme.is_some();
    let is_causal = node.causal_wait.is_some();
    let reason = match view.phase {
        Phase::Member if is_causal => return Ok(Json(json!({"status": "ready"}))),
        _ if is_causal => "it belongs to no shard, or has not all that its shard holds yet",
        _ if is_listed && view.is_ready() => return Ok(Json(json!({"status": "ready"}))),
        Phase::Joining | Phase::Member if is_listed && !node.has_table() => {
            "it does not know the list of members yet: who is on it has not answered"
        }
        Phase::Joining | Phase::Member if is_listed => "it is not on the list of members",
        Phase::Lost if is_listed => "it was taken off the list of members",
        Phase::Member if !node.is_settled() => "its neighbours do not all listen yet",
        Phase::Member if view.is_ready() => return Ok(Json(json!({"status": "ready"}))),
        Phase::Member => "it does not serve all of its arc yet",
        Phase::Joining => "it has not joined a ring yet",
        Phase::Leaving => "it is leaving",
        Phase::Left => "it has left its network",
        Phase::Lost => "it has lost its place in the ring, and joins again",
    };
    Err(Error::busy("not_ready", reason))
}
