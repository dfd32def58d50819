//! Members that answer, but do not listen: whoever needs them is told so in time.

use dht::Id;
use dht::event::{Call, Failure, Returned, Ticket};
use dht::listed::Config;
use dht::message::Routing;
use dht::placement::Scheme;
use dht::record::Condition;

use crate::network::{Address, Network};

fn network(replicas: u8) -> Network {
    let config = Config {
        scheme: Scheme::Rendezvous,
        replicas,
        ..Config::default()
    };
    let mut network = Network::of(3, config, 1);
    network.settle(20);
    network
}

/// Keys whose owner is this node.
fn owned(network: &Network, by: Address, count: usize) -> Vec<Id> {
    let table = network.table(by).expect("there is one");
    let (me, layout) = (network.hosts[&by].member.peer.id, table.layout());
    let keys = (0_u32..).map(|n| Id::of(&n.to_be_bytes()));
    keys.filter(|key| layout.replicas(*key)[0] == me)
        .take(count)
        .collect()
}

/// What one node asks another comes to it, but not the other way round.
fn deafen(network: &mut Network, asks: Address, never_asks: Address) {
    network.unheard.insert((never_asks, asks));
}

#[test]
fn whose_owner_does_not_listen_is_served_by_a_copy() {
    let mut network = network(2);
    for key in owned(&network, 1, 20) {
        let call = network.write(key, "old");
        assert!(matches!(network.wait_for(0, call), Returned::Changed(..)));
    }
    deafen(&mut network, 0, 1);
    for key in owned(&network, 1, 20) {
        assert_eq!(network.read(0, key).as_deref(), Some("old"));
        let call = network.write(key, "new");
        let returned = network.wait_for(0, call);
        assert!(matches!(returned, Returned::Changed(..)), "{returned:?}");
        assert_eq!(network.read(0, key).as_deref(), Some("new"));
    }
    network.unheard.clear();
    network.settle(90);
}

#[test]
fn what_nobody_else_keeps_is_given_up_in_time_and_room_is_left() {
    let mut network = network(1);
    let key = owned(&network, 1, 1)[0];
    deafen(&mut network, 0, 1);
    let routing = Routing::Finger;
    // More than go on at a time.
    for _ in 0..3 {
        let calls = [
            Call::Read { key, routing },
            network.write(key, "value"),
            network.changing(key, None, Condition::Always),
        ];
        let tickets: Vec<Ticket> = (0..900)
            .map(|n| network.call(0, calls[n % 3].clone()))
            .collect();
        for ticket in tickets {
            let returned = network.returned(ticket, 20);
            assert!(
                matches!(returned, Returned::Failed(Failure::Unreachable, _)),
                "{returned:?}"
            );
        }
    }
    network.unheard.clear();
    network.run_ms(1_500);
    let call = network.write(key, "value");
    assert!(matches!(network.wait_for(0, call), Returned::Changed(..)));
}
