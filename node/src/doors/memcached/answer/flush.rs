//! Flush: everything that lies under a key goes, at all nodes, for all doors.
//!
//! memcached only notes the time. Here the items are on many nodes, and one that was not there at that moment
//! would not know: so the nodes are gone through, what each of them holds is listed, and deleted. That takes as
//! long as to read it all, and the answer comes when it is done. What is stored while it goes on may be deleted
//! or not; what was stored by its content (`POST /store`) has no key and stays. A flush for later is known to
//! this node alone: it is forgotten where the node ends before, and another one takes its place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dht::Id;
use dht::record::Condition;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::super::Shared;
use super::super::expiry::expires_ms;
use super::super::item;
use super::super::limits::{DELETES_MAX, ROUNDS_MAX};
use super::super::refusal::Refusal;
use crate::clock::now_ms;
use crate::service::Service;
use crate::{Address, Peer};

/// The flush that is to come, if one is.
#[derive(Debug, Default)]
pub(in super::super) struct Pending(Mutex<Option<AbortHandle>>);

impl Pending {
    fn replace(&self, next: Option<AbortHandle>) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = std::mem::replace(&mut *pending, next) {
            last.abort();
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.replace(None);
    }
}

/// Deletes everything, now or at a later time.
pub(super) async fn flush_all(shared: &Shared, exptime: i64) -> Result<(), Refusal> {
    shared.counts.flush.up();
    let now_ms = now_ms();
    let wait_ms = expires_ms(exptime, now_ms).map_or(0, |at_ms| at_ms.saturating_sub(now_ms));
    if wait_ms == 0 {
        shared.pending.replace(None);
        return flush(&shared.node).await;
    }
    let node: Arc<Service> = shared.node.clone();
    let task = tokio::spawn(async move {
        sleep(Duration::from_millis(wait_ms)).await;
        if let Err(refusal) = flush(&node).await {
            tracing::warn!(
                "a flush for which the time has come failed: {}",
                refusal.words().1
            );
        }
    });
    shared.pending.replace(Some(task.abort_handle()));
    Ok(())
}

/// Goes through all nodes until there is nothing more: items may be on their way from one to another. Where
/// there always is, nobody knows whether that was stored meanwhile.
async fn flush(node: &Service) -> Result<(), Refusal> {
    for _ in 0..ROUNDS_MAX {
        if round(node).await? == 0 {
            return Ok(());
        }
    }
    Err(LEFT)
}

/// Goes once around. Returns how many items there were.
async fn round(node: &Service) -> Result<usize, Refusal> {
    let me = node.view().me;
    let mut seen = vec![me.id];
    let mut peer = me;
    let mut deleted = 0;
    loop {
        deleted += empty(node, peer.address).await?;
        let next = successor(node, peer).await?;
        // Around once, or the members are changing, and the next round sees the rest.
        if seen.contains(&next.id) {
            return Ok(deleted);
        }
        seen.push(next.id);
        peer = next;
    }
}

/// The node after this one, in the ring or on the list of members.
async fn successor(node: &Service, peer: Peer) -> Result<Peer, Refusal> {
    if let Some(table) = &node.view().table {
        let members = table.members.iter().map(|member| member.peer);
        let after = members
            .clone()
            .skip_while(|member| member.id != peer.id)
            .nth(1);
        return after.or(members.clone().next()).ok_or(UNREACHED);
    }
    for _ in 0..LOOKS_MAX {
        match node.state_of(peer).await {
            Ok(Some(state)) => return Ok(state.successors.first().copied().unwrap_or(peer)),
            Ok(None) => sleep(PAUSE).await,
            Err(_) => return Err(UNREACHED),
        }
    }
    Err(UNREACHED)
}

/// Deletes all that one node answers for. Returns how many items there were.
async fn empty(node: &Service, address: Address) -> Result<usize, Refusal> {
    let mut after = None;
    let mut deleted = 0;
    loop {
        let page = page(node, address, after).await.ok_or(UNREACHED)?;
        let names = page.items.into_iter().filter_map(Item::name);
        let deletes = names.map(async |name| item::delete(node, &name, Condition::Always).await);
        let deletes = stream::iter(deletes).buffer_unordered(DELETES_MAX);
        deleted += deletes.try_fold(0, async |count, _| Ok(count + 1)).await?;
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(deleted),
        }
    }
}

/// Some of what a node answers for; nothing if it does not say.
async fn page(node: &Service, address: Address, after: Option<Id>) -> Option<Page> {
    let after = after.map(|id| format!("&after={id}")).unwrap_or_default();
    let url = format!("http://{address}/content?limit={PAGE}{after}");
    let page = async {
        let response = node.driver().peers().client().get(url).send().await.ok()?;
        response.json().await.ok()
    };
    timeout(PATIENCE, page).await.ok().flatten()
}

/// A page of what a node holds.
#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Item>,
    next: Option<Id>,
}

/// What is needed of an item to delete it.
#[derive(Debug, Deserialize)]
struct Item {
    name: Option<String>,
    name_base64: Option<String>,
}

impl Item {
    /// Its key, if it has one.
    fn name(self) -> Option<Vec<u8>> {
        match self.name_base64 {
            Some(text) => STANDARD.decode(text).ok(),
            None => self.name.map(String::into_bytes),
        }
    }
}

const UNREACHED: Refusal =
    Refusal::Server("not every node could be reached: some items may be left");

const LEFT: Refusal = Refusal::Server("there was always something more: some items may be left");

/// Items of a page.
const PAGE: usize = 1000;

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Times that a node which is busy with its pointers is asked, and what lies between.
const LOOKS_MAX: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
