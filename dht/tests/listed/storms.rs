//! Loss, deaths, restarts and changes at once, by many seeds: nothing that was acknowledged is lost, and in the
//! end everything is where the table says.

use std::collections::BTreeMap;

use dht::event::{Call, Failure, Returned, Ticket};
use dht::listed::Config;
use dht::listed::table::Change;
use dht::message::Routing;
use dht::placement::Scheme;
use dht::store::Store as _;
use dht::{Event, Id};

use crate::changes::{SCHEMES, remove};
use crate::network::{Address, Network};

/// What clients know of a key: what it has at least, and what may have come after.
#[derive(Default)]
struct Known {
    acknowledged: Option<String>,
    unsure: Vec<String>,
}

/// One client a key, which writes one value after the other.
struct Clients {
    known: BTreeMap<Id, Known>,
    open: BTreeMap<Id, (Ticket, String)>,
    count: u32,
}

impl Clients {
    fn new() -> Clients {
        Clients {
            known: BTreeMap::new(),
            open: BTreeMap::new(),
            count: 0,
        }
    }

    /// Takes note of what came back, and writes on at some nodes.
    fn write(&mut self, network: &mut Network) {
        for number in 0..KEYS {
            let key = Id::of(&number.to_be_bytes());
            if let Some((ticket, value)) = self.open.get(&key) {
                let known = self.known.entry(key).or_default();
                match network.returned.remove(ticket) {
                    None => continue,
                    Some(Returned::Changed(..)) => {
                        known.acknowledged = Some(value.clone());
                        known.unsure.clear();
                    }
                    Some(_) => known.unsure.push(value.clone()),
                }
                self.open.remove(&key);
            }
            if network.draw(0, 2) > 0 {
                continue;
            }
            let up = network.up();
            let at = up[network.draw(0, up.len() as u64 - 1) as usize].address;
            self.count += 1;
            let value = self.count.to_string();
            let call = network.write(key, &value);
            self.open.insert(key, (network.call(at, call), value));
        }
    }

    /// Who is dead does not answer its clients any more.
    fn forget_open(&mut self) {
        for (key, (_, value)) in std::mem::take(&mut self.open) {
            self.known.entry(key).or_default().unsure.push(value);
        }
    }

    fn check(&self, network: &mut Network, seed: u64) {
        for (key, known) in &self.known {
            let at = network.up()[0].address;
            let value = network.read(at, *key);
            let is_fine = value == known.acknowledged
                || value
                    .as_ref()
                    .is_some_and(|value| known.unsure.contains(value));
            assert!(
                is_fine,
                "seed {seed}: {key} is {value:?}, not {:?} or {:?}",
                known.acknowledged, known.unsure
            );
        }
    }
}

/// A storm: clients write while members come, go, die and return.
fn storm(scheme: Scheme, replicas: u8, seed: u64) {
    let config = Config {
        scheme,
        replicas,
        page: 16,
        ..Config::default()
    };
    let mut network = Network::of(5, config, seed);
    network.settle(20);
    network.lost = network.draw(0, 5);
    let mut clients = Clients::new();
    let mut next = 5;
    for _ in 0..6 {
        run(&mut network, &mut clients, 500);
        let members = network.up().len() as u64;
        match network.draw(0, 4) {
            0 => {
                // Two at once, at two nodes.
                let at = [0, 1].map(|n: usize| network.up()[n].address);
                for at in at
                    .into_iter()
                    .take(if network.draw(0, 1) == 0 { 1 } else { 2 })
                {
                    let new = network.start(next, at);
                    network.change(at, Change::Add(new));
                    next += 1;
                }
            }
            1 if members > 3 => {
                let place = match scheme {
                    Scheme::Jump => members - 1,
                    _ => network.draw(0, members - 1),
                };
                let gone = network.up()[place as usize].address;
                let ticket = network.call(gone, Call::Leave);
                // Whoever is unlucky is told to stay: then it stays.
                let returned = network.returned(ticket, 300);
                if matches!(returned, Returned::Left(_)) {
                    network.kill(gone);
                }
            }
            2 if replicas > 1 => {
                let place = network.draw(0, members - 1) as usize;
                let dead = network.up()[place].address;
                network.kill(dead);
                clients.forget_open();
                run(&mut network, &mut clients, 4_000);
                let has_disk = network.draw(0, 1) == 0;
                network.restart(dead, has_disk);
            }
            3 => {
                let place = network.draw(0, members - 1) as usize;
                let cut = network.up()[place].address;
                network.cut.insert(cut);
                run(&mut network, &mut clients, 3_000);
                network.cut.clear();
            }
            _ => {}
        }
        run(&mut network, &mut clients, 500);
        // The next death comes when all copies are there again.
        network.lost = 0;
        clients.forget_open();
        network.settle(300);
        network.lost = network.draw(0, 5);
    }
    network.lost = 0;
    network.settle(300);
    clients.check(&mut network, seed);
}

