//! Kv: any bytes under any key, with versions.
//!
//! Reading is the way that has to be short, above all where this node serves the key: see
//! [`crate::service::Service::read_here`].

use std::borrow::Cow;
use std::io::Cursor;

use dht::Id;
use dht::record::{Blob, Change, Changed, Condition, Record, Version};
use rocket::http::{ContentType, Status};
use rocket::response::{self, Responder, Response};
use rocket::{Request, delete, get, head, put};
use serde::Serialize;

use crate::clock::now_ms;
use crate::doors::http::Node;
use crate::doors::http::bytes;
use crate::doors::http::condition::{Plan, tag};
use crate::doors::http::error::{Error, collision};
use crate::doors::http::guard::{Native, Writable};
use crate::doors::http::json::{hops, owner};
use crate::doors::http::target::{TTL_HEADER, Target};
use crate::{Path, Peer};

/// The value under a key.
#[get("/kv/<_..>")]
pub(crate) async fn read<'r>(node: &'r Node, target: Target<'_>) -> Result<Found<'r>, Error> {
    let key = node.identify(&target.name);
    let here = match target.any_copy {
        true => node.read_copy(key),
        false => node.read_here(key),
    };
    let (record, address) = match here {
        Some(record) => (record, Cow::Borrowed(node.address.as_str())),
        None => {
            // In a box, lest the short way has to make room for the long one.
            let (record, path) = Box::pin(node.read(key, node.routing)).await?;
            let owner = path.iter().rev().find(|hop| hop.ok);
            (
                record,
                Cow::Owned(
                    owner
                        .map(|hop| hop.node.address.to_string())
                        .unwrap_or_default(),
                ),
            )
        }
    };
    // Where two keys have one identifier, only the first one is there.
    let named = |record: &Record| record.name.as_deref() == Some(&*target.name);
    let Some(record) = record.filter(named) else {
        return Err(missing(key));
    };
    Ok(Found {
        is_known: target.conditions.has(&record),
        record,
        address,
        copies: node.replicas,
    })
}

/// What [`read`] would say, without the value.
#[head("/kv/<_..>")]
pub(crate) async fn head<'r>(node: &'r Node, target: Target<'_>) -> Result<Found<'r>, Error> {
    read(node, target).await
}

/// Puts a value under a key.
#[put("/kv/<_..>", data = "<value>")]
pub(crate) async fn put(
    node: &Node,
    _native: Native,
    _writable: Writable,
    target: Target<'_>,
    value: bytes::Value,
) -> Result<Written, Error> {
    let key = node.identify(&target.name);
    let (changed, copies, path) = write(node, key, target, Some(value.0.into())).await?;
    let (status, version) = match changed {
        Changed::Created(version) => (Status::Created, version),
        Changed::Replaced(version) => (Status::Ok, version),
        other => return Err(unchanged(key, other)),
    };
    Ok(Written::new(
        node,
        status,
        key,
        Some(version),
        copies,
        &path,
    ))
}

/// Deletes a key.
#[delete("/kv/<_..>")]
pub(crate) async fn delete(
    node: &Node,
    _native: Native,
    _writable: Writable,
    target: Target<'_>,
) -> Result<Written, Error> {
    let key = node.identify(&target.name);
    match write(node, key, target, None).await? {
        (Changed::Deleted, copies, path) => {
            Ok(Written::new(node, Status::Ok, key, None, copies, &path))
        }
        (other, ..) => Err(unchanged(key, other)),
    }
}

/// A value as it is sent.
pub(crate) struct Found<'r> {
    record: Record,
    /// Whether the client has it already.
    is_known: bool,
    /// Where it was read.
    address: Cow<'r, str>,
    /// How many nodes keep it, as far as this one knows.
    copies: u8,
}

impl<'r> Responder<'r, 'r> for Found<'r> {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'r> {
        let mut response = Response::new();
        response.set_raw_header("ETag", tag(self.record.version));
        response.set_raw_header("X-Dht-Node", self.address);
        response.set_raw_header("X-Dht-Copies", self.copies.to_string());
        if let Some(expires_ms) = self.record.expires_ms {
            // Rounded up: what is there has some time left.
            let left = expires_ms.saturating_sub(now_ms()).div_ceil(1000).max(1);
            response.set_raw_header(TTL_HEADER, left.to_string());
        }
        if self.is_known {
            response.set_status(Status::NotModified);
            return Ok(response);
        }
        response.set_header(ContentType::Binary);
        let value = self.record.value.unwrap_or_else(|| Blob::from(&[][..]));
        // One more than needed, so that the end is found without another buffer.
        response.set_max_chunk_size((value.len() + 1).min(CHUNK_BYTES_MAX));
        response.set_sized_body(value.len(), Cursor::new(value));
        Ok(response)
    }
}

