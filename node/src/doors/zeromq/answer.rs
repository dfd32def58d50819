//! Answer: requests of clients of ZeroMQ are carried out.

use bytes::Bytes;
use dht::Id;
use dht::record::{Blob, Change, Changed, Condition, Record};
use dht::store::Limit;
use serde::Serialize;
use serde_json::json;

use super::item::Item;
use super::limits::{ALL_BYTES_MAX, ALL_RECORDS_MAX, PAGE_BYTES_MAX};
use super::refusal::Refusal;
use super::request::{Request, parse};
use crate::clock::now_ms;
use crate::service::Service;

/// What is answered to a message, whatever it is.
pub(super) async fn answer(node: &Service, frames: &[Bytes]) -> Vec<u8> {
    let answered = match parse(frames) {
        Ok(request) => carry_out(node, request).await,
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| bytes(&refusal.json()))
}

async fn carry_out(node: &Service, request: Request) -> Result<Vec<u8>, Refusal> {
    match request {
        Request::Put { key, value } => {
            let flags = value.flags();
            change(node, &key, Some(value.text().as_bytes().into()), flags).await
        }
        Request::Delete { key } => change(node, &key, None, 0).await,
        Request::GetOne { key } => {
            let record = read(node, &key).await?;
            Ok(bytes(&Item::new(key.as_bytes(), record.as_ref())))
        }
        Request::GetAll => all(node),
        Request::GetPage { after, limit } => Ok(page(node, after, limit)),
    }
}

async fn read(node: &Service, key: &str) -> Result<Option<Record>, Refusal> {
    let id = node.identify(key.as_bytes());
    let record = match node.read_here(id) {
        Some(record) => record,
        None => node.read(id, node.routing).await?.0,
    };
    // Where two keys have one identifier, only the first one is there.
    Ok(record.filter(|record| record.name.as_deref() == Some(key.as_bytes())))
}

async fn change(
    node: &Service,
    key: &str,
    value: Option<Blob>,
    flags: u64,
) -> Result<Vec<u8>, Refusal> {
    if node.refusal().is_some() {
        return Err(Refusal::read_only());
    }
    let change = Change {
        name: Some(key.as_bytes().into()),
        value,
        condition: Condition::Always,
        flags,
        expires_ms: None,
        now_ms: now_ms(),
    };
    match node.change(node.identify(key.as_bytes()), change).await?.0 {
        Changed::Collision => Err(Refusal::collision()),
        _ => Ok(bytes(&json!({"status": "OK"}))),
    }
}

/// All that this node holds.
fn all(node: &Service) -> Result<Vec<u8>, Refusal> {
    let limit = Limit {
        records: ALL_RECORDS_MAX,
        bytes: ALL_BYTES_MAX,
    };
    match node.held(None, limit) {
        (records, None) => Ok(collection(&records, None)),
        (_, Some(_)) => Err(Refusal::too_many()),
    }
}

/// Some of what this node holds, and what to ask for next.
fn page(node: &Service, after: Option<Id>, records: usize) -> Vec<u8> {
    let limit = Limit {
        records,
        bytes: PAGE_BYTES_MAX,
    };
    let (records, next) = node.held(after, limit);
    collection(&records, Some(next))
}

/// Items as they are sent. What was stored by its content alone has no key, and is none of them.
fn collection(records: &[(Id, Record)], next: Option<Option<Id>>) -> Vec<u8> {
    let named = records
        .iter()
        .filter_map(|(_, record)| Some((record.name.as_deref()?, record)));
    bytes(&Collection {
        collection: named
            .map(|(key, record)| Item::new(key, Some(record)))
            .collect(),
        next,
    })
}

#[derive(Serialize)]
struct Collection<'r> {
    collection: Vec<Item<'r>>,
    /// Of a page, the identifier after which the next one begins; null at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Option<Id>>,
}

fn bytes(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("answers are plain data")
}
