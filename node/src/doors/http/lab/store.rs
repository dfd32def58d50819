//! Store: a value under its own identifier, the SHA-1 of it.

use dht::Id;
use dht::record::{Change, Changed, Condition};
use rocket::http::Status;
use rocket::post;
use rocket::serde::json::Json;
use serde_json::json;

use crate::clock::now_ms;
use crate::doors::http::Node;
use crate::doors::http::bytes::Value;
use crate::doors::http::error::{Error, collision};
use crate::doors::http::guard::{Native, Writable};
use crate::doors::http::json::{hops, owner};

/// Stores the body, wherever it belongs.
#[post("/store", data = "<value>")]
pub(crate) async fn store(
    node: &Node,
    _native: Native,
    _writable: Writable,
    value: Value,
) -> Result<(Status, Json<serde_json::Value>), Error> {
    if value.0.is_empty() {
        return Err(Error::bad("empty", "the value is empty"));
    }
    let key = Id::of(&value.0);
    let (changed, copies, path) = node.change(key, writing(value.0)).await?;
    if changed == Changed::Collision {
        return Err(collision());
    }
    let stored = json!({"key": key, "node": owner(&path), "copies": copies, "hops": hops(&path)});
    Ok((Status::Created, Json(stored)))
}

/// The change that stores a value under its own identifier.
pub(crate) fn writing(value: Vec<u8>) -> Change {
    Change {
        name: None,
        value: Some(value.into()),
        condition: Condition::Always,
        flags: 0,
        expires_ms: None,
        now_ms: now_ms(),
    }
}
