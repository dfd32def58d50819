//! Handover: whatever happens while arcs move, nothing is lost, doubled, or unreadable, and at each
//! moment at most one node serves a key.
//!
//! A ledger plays the clients. It knows which values a read may return: the last one acknowledged, or
//! one of a change that was open while the read was. Everything else is a loss.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use dht::event::{Call, Event, Failure, Note, Returned, Ticket};
use dht::message::{Claimed, Reply, Request, Routing, Transfer};
use dht::node::BEAT_MS;
use dht::record::{Change, Condition, Record};
use dht::store::{Outcome, Store};
use dht::{Arc, Config, Id, Ownership};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::hand::{Hand, all, at, small};
use support::{Address, Network, peer};

/// What an item's value may be; nothing means that there is no such item.
type Value = Option<u32>;

/// One key as its clients know it.
#[derive(Debug)]
struct Item {
    key: Id,
    /// What the next read may return if nothing happens: one value, unless an outcome is unknown.
    possible: BTreeSet<Value>,
    /// The change that is open: one at a time.
    change: Option<(Ticket, Value)>,
    /// Reads that are open, and what they may return.
    reads: BTreeMap<Ticket, BTreeSet<Value>>,
}

/// All that clients have done.
struct Ledger {
    items: Vec<Item>,
    writes: u32,
    /// Whether a call may end without an answer, since messages get lost.
    is_lossy: bool,
    reads_answered: usize,
    changes_answered: usize,
}

impl Ledger {
    fn new(items: u32, is_lossy: bool) -> Ledger {
        let item = |number: u32| Item {
            key: Id::of(&number.to_le_bytes()),
            possible: [None].into(),
            change: None,
            reads: BTreeMap::new(),
        };
        Ledger {
            items: (0..items).map(item).collect(),
            writes: 0,
            is_lossy,
            reads_answered: 0,
            changes_answered: 0,
        }
    }

    /// Writes every item once, before anything moves.
    fn fill(&mut self, network: &mut Network, at: Address) {
        for place in 0..self.items.len() {
            self.change(network, at, place, false);
            network.run_ms(1);
        }
        network.run_ms(5_000);
        self.collect(network);
        let written = |item: &Item| !item.possible.contains(&None);
        assert!(
            self.items.iter().all(written),
            "the ring takes what it is given"
        );
    }

    /// One random thing that a client of `at` does.
    fn act(&mut self, network: &mut Network, at: Address) {
        self.collect(network);
        let place = network.draw(0, self.items.len() as u64 - 1) as usize;
        match network.draw(0, 9) {
            0..=3 => self.change(network, at, place, false),
            4 => self.change(network, at, place, true),
            _ => self.read(network, at, place),
        }
    }

    fn change(&mut self, network: &mut Network, at: Address, place: usize, deletes: bool) {
        let item = &mut self.items[place];
        if item.change.is_some() {
            return;
        }
        self.writes += 1;
        let value = (!deletes).then_some(self.writes);
        let change = Change {
            name: None,
            value: value.map(|value| value.to_string().into_bytes().into()),
            condition: Condition::Always,
            flags: 0,
            expires_ms: None,
            now_ms: 0,
        };
        let routing = Routing::Finger;
        let key = item.key;
        let ticket = network.call(
            at,
            Call::Change {
                key,
                change,
                routing,
            },
        );
        item.change = Some((ticket, value));
        for acceptable in item.reads.values_mut() {
            acceptable.insert(value);
        }
    }

    fn read(&mut self, network: &mut Network, at: Address, place: usize) {
        let item = &mut self.items[place];
        let mut acceptable = item.possible.clone();
        acceptable.extend(item.change.map(|(_, value)| value));
        let routing = Routing::Finger;
        let key = item.key;
        let ticket = network.call(at, Call::Read { key, routing });
        item.reads.insert(ticket, acceptable);
    }

