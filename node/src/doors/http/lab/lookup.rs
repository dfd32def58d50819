//! Lookup: whether a value is stored, and how it was found.

use dht::Id;
use dht::record::{Change, Changed, Condition};
use rocket::http::Status;
use rocket::serde::json::Json;
use rocket::{delete, get};
use serde_json::{Map, Value, json};

use crate::Path;
use crate::clock::now_ms;
use crate::doors::http::Node;
use crate::doors::http::error::{Error, collision};
use crate::doors::http::guard::{self, Native, Tail, Writable};
use crate::doors::http::json::{hops, owner, path_json, put_bytes};

/// Looks a value up by its identifier.
#[get("/lookup/<_..>?<routing>")]
pub(crate) async fn lookup(
    node: &Node,
    value: Tail<'_>,
    routing: Option<&str>,
) -> Result<(Status, Json<Map<String, Value>>), Error> {
    let value = value.up_to(VALUE_BYTES_MAX, "value")?;
    let routing = guard::routing(node, routing)?;
    let key = Id::of(&value);
    let (record, path) = node.read(key, routing).await?;
    let mut answer = found(key, &path);
    let status = match record.and_then(|record| record.value) {
        Some(value) => {
            put_bytes(&mut answer, "value", &value);
            Status::Ok
        }
        None => {
            answer.insert("value".to_owned(), Value::Null);
            answer.insert("error".to_owned(), missing());
            Status::NotFound
        }
    };
    Ok((status, Json(answer)))
}

/// Deletes a value.
#[delete("/lookup/<_..>")]
pub(crate) async fn delete(
    node: &Node,
    _native: Native,
    _writable: Writable,
    value: Tail<'_>,
) -> Result<(Status, Json<Map<String, Value>>), Error> {
    let value = value.up_to(VALUE_BYTES_MAX, "value")?;
    let key = Id::of(&value);
    let change = Change {
        name: None,
        value: None,
        condition: Condition::Always,
        flags: 0,
        expires_ms: None,
        now_ms: now_ms(),
    };
    let (changed, _, path) = node.change(key, change).await?;
    let mut answer = found(key, &path);
    match changed {
        Changed::Collision => Err(collision()),
        Changed::Deleted => Ok((Status::Ok, Json(answer))),
        _ => {
            answer.insert("error".to_owned(), missing());
            Ok((Status::NotFound, Json(answer)))
        }
    }
}

fn found(key: Id, path: &Path) -> Map<String, Value> {
    let fields = [
        ("key", json!(key)),
        ("node", json!(owner(path))),
        ("hops", json!(hops(path))),
        ("path", path_json(path)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn missing() -> Value {
    json!({"code": "not_found", "message": "this value is not stored"})
}

/// Longer values don't fit into a path: `GET /get/<key>` at the owner has them.
const VALUE_BYTES_MAX: usize = 4096;
