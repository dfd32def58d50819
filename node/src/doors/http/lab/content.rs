//! Content: what a node serves, a page at a time.

use dht::Id;
use dht::store::Limit;
use rocket::get;
use rocket::serde::json::Json;
use serde_json::{Value, json};

use crate::clock::now_ms;
use crate::doors::http::Node;
use crate::doors::http::error::Error;
use crate::doors::http::guard::{self, read_only};
use crate::doors::http::lab::here::record_json;

/// Items that this node serves, clockwise up to its own place in the ring; where members are listed, all that
/// it holds.
#[get("/content?<after>&<limit>")]
pub(crate) fn content(
    node: &Node,
    after: Option<&str>,
    limit: Option<&str>,
) -> Result<Json<Value>, Error> {
    let view = node.view();
    let records = limit.map_or(Ok(LIMIT), |limit| match limit.parse() {
        Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
        _ => Err(Error::bad(
            "bad_limit",
            format!("limit is 1 to {LIMIT_MAX}"),
        )),
    })?;
    let after = after.map(guard::id).transpose()?;
    let limit = Limit {
        records,
        bytes: PAGE_BYTES_MAX,
    };
    let shown = node.shows();
    let layout = view.table.as_ref().map(|table| table.layout());
    let is_owner = |key: Id| {
        let keepers = layout.as_ref().map(|layout| layout.replicas(key));
        keepers.is_none_or(|keepers| keepers.first() == Some(&view.me.id))
    };
    let content = node.driver().content();
    let (items, next) = node.held(after, limit);
    if let Some(reason) = content.refusal() {
        return Err(read_only(reason));
    }
    let items = items.iter().map(|(key, record)| {
        let mut item = record_json(*key, record);
        let role = if is_owner(*key) { "owner" } else { "replica" };
        item.insert("role".to_owned(), role.into());
        item
    });
    Ok(Json(json!({
        "count": content.count(&shown, now_ms()),
        "items": items.collect::<Vec<_>>(),
        "next": next,
    })))
}

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;
/// Values on one page, as they are stored.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
