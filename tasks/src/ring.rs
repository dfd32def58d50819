//! Ring: whether the members of a network form an ideal ring. Where somebody lists them, [`listed`] judges.
//!
//! Ideal is: in the order of identifiers, every node names the one before it, the one after it and
//! as many after that as its list holds; the arcs that they serve are exactly those that the rule
//! of ownership gives them, so every key has one owner; and nothing is on its way between them.

use std::collections::BTreeMap;

use dht::id::{Arc, Id};
use dht_state::Process;
use futures::future::join_all;
use serde::Serialize;

use crate::client::Client;
use crate::cluster::Network;
use crate::listed;
use crate::nodeinfo::{NodeInfo, Peer};
use crate::settings::Settings;

/// What was seen of a process of the network.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// The process has ended.
    Dead,
    /// The process is there, but gives no nodeinfo; why.
    Silent(String),
    /// It answers.
    Answers(Box<NodeInfo>),
}

/// A process of the network, and what was seen of it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// As it was started.
    pub(crate) process: Process,
    /// At this moment.
    pub(crate) sight: Sight,
}

/// Whether the ring is ideal, and all that was seen. As JSON: what `ring --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Whether those that are alive form an ideal ring.
    pub(crate) ideal: bool,
    /// Why not, one line each.
    pub(crate) problems: Vec<String>,
    /// Names of processes that have ended. They are no part of any ring, so their death alone is
    /// no problem once the others have mended it.
    pub(crate) dead: Vec<String>,
    /// What those that answer say of themselves, in ring order.
    pub(crate) nodes: Vec<NodeInfo>,
}

impl Report {
    /// What those that answer form: a ring that keeps itself, or a list that somebody keeps.
    pub(crate) fn kind(&self) -> &'static str {
        match self.nodes.iter().any(|info| info.listed.is_some()) {
            true => "list",
            false => "ring",
        }
    }
}

/// Looks at all processes of a network at once.
pub(crate) async fn look(client: &Client, network: &Network) -> Vec<Member> {
    let members = network.processes.iter().map(|process| async {
        let sight = if !process.is_running() {
            Sight::Dead
        } else {
            match client.nodeinfo(&process.address).await {
                Ok(mut info) => {
                    if network.settings.is_listed() {
                        info.listed = listed::look(client, &process.address).await.ok();
                        // Of the same moment as what is judged, for copies may have gone since.
                        let here = info.listed.as_ref().map(|listed| listed.here.keys);
                        info.keys = here.unwrap_or(info.keys);
                    }
                    Sight::Answers(Box::new(info))
                }
                // It may have ended just now, which says more than that it is silent.
                Err(_) if !process.is_running() => Sight::Dead,
                Err(_) if process.is_paused() => Sight::Silent("is paused".to_owned()),
                Err(reason) => Sight::Silent(reason),
            }
        };
        Member {
            process: process.clone(),
            sight,
        }
    });
    join_all(members).await
}

/// Judges what was seen.
pub(crate) fn check(members: &[Member], settings: &Settings) -> Report {
    let mut report = Report {
        ideal: false,
        problems: Vec::new(),
        dead: Vec::new(),
        nodes: Vec::new(),
    };
    let mut ring = BTreeMap::new();
    for Member { process, sight } in members {
        let name = &process.name;
        let info = match sight {
            Sight::Dead => {
                report.dead.push(name.clone());
                continue;
            }
            Sight::Answers(info) if info.id.to_string() == process.id => Some(info.as_ref()),
            Sight::Answers(info) => {
                let other = format!("{name}: {} answers at {}", info.name, process.address);
                report.problems.push(other);
                None
            }
            // It may come back at any moment, so the others are right to point to it.
            Sight::Silent(reason) => {
                report.problems.push(format!("{name}: {reason}"));
                None
            }
        };
        match process.id.parse::<Id>() {
            Ok(id) => {
                ring.insert(id, Place { id, process, info });
            }
            Err(error) => report.problems.push(format!("{name}: {error}")),
        }
    }
    let names = Names::of(members);
    let ring: Vec<_> = ring.into_values().collect();
    if settings.is_listed() {
        report.problems.extend(listed::problems(members, settings));
    }
    for (place, Place { process, info, .. }) in ring.iter().enumerate() {
        let (Some(info), false) = (info, settings.is_listed()) else {
            continue;
        };
        let problems = problems_at(place, info, &ring, settings, &names);
        let name = &process.name;
        let problems = problems.into_iter().map(|what| format!("{name}: {what}"));
        report.problems.extend(problems);
    }
    if ring.is_empty() && report.problems.is_empty() {
        report.problems.push("no process is alive".to_owned());
    }
    report.ideal = report.problems.is_empty();
    report.nodes = ring
        .iter()
        .filter_map(|place| place.info.cloned())
        .collect();
    report
}

