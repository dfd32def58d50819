//! What one event costs a node: `cargo bench -p dht`.
//!
//! Maintenance, a hop of somebody else's lookup, and a read of a key of its own, each from the event
//! that starts it to the action that ends it, with the engine in memory and no network. None of them
//! should grow with the content or the ring, but for the engine's own logarithm.

use dht::event::{Call, Returned, Ticket, Timer};
use dht::message::{Reply, Request, Route, Routing, State};
use dht::record::{Change, Condition, Version};
use dht::store::{Memory, Store, perform};
use dht::{Action, Config, Event, Id, Node, Ownership, Peer};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const SIZES: [u32; 4] = [100, 1_000, 10_000, 100_000];

fn peer(number: u32) -> Peer<u32> {
    Peer {
        id: Id::of(&number.to_be_bytes()),
        address: number,
        incarnation: 1,
    }
}

/// A node, and what it asks of the world.
struct Bench {
    node: Node<u32>,
    store: Memory,
    actions: Vec<Action<u32>>,
}

impl Bench {
    /// The first node of a ring of so many, with so many records in its store.
    fn new(members: u32, items: u32) -> Bench {
        let ring: Vec<Peer<u32>> = (0..members).map(peer).collect();
        let mut store = Memory::default();
        for item in 0..items {
            let change = Change {
                name: None,
                value: Some(item.to_be_bytes().as_slice().into()),
                condition: Condition::Always,
                flags: 0,
                expires_ms: None,
                now_ms: 0,
            };
            store.change(key(item), change, Version::new(1, item), false);
        }
        Bench {
            node: Node::in_ring(ring[0], &ring, Config::default()),
            store,
            actions: Vec::new(),
        }
    }

    fn feed(&mut self, event: Event<u32>) {
        self.actions.clear();
        self.node.handle(event, &mut self.actions);
    }

    /// A round of stabilization that finds nothing new: the question, and the answer to it.
    fn stabilize(&mut self, successor: Peer<u32>, state: &State<u32>) {
        self.feed(Event::Elapsed(Timer::Stabilize));
        let Some(Action::Ask { ticket, .. }) = self.actions.pop() else {
            panic!("a member asks its successor: {:?}", self.actions);
        };
        self.feed(Event::Answered {
            ticket,
            from: successor,
            reply: Reply::State(state.clone()),
            micros: 100,
        });
    }

    /// A hop of a lookup of another node.
    fn route(&mut self, from: Peer<u32>, key: Id) {
        let route = Route {
            key,
            rule: Ownership::Successor,
            routing: Routing::Finger,
        };
        self.feed(Event::Asked {
            ticket: Ticket(1),
            from,
            request: Request::Route(route),
        });
    }

    /// A read of a key of its own: the call, the store's work, and the end of it.
    fn read(&mut self, key: Id) {
        let routing = Routing::Finger;
        let call = Call::Read { key, routing };
        let ticket = Ticket(1);
        self.feed(Event::Called { ticket, call });
        let Some(Action::Store { ticket, command }) = self.actions.pop() else {
            panic!("the owner reads its store: {:?}", self.actions);
        };
        let outcome = perform(&mut self.store, command);
        self.feed(Event::Stored { ticket, outcome });
    }
}

fn key(item: u32) -> Id {
    Id::of(&item.to_le_bytes())
}

#[divan::bench(args = SIZES, sample_size = 1_000)]
fn stabilize_round_by_items(bencher: Bencher, items: u32) {
    let mut bench = Bench::new(64, items);
    let view = bench.node.view();
    let successor = *view.successor();
    let ring: Vec<Peer<u32>> = (0..64).map(peer).collect();
    let its = Node::in_ring(successor, &ring, Config::default());
    let state = its.view().state();
    bencher.bench_local(|| bench.stabilize(black_box(successor), &state));
    assert_eq!(bench.actions, [], "nothing changes in an ideal ring");
}

#[divan::bench(args = SIZES, sample_size = 1_000)]
fn lookup_hop_by_items(bencher: Bencher, items: u32) {
    hop(bencher, Bench::new(64, items));
}

#[divan::bench(args = SIZES, sample_size = 1_000)]
fn lookup_hop_by_members(bencher: Bencher, members: u32) {
    hop(bencher, Bench::new(members, 0));
}

fn hop(bencher: Bencher, mut bench: Bench) {
    let keys: Vec<Id> = (0..256).map(key).collect();
    let mut next = keys.iter().cycle();
    let from = peer(1);
    bencher.bench_local(|| bench.route(from, *black_box(next.next().expect("an endless cycle"))));
    assert!(matches!(bench.actions[..], [Action::Reply { .. }]));
}

#[divan::bench(args = SIZES, sample_size = 1_000)]
fn local_read_by_items(bencher: Bencher, items: u32) {
    let mut bench = Bench::new(1, items);
    let keys: Vec<Id> = (0..items.min(256)).map(key).collect();
    let mut next = keys.iter().cycle();
    bencher.bench_local(|| bench.read(*black_box(next.next().expect("an endless cycle"))));
    assert!(matches!(
        bench.actions[..],
        [Action::Return {
            returned: Returned::Record(Some(_), _),
            ..
        }]
    ));
}
