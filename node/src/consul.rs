//! Consul: the few calls of its HTTP API by which nodes register themselves and clients find them.
//!
//! A thin client: one method a call, errors that name the URL. [`Watch`] follows who is there by blocking
//! queries, which is how Consul tells of changes.

mod instance;
mod pause;
mod url;
mod watch;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::instance::{Instance, Registration};
pub(crate) use self::pause::pause;
pub use self::url::NotConsul;
pub use self::watch::Watch;

use crate::consul::instance::Entry;
use crate::peers;

/// The way to a Consul agent.
#[derive(Clone, Debug)]
pub struct Consul {
    client: Client,
    /// `http://HOST:PORT`, without a slash at its end.
    url: String,
    token: Option<String>,
}

/// Why a call to Consul failed. Nothing was changed, except where there is no answer: that is not known then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there, or not in time.
    #[error("Consul at {url} does not answer: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why there is no answer.
        reason: &'static str,
    },
    /// It does not do what it was asked to.
    #[error("Consul at {url} refuses: status {status}, {text}")]
    Refused {
        /// What was asked.
        url: String,
        /// Its status.
        status: u16,
        /// What it says.
        text: String,
    },
    /// Its answer is none of Consul's.
    #[error("what answers at {url} is not Consul: {reason}")]
    Nonsense {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// Who passes the checks, and at which state of Consul that was so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// The instances, in the order of their identifiers.
    pub instances: Vec<Instance>,
    /// What a blocking query waits for a change of.
    pub index: u64,
}

impl Consul {
    /// A client of the agent at `url`: `http://HOST:PORT` or `HOST:PORT`. `token` is sent with each call, if
    /// there is one.
    pub fn new(url: &str, token: Option<&str>) -> Result<Consul, NotConsul> {
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build()
            .expect("a client without encryption has nothing to fail on");
        Ok(Consul {
            client,
            url: url::base(url)?,
            token: token.map(url::token).transpose()?,
        })
    }

