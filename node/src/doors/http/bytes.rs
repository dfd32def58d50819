//! Bytes: the body of a request, if it is not larger than it may be.

use std::io;

use rocket::Request;
use rocket::data::{self, Data, FromData, ToByteUnit as _};
use rocket::http::Status;
use rocket::outcome::Outcome;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, copy, sink};

use crate::doors::http::error::Error;
use crate::doors::http::guard::refuse;

/// A value: up to [`VALUE_BYTES_MAX`] bytes of anything.
pub(crate) struct Value(pub(crate) Vec<u8>);

#[rocket::async_trait]
impl<'r> FromData<'r> for Value {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> data::Outcome<'r, Value> {
        match read(data, VALUE_BYTES_MAX, "a value").await {
            Ok(bytes) => Outcome::Success(Value(bytes)),
            Err(error) => Outcome::Error((refuse(request, error), ())),
        }
    }
}

/// Something that is sent as JSON.
pub(crate) trait Readable: DeserializeOwned {
    /// Bytes of it at most.
    const BYTES_MAX: usize;
}

/// JSON. It must say that it is JSON, which no page of another origin can without asking first.
pub(crate) struct Json<T>(pub(crate) T);

#[rocket::async_trait]
impl<'r, T: Readable> FromData<'r> for Json<T> {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> data::Outcome<'r, Json<T>> {
        if !request.content_type().is_some_and(|kind| kind.is_json()) {
            let message = "the body must be JSON, and the header Content-Type must say so";
            let error = Error::new(Status::UnsupportedMediaType, "not_json", message);
            return Outcome::Error((refuse(request, error), ()));
        }
        let parsed = read(data, T::BYTES_MAX, "this body")
            .await
            .and_then(|body| {
                serde_json::from_slice(&body)
                    .map_err(|error| Error::bad("bad_json", error.to_string()))
            });
        match parsed {
            Ok(value) => Outcome::Success(Json(value)),
            Err(error) => Outcome::Error((refuse(request, error), ())),
        }
    }
}

pub(crate) async fn read(data: Data<'_>, max: usize, noun: &str) -> Result<Vec<u8>, Error> {
    let is_whole = data.peek_complete();
    let mut stream = data.open((max + DRAINED_MAX).bytes());
    let mut body = Vec::new();
    let broken = |_: io::Error| Error::bad("bad_body", "the body breaks off");
    (&mut stream)
        .take(max as u64 + 1)
        .read_to_end(&mut body)
        .await
        .map_err(broken)?;
    // Where the first bytes break off, Rocket has noticed, and says no more of it than that they are not all.
    if body.len() < PEEKED_BYTES && !is_whole {
        return Err(broken(io::ErrorKind::UnexpectedEof.into()));
    }
    if body.len() <= max {
        return Ok(body);
    }
    // Whoever still sends does not read: let them finish, so that they see the answer.
    copy(&mut stream, &mut sink()).await.map_err(broken)?;
    let message = format!("{noun} has at most {max} bytes");
    Err(Error::new(Status::PayloadTooLarge, "too_large", message))
}

/// Bytes of a value at most.
pub(crate) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// What Rocket looks at of any body before it is handed on, for a form may name another method there.
const PEEKED_BYTES: usize = "_method=delete".len();

/// What is read and thrown away of a body that is too large; a longer one finds its connection closed.
const DRAINED_MAX: usize = 8 * 1024 * 1024;
