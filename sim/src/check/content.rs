//! Content: who serves what while nodes join, leave and die.

use dht::Id;
use dht::record::{Record, Version};
use dht::store::{Memory, Store as _};

use crate::check::cast::{Life, Set, members};
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
                flags: 0,
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

    /// The items that die with a node that served them; and those of which a giver that has not learned
    /// that it did still has a copy.
    pub(crate) fn dies_with(&self, state: &State, life: Life) -> (Set, Set) {
        let (mut lost, mut risked) = (0, 0);
        if !self.world.content {
            return (lost, risked);
        }
        for place in 0..self.world.cast.places {
            let is_keeper = |other: &Life| {
                let roles = self.roles(state, *other, place);
                roles.is_some_and(|roles| roles.is_responsible && roles.has_it)
            };
            let others = self.world.cast.all().filter(|other| *other != life);
            match (is_keeper(&life), others.filter(is_keeper).count()) {
                (false, _) => {}
                (true, 0) => lost |= 1 << place,
                (true, _) if self.serves(state, life, place) => risked |= 1 << place,
                (true, _) => {}
            }
        }
        (lost, risked)
    }

    /// The givers of what was at risk have learned more: they serve it again, or forget it as well.
    pub(crate) fn settle_risks(&mut self, state: &mut State) {
        for life in self.world.cast.all() {
            let mut host = self.hosts.host(state[usize::from(life)]);
            if host.risked == 0 {
                continue;
            }
            for place in members(host.risked) {
                let mut keepers = self.world.cast.all().filter(|other| {
                    let roles = self.roles(state, *other, place);
                    roles.is_some_and(|roles| roles.is_responsible && roles.has_it)
                });
                match keepers.next() {
                    Some(keeper) if !self.serves(state, keeper, place) => continue,
                    Some(_) => {}
                    None => host.lost |= 1 << place,
                }
                host.risked &= !(1 << place);
            }
            let cast = self.world.cast;
            state[usize::from(life)] = self.hosts.number(life, host, &self.known, cast);
        }
    }

    fn serves(&self, state: &State, life: Life, place: u8) -> bool {
        let roles = self.roles(state, life, place);
        roles.is_some_and(|roles| roles.is_responsible && !roles.is_fenced)
    }

    /// What a node is to the item on a place.
    fn roles(&self, state: &State, life: Life, place: u8) -> Option<Roles> {
        let key = self.item(place);
        let node = self.hosts.host(state[usize::from(life)]).node()?;
        let kept = self.known.kept(node);
        let view = kept.node.view();
        Some(Roles {
            is_responsible: view.serves.iter().any(|range| range.arc.contains(key)),
            is_fenced: view.fenced.is_some_and(|arc| arc.contains(key)),
            has_it: kept.store.read(key).is_some(),
        })
    }

    /// Each item is answered for by at most one node, and somebody who answers for it, or stopped
    /// only while it moves, has it, unless the only one who did died. What died with its owner does not
    /// come back.
    pub(crate) fn content_problem(&self, state: &State) -> Option<String> {
        if !self.world.content {
            return None;
        }
        let hosts = state.iter().map(|number| self.hosts.host(*number));
        let lost = hosts.fold(0, |lost, host| lost | host.lost);
        (0..self.world.cast.places).find_map(|place| {
            let is_lost = lost >> place & 1 == 1;
            let all = self.world.cast.all();
            let roles = all.filter_map(|life| self.roles(state, life, place));
            let (mut servers, mut holders) = (0, 0);
            for roles in roles.filter(|roles| roles.is_responsible) {
                holders += usize::from(roles.has_it);
                servers += usize::from(!roles.is_fenced);
                if !roles.is_fenced && !roles.has_it && !is_lost {
                    return Some(format!(
                        "who answers for an item has it; for the item at {place} somebody has not"
                    ));
                }
            }
            match (servers, holders, is_lost) {
                (2.., _, _) => Some(format!(
                    "an item is served by one owner; that at {place} by {servers}"
                )),
                (_, 0, false) => Some(format!("an item is never unowned; that at {place} is")),
                (_, 1.., true) => Some(format!(
                    "what died with its owner does not come back; the item at {place} does"
                )),
                _ => None,
            }
        })
    }
}

/// What a node is to an item.
struct Roles {
    /// Whether it answers for it, or has only stopped while it moves.
    is_responsible: bool,
    /// Whether it has stopped.
    is_fenced: bool,
    has_it: bool,
}
