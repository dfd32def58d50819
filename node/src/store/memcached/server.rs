//! Server: a memcached, and whether it can be reached.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dht::Id;
use memcache::exp::{Delete, Get, MetaClient, Operation, Set};
use rand::RngExt as _;
use tracing::{info, warn};

use super::error::{Error, Unreachable, cause, is_answer};
use super::place::{ITEM_BYTES_MAX, Place, items};

/// A memcached server as one life of a node uses it.
pub(super) struct Server {
    client: MetaClient,
    address: String,
    /// What all keys of this life begin with, and no others.
    prefix: String,
    /// Number of the next item.
    serial: AtomicU64,
    /// Why it counts as away, if so.
    trouble: Mutex<Option<String>>,
}

/// What a look at the server has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is away.
    Away,
    /// It has what it had.
    Same,
    /// It has begun anew, with nothing.
    Emptied,
}

impl Server {
    pub(super) fn connect(address: &str, me: Id) -> Result<Server, Error> {
        let builder = MetaClient::builder()
            .connect_timeout(Some(TIMEOUT))
            .io_timeout(Some(TIMEOUT))
            .max_idle(CONNECTIONS_MAX)
            .max_connections(Some(CONNECTIONS_MAX));
        let unreachable = |cause| Error::Unreachable(address.to_owned(), cause);
        let client = builder
            .connect(address)
            .map_err(|error| unreachable(cause(&error)))?;
        let life: u64 = rand::rng().random();
        let me = me.to_string();
        let server = Server {
            client,
            address: address.to_owned(),
            prefix: format!("dht:{}:{life:016x}:", &me[..8]),
            serial: AtomicU64::new(0),
            trouble: Mutex::new(None),
        };
        match server.client.run(server.mark()) {
            Ok(_) => Ok(server),
            Err(error) if is_answer(&error) => {
                Err(Error::Foreign(address.to_owned(), cause(&error)))
            }
            Err(error) => Err(unreachable(cause(&error))),
        }
    }

    /// The bytes at each of these places; nothing where they are not complete any more.
    pub(super) fn fetch(
        &self,
        places: &[(Id, Place)],
    ) -> Result<Vec<Option<Vec<u8>>>, Unreachable> {
        let gets = places
            .iter()
            .flat_map(|(key, place)| self.keys(*key, *place))
            .map(Get::new);
        let mut found = self.run(gets)?.into_iter();
        let values = places.iter().map(|(_, place)| {
            let mut value = Some(Vec::new());
            for item in found.by_ref().take(place.items().count()) {
                match (&mut value, item.value) {
                    (Some(value), Some(bytes)) if value.is_empty() => *value = bytes,
                    (Some(value), Some(bytes)) => value.extend(bytes),
                    _ => value = None,
                }
            }
            value.filter(|value| value.len() as u64 == place.bytes)
        });
        Ok(values.collect())
    }

    /// Whether there is something at each of these places. It does not count as a use of them.
    pub(super) fn has(&self, places: &[(Id, Place)]) -> Result<Vec<bool>, Unreachable> {
        let keys = places
            .iter()
            .flat_map(|(key, place)| self.keys(*key, *place));
        let gets = keys.map(|key| Get::new(key).without_value().no_lru_bump());
        let mut found = self.run(gets)?.into_iter();
        let is_there = |place: Place| {
            let items = found.by_ref().take(place.items().count());
            items.fold(true, |all, item| all & item.hit())
        };
        Ok(places
            .iter()
            .map(|(_, place)| *place)
            .map(is_there)
            .collect())
    }

    /// Puts a value at a new place.
    pub(super) fn keep(&self, key: Id, value: &[u8]) -> Result<Place, Unreachable> {
        let bytes = value.len() as u64;
        let place = Place {
            serial: self.serial.fetch_add(items(bytes), Ordering::Relaxed),
            bytes,
        };
        let mut pieces = value.chunks(ITEM_BYTES_MAX);
        let sets = self
            .keys(key, place)
            .map(|key| Set::new(key, pieces.next().unwrap_or_default()));
        let is_kept = self.run(sets)?.into_iter().all(|set| set.applied());
        is_kept.then_some(place).ok_or(Unreachable)
    }

    /// Deletes what nobody needs any more. What it can't delete is evicted in time.
    pub(super) fn discard(&self, places: &[(Id, Place)]) {
        let keys = places
            .iter()
            .flat_map(|(key, place)| self.keys(*key, *place));
        let _ = self.run(keys.map(Delete::new));
    }

    /// Looks whether it is there, however it was before, and whether it still has the mark.
    pub(super) fn look(&self) -> Look {
        let mark = Get::new(self.mark_key()).without_value();
        match self.client.run(mark) {
            Ok(mark) => {
                self.is_back();
                match mark.hit() {
                    true => Look::Same,
                    false => Look::Emptied,
                }
            }
            Err(error) => {
                self.is_lost(&error);
                Look::Away
            }
        }
    }

    /// Leaves a mark, by whose absence it is seen that the server has begun anew.
    pub(super) fn leave_mark(&self) {
        let _ = self.run([self.mark()]);
    }

    /// Why it counts as away, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.troubled().clone()
    }

    /// Does it all in one round trip.
    fn run<O: Operation>(
        &self,
        operations: impl IntoIterator<Item = O>,
    ) -> Result<Vec<O::Output>, Unreachable> {
        if self.troubled().is_some() {
            return Err(Unreachable);
        }
        let results = self.client.run_many(operations);
        let results = results.and_then(|results| results.into_iter().collect());
        results.map_err(|error| {
            match is_answer(&error) {
                true => warn!(
                    address = self.address,
                    "memcached refuses: {}",
                    cause(&error)
                ),
                false => self.is_lost(&error),
            }
            Unreachable
        })
    }

    fn is_lost(&self, error: &memcache::exp::Error) {
        let mut trouble = self.troubled();
        if trouble.is_none() {
            let cause = cause(error);
            warn!(address = self.address, cause, "memcached is out of reach");
            *trouble = Some(format!(
                "memcached at {} is out of reach: {cause}",
                self.address
            ));
        }
    }

    fn is_back(&self) {
        if self.troubled().take().is_some() {
            info!(address = self.address, "memcached is back");
        }
    }

    fn troubled(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self, key: Id, place: Place) -> impl Iterator<Item = String> {
        let prefix = &self.prefix;
        place
            .items()
            .map(move |item| format!("{prefix}{key}:{item:x}"))
    }

    fn mark(&self) -> Set {
        Set::new(self.mark_key(), "")
    }

    fn mark_key(&self) -> String {
        format!("{}mark", self.prefix)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// For a connection, and for a round trip: a memcached that takes longer is of no use to a node, whose own
/// peers skip it after 300 ms.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Readers at a time; more of them wait for one of these.
const CONNECTIONS_MAX: usize = 8;
