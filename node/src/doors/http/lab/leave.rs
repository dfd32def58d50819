//! Leave: the node hands over what it serves, answers, and ends.

use std::time::Instant;

use rocket::post;
use rocket::serde::json::Json;
use serde_json::{Value, json};

use crate::doors::http::Node;
use crate::doors::http::error::Error;
use crate::doors::http::guard::Native;

/// Leaves the ring. The process ends once this is answered.
#[post("/leave")]
pub(crate) async fn leave(node: &Node, _native: Native) -> Result<Json<Value>, Error> {
    let me = node.view().me;
    let began = Instant::now();
    let moved = node.leave().await?;
    let ms = began.elapsed().as_millis() as u64;
    tracing::info!(moved, ms, "left on request");
    node.say_left();
    Ok(Json(json!({"node": me, "moved": moved, "ms": ms})))
}
