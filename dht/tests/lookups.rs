//! Lookups: whoever asks, by whatever links, is told the owner that a sorted list of all members gives.

mod support;

use std::collections::BTreeSet;

use dht::event::{Call, Cause, Failure, Hop, Returned, Ticket, Timer};
use dht::message::{LinkKind, Reply, Request, Routing};
use dht::record::{Change, Condition};
use dht::view::Phase;
use dht::{Action, Config, Event, Id, Node, Ownership, Peer};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::{Address, Network, write};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn rules() -> impl Strategy<Value = Ownership> {
    prop_oneof![Just(Ownership::Successor), Just(Ownership::Predecessor)]
}

fn routings() -> impl Strategy<Value = Routing> {
    prop_oneof![Just(Routing::Linear), Just(Routing::Finger)]
}

fn config(ownership: Ownership) -> Config {
    Config {
        ownership,
        ..Config::default()
    }
}

/// A key somewhere, or at a member, or just beside one.
#[derive(Clone, Copy, Debug)]
enum Key {
    Anywhere([u8; 20]),
    At(usize),
    Before(usize),
    After(usize),
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        any::<[u8; 20]>().prop_map(Key::Anywhere),
        (0_usize..40).prop_map(Key::At),
        (0_usize..40).prop_map(Key::Before),
        (0_usize..40).prop_map(Key::After),
    ]
}

fn id(network: &Network, key: Key) -> Id {
    let members = network.members();
    let member = |place: usize| members[place % members.len()].id;
    match key {
        Key::Anywhere(bytes) => Id::from_bytes(bytes),
        Key::At(place) => member(place),
        Key::Before(place) => member(place).previous(),
        Key::After(place) => member(place).next(),
    }
}

fn find(network: &mut Network, at: Address, key: Id, routing: Routing) -> Vec<Hop<Address>> {
    let rule = network.config.ownership;
    match network.wait_for(at, Call::Find { key, rule, routing }) {
        Returned::Found(path) => path,
        other => panic!(
            "{key} was not found from {at}: {other:?}\n{}",
            network.story()
        ),
    }
}

/// What must hold of every path: it starts at the asker, ends at the owner, and never asks a node twice
/// in one attempt unless as the owner it was named.
fn is_sound(path: &[Hop<Address>], at: Address, owner: Address) -> bool {
    let starts = path[0].node.address == at && path[0].why == LinkKind::Start;
    let last = path.last().expect("a path has a start");
    starts && last.node.address == owner && last.ok
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn every_asker_finds_the_owner_of_every_key(
        ownership in rules(),
        members in 1_u32..40,
        seed in any::<u64>(),
        keys in prop::collection::vec(keys(), 1..6),
    ) {
        let mut network = Network::ring(members, config(ownership), seed);
        network.scheduled = false;
        for key in keys {
            let key = id(&network, key);
            let owner = network.owner(key);
            for at in 0..members {
                for routing in [Routing::Linear, Routing::Finger] {
                    let path = find(&mut network, at, key, routing);
                    prop_assert!(is_sound(&path, at, owner), "{:?}", path);
                    prop_assert!(path.iter().all(|hop| hop.ok));
                    // Besides the start: the nodes on the way, and the owner, that is everyone at most.
                    prop_assert!(path.len() <= members as usize + 1, "{:?}", path);
                }
            }
        }
    }

    #[test]
    fn by_fingers_a_path_grows_with_the_logarithm_of_the_ring(
        ownership in rules(),
        members in 2_u32..40,
        seed in any::<u64>(),
        keys in prop::collection::vec(keys(), 1..20),
    ) {
        let mut network = Network::ring(members, config(ownership), seed);
        network.scheduled = false;
        // Each step at least halves the distance to the key, and the identifiers are spread evenly
        // enough that a few steps more than log2 of the ring suffice.
        let limit = 3 + members.ilog2() as usize + 1;
        for (at, key) in (0..members).cycle().zip(keys) {
            let key = id(&network, key);
            let path = find(&mut network, at, key, Routing::Finger);
            prop_assert!(path.len() - 1 <= limit, "{:?}", path);
        }
    }

    #[test]
    fn dead_nodes_on_the_way_are_passed_over_and_reported(
        ownership in rules(),
        routing in routings(),
        members in 6_u32..40,
        seed in any::<u64>(),
        dead in prop::collection::btree_set(0_u32..40, 1..4),
        keys in prop::collection::vec(keys(), 1..8),
    ) {
        let mut network = Network::ring(members, config(ownership), seed);
        network.run_ms(1_000);
        let keys: Vec<Id> = keys.into_iter().map(|key| id(&network, key)).collect();
        let dead: BTreeSet<Address> = dead.into_iter().map(|place| place % members).collect();
        for address in &dead {
            network.kill(*address);
        }
        let mut asked_dead = BTreeSet::new();
        let askers: Vec<Address> = (0..members).filter(|at| !dead.contains(at)).collect();
        for (at, key) in askers.iter().cycle().zip(keys) {
            // The owner is the one among those that live: the ring mends itself while we wait.
            let owner = network.owner(key);
            let path = find(&mut network, *at, key, routing);
            prop_assert!(is_sound(&path, *at, owner), "{} of {}: {:?}", key, owner, path);
            for hop in &path {
                prop_assert_eq!(hop.ok, !dead.contains(&hop.node.address), "{:?}", path);
            }
            let failed = path.iter().filter(|hop| !hop.ok);
            asked_dead.extend(failed.map(|hop| (*at, hop.node.address)));
        }
        // Once every finger has had its turn, nobody goes there any more.
        network.run_ms(20_000);
        for at in askers {
            let path = find(&mut network, at, Id::of(b"key"), routing);
            prop_assert!(path.iter().all(|hop| hop.ok), "{:?}", path);
        }
    }

    #[test]
    fn what_is_found_is_also_what_serves(
        ownership in rules(),
        routing in routings(),
        members in 1_u32..20,
        seed in any::<u64>(),
        keys in prop::collection::vec(keys(), 1..10),
    ) {
        let mut network = Network::ring(members, config(ownership), seed);
        for (at, key) in (0..members).cycle().zip(keys) {
            let key = id(&network, key);
            let owner = network.owner(key);
            let returned = network.wait_for(at, write(key, "value"));
            let Returned::Changed(_, _, path) = returned else {
                panic!("{key} was not written: {returned:?}");
            };
            prop_assert!(is_sound(&path, at, owner), "{:?}", path);
            let returned = network.wait_for(members - 1, Call::Read { key, routing });
            let Returned::Record(record, path) = returned else {
                panic!("{key} was not read: {returned:?}");
            };
            prop_assert!(is_sound(&path, members - 1, owner), "{:?}", path);
            let value = record.and_then(|record| record.value);
            prop_assert_eq!(value.as_deref(), Some(&b"value"[..]));
        }
    }
}

