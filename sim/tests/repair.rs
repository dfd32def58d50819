//! Repair: members that keep the same are left alone, and of those that do not the right one wins.

mod support;

use std::sync::Arc as Shared;
use std::sync::atomic::{AtomicU32, Ordering};

use dht::Action;
use dht::message::{Reply, Request};
use dht::record::{Record, Version};
use dht::replication::message::{Ask, Told};
use dht::store::Command;
use dht::{Arc, Id};
use sim::engine::{Address, Network};
use sim::latency::Latency;
use sim::observe::copies;
use sim::plan::Plan;
use support::{change, go_on, key, put_200, quiet};

fn network() -> Network {
    Network::new(&quiet())
}

/// The same with messages of which some take much longer than others.
fn uneven() -> Network {
    let latency = Latency::LogNormal {
        median_us: 5_000,
        sigma_milli: 500,
    };
    Network::new(&Plan { latency, ..quiet() })
}

/// The members that keep a key, the leader first.
fn members(network: &Network, key: Id) -> Vec<Address> {
    let views = (0..8).map(|at| network.view(at));
    let held = views.flat_map(|view| view.held(key)).next();
    let members = held.expect("it is kept").group.members.iter();
    members.map(|member| member.peer.address).collect()
}

/// What one machine has under a key.
fn record(network: &Network, at: Address, key: Id) -> Option<Record> {
    let records = network.records(at, Arc::new(key.previous(), key));
    records.into_iter().next().map(|(_, record)| record)
}

/// Changes behind its node's back what a machine has under a key.
fn damage(network: &mut Network, at: Address, key: Id, record: Option<Record>) {
    let (put, forget) = match record {
        Some(record) => (vec![(key, record)], Vec::new()),
        None => (Vec::new(), vec![key]),
    };
    let (merge, notes) = (Vec::new(), Vec::new());
    let command = Command::Write {
        put,
        merge,
        forget,
        notes,
    };
    network.damage(at, command);
}

/// Counts the pieces in which members say that they differ, and the mends that leaders send.
fn count_differences(network: &mut Network) -> Shared<AtomicU32> {
    let count = Shared::new(AtomicU32::new(0));
    let counted = count.clone();
    network.tamper(Box::new(move |_, action| {
        let is_one = match action {
            Action::Reply {
                reply: Reply::Group(told),
                ..
            } => matches!(**told, Told::Different(_)),
            Action::Ask {
                request: Request::Group(request),
                ..
            } => matches!(request.ask, Ask::Mend(..)),
            _ => false,
        };
        counted.fetch_add(u32::from(is_one), Ordering::Relaxed);
        true
    }));
    count
}

#[test]
fn what_a_bad_disk_has_lost_or_changed_is_mended() {
    let mut network = network();
    go_on(&mut network, 2_000_000);
    put_200(&mut network);
    go_on(&mut network, 5_000_000);
    assert_eq!(copies::different(&network), None);
    for number in 0..200 {
        let key = key(number);
        let at = members(&network, key)[usize::from(number % 3)];
        let whole = record(&network, at, key).expect("it is there");
        let value = Some(b"torn"[..].into());
        let torn = Record { value, ..whole };
        damage(&mut network, at, key, (number % 2 == 0).then_some(torn));
    }
    assert!(copies::different(&network).is_some(), "the damage is seen");
    go_on(&mut network, 30_000_000);
    assert_eq!(copies::different(&network), None);
    for number in 0..200 {
        let records = (0..8).filter_map(|at| record(&network, at, key(number)));
        let values: Vec<_> = records.map(|record| record.value).collect();
        assert_eq!(values, vec![Some([number][..].into()); 3]);
    }
}

