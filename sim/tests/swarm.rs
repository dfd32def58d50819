//! A short swarm: whatever happens within what the proof of the protocol allows, nothing breaks.
//!
//! `tasks swarm` tries more, and longer.

use std::sync::atomic::AtomicBool;

use sim::swarm::Swarm;

/// Seeds that once broke something, with the minutes that it took, and what it was.
///
/// Another protocol makes another story of a seed, so each mistake has a test by hand as well, in
/// `dht/tests/claims.rs`.
const ONCE_BROKEN: [(u64, u32); 14] = [
    // A neighbour agreed twice to a claim, and stood for both.
    (823, 1),
    // An arc that a leaver had given to a node further away was claimed.
    (205, 1),
    (6, 2),
    (652, 1),
    (941, 1),
    // A claim did not see who stood in between: not yet pointed to, or further along the way.
    (544, 7),
    (863, 1),
    // A node that came back served what its earlier life had left in the store.
    (632, 10),
    // A giver had given up, and its taker waited for it for ever.
    (662, 10),
    // The observer let three nodes die of which a list on its way consisted.
    (34, 2),
    // And so it did with a list that was on its way to a joiner.
    (818, 5),
    // A claim did not see who had joined behind one that died, or left, before anybody knew.
    (860, 6),
    (1250, 7),
    // One lost answer made a whole round of questions void, every time.
    (298, 10),
];

#[test]
fn what_broke_once_is_mended() {
    for (first, minutes) in ONCE_BROKEN {
        let swarm = Swarm {
            first,
            minutes,
            ..Swarm::default()
        };
        let (_, failed) = swarm.run(1, &AtomicBool::new(false), |_| {});
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

#[test]
fn no_seed_of_a_short_swarm_fails() {
    let swarm = Swarm {
        seeds: 12,
        minutes: 1,
        nodes: 32,
        ..Swarm::default()
    };
    let (tried, failed) = swarm.run(2, &AtomicBool::new(false), |_| {});
    assert_eq!(tried, swarm.seeds);
    let seeds: Vec<u64> = failed.iter().map(|failed| failed.seed).collect();
    assert!(
        failed.is_empty(),
        "{failed:#?}\nto see them: tasks swarm --minutes 1 --nodes 32 --seeds 1 --first {seeds:?}"
    );
}
