//! The causal store in virtual time.

use std::sync::atomic::AtomicBool;

use sim::causal::Plan;

#[test]
fn some_seeds() {
    let start = std::time::Instant::now();
    let (from, to): (u64, u64) = (
        std::env::var("FROM").map_or(1, |f| f.parse().unwrap()),
        std::env::var("TO").map_or(20, |f| f.parse().unwrap()),
    );
    let mut failed = 0;
    for seed in from..=to {
        let report = Plan::of(seed, 9, 3, 5)
            .run(&AtomicBool::new(false))
            .unwrap();
        if let Some(first) = report.violations.first() {
            failed += 1;
            println!(
                "{seed} at {:.3} {}: {}",
                first.at_us as f64 / 1e6,
                first.property,
                first.text
            );
        }
        if seed % 50 == 1 {
            println!("{report:?}");
        }
    }
    println!(
        "{failed} failed of {} in {:.1} s",
        to - from + 1,
        start.elapsed().as_secs_f64()
    );
}
