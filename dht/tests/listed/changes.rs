//! What happens when members come and go, and nothing fails.

use dht::Id;
use dht::event::{Call, Failure, Returned};
use dht::listed::Config;
use dht::listed::table::{Change, Refusal, Table};
use dht::message::Routing;
use dht::placement::{Hash, Scheme};
use dht::record::Changed;

use crate::network::{Address, Network, member};

pub const SCHEMES: [Scheme; 5] = [
    Scheme::Ring {
        positions: 32,
        hash: Hash::Sha1,
    },
    Scheme::Ring {
        positions: 32,
        hash: Hash::Murmur3,
    },
    Scheme::Partitions { count: 50 },
    Scheme::Rendezvous,
    Scheme::Jump,
];

fn config(scheme: Scheme, replicas: u8) -> Config {
    Config {
        scheme,
        replicas,
        ..Config::default()
    }
}

pub fn remove(address: Address) -> Change<Address> {
    let id = member(address).peer.id;
    let leaves = false;
    Change::Remove { id, leaves }
}

/// A network with so many keys, one named after each number.
fn filled(members: Address, config: Config, keys: u64) -> Network {
    let mut network = Network::of(members, config, 1);
    network.settle(10);
    let mut tickets = Vec::new();
    for number in 0..keys {
        let key = config.scheme.identify(number.to_string().as_bytes());
        let call = network.write(key, &number.to_string());
        let at = (number % u64::from(members)) as Address;
        tickets.push(network.call(at, call));
        if number % 100 == 99 {
            network.run_ms(20);
        }
    }
    for ticket in tickets {
        let returned = network.returned(ticket, 10);
        assert!(
            matches!(returned, Returned::Changed(Changed::Created(_), ..)),
            "{returned:?}"
        );
    }
    network
}

/// Every key is read at every node.
fn check(network: &mut Network, keys: u64) {
    for number in 0..keys {
        let text = number.to_string();
        let key = network.config.scheme.identify(text.as_bytes());
        let up = network.up();
        let at = up[(number % up.len() as u64) as usize].address;
        assert_eq!(network.read(at, key), Some(text), "from {at}");
    }
}

/// Partitions and keys of each node.
fn state(network: &Network) -> Vec<(usize, usize)> {
    let up = network.up();
    let table = network.table(up[0].address).expect("there is one");
    let owned = table.owned().expect("by partitions");
    let members = table.members.iter().zip(owned);
    members
        .map(|(member, owned)| (owned, network.held(member.peer.address)))
        .collect()
}

#[test]
fn four_times_fifty_and_one_is_five_times_forty_and_minus_one_four_times_fifty() {
    let mut network = filled(4, Config::default(), 10_000);
    assert_eq!(state(&network), [(50, 2_500); 4]);

    let new = network.start(4, 0);
    let returned = network.change(0, Change::Add(new));
    let returned = network.returned(returned, 120);
    // One table that says so, and one for each partition.
    assert_eq!(returned, Returned::Members(2 + 40));
    network.settle(10);
    assert_eq!(state(&network), [(40, 2_000); 5]);

    let ticket = network.change(1, remove(2));
    assert_eq!(
        network.returned(ticket, 120),
        Returned::Members(42 + 1 + 40)
    );
    network.settle(10);
    assert_eq!(network.held(2), 0);
    network.kill(2);
    assert_eq!(state(&network), [(50, 2_500); 4]);
    for number in (0..10_000_u64).step_by(97) {
        let at = network.up()[(number % 4) as usize].address;
        assert_eq!(
            network.read(at, Id::from_number(number)),
            Some(number.to_string())
        );
    }
}

/// As many partitions as there can be: each moves for itself, and keys are found all the while.
#[test]
fn four_thousand_partitions_move_one_by_one_and_every_key_is_found_all_the_while() {
    let keys = 1_000;
    let config = config(Scheme::Partitions { count: 4_096 }, 1);
    let mut network = filled(4, config, keys);
    let new = network.start(4, 0);
    let version = |network: &Network| network.table(0).expect("there is one").version;
    for change in [Change::Add(new), remove(2)] {
        let (version, begun_us) = (version(&network), network.now_us);
        let ticket = network.change(0, change);
        let mut number = 0;
        while !network.returned.contains_key(&ticket) {
            let text = (number % keys).to_string();
            let at = network.up()[(number % 4) as usize].address;
            let key = Id::from_number(number % keys);
            assert_eq!(network.read(at, key), Some(text), "from {at}");
            network.run_ms(10);
            number += 1;
        }
        let returned = network.returned(ticket, 1);
        // As many as a fifth is, and each takes some messages there and back.
        assert!(
            matches!(returned, Returned::Members(now) if (819..=821).contains(&(now - version))),
            "{returned:?}"
        );
        assert!(network.now_us - begun_us < 20_000_000, "{returned:?}");
        network.settle(20);
        check(&mut network, keys);
    }
    assert_eq!(network.held(2), 0);
    let owned = network.table(0).and_then(Table::owned);
    assert_eq!(owned, Some(vec![1_024; 4]));
}

#[test]
fn any_node_serves_any_key_while_members_come_and_go() {
    for scheme in SCHEMES {
        for replicas in [1, 2, 3] {
            let mut network = filled(3, config(scheme, replicas), 120);
            check(&mut network, 120);
            for address in [3, 4] {
                let new = network.start(address, 1);
                let ticket = network.change(1, Change::Add(new));
                let returned = network.returned(ticket, 120);
                assert!(matches!(returned, Returned::Members(_)), "{returned:?}");
                check(&mut network, 120);
                network.settle(20);
            }
            let last = network.wait_for(4, Call::Leave);
            assert!(matches!(last, Returned::Left(_)), "{last:?}");
            network.kill(4);
            check(&mut network, 120);
            network.settle(20);
            assert_eq!(network.table(0).expect("there is one").members.len(), 4);
        }
    }
}

