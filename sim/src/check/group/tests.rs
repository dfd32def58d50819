//! What one group does in every order of events, and what must be caught.

use std::collections::HashMap;

use crate::check::group::member::{Flaw, Kept, MemberId, Members};
use crate::check::group::scene::{Scene, Step};
use crate::check::group::{GroupOptions, GroupReport, Order, check_group, explore};

/// A sample of members that were taken for known ones, by whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Twins {
    met: HashMap<MemberId, Vec<Kept>>,
}

impl Twins {
    pub(super) fn meet(&mut self, number: MemberId, twin: Kept, known: &Kept) {
        let met = self.met.entry(number).or_default();
        let text = |kept: &Kept| format!("{:?}", kept.node);
        let is_known = |other: &Kept| text(other) == text(&twin);
        if met.len() < TWINS_MAX && !is_known(known) && !met.iter().any(is_known) {
            met.push(twin);
        }
    }
}

impl Members {
    /// How often members that were taken for the same were compared, and how they differ: puts to them all that
    /// was put to the one that each was taken for.
    fn discord(&mut self) -> (usize, Vec<String>) {
        let met = self.twins.take().unwrap_or_default().met;
        let known: Vec<_> = self.outcomes.keys().copied().collect();
        let (mut count, mut differing) = (0, Vec::new());
        for (number, stimulus) in known {
            for twin in met.get(&number).into_iter().flatten() {
                count += 1;
                let expected = self.outcome(number, stimulus);
                let outcome = self.put(twin.clone(), stimulus);
                if outcome != *expected {
                    let node = &self.kept(number).node;
                    differing.push(format!(
                        "{stimulus:?}: {expected:?} of {node:?}\n{outcome:?} of {:?}",
                        twin.node
                    ));
                }
            }
        }
        (count, differing)
    }
}

/// Two writes and a read, while the leader is there.
fn calm() -> GroupOptions {
    GroupOptions {
        writes: 2,
        reads: 1,
        beats: 0,
        lapses: 0,
        losses: 0,
        crashes: 0,
        order: Order::Any,
        states_max: 1_000_000,
    }
}

/// A write, and an epoch that ends.
fn changing() -> GroupOptions {
    GroupOptions {
        writes: 1,
        reads: 0,
        lapses: 1,
        order: Order::Pair,
        ..calm()
    }
}

/// The leader has crashed and is back, and proposes; so does another member.
fn elected(flaw: Flaw) -> GroupReport {
    let options = GroupOptions {
        writes: 0,
        reads: 0,
        lapses: 2,
        crashes: 1,
        order: Order::Pair,
        ..calm()
    };
    let mut scene = Scene::new(options);
    scene.members.flaw = flaw;
    for step in [
        Step::Crash(0),
        Step::Restart(0),
        Step::Lapse(0),
        Step::Lapse(1),
    ] {
        scene.start = scene.after(&scene.start.clone(), step);
    }
    explore(&mut scene, &options, |_, _| true)
}

fn flawed(options: GroupOptions, flaw: Flaw) -> GroupReport {
    let mut scene = Scene::new(options);
    scene.members.flaw = flaw;
    explore(&mut scene, &options, |_, _| true)
}

#[test]
fn what_is_acknowledged_is_on_a_majority_and_read() {
    let report = check_group(&calm(), |_, _| true);
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.complete && report.acknowledged == 2, "{report:#?}");
}

#[test]
fn writes_that_one_member_has_are_not_acknowledged_unnoticed() {
    let report = flawed(calm(), Flaw::HastyFollower);
    let [violation] = report.violations.as_slice() else {
        panic!("it is not noticed: {report:#?}");
    };
    assert!(violation.property.contains("on 2 stores"), "{violation:#?}");
}

#[test]
fn members_that_forget_what_they_promised_are_caught() {
    let report = elected(Flaw::ForgetfulAcceptor);
    let [violation] = report.violations.as_slice() else {
        panic!("it is not noticed: {report:#?}");
    };
    assert!(
        violation.property.contains("decided once"),
        "{violation:#?}"
    );
}

#[test]
fn an_epoch_is_decided_once_while_two_propose() {
    let report = elected(Flaw::None);
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.complete && report.epochs > 2, "{report:#?}");
}

#[test]
fn a_write_outlasts_the_epoch_in_which_it_was_acknowledged() {
    let report = check_group(&changing(), |_, _| true);
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.complete, "{report:#?}");
    assert_eq!((report.epochs, report.acknowledged), (3, 1));
}

#[test]
fn members_that_take_writes_of_an_epoch_that_they_help_to_end_are_caught() {
    let report = flawed(changing(), Flaw::UnfencedFollower);
    let [violation] = report.violations.as_slice() else {
        panic!("it is not noticed: {report:#?}");
    };
    assert!(violation.property.contains("on 2 stores"), "{violation:#?}");
}

#[test]
fn members_that_are_taken_for_the_same_do_the_same() {
    let quick = GroupOptions {
        states_max: 100_000,
        ..changing()
    };
    let crashing = GroupOptions {
        crashes: 1,
        losses: 1,
        ..quick
    };
    for options in [calm(), quick, crashing] {
        let mut scene = Scene::new(options);
        scene.members.twins = Some(Twins::default());
        explore(&mut scene, &options, |_, _| true);
        let (count, differing) = scene.members.discord();
        assert!(count > 50, "{count} twins in {options:?}");
        assert!(differing.is_empty(), "{}: {}", count, differing[0]);
    }
}

/// Twins of one member that are kept.
const TWINS_MAX: usize = 4;
