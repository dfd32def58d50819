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
mod member;
mod scene;
#[cfg(test)]
mod tests;

use std::time::Instant;

use serde::Serialize;

use crate::check::Violation;
use crate::check::group::scene::Scene;
use crate::check::search::search;

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
    /// Whether what one member sends another arrives in that order, questions and answers alike.
    pub in_order: bool,
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
    /// Different states of single members.
    pub member_states: usize,
    /// The highest epoch that was decided.
    pub epochs: u32,
    /// Most writes that were acknowledged in one order of events.
    pub acknowledged: u8,
    /// What happens how often.
    pub options: GroupOptions,
    /// Whether all states were looked at.
    pub complete: bool,
    /// What did not hold: nothing, or the first thing.
    pub violations: Vec<Violation>,
}

/// Looks at all states of a group, until one violates something, or `progress`, which is called about
/// once a second with the states and the depth so far, says no.
pub fn check_group(
    options: &GroupOptions,
    progress: impl FnMut(usize, usize) -> bool,
) -> GroupReport {
    explore(&mut Scene::new(*options), options, progress)
}

fn explore(
    scene: &mut Scene,
    options: &GroupOptions,
    progress: impl FnMut(usize, usize) -> bool,
) -> GroupReport {
    let time = Instant::now();
    let found = search(scene, options.states_max, progress);
    let judges = scene.judges().iter();
    let violations = found.violation.into_iter();
    GroupReport {
        states: found.states,
        transitions: found.transitions,
        depth: found.depth,
        seconds: time.elapsed().as_secs_f64(),
        member_states: scene.members.len(),
        epochs: judges.clone().map(|judge| judge.epoch()).max().unwrap_or(0),
        acknowledged: judges.map(|judge| judge.acknowledged).max().unwrap_or(0),
        options: *options,
        complete: found.is_complete,
        violations: violations
            .map(|(property, steps)| Violation { property, steps })
            .collect(),
    }
}
