//! Here: items of this very node, without any routing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dht::Id;
use dht::message::Elsewhere;
use dht::record::{Changed, Record};
use rocket::http::Status;
use rocket::serde::json::Json as Answer;
use rocket::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock::now_ms;
use crate::doors::http::Node;
use crate::doors::http::bytes::{Json, Readable, VALUE_BYTES_MAX};
use crate::doors::http::error::{Error, collision, not_kept};
use crate::doors::http::guard::{self, Native, SameNetwork, Writable};
use crate::doors::http::json::put_bytes;
use crate::doors::http::lab::store::writing;
use crate::service::Failed;
use crate::store::memcached::Unreachable;
use crate::{Address, Failure, Reply, Request};

/// A value, as text or in base64.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    value: Option<String>,
    value_base64: Option<String>,
    /// The identifier that the sender has worked out, to be checked.
    key: Option<Id>,
}

/// Stores a value here, if it belongs here.
#[post("/insert", data = "<item>")]
pub(crate) async fn insert(
    node: &Node,
    _native: Native,
    _writable: Writable,
    _network: SameNetwork,
    item: Json<Item>,
) -> Result<(Status, Answer<Value>), Error> {
    let expected = item.0.key;
    let value = item.0.into_value()?;
    let key = Id::of(&value);
    if expected.is_some_and(|expected| expected != key) {
        return Err(Error::bad(
            "wrong_key",
            format!("the SHA-1 of this value is {key}"),
        ));
    }
    let me = node.view().me;
    if let Some(keepers) = node.keepers(key) {
        if keepers.first() != Some(&me) {
            return Err(not_here(Elsewhere::At(keepers.first().copied())));
        }
        let (changed, copies, _) = node.change(key, writing(value)).await?;
        return match changed {
            Changed::Collision => Err(collision()),
            _ => Ok((
                Status::Created,
                Answer(json!({"key": key, "node": me, "copies": copies})),
            )),
        };
    }
    match node.answer(me, Request::Change(key, writing(value))).await {
        Reply::Changed(Changed::Collision, _) => Err(collision()),
        Reply::Elsewhere(elsewhere) => Err(not_here(elsewhere)),
        Reply::Changed(changed, _) if changed.is_made() && !node.keep().await => Err(not_kept()),
        _ => Ok((
            Status::Created,
            Answer(json!({"key": key, "node": me, "copies": 1})),
        )),
    }
}

/// Reads a record that this node serves, whoever stored it and how.
#[get("/get/<key>")]
pub(crate) async fn read(
    node: &Node,
    key: &str,
) -> Result<(Status, Answer<Map<String, Value>>), Error> {
    let key = guard::id(key)?;
    let me = node.view().me;
    let reply = match node.keepers(key) {
        None => node.answer(me, Request::Read(key)).await,
        Some(keepers) if keepers.contains(&me) => match node.driver().content().read(key) {
            Ok(record) => Reply::Record(record),
            Err(Unreachable) => return Err(Failed(Failure::Store, Vec::new()).into()),
        },
        Some(keepers) => Reply::Elsewhere(Elsewhere::At(keepers.first().copied())),
    };
    match reply {
        Reply::Elsewhere(elsewhere) => Err(not_here(elsewhere)),
        Reply::Record(Some(record)) if record.is_live(now_ms()) => {
            let mut answer = record_json(key, &record);
            answer.insert("node".to_owned(), json!(me));
            Ok((Status::Ok, Answer(answer)))
        }
        _ => {
            let error = Error::new(
                Status::NotFound,
                "not_found",
                "there is nothing under this key",
            );
            Err(error
                .with("key", key)
                .with("value", Value::Null)
                .with("node", me))
        }
    }
}

impl Readable for Item {
    /// A value of the largest size, in the longest form that JSON has for it (`\u0001`).
    const BYTES_MAX: usize = 6 * VALUE_BYTES_MAX + 1024;
}

impl Item {
    fn into_value(self) -> Result<Vec<u8>, Error> {
        let value = match (self.value, self.value_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => {
                let wrong = |_| Error::bad("bad_base64", "value_base64 is not base64");
                STANDARD.decode(text).map_err(wrong)?
            }
            _ => {
                return Err(Error::bad(
                    "bad_json",
                    "exactly one of value and value_base64 is needed",
                ));
            }
        };
        match value.len() {
            0 => Err(Error::bad("empty", "the value is empty")),
            1..=VALUE_BYTES_MAX => Ok(value),
            _ => {
                let message = format!("a value has at most {VALUE_BYTES_MAX} bytes");
                Err(Error::new(Status::PayloadTooLarge, "too_large", message))
            }
        }
    }
}

/// A record, with its name if it has one.
pub(crate) fn record_json(key: Id, record: &Record) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("key".to_owned(), json!(key));
    if let Some(name) = &record.name {
        put_bytes(&mut fields, "name", name);
    }
    if let Some(value) = &record.value {
        put_bytes(&mut fields, "value", value);
    }
    fields.insert("version".to_owned(), record.version.number().into());
    fields
}

fn not_here(elsewhere: Elsewhere<Address>) -> Error {
    match elsewhere {
        Elsewhere::At(node) => {
            let message = "this node does not serve the key; `node` may, if one is named";
            Error::new(Status::MisdirectedRequest, "not_mine", message).with("node", node)
        }
        Elsewhere::Moving => Error::busy("moving", "the key is on its way to another node"),
        Elsewhere::Unsure => Failed(Failure::Unknown, Vec::new()).into(),
        Elsewhere::Overloaded => Error::busy("overloaded", "too much is going on at this node"),
    }
}
