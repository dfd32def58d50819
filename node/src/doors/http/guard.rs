//! Guard: what a request must have before a handler sees it.

use std::borrow::Cow;

use dht::Id;
use dht::message::Routing;
use percent_encoding::percent_decode;
use rocket::Request;
use rocket::http::Status;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};

use crate::doors::http::Node;
use crate::doors::http::error::Error;
use crate::envelope::NETWORK_HEADER;

/// Leaves an error with the request, for the catcher. Returns its status.
pub(crate) fn refuse(request: &Request<'_>, error: Error) -> Status {
    let status = error.status();
    request.local_cache(|| Some(error));
    status
}

/// The error that a guard has left.
pub(crate) fn complaint(request: &Request<'_>) -> Option<Error> {
    request.local_cache(|| None::<Error>).clone()
}

/// A request that does not come from a page of somebody else's. Every change needs it, since a browser
/// lets any page send requests to a node on the same machine.
pub(crate) struct Native;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Native {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Native, ()> {
        let headers = request.headers();
        let Some(origin) = headers.get_one("Origin") else {
            return Outcome::Success(Native);
        };
        let origin_host = origin.split_once("://").map(|(_, host)| host);
        match (origin_host, headers.get_one("Host")) {
            (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => {
                Outcome::Success(Native)
            }
            _ => {
                let message = "changes are not accepted from pages of another origin";
                let error = Error::new(Status::Forbidden, "foreign_origin", message);
                Outcome::Error((refuse(request, error), ()))
            }
        }
    }
}

/// A request that comes while this node can keep what it is to keep, or others can instead. Every change of content
/// needs it.
pub(crate) struct Writable;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Writable {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Writable, ()> {
        let node = request
            .rocket()
            .state::<std::sync::Arc<crate::service::Service>>();
        match node.and_then(|node| node.refusal()) {
            None => Outcome::Success(Writable),
            Some(reason) => Outcome::Error((refuse(request, read_only(reason)), ())),
        }
    }
}

/// Nothing can be written at this node, for this reason.
pub(crate) fn read_only(reason: String) -> Error {
    Error::busy("read_only", reason)
}

/// A request that names this node's network, or none.
pub(crate) struct SameNetwork {
    /// Whether it names it.
    pub(crate) is_named: bool,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SameNetwork {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<SameNetwork, ()> {
        let node = request
            .rocket()
            .state::<std::sync::Arc<crate::service::Service>>();
        let ours = node.map(|node| node.network.as_str());
        match request.headers().get_one(NETWORK_HEADER) {
            None => Outcome::Success(SameNetwork { is_named: false }),
            theirs if theirs == ours => Outcome::Success(SameNetwork { is_named: true }),
            _ => {
                let error = wrong_network(ours.unwrap_or_default());
                Outcome::Error((refuse(request, error), ()))
            }
        }
    }
}

/// The request is meant for another network.
pub(crate) fn wrong_network(ours: &str) -> Error {
    let message = format!("this node belongs to the network `{ours}`");
    Error::new(Status::Conflict, "wrong_network", message)
}

/// The bytes of the second segment of the path, percent-decoded: any bytes at all.
///
/// Rocket's own parameters are texts, with a question mark for what is none.
pub(crate) struct Tail<'r>(Cow<'r, [u8]>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Tail<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Tail<'r>, ()> {
        match Tail::of(request) {
            Ok(tail) => Outcome::Success(tail),
            Err(error) => Outcome::Error((refuse(request, error), ())),
        }
    }
}

impl<'r> Tail<'r> {
    /// The tail of a request's path.
    pub(crate) fn of(request: &'r Request<'_>) -> Result<Tail<'r>, Error> {
        let segments = request.uri().path().raw_segments();
        let mut segments = segments.filter(|segment| !segment.is_empty());
        let bytes = segments
            .nth(1)
            .map_or(&[][..], |segment| segment.as_bytes());
        if segments.next().is_some() {
            let message = "there is nothing at this path: a slash in a key is written as %2F";
            return Err(Error::new(Status::NotFound, "no_such_path", message));
        }
        Ok(Tail(percent_decode(bytes).into()))
    }

    /// The bytes, if there are 1 to `max` of them.
    pub(crate) fn up_to(self, max: usize, noun: &str) -> Result<Cow<'r, [u8]>, Error> {
        match self.0.len() {
            0 => Err(Error::bad("empty", format!("the {noun} is empty"))),
            length if length > max => {
                let message = format!("the {noun} has {length} bytes; {max} are possible here");
                Err(Error::new(Status::UriTooLong, "too_long", message))
            }
            _ => Ok(self.0),
        }
    }
}

/// The routing that a request asks for, or the default.
pub(crate) fn routing(node: &Node, asked: Option<&str>) -> Result<Routing, Error> {
    match asked {
        None => Ok(node.routing),
        Some("linear") => Ok(Routing::Linear),
        Some("finger") => Ok(Routing::Finger),
        Some(_) => Err(Error::bad("bad_routing", "routing is `linear` or `finger`")),
    }
}

/// An identifier in a path or a query.
pub(crate) fn id(text: &str) -> Result<Id, Error> {
    text.parse()
        .map_err(|_| Error::bad("bad_key", "a key is 40 hexadecimal digits"))
}
