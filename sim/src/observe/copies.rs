//! Copies: every arc is led by its owner, kept by all who should keep it and by nobody else, and the same
//! with all of them.

use std::collections::BTreeSet;

use dht::view::Held;
use dht::{Arc, Id};

use crate::engine::{Address, Network, Status};

/// The first thing that is missing; nothing where every arc has all its copies.
pub fn missing(network: &Network) -> Option<String> {
    let census = network.census();
    let members: Vec<(Id, Address)> = census.iter().collect();
    let wanted = members.len().min(network.config().replicas.into());
    let zones = members.iter().filter_map(|(_, at)| network.zone(*at));
    let there = zones.collect::<BTreeSet<u64>>().len();
    let mut seen = Vec::new();
    for at in (0..network.addresses()).filter(|at| network.status(*at) != Status::Down) {
        let Some(node) = network.find(at) else {
            continue;
        };
        let view = node.view();
        if let Some(fetching) = view.fetches.first() {
            return Some(format!("{:?} still fetches {fetching:?}", view.me));
        }
        let has = |held: &&Held<Address>| held.synced.contains(&view.me.id);
        if let Some(lacking) = view.groups.iter().find(|held| !has(held)) {
            return Some(format!(
                "{:?} has not all of {:?}",
                view.me,
                lacking.group.tag()
            ));
        }
        for held in view
            .groups
            .iter()
            .filter(|held| held.group.leader().peer.id == view.me.id)
        {
            let group = &held.group;
            let is_led = view
                .serves
                .iter()
                .any(|range| range.arc == group.arc && range.epoch == group.epoch);
            if !is_led {
                return Some(format!("{:?} does not lead {:?} yet", view.me, group.tag()));
            }
            if group.members.len() != wanted || held.synced.len() != wanted {
                return Some(format!(
                    "{:?} of {wanted} copies: {held:?}",
                    held.synced.len()
                ));
            }
            let zones = group.members.iter().map(|member| member.peer.address);
            let zones: BTreeSet<u64> = zones.filter_map(|at| network.zone(at)).collect();
            if zones.len() < wanted.min(there) {
                return Some(format!("{:?} is in {} zones", group.tag(), zones.len()));
            }
            // A leader takes some time to notice that a member is gone.
            let is_there = |at: Address, store| {
                network.status(at) != Status::Down && network.store(at) == Some(store)
            };
            let mut members = group.members.iter();
            if let Some(gone) = members.find(|member| !is_there(member.peer.address, member.store))
            {
                return Some(format!("{gone:?} of {:?} is gone", group.tag()));
            }
            let owner = census.at_or_after(group.arc.end);
            if owner.is_none_or(|(id, _)| id != view.me.id) {
                return Some(format!("{:?} leads {:?} of {owner:?}", view.me, group.arc));
            }
            seen.push(group.arc);
        }
    }
    // As long as a newcomer leads nothing its neighbours decide about it.
    let is_led = |id: Id| seen.iter().any(|arc: &Arc| arc.end == id);
    if let Some((id, _)) = members.iter().find(|(id, _)| !is_led(*id)) {
        return Some(format!("{id:?} does not lead its arc yet"));
    }
    let rest = all_but(seen);
    rest.first().map(|arc| format!("nobody leads {arc:?}"))
}

/// A node that leads several groups; nothing where each leads one, for its whole arc.
pub fn unmerged(network: &Network) -> Option<String> {
    let members = network.census().iter();
    let mut views = members.map(|(_, address)| network.view(address));
    let several = views.find(|view| view.serves.len() > 1)?;
    Some(format!("{:?} leads {:?}", several.me, several.serves))
}

/// A record that not all who keep its arc have, or that somebody has who does not keep it.
pub fn different(network: &Network) -> Option<String> {
    let members: Vec<(Id, Address)> = network.census().iter().collect();
    for &(_, member) in &members {
        for held in &network.view(member).groups {
            let arc = held.group.arc;
            let copies = held.group.members.iter().map(|member| member.peer.address);
            let mut copies = copies.map(|at| (at, network.records(at, arc)));
            let Some((first, expected)) = copies.next() else {
                continue;
            };
            if let Some((other, _)) = copies.find(|(_, records)| *records != expected) {
                return Some(format!("{first} and {other} differ on {arc:?}"));
            }
        }
    }
    for (_, at) in members {
        let kept = network.view(at).groups.iter().map(|held| held.group.arc);
        let strange = all_but(kept);
        let mut records = strange.iter().flat_map(|arc| network.records(at, *arc));
        if let Some((key, _)) = records.next() {
            return Some(format!("{at} has {key:.8}, and is no member of its group"));
        }
    }
    None
}

/// The ring without these arcs.
fn all_but(arcs: impl IntoIterator<Item = Arc>) -> Vec<Arc> {
    arcs.into_iter().fold(vec![Arc::WHOLE], |rest, arc| {
        rest.into_iter()
            .flat_map(|piece| piece.without(arc))
            .collect()
    })
}
