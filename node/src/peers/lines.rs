//! Lines: the asking ends of the lines of this node, one for each address that it asks much.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONNECTION, HeaderValue, UPGRADE};
use reqwest::{Client, StatusCode, Upgraded};
use serde::Serialize;
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Missed, missed, url};
use crate::envelope::NETWORK_HEADER;
use crate::line::{self, Frames, PROTOCOL};

/// All that there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<SocketAddr, Arc<Place>>>>);

/// Where the line to an address is: who finds none opens one, and all others wait for it.
type Place = tokio::sync::Mutex<Option<Arc<Line>>>;

/// One line.
#[derive(Debug)]
struct Line(Mutex<State>);

#[derive(Debug)]
struct State {
    next: u32,
    waiting: HashMap<u32, oneshot::Sender<Vec<u8>>>,
    /// Nothing once the line is closed.
    outgoing: Option<mpsc::UnboundedSender<Vec<u8>>>,
    /// When anything was last heard on it.
    heard: Instant,
}

impl Lines {
    /// Asks, and returns the bytes of the answer. Errors: as of [`super::Peers::ask`].
    pub(super) async fn ask(
        &self,
        client: &Client,
        network: &HeaderValue,
        to: SocketAddr,
        question: &impl Serialize,
        patience: Duration,
    ) -> Result<Vec<u8>, Missed> {
        let (began, mut asked) = (Instant::now(), None);
        let answer = async {
            loop {
                let line = self.line(client, network, to).await?;
                // One that was closed a moment ago has not taken the question.
                if let Some(answer) = line.send(question) {
                    asked = Some(line);
                    return answer.await.map_err(|_| Missed::Silent);
                }
            }
        };
        match timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                // Nothing at all came meanwhile: what else is asked should not wait behind this.
                if let Some(line) = asked.filter(|line| line.is_silent_since(began)) {
                    line.close();
                }
                Err(Missed::Silent)
            }
        }
    }

    /// Closes the lines to these addresses, also those that are about to be opened.
    pub(super) async fn hang_up(&self, addresses: &BTreeSet<SocketAddr>) {
        for address in addresses {
            let place = lock(&self.0).remove(address);
            if let Some(place) = place
                && let Some(line) = place.lock().await.take()
            {
                line.close();
            }
        }
    }

    /// The line to an address, which is opened if need be.
    async fn line(
        &self,
        client: &Client,
        network: &HeaderValue,
        to: SocketAddr,
    ) -> Result<Arc<Line>, Missed> {
        let place = lock(&self.0).entry(to).or_default().clone();
        let mut place = place.lock().await;
        if let Some(line) = place.as_ref().filter(|line| line.is_open()) {
            return Ok(line.clone());
        }
        *place = None;
        let opened = open(client, network, to).await;
        // Lines that are closed leave nothing behind. A place that is locked is in use, as this one is.
        lock(&self.0).retain(|_, place| match place.try_lock() {
            Ok(line) => line.as_ref().is_some_and(|line| line.is_open()),
            Err(_) => true,
        });
        let (line, stream, outgoing) = opened?;
        *place = Some(line.clone());
        let (reader, writer) = split(stream);
        tokio::spawn(line.clone().serve(reader, writer, outgoing));
        Ok(line)
    }
}

type Opened = (Arc<Line>, Upgraded, mpsc::UnboundedReceiver<Vec<u8>>);

async fn open(client: &Client, network: &HeaderValue, to: SocketAddr) -> Result<Opened, Missed> {
    let request = client
        .get(url(to))
        .header(NETWORK_HEADER, network)
        .header(CONNECTION, UPGRADE_WORD)
        .header(UPGRADE, PROTOCOL);
    let response = timeout(OPENING_MAX, request.send()).await;
    let response = response.map_err(|_| Missed::Silent)?;
    let response = response.map_err(|error| missed(&error))?;
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => {}
        status if status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE => {
            return Err(Missed::SomebodyElse);
        }
        _ => return Err(Missed::Silent),
    }
    let stream = response.upgrade().await.map_err(|_| Missed::Silent)?;
    let (outgoing, frames) = mpsc::unbounded_channel();
    let state = State {
        next: 0,
        waiting: HashMap::new(),
        outgoing: Some(outgoing),
        heard: Instant::now(),
    };
    Ok((Arc::new(Line(Mutex::new(state))), stream, frames))
}

impl Line {
    /// Sends a question; nothing if the line is closed.
    fn send(&self, question: &impl Serialize) -> Option<oneshot::Receiver<Vec<u8>>> {
        let mut state = lock(&self.0);
        let number = state.next;
        let outgoing = state.outgoing.as_ref()?;
        outgoing.send(line::frame(number, question)).ok()?;
        let (sender, answer) = oneshot::channel();
        state.waiting.insert(number, sender);
        state.next = number.wrapping_add(1);
        Some(answer)
    }

    /// Carries what is sent and what comes back, until it breaks or is closed or nothing has come for long.
    async fn serve(
        self: Arc<Self>,
        reader: ReadHalf<Upgraded>,
        writer: WriteHalf<Upgraded>,
        outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    ) {
        tokio::select! {
            _ = line::write(writer, outgoing) => {}
            () = self.hear(reader) => {}
        }
        self.close();
    }

    async fn hear(&self, reader: ReadHalf<Upgraded>) {
        let mut frames = Frames::new(reader);
        loop {
            let Ok(frame) = timeout(IDLE_MAX, frames.next()).await else {
                match lock(&self.0).waiting.is_empty() {
                    true => return,
                    false => continue,
                }
            };
            let Ok(Some((number, bytes))) = frame else {
                return;
            };
            let mut state = lock(&self.0);
            state.heard = Instant::now();
            if let Some(waits) = state.waiting.remove(&number) {
                // Whoever has lost patience is not there any more.
                let _ = waits.send(bytes.to_vec());
            }
        }
    }

    /// Nobody gets an answer on it any more.
    fn close(&self) {
        let mut state = lock(&self.0);
        state.outgoing = None;
        state.waiting.clear();
    }

    fn is_silent_since(&self, began: Instant) -> bool {
        lock(&self.0).heard < began
    }

    fn is_open(&self) -> bool {
        lock(&self.0).outgoing.is_some()
    }
}

/// What panicked half-way has left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const UPGRADE_WORD: HeaderValue = HeaderValue::from_static("upgrade");

/// For all of the way from no connection to a line.
const OPENING_MAX: Duration = Duration::from_millis(600);

/// A line on which nothing has come for so long is closed: a large ring has many pairs, most of which seldom
/// talk.
const IDLE_MAX: Duration = Duration::from_secs(30);
