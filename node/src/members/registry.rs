//! Registry: the members are the instances of a service in Consul that pass their checks.
//!
//! Each node registers itself, with all that others have to know of a member. One that fails its check for a
//! moment, or that a Consul which was started anew has not heard of yet, stays a member for a while: to take it
//! out would move content. While Consul is away, the last known members are the members.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use dht::Id;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use crate::config::{Config, Side, scheme_flags};
use crate::consul::{Consul, Error as ConsulError, Instance, Registration, Watch, pause};
use crate::introduction::{own_member, zone_number};
use crate::members::Error;
use crate::service::Service;
use crate::{Member, Peer};

/// Registers this node, and tells the protocol of the members whenever they have become others.
pub(super) async fn follow(
    service: &Service,
    config: &Config,
    consul: &Consul,
    name: &str,
) -> Result<Infallible, Error> {
    let registration = registration(service, config, name);
    register(consul, &registration).await;
    let expected = expected(consul).await;
    info!(
        expected,
        consul = consul.url(),
        service = name,
        "follows its members"
    );
    let mut watch = consul.watch(name);
    let mut roster = Roster::default();
    let mut told: Option<Vec<Member>> = None;
    loop {
        // The list may come to be known by others who are there.
        let soon = told.is_none().then(|| Instant::now() + PAUSE);
        match look(&mut watch, roster.next_loss().or(soon)).await {
            None => {}
            Some(Ok(instances)) => {
                let members = instances
                    .iter()
                    .filter_map(|instance| member(config, instance));
                roster.see(members.collect(), Instant::now());
                if !instances
                    .iter()
                    .any(|instance| instance.id == registration.id)
                {
                    register_if_unknown(consul, &registration).await;
                }
            }
            Some(Err(error)) => {
                warn!("{error}; the members stay as they are");
                roster.forgive();
            }
        }
        let members = roster.members(Instant::now());
        // A list without this node says nothing yet: it was registered a moment ago.
        let is_listed = members.iter().any(|member| member.peer.id == config.me.id);
        let is_enough = told.is_some() || members.len() >= expected;
        if is_listed && is_enough && told.as_ref() != Some(&members) {
            debug!(members = members.len(), "Consul lists");
            for member in members
                .iter()
                .filter(|member| member.peer.id != config.me.id)
            {
                service.driver().met(member.peer);
            }
            service.driver().listed(members.clone());
            told = Some(members);
        }
    }
}

/// What Consul calls this node.
pub(super) fn instance_id(config: &Config, service: &str) -> String {
    format!("{service}-{}", config.name)
}

/// The next answer; nothing if something is to be done before there is one.
async fn look(
    watch: &mut Watch,
    until: Option<Instant>,
) -> Option<Result<Vec<Instance>, ConsulError>> {
    let Some(until) = until else {
        return Some(watch.look().await);
    };
    let left = until.saturating_duration_since(Instant::now());
    timeout(left, watch.look()).await.ok()
}

async fn register(consul: &Consul, registration: &Registration) {
    let mut failures = 0;
    while let Err(error) = consul.register(registration).await {
        if failures == 0 {
            warn!("{error}; trying again");
        }
        failures += 1;
        sleep(pause(failures)).await;
    }
    info!(id = registration.id, "registered with Consul");
}

/// A Consul that was started anew knows nobody. One that does know this node has it fail its check, and will
/// see that it passes again.
async fn register_if_unknown(consul: &Consul, registration: &Registration) {
    if let Ok(false) = consul.is_registered(&registration.id).await
        && consul.register(registration).await.is_ok()
    {
        info!(id = registration.id, "registered with Consul again");
    }
}

/// How many members a new network waits for.
async fn expected(consul: &Consul) -> usize {
    let mut failures = 0;
    loop {
        match consul.cluster_size().await {
            Ok(size) => return size.unwrap_or(1),
            Err(error) => warn!("{error}; trying again"),
        }
        failures += 1;
        sleep(pause(failures)).await;
    }
}

fn registration(service: &Service, config: &Config, name: &str) -> Registration {
    let me = config.me;
    Registration {
        id: instance_id(config, name),
        service: name.to_owned(),
        address: me.address,
        meta: meta(service, config),
        check: format!("http://{}/healthz", me.address),
    }
}

