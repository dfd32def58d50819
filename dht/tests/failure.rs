//! Failures: what counts as a death and what does not, and how nodes come back, go, and stay alone.

mod support;

use dht::event::{Call, Failure, Note, Returned, Timer};
use dht::message::{Reply, Request, Routing, State};
use dht::view::Phase;
use dht::{Config, Event, Id, Ownership, Peer};
use support::hand::{Hand, all, at, model, small, state};
use support::{Address, Network, peer};

const RING: [Address; 5] = [10, 20, 30, 40, 50];

/// Whether any of the others has taken this life for dead.
fn is_buried(network: &Network, life: Peer<Address>) -> bool {
    let mut notes = network.hosts.values().flat_map(|host| &host.notes);
    notes.any(|(_, note)| *note == Note::Gone(life))
}

fn put_away(network: &mut Network, items: u32) -> Vec<Id> {
    let keys: Vec<Id> = (0..items).map(|n| Id::of(&n.to_le_bytes())).collect();
    let at = *network.hosts.keys().next().expect("a node");
    for key in &keys {
        let returned = network.write(at, *key, "value");
        assert!(matches!(returned, Returned::Changed(..)), "{returned:?}");
    }
    keys
}

fn assert_all_there(network: &mut Network, keys: &[Id]) {
    let at = network.members()[0].address;
    for key in keys {
        let value = network.read(at, *key);
        assert!(value.is_some(), "{key} is lost\n{}", network.story());
    }
}

// Death

/// A joiner may be told a list in which all but the last have started again, and sleep. If it only dropped
/// these, its own list would skip whoever joined between them.
#[test]
fn a_successor_that_has_begun_another_life_is_replaced_by_that_one() {
    let mut hand = Hand::member(10, &RING, Config::default());
    let later = Peer {
        incarnation: 2,
        ..at(20)
    };
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(20, &Request::State);
    hand.feed(Event::Met(later));
    assert_eq!(hand.asks(), [], "it is there, but maybe not a member yet");
    hand.refuse(ticket);
    let ticket = hand.asks_once(20, &Request::State);
    hand.feed(Event::Answered {
        ticket,
        from: later,
        reply: state(10, &[25, 30, 40]),
        micros: 1,
    });
    assert_eq!(hand.view().successors[0], later);
    assert_eq!(hand.successors(), [20, 25, 30, 40]);
}

/// The design, rule 5: a node that refuses is dead after three probes, 100 ms apart.
#[test]
fn three_refusals_in_a_row_are_a_death() {
    let mut hand = Hand::member(10, &RING, Config::default());
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(20, &Request::State);
    hand.refuse(ticket);
    for _ in 0..2 {
        assert!(!hand.notes(&Note::Gone(at(20))));
        assert_eq!(hand.successors(), [20, 30, 40, 50]);
        assert_eq!(hand.waits(), [(Timer::Probe(at(20)), 100, 100)]);
        hand.elapse(Timer::Probe(at(20)));
        let ticket = hand.asks_once(20, &Request::Ping);
        hand.refuse(ticket);
    }
    assert!(hand.notes(&Note::Gone(at(20))));
    assert_eq!(hand.successors(), [30, 40, 50]);
}

#[test]
fn an_answer_in_between_makes_them_start_over() {
    let mut hand = Hand::member(10, &RING, Config::default());
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(20, &Request::State);
    hand.refuse(ticket);
    hand.elapse(Timer::Probe(at(20)));
    let ticket = hand.asks_once(20, &Request::Ping);
    hand.answer(ticket, 20, Reply::Pong);
    for _ in 0..2 {
        hand.elapse(Timer::Stabilize);
        let ticket = hand.asks_once(20, &Request::State);
        hand.answer(ticket, 20, Reply::Busy);
    }
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(20, &Request::State);
    hand.refuse(ticket);
    hand.elapse(Timer::Probe(at(20)));
    let ticket = hand.asks_once(20, &Request::Ping);
    hand.refuse(ticket);
    assert_eq!(hand.successors(), [20, 30, 40, 50]);
}

