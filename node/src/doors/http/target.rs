//! Target: which item of the key-value store a request is about, and under which conditions.

use std::borrow::Cow;

use rocket::Request;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};

use crate::doors::http::condition::Conditions;
use crate::doors::http::error::Error;
use crate::doors::http::guard::{Tail, refuse};

/// A key, and what is asked of its item.
pub(crate) struct Target<'r> {
    /// The key: 1 to [`KEY_BYTES_MAX`] bytes of anything.
    pub(crate) name: Cow<'r, [u8]>,
    /// Whether a read may show any copy, be it an old one.
    pub(crate) any_copy: bool,
    /// What must hold of the present version.
    pub(crate) conditions: Conditions,
    /// How long what is written is to stay, in seconds; nothing if for ever.
    pub(crate) ttl_seconds: Option<u64>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Target<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Target<'r>, ()> {
        match target(request) {
            Ok(target) => Outcome::Success(target),
            Err(error) => Outcome::Error((refuse(request, error), ())),
        }
    }
}

fn target<'r>(request: &'r Request<'_>) -> Result<Target<'r>, Error> {
    let name = Tail::of(request)?.up_to(KEY_BYTES_MAX, "key")?;
    // Both are the same where there is one copy.
    let mut any_copy = false;
    let consistency = request
        .uri()
        .query()
        .into_iter()
        .flat_map(|query| query.segments());
    for (_, value) in consistency.filter(|(name, _)| *name == "consistency") {
        if !matches!(value, "one" | "linearizable") {
            let message = "consistency is `one` or `linearizable`";
            return Err(Error::bad("bad_consistency", message));
        }
        any_copy = value == "one";
    }
    let ttl = request.headers().get_one(TTL_HEADER);
    Ok(Target {
        name,
        any_copy,
        conditions: Conditions::of(request.headers())?,
        ttl_seconds: ttl.map(ttl_seconds).transpose()?,
    })
}

fn ttl_seconds(text: &str) -> Result<u64, Error> {
    match text.trim().parse() {
        Ok(seconds @ 1..=TTL_SECONDS_MAX) => Ok(seconds),
        _ => {
            let message = format!("{TTL_HEADER} is 1 to {TTL_SECONDS_MAX} (10 years)");
            Err(Error::bad("bad_ttl", message))
        }
    }
}

/// How long a value is to stay, in a request, and how long it will, in an answer.
pub(crate) const TTL_HEADER: &str = "Ttl-Seconds";

/// What is to stay for longer may as well stay.
const TTL_SECONDS_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// Bytes of a key at most.
const KEY_BYTES_MAX: usize = 1024;
