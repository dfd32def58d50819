//! Peer: the messages of other nodes, many at a time.

use dht::causal::message::{Failure, Outcome, Told};
use dht::message::Elsewhere;
use dht::record::Blob;
use rocket::http::Status;
use rocket::post;
use rocket::serde::json::Json as Answer;

use crate::Reply;
use crate::doors::http::Node;
use crate::doors::http::bytes::{Json, Readable};
use crate::doors::http::error::{Error, not_kept};
use crate::doors::http::faults::hear;
use crate::doors::http::guard::{Native, SameNetwork, wrong_network};
use crate::envelope::{Answers, BATCH_MAX, ENVELOPE_BYTES_MAX, Questions};
use crate::service::Service;

/// Answers all questions of a batch.
#[post("/peer", data = "<questions>")]
pub(crate) async fn answer(
    node: &Node,
    _native: Native,
    network: SameNetwork,
    questions: Json<Questions>,
) -> Result<Answer<Answers>, Error> {
    if !network.is_named {
        return Err(wrong_network(&node.network));
    }
    let from = questions.0.from.address;
    hear(node, from).await?;
    let answers = answers(node, questions.0).await;
    // It may have been cut off meanwhile.
    hear(node, from).await?;
    answers.map(Answer)
}

/// The answers to a batch, whichever way it has come.
pub(crate) async fn answers(node: &Service, questions: Questions) -> Result<Answers, Error> {
    let Questions { from, to, requests } = questions;
    if to != node.view().me {
        let message = "this is another node, or another life of it";
        let error = Error::new(Status::MisdirectedRequest, "wrong_recipient", message);
        return Err(error.with("node", node.view().me));
    }
    if !(1..=BATCH_MAX).contains(&requests.len()) {
        return Err(Error::bad(
            "bad_batch",
            format!("a batch has 1 to {BATCH_MAX} requests"),
        ));
    }
    let mut replies = node.answer_all(from, requests).await;
    let mut room = VALUES_BYTES_MAX;
    for reply in &mut replies {
        match value_of(reply).map_or(0, |value| value.len()) {
            length if length > room => *reply = too_large(reply),
            length => room -= length,
        }
    }
    let is_made = |reply: &Reply| matches!(reply, Reply::Changed(changed, _) if changed.is_made());
    // Once for all of them: so many share one flush.
    if replies.iter().any(is_made) && !node.keep().await {
        return Err(not_kept());
    }
    Ok(Answers { from: to, replies })
}

fn value_of(reply: &Reply) -> Option<&Blob> {
    match reply {
        Reply::Record(Some(record)) => record.value.as_ref(),
        Reply::Causal(told) => match &**told {
            Told::Operated(Ok(done)) => match &done.result {
                Outcome::Found(value) => Some(value),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// What stands for a value for which there is no room any more: who wants it is to come again.
fn too_large(reply: &Reply) -> Reply {
    match reply {
        Reply::Causal(_) => {
            let told = Told::Operated(Err(Failure::Overloaded));
            Reply::Causal(Box::new(told))
        }
        _ => Reply::Elsewhere(Elsewhere::Overloaded),
    }
}

impl Readable for Questions {
    const BYTES_MAX: usize = ENVELOPE_BYTES_MAX;
}

/// Values in the answer to one batch: in base64 they fit into one envelope. Who reads more at once is
/// to come again.
const VALUES_BYTES_MAX: usize = 2 * 1024 * 1024;
