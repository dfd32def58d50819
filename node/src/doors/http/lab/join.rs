//! Join: a node that wants to become a member is told where it belongs.

use std::time::Duration;

use dht::message::State;
use dht::ownership::Ownership;
use rocket::http::Status;
use rocket::post;
use rocket::serde::json::Json as Answer;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::doors::http::Node;
use crate::doors::http::bytes::Json;
use crate::doors::http::error::{Error, taken};
use crate::doors::http::faults::hear;
use crate::doors::http::guard::{Native, SameNetwork};
use crate::doors::http::lab::pointers::look_into;
use crate::{Address, Peer};

/// Where the joiner belongs. What it makes of that is up to it: it asks the predecessor itself.
#[post("/join", data = "<joiner>")]
pub(crate) async fn join(
    node: &Node,
    _native: Native,
    _network: SameNetwork,
    joiner: Json<Peer>,
) -> Result<Answer<Value>, Error> {
    let joiner = joiner.0;
    if node.scheme.is_some() {
        let message = "the members of this network are listed: `PUT /members` adds one";
        return Err(Error::new(Status::Conflict, "listed", message));
    }
    hear(node, joiner.address).await?;
    look_into(node, joiner).await?;
    for _ in 0..ATTEMPTS_MAX {
        // The last node before the joiner, by the pointers of the ring.
        let before = joiner.id.previous();
        let path = node
            .find(before, Ownership::Predecessor, node.routing)
            .await?;
        let Some(hop) = path.iter().rev().find(|hop| hop.ok) else {
            break;
        };
        let predecessor = hop.node;
        if let Ok(Some(state)) = node.state_of(predecessor).await {
            refuse_twin(node, joiner, &state).await?;
            return Ok(Answer(
                json!({"predecessor": predecessor, "successors": state.successors}),
            ));
        }
        sleep(PAUSE).await;
    }
    Err(Error::busy(
        "busy",
        "the node before the joiner is busy with its own pointers",
    ))
}

/// Refuses an identifier that a living node has.
async fn refuse_twin(node: &Node, joiner: Peer, state: &State<Address>) -> Result<(), Error> {
    let twin = state
        .successors
        .iter()
        .find(|peer| peer.id == joiner.id && **peer != joiner);
    match twin {
        Some(twin) if node.ping(*twin).await.is_ok() => {
            Err(taken("a living node has this identifier").with("node", twin))
        }
        // It is dead, and the ring will drop it.
        _ => Ok(()),
    }
}

const ATTEMPTS_MAX: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);