/// Both neighbours of the owner, the owner, one far away, one that joined a moment ago, and one that is
/// about to leave.
#[test]
fn every_kind_of_asker_finds_the_owner() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        let mut network = Network::ring(12, config(ownership), 9);
        network.store_us = (20_000, 20_000);
        let key = Id::of(b"key");
        let members = network.members();
        let place = members
            .iter()
            .position(|peer| peer.address == network.owner(key));
        let place = place.expect("the owner is a member");
        for step in [0, 1, 6, 11] {
            let at = members[(place + step) % 12].address;
            let owner = network.owner(key);
            assert!(is_sound(
                &find(&mut network, at, key, Routing::Finger),
                at,
                owner
            ));
        }
        let ticket = network.join(50, 0);
        network.run_until(5, |network| network.returned.contains_key(&ticket));
        assert_eq!(network.returned[&ticket], Returned::Joined);
        let path = find(&mut network, 50, key, Routing::Finger);
        assert!(is_sound(&path, 50, network.owner(key)), "{path:?}");

        network.settle(10);
        let leaver = members[(place + 3) % 12].address;
        network.call(leaver, Call::Leave);
        assert_eq!(network.view(leaver).phase, Phase::Leaving);
        let owner = network.owner(key);
        let path = find(&mut network, leaver, key, Routing::Linear);
        assert!(is_sound(&path, leaver, owner), "{path:?}");
    }
}

/// Nobody looks after the ring by schedule, so its death is noticed by whoever asks for the key: the
/// lookup does not wander about, but tells the node before the dead one, and comes again.
#[test]
fn a_key_whose_owner_has_just_died_is_found_without_a_detour() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        for seed in 0..8 {
            let mut network = Network::ring(40, config(ownership), seed);
            network.scheduled = false;
            let key = Id::of(b"key");
            let dead = network.owner(key);
            network.kill(dead);
            let asker = network.members()[seed as usize].address;
            let path = find(&mut network, asker, key, Routing::Finger);
            assert!(is_sound(&path, asker, network.owner(key)), "{path:?}");
            let answered = path.iter().filter(|hop| hop.ok).count();
            assert!(answered < 20, "{answered} answered: {path:?}");
        }
    }
}

