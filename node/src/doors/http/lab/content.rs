//! Content: what a node serves, a page at a time.

use dht::store::Limit;
use rocket::get;
use rocket::serde::json::Json;
use serde_json::{Value, json};

use crate::clock::now_ms;
use crate::doors::http::Node;
use crate::doors::http::error::Error;
use crate::doors::http::guard;
use crate::doors::http::lab::here::record_json;

/// Items that this node serves, clockwise up to its own place in the ring.
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
    let (items, next) = node.held(after, limit);
    let items = items.iter().map(|(key, record)| {
        let mut item = record_json(*key, record);
        item.insert("role".to_owned(), "owner".into());
        item
    });
    Ok(Json(json!({
        "count": node.driver().content().count(&view.serves, now_ms()),
        "items": items.collect::<Vec<_>>(),
        "next": next,
    })))
}

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;
/// Values on one page, as they are stored.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
