//! Peers: how this node asks others, over HTTP. One connection pool for the process; and lines to those that
//! it asks much.
//!
//! What counts is whether a question may have been carried out, and whether the peer may be alive. It
//! was not, and is not, if nobody listens there or somebody else does; in any other case without an
//! answer the peer counts as silent.

mod lines;

use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{io, iter};

use dht::event::Cause;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;

use crate::envelope::{Answers, ENVELOPE_BYTES_MAX, NETWORK_HEADER, Questions};
use crate::faults::Faults;
use crate::line::{self, Response as LineResponse};
use crate::peers::lines::Lines;
use crate::{Peer, Reply, Request};

/// Asks other nodes.
#[derive(Clone, Debug)]
pub struct Peers {
    client: Client,
    network: HeaderValue,
    lines: Lines,
    /// Nothing where nobody may break anything.
    faults: Option<Arc<Faults>>,
}

/// Why there are no answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missed {
    /// Nobody listens there.
    #[error("nobody listens there")]
    Nobody,
    /// Another life of that node listens there, by its own word.
    #[error("another life of it listens there")]
    AnotherLife(Peer),
    /// Somebody else listens there: another node, or no node at all.
    #[error("somebody else listens there")]
    SomebodyElse,
    /// Nothing sensible came back in time: the questions may have been carried out or not.
    #[error("it does not answer")]
    Silent,
}

impl Missed {
    /// What the protocol makes of it.
    pub fn cause(self) -> Cause {
        match self {
            Missed::Nobody | Missed::AnotherLife(_) | Missed::SomebodyElse => Cause::Refused,
            Missed::Silent => Cause::Silent,
        }
    }
}

impl Peers {
    /// A client without connections. `network`: visible ASCII.
    pub fn new(network: &str) -> Peers {
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX))
            .tcp_nodelay(true)
            .build()
            .expect("a client without encryption has nothing to fail on");
        let network = HeaderValue::from_str(network).expect("a network's name is visible ASCII");
        Peers {
            client,
            network,
            lines: Lines::default(),
            faults: None,
        }
    }

    /// The same, with faults between this node and others that can be told, none at first.
    pub fn with_faults(self) -> Peers {
        let faults = Some(Arc::default());
        Peers { faults, ..self }
    }

    /// What is broken between this node and others, if that can be told.
    pub fn faults(&self) -> Option<&Faults> {
        self.faults.as_deref()
    }

    /// Closes the lines to these addresses.
    pub async fn hang_up(&self, addresses: &BTreeSet<SocketAddr>) {
        self.lines.hang_up(addresses).await;
    }

    /// The connection pool, for questions that are no messages of the protocol.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks one peer, and returns one fitting reply for each request.
    pub async fn ask(
        &self,
        from: Peer,
        to: Peer,
        requests: Vec<Request>,
    ) -> Result<Vec<Reply>, Missed> {
        let patience = patience(&requests);
        let questions = Questions { from, to, requests };
        self.through(to, patience, self.post(&questions, patience))
            .await
    }

    async fn post(&self, questions: &Questions, patience: Duration) -> Result<Vec<Reply>, Missed> {
        let body = serde_json::to_vec(questions).expect("messages are plain data");
        let response = self
            .client
            .post(url(questions.to.address))
            .timeout(patience)
            .header(NETWORK_HEADER, &self.network)
            .header(CONTENT_TYPE, JSON)
            .body(body)
            .send()
            .await
            .map_err(|error| missed(&error))?;
        let status = response.status();
        if status == StatusCode::MISDIRECTED_REQUEST {
            let body = read(response).await.unwrap_or_default();
            let recipient = serde_json::from_slice(&body).ok();
            return Err(instead_of(questions.to, recipient));
        }
        if status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(Missed::SomebodyElse);
        }
        let body = read(response).await.ok_or(Missed::Silent)?;
        let answers = serde_json::from_slice(&body).map_err(|_| Missed::Silent)?;
        fitting(questions, answers)
    }

    /// The same by the line to that peer: for what comes often. Whether a peer is there is better asked by
    /// [`Peers::ask`], since a line may take a while to notice that its other end is gone.
    pub async fn ask_by_line(
        &self,
        from: Peer,
        to: Peer,
        requests: Vec<Request>,
    ) -> Result<Vec<Reply>, Missed> {
        let patience = patience(&requests);
        let questions = Questions { from, to, requests };
        let (client, network) = (&self.client, &self.network);
        let asked = self
            .lines
            .ask(client, network, to.address, &questions, patience);
        let asked = self.through(to, patience, asked).await?;
        match line::message(&asked) {
            Some(LineResponse::Answers(answers)) => fitting(&questions, answers),
            Some(LineResponse::Refused) => Err(Missed::SomebodyElse),
            Some(LineResponse::NotKept) | None => Err(Missed::Silent),
        }
    }

    /// What comes of a question, with the faults that there are.
    async fn through<T>(
        &self,
        to: Peer,
        patience: Duration,
        asking: impl Future<Output = Result<T, Missed>>,
    ) -> Result<T, Missed> {
        match &self.faults {
            None => asking.await,
            Some(faults) => faults.through(to.address, patience, asking).await,
        }
    }
}

/// Who listens where a peer should, by what the answer says.
fn instead_of(asked: Peer, recipient: Option<Recipient>) -> Missed {
    match recipient.map(|recipient| recipient.node) {
        Some(node) if node.address == asked.address && node != asked => {
            // Of incarnation 0 nobody is: only the address was known.
            let is_same = node.id == asked.id || asked.incarnation == 0;
            match is_same {
                true => Missed::AnotherLife(node),
                false => Missed::SomebodyElse,
            }
        }
        _ => Missed::SomebodyElse,
    }
}

/// What is needed of the error that a node answers which is not the one that was asked.
#[derive(Debug, Deserialize)]
struct Recipient {
    node: Peer,
}

/// How long an answer may take.
fn patience(requests: &[Request]) -> Duration {
    let patience_ms = requests.iter().map(Request::patience_ms).max();
    Duration::from_millis(patience_ms.unwrap_or(0).into())
}

/// The replies, if they come from whom was asked and fit what was asked.
fn fitting(questions: &Questions, answers: Answers) -> Result<Vec<Reply>, Missed> {
    let Answers { from, replies } = answers;
    if from != questions.to {
        return Err(Missed::SomebodyElse);
    }
    let requests = &questions.requests;
    let mut pairs = requests.iter().zip(&replies);
    let fit = replies.len() == requests.len()
        && pairs.all(|(request, reply)| request.is_answered_by(reply));
    match fit {
        true => Ok(replies),
        false => Err(Missed::Silent),
    }
}

/// Only a refusal tells that nobody is there. A network that is parted, a machine that is paused and a
/// process of ours that has too many files open fail in other ways, and are no deaths.
fn missed(error: &reqwest::Error) -> Missed {
    let mut sources = iter::successors(error.source(), |&error| error.source());
    let refused = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    if error.is_connect() && sources.any(refused) {
        Missed::Nobody
    } else {
        Missed::Silent
    }
}

/// The body of an answer, unless it breaks off or is larger than it may be.
pub(crate) async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > ENVELOPE_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/peer")
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const CONNECT_MS_MAX: u64 = 300;

/// What a busy pair of nodes has use for: two lanes with two batches each.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// A large ring has many pairs, most of which seldom talk.
const IDLE_MS_MAX: u64 = 30_000;
