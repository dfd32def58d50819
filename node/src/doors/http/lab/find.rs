//! Find: who owns a key, and how it was found.

use rocket::get;
use rocket::serde::json::Json;
use serde_json::{Value, json};

use crate::doors::http::Node;
use crate::doors::http::error::Error;
use crate::doors::http::guard;
use crate::doors::http::json::{hops, owner, path_json};

/// The owner of a key by the ring's pointers.
#[get("/findNode/<key>?<routing>")]
pub(crate) async fn find_node(
    node: &Node,
    key: &str,
    routing: Option<&str>,
) -> Result<Json<Value>, Error> {
    let key = guard::id(key)?;
    let routing = guard::routing(node, routing)?;
    let rule = node.view().ownership;
    let path = node.find(key, rule, routing).await?;
    Ok(Json(json!({
        "key": key,
        "node": owner(&path),
        "hops": hops(&path),
        "path": path_json(&path),
    })))
}