fn run(network: &mut Network, clients: &mut Clients, ms: u64) {
    for _ in 0..ms / 50 {
        clients.write(network);
        network.run_ms(50);
    }
}

/// As many as the environment asks for, to look further than each run of the tests does.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("STORMS")
        .ok()
        .and_then(|count| count.parse().ok());
    0..asked.unwrap_or(SEEDS)
}

#[test]
fn nothing_acknowledged_is_lost_with_one_copy() {
    for seed in seeds() {
        storm(SCHEMES[seed as usize % SCHEMES.len()], 1, seed);
    }
}

#[test]
fn nothing_acknowledged_is_lost_with_three_copies() {
    for seed in seeds() {
        storm(SCHEMES[seed as usize % SCHEMES.len()], 3, seed);
    }
}

/// As with stores that are in other processes: one of them is away for some seconds, and may come back empty.
#[test]
fn nothing_is_lost_or_unreadable_while_one_store_of_three_is_out_of_reach() {
    for seed in 0..SEEDS / 4 {
        let config = Config {
            scheme: SCHEMES[seed as usize % SCHEMES.len()],
            replicas: 3,
            page: 16,
            ..Config::default()
        };
        let mut network = Network::of(5, config, seed);
        network.settle(20);
        let mut clients = Clients::new();
        for _ in 0..3 {
            run(&mut network, &mut clients, 500);
            let at = network.draw(0, 4) as Address;
            network.stranded.insert(at);
            run(&mut network, &mut clients, 3_000);
            clients.forget_open();
            clients.check(&mut network, seed);
            network.stranded.clear();
            if network.draw(0, 1) == 0 {
                for (key, _) in network.records(at) {
                    network
                        .hosts
                        .get_mut(&at)
                        .expect("it is there")
                        .store
                        .forget(key);
                }
                clients.check(&mut network, seed);
            }
            network.settle(300);
        }
        clients.check(&mut network, seed);
    }
}

#[test]
fn where_the_only_copy_is_out_of_reach_nobody_says_that_there_is_none() {
    let mut network = Network::of(3, Config::default(), 1);
    network.settle(20);
    let key = Id::of(b"key");
    let call = network.write(key, "value");
    assert!(matches!(network.wait_for(0, call), Returned::Changed(..)));
    network.stranded.extend([0, 1, 2]);
    let routing = Routing::Finger;
    let calls = [network.write(key, "new"), Call::Read { key, routing }];
    for call in calls {
        for at in 0..3 {
            let returned = network.wait_for(at, call.clone());
            assert!(
                matches!(returned, Returned::Failed(Failure::Store, _)),
                "{returned:?}"
            );
        }
    }
    network.stranded.clear();
    assert_eq!(network.read(0, key).as_deref(), Some("value"));
}