    /// Looks at what has been answered.
    fn collect(&mut self, network: &mut Network) {
        for item in &mut self.items {
            if let Some((ticket, value)) = item.change
                && let Some(returned) = network.returned.remove(&ticket)
            {
                item.change = None;
                match returned {
                    Returned::Changed(..) => {
                        self.changes_answered += 1;
                        item.possible = [value].into();
                    }
                    Returned::Failed(Failure::Unknown, _) if self.is_lossy => {
                        item.possible.insert(value);
                    }
                    Returned::Failed(failure, path) => {
                        let key = item.key;
                        allow(failure, self.is_lossy, || {
                            format!("writing {key}: {path:?}\n{}", network.story())
                        });
                    }
                    other => panic!("a change returned {other:?}"),
                }
            }
            let tickets: Vec<Ticket> = item.reads.keys().copied().collect();
            for ticket in tickets {
                let Some(returned) = network.returned.remove(&ticket) else {
                    continue;
                };
                let acceptable = item.reads.remove(&ticket).expect("an open read");
                match returned {
                    Returned::Record(record, path) => {
                        self.reads_answered += 1;
                        let value = record.as_ref().and_then(number);
                        assert!(
                            acceptable.contains(&value),
                            "{}\n{} read as {value:?} instead of {acceptable:?} by {path:?}",
                            network.story(),
                            item.key,
                        );
                    }
                    Returned::Failed(failure, path) => {
                        let key = item.key;
                        allow(failure, self.is_lossy, || {
                            format!("reading {key}: {path:?}\n{}", network.story())
                        });
                    }
                    other => panic!("a read returned {other:?}"),
                }
            }
        }
    }

    /// At the end: every item is where it belongs, once, with a value that it may have.
    fn audit(&mut self, network: &mut Network) {
        network.run_ms(10_000);
        self.collect(network);
        let mut stored = 0;
        for host in network.hosts.values().filter(|host| host.is_up) {
            let arcs = host.node.view().serves.iter();
            stored += arcs.map(|range| host.store.count(range.arc)).sum::<usize>();
        }
        let mut there = 0;
        for item in &self.items {
            assert!(
                item.change.is_none() && item.reads.is_empty(),
                "a call never returned: {item:?}"
            );
            let owner = network.owner(item.key);
            let record = network.hosts[&owner].store.read(item.key);
            there += usize::from(record.is_some());
            let value = record.as_ref().and_then(number);
            assert!(
                item.possible.contains(&value),
                "{}\n{item:?} is {value:?} at its owner {owner}",
                network.story()
            );
        }
        assert_eq!(stored, there, "what is served is stored once");
    }
}

/// Which failures clients have to live with: a node on its way out refuses them, and with messages
/// lost some things take too long.
fn allow(failure: Failure<Address>, is_lossy: bool, what: impl FnOnce() -> String) {
    let is_allowed = match failure {
        Failure::NotAMember => true,
        Failure::Unreachable | Failure::Store => is_lossy,
        _ => false,
    };
    assert!(is_allowed, "{failure:?} {}", what());
}

/// A member that stays, for clients to talk to.
fn door(network: &mut Network, staying: &[Address]) -> Option<Address> {
    let member = |at: &&Address| network.view(**at).predecessor.is_some();
    let doors: Vec<Address> = staying.iter().filter(member).copied().collect();
    let last = doors.len().checked_sub(1)?;
    let pick = network.draw(0, last as u64) as usize;
    Some(doors[pick])
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A node joins through the n-th member that stays.
    Join(usize),
    /// The n-th member that stays leaves.
    Leave(usize),
    /// Neither.
    Rest,
}

#[derive(Clone, Debug)]
struct Story {
    ownership: Ownership,
    members: u32,
    items: u32,
    latency_ms: u64,
    store_ms: u64,
    seed: u64,
    /// What happens, and how many things clients do before the next.
    steps: Vec<(Step, u32)>,
}

fn stories() -> impl Strategy<Value = Story> {
    let ownership = prop_oneof![Just(Ownership::Successor), Just(Ownership::Predecessor)];
    let step = prop_oneof![
        4 => (0_usize..8).prop_map(Step::Join),
        3 => (0_usize..8).prop_map(Step::Leave),
        1 => Just(Step::Rest),
    ];
    let steps = prop::collection::vec((step, 0_u32..20), 1..10);
    let latency_ms = prop_oneof![Just(1_u64), Just(10), Just(40)];
    let store_ms = prop_oneof![Just(0_u64), Just(2), Just(20), Just(60)];
    let items = prop_oneof![3 => 1_u32..40, 1 => 300_u32..600];
    let numbers = (2_u32..7, items, latency_ms, store_ms, any::<u64>());
    (ownership, numbers, steps).prop_map(|(ownership, numbers, steps)| {
        let (members, items, latency_ms, store_ms, seed) = numbers;
        Story {
            ownership,
            members,
            items,
            latency_ms,
            store_ms,
            seed,
            steps,
        }
    })
}