/// Rule 5: silence is no death for half a minute, but lookups go past the silent node at once.
#[test]
fn silence_is_a_death_only_after_half_a_minute() {
    let mut hand = Hand::member(10, &RING, Config::default());
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(20, &Request::State);
    hand.silence(ticket);
    let silence = (Timer::Silence(at(20), 1), 30_000, 30_000);
    assert!(hand.waits().contains(&silence), "{:?}", hand.waits());
    for _ in 0..29 {
        hand.elapse(Timer::Probe(at(20)));
        let ticket = hand.asks_once(20, &Request::Ping);
        hand.silence(ticket);
        assert_eq!(hand.successors(), [20, 30, 40, 50]);
    }
    hand.elapse(Timer::Silence(at(20), 1));
    assert!(hand.notes(&Note::Gone(at(20))));
    assert_eq!(hand.successors(), [30, 40, 50]);
}

#[test]
fn a_silent_node_that_answers_again_is_alive() {
    let mut hand = Hand::member(10, &RING, Config::default());
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(20, &Request::State);
    hand.silence(ticket);
    hand.elapse(Timer::Probe(at(20)));
    let ticket = hand.asks_once(20, &Request::Ping);
    hand.answer(ticket, 20, Reply::Pong);
    hand.elapse(Timer::Silence(at(20), 1));
    assert_eq!(hand.successors(), [20, 30, 40, 50]);
}

/// The clock of a suspicion that is over does not end a later one before its time.
#[test]
fn two_short_silences_are_no_long_one() {
    let mut hand = Hand::member(10, &RING, Config::default());
    for number in [1, 2] {
        hand.elapse(Timer::Stabilize);
        let ticket = hand.asks_once(20, &Request::State);
        hand.silence(ticket);
        let silence = (Timer::Silence(at(20), number), 30_000, 30_000);
        assert!(hand.waits().contains(&silence), "{:?}", hand.waits());
        if number == 1 {
            hand.elapse(Timer::Probe(at(20)));
            let ticket = hand.asks_once(20, &Request::Ping);
            hand.answer(ticket, 20, Reply::Pong);
        }
    }
    hand.elapse(Timer::Silence(at(20), 1));
    assert_eq!(hand.successors(), [20, 30, 40, 50]);
    hand.elapse(Timer::Silence(at(20), 2));
    assert_eq!(hand.successors(), [30, 40, 50]);
}

#[test]
fn a_pause_of_ten_seconds_is_no_death() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        let config = Config {
            ownership,
            ..Config::default()
        };
        let mut network = Network::ring(8, config, 5);
        network.is_exclusive = true;
        let keys = put_away(&mut network, 40);
        network.pause(3, 10_000);
        network.run_ms(10_000);
        assert!(!is_buried(&network, peer(3)), "{}", network.story());
        network.settle(5);
        assert_eq!(network.view(3).me, peer(3));
        assert_all_there(&mut network, &keys);
    }
}

/// Rule 5 and 2: after forty seconds of silence the others go on without it; when it wakes up it finds
/// out, and comes back as another life of itself.
#[test]
fn a_pause_of_forty_seconds_is_a_death_and_the_node_comes_back() {
    let mut network = Network::ring(8, Config::default(), 5);
    network.run_ms(1_000);
    network.pause(3, 40_000);
    network.run_ms(29_000);
    assert!(!is_buried(&network, peer(3)));
    network.run_ms(11_000);
    assert!(is_buried(&network, peer(3)));
    network.settle(60);
    assert_eq!(network.members().len(), 8);
    assert!(network.view(3).me.incarnation > 1);
}

/// While a node pauses, what is not its own is found without it, and the path says who did not answer.
#[test]
fn lookups_go_around_a_paused_node() {
    let mut network = Network::ring(16, Config::default(), 5);
    network.run_ms(1_000);
    network.pause(3, 10_000);
    let mut failed = 0;
    for number in 0..60_u32 {
        let key = Id::of(&number.to_le_bytes());
        let at = [0, 5, 9][number as usize % 3];
        if network.owner(key) == 3 {
            continue;
        }
        let before = network.now_us;
        let (rule, routing) = (Ownership::Successor, Routing::Finger);
        let path = match network.wait_for(at, Call::Find { key, rule, routing }) {
            Returned::Found(path) => path,
            other => panic!("{key} was not found: {other:?}"),
        };
        let last = path.last().expect("a path has a start");
        assert_eq!(last.node.address, network.owner(key));
        assert!(path.iter().all(|hop| hop.ok != (hop.node.address == 3)));
        let silent = path.iter().filter(|hop| !hop.ok).count() as u64;
        let took_ms = (network.now_us - before) / 1_000;
        assert!(took_ms < 350 * silent + 100, "{took_ms} ms for {path:?}");
        failed += silent;
    }
    // Each of the three asks it a few times before it knows.
    assert!(
        (1..30).contains(&failed),
        "{failed} hops to the paused node"
    );
}

