//! Events a second of the engine on one core, by size of the ring.
//!
//! `cargo bench -p sim`, or `cargo bench -p sim -- 1000000` for just that size. Lookups only, so that
//! each event is a step of a lookup at a random node, which for a large ring is cold memory.

use std::sync::atomic::AtomicBool;

use dht::Ownership;
use sim::plan::Plan;
use sim::run::Run;

fn main() {
    let asked: Vec<u32> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let sizes = if asked.is_empty() {
        vec![1_000, 100_000, 1_000_000]
    } else {
        asked
    };
    for nodes in sizes {
        let plan = Plan {
            nodes,
            lookups: 1_000_000,
            successors: 1,
            ownership: Ownership::Predecessor,
            ..Plan::default()
        };
        let mut run = Run::new(plan).expect("the plan is possible");
        let report = run.go(&AtomicBool::new(false), |_| {});
        println!(
            "{nodes:>9} nodes: {:>9} events/s, {} lookups, {} wrong, {:.3} hops, {} MiB",
            report.events_per_s,
            report.lookups,
            report.wrong,
            report.mean_hops,
            report.peak_bytes >> 20,
        );
    }
}
