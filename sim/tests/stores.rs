//! Causal stores step by step: one thing that happens to them, and what must come of it.

use std::collections::{BTreeMap, BTreeSet};

use dht::causal::layout::Change;
use dht::causal::message::{Call, Failure, Outcome, Returned, What};
use dht::causal::roster::Status;
use dht::event::Ticket;
use dht::record::Blob;
use sim::causal::Plan;
use sim::causal::network::{Address, Network};
use sim::faults::Faults;
use sim::latency::Latency;

/// A store, and what came of the calls at its nodes.
struct Store {
    network: Network,
    returned: BTreeMap<Ticket, Returned<Address>>,
}

impl Store {
    /// Nodes in so many shards, all of them ready, on a network on which nothing goes wrong.
    fn boot(seed: u64, nodes: u32, shards: u32) -> Store {
        Store::boot_apart(1_000, seed, nodes, shards)
    }

    /// The same, so many microseconds from each other.
    fn boot_apart(us: u64, seed: u64, nodes: u32, shards: u32) -> Store {
        let network = Network::new(&Plan {
            seed,
            nodes,
            shards,
            minutes: 0,
            latency: Latency::Constant { us },
            faults: Faults::default(),
            in_memory: false,
            removes: false,
        });
        let mut store = Store {
            network,
            returned: BTreeMap::new(),
        };
        store.until("all are ready", |network| {
            network.nodes().all(|node| node.is_ready())
        });
        // So long that all have told each other that they are.
        store.pass(5_000);
        store
    }

    /// Lets this much time pass.
    fn pass(&mut self, ms: u64) {
        let end_us = self.network.now_us + 1_000 * ms;
        while self.network.now_us < end_us && self.network.step().is_some() {}
        self.returned.extend(self.network.returned.drain(..));
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Network) -> bool) {
        for _ in 0..PATIENCE {
            if holds(&self.network) {
                return;
            }
            self.pass(100);
        }
        panic!("{what}: never");
    }

    /// Makes a call, and waits for what comes of it.
    fn call(&mut self, at: Address, call: Call<Address>) -> Returned<Address> {
        let ticket = self.network.call(at, call).expect("it is up");
        for _ in 0..PATIENCE {
            self.returned.extend(self.network.returned.drain(..));
            match self.returned.remove(&ticket) {
                Some(returned) => return returned,
                None => self.pass(50),
            }
        }
        panic!("{ticket:?} never returns");
    }

    /// Puts a value, and does not wait for what comes of it.
    fn put_later(&mut self, at: Address, key: &str, value: &str) {
        let call = Call::Operate {
            key: blob(key),
            what: What::Put(blob(value)),
            seen: None,
            now_ms: self.network.now_ms(at),
        };
        self.network.call(at, call);
    }

    /// Nothing passes between these and the others any more.
    fn part(&mut self, side: &[Address]) {
        self.network.part(side.iter().copied().collect());
    }

    fn operate(
        &mut self,
        at: Address,
        key: &str,
        what: What,
        seen: Option<&str>,
    ) -> Returned<Address> {
        let call = Call::Operate {
            key: blob(key),
            what,
            seen: seen.map(str::to_owned),
            now_ms: self.network.now_ms(at),
        };
        self.call(at, call)
    }

    /// Puts a value. Returns what a client has seen then.
    fn put(&mut self, at: Address, key: &str, value: &str) -> String {
        match self.operate(at, key, What::Put(blob(value)), None) {
            Returned::Done(_, seen, _) => seen,
            other => panic!("{key} at {at}: {other:?}"),
        }
    }
}

fn blob(text: &str) -> Blob {
    Blob::from(text.as_bytes().to_vec())
}

/// Looks before something counts as never.
const PATIENCE: usize = 1_000;

