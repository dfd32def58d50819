//! Proof: what is to be said of a record, for programs and for people.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::figures::timeline;
use sim::figures::timeline::Timeline;
use sim::history::order::Order;
use sim::history::reads::Lost;
use sim::history::{Operation, Outcome, Verdict, What, judge};

use super::load::CONTENDED;
use super::record::{Done, Key, Record, longest_gap};

/// What is to be said of a record. As JSON: what `prove --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Proof {
    pub(super) seed: u64,
    /// How long clients worked.
    pub(super) seconds: f64,
    pub(super) nodes: usize,
    pub(super) clients: u32,
    /// Operations that clients began, and keys.
    pub(super) operations: usize,
    pub(super) keys: usize,
    /// Changes that were acknowledged, and those without an answer.
    pub(super) acknowledged: usize,
    pub(super) unanswered: usize,
    pub(super) lost: Vec<LostKey>,
    pub(super) stale_reads: usize,
    pub(super) non_monotonic_reads: usize,
    pub(super) phantom_reads: usize,
    /// Keys whose answers no order explains, and keys of which that was not found out.
    pub(super) linearizability_violations: usize,
    pub(super) undecided: Vec<Undecided>,
    pub(super) faults: Vec<FaultReport>,
    /// Attempts that came to nothing, or may have.
    pub(super) errors: BTreeMap<String, u64>,
    /// Whether the ring was ideal and ready in the end.
    pub(super) ideal: bool,
    /// What kept it from that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    pub(super) verdict: &'static str,
    /// What goes with it, by file; the last one only where something is wrong.
    pub(super) picture: Option<String>,
    pub(super) numbers: Option<String>,
    pub(super) history: Option<String>,
    #[serde(skip)]
    pub(super) guilty: Vec<Guilty>,
    #[serde(skip)]
    pub(super) timeline: Timeline,
    #[serde(skip)]
    pub(super) failures: Vec<u64>,
}

/// A key whose last acknowledged change is gone.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LostKey {
    pub(super) key: String,
    /// The change that is gone, or one of these.
    pub(super) changes: Vec<LostChange>,
    /// The value that was read instead; nothing where nothing is there, or where nobody answers.
    pub(super) read: Option<u64>,
    /// In words.
    pub(super) why: &'static str,
}

/// A change that was acknowledged.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LostChange {
    pub(super) client: u32,
    /// What was written; nothing for a delete.
    pub(super) value: Option<u64>,
    pub(super) invoked_ms: u64,
    pub(super) acknowledged_ms: u64,
}

/// A key of which nobody found out whether one order explains all answers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Undecided {
    pub(super) key: String,
    pub(super) reason: String,
}

/// Something that was broken, and how long nothing was done then.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FaultReport {
    pub(super) kind: &'static str,
    pub(super) node: String,
    pub(super) at_ms: u64,
    /// Of all keys: the longest time without a write or a read that was done, until the next fault.
    pub(super) longest_write_gap_ms: u64,
    pub(super) longest_read_gap_ms: u64,
    /// The same of the one key of those that all clients fight for which waited longest.
    pub(super) longest_write_gap_of_a_key_ms: u64,
    pub(super) longest_read_gap_of_a_key_ms: u64,
    /// When the network was whole again, after this fault began; nothing where it never was.
    pub(super) whole_after_ms: Option<u64>,
    /// What kept it from that when it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// A key with which something is wrong, and all that shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Guilty {
    pub(super) key: String,
    pub(super) verdict: Verdict,
    pub(super) operations: Vec<Operation>,
}

/// What a proof is of.
#[derive(Clone, Debug)]
pub(super) struct Circumstances {
    pub(super) seed: u64,
    pub(super) nodes: usize,
    pub(super) clients: u32,
    /// When clients stopped, in microseconds.
    pub(super) stopped: u64,
    /// What keeps the ring from being ideal and ready in the end.
    pub(super) problem: Option<String>,
}

/// Judges a record, whose every key was read in the end, as far as anyone answered.
pub(super) fn prove(record: &Record, of: Circumstances) -> Proof {
    let mut proof = Proof {
        seed: of.seed,
        seconds: of.stopped as f64 / 1e6,
        nodes: of.nodes,
        clients: of.clients,
        operations: record.keys.iter().map(|key| key.operations.len()).sum(),
        keys: record.keys.len(),
        acknowledged: 0,
        unanswered: 0,
        lost: Vec::new(),
        stale_reads: 0,
        non_monotonic_reads: 0,
        phantom_reads: 0,
        linearizability_violations: 0,
        undecided: Vec::new(),
        faults: faults(record, of.stopped),
        errors: owned(record.errors_by_kind()),
        ideal: of.problem.is_none(),
        problem: of.problem.clone(),
        verdict: NOTHING_LOST,
        picture: None,
        numbers: None,
        history: None,
        guilty: Vec::new(),
        timeline: timeline(record, of.stopped),
        failures: per_second(record.errors.iter().map(|(at, _)| *at), of.stopped),
    };
    for key in &record.keys {
        proof.add(key, of.stopped);
    }
    if !proof.lost.is_empty() {
        proof.verdict = "lost";
    }
    proof
}

