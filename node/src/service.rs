//! Service: the narrow waist between the doors and the node. A door turns bytes into calls of this
//! and back, and knows nothing else.
//!
//! Reads of what this node serves take the short way: from the published view to the store, and back
//! to see that the view is still the same one. No lock of the protocol, no change of task.

mod acquaintances;
mod causal;
mod keepers;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dht::Id;
use dht::event::Hop;
use dht::listed::message as listed;
use dht::message::{Declined, Elsewhere, LinkKind, Routing, State};
use dht::ownership::Ownership;
use dht::placement::Scheme;
use dht::record::{Change, Changed, Record};
use dht::replication::message::Told;
use dht::store::Limit;
use dht::view::{Decision, Phase, Range};
use tokio::sync::{Notify, oneshot};

use crate::clock::now_ms;
use crate::config::{Endpoint, Entry, Membership};
use crate::driver::Driver;
use crate::introduction::own_member;
use crate::peers::Missed;
use crate::service::acquaintances::Acquaintances;
use crate::service::keepers::Keepers;
use crate::{
    Call, Config, Failure, MembersChange, Path, Peer, Reply, Request, Returned, Timer, View,
};

/// What a node does for its clients and for other nodes.
#[derive(Debug)]
pub struct Service {
    driver: Arc<Driver>,
    /// Its name.
    pub name: String,
    /// Its network.
    pub network: String,
    /// Members of the groups that keep content; 1 where there are none.
    pub replicas: u8,
    /// Where it runs, if that matters to where copies go.
    pub zone: Option<String>,
    /// Where members are told of.
    pub membership: Membership,
    /// How keys are placed on listed members; nothing where the ring keeps itself.
    pub scheme: Option<Scheme>,
    /// What is hashed for its place, where that is not its identifier.
    pub label: String,
    /// How much it should hold compared to other listed members.
    pub weight: u16,
    /// How lookups go unless they say otherwise.
    pub routing: Routing,
    /// Where it is reached, as text.
    pub address: String,
    /// How long a request to a causal store waits for what its client has seen; nothing where it is none.
    pub causal_wait: Option<Duration>,
    /// Where clients of memcached are let in, once they are.
    pub memcached: OnceLock<SocketAddr>,
    /// Where clients of ZeroMQ are let in, once they are.
    pub zeromq: OnceLock<Vec<Endpoint>>,
    acquaintances: Acquaintances,
    keepers: Keepers,
    /// Whether its start is over.
    settled: AtomicBool,
    /// Told when the node has left on somebody's request.
    left: Notify,
}

/// Why a call could not be done, and how far it came.
#[derive(Debug)]
pub struct Failed(pub Failure, pub Path);

impl Service {
    /// The service of a node.
    pub fn new(driver: Arc<Driver>, config: &Config) -> Service {
        let member = own_member(config);
        Service {
            driver,
            name: config.name.clone(),
            network: config.network.clone(),
            replicas: config.replicas,
            zone: config.zone.clone(),
            membership: config.entry.membership(),
            scheme: config.entry.scheme(),
            label: member.label,
            weight: member.weight,
            routing: config.routing,
            address: config.me.address.to_string(),
            causal_wait: match &config.entry {
                Entry::Causal(causal) => Some(causal.wait),
                _ => None,
            },
            memcached: OnceLock::new(),
            zeromq: OnceLock::new(),
            acquaintances: Acquaintances::default(),
            keepers: Keepers::default(),
            settled: AtomicBool::new(false),
            left: Notify::new(),
        }
    }