    /// The same with what `CONSUL_HTTP_ADDR` and `CONSUL_HTTP_TOKEN` say, where `url` says nothing:
    /// `127.0.0.1:8500` if they don't either.
    pub fn of_environment(url: Option<&str>) -> Result<Consul, NotConsul> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let url = url
            .map(str::to_owned)
            .or_else(|| variable(ADDRESS_VARIABLE));
        Consul::new(
            url.as_deref().unwrap_or(DEFAULT_ADDRESS),
            variable(TOKEN_VARIABLE).as_deref(),
        )
    }

    /// Where the agent is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes an instance known, in place of the one of the same identifier, together with the check by which
    /// Consul finds out whether it is alive.
    pub async fn register(&self, registration: &Registration) -> Result<(), Error> {
        let path = "/v1/agent/service/register";
        let call = self.call(Method::PUT, path).json(&registration.body());
        self.answer(path, call).await?;
        Ok(())
    }

    /// Makes an instance unknown; it is no error where it was.
    pub async fn deregister(&self, id: &str) -> Result<(), Error> {
        let path = format!("/v1/agent/service/deregister/{}", segment(id));
        let call = self.call(Method::PUT, &path);
        match self.answer(&path, call).await {
            Ok(_) => Ok(()),
            Err(Error::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether an instance is known, alive or not.
    pub async fn is_registered(&self, id: &str) -> Result<bool, Error> {
        let path = format!("/v1/agent/service/{}", segment(id));
        let call = self.call(Method::GET, &path);
        match self.answer(&path, call).await {
            Ok(_) => Ok(true),
            Err(Error::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The instances of a service that pass their checks. With the `index` of an earlier answer: as soon as
    /// that has changed, or after `wait`.
    pub async fn passing(
        &self,
        service: &str,
        index: u64,
        wait: Duration,
    ) -> Result<Passing, Error> {
        let (service, wait_ms) = (segment(service), wait.as_millis());
        let path = format!("/v1/health/service/{service}?passing&index={index}&wait={wait_ms}ms");
        // Consul adds up to a sixteenth of its own.
        let call = self.call(Method::GET, &path);
        let call = call.timeout(wait + wait / 8 + ANSWER_MAX);
        let response = self.answer(&path, call).await?;
        let nonsense = |reason: &str| self.nonsense(&path, reason);
        let index = response.headers().get(INDEX_HEADER);
        let index = index.and_then(|index| index.to_str().ok()?.parse().ok());
        let index = index.ok_or_else(|| nonsense("there is no X-Consul-Index"))?;
        let entries: Vec<Entry> = self.read(&path, response).await?;
        let mut instances: Vec<Instance> = entries.into_iter().map(Instance::from).collect();
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Passing { instances, index })
    }

    /// The value of a key in Consul's own store; nothing if there is none.
    pub async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        #[derive(Deserialize)]
        struct Pair {
            #[serde(rename = "Value")]
            value: Option<String>,
        }
        let path = format!("/v1/kv/{}", segment(key));
        let response = match self.answer(&path, self.call(Method::GET, &path)).await {
            Err(Error::Refused { status: 404, .. }) => return Ok(None),
            other => other?,
        };
        let pairs: Vec<Pair> = self.read(&path, response).await?;
        let value = pairs.into_iter().next().and_then(|pair| pair.value);
        let value = value.map(|text| STANDARD.decode(text));
        let value = value.transpose();
        value.map_err(|error| self.nonsense(&path, &error.to_string()))
    }

    /// Puts a value under a key of Consul's own store.
    pub async fn put_value(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<(), Error> {
        let path = format!("/v1/kv/{}", segment(key));
        let call = self.call(Method::PUT, &path).body(value.into());
        self.answer(&path, call).await?;
        Ok(())
    }

    /// Of how many nodes the network is to be, by the key `cluster_size`; nothing if nobody has said.
    pub async fn cluster_size(&self) -> Result<Option<usize>, Error> {
        let Some(value) = self.value(CLUSTER_SIZE_KEY).await? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&value);
        match text.trim().parse() {
            Ok(size) => Ok(Some(size)),
            Err(_) => {
                let path = format!("/v1/kv/{CLUSTER_SIZE_KEY}");
                Err(self.nonsense(&path, &format!("`{text}` is no number of nodes")))
            }
        }
    }

    /// Says of how many nodes the network is to be.
    pub async fn set_cluster_size(&self, size: usize) -> Result<(), Error> {
        self.put_value(CLUSTER_SIZE_KEY, size.to_string()).await
    }

    /// Follows who passes the checks of a service.
    pub fn watch(&self, service: &str) -> Watch {
        Watch::new(self.clone(), service)
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let call = self.client.request(method, format!("{}{path}", self.url));
        let call = call.timeout(ANSWER_MAX);
        match &self.token {
            Some(token) => call.header(TOKEN_HEADER, token),
            None => call,
        }
    }

    /// The answer, if it is a success.
    async fn answer(&self, path: &str, call: RequestBuilder) -> Result<Response, Error> {
        let url = || format!("{}{path}", self.url);
        let response = call.send().await.map_err(|error| Error::Unreachable {
            url: url(),
            reason: match error.is_connect() {
                true => "nobody listens there",
                false => "there is no answer in time",
            },
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = peers::read(response).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..text.len().min(COMPLAINT_BYTES_MAX)]);
        Err(Error::Refused {
            url: url(),
            status: status.as_u16(),
            text: match text.trim() {
                "" if status == StatusCode::FORBIDDEN => format!("see {TOKEN_VARIABLE}"),
                text => text.to_owned(),
            },
        })
    }

    async fn read<T: DeserializeOwned>(&self, path: &str, response: Response) -> Result<T, Error> {
        let nonsense = || self.nonsense(path, "the answer is not the JSON of this call");
        let body = peers::read(response).await.ok_or_else(nonsense)?;
        serde_json::from_slice(&body).map_err(|_| nonsense())
    }

    fn nonsense(&self, path: &str, reason: &str) -> Error {
        Error::Nonsense {
            url: format!("{}{path}", self.url),
            reason: reason.to_owned(),
        }
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SPECIAL).to_string()
}

/// Where Consul is, as its own tools are told.
pub const ADDRESS_VARIABLE: &str = "CONSUL_HTTP_ADDR";
/// What proves who asks, as its own tools are told.
pub const TOKEN_VARIABLE: &str = "CONSUL_HTTP_TOKEN";

/// What stands for itself in a path is left as it is.
const SPECIAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

const DEFAULT_ADDRESS: &str = "127.0.0.1:8500";
const TOKEN_HEADER: &str = "X-Consul-Token";
const INDEX_HEADER: &str = "X-Consul-Index";
const CLUSTER_SIZE_KEY: &str = "cluster_size";

const CONNECT_MAX: Duration = Duration::from_secs(1);
/// An agent answers from memory.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// One that waits for a change, and one for all else.
const IDLE_CONNECTIONS_MAX: usize = 2;
const COMPLAINT_BYTES_MAX: usize = 200;
