//! Histories made by hand, and many made by chance: those of a register, spoilt ones, and small ones of
//! any kind, judged also by one that tries all orders.

use super::order::CONFIGURATIONS_MAX;
use super::*;
use crate::random::Random;

fn seen(value: u64, version: u64) -> Outcome {
    let version = Some(version);
    Outcome::Saw(Some(Seen { value, version }))
}

fn made(version: u64, found: bool) -> Outcome {
    let (version, found) = (Some(version), Some(found));
    Outcome::Made { version, found }
}

fn is_linearizable(history: &[Operation]) -> bool {
    let verdict = judge(history);
    let undecided = matches!(verdict.order, Order::Undecided { .. });
    assert!(!undecided, "{:?} of {history:?}", verdict.order);
    let shown = verdict.lost.is_some()
        || !verdict.stale.is_empty()
        || !verdict.back.is_empty()
        || !verdict.phantoms.is_empty();
    let linearizable = verdict.order.is_linearizable();
    assert!(
        !(shown && linearizable),
        "one read shows what no order does: {verdict:?} of {history:?}"
    );
    linearizable
}

#[test]
fn nothing_happened_in_good_order() {
    assert!(judge(&[]).is_clean());
}

#[test]
fn concurrent_operations_may_have_happened_in_any_order() {
    let history = [
        Operation::write(0, 0, 1).made(100),
        Operation::write(1, 0, 2).made(100),
        Operation::read(2, 10).saw(20, Some(2)),
        Operation::read(2, 30).saw(40, Some(1)),
        Operation::delete(0, 110).made(130),
        Operation::read(2, 120).saw(140, None),
    ];
    assert!(judge(&history).is_clean());
}

#[test]
fn an_acknowledged_write_that_nobody_finds_is_lost() {
    let history = [
        Operation::write(0, 0, 1).made(10),
        Operation::write(0, 20, 2).made(30),
        Operation::read(1, 40).saw(50, None),
    ];
    let verdict = judge(&history);
    let changes = vec![1];
    assert_eq!(verdict.lost, Some(Lost { read: 2, changes }));
    assert_eq!(verdict.stale, [Stale { read: 2, missed: 1 }]);
    let possible = vec![Some(1)];
    assert_eq!(verdict.order, Order::Broken { at: 2, possible });
}

#[test]
fn of_concurrent_writes_nobody_knows_which_is_lost() {
    let history = [
        Operation::write(0, 0, 1).made(10),
        Operation::write(0, 20, 2).made(40),
        Operation::write(1, 25, 3).made(35),
        Operation::read(1, 50).saw(60, Some(1)),
    ];
    let changes = vec![1, 2];
    assert_eq!(judge(&history).lost, Some(Lost { read: 3, changes }));
}

#[test]
fn an_acknowledged_delete_may_be_lost_too() {
    let history = [
        Operation::write(0, 0, 1).made(10),
        Operation::delete(0, 20).made(30),
        Operation::read(1, 40).saw(50, Some(1)),
    ];
    let changes = vec![1];
    assert_eq!(judge(&history).lost, Some(Lost { read: 2, changes }));
}

#[test]
fn what_was_overwritten_is_not_lost_even_without_an_answer() {
    let acknowledged = [
        Operation::write(0, 0, 1).made(10),
        Operation::write(1, 20, 2).made(30),
        Operation::read(1, 40).saw(50, Some(2)),
    ];
    let unanswered = [
        Operation::write(0, 0, 1).made(10),
        Operation::write(1, 20, 2),
        Operation::read(1, 40).saw(50, Some(2)),
    ];
    let late = [
        Operation::write(1, 0, 2),
        Operation::write(0, 20, 1).made(30),
        Operation::delete(1, 31),
        Operation::read(1, 40).saw(50, None),
        Operation::read(1, 60).saw(70, Some(2)),
    ];
    for history in [&acknowledged[..], &unanswered, &late] {
        assert!(judge(history).is_clean(), "{history:?}");
    }
}

