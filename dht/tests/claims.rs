//! An arc that nobody has handed over is served once it is certain that nobody has it; and an arc that
//! was handed over is not handed on before its giver knows.
//!
//! Each of these was found by a swarm in virtual time, and is here one node moved by hand.

mod support;

use dht::event::{Call, Event, Ticket, Timer};
use dht::message::{Claimed, Reply, Request, Routed, Transfer};
use dht::store::{Command, Outcome};
use dht::{Action, Arc, Node};
use support::Address;
use support::hand::{Hand, at, model, small, state};

/// What node 20 misses once 10 is dead.
const MISSING: (Address, Address) = (90, 10);

fn arc((start, end): (Address, Address)) -> Arc {
    Arc::new(small(start), small(end))
}

/// Node 20 in the ring 10, 20, … 90, with lists of one, after the death of its predecessor.
fn bereaved() -> Hand {
    let ring: Vec<Address> = (1..10).map(|number| number * 10).collect();
    let mut hand = Hand::member(20, &ring, model(1));
    hand.elapse(Timer::Predecessor);
    if hand.asks().is_empty() {
        hand.elapse(Timer::Predecessor);
    }
    let ticket = hand.asks_once(10, &Request::Ping);
    hand.refuse(ticket);
    for (ticket, ..) in hand.asks() {
        hand.refuse(ticket);
    }
    hand.asked(90, Request::Notify);
    assert_eq!(hand.predecessor(), Some(90));
    hand
}

/// Lets the clock of the claim run out; whom the node asks then.
fn asked_next(hand: &mut Hand) -> Vec<(Ticket, Address)> {
    hand.elapse(Timer::Claim);
    claims(hand)
}

/// Whom the last event made the node ask for the arc.
fn claims(hand: &Hand) -> Vec<(Ticket, Address)> {
    let asks = hand.asks().into_iter();
    let claims = asks.filter(|(.., request)| matches!(request, Request::Claim(_)));
    claims.map(|(ticket, to, _)| (ticket, to)).collect()
}

/// A node between these two that has nothing of the arc.
fn free(predecessor: Address, successor: Address) -> Reply<Address> {
    Reply::Claimed(Claimed {
        holds: false,
        free: true,
        waits: false,
        predecessor: Some(at(predecessor)),
        successor: at(successor),
    })
}

/// What a node of the ring without 10 answers.
fn settled(node: Address) -> Reply<Address> {
    let before = if node == 20 { 90 } else { node - 10 };
    let after = if node == 90 { 20 } else { node + 10 };
    free(before, after)
}

/// Answers all claims as `answer` says, and those that follow from them; how many there were.
fn answer_all(hand: &mut Hand, answer: impl Fn(Address) -> Reply<Address>) -> usize {
    let mut open = claims(hand);
    let mut count = 0;
    while let Some((ticket, to)) = open.pop() {
        count += 1;
        hand.answer(ticket, to, answer(to));
        open.extend(claims(hand));
    }
    count
}

fn is_taken(hand: &Hand) -> bool {
    let arcs = &hand.view().serves;
    let mut missed = arcs.iter().filter(|range| range.arc.covers(arc(MISSING)));
    missed.next().is_some()
}

#[test]
fn an_arc_is_taken_over_once_all_on_the_way_have_agreed_twice() {
    let mut hand = bereaved();
    let neighbours: Vec<Address> = asked_next(&mut hand).iter().map(|ask| ask.1).collect();
    assert_eq!(neighbours, [90, 30]);
    let count = answer_all(&mut hand, settled);
    assert!(is_taken(&hand), "{:?}", hand.view());
    assert!(count >= 6 && count.is_multiple_of(2), "{count} answers");
}

/// Among so many questions one is often lost, and a whole round is too long a price for it.
#[test]
fn one_whose_answer_is_lost_is_asked_again_in_the_same_round() {
    let mut hand = bereaved();
    let mut open = asked_next(&mut hand);
    let mut lost = 0;
    while let Some((ticket, to)) = open.pop() {
        if lost < 3 {
            lost += 1;
            hand.silence(ticket);
            assert_eq!(claims(&hand).len(), 1, "{to} is asked again");
            assert_eq!(claims(&hand)[0].1, to);
        } else {
            hand.answer(ticket, to, settled(to));
        }
        open.extend(claims(&hand));
    }
    assert!(is_taken(&hand), "{:?}", hand.view());
}

/// How long the clock of the claim was set for by the last event, in milliseconds.
fn clock(hand: &Hand) -> Vec<u32> {
    let waits = hand.waits().into_iter();
    let clocks = waits.filter(|(timer, ..)| *timer == Timer::Claim);
    clocks.map(|(_, min_ms, _)| min_ms).collect()
}

