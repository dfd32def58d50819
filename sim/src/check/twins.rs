//! Twins: nodes that the checker takes for one and the same, put to the test.
//!
//! The checker looks at one of all nodes with the same projection. That is right only if the others would
//! have done the same, whatever happened to them, and would have become nodes that are the same again.

use std::collections::HashMap;

use crate::check::known::{Kept, Known, NodeId};

/// A sample of them, by whom they were taken for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Twins {
    met: HashMap<NodeId, Vec<Kept>>,
}

impl Twins {
    /// A node is taken for a known one.
    pub(crate) fn meet(&mut self, number: NodeId, twin: Kept, nodes: &[Kept]) {
        let met = self.met.entry(number).or_default();
        let text = |kept: &Kept| format!("{:?}", kept.node);
        let is_known = |other: &Kept| text(other) == text(&twin);
        if met.len() < TWINS_MAX && !is_known(&nodes[number as usize]) && !met.iter().any(is_known)
        {
            met.push(twin);
        }
    }
}

impl Known {
    /// How many differ although they were taken for the same, and how many were looked at: puts to them
    /// all that was put to the one that each was taken for.
    pub(crate) fn discord(&mut self) -> (usize, Vec<String>) {
        let met = self.twins.take().unwrap_or_default().met;
        let mut known: Vec<_> = self.outcomes.keys().copied().collect();
        known.sort_unstable_by_key(|(number, stimulus)| (*number, format!("{stimulus:?}")));
        let (mut count, mut differing) = (0, Vec::new());
        for (number, stimulus) in known {
            for twin in met.get(&number).into_iter().flatten() {
                count += 1;
                let expected = self.outcome(number, stimulus);
                let outcome = self.put(twin.clone(), stimulus);
                if outcome != *expected {
                    let node = &self.kept(number).node;
                    differing.push(format!(
                        "{stimulus:?}: {expected:?} of {node:?}\n{outcome:?} of {:?}",
                        twin.node
                    ));
                }
            }
        }
        (count, differing)
    }
}

/// Twins of one node that are kept.
const TWINS_MAX: usize = 4;