#[test]
fn a_member_whose_content_is_nowhere_else_is_waited_for_or_removed() {
    for scheme in SCHEMES {
        let config = Config {
            scheme,
            replicas: 1,
            ..Config::default()
        };
        let mut network = Network::of(4, config, 3);
        network.settle(20);
        let mut clients = Clients::new();
        run(&mut network, &mut clients, 500);
        let dead = network.table(0).expect("there is one").members[3]
            .peer
            .address;
        let at = if dead == 0 { 1 } else { 0 };
        network.kill(dead);
        let new = network.start(4, at);
        let ticket = network.change(at, Change::Add(new.clone()));
        let returned = network.returned(ticket, 120);
        // Where partitions have come to it already, it is a member with those.
        let is_member = |network: &Network| {
            let table = network.table(at).expect("there is one");
            table.member(new.peer.id).is_some()
        };
        let is_failed = matches!(returned, Returned::Failed(..));
        assert_ne!(is_failed, is_member(&network), "{scheme:?}: {returned:?}");
        if scheme == Scheme::Jump {
            continue;
        }
        let ticket = network.change(at, remove(dead));
        let returned = network.returned(ticket, 120);
        assert!(
            matches!(returned, Returned::Members(_)),
            "{scheme:?}: {returned:?}"
        );
        if is_failed {
            let ticket = network.change(at, Change::Add(new.clone()));
            let returned = network.returned(ticket, 120);
            assert!(
                matches!(returned, Returned::Members(_)),
                "{scheme:?}: {returned:?}"
            );
        }
        assert!(is_member(&network));
        network.settle(60);
    }
}

#[test]
fn a_change_outlives_whoever_leads_it() {
    for seed in 0..20 {
        let config = Config {
            scheme: Scheme::Partitions { count: 30 },
            replicas: 3,
            ..Config::default()
        };
        let mut network = Network::of(5, config, seed);
        network.settle(20);
        let mut clients = Clients::new();
        run(&mut network, &mut clients, 500);
        clients.forget_open();
        let new = network.start(5, 0);
        let ticket = network.change(3, Change::Add(new));
        network.run_ms(10 * (seed + 1));
        // The first of the list.
        let leader = network.table(3).expect("there is one").members[0]
            .peer
            .address;
        if leader != 3 {
            network.kill(leader);
        }
        let returned = network.returned(ticket, 120);
        assert!(matches!(returned, Returned::Members(_)), "{returned:?}");
        clients.check(&mut network, seed);
    }
}

#[test]
fn who_was_to_be_added_and_dies_is_not_waited_for() {
    for scheme in SCHEMES {
        let config = Config {
            scheme,
            replicas: 1,
            ..Config::default()
        };
        let mut network = Network::of(4, config, 3);
        network.settle(20);
        let new = network.start(4, 0);
        let ticket = network.change(0, Change::Add(new));
        network.run_ms(5);
        network.kill(4);
        let returned = network.returned(ticket, 120);
        let is_fine = matches!(returned, Returned::Failed(..) | Returned::Members(_));
        assert!(is_fine, "{scheme:?}: {returned:?}");
        network.settle(120);
        let table = network.table(0).expect("there is one");
        assert!(table.change.is_none(), "{scheme:?}");
    }
}

#[test]
fn a_network_that_stopped_as_a_whole_goes_on_where_it_was() {
    for scheme in SCHEMES {
        let config = Config {
            scheme,
            replicas: 2,
            ..Config::default()
        };
        let mut network = Network::of(4, config, 3);
        network.settle(20);
        let mut clients = Clients::new();
        run(&mut network, &mut clients, 500);
        let (before, version) = (0..4, network.table(0).expect("there is one").version);
        clients.forget_open();
        before.clone().for_each(|at: Address| network.kill(at));
        before.clone().for_each(|at| network.restart(at, true));
        let list: Vec<_> = network
            .hosts
            .values()
            .map(|host| host.member.clone())
            .collect();
        for at in before {
            network.feed(at, Event::Listed(list.clone()));
        }
        network.run_ms(2_000);
        network.settle(60);
        assert_eq!(network.table(0).expect("there is one").version, version);
        clients.check(&mut network, 3);
        // It can still be changed.
        let gone = network.table(0).expect("there is one").members[3]
            .peer
            .address;
        let at = if gone == 0 { 1 } else { 0 };
        let ticket = network.change(at, remove(gone));
        let returned = network.returned(ticket, 60);
        assert!(
            matches!(returned, Returned::Members(_)),
            "{scheme:?}: {returned:?}"
        );
    }
}

/// Keys that are written.
const KEYS: u32 = 40;

/// Storms of each kind.
const SEEDS: u64 = 40;