#[test]
fn a_write_without_an_answer_happens_once() {
    let history = [
        Operation::write(1, 0, 2),
        Operation::read(0, 10).saw(20, Some(2)),
        Operation::write(0, 30, 1).made(40),
        Operation::read(0, 50).saw(60, Some(2)),
    ];
    let verdict = judge(&history);
    assert!(!verdict.order.is_linearizable());
    assert_eq!(verdict.stale, [Stale { read: 3, missed: 2 }]);
    let deletes = [
        Operation::delete(1, 0),
        Operation::write(0, 10, 1).made(20),
        Operation::read(0, 30).saw(40, None),
        Operation::write(0, 50, 2).made(60),
        Operation::read(0, 70).saw(80, None),
    ];
    assert!(!is_linearizable(&deletes));
    let mut two = deletes.to_vec();
    two.push(Operation::delete(2, 0));
    assert!(is_linearizable(&two));
}

#[test]
fn a_stale_read_in_the_middle_loses_nothing() {
    let history = [
        Operation::write(0, 0, 1).made(10),
        Operation::write(0, 20, 2).made(30),
        Operation::read(1, 40).saw(50, Some(1)),
        Operation::read(1, 60).saw(70, Some(2)),
    ];
    let verdict = judge(&history);
    assert_eq!(verdict.stale, [Stale { read: 2, missed: 1 }]);
    assert_eq!((verdict.lost, verdict.back), (None, vec![]));
}

#[test]
fn time_runs_backwards_for_one_client_or_for_two() {
    let history = |client| {
        [
            Operation::write(0, 0, 1).made(10),
            Operation::write(0, 20, 2).made(100),
            Operation::read(1, 30).saw(40, Some(2)),
            Operation::read(client, 50).saw(60, Some(1)),
        ]
    };
    for client in [1, 2] {
        let verdict = judge(&history(client));
        let expected = Back {
            read: 3,
            after: 2,
            same_client: client == 1,
        };
        assert_eq!(verdict.back, [expected]);
        assert_eq!(verdict.stale, []);
        assert!(!verdict.order.is_linearizable());
    }
}

#[test]
fn versions_tell_the_order_of_concurrent_writes() {
    let history = [
        Operation::write(0, 0, 1).returned(100, made(11, false)),
        Operation::write(1, 0, 2).returned(100, made(12, true)),
        Operation::read(2, 10).returned(20, seen(2, 12)),
        Operation::read(3, 30).returned(40, seen(1, 11)),
    ];
    let verdict = judge(&history);
    assert_eq!(verdict.back.len(), 1);
    // An order would explain it if the first write had not said that nothing was there before it.
    assert!(!verdict.order.is_linearizable());
}

#[test]
fn a_value_from_nowhere_is_a_phantom() {
    let history = [
        Operation::read(0, 0).saw(10, Some(1)),
        Operation::write(1, 20, 1).made(30),
        Operation::write(1, 40, 2).returned(50, Outcome::Failed),
        Operation::read(0, 60).saw(70, Some(2)),
    ];
    let verdict = judge(&history);
    assert_eq!(verdict.phantoms, [0, 3]);
    assert!(!verdict.order.is_linearizable());
    assert_eq!(verdict.lost.expect("1 is not there").changes, [1]);
}

#[test]
fn conditions_hold_when_changes_are_made_and_only_then() {
    let version = |version| Condition::Version(version);
    let good = [
        Operation::write(0, 0, 1)
            .only_if(Condition::Absent)
            .returned(10, made(5, false)),
        Operation::write(1, 20, 2)
            .only_if(Condition::Absent)
            .refused(30),
        Operation::write(1, 40, 3)
            .only_if(version(5))
            .returned(60, made(6, true)),
        Operation::delete(2, 40).only_if(version(5)).refused(60),
        Operation::delete(2, 70)
            .only_if(Condition::Present)
            .made(80),
    ];
    assert!(is_linearizable(&good));
    // Two of the same version can't both win,
    let mut both = good;
    both[3] = Operation::delete(2, 40).only_if(version(5)).made(60);
    assert!(!is_linearizable(&both));
    // nor is anything refused that must hold.
    let mut refused = good;
    refused[2] = Operation::write(1, 40, 3).only_if(version(5)).refused(60);
    assert!(!is_linearizable(&refused));
}

