//! Client: HTTP to nodes. One connection pool for the whole command.
//!
//! A question for one node is asked once. A question for the network goes to a random member, and
//! again where that is harmless: to another member if one refuses the connection, to the next one
//! after a pause if the content is just moving (503).

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use dht_state::Process;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rand::seq::SliceRandom as _;
use reqwest::Method;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::failure::Failure;
use crate::nodeinfo::NodeInfo;

/// Asks nodes over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
}

impl Client {
    /// A client without connections.
    pub(crate) fn new() -> Result<Client> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build()
            .context("cannot set up HTTP")?;
        Ok(Client { http })
    }

    /// Asks the node at `address`, once.
    pub(crate) async fn ask(&self, address: &str, call: &Call) -> reqwest::Result<Answer> {
        let url = format!("http://{address}{}", call.path);
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .timeout(Duration::from_millis(call.patience_ms));
        if let Some((name, value)) = &call.header {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, call.content_type)
                .body(body.clone());
        }
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.into(),
        })
    }

    /// Asks the members in random order until one answers other than "come again". Tells who did.
    /// Errors: [`Failure::NoNetwork`] where every one of them refuses the connection.
    pub(crate) async fn ask_any<'a>(
        &self,
        members: &'a [Process],
        call: &Call,
    ) -> Result<(Answer, &'a Process)> {
        let mut order: Vec<_> = members.iter().collect();
        order.shuffle(&mut rand::rng());
        let (mut refused, mut unanswered, mut waits) = (0, 0, 0);
        let mut turn = order.iter().cycle();
        loop {
            let Some(member) = turn.next() else {
                return Err(nobody_answers(0));
            };
            let wait_ms = match self.ask(&member.address, call).await {
                Ok(answer) if answer.status == 503 && waits < WAITS_MAX => answer.retry_after_ms(),
                Ok(answer) => return Ok((answer, member)),
                Err(error) if error.is_connect() => {
                    refused += 1;
                    if refused >= order.len() {
                        return Err(nobody_answers(order.len()));
                    }
                    continue;
                }
                Err(_) if call.repeatable && unanswered < UNANSWERED_MAX => {
                    unanswered += 1;
                    continue;
                }
                Err(error) => {
                    return Err(anyhow!(error).context(format!("no answer from {}", member.name)));
                }
            };
            waits += 1;
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// What the node at `address` says of itself. The error is one line for people.
    pub(crate) async fn nodeinfo(&self, address: &str) -> Result<NodeInfo, String> {
        let mut call = Call::get("/nodeinfo");
        call.patience_ms = NODEINFO_MS_MAX;
        match self.ask(address, &call).await {
            Ok(answer) if answer.is_success() => {
                answer.read().map_err(|error| format!("{error:#}"))
            }
            Ok(answer) => Err(answer.complaint()),
            Err(error) if error.is_connect() => Err("refuses connections".to_owned()),
            Err(error) if error.is_timeout() => Err(format!("silent for {NODEINFO_MS_MAX} ms")),
            Err(error) => Err(format!("{:#}", anyhow!(error))),
        }
    }

    /// Whether the node at `address` is part of a ring and serves; if not, why.
    pub(crate) async fn ready(&self, address: &str) -> Result<(), String> {
        let mut call = Call::get("/readyz");
        call.patience_ms = NODEINFO_MS_MAX;
        match self.ask(address, &call).await {
            Ok(answer) if answer.is_success() => Ok(()),
            Ok(answer) => Err(answer.complaint()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }
}

/// A question to a node.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    content_type: &'static str,
    header: Option<(&'static str, String)>,
    /// Whether asking twice does the same as asking once.
    repeatable: bool,
    /// How long to wait for the answer.
    pub(crate) patience_ms: u64,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Call {
        Call {
            repeatable: method == Method::GET,
            method,
            path: path.into(),
            body: None,
            content_type: "application/octet-stream",
            header: None,
            patience_ms: PATIENCE_MS,
        }
    }

    /// A read.
    pub(crate) fn get(path: impl Into<String>) -> Call {
        Call::new(Method::GET, path)
    }

    /// A deletion. It is not repeated: the second time would tell that nothing was there.
    pub(crate) fn delete(path: impl Into<String>) -> Call {
        Call::new(Method::DELETE, path)
    }

    /// Storing a value under its own identifier, which does no harm twice.
    pub(crate) fn store(value: impl Into<Vec<u8>>) -> Call {
        Call {
            body: Some(value.into()),
            repeatable: true,
            ..Call::new(Method::POST, "/store")
        }
    }

    /// Putting a value under a key. It is not repeated: someone else may have put another since.
    pub(crate) fn put(path: impl Into<String>, value: Vec<u8>) -> Call {
        Call {
            body: Some(value),
            ..Call::new(Method::PUT, path)
        }
    }

    /// The same with a header.
    pub(crate) fn with_header(self, name: &'static str, value: String) -> Call {
        Call {
            header: Some((name, value)),
            ..self
        }
    }

    /// A question to a causal store, whose every method takes JSON. Nothing that it changes is changed twice by
    /// being asked for twice.
    pub(crate) fn json(method: Method, path: impl Into<String>, body: &Value) -> Call {
        Call {
            body: Some(body.to_string().into()),
            content_type: "application/json",
            repeatable: true,
            ..Call::new(method, path)
        }
    }

    /// The same, where content has to move before the answer comes.
    pub(crate) fn patient(self) -> Call {
        Call {
            patience_ms: LEAVE_MS_MAX,
            ..self
        }
    }

    /// Telling a node to and from which addresses nothing passes from now on.
    pub(crate) fn cut_off<'a>(unreachable: impl IntoIterator<Item = &'a str>) -> Call {
        let unreachable: Vec<&str> = unreachable.into_iter().collect();
        Call {
            body: Some(json!({ "unreachable": unreachable }).to_string().into()),
            content_type: "application/json",
            ..Call::new(Method::PUT, "/faults")
        }
    }

    /// Telling a node of one that is to be a member beside it.
    pub(crate) fn admit(name: &str, address: &str) -> Call {
        Call {
            body: Some(
                json!({ "name": name, "address": address })
                    .to_string()
                    .into(),
            ),
            content_type: "application/json",
            patience_ms: LEAVE_MS_MAX,
            ..Call::new(Method::PUT, "/members")
        }
    }

    /// Telling a node that another one is to be a member no more.
    pub(crate) fn dismiss(name: &str) -> Call {
        Call {
            patience_ms: LEAVE_MS_MAX,
            ..Call::delete(format!("/members/{}", segment(name.as_bytes())))
        }
    }

    /// Telling a node to leave.
    pub(crate) fn leave() -> Call {
        Call {
            patience_ms: LEAVE_MS_MAX,
            ..Call::new(Method::POST, "/leave")
        }
    }
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// HTTP headers.
    pub(crate) headers: HeaderMap,
    /// The bytes.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Whether the node did what it was asked to.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether what was asked for is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.status == 404
    }

    /// The body as JSON.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).context("the answer of a node makes no sense")
    }

    /// The answer if it is a success, or tells that something is missing; what it says otherwise.
    pub(crate) fn accepted(self) -> Result<Answer> {
        if self.is_success() || self.is_missing() {
            return Ok(self);
        }
        Err(anyhow!(self.complaint()))
    }

    /// What the node has to say against the question.
    pub(crate) fn complaint(&self) -> String {
        let message = self.error("message").or_else(|| self.error_text());
        message.unwrap_or_else(|| format!("the node answers with HTTP status {}", self.status))
    }

    /// The word for the complaint that programs know.
    pub(crate) fn code(&self) -> Option<String> {
        self.error("code")
    }

    fn error(&self, field: &str) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("error")?.get(field)?.as_str()?.to_owned())
    }

    /// What a node of a causal store says.
    fn error_text(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("error")?.as_str()?.to_owned())
    }

    fn retry_after_ms(&self) -> u64 {
        let header = self.headers.get(RETRY_AFTER);
        let seconds = header.and_then(|seconds| seconds.to_str().ok()?.parse::<u64>().ok());
        let wait_ms = seconds.unwrap_or(0).saturating_mul(1_000);
        wait_ms.clamp(WAIT_MS_MIN, WAIT_MS_MAX)
    }
}

