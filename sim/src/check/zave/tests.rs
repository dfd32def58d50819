//! The counts of another checker, and what changes them.

use crate::check::cast::Cast;
use crate::check::search::search;
use crate::check::zave::{Choices, Zave};

fn counts(nodes: u8, successors: usize, choices: Choices) -> (usize, u64) {
    let cast = Cast {
        places: nodes,
        lives: nodes,
    };
    let mut zave = Zave {
        cast,
        members_max: nodes.into(),
        successors,
        choices,
    };
    let found = search(&mut zave, usize::MAX, |_, _| true);
    assert_eq!(found.violation, None);
    (found.states, found.transitions)
}

#[test]
fn the_search_meets_the_count_of_another_checker() {
    assert_eq!(counts(4, 2, Choices::default()), (5_464, 36_308));
}

#[test]
#[ignore = "about a minute in release"]
fn the_search_meets_the_larger_counts_of_another_checker() {
    let alloy = Choices::default();
    let atomic = Choices {
        is_atomic: true,
        ..alloy
    };
    assert_eq!(counts(5, 3, alloy), (50_282, 413_525));
    assert_eq!(counts(6, 3, atomic), (37_071, 267_924));
    assert_eq!(counts(6, 2, atomic), (781_184, 6_535_836));
    assert_eq!(counts(5, 2, alloy), (3_581_938, 34_424_380));
}

#[test]
fn what_real_nodes_do_otherwise_changes_the_count_step_by_step() {
    let mut choices = Choices {
        keeps_all: true,
        ..Choices::default()
    };
    assert_eq!(counts(4, 2, choices), (11_456, 85_216));
    choices.is_silent = true;
    assert_eq!(counts(4, 2, choices), (2_607, 15_904));
    choices.keeps_all = false;
    assert_eq!(counts(4, 2, choices), (2_607, 15_904));
    choices.is_busy = true;
    assert_eq!(counts(4, 2, choices), (559, 3_156));
    choices.shrinks = true;
    assert_eq!(counts(4, 2, choices), (3_375, 20_136));
}
