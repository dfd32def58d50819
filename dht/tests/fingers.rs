//! Fingers: what it takes to have them, and to keep them.

mod support;

use dht::event::{Call, Note, Timer};
use dht::message::{Reply, Request, Route, Routed, Routing};
use dht::view::Finger;
use dht::{Ownership, View};
use support::Address;
use support::hand::{Hand, at, model, small, state};

/// 25 has just joined between 20 and 30; the first tick has come.
fn joiner() -> Hand {
    let mut joiner = Hand::new(25, model(2));
    joiner.call(Call::Join(vec![at(20)]));
    let (ticket, ..) = joiner.asks()[0];
    joiner.answer(ticket, 20, Reply::Routed(Routed::Owner(at(20))));
    let ticket = joiner.asks_once(20, &Request::State);
    joiner.answer(ticket, 20, state(10, &[30, 40]));
    assert!(joiner.notes(&Note::Joined(at(20))));
    joiner.elapse(Timer::Fingers);
    joiner
}

fn finger(exponent: u8, node: Address) -> Finger<Address> {
    let node = at(node);
    Finger { exponent, node }
}

fn fingers(view: &View<Address>) -> Vec<(u8, Address)> {
    let fingers = view.fingers.iter();
    fingers
        .map(|finger| (finger.exponent, finger.node.address))
        .collect()
}

fn search(key: Address) -> Request<Address> {
    Request::Route(Route {
        key: small(key),
        rule: Ownership::Successor,
        routing: Routing::Finger,
    })
}

#[test]
fn a_joiner_begins_with_its_predecessors_fingers() {
    let mut joiner = joiner();
    assert_eq!(joiner.asks().len(), 1);
    let ticket = joiner.asks_once(20, &Request::Fingers);
    let told = vec![finger(4, 50), finger(5, 60)];
    joiner.answer(ticket, 20, Reply::Fingers(told));
    assert_eq!(joiner.asks(), [], "one question is all it takes");
    // What its own list says comes before them.
    assert_eq!(fingers(joiner.view()), [(3, 40), (4, 50), (5, 60)]);
    // From then on one at a time, when it is due, beyond what the list says.
    joiner.elapse(Timer::Fingers);
    let ticket = joiner.asks_once(50, &search(25 + 16));
    joiner.answer(ticket, 50, Reply::Routed(Routed::Owner(at(50))));
    assert_eq!(joiner.asks(), []);
    joiner.elapse(Timer::Fingers);
    joiner.asks_once(60, &search(25 + 32));
}

#[test]
fn a_joiner_whose_predecessor_has_none_looks_for_all_of_them_at_once() {
    for answers in [true, false] {
        let mut joiner = joiner();
        let ticket = joiner.asks_once(20, &Request::Fingers);
        match answers {
            true => joiner.answer(ticket, 20, Reply::Fingers(Vec::new())),
            false => joiner.silence(ticket),
        }
        // By way of the nearest node that it knows before the start.
        let ticket = joiner.asks_once(40, &search(25 + 16));
        joiner.answer(ticket, 40, Reply::Routed(Routed::Owner(at(50))));
        let ticket = joiner.asks_once(50, &search(25 + 16));
        // Not its own yet, so that nobody else begins with a few of them.
        let lent = joiner.asked(26, Request::Fingers);
        assert_eq!(lent, Some(Reply::Fingers(Vec::new())));
        joiner.answer(ticket, 50, Reply::Routed(Routed::Owner(at(50))));
        let ticket = joiner.asks_once(50, &search(25 + 32));
        joiner.answer(ticket, 50, Reply::Routed(Routed::Owner(at(20))));
        let ticket = joiner.asks_once(20, &search(25 + 32));
        joiner.answer(ticket, 20, Reply::Routed(Routed::Owner(at(20))));
        assert_eq!(joiner.asks(), [], "nothing is farther away");
        let own = vec![finger(3, 40), finger(4, 50), finger(5, 20)];
        let lent = joiner.asked(26, Request::Fingers);
        assert_eq!(lent, Some(Reply::Fingers(own)));
    }
}

#[test]
fn fingers_that_are_told_out_of_order_are_left_out() {
    let mut joiner = joiner();
    let ticket = joiner.asks_once(20, &Request::Fingers);
    let told = [(4, 60), (4, 70), (3, 80), (5, 50), (200, 90), (6, 100)];
    let told = told.map(|(exponent, node)| finger(exponent, node));
    joiner.answer(ticket, 20, Reply::Fingers(told.into()));
    assert_eq!(fingers(joiner.view()), [(3, 40), (4, 60), (6, 100)]);
}

#[test]
fn a_change_nearby_is_no_reason_to_look_for_fingers() {
    let ring = [10, 20, 30, 40, 50, 60, 70];
    let mut hand = Hand::member(20, &ring, model(2));
    hand.asked(15, Request::Notify);
    assert_eq!(hand.predecessor(), Some(15));
    hand.elapse(Timer::Stabilize);
    let ticket = hand.asks_once(30, &Request::State);
    hand.answer(ticket, 30, state(25, &[40, 50]));
    let ticket = hand.asks_once(25, &Request::State);
    hand.answer(ticket, 25, state(20, &[30, 40]));
    assert_eq!(hand.successors(), [25, 30]);
    // 25 is 5 away, and 30 is 10: the list tells the finger of 2^3 without a question.
    hand.elapse(Timer::Fingers);
    assert_eq!(fingers(hand.view())[0], (3, 30));
    let asked: Vec<Request<Address>> = hand.asks().into_iter().map(|ask| ask.2).collect();
    assert_eq!(asked, [search(20 + 16)], "one, since it is due");
}

#[test]
fn a_finger_that_died_is_looked_for_next() {
    let ring = [5, 10, 20, 30, 40, 50, 60, 90];
    let mut hand = Hand::member(20, &ring, model(2));
    let all = [(4, 40), (5, 60), (6, 90), (7, 5)];
    assert_eq!(fingers(hand.view()), all);
    hand.call(Call::Find {
        key: small(8),
        rule: Ownership::Successor,
        routing: Routing::Finger,
    });
    let ticket = hand.asks_once(5, &search(8));
    hand.refuse(ticket);
    assert_eq!(fingers(hand.view()), all[..3]);
    hand.elapse(Timer::Fingers);
    hand.asks_once(90, &search(20 + 128));
}
