//! Shrink: a script that breaks something, reduced to what is needed to break it.
//!
//! Steps are left out in ever smaller pieces (after Zeller's ddmin), as long as the same property
//! still fails. What comes after the violation is left out at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::plan::Plan;
use crate::script::Step;
use crate::swarm::attempt;

/// Reduces a plan that violates `property`, by at most `runs` runs. Returns a plan that still does,
/// and how many runs it took.
pub fn shrink(plan: Plan, property: &str, runs: u32, stop: &AtomicBool) -> (Plan, u32) {
    let mut shrinker = Shrinker {
        best: plan,
        property,
        used: 0,
        runs,
        stop,
    };
    let script = shrinker.best.script.clone();
    if shrinker.try_script(script) {
        shrinker.reduce();
    }
    (shrinker.best, shrinker.used)
}

struct Shrinker<'a> {
    best: Plan,
    property: &'a str,
    used: u32,
    runs: u32,
    stop: &'a AtomicBool,
}

impl Shrinker<'_> {
    fn reduce(&mut self) {
        let mut size = self.best.script.len().div_ceil(2);
        while size > 0 && !self.is_over() {
            let mut start = 0;
            let before = self.best.script.len();
            while start < self.best.script.len() && !self.is_over() {
                let mut script = self.best.script.clone();
                let end = (start + size).min(script.len());
                script.drain(start..end);
                if !self.try_script(script) {
                    start += size;
                }
            }
            // Leaving single steps out goes on for as long as it helps.
            if size > 1 || self.best.script.len() == before {
                size /= 2;
            }
        }
    }

    /// Whether this script breaks the same property; if it does, it is the best so far.
    fn try_script(&mut self, script: Vec<Step>) -> bool {
        self.used += 1;
        let mut plan = Plan {
            script,
            ..self.best.clone()
        };
        let Some(report) = attempt(plan.clone(), self.stop) else {
            return false;
        };
        let same = |violation: &&crate::observe::Violation| violation.property == self.property;
        let Some(violation) = report.violations.iter().find(same) else {
            return false;
        };
        let last_ms = violation.at_us / 1_000;
        plan.script.retain(|step| step.at_ms <= last_ms);
        self.best = plan;
        true
    }

    fn is_over(&self) -> bool {
        self.used >= self.runs || self.stop.load(Ordering::Relaxed)
    }
}
