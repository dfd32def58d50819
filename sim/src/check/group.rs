//! Group: every order of events of one group of three members that keep an arc.
//!
//! The members are real nodes, each with a store that outlasts its crashes. Explored are the orders in
//! which their messages arrive, and when clients write and read, clocks beat, messages get lost, and
//! members crash and start again on their stores. It begins where the first member leads and all have
//! everything. Each state is judged: see `judge`.
//!
//! What is bounded: how often each of these happens, by [`GroupOptions`]. What is left out: the ring
//! around the group, whose pointers stay as they are, so that the group has the same members in every
//! epoch and only its leader changes; other groups of the same nodes; stores that forget in a crash what
//! they have not flushed; deaths that others notice, for who crashes comes back soon, as the same life.
//! States are told apart by fingerprints of 128 bits of all that is in them, counters included.

mod host;
mod judge;
mod letter;
mod scene;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use serde::Serialize;

use crate::check::Violation;
use crate::check::group::scene::{Scene, Step};

/// How often each thing happens at most, in one order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupOptions {
    /// Clients' writes, one after the other or at once: 0 to 4.
    pub writes: u8,
    /// Clients' reads: 0 to 4.
    pub reads: u8,
    /// Single beats of a member's clock: 0 to 8.
    pub beats: u8,
    /// Beats in a row, so many that the member that hears nothing meanwhile proposes the next epoch: 0
    /// to 8.
    pub lapses: u8,
    /// Questions or answers that get lost: 0 to 4.
    pub losses: u8,
    /// Crashes of one member at a time, which starts again on its store: 0 to 4.
    pub crashes: u8,
    /// States after which the search is given up.
    pub states_max: usize,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// Different states of the group.
    pub states: usize,
    /// Things that can happen in them.
    pub transitions: u64,
    /// Most steps from the start.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// The highest epoch that was decided.
    pub epochs: u32,
    /// Most writes that were acknowledged in one order of events.
    pub acknowledged: usize,
    /// What happens how often.
    pub options: GroupOptions,
    /// Whether all states were looked at.
    pub complete: bool,
    /// What did not hold: nothing, or the first thing.
    pub violations: Vec<Violation>,
}

/// Looks at all states of a group, until one violates something, or `progress`, which is called now and
/// then with the states and the depth so far, says no.
pub fn check_group(
    options: &GroupOptions,
    progress: impl FnMut(usize, usize) -> bool,
) -> GroupReport {
    explore(options, Scene::new(*options), progress)
}

fn explore(
    options: &GroupOptions,
    start: Scene,
    mut progress: impl FnMut(usize, usize) -> bool,
) -> GroupReport {
    let time = Instant::now();
    let mut report = GroupReport {
        states: 0,
        transitions: 0,
        depth: 0,
        seconds: 0.0,
        epochs: 0,
        acknowledged: 0,
        options: *options,
        complete: false,
        violations: Vec::new(),
    };
    let mut seen = HashSet::from([start.fingerprint()]);
    // How each state came about: after which, and by what.
    let mut parents: Vec<(usize, Option<Step>)> = vec![(0, None)];
    let mut open = VecDeque::from([(0, 0, start.clone())]);
    let mut looked = 0;
    while let Some((number, depth, scene)) = open.pop_front() {
        report.depth = depth;
        looked += 1;
        let is_stopped = looked % 1_024 == 0 && !progress(parents.len(), depth);
        if is_stopped || parents.len() >= options.states_max {
            open.push_front((number, depth, scene));
            break;
        }
        for step in scene.steps() {
            report.transitions += 1;
            let mut after = scene.clone();
            let problem = after.perform(step);
            if !seen.insert(after.fingerprint()) && problem.is_none() {
                continue;
            }
            report.epochs = report.epochs.max(after.judge.epoch());
            report.acknowledged = report.acknowledged.max(after.judge.acknowledged());
            parents.push((number, Some(step)));
            if let Some(property) = problem {
                let steps = story(&start, &parents);
                report.violations.push(Violation { property, steps });
                break;
            }
            open.push_back((parents.len() - 1, depth + 1, after));
        }
        if !report.violations.is_empty() {
            break;
        }
    }
    report.states = parents.len();
    report.complete = open.is_empty() && report.violations.is_empty();
    report.seconds = time.elapsed().as_secs_f64();
    report
}

/// How the last state came about, step by step.
fn story(start: &Scene, parents: &[(usize, Option<Step>)]) -> Vec<String> {
    let mut steps = Vec::new();
    let mut number = parents.len() - 1;
    while let (parent, Some(step)) = parents[number] {
        steps.push(step);
        number = parent;
    }
    let mut scene = start.clone();
    let told = steps.into_iter().rev().map(|step| {
        let text = scene.in_words(step);
        scene.perform(step);
        text
    });
    told.collect()
}
