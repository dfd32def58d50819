//! Stores that lose what they had while their nodes go on, as a cache does: what copies have counts.

use dht::Id;
use dht::event::{Call, Failure, Returned};
use dht::listed::Config;
use dht::message::Routing;
use dht::placement::Scheme;
use dht::record::{Changed, Condition, Version};
use dht::store::Store as _;

use crate::network::{Address, Network, text};

fn network(replicas: u8) -> Network {
    let config = Config {
        scheme: Scheme::Rendezvous,
        replicas,
        ..Config::default()
    };
    let mut network = Network::of(4, config, 1);
    network.settle(20);
    network
}

/// The addresses of those that keep a key, the owner first.
fn replicas(network: &Network, key: Id) -> Vec<Address> {
    let table = network.table(0).expect("there is one");
    let ids = table.layout().replicas(key).into_iter();
    let member = ids.filter_map(|id| table.member(id));
    member.map(|member| member.peer.address).collect()
}

/// A key with a value, which its owner has lost.
fn lost(network: &mut Network, number: u32) -> Id {
    let key = Id::of(&number.to_be_bytes());
    let call = network.write(key, "old");
    let returned = network.wait_for(0, call);
    assert!(matches!(returned, Returned::Changed(..)), "{returned:?}");
    network.run_ms(100);
    let owner = replicas(network, key)[0];
    let host = network.hosts.get_mut(&owner).expect("it is there");
    host.store.forget(key);
    key
}

/// What a change makes of a key whose owner has lost it, asked at each node in turn; and what is there then, by
/// those that keep it.
fn changed(value: Option<&str>, condition: Condition) -> Vec<(Changed, Option<String>)> {
    let mut all = Vec::new();
    for copies in [2, 3] {
        let mut network = network(copies);
        for number in 0..20 {
            let key = lost(&mut network, number);
            let call = network.changing(key, value, condition.clone());
            let returned = network.wait_for(number % 4, call);
            let Returned::Changed(changed, ..) = returned else {
                panic!("{returned:?}");
            };
            network.run_ms(100);
            for at in 0..4 {
                all.push((changed, network.read(at, key)));
            }
        }
        network.settle(90);
    }
    all
}

#[test]
fn what_a_copy_has_can_be_deleted() {
    for (changed, left) in changed(None, Condition::Always) {
        assert_eq!((changed, left), (Changed::Deleted, None));
    }
}

#[test]
fn what_a_copy_has_can_be_replaced() {
    for (changed, left) in changed(Some("new"), Condition::Present) {
        assert!(matches!(changed, Changed::Replaced(_)), "{changed:?}");
        assert_eq!(left.as_deref(), Some("new"));
    }
}

#[test]
fn what_a_copy_has_is_not_added() {
    for (changed, left) in changed(Some("new"), Condition::Absent) {
        assert!(matches!(changed, Changed::Refused(Some(_))), "{changed:?}");
        assert_eq!(left.as_deref(), Some("old"));
    }
}

#[test]
fn what_is_written_whatever_there_was_wins_over_the_copies() {
    for (changed, left) in changed(Some("new"), Condition::Always) {
        assert!(changed.is_made(), "{changed:?}");
        assert_eq!(left.as_deref(), Some("new"));
    }
}

#[test]
fn the_version_of_a_copy_is_as_good_as_that_of_the_owner() {
    let mut network = network(2);
    for number in 0..20 {
        let key = lost(&mut network, number);
        let copy = replicas(&network, key)[1];
        let version = network.hosts[&copy]
            .store
            .read(key)
            .expect("a copy")
            .version;
        let condition = Condition::Among([version].into());
        let call = network.changing(key, Some("new"), condition.clone());
        let returned = network.wait_for(1, call.clone());
        assert!(
            matches!(returned, Returned::Changed(Changed::Replaced(_), ..)),
            "{returned:?}"
        );
        let returned = network.wait_for(1, call);
        assert!(
            matches!(returned, Returned::Changed(Changed::Refused(Some(_)), ..)),
            "{returned:?}"
        );
    }
}

#[test]
fn where_there_is_no_copy_either_it_is_said() {
    let mut network = network(3);
    let key = Id::of(b"nowhere");
    let calls = [
        (
            network.changing(key, None, Condition::Always),
            Changed::Missing,
        ),
        (
            network.changing(key, Some("new"), Condition::Present),
            Changed::Refused(None),
        ),
    ];
    for (call, expected) in calls {
        let returned = network.wait_for(1, call);
        assert!(
            matches!(returned, Returned::Changed(changed, ..) if changed == expected),
            "{returned:?}"
        );
    }
    let call = network.changing(key, Some("new"), Condition::Absent);
    let returned = network.wait_for(1, call);
    assert!(
        matches!(returned, Returned::Changed(Changed::Created(_), ..)),
        "{returned:?}"
    );
}

/// A copy has something newer; before the owner can compare it with its own, its store is gone.
#[test]
fn who_can_not_compare_what_is_newer_elsewhere_does_not_know_what_became_of_a_write() {
    let mut network = network(2);
    let key = Id::of(b"key");
    let [owner, copy] = replicas(&network, key)[..] else {
        panic!("there are two");
    };
    let call = network.write(key, "old");
    assert!(matches!(
        network.wait_for(owner, call),
        Returned::Changed(..)
    ));
    let store = &mut network.hosts.get_mut(&copy).expect("it is there").store;
    let mut newer = store.read(key).expect("it was written");
    newer.version = Version::from_number(newer.version.number() << 8);
    newer.value = Some(b"newer"[..].into());
    store.put(key, newer);
    let call = network.write(key, "new");
    let ticket = network.call(owner, call);
    network.stranded.insert(owner);
    let returned = network.returned(ticket, 20);
    assert!(
        matches!(returned, Returned::Failed(Failure::Unknown, _)),
        "{returned:?}"
    );
    network.stranded.clear();
    let call = network.write(key, "last");
    assert!(matches!(
        network.wait_for(owner, call),
        Returned::Changed(..)
    ));
    let routing = Routing::Finger;
    let Returned::Record(record, _) = network.wait_for(copy, Call::Read { key, routing }) else {
        panic!("it is there");
    };
    assert_eq!(text(record).as_deref(), Some("last"));
}
