//! Observers: each sees what is wrong when something is. An observer that has never failed proves
//! nothing.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use dht::event::{Call, Returned};
use dht::message::{Reply, Request, Routed};
use dht::{Action, Node, Peer};
use sim::engine::Network;
use sim::observe::content::Content as Watched;
use sim::observe::owners::Owners;
use sim::observe::watch::Watch;
use sim::observe::{Violation, fail, invariant};
use sim::plan::{Content, Detector, Plan, Schedule};
use sim::random::Random;
use sim::report::Report;
use sim::run::Run;
use sim::script::{Fault, Step, Who};
use sim::shrink::shrink;

fn plan() -> Plan {
    Plan {
        nodes: 16,
        ms: 20_000,
        lookups: 200,
        detector: Detector::Oracle,
        schedule: Some(Schedule::default()),
        content: Some(Content {
            keys: 100,
            per_s: 100,
            ..Content::default()
        }),
        script: vec![Step {
            at_ms: 2_000,
            who: Who::Node(3),
            fault: Fault::Crash,
        }],
        ..Plan::default()
    }
}

/// Runs with a mistake in it; which property fails.
fn broken(
    plan: Plan,
    tamper: impl FnMut(u32, &mut Action<u32>) -> bool + Send + 'static,
) -> String {
    let mut run = Run::new(plan).expect("the plan is possible");
    run.network().tamper(Box::new(tamper));
    let report: Report = run.go(&AtomicBool::new(false), |_| {});
    let violation = report.violations.first().expect("it is noticed");
    violation.property.clone()
}

/// The pointers of a node, changed.
fn misplace(network: &mut Network, at: u32, change: impl Fn(&mut Vec<Peer<u32>>)) {
    let view = network.view(at).clone();
    let mut successors = view.successors.clone();
    change(&mut successors);
    let predecessor = view.predecessor.expect("a member has one");
    let node = Node::placed(
        view.me,
        predecessor,
        successors,
        Vec::new(),
        network.config(),
    );
    network.replace(node);
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let mut run = Run::new(plan()).expect("the plan is possible");
    let report = run.go(&AtomicBool::new(false), |_| {});
    assert_eq!(report.violations, []);
    assert_eq!(report.members, 15);
}

#[test]
fn a_ring_whose_notifications_are_dropped_never_becomes_ideal() {
    let property = broken(plan(), |_, action| {
        !matches!(
            action,
            Action::Ask {
                request: Request::Notify,
                ..
            }
        )
    });
    assert_eq!(property, "IdealInTime");
}

#[test]
fn a_liar_about_owners_is_found_out() {
    let quiet = Plan {
        script: Vec::new(),
        content: None,
        schedule: None,
        ..plan()
    };
    let liar = Network::new(&quiet).view(5).me;
    let property = broken(quiet, move |at, action| {
        if let Action::Reply {
            reply: Reply::Routed(routed),
            ..
        } = action
            && at == liar.address
        {
            *routed = Routed::Owner(liar);
        }
        true
    });
    assert_eq!(property, "LookupsAreRight");
}

#[test]
fn a_store_that_forgets_is_found_out() {
    let property = broken(plan(), |_, action| {
        if let Action::Return {
            returned: Returned::Record(record, _),
            ..
        } = action
        {
            *record = None;
        }
        true
    });
    assert_eq!(property, "NothingAcknowledgedDisappears");
}

#[test]
fn a_node_whose_successors_are_all_dead_is_seen() {
    let mut network = Network::new(&plan());
    let me = network.view(0).me;
    let next: Vec<Peer<u32>> = network.view(0).successors.clone();
    invariant::check(&network).expect("an ideal ring is fine");
    for peer in &next {
        network.crash(peer.address);
    }
    let violation = invariant::check(&network).expect_err("nobody is left");
    assert_eq!(violation.property, "OneLiveSuccessor");
    assert!(violation.text.contains(&format!("{me:?}")));
}

#[test]
fn a_member_that_all_others_skip_is_no_principal() {
    let mut network = Network::new(&plan());
    // Everybody skips the next one but the first, so only a few are left whom nobody skips.
    for at in 0..16 {
        misplace(&mut network, at, |list| {
            list.remove(1);
        });
    }
    let violation = invariant::check(&network).expect_err("too few principals");
    assert_eq!(violation.property, "SufficientPrincipals");
}

#[test]
fn a_list_out_of_order_is_seen() {
    let mut network = Network::new(&plan());
    misplace(&mut network, 0, |list| list.swap(0, 1));
    let violation = invariant::check(&network).expect_err("out of order");
    assert_eq!(violation.property, "OrderedLists");
}

#[test]
fn an_arc_that_two_serve_is_seen() {
    let mut network = Network::new(&plan());
    let mut owners = Owners::begin(&network).expect("an ideal ring is fine");
    let view = network.view(0).clone();
    let before = view.predecessor.expect("a member has one");
    let further = network.view(before.address).predecessor.expect("as well");
    let node = Node::placed(
        view.me,
        further,
        view.successors,
        Vec::new(),
        network.config(),
    );
    network.replace(node);
    let violation = owners.look_at(&network, &[0]).expect_err("served twice");
    assert_eq!(violation.property, "OneOwner");
    let violation = Owners::begin(&network).expect_err("it still is");
    assert_eq!(violation.property, "OneOwner");
    // If the other one is gone, it is served once.
    network.crash(before.address);
    Owners::begin(&network).expect("one has it");
}