/// Rule 1: who answers under another incarnation is not the one that was asked.
#[test]
fn a_wrong_incarnation_is_a_death() {
    let mut network = Network::ring(6, Config::default(), 5);
    network.run_ms(1_000);
    network.kill(2);
    let second = Peer {
        incarnation: 2,
        ..peer(2)
    };
    let ticket = network.join_as(second, 0);
    // It joins only when the ring has dropped its earlier life, which takes three probes.
    let before = network.now_us;
    network.run_until(20, |network| network.returned.contains_key(&ticket));
    assert_eq!(
        network.returned[&ticket],
        Returned::Joined,
        "{}",
        network.story()
    );
    assert!(network.now_us - before > 200_000);
    assert!(is_buried(&network, peer(2)));
    network.settle(10);
    assert!(network.members().contains(&second));
}

// Mistakes

/// A pause of more than 30 s is taken for a death; who wakes after it is told, and comes back as another
/// life of itself.
#[test]
fn a_node_that_slept_for_too_long_comes_back_as_another() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        for seed in 0..5 {
            let config = Config {
                ownership,
                ..Config::default()
            };
            let mut network = Network::ring(8, config, seed);
            network.run_ms(1_000);
            network.pause(3, 45_000);
            network.run_ms(45_000);
            assert!(!network.view(4).successors.contains(&peer(3)));
            network.settle(10);
            assert_eq!(
                network.view(3).me.incarnation,
                2,
                "{ownership:?} {seed} {}",
                network.story()
            );
        }
    }
}

/// Rule 2: a node whose predecessor has wrongly dropped it goes on as if nothing had happened, until it
/// looks itself up.
#[test]
fn a_node_that_was_dropped_notices_and_joins_again() {
    for seed in 0..5 {
        let mut network = Network::ring(8, Config::default(), seed);
        let keys = put_away(&mut network, 40);
        let members = network.members();
        let (before, me) = (members[2].address, members[3]);
        network.cut.insert((before, me.address));
        network.run_ms(2_000);
        network.cut.clear();
        assert_eq!(network.view(before).successor(), &members[4]);
        assert_eq!(network.view(me.address).phase, Phase::Member);
        network.settle(120);
        assert_eq!(network.view(me.address).me.incarnation, 2);
        assert!(
            network.hosts[&me.address]
                .notes
                .iter()
                .any(|note| note.1 == Note::Lost)
        );
        assert_all_there(&mut network, &keys);
    }
}

/// A single wrong answer may be a join in progress: only the second in a row counts.
#[test]
fn one_wrong_answer_to_a_self_check_is_forgiven() {
    let mut hand = Hand::member(10, &RING, Config::default());
    let answer = |hand: &mut Hand, owner: Address| {
        hand.elapse(Timer::SelfCheck);
        let (ticket, far, _) = hand.asks()[0].clone();
        let owner = Reply::Routed(dht::message::Routed::Owner(at(owner)));
        hand.answer(ticket, far, owner.clone());
        if let Some((ticket, to, _)) = hand.asks().first().cloned() {
            hand.answer(ticket, to, owner);
        }
    };
    for owner in [20, 10, 20] {
        answer(&mut hand, owner);
        assert_eq!(hand.view().phase, Phase::Member);
    }
    answer(&mut hand, 20);
    assert_eq!(hand.view().phase, Phase::Lost);
    assert_eq!(hand.view().me.incarnation, 2);
    assert_eq!(hand.view().serves, []);
}

/// Rule 1: an identifier belongs to one living node.
#[test]
fn an_identifier_that_is_taken_is_refused() {
    let mut network = Network::ring(5, Config::default(), 5);
    let twin = Peer {
        id: peer(2).id,
        ..peer(77)
    };
    let ticket = network.join_as(twin, 0);
    network.run_until(20, |network| network.returned.contains_key(&ticket));
    let returned = &network.returned[&ticket];
    assert_eq!(
        *returned,
        Returned::Failed(Failure::Taken(peer(2)), Vec::new())
    );
    network.settle(5);
}