#[test]
fn who_is_no_member_is_told_so() {
    let mut network = Network::ring(3, Config::default(), 9);
    network.cut.insert((7, 0));
    network.join(7, 0);
    for routing in [Routing::Linear, Routing::Finger] {
        let key = Id::of(b"key");
        let returned = network.wait_for(7, Call::Read { key, routing });
        assert_eq!(returned, Returned::Failed(Failure::NotAMember, Vec::new()));
    }
}

/// The rule of a lookup is its own: one can ask who owns a key by either rule in any network.
#[test]
fn a_lookup_may_ask_by_the_other_rule() {
    let mut network = Network::ring(9, Config::default(), 9);
    let members = network.members();
    for (place, member) in members.iter().enumerate() {
        let key = member.id.previous();
        for (rule, owner) in [
            (Ownership::Successor, *member),
            (Ownership::Predecessor, members[(place + 8) % 9]),
        ] {
            let routing = Routing::Finger;
            let returned = network.wait_for(4, Call::Find { key, rule, routing });
            let Returned::Found(path) = returned else {
                panic!("{key} was not found: {returned:?}");
            };
            assert_eq!(path.last().map(|hop| hop.node), Some(owner));
        }
    }
}

#[test]
fn what_waits_for_an_owner_that_says_nothing_knows_it_soon() {
    let ring = [1, 2, 3].map(support::peer);
    for (is_there, is_given_up) in [(true, false), (false, true)] {
        let mut node = Node::in_ring(ring[0], &ring, Config::default());
        let owner = *node.view().successor();
        let mut out = Vec::new();
        let ticket = Ticket(7);
        let call = write(owner.id, "value");
        node.handle(Event::Called { ticket, call }, &mut out);
        let is_write = |action: &Action<Address>| {
            let Action::Ask { to, request, .. } = action else {
                return false;
            };
            *to == owner && matches!(request, Request::Change(..))
        };
        assert!(out.iter().any(is_write), "{out:?}");
        out.clear();
        node.handle(Event::Elapsed(Timer::Beat), &mut out);
        assert!(out.is_empty(), "it gets its time: {out:?}");
        node.handle(Event::Elapsed(Timer::Beat), &mut out);
        let pings = out.drain(..).find_map(|action| match action {
            Action::Ask {
                ticket,
                request: Request::Ping,
                ..
            } => Some(ticket),
            _ => None,
        });
        let ticket = pings.expect("the owner is asked whether it is there");
        let answer = match is_there {
            true => Event::Answered {
                ticket,
                from: owner,
                reply: Reply::Pong,
                micros: 1,
            },
            false => Event::Unanswered {
                ticket,
                cause: Cause::Silent,
            },
        };
        node.handle(answer, &mut out);
        let is_unknown = |action: &Action<Address>| {
            let Action::Return { returned, .. } = action else {
                return false;
            };
            matches!(returned, Returned::Failed(Failure::Unknown, _))
        };
        assert_eq!(out.iter().any(is_unknown), is_given_up, "{out:?}");
    }
}

/// Whom a node of a ring of 1, 2, 3, 4 and 5 with three copies asks first for a change, and whether it asks for
/// the change, not the way.
fn asked_first(by: u8, key: u8, routing: Routing) -> (u8, bool) {
    let peer = |byte: u8| Peer {
        id: Id::from_bytes([byte; Id::BYTES]),
        address: byte,
        incarnation: 1,
    };
    let config = Config {
        replicas: 3,
        ..Config::default()
    };
    let ring = [1, 2, 3, 4, 5].map(peer);
    let (mut node, mut out) = (Node::in_ring(peer(by), &ring, config), Vec::new());
    let change = Change {
        name: None,
        value: None,
        condition: Condition::Always,
        flags: 0,
        expires_ms: None,
        now_ms: 0,
    };
    let key = peer(key).id;
    let call = Call::Change {
        key,
        change,
        routing,
    };
    let ticket = Ticket(0);
    node.handle(Event::Called { ticket, call }, &mut out);
    let asks = out.into_iter().filter_map(|action| match action {
        Action::Ask { to, request, .. } => {
            Some((to.address, matches!(request, Request::Change(..))))
        }
        _ => None,
    });
    asks.last().expect("somebody is asked")
}

#[test]
fn a_member_goes_to_the_leader_of_its_group_at_once() {
    for (by, key) in [(1, 5), (1, 4), (5, 4), (5, 3)] {
        assert_eq!(asked_first(by, key, Routing::Finger), (key, true));
    }
    // Who keeps no copy asks for the way, and so does who wants to see it.
    assert_eq!(asked_first(2, 4, Routing::Finger), (3, false));
    assert_eq!(asked_first(1, 4, Routing::Linear), (2, false));
}