#[test]
fn a_refusal_may_be_the_only_trace_of_a_write_without_an_answer() {
    let mut history = vec![
        Operation::write(0, 0, 1).returned(10, made(5, false)),
        Operation::write(1, 20, 2),
        Operation::write(2, 30, 3)
            .only_if(Condition::Version(5))
            .refused(40),
    ];
    assert!(is_linearizable(&history));
    history.remove(1);
    assert!(!is_linearizable(&history));
}

#[test]
fn what_is_told_of_what_was_there_must_be_so() {
    let history = |found| {
        [
            Operation::write(0, 0, 1).returned(10, made(5, false)),
            Operation::delete(0, 20).returned(
                30,
                Outcome::Made {
                    version: None,
                    found: Some(found),
                },
            ),
        ]
    };
    assert!(is_linearizable(&history(true)));
    assert!(!is_linearizable(&history(false)));
}

#[test]
fn a_bound_that_is_hit_is_named_and_a_value_written_twice_too() {
    let writes: Vec<_> = (0..20)
        .map(|n| Operation::write(n, 0, n.into()).made(100))
        .collect();
    let facts = Facts::of(&writes);
    let Order::Undecided { reason } = order::search(&writes, &facts, 1_000) else {
        panic!("a million ways were tried");
    };
    assert!(reason.contains("more than 1000 ways"), "{reason}");
    let twice = [Operation::write(0, 0, 1).made(1), Operation::write(0, 2, 1)];
    let Order::Undecided { reason } = judge(&twice).order else {
        panic!("nobody can know");
    };
    assert!(reason.contains("written twice"), "{reason}");
    let many: Vec<_> = (0..129)
        .map(|n| Operation::read(n, 0).saw(9, None))
        .collect();
    let Order::Undecided { reason } = judge(&many).order else {
        panic!("there are not as many bits");
    };
    assert!(reason.contains("128 operations"), "{reason}");
}

#[test]
fn a_history_survives_json() {
    let history = register(&mut Random::new(1, 1), 4, 40, 80_000);
    let json = serde_json::to_string(&history).expect("plain data");
    let read: Vec<Operation> = serde_json::from_str(&json).expect("the same");
    assert_eq!(read, history);
    let verdict = judge(&history);
    let json = serde_json::to_string(&verdict).expect("plain data");
    let read: Verdict = serde_json::from_str(&json).expect("the same");
    assert_eq!(read, verdict);
}

/// What clients saw of a real register, which did each of their operations at one moment of its time.
/// Of a million changes, `unanswered` have no answer, and half of those never happen.
fn register(random: &mut Random, clients: u32, count: usize, unanswered: u32) -> Vec<Operation> {
    let mut asked: Vec<(u64, Operation, u64, bool)> = Vec::new();
    let mut free: Vec<u64> = (0..clients).map(|_| random.below(10)).collect();
    for value in 1..=count as u64 {
        let client = random.below(clients.into()) as usize;
        let invoked = free[client];
        let returned = invoked + random.between(1, 30);
        let mut happens = random.between(invoked, returned);
        free[client] = returned + random.between(1, 5);
        let operation = match random.below(10) {
            0..=4 => Operation::read(client as u32, invoked),
            5..=8 => Operation::write(client as u32, invoked, value),
            _ => Operation::delete(client as u32, invoked),
        };
        // Some answers never come; what they would have told of happens later, or never.
        let is_unanswered = operation.what != What::Read && random.happens(unanswered);
        if is_unanswered {
            happens = invoked + random.below(200);
        }
        asked.push((happens, operation, returned, is_unanswered));
    }
    // Conditions of versions that were there some time.
    asked.sort_by_key(|(happens, ..)| *happens);
    let mut there: Option<(u64, u64)> = None;
    let mut version = 100;
    let mut history = Vec::new();
    for (_, operation, at, is_unanswered) in asked {
        let condition = match random.below(6) {
            0 => Condition::Absent,
            1 => Condition::Present,
            2 => Condition::Version(version - random.below(2)),
            _ => Condition::Always,
        };
        let operation = operation.only_if(condition);
        let holds = match condition {
            Condition::Always => true,
            Condition::Absent => there.is_none(),
            Condition::Present => there.is_some(),
            Condition::Version(version) => there.is_some_and(|there| there.1 == version),
        };
        let is_lost = is_unanswered && random.happens(500_000);
        let found = Some(there.is_some());
        let outcome = match operation.what {
            What::Read => Outcome::Saw(there.map(|(value, version)| Seen {
                value,
                version: Some(version),
            })),
            _ if !holds => Outcome::Refused,
            _ if is_lost => Outcome::Failed,
            What::Write { value, .. } => {
                version += 1;
                there = Some((value, version));
                let version = Some(version);
                Outcome::Made { version, found }
            }
            What::Delete { .. } => {
                there = None;
                let version = None;
                Outcome::Made { version, found }
            }
        };
        history.push(match is_unanswered {
            true => operation,
            false => operation.returned(at, outcome),
        });
    }
    history
}

