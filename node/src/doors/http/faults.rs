//! Faults: what is broken between this node and others, if it is started to have any; see [`crate::faults`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rocket::http::Status;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};
use rocket::serde::json::Json as Answer;
use rocket::{Request, get, put};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::Address;
use crate::doors::http::Node;
use crate::doors::http::bytes::{Json, Readable};
use crate::doors::http::error::Error;
use crate::doors::http::guard::{Native, refuse};
use crate::faults::{Faults, UNREACHABLE_MAX};
use crate::service::Service;

/// What is broken, as it is told and asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Broken {
    /// Addresses, as `host:port` in numbers.
    unreachable: Vec<String>,
}

/// Those that nothing passes to or from.
#[get("/faults")]
pub(crate) fn faults(breakable: Breakable<'_>) -> Answer<Broken> {
    Answer(Broken::of(breakable.0))
}

/// From now on nothing passes to or from these, and to and from all others: with none all is healed. Answers
/// once no line to any of them is open.
#[put("/faults", data = "<broken>")]
pub(crate) async fn put_faults(
    node: &Node,
    _native: Native,
    breakable: Breakable<'_>,
    broken: Json<Broken>,
) -> Result<Answer<Broken>, Error> {
    let unreachable = broken.0.addresses(node.view().me.address)?;
    tracing::warn!(?unreachable, "told that nothing passes to or from these");
    breakable.0.cut_off(unreachable.clone());
    node.driver().peers().hang_up(&unreachable).await;
    Ok(Answer(Broken::of(breakable.0)))
}

impl Broken {
    fn of(faults: &Faults) -> Broken {
        let unreachable = faults.unreachable();
        Broken {
            unreachable: unreachable.iter().map(Address::to_string).collect(),
        }
    }

    fn addresses(self, me: Address) -> Result<BTreeSet<Address>, Error> {
        let count = self.unreachable.len();
        if count > UNREACHABLE_MAX {
            let message = format!("{count} addresses; {UNREACHABLE_MAX} are possible");
            return Err(Error::bad("too_many", message));
        }
        let address = |text: String| match text.parse() {
            Ok(address) if address == me => {
                let message = format!("{text} is the address of this node itself");
                Err(Error::bad("self_pointer", message))
            }
            Ok(address) => Ok(address),
            Err(_) => {
                let message = format!("`{text}` is no address like 127.0.0.1:10001");
                Err(Error::bad("bad_address", message))
            }
        };
        self.unreachable.into_iter().map(address).collect()
    }
}

impl Readable for Broken {
    /// The longest address in quotes, with a comma and a blank, so many times.
    const BYTES_MAX: usize = 64 * UNREACHABLE_MAX;
}

/// A request to a node whose faults may be looked at and changed.
pub(crate) struct Breakable<'r>(&'r Faults);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Breakable<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Breakable<'r>, ()> {
        let node = request.rocket().state::<Arc<Service>>();
        match node.and_then(|node| node.driver().peers().faults()) {
            Some(faults) => Outcome::Success(Breakable(faults)),
            None => {
                let message = "this node takes no faults: start it with --fault-injection";
                let error = Error::new(Status::Forbidden, "no_fault_injection", message);
                Outcome::Error((refuse(request, error), ()))
            }
        }
    }
}

/// Whether nothing passes between this node and that address.
pub(crate) fn is_cut_off(node: &Service, address: Address) -> bool {
    let faults = node.driver().peers().faults();
    faults.is_some_and(|faults| faults.is_cut_off(address))
}

/// Hears somebody at this address, or nothing for so long that nobody waits for the answer any more.
pub(crate) async fn hear(node: &Service, from: Address) -> Result<(), Error> {
    if !is_cut_off(node, from) {
        return Ok(());
    }
    sleep(SILENCE).await;
    let message = "faults are injected: nothing passes between this node and the one that asks";
    Err(Error::new(Status::GatewayTimeout, "cut_off", message))
}

/// Longer than any node waits for an answer of another one.
const SILENCE: Duration = Duration::from_secs(6);