/// The same cases on every machine; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` choose others, and more.
fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let is_chosen = |name: &str| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if is_chosen("PROPTEST_CASES") {
            default.cases
        } else {
            cases
        },
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            fixed => fixed,
        },
        failure_persistence: None,
        ..default
    }
}

fn begin(story: &Story) -> Network {
    let config = Config {
        ownership: story.ownership,
        ..Config::default()
    };
    let mut network = Network::ring(story.members, config, story.seed);
    network.is_exclusive = true;
    network
}

/// What goes wrong while a story is played, each of a hundred.
#[derive(Clone, Copy, Default)]
struct Trouble {
    answers_lost: u64,
    doubled: u64,
    stores_failed: u64,
}

impl Trouble {
    fn befalls(self, network: &mut Network) {
        network.answers_lost = self.answers_lost;
        network.doubled = self.doubled;
        network.stores_failed = self.stores_failed;
    }
}

fn play(story: &Story, network: &mut Network, trouble: Trouble) -> Ledger {
    let is_lossy = trouble.answers_lost + trouble.stores_failed > 0;
    let mut ledger = Ledger::new(story.items, is_lossy);
    ledger.fill(network, 0);
    trouble.befalls(network);
    network.latency_us = (100, story.latency_ms * 1_000);
    network.store_us = (0, story.store_ms * 1_000);
    let mut staying: Vec<Address> = (0..story.members).collect();
    let mut moves = Vec::new();
    for (number, (step, deeds)) in (100..).zip(&story.steps) {
        match *step {
            Step::Join(via) => {
                let (first, second) = staying.split_at(via % staying.len());
                let members: Vec<Address> = second.iter().chain(first).copied().collect();
                moves.push((number, network.join_through(peer(number), &members)));
                staying.push(number);
            }
            Step::Leave(who) => {
                let who = who % staying.len();
                let leaver = staying[who];
                if staying.len() > 2 && network.view(leaver).predecessor.is_some() {
                    staying.remove(who);
                    moves.push((leaver, network.call(leaver, Call::Leave)));
                }
            }
            Step::Rest => {}
        }
        for _ in 0..*deeds {
            if let Some(at) = door(network, &staying) {
                ledger.act(network, at);
            }
            let pause = network.draw(0, 30);
            network.run_ms(pause);
        }
    }
    network.run_until(120, |network| {
        moves
            .iter()
            .all(|(_, ticket)| network.returned.contains_key(ticket))
    });
    for (at, ticket) in moves {
        let returned = network.returned.get(&ticket);
        let is_fine = match returned {
            Some(Returned::Joined | Returned::Left(_)) => true,
            Some(Returned::Failed(Failure::NoTaker, _)) => is_lossy,
            // The only one who knew of another member was that one.
            Some(Returned::Failed(Failure::LastNode, _)) => true,
            _ => false,
        };
        assert!(is_fine, "{}\n{at}: {returned:?}", network.story());
    }
    ledger
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn nothing_is_lost_doubled_or_unreadable_while_arcs_move(story in stories()) {
        let mut network = begin(&story);
        let mut ledger = play(&story, &mut network, Trouble::default());
        network.settle(60);
        ledger.audit(&mut network);
    }

    #[test]
    fn nothing_is_lost_or_doubled_where_stores_are_out_of_reach_now_and_then(
        story in stories(),
        stores_failed in 1_u64..60,
    ) {
        let mut network = begin(&story);
        let trouble = Trouble { stores_failed, ..Trouble::default() };
        let mut ledger = play(&story, &mut network, trouble);
        Trouble::default().befalls(&mut network);
        network.settle(120);
        ledger.audit(&mut network);
    }

    /// Without leaves: where an answer is lost just before the one that gave it leaves, a single copy has
    /// no way to find out who has it. That takes a quorum.
    #[test]
    fn nothing_is_lost_or_doubled_where_answers_to_joiners_get_lost(
        mut story in stories(),
        answers_lost in 1_u64..15,
        doubled in 0_u64..10,
    ) {
        story.steps.retain(|(step, _)| !matches!(step, Step::Leave(_)));
        let mut network = begin(&story);
        let trouble = Trouble { answers_lost, doubled, ..Trouble::default() };
        let mut ledger = play(&story, &mut network, trouble);
        Trouble::default().befalls(&mut network);
        network.settle(120);
        ledger.audit(&mut network);
    }
}