#[test]
fn all_that_a_register_does_is_explained() {
    for seed in 0..300 {
        let random = &mut Random::new(seed, 1);
        let history = register(random, 1 + (seed % 8) as u32, 200, 80_000);
        let verdict = judge(&history);
        assert!(verdict.is_clean(), "seed {seed}: {verdict:?}");
    }
}

#[test]
fn thousands_of_operations_of_eight_clients_need_few_configurations() {
    let history = register(&mut Random::new(7, 2), 8, 5_000, 80_000);
    let facts = Facts::of(&history);
    let unanswered = history.iter().filter(|one| one.returned.is_none()).count();
    assert!(unanswered > 150, "{unanswered}");
    let order = order::search(&history, &facts, CONFIGURATIONS_MAX / 20);
    assert_eq!(order, Order::Linearizable);
}

#[test]
fn what_is_spoilt_is_found_out_as_far_as_anyone_could() {
    let mut spoilt = [0, 0];
    for seed in 0..3_000 {
        let random = &mut Random::new(seed, 3);
        let mut history = register(random, 3, 8, 250_000);
        spoil(&mut history, random);
        let expected = is_explained_by_some_order(&history);
        assert_eq!(
            is_linearizable(&history),
            expected,
            "seed {seed}: {history:?}"
        );
        spoilt[usize::from(expected)] += 1;
    }
    assert!(spoilt[0] > 500 && spoilt[1] > 500, "{spoilt:?}");
}

#[test]
fn a_read_of_what_was_certainly_overwritten_is_found_in_any_history() {
    let mut spoilt = 0;
    for seed in 0..100 {
        let random = &mut Random::new(seed, 4);
        let mut history = register(random, 8, 300, 80_000);
        let Some(read) = spoil_certainly(&mut history, random) else {
            continue;
        };
        spoilt += 1;
        let verdict = judge(&history);
        assert!(!verdict.order.is_linearizable(), "seed {seed}");
        let is_named = verdict.stale.iter().any(|stale| stale.read == read);
        assert!(is_named, "seed {seed}: {read} in {:?}", verdict.stale);
    }
    assert!(spoilt > 80, "{spoilt}");
}

/// Changes one answer into another one that may be given.
fn spoil(history: &mut [Operation], random: &mut Random) {
    let place = random.below(history.len() as u64) as usize;
    let value = 1 + random.below(history.len() as u64);
    let operation = &mut history[place];
    let Some(returned) = &mut operation.returned else {
        return;
    };
    returned.outcome = match (operation.what, random.below(3)) {
        (What::Read, 0) => Outcome::Saw(None),
        (What::Read, _) => Outcome::Saw(Some(Seen {
            value,
            version: None,
        })),
        (_, 0) => Outcome::Failed,
        (_, 1) => Outcome::Refused,
        (..) => Outcome::Made {
            version: None,
            found: Some(random.below(2) == 0),
        },
    };
}

