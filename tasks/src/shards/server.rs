//! Server: one server that is spoken to over ZeroMQ, by a REQ socket: one request at a time, each with its answer.
//!
//! The socket does not come back by itself when its connection is lost: a new one takes its place for the next
//! request.

use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use zeromq::prelude::{Socket as _, SocketRecv as _, SocketSend as _};
use zeromq::{ReqSocket, SocketOptions, ZmqError, ZmqMessage, ZmqResult};

use crate::failure::Failure;

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The server: this client connects to it.
    Connect,
    /// This client: the server comes.
    Bind,
}

/// A key and its value, as servers show them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// The key, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The key, if it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_base64: Option<String>,
    /// The value; null where there is none, or none that JSON can say.
    #[serde(default)]
    pub(crate) value: Value,
    /// A value that JSON can't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_base64: Option<String>,
}

/// One server.
pub(crate) struct Server {
    /// What it is known by.
    pub(crate) label: String,
    endpoint: String,
    side: Side,
    /// How long it may take to answer.
    patience: Duration,
    socket: Mutex<Option<ReqSocket>>,
}

impl Server {
    /// The server at `tcp://HOST:PORT`, where it listens, or this client will for it.
    pub(crate) fn new(
        label: impl Into<String>,
        endpoint: impl Into<String>,
        side: Side,
        patience: Duration,
    ) -> Server {
        Server {
            label: label.into(),
            endpoint: endpoint.into(),
            side,
            patience,
            socket: Mutex::new(None),
        }
    }

    /// Puts a value under a key.
    pub(crate) async fn put(&self, key: &str, value: &Value) -> Result<()> {
        self.order(&json!({"op": "PUT", "key": key, "value": value}))
            .await
    }

    /// Deletes a key; it is no error where it is not there.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        self.order(&json!({"op": "DELETE", "key": key})).await
    }

    /// The value under a key; null where there is none.
    pub(crate) async fn get(&self, key: &str) -> Result<Item> {
        self.ask(&json!({"op": "GET_ONE", "key": key})).await
    }

    /// All that it holds, asked for in pages.
    pub(crate) async fn all(&self) -> Result<Vec<Item>> {
        #[derive(Deserialize)]
        struct Page {
            collection: Vec<Item>,
            next: Option<String>,
        }
        let mut request = json!({"op": "GET_ALL", "limit": PAGE});
        let mut items = Vec::new();
        loop {
            let page: Page = self.ask(&request).await?;
            items.extend(page.collection);
            let Some(next) = page.next else {
                return Ok(items);
            };
            let label = &self.label;
            ensure!(
                request["after"] != next,
                "{label} answers the same page twice"
            );
            request["after"] = next.into();
        }
    }

    async fn order(&self, request: &Value) -> Result<()> {
        let answer: Value = self.ask(request).await?;
        ensure!(answer["status"] == "OK", "{} answers {answer}", self.label);
        Ok(())
    }

    /// Asks, and reads the answer. Errors: [`Failure::NoNetwork`], there is none in time; the server has something
    /// against the request.
    async fn ask<T: for<'de> Deserialize<'de>>(&self, request: &Value) -> Result<T> {
        let mut kept = self.socket.lock().await;
        let asked = timeout(self.patience, self.exchange(kept.take(), request)).await;
        let (socket, answer) = asked.map_err(|_| self.silent("does not answer"))??;
        *kept = Some(socket);
        let label = &self.label;
        let answer: Value = match &answer.into_vec()[..] {
            [frame] => serde_json::from_slice(frame)
                .map_err(|error| anyhow!("{label} answers no JSON: {error}"))?,
            frames => bail!("{label} answers in {} frames", frames.len()),
        };
        if let Some(message) = answer["error"]["message"].as_str() {
            bail!("{label}: {message}");
        }
        let nonsense = |error| anyhow!("the answer of {label} makes no sense: {error}");
        serde_json::from_value(answer).map_err(nonsense)
    }

    async fn exchange(
        &self,
        socket: Option<ReqSocket>,
        request: &Value,
    ) -> Result<(ReqSocket, ZmqMessage)> {
        let mut socket = match socket {
            Some(socket) => socket,
            None => self.open().await?,
        };
        let mut message = ZmqMessage::from(request.to_string());
        loop {
            match socket.send(message).await {
                Ok(()) => break,
                // Where this client listens, the server comes sooner or later.
                Err(ZmqError::ReturnToSender { message: back, .. }) => message = back,
                Err(error) => return Err(self.broken(&error)),
            }
            sleep(PAUSE).await;
        }
        let answer = socket.recv().await.map_err(|error| self.broken(&error))?;
        Ok((socket, answer))
    }

    async fn open(&self) -> Result<ReqSocket> {
        let mut options = SocketOptions::default();
        options.connect_timeout(self.patience);
        let mut socket = ReqSocket::with_options(options);
        let opened: ZmqResult<()> = match self.side {
            Side::Connect => socket.connect(&self.endpoint).await,
            Side::Bind => socket.bind(&self.endpoint).await.map(|_| ()),
        };
        match (opened, self.side) {
            (Ok(()), _) => Ok(socket),
            (Err(error), Side::Connect) => Err(self.broken(&error)),
            (Err(error), Side::Bind) => Err(anyhow!("cannot listen on {}: {error}", self.endpoint)),
        }
    }

    fn broken(&self, error: &ZmqError) -> anyhow::Error {
        self.silent(&format!("gives no answer ({error})"))
    }

    fn silent(&self, what: &str) -> anyhow::Error {
        let (label, endpoint, ms) = (&self.label, &self.endpoint, self.patience.as_millis());
        let way_out = match self.side {
            Side::Connect => format!("is there a node with `--zeromq {endpoint}`?"),
            Side::Bind => format!("is there a node with `--zeromq connect:{endpoint}`?"),
        };
        Failure::NoNetwork(format!("{label} {what} within {ms} ms: {way_out}")).into()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("label", &self.label)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Items of a page.
const PAGE: usize = 1000;

/// Between two looks for a server that comes.
const PAUSE: Duration = Duration::from_millis(10);