#[test]
fn two_changes_at_once_at_two_nodes_end_in_the_same_table() {
    for scheme in SCHEMES {
        let mut network = filled(4, config(scheme, 2), 100);
        let new = [4, 5].map(|address| network.start(address, address - 4));
        let tickets =
            [0, 1].map(|at: usize| network.change(at as Address, Change::Add(new[at].clone())));
        for ticket in tickets {
            let returned = network.returned(ticket, 120);
            assert!(
                matches!(returned, Returned::Members(_)),
                "{scheme:?}: {returned:?}"
            );
        }
        network.settle(20);
        assert_eq!(network.table(0).expect("there is one").members.len(), 6);
        check(&mut network, 100);
    }
}

#[test]
fn a_dead_member_is_removed_and_its_copies_are_what_is_left() {
    for scheme in SCHEMES {
        let mut network = filled(4, config(scheme, 2), 100);
        network.kill(3);
        check(&mut network, 100);
        let ticket = network.change(0, remove(3));
        let returned = network.returned(ticket, 120);
        assert!(
            matches!(returned, Returned::Members(_)),
            "{scheme:?}: {returned:?}"
        );
        network.settle(90);
        check(&mut network, 100);
    }
}

#[test]
fn an_emptied_node_gets_its_copies_back() {
    for scheme in SCHEMES {
        let mut network = filled(3, config(scheme, 2), 100);
        network.kill(1);
        network.run_ms(1_000);
        network.restart(1, false);
        network.run_ms(100);
        check(&mut network, 100);
        network.settle(10);
    }
}

#[test]
fn what_was_missed_is_made_up_for() {
    let mut network = filled(3, config(Scheme::Rendezvous, 3), 20);
    network.kill(2);
    for number in 0..20_u64 {
        let key = network
            .config
            .scheme
            .identify(number.to_string().as_bytes());
        let call = network.write(key, "new");
        let returned = network.wait_for(0, call);
        assert!(
            matches!(returned, Returned::Changed(_, 2, _)),
            "{returned:?}"
        );
    }
    network.restart(2, true);
    for number in 0..20_u64 {
        let key = network
            .config
            .scheme
            .identify(number.to_string().as_bytes());
        assert_eq!(network.read(2, key).as_deref(), Some("new"), "{number}");
    }
    network.settle(10);
}

#[test]
fn a_change_that_makes_no_sense_is_refused() {
    let mut network = Network::of(2, config(Scheme::Jump, 1), 1);
    network.settle(10);
    let refused = |network: &mut Network, change| {
        let ticket = network.change(0, change);
        match network.returned(ticket, 10) {
            Returned::Failed(failure, _) => failure,
            other => panic!("{other:?}"),
        }
    };
    let present = Change::Add(member(1));
    assert_eq!(
        refused(&mut network, present),
        Failure::Members(Refusal::Present)
    );
    assert_eq!(
        refused(&mut network, remove(7)),
        Failure::Members(Refusal::Unknown)
    );
    assert_eq!(
        refused(&mut network, remove(0)),
        Failure::Members(Refusal::NotLast)
    );
    let ticket = network.change(0, remove(1));
    assert!(matches!(network.returned(ticket, 10), Returned::Members(_)));
    assert_eq!(
        refused(&mut network, remove(0)),
        Failure::Members(Refusal::Only)
    );
    let last = network.wait_for(0, Call::Leave);
    assert_eq!(last, Returned::Failed(Failure::LastNode, Vec::new()));
}

#[test]
fn without_a_majority_the_list_stays_and_serving_goes_on() {
    let mut network = filled(4, config(Scheme::Rendezvous, 4), 20);
    network.kill(2);
    network.kill(3);
    check(&mut network, 20);
    let ticket = network.change(0, remove(3));
    let returned = network.returned(ticket, 30);
    assert_eq!(returned, Returned::Failed(Failure::Unreachable, Vec::new()));
    assert_eq!(network.table(0).expect("there is one").members.len(), 4);
}

#[test]
fn a_lookup_names_the_owner_at_once() {
    let mut network = filled(5, config(Scheme::Rendezvous, 1), 0);
    let layout = network.table(0).expect("there is one").layout();
    for key in (0..20_u8).map(|n| Id::of(&[n])) {
        let (rule, routing) = (dht::Ownership::Successor, Routing::Finger);
        let found = network.wait_for(0, Call::Find { key, rule, routing });
        let Returned::Found(path) = found else {
            panic!("{found:?}");
        };
        assert!(path.len() <= 2);
        let last = path.last().expect("it begins with the node itself");
        assert_eq!(last.node.id, layout.replicas(key)[0]);
    }
}

#[test]
fn who_follows_a_list_is_always_as_the_list_says() {
    let mut config = config(Scheme::Partitions { count: 20 }, 2);
    config.follows = true;
    let mut network = filled(3, config, 60);
    network.start(3, 0);
    let list: Vec<_> = [0, 1, 3].map(member).into();
    for at in 0..4 {
        network.feed(at, dht::Event::Listed(list.clone()));
    }
    network.run_ms(5_000);
    network.settle(60);
    let table = network.table(0).expect("there is one");
    let mut members: Vec<Address> = table.members.iter().map(|m| m.peer.address).collect();
    members.sort_unstable();
    assert_eq!(members, [0, 1, 3]);
    check(&mut network, 60);
}
