//! Group: every order of events of one group of three members that keep an arc.
//!
//! The members are real nodes, each with a store that outlasts its crashes. Explored are the orders in
//! which their messages arrive, or never do, and when clients write and read, clocks beat, messages get lost
//! and are missed, and members crash and start again on their stores. It begins where the first member leads
//! and all have everything. Each state is judged: see `judge`.
//!
//! What is bounded: how often each of these happens, by [`GroupOptions`]; and by [`Order`] what overtakes what,
//! for without that an epoch change has too many states. An epoch ends because a member hears nothing of
//! its leader for so long that it has lost its patience, while the others doubt; the clock of whoever serves
//! stands still meanwhile, and no other clock beats unless asked. What is left out: the ring around the
//! group, whose pointers stay as they are, so that the group has the same members in every epoch and only
//! its leader changes; other groups of the same nodes; stores that take their time, or forget in a crash
//! what they have not flushed; messages that arrive twice; deaths that others notice, for who crashes comes
//! back soon, as the same life.
//!
//! States are made of numbers: `member` puts each thing that happens to a member in one state to the real node
//! once. Members are told apart by fingerprints of 128 bits of all that they know and have stored, but for
//! the names of their questions; states are compared whole.

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
    /// Clients' writes, one after the other or at once: 0 to 15, as all of these.
    pub writes: u8,
    /// Clients' reads.
    pub reads: u8,
    /// Single beats of a member's clock.
    pub beats: u8,
    /// Beats in a row of a member that does not serve, so many that it proposes the next epoch if it hears
    /// nothing meanwhile.
    pub lapses: u8,
    /// Questions or answers that get lost, and whose askers notice.
    pub losses: u8,
    /// Crashes of one member at a time, which starts again on its store.
    pub crashes: u8,
    /// What overtakes what.
    pub order: Order,
    /// States after which the search is given up.
    pub states_max: usize,
}

/// Which messages arrive in the order in which they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// All that one member sends another.
    Pair,
    /// The questions of one member to another, and the answers to them: as on the line that nodes have for
    /// that. The questions of the other one and their answers travel apart.
    Line,
    /// None.
    Any,
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
