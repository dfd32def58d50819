//! A node that joins a ring with copies fetches what it is to keep: not faster than it may, and one can see it.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::free_address;
use support::process::Process;
use tokio::time::sleep;

#[tokio::test]
async fn a_node_fetches_no_faster_than_it_may_and_shows_how_far_it_is() {
    let addresses = [(); 3].map(|()| free_address());
    let names = ["a", "b", "c"];
    let members = names.iter().zip(addresses);
    let ring: Vec<String> = members
        .map(|(name, address)| format!("{name}@{address}#1"))
        .collect();
    let ring = ring.join(",");
    let start = |place: usize| {
        let flags = ["--name", names[place], "--replicas", "3", "--ring", &ring];
        Process::start(addresses[place], &flags)
    };
    let mut nodes = [0, 1, 2].map(start);
    for node in &mut nodes {
        node.is_ready().await;
    }
    let value = "x".repeat(VALUE_BYTES);
    for number in 0..VALUES {
        let path = format!("/kv/{number}");
        let put = nodes[number % 3].send(reqwest::Method::PUT, &path, &value);
        assert_eq!(put.await.map(|(status, _)| status), Some(201));
    }

    let begun = Instant::now();
    let member = addresses[0].to_string();
    let rate = RATE_KB.to_string();
    let flags = ["--name", "d", "--replicas", "3", "--fetch-rate", &rate];
    let joiner = Process::start(free_address(), &[&flags[..], &["--join", &member]].concat());
    let mut percents = BTreeSet::new();
    let info = loop {
        assert!(
            begun.elapsed() < 4 * LEAST,
            "it never keeps three arcs: {percents:?}"
        );
        sleep(Duration::from_millis(50)).await;
        let Some((200, info)) = joiner.get("/nodeinfo").await else {
            continue;
        };
        let fetches = info["fetches"].as_array().expect("a list");
        percents.extend(fetches.iter().filter_map(|fetch| fetch["percent"].as_u64()));
        if info["groups"].as_array().expect("a list").len() == 3 {
            break info;
        }
    };
    let took = begun.elapsed();
    assert!(took > LEAST, "{took:?} for three quarters of all: {info}");
    let within = percents.range(1..100).count();
    assert!(within > 2, "it showed how far it was: {percents:?}");
}

/// Three quarters of this are to be fetched: 4.5 MB.
const VALUES: usize = 60;
const VALUE_BYTES: usize = 100_000;

/// A second for each megabyte, and one page may come at once.
const RATE_KB: u32 = 1_000;
const LEAST: Duration = Duration::from_secs(3);
