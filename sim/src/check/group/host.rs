//! Host: a member and its store, and how it begins.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use dht::event::Timer;
use dht::store::{Memory, Store as _, perform};
use dht::{Action, Arc, Config, Event, Id, Node, Peer};

/// A member, by its place.
pub(super) type Place = usize;

pub(super) fn peer(place: Place) -> Peer<u32> {
    let mut bytes = [0; Id::BYTES];
    bytes[0] = (place as u8 + 1) << 4;
    Peer {
        id: Id::from_bytes(bytes),
        address: place as u32,
        incarnation: 1,
    }
}

fn config() -> Config {
    Config {
        successors: 2,
        replicas: MEMBERS as u8,
        ..Config::default()
    }
}

/// The store of a member of a new ring, without what it kept of the other arcs.
pub(super) fn founded(place: Place) -> Memory {
    let ring = [0, 1, 2].map(peer);
    let mut node = Node::in_ring(peer(place), &ring, config());
    let (mut all, mut store) = (Memory::default(), Memory::default());
    let mut actions = Vec::new();
    node.handle(Event::Elapsed(Timer::SelfCheck), &mut actions);
    for action in actions {
        if let Action::Store { command, .. } = action {
            perform(&mut all, command);
        }
    }
    let arc = Arc::new(peer(2).id, peer(0).id);
    let ends = [arc.start, arc.end];
    let about: Vec<u8> = ends.iter().flat_map(|id| *id.as_bytes()).collect();
    for (name, bytes) in all.notes() {
        if name.ends_with(&about) {
            let bytes = Some(bytes);
            store.note(dht::store::Note { name, bytes });
        }
    }
    store
}

/// A member of the ring that starts on this store.
pub(super) fn resumed(place: Place, store: &Memory) -> Node<u32> {
    let after = [1, 2].map(|steps| peer((place + steps) % MEMBERS));
    let before = after[1];
    let mut node = Node::placed(peer(place), before, after.into(), Vec::new(), config());
    node.restore(&store.notes());
    node
}

pub(super) fn fingerprint(text: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        text.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

pub(super) const MEMBERS: usize = 3;
