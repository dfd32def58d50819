//! Counts of small rings, and what must be caught.

use crate::check::ring::{Flaw, Ring};
use crate::check::search::search;
use crate::check::twins::Twins;
use crate::check::{Options, Report, Variant, check};

/// Four nodes with lists of two, nobody leaves, each identifier lives once.
fn small() -> Options {
    Options {
        lives: 4,
        leaves: false,
        ..Options::new(4, 2, Variant::Corrected)
    }
}

fn checked(options: &Options) -> Report {
    check(options, |_, _| true).expect("the options make sense")
}

fn counts(options: &Options) -> (usize, u64) {
    let report = checked(options);
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.complete);
    (report.states, report.transitions)
}

fn violated(options: &Options, flaw: Flaw) -> Option<(String, Vec<String>)> {
    let mut world = options.world(options.cast().expect("the options make sense"));
    world.flaw = flaw;
    search(&mut Ring::new(world), 1_000_000, |_, _| true).violation
}

/// A change of the protocol changes these numbers: look at what it adds, then write down the new ones.
#[test]
fn small_rings_have_just_so_many_states() {
    let small = small();
    assert_eq!(counts(&small), (115, 510));
    let restarts = Options { lives: 6, ..small };
    assert_eq!(counts(&restarts), (5_913, 35_290));
    let leaves = Options {
        leaves: true,
        ..small
    };
    assert_eq!(counts(&leaves), (437, 2_458));
    let in_flight = Options {
        in_flight: true,
        ..small
    };
    assert_eq!(counts(&in_flight), (6_781, 30_760));
    let in_flight = Options {
        in_flight: true,
        ..leaves
    };
    assert_eq!(counts(&in_flight), (38_428, 248_191));
}

/// Zave's rules alone have 5,464 and 36,308; `zave` says why not here.
#[test]
fn identifiers_that_come_back_are_survived_by_four_nodes() {
    let reuse = Options {
        reuse_ids: true,
        ..small()
    };
    assert_eq!(counts(&reuse), (895, 5_672));
}

#[test]
fn no_item_is_unowned_or_served_twice_while_nodes_join_leave_and_die() {
    let content = Options {
        content: true,
        deaths: false,
        leaves: true,
        ..small()
    };
    assert_eq!(counts(&content), (7_421, 45_033));
    let deaths = Options {
        deaths: true,
        ..content
    };
    assert_eq!(counts(&deaths), (37_596, 231_553));
}

/// Else states would be left out that can come about.
#[test]
fn nodes_that_are_taken_for_the_same_do_the_same() {
    let in_flight = Options {
        in_flight: true,
        leaves: true,
        ..small()
    };
    let content = Options {
        content: true,
        deaths: false,
        leaves: true,
        ..small()
    };
    let deaths = Options {
        deaths: true,
        ..content
    };
    for options in [in_flight, content, deaths] {
        let cast = options.cast().expect("the options make sense");
        let mut ring = Ring::new(options.world(cast));
        ring.known.twins = Some(Twins::default());
        assert_eq!(search(&mut ring, 1_000_000, |_, _| true).violation, None);
        let (count, differing) = ring.known.discord();
        assert!(count > 1_000, "only {count} were looked at");
        assert!(differing.is_empty(), "of {count}: {differing:#?}");
    }
}

#[test]
fn any_small_ring_is_ideal_after_three_rounds() {
    let in_flight = Options {
        in_flight: true,
        ..small()
    };
    let report = checked(&in_flight);
    assert!(report.complete && report.rounds == Some(3), "{report:#?}");
}

/// The split that the first papers' rules lead to, from a ring of one, though no identifier is used
/// twice: 1 and 4 are a ring, and 3 knows nobody alive but itself.
#[test]
fn published_chord_splits_in_sixteen_steps() {
    let published = Options::new(4, 2, Variant::Published);
    let report = checked(&published);
    let [violation] = report.violations.as_slice() else {
        panic!("it is not noticed: {report:#?}");
    };
    assert_eq!(report.depth, 16);
    assert_eq!(violation.steps.len(), 17, "the start and 16 steps");
    let end = violation.steps.last().expect("there are steps");
    assert!(end.starts_with("0 dies: "), "{end}");
    assert!(
        end.ends_with("1:[4 0]p0  2:over  3:[0 3]p2  4:[0 1]p1"),
        "{end}"
    );
}

#[test]
fn nodes_that_do_not_notify_are_caught() {
    let (property, _) = violated(&small(), Flaw::SilentNotifier).expect("it is noticed");
    assert!(property.contains("ideal"), "{property}");
}

#[test]
fn nodes_that_adopt_whoever_they_are_told_of_are_caught() {
    let restarts = Options {
        lives: 6,
        ..small()
    };
    let (_, steps) = violated(&restarts, Flaw::CredulousAdopter).expect("it is noticed");
    assert!(steps.iter().any(|step| step.contains("dies")), "{steps:#?}");
}

#[test]
fn givers_that_forget_too_early_are_caught() {
    let content = Options {
        content: true,
        deaths: false,
        ..small()
    };
    let (property, _) = violated(&content, Flaw::HastyGiver).expect("it is noticed");
    assert!(property.contains("never unowned"), "{property}");
}

#[test]
fn nodes_without_a_flaw_are_not() {
    assert_eq!(violated(&small(), Flaw::None), None);
}

/// The protocol does not survive that the living are taken for dead, and nobody says that it does.
#[test]
fn false_suspicion_breaks_a_ring_for_good() {
    let suspicion = Options {
        false_suspicion: true,
        ..small()
    };
    assert_eq!(checked(&suspicion).violations.len(), 1);
}

#[test]
fn options_that_make_no_sense_are_refused_with_what_would() {
    for (options, would) in [
        (
            Options {
                nodes: 2,
                ..small()
            },
            "3 to 8 nodes",
        ),
        (
            Options {
                nodes: 9,
                ..small()
            },
            "3 to 8 nodes",
        ),
        (
            Options {
                successors: 0,
                ..small()
            },
            "1 to 5 long",
        ),
        (
            Options {
                identifiers: 3,
                ..small()
            },
            "4 to 8 identifiers",
        ),
        (
            Options {
                lives: 9,
                ..small()
            },
            "4 to 8 lives",
        ),
        (
            Options {
                lives: 5,
                reuse_ids: true,
                ..small()
            },
            "one life",
        ),
        (
            Options {
                variant: Variant::Published,
                in_flight: true,
                ..small()
            },
            "nodes, successors and identifiers",
        ),
        (
            Options {
                variant: Variant::Zave,
                leaves: true,
                ..small()
            },
            "nodes, successors and identifiers",
        ),
    ] {
        let error = check(&options, |_, _| true).expect_err("it is refused");
        assert!(error.to_string().contains(would), "{error}");
    }
}

#[test]
fn a_search_that_is_stopped_says_so() {
    let stopped = Options {
        states_max: 100,
        ..small()
    };
    assert!(!checked(&stopped).complete);
}
