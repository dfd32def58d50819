//! Content: who serves what while nodes join and leave.

use dht::Id;
use dht::record::{Record, Version};
use dht::store::{Memory, Store as _};

use crate::check::cast::Life;
use crate::check::ring::Ring;
use crate::check::search::State;

impl Ring {
    /// One acknowledged item on every place, each at the node that owns it.
    pub(crate) fn contents(&self, lives: &[Life]) -> Vec<Memory> {
        if !self.world.content {
            return Vec::new();
        }
        let mut stores = vec![Memory::default(); lives.len()];
        for place in 0..self.world.cast.places {
            let owner = lives.iter().enumerate();
            let owner = owner.min_by_key(|(_, life)| self.world.cast.distance(place, **life));
            let (owner, _) = owner.expect("a ring has members");
            let record = Record {
                name: None,
                value: Some([place][..].into()),
                version: Version::new(1, 1),
                expires_ms: None,
            };
            stores[owner].merge(self.item(place), record);
        }
        stores
    }

    /// The identifier of the item on a place: that of the node that may stand there.
    fn item(&self, place: u8) -> Id {
        self.world.cast.peer(place).id
    }

    /// Each item is answered for by at most one node, and somebody who answers for it, or stopped
    /// only while it moves, has it.
    pub(crate) fn content_problem(&self, state: &State) -> Option<String> {
        if !self.world.content {
            return None;
        }
        (0..self.world.cast.places).find_map(|place| {
            let key = self.item(place);
            let hosts = state.iter().map(|number| self.hosts.host(*number));
            let nodes = hosts.filter_map(|host| host.node());
            let (mut servers, mut holders) = (0, 0);
            for kept in nodes.map(|node| self.known.kept(node)) {
                let view = kept.node.view();
                let is_responsible = view.serves.iter().any(|range| range.arc.contains(key));
                let is_fenced = view.fenced.is_some_and(|arc| arc.contains(key));
                let has_it = kept.store.read(key).is_some();
                if is_responsible && !is_fenced {
                    servers += 1;
                    if !has_it {
                        return Some(format!(
                            "who answers for an item has it; for the item at {place} somebody has not"
                        ));
                    }
                }
                holders += usize::from(is_responsible && has_it);
            }
            match (servers, holders) {
                (2.., _) => Some(format!(
                    "an item is served by one owner; that at {place} by {servers}"
                )),
                (_, 0) => Some(format!("an item is never unowned; that at {place} is")),
                _ => None,
            }
        })
    }
}
