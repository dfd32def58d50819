//! Causal stores step by step: one thing that happens to them, and what must come of it.

use std::collections::BTreeMap;

use dht::causal::message::{Call, Failure, Outcome, Returned, What};
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
        let network = Network::new(&Plan {
            seed,
            nodes,
            shards,
            minutes: 0,
            latency: Latency::Constant { us: 1_000 },
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
