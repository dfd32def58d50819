//! Answer: what a client of the causal store is told.

use std::io::Cursor;

use dht::causal::message::Failure;
use dht::causal::roster::NODES_MAX;
use rocket::Request;
use rocket::http::{ContentType, Status};
use rocket::response::{self, Responder, Response};
use serde_json::json;

/// A status, a body, and what the client has seen now.
#[derive(Debug)]
pub(crate) struct Answer {
    status: Status,
    /// JSON.
    body: String,
    seen: Option<String>,
    is_soon: bool,
}

impl Answer {
    /// It is done.
    pub(crate) fn new(status: Status, body: impl ToString) -> Answer {
        Answer {
            status,
            body: body.to_string(),
            seen: None,
            is_soon: false,
        }
    }

    /// It is not done.
    pub(crate) fn error(status: Status, text: impl AsRef<str>) -> Answer {
        Answer::new(status, json!({"error": text.as_ref()}))
    }

    /// Says in a header what the client has seen: also where the body has no place for it.
    pub(crate) fn seen(mut self, seen: String) -> Answer {
        self.seen = Some(seen);
        self
    }

    /// It may be done in a moment.
    fn soon(mut self) -> Answer {
        self.is_soon = true;
        self
    }
}

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut response = Response::build();
        response.status(self.status).header(ContentType::JSON);
        if let Some(seen) = self.seen {
            response.raw_header(SEEN_HEADER, seen);
        }
        if self.is_soon {
            response.raw_header("Retry-After", "1");
        }
        response
            .sized_body(self.body.len(), Cursor::new(self.body))
            .ok()
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Answer {
        let later = |text| Answer::error(Status::ServiceUnavailable, text).soon();
        match failure {
            Failure::NotSeen => Answer::error(
                Status::BadRequest,
                "causal-metadata is none that this store has given: begin anew with null",
            ),
            Failure::NotYet => later("Causal dependencies not satisfied; try again later"),
            Failure::Moving => later("This key is on its way to another shard; try again later"),
            Failure::Unsure => later(
                "The write is not known to be on two nodes; it may get there yet. Try again later",
            ),
            Failure::NoShard => {
                later("This node belongs to no shard yet: add it to one, or ask another node")
            }
            Failure::Unreachable => later("No node that has this key answers; try again later"),
            Failure::Overloaded => later("Too much is going on at this node; try again later"),
            Failure::TooFewNodes => Answer::error(
                Status::BadRequest,
                "Not enough nodes to provide fault tolerance with requested shard count",
            ),
            Failure::NoSuchShard => Answer::error(Status::NotFound, "There is no such shard"),
            Failure::NoSuchNode => Answer::error(
                Status::NotFound,
                "View has no such replica, or it has not answered yet",
            ),
            Failure::Conflict => Answer::error(
                Status::Conflict,
                "Another change of the shards is under way: try again when it is done",
            ),
            Failure::Unfinished => Answer::error(
                Status::GatewayTimeout,
                "The change goes on, or was taken back: GET /shard/status says which",
            ),
            Failure::NoMajority => later(
                "Too few of the nodes in shards answer this one to decide that; nothing was changed. \
                 Ask a node that reaches more of them, or try again when they are back",
            ),
            Failure::NotTold => later(
                "This node has not been told yet which nodes there are; ask another one, or try again later",
            ),
            Failure::NotKept => later(
                "The disk of this node does not keep what it is given; ask another one, and mend this one",
            ),
            Failure::Full => Answer::error(
                Status::Conflict,
                format!(
                    "The view has room for {NODES_MAX} nodes, those that were taken out included, and it is full"
                ),
            ),
        }
    }
}

/// Where answers say what the client has seen.
const SEEN_HEADER: &str = "Causal-Metadata";