impl Proof {
    /// Whether no acknowledged change is lost.
    pub(super) fn is_good(&self) -> bool {
        self.verdict == NOTHING_LOST
    }

    fn add(&mut self, key: &Key, stopped: u64) {
        let operations = &key.operations;
        self.acknowledged += operations.iter().filter(|one| is_acknowledged(one)).count();
        let is_unanswered = |one: &&Operation| one.returned.is_none();
        self.unanswered += operations.iter().filter(is_unanswered).count();
        let verdict = judge(operations);
        self.stale_reads += verdict.stale.len();
        self.non_monotonic_reads += verdict.back.len();
        self.phantom_reads += verdict.phantoms.len();
        match &verdict.order {
            Order::Linearizable => {}
            Order::Broken { .. } => self.linearizability_violations += 1,
            Order::Undecided { reason } => self.undecided.push(Undecided {
                key: key.name.clone(),
                reason: reason.clone(),
            }),
        }
        let lost = self.lost.len();
        let was_read = |one: &Operation| {
            let seen = one.returned.map(|returned| returned.outcome);
            one.invoked >= stopped && matches!(seen, Some(Outcome::Saw(_)))
        };
        if let Some(lost) = &verdict.lost {
            self.lost.push(LostKey::of(key, lost));
        } else if !operations.iter().any(was_read) {
            self.lost.extend(LostKey::unread(key));
        }
        if !verdict.is_clean() || self.lost.len() > lost {
            self.guilty.push(Guilty {
                key: key.name.clone(),
                verdict,
                operations: operations.clone(),
            });
        }
    }
}

impl LostKey {
    fn of(key: &Key, lost: &Lost) -> LostKey {
        let operation = |place: &usize| key.operations[*place];
        let changes = lost.changes.iter().map(operation);
        let read = match operation(&lost.read).returned.map(|read| read.outcome) {
            Some(Outcome::Saw(seen)) => seen.map(|seen| seen.value),
            _ => None,
        };
        LostKey {
            key: key.name.clone(),
            changes: changes.filter_map(|one| LostChange::of(&one)).collect(),
            read,
            why: match read {
                None => "nothing is there",
                Some(_) => "something older is there",
            },
        }
    }

    /// A key of which something was acknowledged, and nobody can tell what is there.
    fn unread(key: &Key) -> Option<LostKey> {
        let acknowledged = key.operations.iter().filter(|one| is_acknowledged(one));
        let last = acknowledged.max_by_key(|one| one.returned.map(|returned| returned.at))?;
        Some(LostKey {
            key: key.name.clone(),
            changes: LostChange::of(last).into_iter().collect(),
            read: None,
            why: "nobody answers for it",
        })
    }
}

impl LostChange {
    fn of(operation: &Operation) -> Option<LostChange> {
        Some(LostChange {
            client: operation.client,
            value: match operation.what {
                What::Write { value, .. } => Some(value),
                What::Read | What::Delete { .. } => None,
            },
            invoked_ms: operation.invoked / 1_000,
            acknowledged_ms: operation.returned?.at / 1_000,
        })
    }
}

fn is_acknowledged(operation: &Operation) -> bool {
    let outcome = operation.returned.map(|returned| returned.outcome);
    matches!(outcome, Some(Outcome::Made { .. }))
}

fn faults(record: &Record, stopped: u64) -> Vec<FaultReport> {
    let all = Done::of(&record.keys, stopped);
    let contended = record.keys.iter().take(CONTENDED);
    let contended: Vec<Done> = contended.map(|key| Done::of([key], stopped)).collect();
    let ends = record.faults.iter().skip(1).map(|next| next.at);
    let ends = ends.chain([stopped]);
    let report = |(fault, end): (&super::record::Fault, u64)| {
        let (from, to) = (fault.at, end.min(stopped));
        let gap_ms = |times: &[u64]| longest_gap(times, from, to) / 1_000;
        FaultReport {
            kind: fault.kind.name(),
            node: fault.node.clone(),
            at_ms: fault.at / 1_000,
            longest_write_gap_ms: gap_ms(&all.writes),
            longest_read_gap_ms: gap_ms(&all.reads),
            longest_write_gap_of_a_key_ms: contended
                .iter()
                .map(|key| gap_ms(&key.writes))
                .max()
                .unwrap_or(0),
            longest_read_gap_of_a_key_ms: contended
                .iter()
                .map(|key| gap_ms(&key.reads))
                .max()
                .unwrap_or(0),
            whole_after_ms: fault.whole.map(|whole| (whole - fault.at) / 1_000),
            problem: fault.problem.clone(),
            error: fault.error.clone(),
        }
    };
    record.faults.iter().zip(ends).map(report).collect()
}

