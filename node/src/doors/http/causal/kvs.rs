//! Kvs: values of any JSON type under keys, for clients that carry along what they have seen.

use std::sync::Arc;

use dht::causal::message::{Outcome as Done, What};
use rocket::data::Data;
use rocket::http::{Method, Status};
use rocket::request::FromRequest as _;
use rocket::route::{Handler, Outcome};
use rocket::{Request, Route};
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::body::Body;
use crate::doors::http::guard::{Native, Tail};
use crate::service::Service;

/// One handler for all methods: what Rocket's macros make takes no body with a `GET`.
pub(super) fn routes() -> impl Iterator<Item = Route> {
    let methods = [Method::Get, Method::Put, Method::Delete];
    methods
        .into_iter()
        .map(|method| Route::new(method, "/kvs/<key..>", Kvs))
}

#[derive(Clone)]
struct Kvs;

#[rocket::async_trait]
impl Handler for Kvs {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        if !Native::from_request(request).await.is_success() {
            return Outcome::Error(Status::Forbidden);
        }
        let answer = operate(request, data).await;
        Outcome::from(request, answer.unwrap_or_else(|refused| refused))
    }
}

/// Does what a request wants. Errors are answers as well.
async fn operate(request: &Request<'_>, data: Data<'_>) -> Result<Answer, Answer> {
    let body = Body::read(data).await?;
    let key = Tail::of(request)
        .and_then(|tail| tail.up_to(usize::MAX, "key"))
        .map_err(|error| Answer::error(error.status(), error.message()))?;
    let what = match request.method() {
        Method::Put => put(&key, body.raw("value"))?,
        Method::Delete => What::Delete,
        _ => What::Get,
    };
    let form = "null at first, then what the last answer gave";
    let seen: Option<String> = body.member("causal-metadata", form)?;
    let node = request.rocket().state::<Arc<Service>>();
    let node = node.expect("every Rocket of a node has its service");
    let (done, seen, shard) = node.operate(&key, what, seen).await?;
    Ok(told(&done, &seen, shard).seen(seen))
}

fn put(key: &[u8], value: Option<&RawValue>) -> Result<What, Answer> {
    let bad = |text: &str| Answer::error(Status::BadRequest, text);
    let value = value.ok_or_else(|| bad("PUT request does not specify a value"))?;
    let key = std::str::from_utf8(key).map_err(|_| bad("Key is no UTF-8 text"))?;
    if key.chars().count() > KEY_CHARACTERS_MAX {
        return Err(bad("Key is too long"));
    }
    Ok(What::Put(value.get().as_bytes().into()))
}

/// The answer's members: a value stands there as its client has written it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Members<'a> {
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    causal_metadata: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_id: Option<String>,
}

fn told(done: &Done, seen: &str, shard: Option<u32>) -> Answer {
    let (status, result) = match done {
        Done::Missing => return Answer::error(Status::NotFound, "Key does not exist"),
        Done::Found(_) => (Status::Ok, "found"),
        Done::Created => (Status::Created, "created"),
        Done::Replaced => (Status::Ok, "replaced"),
        Done::Deleted => (Status::Ok, "deleted"),
    };
    let value = match done {
        Done::Found(value) => Some(serde_json::from_slice(value).expect("a value was JSON")),
        _ => None,
    };
    let members = Members {
        result,
        value,
        causal_metadata: seen,
        // The store's first clients get none for a delete.
        shard_id: shard
            .filter(|_| *done != Done::Deleted)
            .map(|shard| shard.to_string()),
    };
    let body = serde_json::to_string(&members);
    Answer::new(status, body.expect("answers are plain data"))
}

/// Characters of a key at most.
const KEY_CHARACTERS_MAX: usize = 50;
