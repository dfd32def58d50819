//! A short swarm: whatever happens within what the proof of the protocol allows, nothing breaks.
//!
//! `tasks swarm` tries more, and longer.

use std::sync::atomic::AtomicBool;

use sim::plan::Detector;
use sim::swarm::Swarm;

#[test]
fn no_seed_of_a_short_swarm_fails() {
    let swarm = Swarm {
        first: 1,
        seeds: 12,
        minutes: 1,
        nodes: 32,
        detector: Detector::Oracle,
    };
    let (tried, failed) = swarm.run(2, &AtomicBool::new(false), |_| {});
    assert_eq!(tried, swarm.seeds);
    let seeds: Vec<u64> = failed.iter().map(|failed| failed.seed).collect();
    assert!(
        failed.is_empty(),
        "{failed:#?}\nto see them: tasks swarm --minutes 1 --nodes 32 --seeds 1 --first {seeds:?}"
    );
}
