//! Returner: a node that has lost its store must not answer clients before it has been told all that its shard
//! had when it died.

use std::collections::BTreeMap;

use dht::causal::seen::Seen;

use super::judge::Judge;
use super::network::{Address, Network};

/// Nodes that have lost their stores and have not answered clients since.
#[derive(Debug, Default)]
pub(super) struct Returners {
    /// What showed in their shards when they died.
    had: BTreeMap<Address, Seen>,
}

impl Returners {
    /// A node is about to lose its store.
    pub(super) fn loses(&mut self, network: &Network, at: Address) {
        let layout = network.node(at).layouts().0;
        let shard = layout.shard(&at);
        let members = shard.into_iter().flat_map(|shard| layout.members(shard));
        let had = self.had.entry(at).or_default();
        for member in members {
            had.merge(network.node(*member).seen());
        }
    }

    /// Looks at those that answer clients again.
    pub(super) fn look(&mut self, network: &Network, judge: &mut Judge) {
        let answers = |at: &Address| network.is_up(*at) && network.node(*at).is_ready();
        let back: Vec<Address> = self.had.keys().copied().filter(answers).collect();
        for at in back {
            let (node, had) = (network.node(at), self.had.remove(&at).unwrap_or_default());
            let (seen, shard) = (node.seen(), node.layouts().0.shard(&at).unwrap_or_default());
            let covers = || {
                let own = seen.of(shard).cloned().unwrap_or_default();
                had.of(shard).is_none_or(|had| own.covers(had))
            };
            if seen.epoch < had.epoch || seen.epoch == had.epoch && !covers() {
                let text = format!("node {at} serves {seen:?}, and its shard had {had:?}");
                let property = "who lost its store is told all before it serves";
                judge.fail(property, network.now_us, text);
            }
        }
    }
}
