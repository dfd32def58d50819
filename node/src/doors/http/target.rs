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
    /// What must hold of the present version.
    pub(crate) conditions: Conditions,
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
    // Both are the same as long as there is one copy.
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
    }
    if request.headers().contains("Ttl-Seconds") {
        return Err(Error::bad(
            "not_yet",
            "items do not expire yet: leave Ttl-Seconds out",
        ));
    }
    let conditions = Conditions::of(request.headers())?;
    Ok(Target { name, conditions })
}

/// Bytes of a key at most.
const KEY_BYTES_MAX: usize = 1024;