/// The number that a record's value is as text; nothing if it has none.
fn number(record: &Record) -> Option<u32> {
    let text = core::str::from_utf8(record.value.as_deref()?).expect("text");
    Some(text.parse().expect("a number"))
}

/// A batch of a handover from 10 to 20: the only one, and so the last one.
fn last_batch(records: Vec<(Id, Option<Record>)>) -> Request<Address> {
    Request::Transfer(Transfer {
        arc: Arc::new(small(10), small(15)),
        epoch: 2,
        serial: 1,
        batch: 0,
        records,
        serve: true,
        leaving: false,
    })
}

/// Brings a receiver's store to the end of what it was asked, oldest first.
fn store_is_done(hand: &mut Hand, ticket: Ticket) -> Vec<(Ticket, Reply<Address>)> {
    let outcome = Outcome::Done;
    hand.feed(Event::Stored { ticket, outcome });
    hand.replies()
}

/// The last batch arrives twice before the store has kept it once, as after a pause of the receiver: a
/// No to the second would make the giver serve what the receiver serves.
#[test]
fn a_last_batch_that_comes_twice_is_taken_twice() {
    let mut receiver = Hand::member(20, &[10, 20, 30], Config::default());
    receiver.asked(10, last_batch(Vec::new()));
    let mut open = receiver.stores();
    receiver.asked(10, last_batch(Vec::new()));
    open.extend(receiver.stores());
    let replies: Vec<Reply<Address>> = open
        .into_iter()
        .flat_map(|ticket| store_is_done(&mut receiver, ticket))
        .map(|(_, reply)| reply)
        .collect();
    assert!(!replies.is_empty());
    assert!(
        replies.iter().all(|reply| *reply == Reply::Received),
        "{replies:?}"
    );
}

/// The same with everything in its place: the receiver pauses just before the last batch arrives, for
/// longer than the giver waits.
#[test]
fn a_pause_of_the_receiver_does_not_make_two_owners() {
    for pause_ms in [3_000, 6_000, 12_000] {
        let mut network = Network::ring(3, Config::default(), 4);
        network.is_exclusive = true;
        network.store_us = (1_000, 2_000);
        let mut ledger = Ledger::new(50, true);
        ledger.fill(&mut network, 0);
        let ticket = network.join(7, 0);
        network.run_until(10, |network| {
            let giving = network.hosts.values().find_map(|host| {
                let handover = host.node.view().handover.as_ref()?;
                Some(handover.to.address == 7 && host.node.view().fenced.is_some())
            });
            giving == Some(true)
        });
        network.pause(7, pause_ms);
        assert_eq!(network.returned.get(&ticket), Some(&Returned::Joined));
        network.settle(60);
        ledger.audit(&mut network);
    }
}

/// A lost acknowledgement of the last batch: the batch comes again, is acknowledged again, and is not
/// kept again.
#[test]
fn a_lost_acknowledgement_is_given_again() {
    let mut network = Network::ring(3, Config::default(), 4);
    network.is_exclusive = true;
    let mut ledger = Ledger::new(50, true);
    ledger.fill(&mut network, 0);
    let mut acknowledged = 0;
    network.swallows = Box::new(move |from, _, reply| {
        acknowledged += u32::from(from == 7 && *reply == Reply::Received);
        // The records come in one batch; the second one is the last.
        from == 7 && *reply == Reply::Received && acknowledged == 2
    });
    network.join(7, 0);
    network.settle(30);
    assert!(network.settled_ms > 2_000, "nothing was lost");
    ledger.audit(&mut network);
}

