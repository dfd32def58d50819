//! Balance: when the shards are others than before, each has its share of the nodes and of the keys.

use dht::Id;
use dht::causal::layout::{Layout, SHARD_MIN};

use super::judge::Judge;
use super::network::{Address, Network};

/// The last layout that anyone has in force.
#[derive(Debug, Default)]
pub(super) struct Balance {
    epoch: u32,
    shards: u32,
    /// Changes of the number of shards.
    pub(super) reshards: u32,
}

impl Balance {
    /// Looks at the layout that is newest, if it has not yet.
    pub(super) fn look(&mut self, network: &Network, judge: &mut Judge) {
        let layouts = network.nodes().map(|node| node.layouts().0);
        let Some(layout) = layouts.max_by_key(|layout| layout.epoch) else {
            return;
        };
        if layout.epoch == self.epoch {
            return;
        }
        let is_dealt = self.epoch > 0 && layout.shards != self.shards;
        (self.epoch, self.shards) = (layout.epoch, layout.shards);
        if is_dealt {
            self.reshards += 1;
            if let Err(text) = check(layout) {
                judge.fail("shards are even", network.now_us, text);
            }
        }
    }
}

/// As many nodes in each as in any other, or one more, and within a quarter of its share of the keys.
fn check(layout: &Layout<Address>) -> Result<(), String> {
    let shards = layout.all_shards();
    let nodes: Vec<usize> = shards.map(|shard| layout.members(shard).count()).collect();
    let (least, most) = (nodes.iter().min(), nodes.iter().max());
    let least = *least.unwrap_or(&0);
    if least < SHARD_MIN || most.is_some_and(|most| most - least > 1) {
        return Err(format!("shards have {nodes:?} nodes"));
    }
    let mut keys = vec![0_u32; nodes.len()];
    for key in 0..KEYS {
        keys[layout.shard_of(Id::of_key(&key.to_be_bytes())) as usize] += 1;
    }
    let share = KEYS / nodes.len() as u32;
    match keys.iter().all(|keys| keys.abs_diff(share) <= share / 4) {
        true => Ok(()),
        false => Err(format!("shards have {keys:?} keys")),
    }
}

/// Keys that are looked at: so many that chance alone makes no quarter of a share.
const KEYS: u32 = 4_000;