/// A node that finds no member gives up, and says so.
#[test]
fn a_joiner_that_reaches_nobody_gives_up() {
    let mut network = Network::ring(3, Config::default(), 5);
    network.kill(0);
    let ticket = network.join(9, 0);
    network.run_until(60, |network| network.returned.contains_key(&ticket));
    let returned = &network.returned[&ticket];
    assert_eq!(
        *returned,
        Returned::Failed(Failure::Unreachable, Vec::new())
    );
}

/// A node whose whole list is dead starts again from whomever else it knows.
#[test]
fn a_node_that_lost_all_its_successors_finds_back() {
    let config = Config {
        successors: 2,
        ..Config::default()
    };
    for seed in 0..5 {
        let mut network = Network::ring(10, config, seed);
        network.run_ms(1_000);
        let members = network.members();
        network.kill(members[4].address);
        network.kill(members[5].address);
        network.settle(60);
        assert_eq!(network.members().len(), 8);
    }
}

// Leaving

/// Rule 6: who says that it leaves is gone at once, without any probe; but what it names is only asked.
#[test]
fn a_farewell_is_an_immediate_miss() {
    let mut hand = Hand::member(10, &RING, Config::default());
    let farewell = State {
        predecessor: Some(at(10)),
        successors: all(&[30, 40, 50, 10]),
    };
    hand.asked(20, Request::Leaving(farewell));
    let mut asks = hand.asks();
    asks.retain(|ask| ask.2 == Request::State);
    if let [(ticket, to, _)] = asks[..] {
        assert_eq!(hand.successors()[0], 20);
        hand.answer(ticket, to, state(20, &[40, 50, 10]));
    }
    assert!(hand.notes(&Note::Gone(at(20))));
    assert_eq!(hand.successors()[0], 30);
    assert!(
        hand.waits()
            .iter()
            .all(|wait| !matches!(wait.0, Timer::Probe(_)))
    );
}

/// A farewell may have been on its way for long: who has joined behind the leaver since is known to its
/// predecessor, if to nobody else, and must not be passed over.
#[test]
fn a_farewell_may_be_older_than_what_its_reader_knows() {
    let mut hand = Hand::member(10, &RING, model(2));
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(20, &Request::State);
    hand.answer(ticket, 20, state(10, &[25, 30]));
    assert_eq!(hand.successors(), [20, 25]);
    let farewell = State {
        predecessor: Some(at(10)),
        successors: all(&[30, 40]),
    };
    hand.asked(20, Request::Leaving(farewell));
    let ticket = hand.asks_once(25, &Request::State);
    hand.answer(ticket, 25, state(20, &[30, 40]));
    assert_eq!(hand.successors(), [25, 30]);
}

/// Two neighbours leave, and the first one's farewell, which names the second, arrives last: the list that
/// it tells would skip whoever has joined behind the two. It is said again once it names somebody else.
#[test]
fn a_farewell_that_names_one_who_has_left_is_said_again() {
    let mut hand = Hand::member(10, &RING, model(2));
    let farewell = |predecessor, successors| {
        Request::Leaving(State {
            predecessor: Some(at(predecessor)),
            successors: all(successors),
        })
    };
    let reply = hand.asked(30, farewell(20, &[40, 50]));
    assert_eq!(reply, Some(Reply::Noted));
    let reply = hand.asked(20, farewell(10, &[30, 40]));
    assert_eq!(reply, Some(Reply::Busy));
    assert_eq!(hand.successors()[0], 20);
    hand.asked(20, farewell(10, &[35, 40]));
    let ticket = hand.asks_once(35, &Request::State);
    hand.answer(ticket, 35, state(20, &[40, 50]));
    assert_eq!(hand.successors(), [35, 40]);
}

/// A node that nobody knows yet takes a leaver for its successor; its farewell must reach that one too,
/// for whom the leaver's list names may die.
#[test]
fn who_may_have_adopted_a_leaver_is_told() {
    let mut leaver = Hand::leaver(20, &[10, 20, 30], model(2));
    let farewell = Request::Leaving(leaver.view().state());
    let mut told = Vec::new();
    while let [(ticket, to, request)] = &leaver.asks()[..] {
        assert_eq!(*request, farewell);
        if told.is_empty() {
            let reply = leaver.asked(15, Request::State);
            assert!(matches!(reply, Some(Reply::State(_))), "{reply:?}");
        }
        told.push(*to);
        leaver.answer(*ticket, *to, Reply::Noted);
    }
    assert_eq!(told, [10, 30, 15]);
}