/// Lets a read see a write that another one had followed before the read began.
fn spoil_certainly(history: &mut [Operation], random: &mut Random) -> Option<usize> {
    let ended = |operation: &Operation| match (operation.what, operation.returned) {
        (What::Write { value, .. }, Some(returned)) => {
            matches!(returned.outcome, Outcome::Made { .. }).then_some((value, returned.at))
        }
        _ => None,
    };
    let first = random.below(history.len() as u64 / 2) as usize;
    let (value, end) = history[first..].iter().find_map(ended)?;
    let second = history.iter().filter(|one| one.invoked > end);
    let (_, end) = second.filter_map(ended).min_by_key(|(_, end)| *end)?;
    let is_late = |one: &Operation| one.what == What::Read && one.invoked > end;
    let read = history.iter().position(is_late)?;
    history[read].returned.as_mut()?.outcome = Outcome::Saw(Some(Seen {
        value,
        version: None,
    }));
    Some(read)
}

/// Tries all orders: slow, but plain.
fn is_explained_by_some_order(history: &[Operation]) -> bool {
    let outcome = |one: &Operation| one.returned.map(|returned| returned.outcome);
    let mut rest: Vec<Operation> = history.to_vec();
    rest.retain(|one| outcome(one) != Some(Outcome::Failed));
    let mut versions = std::collections::BTreeMap::new();
    for one in history {
        match (one.what, outcome(one)) {
            (What::Write { value, .. }, Some(Outcome::Made { version, .. })) => {
                versions.extend(version.map(|version| (value, version)));
            }
            (_, Some(Outcome::Saw(Some(seen)))) => {
                versions.extend(seen.version.map(|version| (seen.value, version)));
            }
            _ => {}
        }
    }
    try_all(None, &rest, &versions)
}

fn try_all(
    there: Option<u64>,
    rest: &[Operation],
    versions: &std::collections::BTreeMap<u64, u64>,
) -> bool {
    let is_optional = |one: &Operation| one.returned.is_none();
    if rest.iter().all(is_optional) {
        return true;
    }
    let first_end = rest
        .iter()
        .filter_map(|one| one.returned.map(|returned| returned.at))
        .min();
    (0..rest.len()).any(|place| {
        let one = rest[place];
        if first_end.is_some_and(|end| one.invoked > end) {
            return false;
        }
        let mut left = rest.to_vec();
        left.remove(place);
        after(there, &one, versions).is_some_and(|there| try_all(there, &left, versions))
    })
}

/// What may be there after an operation that is done now; nothing if it can't be done now.
fn after(
    there: Option<u64>,
    one: &Operation,
    versions: &std::collections::BTreeMap<u64, u64>,
) -> Option<Option<u64>> {
    let version = there.and_then(|value| versions.get(&value).copied());
    let holds = |condition| match condition {
        Condition::Always => Some(true),
        Condition::Absent => Some(there.is_none()),
        Condition::Present => Some(there.is_some()),
        Condition::Version(_) if there.is_none() => Some(false),
        Condition::Version(wanted) => match version {
            Some(version) => Some(version == wanted),
            None if versions.values().any(|version| *version == wanted) => Some(false),
            None => None,
        },
    };
    let (condition, makes) = match one.what {
        What::Read => (Condition::Always, there),
        What::Write { value, condition } => (condition, Some(value)),
        What::Delete { condition } => (condition, None),
    };
    let outcome = one.returned.map(|returned| returned.outcome);
    match outcome {
        Some(Outcome::Saw(seen)) => (seen.map(|seen| seen.value) == there).then_some(there),
        Some(Outcome::Refused) => (holds(condition) != Some(true)).then_some(there),
        Some(Outcome::Made { found, .. }) => {
            let is_so = found.is_none_or(|found| found == there.is_some());
            (is_so && holds(condition) != Some(false)).then_some(makes)
        }
        Some(Outcome::Failed) => None,
        None => (holds(condition) != Some(false)).then_some(makes),
    }
}