#[test]
fn an_arc_may_change_hands_in_one_moment() {
    let mut network = Network::new(&plan());
    let mut owners = Owners::begin(&network).expect("an ideal ring is fine");
    let view = network.view(0).clone();
    let before = view.predecessor.expect("a member has one");
    let further = network.view(before.address).predecessor.expect("as well");
    network.crash(before.address);
    let taker = Node::placed(
        view.me,
        further,
        view.successors,
        Vec::new(),
        network.config(),
    );
    network.replace(taker);
    let changed = [view.me.address, before.address];
    owners
        .look_at(&network, &changed)
        .expect("one gives, one takes");
}

/// Change by change or all at once: what breaks a ring is found at the same moment.
#[test]
fn the_watch_sees_what_a_look_at_everything_sees() {
    let mut found = BTreeSet::new();
    for seed in 0..300 {
        let mut random = Random::new(seed, 9);
        let mut network = Network::new(&Plan {
            successors: random.between(2, 4) as u8,
            ..plan()
        });
        let mut watch = Watch::begin(&network).expect("an ideal ring is fine");
        for _ in 0..60 {
            let at = random.below(16) as u32;
            if !network.census().contains(at) {
                continue;
            }
            let count = network.view(at).successors.len() as u64;
            let place = random.below(count.max(1)) as usize;
            match random.below(8) {
                0 => network.crash(at),
                1 if count > 1 && place > 0 => {
                    misplace(&mut network, at, |list| list.swap(0, place))
                }
                _ if count > 1 => misplace(&mut network, at, |list| {
                    list.remove(place);
                }),
                _ => continue,
            }
            let property = |outcome: Result<(), Violation>| outcome.err().map(|it| it.property);
            let expected = property(invariant::check(&network));
            assert_eq!(property(watch.look_at(&network, &[at])), expected, "{seed}");
            if let Some(property) = expected {
                found.insert(property);
                break;
            }
        }
    }
    let properties = ["OneLiveSuccessor", "OrderedLists", "SufficientPrincipals"];
    assert_eq!(found, properties.map(str::to_owned).into());
}

#[test]
fn a_panic_is_a_violation_like_any_other() {
    let mut count = 0;
    let mut run = Run::new(plan()).expect("the plan is possible");
    run.network().tamper(Box::new(move |_, _| {
        count += 1;
        assert!(count < 1_000, "planted after {count} actions");
        true
    }));
    let report = run.go(&AtomicBool::new(false), |_| {});
    let violation = report.violations.first().expect("it is noticed");
    assert_eq!(violation.property, "NodesDoNotPanic");
    assert_eq!(violation.text, "planted after 1000 actions");
    assert!(violation.at_us > 0 && !report.partial);
}

#[test]
fn a_failure_that_leaves_somebody_alone_is_not_allowed() {
    let mut network = Network::new(&Plan {
        successors: 2,
        ..plan()
    });
    let list = network.view(0).successors.clone();
    assert!(fail::is_allowed(&network, list[0].address));
    network.crash(list[0].address);
    assert!(!fail::is_allowed(&network, list[1].address));
}

#[test]
fn a_write_that_was_acknowledged_must_be_read() {
    let mut network = Network::new(&plan());
    let mut content = Watched::new(1);
    let mut random = Random::new(1, 1);
    let mut caught = None;
    for _ in 0..10_000 {
        content.begin(&mut network, dht::message::Routing::Finger, &mut random);
        network.step();
        let returned = network.moment().returned.clone();
        for (ticket, mut returned) in returned {
            if let Returned::Record(record, _) = &mut returned {
                *record = None;
            }
            caught = caught.or(content.returned(&network, ticket, &returned).err());
        }
    }
    let violation = caught.expect("a read of nothing");
    assert_eq!(violation.property, "NothingAcknowledgedDisappears");
}

#[test]
fn a_script_is_reduced_to_what_breaks_it() {
    // A real detector takes a sleeper for dead after half a minute, which no oracle would allow; all
    // the other steps are harmless.
    let noise = (0..20).map(|n| Step {
        at_ms: n * 500,
        who: Who::Node((n % 16) as u32),
        fault: Fault::Slow { factor: 2, ms: 100 },
    });
    let pause = Step {
        at_ms: 5_000,
        who: Who::Node(3),
        fault: Fault::Pause { ms: 60_000 },
    };
    let mut script: Vec<Step> = noise.chain([pause]).collect();
    sim::script::sort(&mut script);
    let plan = Plan {
        detector: Detector::Real,
        ms: 90_000,
        script,
        ..plan()
    };
    let mut run = Run::new(plan.clone()).expect("the plan is possible");
    let report = run.go(&AtomicBool::new(false), |_| {});
    let violation = report
        .violations
        .first()
        .expect("content is gone, or served twice");
    let (small, runs) = shrink(plan, &violation.property, 200, &AtomicBool::new(false));
    assert_eq!(small.script, [pause], "after {runs} runs");
}

#[test]
fn a_call_at_a_node_that_is_there_returns() {
    let mut network = Network::new(&plan());
    let ticket = network.call(0, Call::Leave);
    for _ in 0..100_000 {
        network.step();
        let returned = &network.moment().returned;
        if returned.iter().any(|(other, _)| *other == ticket) {
            assert!(!network.census().contains(0), "it is gone then");
            return;
        }
    }
    panic!("a leave comes to an end");
}