/// Its predecessor has left, so what it served is on its way to its heir.
#[test]
fn where_nobody_died_an_arc_is_waited_for_for_long() {
    let ring: Vec<Address> = (1..10).map(|number| number * 10).collect();
    let mut hand = Hand::member(20, &ring, model(1));
    hand.elapse(Timer::Predecessor);
    if hand.asks().is_empty() {
        hand.elapse(Timer::Predecessor);
    }
    let ticket = hand.asks_once(10, &Request::Ping);
    hand.answer(ticket, 10, Reply::Gone);
    hand.asked(90, Request::Notify);
    assert_eq!(hand.predecessor(), Some(90));
    assert_eq!(clock(&hand), [600]);
    for next_ms in [1_200, 2_400, 4_800, 4_800] {
        assert_eq!(asked_next(&mut hand), [], "{next_ms}");
        assert_eq!(clock(&hand), [next_ms]);
    }
    assert_eq!(asked_next(&mut hand).len(), 2, "a death that nobody saw");
    assert_eq!(clock(&hand), [4_800]);
}

#[test]
fn one_that_is_refused_asks_again_after_longer_and_longer() {
    let mut hand = bereaved();
    for next_ms in [1_200, 2_400, 4_800, 4_800, 4_800] {
        let asked = asked_next(&mut hand);
        assert_eq!(clock(&hand), [next_ms]);
        hand.answer(asked[0].0, 90, free(80, 15));
    }
    // With other neighbours it begins anew.
    hand.asked(95, Request::Notify);
    assert_eq!(asked_next(&mut hand), []);
    assert_eq!(clock(&hand), [600]);
}

/// One that came back under a new incarnation need not see anybody else die.
#[test]
fn an_earlier_life_is_a_death_as_well() {
    let mut me = at(15);
    me.incarnation += 1;
    let mut hand = Hand::of(Node::new(me, model(1)));
    hand.call(Call::Join([at(10)].into()));
    let (ticket, ..) = hand.asks()[0];
    let found = Routed::Owner(at(10));
    hand.answer(ticket, 10, Reply::Routed(found));
    while hand.predecessor().is_none() {
        let asks = hand.asks();
        let (ticket, to, request) = &asks[0];
        let reply = match request {
            Request::State => state(90, &[20]),
            _ => Reply::Routed(Routed::Owner(at(10))),
        };
        hand.answer(*ticket, *to, reply);
    }
    assert_eq!(hand.predecessor(), Some(10));
    assert_eq!(asked_next(&mut hand).len(), 2);
}

#[test]
fn an_arc_that_a_node_further_away_holds_is_not_taken_over() {
    for holder in [90, 30, 40, 50] {
        let mut hand = bereaved();
        asked_next(&mut hand);
        answer_all(&mut hand, |node| match settled(node) {
            Reply::Claimed(claimed) if node == holder => Reply::Claimed(Claimed {
                holds: true,
                free: false,
                ..claimed
            }),
            reply => reply,
        });
        assert!(!is_taken(&hand), "{holder} has it");
    }
}

#[test]
fn a_node_that_waits_itself_is_no_end_of_the_way() {
    let mut hand = bereaved();
    asked_next(&mut hand);
    let all = answer_all(&mut hand, |node| match settled(node) {
        Reply::Claimed(claimed) => Reply::Claimed(Claimed {
            waits: true,
            ..claimed
        }),
        reply => reply,
    });
    assert!(
        is_taken(&hand),
        "a ring in which all wait must not wait for ever"
    );
    assert_eq!(all, 2 * 7, "each of the others twice");
}

#[test]
fn one_neighbour_does_not_agree_for_two() {
    let mut hand = bereaved();
    let early = asked_next(&mut hand);
    let late = asked_next(&mut hand);
    for asks in [early, late] {
        let (ticket, to) = asks[1];
        assert_eq!(to, 30);
        hand.answer(ticket, to, settled(to));
        hand.answer(ticket, to, settled(to));
        for (ticket, to) in claims(&hand) {
            hand.answer(ticket, to, settled(to));
        }
    }
    assert!(!is_taken(&hand), "90 has said nothing");
}

#[test]
fn nobody_may_stand_in_between_anywhere_on_the_way() {
    for (liar, lie) in [(90, free(80, 15)), (30, free(25, 40)), (40, free(35, 50))] {
        let mut hand = bereaved();
        asked_next(&mut hand);
        answer_all(&mut hand, |node| match node {
            _ if node == liar => lie.clone(),
            node => settled(node),
        });
        assert!(!is_taken(&hand), "{liar} points to somebody else");
    }
}

#[test]
fn a_newcomer_in_between_that_nobody_points_to_yet_is_waited_for() {
    for newcomer in [15, 25] {
        wait_for(newcomer);
    }
}