#[test]
fn what_was_seen_in_another_store_is_not_believed() {
    let (mut one, mut other) = (Store::boot(1, 4, 1), Store::boot(2, 2, 0));
    let theirs = other.put(0, "key", "value");
    // Under the layout of that store, and under a later one.
    for shards in [1, 2] {
        for at in 0..4 {
            let put = What::Put(blob("mine"));
            let told = one.operate(at, "key", put, Some(&theirs));
            assert_eq!(told, Returned::Failed(Failure::NotSeen), "{shards} at {at}");
            let told = one.operate(at, "key", What::Get, None);
            assert!(
                matches!(told, Returned::Done(Outcome::Missing, ..)),
                "{told:?}"
            );
        }
        let told = one.call(0, Call::Reshard(2));
        assert_eq!(told, Returned::Arranged);
    }
    let own = one.put(0, "key", "value");
    let told = other.operate(0, "key", What::Get, Some(&own));
    assert_eq!(told, Returned::Failed(Failure::NotSeen));
}

#[test]
fn who_lacks_much_takes_pages_of_a_shard_that_goes_on_changing() {
    let mut store = Store::boot(3, 3, 0);
    store.network.kill(2, true);
    store.pass(15_000);
    // So large that few go on a page: all of them take longer than the giver's log of writes reaches back.
    let large = Blob::from(vec![0; 500_000]);
    for number in 0..LARGE {
        let put = What::Put(large.clone());
        store.operate(0, &format!("large {number}"), put, None);
    }
    store.network.start(2);
    let mut writes = 0;
    while !store.network.node(2).is_ready() {
        for _ in 0..10 {
            for at in 0..2 {
                store.put_later(at, &format!("small {}", writes % 50), &writes.to_string());
                writes += 1;
            }
        }
        assert!(writes < 60_000, "the pages have no end");
        store.pass(2);
    }
    store.pass(5_000);
    assert!(writes > 1_024, "a log was enough: {writes}");
    assert_eq!(store.network.records(2), store.network.records(0));
}

#[test]
fn replicas_that_each_lack_much_of_the_other_become_equal() {
    for seed in 1..=5 {
        // So far apart that all four begin to take from each other before any of them is done.
        let mut store = Store::boot_apart(300_000, seed, 4, 1);
        store.part(&[0, 1]);
        store.pass(12_000);
        for number in 0..1_200 {
            for at in [0, 2] {
                store.put_later(at, &format!("key {number} of {at}"), "value");
            }
            store.pass(20);
        }
        store.pass(2_000);
        store.network.mend();
        store.pass(60_000);
        let records = store.network.records(0);
        assert_eq!(records.len(), 2_400, "{seed}");
        for at in 1..4 {
            assert!(store.network.node(at).is_ready(), "{seed}: {at}");
            assert_eq!(store.network.records(at), records, "{seed}: {at}");
        }
    }
}

#[test]
fn a_delete_stays_where_its_tombstone_is_gone() {
    let mut store = Store::boot(5, 3, 0);
    store.put(0, "deleted", "value");
    store.put(0, "kept", "value");
    store.pass(2_000);
    store.network.kill(2, true);
    store.pass(15_000);
    store.operate(0, "deleted", What::Delete, None);
    for number in 0..1_200 {
        store.put_later(0, &format!("other {number}"), "value");
        store.pass(4);
    }
    store.pass(2_000);
    for at in 0..2 {
        store.network.purge(at, u64::MAX);
    }
    store.network.start(2);
    store.until("it is back", |network| network.node(2).is_ready());
    store.pass(5_000);
    for at in 0..3 {
        let told = store.operate(at, "deleted", What::Get, None);
        assert!(
            matches!(told, Returned::Done(Outcome::Missing, ..)),
            "{at}: {told:?}"
        );
        let told = store.operate(at, "kept", What::Get, None);
        assert!(
            matches!(told, Returned::Done(Outcome::Found(_), ..)),
            "{at}: {told:?}"
        );
    }
    assert_eq!(store.network.records(2), store.network.records(0));
}

