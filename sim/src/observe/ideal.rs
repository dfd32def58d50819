//! Ideal: every pointer of every member is what the sorted list of members says.
//!
//! Once nothing more happens to it, a ring that satisfies the invariant becomes ideal within a number
//! of rounds: as many as a list is long until the dead are dropped from its head, one for each member
//! that lies between a node and whom it wrongly points to, and again as many as a list is long until
//! the lists' tails are right. A round is one stabilization of every node.

use dht::view::Phase;

use super::invariant::Ring;
use crate::engine::{Network, Status};
use crate::plan::Plan;

/// The first thing that is not ideal, looked for from a member on that wasn't when it was last asked;
/// nothing where all is.
#[derive(Clone, Debug, Default)]
pub struct Ideal {
    start: usize,
    addresses: u32,
}

impl Ideal {
    /// What is wrong with the pointers.
    pub fn pointers(&mut self, network: &Network) -> Option<String> {
        self.find(network, false)
    }

    /// What is wrong with the pointers, or with who serves what.
    pub fn everything(&mut self, network: &Network) -> Option<String> {
        self.find(network, true)
    }

    fn find(&mut self, network: &Network, arcs: bool) -> Option<String> {
        // Whoever was on its way in or out may still be.
        for step in 0..network.addresses() {
            let at = (self.addresses + step) % network.addresses();
            if let Some(text) = on_its_way(network, at) {
                self.addresses = at;
                return Some(text);
            }
        }
        let members: Vec<u32> = network
            .census()
            .iter()
            .map(|(_, address)| address)
            .collect();
        let count = members.len();
        for step in 0..count {
            let place = (self.start + step) % count;
            if let Some(text) = wrong(network, &members, place, arcs) {
                self.start = place;
                return Some(text);
            }
        }
        None
    }
}

fn on_its_way(network: &Network, at: u32) -> Option<String> {
    if network.status(at) == Status::Down {
        return None;
    }
    let view = network.find(at)?.view();
    let is_settled = matches!(view.phase, Phase::Member | Phase::Left);
    (!is_settled).then(|| format!("{:?} is {:?}", view.me, view.phase))
}

fn wrong(network: &Network, members: &[u32], place: usize, arcs: bool) -> Option<String> {
    let count = members.len();
    let peer = |step: usize| network.view(members[(place + step) % count]).me;
    let view = network.view(members[place]);
    let me = view.me;
    let before = peer(count - 1);
    if view.predecessor != Some(before) {
        let predecessor = view.predecessor;
        return Some(format!(
            "{me:?} has the predecessor {predecessor:?}, not {before:?}"
        ));
    }
    let length = usize::from(network.config().successors).min(count - 1);
    let is_right = view.successors.len() == length
        && view
            .successors
            .iter()
            .zip(1..)
            .all(|(successor, step)| *successor == peer(step));
    if !is_right {
        let after: Vec<_> = (1..=length).map(peer).collect();
        let successors = &view.successors;
        return Some(format!(
            "{me:?} has the successors {successors:?}, not {after:?}"
        ));
    }
    if !arcs {
        return None;
    }
    let arc = network.config().ownership.arc(before.id, me.id, peer(1).id);
    let is_served = match view.serves.as_slice() {
        [one] => one.arc == arc || (count == 1 && one.arc.start == one.arc.end),
        _ => false,
    };
    if !is_served {
        let serves = &view.serves;
        return Some(format!("{me:?} serves {serves:?}, not {arc:?}"));
    }
    let is_moving = view.fenced.is_some() || view.handover.is_some();
    is_moving.then(|| format!("{me:?} hands over"))
}

/// How long a quiet ring may take until its pointers are ideal, in microseconds.
pub fn patience_us(network: &Network, plan: &Plan) -> u64 {
    let Some(schedule) = plan.schedule else {
        return 0;
    };
    let length = u64::from(plan.successors);
    let rounds = 2 * length + Ring::of(network).error(network) as u64 + 1;
    // A round is a stabilization of everyone, by the slowest clock; an exchange that meets another one
    // is made again after up to 0.2 s.
    let longest = 1_000 + 10 * u64::from(schedule.vary_percent);
    let round_us = u64::from(schedule.stabilize_ms) * longest + 400_000;
    let skewed = round_us * 1_000_000 / (1_000_000 - u64::from(plan.faults.skew_ppm).min(500_000));
    // Of exchanges of up to four messages some are lost, and then a silence has to pass as well.
    let lossy = if plan.faults.is_lossy() || plan.faults.slow_ppm > 0 || plan.faults.reorder_us > 0
    {
        8
    } else {
        1
    };
    let detection_us = match plan.detector {
        crate::plan::Detector::Oracle => 0,
        crate::plan::Detector::Real => 40_000_000,
    };
    // One ring dissolves for the other, node by node, each at a self-check or when it is told.
    let reunion_us = if plan.partitions { REUNION_US } else { 0 };
    rounds * skewed * lossy + detection_us + reunion_us + 2_000_000
}

/// How long rings that were parted may take to find each other and become one, in microseconds.
const REUNION_US: u64 = 120_000_000;

/// How much longer content may be on its way to its owners, in microseconds: arcs that nobody handed
/// over are claimed one after the other. After a partition a group may be led by a node far behind its arc: it
/// goes back to its owner from node to node.
pub const fn moving_us(plan: &Plan) -> u64 {
    match plan.partitions {
        true => 120_000_000,
        false => 30_000_000,
    }
}