/// What others have to know of this node.
fn meta(service: &Service, config: &Config) -> BTreeMap<String, String> {
    let Member {
        peer,
        name,
        label,
        weight,
        ..
    } = own_member(config);
    let mut meta = BTreeMap::from([
        (NAME, name),
        (LABEL, label),
        (INCARNATION, peer.incarnation.to_string()),
        (NETWORK, config.network.clone()),
        (WEIGHT, weight.to_string()),
        (PLACEMENT, placement(config)),
        (REPLICAS, config.replicas.to_string()),
    ]);
    if let Some(zone) = &config.zone {
        meta.insert(ZONE, zone.clone());
    }
    if let Some(door) = service.memcached.get() {
        meta.insert(MEMCACHED, door.to_string());
    }
    let doors = service.zeromq.get().into_iter().flatten();
    // Where it goes itself nobody else is let in.
    let mut doors = doors.filter(|door| door.side == Side::Bind);
    if let Some(door) = doors.next() {
        meta.insert(ZEROMQ, format!("tcp://{}", door.address));
    }
    let meta = meta.into_iter();
    meta.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The member that an instance is; nothing, with a warning, if it can't be one of this network.
fn member(config: &Config, instance: &Instance) -> Option<Member> {
    let meta = |key: &str| instance.meta.get(key).map(String::as_str);
    let address: SocketAddr = instance.address.parse().ok()?;
    let ours = (
        Some(config.network.as_str()),
        Some(placement(config)),
        Some(config.replicas.to_string()),
    );
    let theirs = (
        meta(NETWORK),
        meta(PLACEMENT).map(str::to_owned),
        meta(REPLICAS).map(str::to_owned),
    );
    if ours != theirs {
        warn!(
            id = instance.id,
            ?ours,
            ?theirs,
            "is no member: network, placement or copies differ"
        );
        return None;
    }
    let name = meta(NAME)?.to_owned();
    Some(Member {
        peer: Peer {
            id: Id::of(name.as_bytes()),
            address,
            incarnation: meta(INCARNATION)?.parse().ok()?,
        },
        name,
        label: meta(LABEL)?.to_owned(),
        weight: meta(WEIGHT)?.parse().ok()?,
        zone: meta(ZONE).map(zone_number),
    })
}

fn placement(config: &Config) -> String {
    let scheme = config.entry.scheme();
    scheme.map_or_else(String::new, scheme_flags)
}

/// Those that pass, and those that did so a moment ago.
#[derive(Debug, Default)]
struct Roster {
    /// By identifier; with the time of the first answer that lacks it.
    members: BTreeMap<Id, (Member, Option<Instant>)>,
}

impl Roster {
    fn see(&mut self, present: Vec<Member>, now: Instant) {
        for (_, lost) in self.members.values_mut() {
            lost.get_or_insert(now);
        }
        for member in present {
            self.members.insert(member.peer.id, (member, None));
        }
    }

    /// What was missing counts from the next answer on only.
    fn forgive(&mut self) {
        for (_, lost) in self.members.values_mut() {
            *lost = None;
        }
    }

    /// When the next one has been missing for too long.
    fn next_loss(&self) -> Option<Instant> {
        let lost = self.members.values().filter_map(|(_, lost)| *lost);
        lost.min().map(|lost| lost + GRACE)
    }

    /// In the order of their identifiers.
    fn members(&mut self, now: Instant) -> Vec<Member> {
        self.members
            .retain(|_, (_, lost)| lost.is_none_or(|lost| now < lost + GRACE));
        self.members
            .values()
            .map(|(member, _)| member.clone())
            .collect()
    }
}

const NAME: &str = "name";
const LABEL: &str = "label";
const INCARNATION: &str = "incarnation";
const NETWORK: &str = "network";
const WEIGHT: &str = "weight";
const ZONE: &str = "zone";
const PLACEMENT: &str = "placement";
const REPLICAS: &str = "replicas";
const MEMCACHED: &str = "memcached";
const ZEROMQ: &str = "zeromq";

/// For how long one that Consul does not list any more is a member: longer than it takes others to register
/// with a Consul that was started anew, and to pass its check.
const GRACE: Duration = Duration::from_secs(5);
/// Before what is known is looked at again, where others may come to know it.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Member {
        Member {
            peer: Peer {
                id: Id::of(name.as_bytes()),
                address: "127.0.0.1:1".parse().expect("an address"),
                incarnation: 1,
            },
            name: name.to_owned(),
            label: name.to_owned(),
            weight: 1,
            zone: None,
        }
    }

    fn names(roster: &mut Roster, now: Instant) -> Vec<String> {
        let members = roster.members(now).into_iter().map(|member| member.name);
        let mut names: Vec<String> = members.collect();
        names.sort();
        names
    }

    #[test]
    fn one_that_is_missing_for_a_moment_stays_a_member() {
        let (mut roster, begin) = (Roster::default(), Instant::now());
        roster.see(vec![named("a"), named("b")], begin);
        roster.see(vec![named("a")], begin);
        assert_eq!(names(&mut roster, begin + GRACE / 2), ["a", "b"]);
        roster.see(vec![named("a"), named("b")], begin + GRACE / 2);
        assert_eq!(roster.next_loss(), None);
        assert_eq!(names(&mut roster, begin + GRACE * 2), ["a", "b"]);
    }

    #[test]
    fn one_that_stays_away_is_a_member_no_more() {
        let (mut roster, begin) = (Roster::default(), Instant::now());
        roster.see(vec![named("a"), named("b")], begin);
        roster.see(vec![named("a")], begin);
        // A second answer without it does not prolong its time.
        roster.see(vec![named("a")], begin + GRACE / 2);
        assert_eq!(roster.next_loss(), Some(begin + GRACE));
        assert_eq!(names(&mut roster, begin + GRACE), ["a"]);
    }

    #[test]
    fn nobody_is_lost_while_consul_is_away() {
        let (mut roster, begin) = (Roster::default(), Instant::now());
        roster.see(vec![named("a"), named("b")], begin);
        roster.see(vec![named("a")], begin);
        roster.forgive();
        assert_eq!(roster.next_loss(), None);
        assert_eq!(names(&mut roster, begin + GRACE * 10), ["a", "b"]);
    }
}