/// A leave is over in less time than a death takes to be noticed, and nobody asks the leaver again.
#[test]
fn a_leave_leaves_nothing_behind() {
    for seed in 0..5 {
        let mut network = Network::ring(8, Config::default(), seed);
        network.is_exclusive = true;
        let keys = put_away(&mut network, 40);
        let returned = network.wait_for(3, Call::Leave);
        assert!(matches!(returned, Returned::Left(_)), "{returned:?}");
        network.settle(5);
        assert!(network.settled_ms < 3_000, "{} ms", network.settled_ms);
        assert_all_there(&mut network, &keys);
    }
}

#[test]
fn the_last_node_does_not_leave() {
    let mut network = Network::ring(1, Config::default(), 5);
    let keys = put_away(&mut network, 5);
    let returned = network.wait_for(0, Call::Leave);
    assert_eq!(returned, Returned::Failed(Failure::LastNode, Vec::new()));
    assert_all_there(&mut network, &keys);
}

/// Rule 2: a ring of one exists only after leaves, and grows again.
#[test]
fn a_ring_shrinks_to_one_node_and_grows_again() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        let config = Config {
            ownership,
            ..Config::default()
        };
        let mut network = Network::ring(6, config, 5);
        network.is_exclusive = true;
        let keys = put_away(&mut network, 60);
        for leaver in 0..5 {
            let returned = network.wait_for(leaver, Call::Leave);
            assert!(matches!(returned, Returned::Left(_)), "{returned:?}");
        }
        network.settle(5);
        assert!(network.view(5).is_alone() && network.view(5).is_ready());
        assert_eq!(network.view(5).successors, []);
        assert_all_there(&mut network, &keys);
        for joiner in 10..16 {
            network.join(joiner, 5);
        }
        network.settle(20);
        for member in network.members() {
            assert!(network.view(member.address).is_ready(), "{member:?}");
        }
        assert_all_there(&mut network, &keys);
    }
}

/// All but one leave at the same moment: what they had is with the one that stays.
#[test]
fn all_but_one_may_leave_at_once() {
    for members in 2..6 {
        for seed in 0..10 {
            println!("{members} members, seed {seed}");
            let mut network = Network::ring(members, Config::default(), seed);
            network.is_exclusive = true;
            let keys = put_away(&mut network, 30);
            for leaver in 1..members {
                network.call(leaver, Call::Leave);
            }
            network.settle(60);
            assert_eq!(network.members(), [peer(0)], "{}", network.story());
            assert_all_there(&mut network, &keys);
        }
    }
}

/// If nobody stays, nobody goes: a leaver that finds no taker keeps what it has.
#[test]
fn not_everyone_may_leave_at_once() {
    for seed in 0..5 {
        let mut network = Network::ring(3, Config::default(), seed);
        let keys = put_away(&mut network, 30);
        for leaver in 0..3 {
            network.call(leaver, Call::Leave);
        }
        network.run_ms(20_000);
        network.settle(60);
        assert!(!network.members().is_empty());
        assert_all_there(&mut network, &keys);
    }
}

/// A node that was alone has a new predecessor before it has a successor; if that one is gone again at
/// once, it is alone again, with all it had.
#[test]
fn a_first_joiner_that_is_gone_at_once_does_no_harm() {
    for is_graceful in [false, true] {
        for seed in 0..20 {
            println!("graceful: {is_graceful}, seed {seed}");
            let mut network = Network::ring(1, Config::default(), seed);
            let keys = put_away(&mut network, 20);
            let ticket = network.join(1, 0);
            network.run_until(5, |network| network.view(0).predecessor == Some(peer(1)));
            if is_graceful {
                network.call(1, Call::Leave);
            } else if network.view(0).serves.len() == 1 {
                // It has taken nothing yet, so nothing goes with it.
                network.kill(1);
            }
            network.run_ms(10_000);
            network.settle(30);
            assert_eq!(network.returned.get(&ticket), Some(&Returned::Joined));
            assert_eq!(network.members(), [peer(0)], "{}", network.story());
            assert!(network.view(0).is_ready());
            let arc = network.view(0).own_arc().expect("a member has an arc");
            assert!(arc.contains(small(0)) && arc.contains(Id::MAX));
            assert_all_there(&mut network, &keys);
        }
    }
}