/// A place in the ring, and who holds it.
struct Place<'a> {
    id: Id,
    process: &'a Process,
    /// Nothing where it does not answer.
    info: Option<&'a NodeInfo>,
}

impl Place<'_> {
    /// How others should name this node. What it says of its own start counts, if it does: a node
    /// that lost its place may take a new incarnation when it joins again.
    fn peer(&self) -> Peer {
        let said = self.info.and_then(|info| info.incarnation);
        Peer {
            id: self.id,
            address: self.process.address.clone(),
            incarnation: said.unwrap_or(self.process.incarnation),
        }
    }
}

/// Everything wrong with the node at `place` of the ring.
fn problems_at(
    place: usize,
    info: &NodeInfo,
    ring: &[Place<'_>],
    settings: &Settings,
    names: &Names,
) -> Vec<String> {
    let after = |steps: usize| ring[(place + steps) % ring.len()].peer();
    let others = ring.len() - 1;
    let (predecessor, successor) = (after(others), after(1));
    let mut problems = Vec::new();

    if info.phase != "member" {
        problems.push(format!("is {}, not a member of the ring", info.phase));
    }
    if info.ownership != settings.ownership {
        problems.push("goes by another rule of ownership than the network".to_owned());
    }
    if let Some(wrong) = names.compare(info.predecessor.as_ref(), &predecessor) {
        problems.push(format!("predecessor is {wrong}"));
    }
    if let Some(wrong) = names.compare(info.successor.as_ref(), &successor) {
        problems.push(format!("successor is {wrong}"));
    }
    let length = others.min(settings.successors.into());
    for step in 1..=length {
        if let Some(wrong) = names.compare(info.successors.get(step - 1), &after(step)) {
            problems.push(format!("entry {step} of its successor list is {wrong}"));
        }
    }
    if info.successors.len() > length {
        let entries = info.successors.len();
        problems.push(format!(
            "its successor list has {entries} entries, not {length}"
        ));
    }
    let own = settings
        .ownership
        .arc(predecessor.id, info.id, successor.id);
    problems.extend(problems_of_arcs(own, info));
    problems.extend(problems_of_copies(
        info,
        ring.len().min(settings.replicas.into()),
    ));
    for fetching in &info.fetches {
        let (arc, percent) = (fetching.range.arc(), fetching.percent);
        let records = fetching.records;
        problems.push(format!("fetches {arc}: {percent} %, {records} records"));
    }
    if let Some(handover) = &info.handover {
        let to = names.of_peer(&handover.to);
        problems.push(format!("is handing {} over to {to}", handover.arc));
    }
    problems
}

/// What is not served of a node's own arc, and what is served beside it.
fn problems_of_arcs(own: Arc, info: &NodeInfo) -> impl Iterator<Item = String> + use<> {
    let served: Vec<_> = info.serves.iter().map(|range| range.arc()).collect();
    let missing = served.iter().fold(vec![own], |missing, served| {
        let rest = missing.iter().flat_map(|arc| arc.without(*served));
        rest.collect()
    });
    let beside = served.into_iter().flat_map(move |arc| arc.without(own));
    let missing = missing.into_iter();
    missing
        .map(|arc| format!("does not serve {arc}, which is its own"))
        .chain(beside.map(|arc| format!("serves {arc}, which is not its own")))
}

/// What there are fewer copies of than there should be, by those who lead groups.
fn problems_of_copies(info: &NodeInfo, wanted: usize) -> impl Iterator<Item = String> + use<'_> {
    let led = info
        .groups
        .iter()
        .filter(|group| group.leader.id == info.id);
    led.filter_map(move |group| {
        let copies = group.synced.len().min(group.members.len());
        let arc = group.range.arc();
        (copies < wanted).then(|| format!("knows of {copies} of {wanted} copies of {arc}"))
    })
}

/// The names that go with identifiers.
#[derive(Debug)]
pub(crate) struct Names(BTreeMap<Id, String>);

impl Names {
    /// Of everyone who is or was a member.
    fn of(members: &[Member]) -> Names {
        Names::of_processes(members.iter().map(|member| &member.process))
    }

    /// Of these processes.
    pub(crate) fn of_processes<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Names {
        let named = |process: &Process| Some((process.id.parse().ok()?, process.name.clone()));
        Names(processes.into_iter().filter_map(named).collect())
    }

    /// The name of a node; its address where it is nobody we know.
    pub(crate) fn of_peer<'a>(&'a self, peer: &'a Peer) -> &'a str {
        self.0.get(&peer.id).unwrap_or(&peer.address)
    }

