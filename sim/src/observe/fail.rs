//! Fail: when the proof of the protocol allows a node to fail.
//!
//! Nobody else may be left without a living successor, and no principal may go unless enough of them
//! stay. Lists on their way count as if they were already adopted, for they will be; and whoever is
//! leaving counts as gone, for it will be, and nobody can hold it up.

use dht::Peer;
use dht::view::Phase;

use super::invariant::Ring;
use crate::engine::Network;

/// Whether a member may fail or leave now.
pub fn is_allowed(network: &Network, at: u32) -> bool {
    let view = network.view(at);
    let me = view.me;
    let length = usize::from(network.config().successors);
    let stays = |address: u32| network.view(address).phase == Phase::Member;
    let is_live =
        |peer: &&Peer<u32>| **peer != me && network.is_member(peer) && stays(peer.address);
    let survives = |list: Vec<&Peer<u32>>| !list.contains(&&me) || list.iter().any(is_live);
    let others = network.census().iter().filter(|(_, other)| *other != at);
    let mut kept = others.map(|(_, address)| network.view(address).successors.iter().collect());
    // A joiner takes the list as it is, others put it behind the node that sent it.
    let mut taken = network.lists_on_their_way().flat_map(|list| {
        let behind = std::iter::once(list.of).chain(list.successors);
        [
            list.successors.iter().collect(),
            behind.take(length).collect(),
        ]
    });
    if !kept.all(survives) || !taken.all(survives) {
        return false;
    }
    let ring = Ring::of(network);
    let principals = ring.principal_places(network, network.lists_on_their_way());
    let place = ring.members.iter().position(|(_, address)| *address == at);
    let is_principal = place.is_some_and(|place| principals[place]);
    let members = ring.members.iter().zip(&principals);
    let staying = members.filter(|((_, address), is_one)| **is_one && stays(*address));
    let count = staying.count();
    !is_principal || count > length + 1
}
