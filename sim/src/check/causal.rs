//! Causal: three replicas of a causal store, three writes, and everything that can happen to what they send.
//!
//! The same [`dht::Causal`] that a server runs. One client writes `x` at the first replica and then, with what it
//! has seen, `y` at the second; another one writes `x` at the third. What is on its way arrives in any order, or
//! never; and some of it gets lost so that its sender notices. Stores are at once durable, and no time passes but
//! when nothing is on its way: then replicas must find what they lack.

mod cluster;
#[cfg(test)]
mod tests;

use std::time::Instant;

use serde::Serialize;

use crate::check::Violation;
use crate::check::search::{Model, State, search};
use cluster::{Cluster, REPLICAS, Stimulus};

/// What happens how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CausalOptions {
    /// Messages that get lost, as whoever asked notices.
    pub losses: u8,
    /// States after which to give up.
    pub states_max: usize,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct CausalReport {
    /// Different states.
    pub states: usize,
    /// Ways from one to another.
    pub transitions: u64,
    /// Steps from the start to the last state.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// Different states of single replicas.
    pub replica_states: usize,
    /// What happens how often.
    pub options: CausalOptions,
    /// Whether all states were looked at.
    pub complete: bool,
    /// What did not hold: nothing, or the first thing.
    pub violations: Vec<Violation>,
}

/// Looks at all states, until one violates something, or `progress`, which is called about once a second with
/// the states and the depth so far, says no.
pub fn check_causal(
    options: &CausalOptions,
    progress: impl FnMut(usize, usize) -> bool,
) -> CausalReport {
    explore(Cluster::new(), options, progress)
}

fn explore(
    cluster: Cluster,
    options: &CausalOptions,
    progress: impl FnMut(usize, usize) -> bool,
) -> CausalReport {
    let time = Instant::now();
    let losses = options.losses;
    let mut scene = Scene { cluster, losses };
    let found = search(&mut scene, options.states_max, progress);
    let violations = found.violation.into_iter();
    CausalReport {
        states: found.states,
        transitions: found.transitions,
        depth: found.depth,
        seconds: time.elapsed().as_secs_f64(),
        replica_states: scene.cluster.replica_states(),
        options: *options,
        complete: found.is_complete,
        violations: violations
            .map(|(property, steps)| Violation { property, steps })
            .collect(),
    }
}

/// All that can happen.
struct Scene {
    cluster: Cluster,
    losses: u8,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A message arrives: its place among those that are on their way.
    Arrive(usize),
    /// A question gets lost, or its answer, and its sender notices.
    Lose(usize),
    /// A client does what it does next.
    Call(usize),
}

impl Model for Scene {
    type Step = Step;

    fn start(&mut self) -> Vec<State> {
        vec![self.cluster.start()]
    }

    fn steps(&mut self, state: &State, out: &mut Vec<(Step, State)>) {
        for place in 0..self.cluster.letters(state).len() {
            let after = self.cluster.put(state, Stimulus::Arrive(place));
            out.push((Step::Arrive(place), after));
            if state[LOST] < u32::from(self.losses) {
                let mut after = self.cluster.put(state, Stimulus::Lose(place));
                after[LOST] += 1;
                out.push((Step::Lose(place), after));
            }
        }
        for client in 0..2 {
            if self.cluster.may_call(state, client) {
                let after = self.cluster.put(state, Stimulus::Call(client));
                out.push((Step::Call(client), after));
            }
        }
    }

    fn violated(&mut self, state: &State) -> Option<String> {
        let shown: Vec<_> = (0..REPLICAS)
            .map(|replica| self.cluster.shown(state, replica))
            .collect();
        let clients = self.cluster.clients(state);
        if let Some(first) = &clients.first {
            let writer = cluster::writer(0);
            let has = |replica: &&cluster::Shown| replica.vector.last(writer) >= first.last(writer);
            if shown.iter().filter(has).count() < 2 {
                return Some("a write that is acknowledged is on two stores".into());
            }
            let is_torn = |replica: &cluster::Shown| replica.has_y && !replica.vector.covers(first);
            if shown.iter().any(is_torn) {
                return Some("a replica that shows a write shows what came before it".into());
            }
        }
        if !self.cluster.letters(state).is_empty() {
            return None;
        }
        let rested = self.cluster.rest(state);
        let mut shown = (0..REPLICAS).map(|replica| self.cluster.shown(&rested, replica).records);
        let first = shown.next();
        let is_equal = shown.all(|records| Some(records) == first);
        (!is_equal).then(|| "replicas are equal once time has passed".into())
    }

    fn state(&self, state: &State) -> String {
        self.cluster.text(state)
    }

    fn step(&self, step: Step) -> String {
        match step {
            Step::Arrive(place) => format!("message {place} arrives"),
            Step::Lose(place) => format!("message {place} gets lost"),
            Step::Call(client) => format!("client {client} writes"),
        }
    }
}

/// Where a state says how many messages were lost.
const LOST: usize = REPLICAS + 2;