    /// What is wrong about a pointer; nothing if it points where it should.
    fn compare(&self, found: Option<&Peer>, expected: &Peer) -> Option<String> {
        let should = self.of_peer(expected);
        let Some(found) = found else {
            return Some(format!("nobody, not {should}"));
        };
        if found == expected {
            return None;
        }
        let is = self.of_peer(found);
        Some(if found.id != expected.id {
            format!("{is}, not {should}")
        } else if found.address != expected.address {
            format!("{is} at {}, not at {}", found.address, expected.address)
        } else {
            let (old, new) = (found.incarnation, expected.incarnation);
            format!("{is} in its start {old}, not {new}")
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use dht::ownership::Ownership;
    use dht_state::Started;
    use serde_json::json;

    use super::*;
    use crate::nodeinfo::{Handover, Range};
    use crate::settings::tests::settings;

    /// An ideal ring of `count` nodes that goes by `settings`, in ring order.
    pub(crate) fn ideal(count: usize, settings: &Settings) -> Vec<Member> {
        let name = |number: usize| format!("PROC{}", 10_001 + number);
        let mut peers: Vec<_> = (0..count)
            .map(|number| {
                let peer = Peer {
                    id: Id::of(name(number).as_bytes()),
                    address: format!("127.0.0.1:{}", 10_001 + number),
                    incarnation: 1 + number as u32,
                };
                (peer, name(number))
            })
            .collect();
        peers.sort();
        let member = |place: usize| {
            let (peer, name) = &peers[place];
            let after = |steps: usize| peers[(place + steps) % count].0.clone();
            let (predecessor, successor) = (after(count - 1), after(1));
            let arc = settings
                .ownership
                .arc(predecessor.id, peer.id, successor.id);
            let successors = (1..=(count - 1).min(settings.successors.into())).map(after);
            let info = json!({
                "name": name, "id": peer.id, "address": peer.address, "network": "default",
                "predecessor": predecessor, "successor": successor,
                "successors": successors.collect::<Vec<_>>(), "fingers": [], "keys": 0,
                "ownership": settings.ownership, "routing": "finger", "replicas": 1,
                "version": "0.1.0", "phase": "member", "handover": null,
                "serves": [{"start": arc.start, "end": arc.end, "epoch": 1}],
            });
            Member {
                process: Process {
                    name: name.clone(),
                    id: peer.id.to_string(),
                    address: peer.address.clone(),
                    incarnation: peer.incarnation,
                    pid: 1,
                    started: Started {
                        boot: "boot".into(),
                        ticks: 1,
                    },
                    log: "log".into(),
                    data: None,
                },
                sight: Sight::Answers(serde_json::from_value(info).expect("a nodeinfo")),
            }
        };
        (0..count).map(member).collect()
    }

    /// The problems of a ring of seven after something was done to its first node.
    fn problems(change: impl FnOnce(&mut NodeInfo, &[Peer])) -> Vec<String> {
        let mut members = ideal(7, &settings());
        let peers: Vec<_> = members.iter().map(peer).collect();
        let Sight::Answers(info) = &mut members[0].sight else {
            panic!("everybody answers");
        };
        change(info, &peers);
        let report = check(&members, &settings());
        assert_eq!(report.ideal, report.problems.is_empty());
        report.problems
    }

    fn peer(member: &Member) -> Peer {
        let process = &member.process;
        let id = process.id.parse().expect("an identifier");
        Place {
            id,
            process,
            info: None,
        }
        .peer()
    }

    #[test]
    fn rings_of_any_size_are_ideal_under_both_rules() {
        for ownership in [Ownership::Successor, Ownership::Predecessor] {
            let settings = Settings {
                ownership,
                ..settings()
            };
            for count in 1..=8 {
                let report = check(&ideal(count, &settings), &settings);
                assert_eq!(report.problems, Vec::<String>::new(), "{count}");
                assert!(report.ideal);
                assert!(report.nodes.is_sorted_by_key(|info| info.id));
                assert_eq!(report.nodes.len(), count);
            }
        }
    }

    #[test]
    fn a_network_without_processes_is_no_ring() {
        let report = check(&[], &settings());
        assert!(!report.ideal);
    }

    #[test]
    fn wrong_pointers_are_named() {
        let found = problems(|info, peers| info.predecessor = Some(peers[5].clone()));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("predecessor is PROC"), "{found:?}");
        let found = problems(|info, _| info.predecessor = None);
        assert!(
            found[0].contains("predecessor is nobody, not PROC"),
            "{found:?}"
        );
        let found = problems(|info, peers| info.successor = Some(peers[2].clone()));
        assert!(found[0].contains("successor is PROC"), "{found:?}");
    }

    #[test]
    fn a_list_may_be_wrong_too_short_or_too_long() {
        let found = problems(|info, peers| info.successors[2] = peers[5].clone());
        assert!(
            found[0].contains("entry 3 of its successor list"),
            "{found:?}"
        );
        let found = problems(|info, _| info.successors.truncate(3));
        assert!(
            found[0].contains("entry 4 of its successor list is nobody"),
            "{found:?}"
        );
        let found = problems(|info, peers| info.successors.push(peers[5].clone()));
        assert!(found[0].contains("has 5 entries, not 4"), "{found:?}");
    }

    #[test]
    fn a_pointer_to_an_earlier_start_is_wrong() {
        let found = problems(|info, _| {
            let successor = info.successor.as_mut().expect("there is one");
            successor.incarnation += 100;
        });
        assert!(found[0].contains("in its start 10"), "{found:?}");
    }

    #[test]
    fn a_pointer_to_another_address_is_wrong() {
        let found = problems(|info, _| info.successors[0].address = "127.0.0.1:1".into());
        assert!(
            found[0].contains("at 127.0.0.1:1, not at 127.0.0.1:1000"),
            "{found:?}"
        );
    }

    #[test]
    fn what_a_node_says_of_its_own_start_counts() {
        let found = problems(|info, _| info.incarnation = Some(99));
        // Now everybody who points to it points to an earlier start.
        assert_eq!(found.len(), 1 + 1 + 4, "{found:?}");
        assert!(found[0].contains("not 99"), "{found:?}");
    }

    #[test]
    fn keys_that_nobody_or_somebody_else_serves_are_named() {
        let found = problems(|info, _| info.serves.clear());
        assert!(found[0].contains("does not serve"), "{found:?}");
        let found = problems(|info, _| info.serves[0].start = info.serves[0].start.next());
        assert!(found[0].contains("does not serve"), "{found:?}");
        let found = problems(|info, _| info.serves[0].start = info.serves[0].start.previous());
        assert!(found[0].contains("which is not its own"), "{found:?}");
    }

    #[test]
    fn an_arc_may_be_served_in_pieces() {
        let found = problems(|info, _| {
            let whole = info.serves[0];
            let middle = whole.start.next();
            info.serves = vec![
                Range {
                    end: middle,
                    ..whole
                },
                Range {
                    start: middle,
                    ..whole
                },
            ];
        });
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_handover_under_way_is_not_ideal() {
        let found = problems(|info, peers| {
            info.handover = Some(Handover {
                to: peers[1].clone(),
                arc: info.serves[0].arc(),
                sent: 3,
            });
        });
        assert!(found[0].contains("over to PROC"), "{found:?}");
    }

    #[test]
    fn who_is_joining_is_no_member() {
        let found = problems(|info, _| info.phase = "joining".into());
        assert!(found[0].contains("is joining"), "{found:?}");
    }

    #[test]
    fn who_goes_by_another_rule_is_named() {
        let found = problems(|info, _| info.ownership = Ownership::Predecessor);
        assert!(found[0].contains("another rule"), "{found:?}");
    }

    #[test]
    fn somebody_else_at_an_address_is_named() {
        let found = problems(|info, _| info.id = Id::ZERO);
        assert!(found[0].contains("answers at 127.0.0.1:"), "{found:?}");
    }

    #[test]
    fn a_silent_process_is_a_problem() {
        let mut members = ideal(3, &settings());
        members[1].sight = Sight::Silent("silent for 1000 ms".into());
        let report = check(&members, &settings());
        let name = &members[1].process.name;
        // Whoever points to it is right.
        assert_eq!(report.problems, [format!("{name}: silent for 1000 ms")]);
        assert_eq!(report.nodes.len(), 2);
    }

    #[test]
    fn a_death_is_a_problem_until_the_others_have_mended_the_ring() {
        let mut members = ideal(3, &settings());
        members[1].sight = Sight::Dead;
        let name = members[1].process.name.clone();
        let report = check(&members, &settings());
        assert!(!report.ideal);
        assert_eq!(report.dead, [name.as_str()]);
        assert!(report.problems[0].contains(&name), "{:?}", report.problems);

        let mut mended = ideal(3, &settings());
        let mut fourth = ideal(4, &settings());
        fourth.retain(|member| member.process.name == "PROC10004");
        fourth[0].sight = Sight::Dead;
        mended.append(&mut fourth);
        let report = check(&mended, &settings());
        assert!(report.ideal, "{:?}", report.problems);
        assert_eq!(report.dead.len(), 1);
    }

    #[test]
    fn json_has_the_shape_that_scripts_rely_on() {
        let report = check(&ideal(2, &settings()), &settings());
        let json = serde_json::to_value(report).expect("plain data");
        assert_eq!(json["ideal"], true);
        assert_eq!(json["problems"], json!([]));
        let node = &json["nodes"][0];
        assert_eq!(node["replicas"], 1, "what we don't read is passed on");
        for field in [
            "name",
            "id",
            "address",
            "predecessor",
            "successor",
            "successors",
            "keys",
        ] {
            assert!(!node[field].is_null(), "{field}");
        }
    }
}
