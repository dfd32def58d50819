//! Error: what a client is told when something is not done. Always JSON, always with a code.

use std::borrow::Cow;
use std::io::Cursor;

use rocket::Request;
use rocket::http::{ContentType, Status};
use rocket::response::{self, Responder, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::doors::http::json::path_json;
use crate::service::Failed;

/// An error as it is sent: `{"error":{"code","message"}}`, and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Error(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: Status,
    code: &'static str,
    message: Cow<'static, str>,
    fields: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
}

impl Error {
    /// An error with a word for programs and a sentence for people.
    pub(crate) fn new(
        status: Status,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Error {
        Error(Box::new(Parts {
            status,
            code,
            message: message.into(),
            fields: Map::new(),
            headers: Vec::new(),
        }))
    }

    /// The request makes no sense.
    pub(crate) fn bad(code: &'static str, message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Status::BadRequest, code, message)
    }

    /// It can't be done now, and may be in a second.
    pub(crate) fn busy(code: &'static str, message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Status::ServiceUnavailable, code, message).header("Retry-After", "1")
    }

    /// Adds a field beside `error`.
    pub(crate) fn with(mut self, field: &str, value: impl Serialize) -> Error {
        let value = serde_json::to_value(value).expect("answers are plain data");
        self.0.fields.insert(field.to_owned(), value);
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Error {
        self.0.headers.push((name, value.into()));
        self
    }

    pub(crate) fn status(&self) -> Status {
        self.0.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }
}

impl<'r> Responder<'r, 'static> for Error {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let Parts {
            status,
            code,
            message,
            mut fields,
            headers,
        } = *self.0;
        fields.insert(
            "error".to_owned(),
            json!({"code": code, "message": message}),
        );
        let body = Value::Object(fields).to_string();
        let mut response = Response::build();
        response.status(status).header(ContentType::JSON);
        for (name, value) in headers {
            response.raw_header(name, value);
        }
        response.sized_body(body.len(), Cursor::new(body)).ok()
    }
}

impl From<Failed> for Error {
    fn from(Failed(failure, path): Failed) -> Error {
        let error = match failure {
            Failure::NotAMember => Error::busy("not_a_member", "this node is not part of a ring"),
            Failure::Overloaded => Error::busy("overloaded", "too much is going on at this node"),
            Failure::Unreachable => Error::busy(
                "unreachable",
                "no node that serves the key could be reached",
            ),
            Failure::TooManyHops => Error::busy(
                "too_many_hops",
                "the lookup took more hops than there should be nodes",
            ),
            Failure::Store => Error::busy(
                "store_unreachable",
                "the store of the node that owns the key is out of reach: its /readyz says why",
            ),
            Failure::Unknown => Error::new(
                Status::GatewayTimeout,
                "unknown_outcome",
                "the owner did not answer in time: the change may have been made or not",
            ),
            Failure::Taken(peer) => taken("a living node has this identifier").with("node", peer),
            Failure::LastNode => Error::new(
                Status::Conflict,
                "last_node",
                "this is the last node of the ring: nobody could take over what it holds",
            ),
            Failure::NoTaker => Error::busy(
                "no_taker",
                "no other node takes the content; this one stays and keeps it",
            ),
            Failure::Members(refusal) => unlisted(refusal),
            Failure::NoList => Error::new(
                Status::Conflict,
                "no_list",
                "this network keeps itself: nodes join and leave it by themselves",
            ),
        };
        if path.is_empty() {
            error
        } else {
            error.with("path", path_json(&path))
        }
    }
}

/// The list of members can't be changed so.
fn unlisted(refusal: dht::listed::table::Refusal) -> Error {
    use dht::listed::table::{MEMBERS_MAX, Refusal};
    match refusal {
        Refusal::Present => taken("a member has this identifier already"),
        Refusal::Label => Error::new(
            Status::Conflict,
            "label_taken",
            "a member has this label already, and would have the same place: start the node with another --label",
        ),
        Refusal::Unknown => Error::new(Status::NotFound, "no_member", "there is no such member"),
        Refusal::NotLast => Error::new(
            Status::Conflict,
            "not_last",
            "members are numbered, and only the last one can go",
        ),
        Refusal::Only => Error::new(
            Status::Conflict,
            "last_node",
            "this is the only member: nobody could take over what it holds",
        ),
        Refusal::Full => Error::new(
            Status::Conflict,
            "too_many_members",
            format!("there are at most {MEMBERS_MAX} members"),
        ),
    }
}

/// An identifier belongs to somebody else.
pub(crate) fn taken(message: &'static str) -> Error {
    Error::new(Status::Conflict, "identifier_taken", message)
}

/// A change was made, but the disk has failed before it had it.
pub(crate) fn not_kept() -> Error {
    let message = "the disk has failed: the change was made, but does not outlast this process";
    Error::new(Status::GatewayTimeout, "not_kept", message)
}

/// Two different keys have the same identifier.
pub(crate) fn collision() -> Error {
    let message = "another key has the same identifier; nothing was changed";
    Error::new(Status::Conflict, "collision", message)
}