#[test]
fn a_disk_that_keeps_nothing_is_told_of() {
    for says in [true, false] {
        let mut store = Store::boot(6, 3, 0);
        store.put(0, "key", "value");
        store.pass(2_000);
        store.network.break_disk(1, says);
        // Others go on, and the node hears of writes that it cannot keep.
        for number in 0..3 {
            store.put(0, "key", &format!("value {number}"));
        }
        for what in [What::Get, What::Put(blob("mine"))] {
            let told = store.operate(1, "key", what, None);
            let is_told = match says {
                true => told == Returned::Failed(Failure::NotKept),
                false => matches!(told, Returned::Failed(Failure::NotKept | Failure::Unsure)),
            };
            assert!(is_told, "{says}: {told:?}");
        }
        let told = store.operate(2, "key", What::Get, None);
        let Returned::Done(Outcome::Found(value), ..) = told else {
            panic!("{told:?}");
        };
        assert_ne!(value, blob("mine"));
    }
}

#[test]
fn a_part_without_a_majority_goes_on_writing_whatever_is_wanted_of_it() {
    let mut store = Store::boot(7, 5, 1);
    store.part(&[0, 1]);
    let told = store.call(0, Call::Reshard(2));
    assert_eq!(told, Returned::Failed(Failure::NoMajority));
    store.put(0, "key", "value");
    store.pass(30_000);
    store.put(0, "key", "another value");
    // Nor does it end the writing by itself, to tidy up behind those that it believes to be gone.
    store.call(0, Call::Delete(2));
    store.pass(30_000);
    store.put(0, "key", "a third value");
    store.network.mend();
    store.pass(30_000);
    let told = store.operate(4, "key", What::Get, None);
    assert!(
        matches!(&told, Returned::Done(Outcome::Found(value), ..) if *value == blob("a third value")),
        "{told:?}"
    );
}

#[test]
fn nobody_is_taken_out_by_who_does_not_know_who_is_there() {
    let mut store = Store::boot(8, 3, 0);
    for at in 0..3 {
        store.network.kill(at, at > 0);
    }
    store.network.start(0);
    store.pass(1_000);
    let told = store.call(0, Call::Delete(1));
    assert_eq!(told, Returned::Failed(Failure::NotTold));
}

#[test]
fn whoever_is_taken_out_stays_out_though_others_knew_a_later_life_of_it() {
    let mut store = Store::boot(10, 4, 0);
    store.part(&[0]);
    // A life of which the first node does not hear.
    store.network.kill(3, true);
    store.network.start(3);
    store.pass(2_000);
    store.network.take_away(3);
    let told = store.call(0, Call::Delete(3));
    assert_eq!(told, Returned::Deleted(true));
    store.network.mend();
    store.pass(30_000);
    for at in 0..3 {
        let roster = store.network.node(at).roster();
        assert_eq!(roster.status(&3), Some(Status::Deleted), "{at}");
    }
    // And another one is welcome.
    store.network.replace(3);
    store.pass(15_000);
    for at in 0..4 {
        assert_eq!(store.network.node(at).roster().view().count(), 4, "{at}");
    }
}

#[test]
fn every_node_can_say_what_became_of_a_change_whose_proposer_died() {
    let mut outcomes = BTreeSet::new();
    // It dies a little later every time: before anybody has promised, and after it was decided.
    for after_ms in 0..12 {
        let mut store = Store::boot(11, 6, 2);
        let before = store.network.node(0).layouts().0.clone();
        store.network.call(0, Call::Reshard(3));
        store.pass(after_ms);
        store.network.kill(0, true);
        store.pass(60_000);
        store.network.start(0);
        store.pass(20_000);
        let layout = store.network.node(5).layouts().0.clone();
        for at in 0..6 {
            let Returned::Shards(shards) = store.call(at, Call::Shards) else {
                panic!("{at} says something else");
            };
            assert!(shards.is_settled && !shards.is_deciding, "{at}: {shards:?}");
            assert_eq!(shards.layout, layout, "{at}");
            let expected = match (layout.epoch == before.epoch, layout.shards) {
                (true, _) => None,
                (false, 3) => Some(Change::Resharded),
                (false, _) => Some(Change::Nothing),
            };
            assert_eq!(shards.change, expected, "{at} after {after_ms} ms");
            outcomes.insert(format!("{expected:?}"));
        }
    }
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
}

/// Large values: two go on a page.
const LARGE: usize = 400;