/// Bytes as one segment of a path.
pub(crate) fn segment(bytes: &[u8]) -> String {
    percent_encode(bytes, NON_ALPHANUMERIC).to_string()
}

/// The error where there are processes, but no answers.
pub(crate) fn nobody_answers(members: usize) -> anyhow::Error {
    let text = match members {
        0 => "the network has no nodes: `tasks boot` starts it anew".to_owned(),
        1 => "the only node of the network does not answer: `tasks restart` starts it again"
            .to_owned(),
        _ => format!("none of the {members} nodes answers: `tasks restart` starts them again"),
    };
    Failure::NoNetwork(text).into()
}

const CONNECT_MS_MAX: u64 = 1_000;
/// Longer than a node takes over a lookup around dead nodes.
const PATIENCE_MS: u64 = 10_000;
/// A node that is alive answers this at once; one that is stopped must not hold up the others.
const NODEINFO_MS_MAX: u64 = 1_000;
/// A leaver hands over all that it holds first.
const LEAVE_MS_MAX: u64 = 60_000;
const IDLE_CONNECTIONS_MAX: usize = 16;
const UNANSWERED_MAX: usize = 2;
const WAITS_MAX: usize = 8;
const WAIT_MS_MIN: u64 = 50;
const WAIT_MS_MAX: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    #[test]
    fn a_complaint_is_what_the_node_says() {
        let answer = answer(
            409,
            r#"{"error":{"code":"last_node","message":"it is the last"}}"#,
        );
        assert_eq!(answer.code().as_deref(), Some("last_node"));
        let error = answer.accepted().expect_err("refused");
        assert_eq!(error.to_string(), "it is the last");
    }

    #[test]
    fn a_complaint_without_words_gives_the_status() {
        assert!(answer(500, "<html>").complaint().contains("500"));
    }

    #[test]
    fn pauses_are_those_that_the_node_names_within_bounds() {
        let mut answer = answer(503, "");
        assert_eq!(answer.retry_after_ms(), WAIT_MS_MIN);
        for (seconds, wait_ms) in [("1", 1_000), ("9999", WAIT_MS_MAX), ("soon", WAIT_MS_MIN)] {
            let header = seconds.parse().expect("ASCII");
            answer.headers.insert(RETRY_AFTER, header);
            assert_eq!(answer.retry_after_ms(), wait_ms);
        }
    }

    #[test]
    fn a_segment_keeps_every_byte() {
        assert_eq!(segment(b"a b/c?\xff"), "a%20b%2Fc%3F%FF");
    }
}
