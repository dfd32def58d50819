//! Networks to which nothing happens by itself, and what tests let happen to them.

use dht::Id;
use dht::event::Call;
use dht::message::Routing;
use dht::record::{Change, Condition};
use sim::engine::{Address, Network};
use sim::plan::{Detector, Plan, Schedule};

/// Eight nodes with three copies, to which nothing happens by itself.
pub(crate) fn quiet() -> Plan {
    Plan {
        nodes: 8,
        replicas: 3,
        detector: Detector::Real,
        schedule: Some(Schedule::default()),
        ..Plan::default()
    }
}

/// Lets all happen up to this virtual time.
pub(crate) fn go_on(network: &mut Network, until_us: u64) {
    while network.now_us() < until_us && network.step().is_some() {}
}

/// The key with this number.
pub(crate) fn key(number: u8) -> Id {
    Id::of_key(&[number])
}

/// Puts a value under the key with this number, or deletes what is there.
pub(crate) fn put(number: u8, value: Option<&[u8]>) -> Call<Address> {
    let change = Change {
        name: None,
        value: value.map(Into::into),
        condition: Condition::Always,
        flags: 0,
        expires_ms: None,
        now_ms: 2_000,
    };
    let (key, routing) = (key(number), Routing::Finger);
    Call::Change {
        key,
        change,
        routing,
    }
}

/// A client of this node does so.
pub(crate) fn change_at(network: &mut Network, at: Address, number: u8, value: Option<&[u8]>) {
    network.call(at, put(number, value));
}

/// The same at some node of the eight.
pub(crate) fn change(network: &mut Network, number: u8, value: Option<&[u8]>) {
    change_at(network, u32::from(number % 8), number, value);
}

/// Puts 200 keys, each by another one of the eight nodes.
pub(crate) fn put_200(network: &mut Network) {
    for number in 0..200 {
        change(network, number, Some(&[number]));
    }
}
