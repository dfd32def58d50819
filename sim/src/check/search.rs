//! Search: all states of a model, the nearest first, so that the first violation has a shortest
//! story.

use std::time::{Duration, Instant};

use crate::check::cast::LIVES_MAX;
use crate::check::seen::Seen;

/// A state of a model: what each life is, by a number that only the model understands.
pub(crate) type State = [u32; LIVES_MAX];

/// What can happen in a small ring.
pub(crate) trait Model {
    /// One thing that happens.
    type Step: Copy;

    /// Where it begins.
    fn start(&mut self) -> Vec<State>;

    /// All that can happen next, and what comes of it; a step may change nothing.
    fn steps(&mut self, state: &State, out: &mut Vec<(Self::Step, State)>);

    /// What must hold of every state and does not hold of this one, in plain English.
    fn violated(&mut self, state: &State) -> Option<String>;

    /// The state as people read it.
    fn state(&self, state: &State) -> String;

    /// The step as people read it.
    fn step(&self, step: Self::Step) -> String;
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) transitions: u64,
    pub(crate) depth: usize,
    /// Whether all states were looked at.
    pub(crate) is_complete: bool,
    /// What did not hold, and how it came about.
    pub(crate) violation: Option<(String, Vec<String>)>,
}

/// Looks at all states, until one of them violates something, or `progress`, which is called about
/// once a second with states and depth so far, says no.
pub(crate) fn search<M: Model>(
    model: &mut M,
    states_max: usize,
    mut progress: impl FnMut(usize, usize) -> bool,
) -> Found {
    let mut seen = Seen::new();
    let mut parents: Vec<u32> = Vec::new();
    let mut found = Found::default();
    for state in model.start() {
        let (place, is_new) = seen.insert(state);
        if is_new {
            parents.push(place);
            if let Some(property) = model.violated(&state) {
                found.violation = Some((property, story(model, &seen, &parents, place)));
            }
        }
    }
    let mut steps = Vec::new();
    let (mut place, mut level_end) = (0, seen.len());
    let mut next_report = Instant::now() + REPORT;
    while place < seen.len() && found.violation.is_none() && seen.len() < states_max {
        if place == level_end {
            level_end = seen.len();
            found.depth += 1;
        }
        if place % 1024 == 0 && Instant::now() > next_report {
            next_report += REPORT;
            if !progress(seen.len(), found.depth) {
                break;
            }
        }
        steps.clear();
        model.steps(&seen.item(place as u32), &mut steps);
        found.transitions += steps.len() as u64;
        for (_, state) in &steps {
            let (child, is_new) = seen.insert(*state);
            if is_new {
                parents.push(place as u32);
                if let Some(property) = model.violated(state) {
                    found.depth += 1;
                    found.violation = Some((property, story(model, &seen, &parents, child)));
                    break;
                }
            }
        }
        place += 1;
    }
    found.states = seen.len();
    found.is_complete = place == seen.len() && found.violation.is_none();
    found
}

/// How a state came about, step by step.
fn story<M: Model>(model: &mut M, seen: &Seen<State>, parents: &[u32], last: u32) -> Vec<String> {
    let mut places = vec![last];
    let mut place = last;
    while parents[place as usize] != place {
        place = parents[place as usize];
        places.push(place);
    }
    places.reverse();
    let mut lines = vec![format!("start: {}", model.state(&seen.item(places[0])))];
    let mut steps = Vec::new();
    for pair in places.windows(2) {
        let (before, after) = (seen.item(pair[0]), seen.item(pair[1]));
        steps.clear();
        model.steps(&before, &mut steps);
        let step = steps.iter().find(|(_, state)| *state == after);
        let (step, _) = step.expect("a state comes about by a step from the one before it");
        lines.push(format!("{}: {}", model.step(*step), model.state(&after)));
    }
    lines
}

/// Between two reports of progress.
const REPORT: Duration = Duration::from_secs(1);