    /// The node behind it.
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// The node as it is at this moment.
    pub fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.driver.view()
    }

    /// The identifier of a key of the key-value store.
    pub fn identify(&self, key: &[u8]) -> Id {
        match self.scheme {
            Some(scheme) => scheme.identify(key),
            None => Id::of_key(key),
        }
    }

    /// Where content lies that clients are shown: all of it where members are listed.
    pub fn shows(&self) -> Vec<Range> {
        match self.scheme {
            Some(_) => vec![Range {
                arc: dht::Arc::WHOLE,
                epoch: 0,
            }],
            None => self.view().serves.clone(),
        }
    }

    /// The value under a key, if this node answers for it at this moment. What has expired is missing.
    pub fn read_here(&self, key: Id) -> Option<Option<Record>> {
        Some(live(self.record_here(key)?))
    }

    /// The record under a key, tombstones and what has expired included, if this node answers for it.
    fn record_here(&self, key: Id) -> Option<Option<Record>> {
        let view = self.driver.view();
        // A group answers when a majority of it has confirmed that it still may: that is the node's affair.
        let (Decision::Serve(_), true) = (view.decide(key), view.groups.is_empty()) else {
            return None;
        };
        let record = self.driver.content().read(key).ok()?;
        // What was read is good if the node answered for it all the while.
        Arc::ptr_eq(&view, &self.driver.view()).then_some(record)
    }

    /// The value under a key, if this node has any copy of it: maybe an old one.
    pub fn read_copy(&self, key: Id) -> Option<Option<Record>> {
        if let Some(record) = self.read_here(key) {
            return Some(record);
        }
        let is_keeper = self.is_keeper(key);
        let has_copy = is_keeper || self.view().has_copy(key);
        let record = has_copy.then(|| self.driver.content().read(key))?.ok()?;
        // A listed member that was away may lack what others have: where it knows nothing they are asked.
        (record.is_some() || !is_keeper).then(|| live(record))
    }

    /// Up to `limit` items that this node serves, clockwise from the one after an identifier up to its own place
    /// in the ring; and after which to go on, where there are more.
    pub fn held(&self, after: Option<Id>, limit: Limit) -> (Vec<(Id, Record)>, Option<Id>) {
        let view = self.driver.view();
        // Neighbours come and go, but this end stays, so pages follow each other whatever happens.
        let end = view.ownership.pick(view.me.id.previous(), view.me.id);
        if after == Some(end) {
            return Default::default();
        }
        let (start, content) = (after.unwrap_or(end), self.driver.content());
        let (items, more) = content.page(&self.shows(), start, end, limit, now_ms());
        let next = items.last().filter(|_| more).map(|(key, _)| *key);
        (items, next)
    }

    /// The value under a key, wherever it is. The last hop that is ok answers for it. What has expired is
    /// missing.
    pub async fn read(&self, key: Id, routing: Routing) -> Result<(Option<Record>, Path), Failed> {
        if let Some(record) = self.read_here(key) {
            return Ok((record, vec![self.start()]));
        }
        match self.driver.called(Call::Read { key, routing }).await {
            Returned::Record(record, path) => Ok((live(record), path)),
            other => Err(failed(other)),
        }
    }

    /// Makes a change, wherever the key is. Returns what became of it, and how many copies of it there are.
    pub async fn change(&self, key: Id, change: Change) -> Result<(Changed, u8, Path), Failed> {
        let (changed, copies, path) = match self.change_here(key, &change).await {
            Some((changed, copies)) => (changed, copies, vec![self.start()]),
            None => self.change_elsewhere(key, change).await?,
        };
        let owner = path.iter().rev().find(|hop| hop.ok);
        let is_here = owner.is_some_and(|hop| hop.node == self.view().me);
        match is_here && changed.is_made() && !self.keep().await {
            true => Err(Failed(Failure::Unknown, path)),
            false => Ok((changed, copies, path)),
        }
    }

    /// Makes a change without a lookup, if this node answers for the key alone; nothing if it was not made.
    async fn change_here(&self, key: Id, change: &Change) -> Option<(Changed, u8)> {
        let me = {
            let view = self.driver.view();
            let is_served = matches!(view.decide(key), Decision::Serve(_));
            (is_served && view.groups.is_empty()).then_some(view.me)?
        };
        let request = Request::Change(key, change.clone());
        match self.driver.asked(me, vec![request]).await.pop()? {
            Reply::Changed(changed, copies) => Some((changed, copies)),
            // Nothing was done: it is on its way to another node by now, or this one has too much to do.
            _ => None,
        }
    }

    async fn change_elsewhere(
        &self,
        key: Id,
        change: Change,
    ) -> Result<(Changed, u8, Path), Failed> {
        let routing = self.routing;
        let call = Call::Change {
            key,
            change,
            routing,
        };
        match self.driver.called(call).await {
            Returned::Changed(changed, copies, path) => Ok((changed, copies, path)),
            other => Err(failed(other)),
        }
    }

    /// Why no change is to be made by way of this node, if so. Where groups keep the content another member takes
    /// the place of one that can keep nothing, so that its clients are served as well.
    pub fn refusal(&self) -> Option<String> {
        let refusal = self.driver.content().refusal();
        refusal.filter(|_| self.view().groups.is_empty())
    }

    /// Waits until the changes that this node has made are durable, before anyone hears of them: with one copy
    /// on disk, for groups and listed members see to that themselves. False if they never will be.
    pub async fn keep(&self) -> bool {
        let content = self.driver.content();
        if self.replicas > 1 || self.scheme.is_some() || content.is_durable_at_once() {
            return true;
        }
        let (told, kept) = oneshot::channel();
        content.sync(move |is_durable| {
            // Nobody waits any more for a change whose asker has gone.
            let _ = told.send(is_durable);
        });
        kept.await.unwrap_or(false)
    }

    /// Finds the owner of a key: the last hop.
    pub async fn find(&self, key: Id, rule: Ownership, routing: Routing) -> Result<Path, Failed> {
        match self.driver.called(Call::Find { key, rule, routing }).await {
            Returned::Found(path) => Ok(path),
            other => Err(failed(other)),
        }
    }

    /// Becomes a member of the ring of these nodes.
    pub async fn join(&self, members: Vec<Peer>) -> Result<(), Failed> {
        match self.driver.called(Call::Join(members)).await {
            Returned::Joined => Ok(()),
            other => Err(failed(other)),
        }
    }

    /// Hands everything over and leaves. Returns the number of records moved.
    pub async fn leave(&self) -> Result<usize, Failed> {
        match self.driver.called(Call::Leave).await {
            Returned::Left(moved) => Ok(moved),
            other => Err(failed(other)),
        }
    }

    /// Changes the list of members, and waits until content has moved. Returns the version of the list then.
    pub async fn change_members(&self, change: MembersChange) -> Result<u32, Failed> {
        match self.driver.called(Call::Members(Box::new(change))).await {
            Returned::Members(version) => Ok(version),
            other => Err(failed(other)),
        }
    }

    /// The start is over: it has found its neighbours.
    pub fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Whether [`Service::settle`] was called.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// Lets the process end, after a leave that somebody asked for.
    pub fn say_left(&self) {
        self.left.notify_one();
    }

    /// Waits for [`Service::say_left`].
    pub async fn has_left(&self) {
        self.left.notified().await;
    }

    /// Answers another node. Where it has made a change, [`Service::keep`] comes before the answer is sent.
    pub async fn answer(&self, from: Peer, request: Request) -> Reply {
        let mut replies = self.answer_all(from, vec![request]).await;
        replies.pop().expect("a reply for each request")
    }

    /// Answers many questions of another node, each in its place. They begin in their order, and none waits
    /// for the answer to another one.
    pub async fn answer_all(&self, from: Peer, requests: Vec<Request>) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(requests.len());
        let mut asked = Vec::with_capacity(requests.len());
        for request in requests {
            let reply = self.answer_early(from, &request).await;
            if reply.is_none() {
                asked.push(request);
            }
            replies.push(reply);
        }
        let mut rest = match asked.is_empty() {
            true => Vec::new(),
            false => self.driver.asked(from, asked).await,
        }
        .into_iter();
        let replies = replies
            .into_iter()
            .map(|reply| reply.or_else(|| rest.next()));
        replies
            .map(|reply| reply.expect("a reply for each request"))
            .collect()
    }

    /// The answer that needs no word of the protocol, if there is one.
    async fn answer_early(&self, from: Peer, request: &Request) -> Option<Reply> {
        match request {
            Request::Read(key) => self.record_here(*key).map(Reply::Record),
            // What can't be kept is not to be taken.
            Request::Change(..) if self.refusal().is_some() => {
                Some(Reply::Elsewhere(Elsewhere::Overloaded))
            }
            Request::Transfer(_) if self.driver.content().refusal().is_some() => {
                Some(Reply::Declined(Declined::Full))
            }
            // These change pointers, or who serves what, so they count only if they come from where
            // they say.
            Request::Notify | Request::Leaving(_) | Request::Meet
                if self.visit(from).await.is_err() =>
            {
                Some(Reply::Noted)
            }
            Request::Group(_) if self.visit(from).await.is_err() => {
                Some(Reply::Group(Box::new(Told::Unknown)))
            }
            Request::Transfer(_) if self.visit(from).await.is_err() => {
                Some(Reply::Declined(Declined::Full))
            }
            Request::Causal(_) if self.visit(from).await.is_err() => Some(Reply::Gone),
            Request::Listed(_) if self.visit(from).await.is_err() => {
                Some(Reply::Listed(Box::new(listed::Told::Behind(0))))
            }
            Request::Listed(ask) => {
                let is_change = matches!(ask.what, listed::What::Change(..));
                let is_refused = is_change && self.driver.content().refusal().is_some();
                let refused = listed::Told::Refused(listed::Refused::Store);
                is_refused.then(|| Reply::Listed(Box::new(refused)))
            }
            _ => None,
        }
    }

    /// Makes sure that exactly this peer is where it says.
    pub async fn visit(&self, peer: Peer) -> Result<(), Missed> {
        if self.acquaintances.knows(&peer) {
            return Ok(());
        }
        self.ping(peer).await?;
        self.acquaintances.meet(peer);
        Ok(())
    }

    /// Asks a peer whether it is there, now.
    pub async fn ping(&self, peer: Peer) -> Result<(), Missed> {
        let me = self.view().me;
        self.driver
            .peers()
            .ask(me, peer, vec![Request::Ping])
            .await?;
        Ok(())
    }

    /// The pointers of any node, from itself; nothing while it is busy with them.
    pub async fn state_of(&self, peer: Peer) -> Result<Option<State<crate::Address>>, Missed> {
        let view = self.view();
        let me = view.me;
        if peer == me {
            return Ok((view.phase == Phase::Member).then(|| view.state()));
        }
        drop(view);
        let replies = self
            .driver
            .peers()
            .ask(me, peer, vec![Request::State])
            .await?;
        Ok(replies.into_iter().find_map(|reply| match reply {
            Reply::State(state) => Some(state),
            _ => None,
        }))
    }

    /// Looks at the successor now, outside the schedule.
    pub fn look_at_successor(&self) {
        self.driver.elapsed(Timer::Stabilize);
    }

    /// The first hop of everything: this node.
    fn start(&self) -> Hop<crate::Address> {
        Hop {
            node: self.view().me,
            why: LinkKind::Start,
            micros: 0,
            ok: true,
        }
    }
}

/// The record, if it reads as a value now.
fn live(record: Option<Record>) -> Option<Record> {
    // Most never expire: those are not worth a look at the clock.
    record.filter(|record| match record.expires_ms {
        None => record.value.is_some(),
        Some(_) => record.is_live(now_ms()),
    })
}

fn failed(returned: Returned) -> Failed {
    match returned {
        Returned::Failed(failure, path) => Failed(failure, path),
        other => panic!("a call was answered by {other:?}"),
    }
}
