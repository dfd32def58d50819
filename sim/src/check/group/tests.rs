//! What one group does in every order of events, and what must be caught.

use crate::check::group::scene::{Flaw, Scene, Step};
use crate::check::group::{GroupOptions, GroupReport, check_group, explore};

/// Two writes and a read, while the leader is there.
fn calm() -> GroupOptions {
    GroupOptions {
        writes: 2,
        reads: 1,
        beats: 0,
        lapses: 0,
        losses: 0,
        crashes: 0,
        states_max: 1_000_000,
    }
}

/// The leader has crashed and is back, and proposes; so does another member.
fn elected(flaw: Flaw) -> GroupReport {
    let options = GroupOptions {
        writes: 0,
        reads: 0,
        lapses: 2,
        crashes: 1,
        states_max: STATES_MAX,
        ..calm()
    };
    let mut scene = Scene::new(options);
    scene.flaw = flaw;
    for step in [
        Step::Crash(0),
        Step::Restart(0),
        Step::Lapse(0),
        Step::Lapse(1),
    ] {
        assert_eq!(scene.perform(step), None);
    }
    explore(&options, scene, |_, _| true)
}

fn flawed(options: GroupOptions, flaw: Flaw) -> GroupReport {
    let mut scene = Scene::new(options);
    scene.flaw = flaw;
    explore(&options, scene, |_, _| true)
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

/// So far as it is looked at here: there is no end of it that a test could wait for.
#[test]
fn an_epoch_is_decided_once_while_two_propose() {
    let report = elected(Flaw::None);
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.epochs > 2, "{report:#?}");
}

/// Enough to find what is planted, in some seconds.
const STATES_MAX: usize = 25_000;
