//! All that can happen to three replicas, and what must be caught.

use super::cluster::Cluster;
use super::{CausalOptions, check_causal, explore};

const OPTIONS: CausalOptions = CausalOptions {
    losses: 0,
    states_max: 3_000_000,
};

#[test]
fn three_replicas_show_causes_before_effects_whatever_happens_to_what_they_send() {
    for (losses, states) in [(0, 6_915), (1, 25_032)] {
        let options = CausalOptions { losses, ..OPTIONS };
        let report = check_causal(&options, |_, _| true);
        assert!(report.violations.is_empty(), "{report:#?}");
        assert!(report.complete, "{report:#?}");
        assert_eq!(report.states, states);
    }
}

#[test]
fn replicas_that_do_not_wait_for_what_comes_before_are_caught() {
    let mut cluster = Cluster::new();
    cluster.is_hasty = true;
    let report = explore(cluster, &OPTIONS, |_, _| true);
    let [violation] = report.violations.as_slice() else {
        panic!("it is not noticed: {report:#?}");
    };
    assert!(violation.property.contains("came before"), "{violation:#?}");
}