fn wait_for(newcomer: Address) {
    let mut hand = bereaved();
    asked_next(&mut hand);
    hand.asked(newcomer, Request::State);
    assert_eq!(asked_next(&mut hand), [], "it may have been given the arc");
    let reply = hand.asked(30, Request::Claim(arc((70, 80))));
    let Some(Reply::Claimed(claimed)) = reply else {
        panic!("{reply:?}");
    };
    assert!(!claimed.free && !claimed.holds, "{claimed:?}");
    // It is not heard of again.
    for _ in 0..8 {
        hand.elapse(Timer::Predecessor);
    }
    assert_eq!(asked_next(&mut hand).len(), 2);
}

#[test]
fn a_newcomer_that_was_pointed_to_and_is_gone_again_is_not_waited_for() {
    let ring: Vec<Address> = (1..10).map(|number| number * 10).collect();
    let mut hand = Hand::member(20, &ring, model(2));
    let is_free = |hand: &mut Hand| {
        let reply = hand.asked(30, Request::Claim(arc((70, 80))));
        matches!(reply, Some(Reply::Claimed(claimed)) if claimed.free)
    };
    hand.asked(35, Request::State);
    assert!(!is_free(&mut hand), "it may have been given the arc");
    for list in [[35, 40], [40, 50]] {
        hand.elapse(Timer::Stabilize);
        let ticket = hand.asks_once(30, &Request::State);
        hand.answer(ticket, 30, state(20, &list));
        assert!(is_free(&mut hand), "after {list:?}");
    }
}

#[test]
fn what_lies_on_an_arc_that_is_taken_over_was_never_handed_over() {
    let mut hand = bereaved();
    asked_next(&mut hand);
    let is_emptied = |action: &Action<Address>| match action {
        Action::Store { command, .. } => *command == Command::Discard([arc(MISSING)].into()),
        _ => false,
    };
    assert!(hand.actions.iter().any(is_emptied), "{:?}", hand.actions);
}

/// A batch of a handover.
fn transfer(serve: bool, batch: u32) -> Request<Address> {
    Request::Transfer(Transfer {
        arc: arc(MISSING),
        epoch: 7,
        serial: 1,
        batch,
        records: Vec::new(),
        serve,
        leaving: false,
    })
}

fn store_all(hand: &mut Hand) {
    for ticket in hand.stores() {
        let outcome = Outcome::Done;
        hand.feed(Event::Stored { ticket, outcome });
    }
}

/// Node 20 has taken what it missed from 30, and a node joins that must get it: the giver is asked
/// first, for it would serve the arc again if its last batch seemed lost and 20 died.
#[test]
fn an_arc_is_not_handed_on_before_its_giver_knows() {
    let mut hand = bereaved();
    hand.asked(30, transfer(true, 0));
    store_all(&mut hand);
    assert!(is_taken(&hand));
    hand.asked(15, Request::Notify);
    assert_eq!(hand.predecessor(), Some(15));
    let [(ticket, 30)] = claims(&hand)[..] else {
        panic!("{:?}", hand.actions);
    };
    assert_eq!(hand.view().handover, None);
    let unaware = Claimed {
        holds: true,
        free: false,
        waits: false,
        predecessor: Some(at(20)),
        successor: at(40),
    };
    hand.answer(ticket, 30, Reply::Claimed(unaware));
    hand.elapse(Timer::Handover);
    let [(ticket, 30)] = claims(&hand)[..] else {
        panic!("{:?}", hand.actions);
    };
    hand.answer(ticket, 30, settled(30));
    let handover = hand.view().handover.as_ref();
    assert_eq!(handover.map(|handover| handover.to), Some(at(15)));
}

#[test]
fn a_dead_giver_is_not_asked() {
    let mut hand = bereaved();
    hand.asked(60, transfer(true, 0));
    store_all(&mut hand);
    hand.asked(15, Request::Notify);
    let (ticket, _) = claims(&hand)[0];
    hand.refuse(ticket);
    // One probe, and it is dead.
    for (ticket, ..) in hand.asks() {
        hand.refuse(ticket);
    }
    hand.elapse(Timer::Handover);
    let handover = hand.view().handover.as_ref();
    assert_eq!(handover.map(|handover| handover.to), Some(at(15)));
}

/// A giver that has given up does not say so; what it began is forgotten after a while.
#[test]
fn a_handover_that_does_not_go_on_stands_in_nobodys_way() {
    let mut hand = bereaved();
    hand.asked(30, transfer(false, 0));
    store_all(&mut hand);
    let holds = |hand: &mut Hand| match hand.asked(90, Request::Claim(arc(MISSING))) {
        Some(Reply::Claimed(claimed)) => claimed.holds,
        reply => panic!("{reply:?}"),
    };
    assert!(holds(&mut hand));
    for _ in 0..8 {
        hand.elapse(Timer::Predecessor);
    }
    assert!(!holds(&mut hand));
}