fn timeline(record: &Record, stopped: u64) -> Timeline {
    let done = Done::of(&record.keys, stopped);
    let fault = |fault: &super::record::Fault| timeline::Fault {
        kind: fault.kind.name(),
        from_s: fault.at as f64 / 1e6,
        until_s: fault.whole.unwrap_or(stopped).min(stopped) as f64 / 1e6,
    };
    Timeline {
        writes: per_second(done.writes.into_iter(), stopped),
        reads: per_second(done.reads.into_iter(), stopped),
        faults: record.faults.iter().map(fault).collect(),
    }
}

/// How many of these times fall into each second, as far as the seconds are whole ones.
fn per_second(times: impl Iterator<Item = u64>, end: u64) -> Vec<u64> {
    let mut seconds = vec![0; (end + 500_000) as usize / 1_000_000];
    for at in times {
        if let Some(second) = seconds.get_mut((at / 1_000_000) as usize) {
            *second += 1;
        }
    }
    seconds
}

fn owned(kinds: BTreeMap<&str, u64>) -> BTreeMap<String, u64> {
    let kinds = kinds.into_iter();
    kinds
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect()
}

pub(super) const NOTHING_LOST: &str = "nothing lost";

#[cfg(test)]
mod tests {
    use super::super::faults::Kind;
    use super::super::record::Fault;
    use super::*;

    fn proof(operations: Vec<Operation>) -> Proof {
        let mut record = Record::new(["a".to_owned()]);
        record.keys[0].operations = operations;
        record.faults.push(Fault {
            kind: Kind::Kill,
            node: "PROC10001".to_owned(),
            at: 10_000,
            whole: Some(30_000),
            problem: None,
            error: None,
        });
        record.errors.push((15_000, "refused".to_owned()));
        let of = Circumstances {
            seed: 7,
            nodes: 8,
            clients: 2,
            stopped: 1_050_000,
            problem: None,
        };
        prove(&record, of)
    }

    #[test]
    fn a_history_in_order_is_proven() {
        let proof = proof(vec![
            Operation::write(0, 0, 1).made(9_000),
            Operation::write(1, 20_000, 2).made(30_000),
            Operation::read(0, 1_060_000).saw(1_061_000, Some(2)),
        ]);
        assert!(proof.is_good());
        assert_eq!((proof.acknowledged, proof.guilty.len()), (2, 0));
        let fault = &proof.faults[0];
        assert_eq!((fault.at_ms, fault.longest_write_gap_ms), (10, 1_020));
        assert_eq!(
            (fault.longest_read_gap_ms, fault.whole_after_ms),
            (1_050, Some(20))
        );
        assert_eq!(proof.errors["refused"], 1);
        assert_eq!(proof.timeline.writes, [2]);
    }

    #[test]
    fn a_lying_history_is_lost() {
        let written = [
            Operation::write(0, 0, 1).made(9_000),
            Operation::write(1, 20_000, 2).made(30_000),
        ];
        for (read, why) in [
            (Some(1), "something older is there"),
            (None, "nothing is there"),
        ] {
            let mut history = written.to_vec();
            history.push(Operation::read(0, 1_060_000).saw(1_061_000, read));
            let proof = proof(history);
            assert_eq!((proof.is_good(), proof.verdict), (false, "lost"));
            let json = serde_json::to_value(&proof).expect("plain data");
            let lost = &json["lost"][0];
            assert_eq!(
                (lost["key"].as_str(), lost["why"].as_str()),
                (Some("a"), Some(why))
            );
            assert_eq!(lost["changes"][0]["value"], 2);
            assert_eq!(lost["changes"][0]["acknowledged_ms"], 30);
            assert_eq!(json["linearizability_violations"], 1);
            assert_eq!(proof.guilty.len(), 1);
        }
    }

    #[test]
    fn what_nobody_answers_for_is_lost_too() {
        let mut history = vec![
            Operation::write(0, 0, 1).made(9_000),
            Operation::read(1, 20_000).saw(30_000, Some(1)),
            Operation::read(0, 1_060_000).returned(1_070_000, Outcome::Failed),
        ];
        let lost = proof(history.clone()).lost;
        assert_eq!(lost[0].why, "nobody answers for it");
        // Unless nothing was acknowledged.
        history[0].returned = None;
        assert!(proof(history).is_good());
    }
}
