//! A swarm of random lives: joins, leaves, deaths and pauses in any order, at any moment. However it
//! went, once they stop the ring becomes ideal again.
//!
//! `DHT_SEEDS=1000 cargo test --release -p dht --test swarm` tries more; a failing seed is named, and
//! `DHT_SEED=7` runs it alone.

mod support;

use dht::event::Call;
use dht::{Config, Ownership};
use support::Network;

#[test]
fn every_ring_mends_itself() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("DHT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DHT_SEEDS").unwrap_or(40),
    };
    for seed in seeds {
        live(seed);
    }
}

fn live(seed: u64) {
    println!("DHT_SEED={seed} cargo test -p dht --test swarm");
    let ownership = [Ownership::Successor, Ownership::Predecessor][seed as usize % 2];
    let config = Config {
        ownership,
        ..Config::default()
    };
    let mut network = Network::ring(8, config, seed);
    network.store_us = (0, 2_000);
    let mut last_departure_us = 0;
    for step in 0..30_u32 {
        let present: Vec<u32> = network.members().iter().map(|peer| peer.address).collect();
        let pick = present[network.draw(0, present.len() as u64 - 1) as usize];
        // What the protocol assumes: nobody's whole successor list goes before it could look. A node
        // that is paused can't look, so departures keep a distance.
        let may_depart = present.len() > 6 && network.now_us > last_departure_us + 1_500_000;
        match network.draw(0, 9) {
            0..=4 => {
                network.join(100 + step, pick);
            }
            5..=6 if may_depart => {
                network.call(pick, Call::Leave);
                last_departure_us = network.now_us;
            }
            7..=8 if may_depart => {
                network.kill(pick);
                last_departure_us = network.now_us;
            }
            _ => network.pause(pick, 2_000),
        }
        let pause = network.draw(0, 1_000);
        network.run_ms(pause);
    }
    network.settle(90);
}