/// Two nodes join while the owner's store is slow, so that the second one's heir has nothing itself
/// yet: that nobody next to it serves an arc does not mean that nobody does.
#[test]
fn nobody_vouches_for_an_arc_that_it_waits_for_itself() {
    let mut network = Network::ring_of(&all(&[10, 40, 60]), Config::default(), 1);
    network.is_exclusive = true;
    network.write(10, small(22), "value");
    network.store_us = (400_000, 400_000);
    for joiner in [15, 30, 25] {
        network.join_as(at(joiner), 10);
        network.run_ms(150);
    }
    for _ in 0..40 {
        assert!(network.read(60, small(22)).is_some(), "{}", network.story());
        network.run_ms(100);
    }
    network.settle(60);
}

/// A node that has handed over all it had, and waits only for its farewells, knows nothing of who
/// serves what any more.
#[test]
fn a_node_on_its_way_out_vouches_for_nothing() {
    let mut leaver = Hand::leaver(20, &[10, 20, 30], Config::default());
    assert_eq!(leaver.view().serves, []);
    for (neighbour, arc) in [(10, (5, 10)), (30, (20, 30)), (30, (10, 20))] {
        let arc = Arc::new(small(arc.0), small(arc.1));
        let reply = leaver.asked(neighbour, Request::Claim(arc));
        let is_free = matches!(reply, Some(Reply::Claimed(Claimed { free: true, .. })));
        assert!(!is_free, "{arc}: {reply:?}");
    }
}

/// A node without content hands it over nevertheless: its arc.
#[test]
fn an_empty_arc_moves_like_any_other() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        let config = Config {
            ownership,
            ..Config::default()
        };
        let mut network = Network::ring(5, config, 8);
        network.is_exclusive = true;
        let ticket = network.call(2, Call::Leave);
        network.settle(5);
        assert_eq!(network.returned[&ticket], Returned::Left(0));
        network.join(9, 0);
        network.settle(5);
        let took_over = |note: &(u64, Note<Address>)| matches!(note.1, Note::TookOver(_));
        let mut notes = network.hosts.values().flat_map(|host| &host.notes);
        assert!(!notes.any(took_over), "{}", network.story());
    }
}

/// More records than one batch holds, in records and in bytes.
#[test]
fn what_is_too_much_for_one_batch_comes_in_many() {
    let mut network = Network::ring(2, Config::default(), 8);
    network.is_exclusive = true;
    let large = "x".repeat(100_000);
    for number in 0..700_u32 {
        let key = Id::of(&number.to_be_bytes());
        let value = if number % 50 == 0 { &large } else { "value" };
        network.write(0, key, value);
    }
    let stayed = network.hosts[&0].store.len();
    let moved = network.hosts[&1].store.len();
    assert!(moved > 256);
    let returned = network.wait_for(1, Call::Leave);
    assert_eq!(returned, Returned::Left(moved));
    assert_eq!(network.hosts[&0].store.len(), stayed + moved);
}

/// No faster than it may, and a leaver that makes progress is not taken for stuck, however long it takes.
#[test]
fn an_arc_moves_no_faster_than_its_giver_may_send_it() {
    let bytes_per_beat = 10_000;
    let config = Config {
        fetch: Some(bytes_per_beat),
        ..Config::default()
    };
    let mut network = Network::ring(2, config, 8);
    network.is_exclusive = true;
    let value = "x".repeat(1_000);
    for number in 0..1_000_u32 {
        network.write(0, Id::of(&number.to_be_bytes()), &value);
    }
    let moved = network.hosts[&1].store.len();
    let began_us = network.now_us;
    let returned = network.wait_for(1, Call::Leave);
    assert_eq!(returned, Returned::Left(moved));
    let ms = (network.now_us - began_us) / 1_000;
    let least_ms = (moved as u64 - 20) * 1_000 * u64::from(BEAT_MS) / u64::from(bytes_per_beat);
    assert!(least_ms > 10_000, "it takes a while: {moved} records");
    assert!(
        (least_ms..2 * least_ms).contains(&ms),
        "{ms} ms, at least {least_ms}"
    );
}