#[test]
fn members_that_write_all_the_time_are_not_taken_for_different() {
    let mut network = uneven();
    let count = count_differences(&mut network);
    go_on(&mut network, 2_000_000);
    for round in 0..30_000_u32 {
        change(&mut network, (round % 40) as u8, Some(&round.to_be_bytes()));
        go_on(&mut network, 2_000_000 + u64::from(round) * 1_000);
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[test]
fn damage_is_found_while_others_write() {
    let mut network = uneven();
    go_on(&mut network, 2_000_000);
    for number in 0..200 {
        change(&mut network, number, Some(b"value"));
    }
    go_on(&mut network, 4_000_000);
    let torn: Vec<(Address, Id)> = (0..20)
        .map(|number| {
            (
                members(&network, key(number))[usize::from(number % 3)],
                key(number),
            )
        })
        .collect();
    for (at, key) in &torn {
        damage(&mut network, *at, *key, None);
    }
    for round in 0..12_000_u32 {
        let number = 20 + (round % 180) as u8;
        change(&mut network, number, Some(&round.to_be_bytes()));
        go_on(&mut network, 4_000_000 + u64::from(round) * 5_000);
    }
    let lacks = |(at, key): &&(Address, Id)| record(&network, *at, *key).is_none();
    assert_eq!(torn.iter().filter(lacks).count(), 0);
}

#[test]
fn a_version_that_no_write_has_had_does_not_win() {
    let mut network = network();
    go_on(&mut network, 2_000_000);
    for number in 0..60 {
        change(&mut network, number, Some(&[number]));
    }
    go_on(&mut network, 5_000_000);
    for number in 0..60 {
        let key = key(number);
        let at = members(&network, key)[usize::from(number % 3)];
        let whole = record(&network, at, key).expect("it is there");
        let (epoch, sequence) = (whole.version.epoch(), whole.version.sequence());
        let version = match number % 2 {
            0 => Version::new(epoch + 7, sequence),
            _ => Version::new(epoch, sequence | 1 << 30),
        };
        let torn = Record {
            value: Some(b"torn"[..].into()),
            version,
            ..whole
        };
        damage(&mut network, at, key, Some(torn));
    }
    go_on(&mut network, 30_000_000);
    assert_eq!(copies::different(&network), None);
    for number in 0..60 {
        for at in members(&network, key(number)) {
            let value = record(&network, at, key(number)).and_then(|record| record.value);
            assert_eq!(value, Some([number][..].into()));
        }
    }
}

#[test]
fn a_record_that_nobody_wrote_is_forgotten() {
    let mut network = network();
    go_on(&mut network, 2_000_000);
    for number in 0..60 {
        let torn = Record {
            name: None,
            value: Some(b"torn"[..].into()),
            version: Version::new(9, 9),
            flags: 0,
            expires_ms: None,
        };
        let at = members(&network, key(number))[usize::from(number % 3)];
        damage(&mut network, at, key(number), Some(torn));
    }
    go_on(&mut network, 30_000_000);
    let left = (0..8).flat_map(|at| network.records(at, Arc::WHOLE));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_tombstone_that_one_member_has_purged_stays_purged() {
    let mut network = network();
    go_on(&mut network, 2_000_000);
    for number in 0..60 {
        change(&mut network, number, Some(&[number]));
    }
    go_on(&mut network, 4_000_000);
    for number in 0..60 {
        change(&mut network, number, None);
    }
    go_on(&mut network, 6_000_000);
    for number in 0..60 {
        let at = members(&network, key(number))[usize::from(number % 3)];
        let tombstone = record(&network, at, key(number)).expect("it is there");
        assert_eq!(tombstone.value, None);
        damage(&mut network, at, key(number), None);
    }
    let count = count_differences(&mut network);
    go_on(&mut network, 30_000_000);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[test]
fn a_delete_that_one_member_has_lost_is_made_there_again() {
    let mut network = network();
    go_on(&mut network, 2_000_000);
    for number in 0..60 {
        change(&mut network, number, Some(&[number]));
    }
    go_on(&mut network, 4_000_000);
    let places = |number: u8| usize::from(number % 3);
    let old: Vec<(Address, Id, Record)> = (0..60)
        .map(|number| {
            let key = key(number);
            let at = members(&network, key)[places(number)];
            (at, key, record(&network, at, key).expect("it is there"))
        })
        .collect();
    for number in 0..60 {
        change(&mut network, number, None);
    }
    go_on(&mut network, 6_000_000);
    for (at, key, record) in old {
        damage(&mut network, at, key, Some(record));
    }
    go_on(&mut network, 30_000_000);
    assert_eq!(copies::different(&network), None);
    let mut left = (0..8).flat_map(|at| network.records(at, Arc::WHOLE));
    assert!(left.all(|(_, record)| record.value.is_none()));
}