/// What became of a write, and is told of it.
#[derive(Serialize)]
pub(crate) struct Written {
    #[serde(skip)]
    status: Status,
    key: Id,
    /// Who answers for it.
    node: Option<Peer>,
    copies: u8,
    /// How many of them are on disk.
    synced: u8,
    hops: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    /// Which version is there now, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

impl Written {
    fn new(
        node: &Node,
        status: Status,
        key: Id,
        version: Option<Version>,
        copies: u8,
        path: &Path,
    ) -> Written {
        // A copy is on disk before it is counted, where nodes keep their content there: all of a network do, or
        // none.
        let is_on_disk = node.driver().content().outlasts();
        Written {
            status,
            key,
            node: owner(path),
            copies,
            synced: if is_on_disk { copies } else { 0 },
            hops: hops(path),
            epoch: version.map(Version::epoch),
            version: version.map(Version::number),
        }
    }
}

impl<'r> Responder<'r, 'static> for Written {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let body = serde_json::to_vec(&self).expect("answers are plain data");
        let mut response = Response::new();
        response.set_status(self.status);
        response.set_header(ContentType::JSON);
        if let Some(version) = self.version {
            response.set_raw_header("ETag", tag(Version::from_number(version)));
        }
        // One more than needed, so that the end is found without another buffer.
        response.set_max_chunk_size(body.len() + 1);
        response.set_sized_body(body.len(), Cursor::new(body));
        Ok(response)
    }
}

/// Makes the change that the conditions allow.
async fn write(
    node: &Node,
    key: Id,
    target: Target<'_>,
    value: Option<Blob>,
) -> Result<(Changed, u8, Path), Error> {
    let name = Some(Blob::from(&*target.name));
    let ttl_seconds = target.ttl_seconds.filter(|_| value.is_some());
    let expires_ms = ttl_seconds.map(|seconds| now_ms() + seconds * 1000);
    let change = |condition| Change {
        name: name.clone(),
        value: value.clone(),
        condition,
        flags: 0,
        expires_ms,
        now_ms: now_ms(),
    };
    let (versions, may_be_absent) = match target.conditions.plan() {
        Plan::At(condition) => return Ok(node.change(key, change(condition)).await?),
        Plan::Not {
            versions,
            may_be_absent,
        } => (versions, may_be_absent),
    };
    for _ in 0..LOOKS_MAX {
        let (record, path) = node.read(key, node.routing).await?;
        let condition = match record {
            Some(record) if versions.contains(&record.version) => {
                return Ok((Changed::Refused(Some(record.version)), 0, path));
            }
            Some(record) => Condition::Among([record.version].into()),
            None if may_be_absent => Condition::Absent,
            None => return Ok((Changed::Refused(None), 0, path)),
        };
        let (changed, copies, path) = node.change(key, change(condition)).await?;
        // Somebody else was faster: look again.
        if !matches!(changed, Changed::Refused(_)) {
            return Ok((changed, copies, path));
        }
    }
    Err(Error::busy(
        "contended",
        "the key changes too fast for this condition",
    ))
}

fn unchanged(key: Id, changed: Changed) -> Error {
    match changed {
        Changed::Collision => collision(),
        Changed::Refused(version) => refused(version),
        _ => missing(key),
    }
}

fn refused(version: Option<Version>) -> Error {
    let message = "the condition does not hold of the present version; nothing was changed";
    let error = Error::new(Status::PreconditionFailed, "condition_failed", message);
    match version {
        Some(version) => error
            .header("ETag", tag(version))
            .with("version", version.number()),
        None => error,
    }
}

fn missing(key: Id) -> Error {
    Error::new(
        Status::NotFound,
        "not_found",
        "there is nothing under this key",
    )
    .with("key", key)
}

/// Large values are sent in pieces of this size.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Times that a key is looked at for a condition that only a look can tell.
const LOOKS_MAX: usize = 8;
