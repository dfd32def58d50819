//! Body: the JSON object that comes with a request.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rocket::Request;
use rocket::data::{self, Data, FromData};
use rocket::http::Status;
use rocket::outcome::Outcome;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::answer::Answer;
use crate::doors::http::bytes::{VALUE_BYTES_MAX, read};

/// The members of a JSON object, as they are written: numbers stay as long as they are.
#[derive(Debug)]
pub(crate) struct Body(BTreeMap<String, Box<RawValue>>);

impl Body {
    /// Reads it. Errors: it is too large, or no JSON object.
    pub(crate) async fn read(data: Data<'_>) -> Result<Body, Answer> {
        let bytes = read(data, BODY_BYTES_MAX, "a body").await;
        let bytes = bytes.map_err(|error| Answer::error(error.status(), error.message()))?;
        match serde_json::from_slice(&bytes) {
            Ok(members) => Ok(Body(members)),
            Err(error) => Err(bad(format!("The body is no JSON object: {error}"))),
        }
    }

    /// A member as it is written.
    pub(crate) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(|value| &**value)
    }

    /// A member of some type. Errors: it is not there, or is something else; `form` says what it is.
    pub(crate) fn member<T: DeserializeOwned>(&self, name: &str, form: &str) -> Result<T, Answer> {
        let Some(raw) = self.raw(name) else {
            return Err(bad(format!("The body has no {name}: {form}")));
        };
        serde_json::from_str(raw.get()).map_err(|_| bad(format!("{name} is {form}")))
    }

    /// The address of a node.
    pub(crate) fn address(&self) -> Result<SocketAddr, Answer> {
        self.member(
            "socket-address",
            "a text: the IP address and the port of a node",
        )
    }
}

/// For handlers that Rocket calls with it; what is wrong with it is theirs to tell.
pub(crate) struct Told(pub(crate) Result<Body, Answer>);

#[rocket::async_trait]
impl<'r> FromData<'r> for Told {
    type Error = ();

    async fn from_data(_: &'r Request<'_>, data: Data<'r>) -> data::Outcome<'r, Told> {
        Outcome::Success(Told(Body::read(data).await))
    }
}

fn bad(text: String) -> Answer {
    Answer::error(Status::BadRequest, text)
}

/// A value, and as much again for what stands beside it.
const BODY_BYTES_MAX: usize = VALUE_BYTES_MAX + 64 * 1024;
