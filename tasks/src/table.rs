//! Table: the ring in its order, for people.

use std::collections::BTreeMap;

use dht::id::{Arc, Id};
use dht_state::Process;

use crate::nodeinfo::{NodeInfo, Peer};
use crate::printer::{Line, Printer, short};
use crate::ring::{Member, Names, Report, Sight};

/// The processes that were started, in the order of their start.
pub(crate) fn processes(printer: Printer, processes: &[Process]) -> String {
    let row = |process: &Process| {
        Line::from([
            process.name.clone(),
            process.address.clone(),
            format!("{:.10}", process.id),
            process.pid.to_string(),
        ])
    };
    let rows = processes.iter().map(row).collect();
    printer.table(&["node", "address", "identifier", "process"], rows)
}

/// All members in ring order, the dead among them; `last` fills the last column.
pub(crate) fn ring(
    printer: Printer,
    members: &[Member],
    last_header: &str,
    last: impl Fn(&Member) -> String,
) -> String {
    let names = Names::of_processes(members.iter().map(|member| &member.process));
    let by_id: BTreeMap<_, _> = members
        .iter()
        .map(|member| (&member.process.id, member))
        .collect();
    let zone = |member: &Member| match &member.sight {
        Sight::Answers(info) => info.zone.clone(),
        Sight::Dead | Sight::Silent(_) => None,
    };
    let answers = |member: &Member| match &member.sight {
        Sight::Answers(info) => Some(info.clone()),
        Sight::Dead | Sight::Silent(_) => None,
    };
    let infos = || members.iter().filter_map(answers);
    let is_listed = infos().any(|info| info.listed.is_some());
    let has_partitions = infos().any(|info| info.partitions.is_some());
    let has_zones = members.iter().any(|member| zone(member).is_some());
    let columns: &[&str] = match (is_listed, has_partitions) {
        (false, _) => &["predecessor", "successor", "keys", "share"],
        (true, true) => &["partitions", "keys", "owned", "list"],
        (true, false) => &["keys", "owned", "list"],
    };
    let width = columns.len();
    let row = |(place, member): (usize, &&Member)| {
        let process = &member.process;
        let zone = has_zones.then(|| zone(member).unwrap_or_else(|| "–".to_owned()));
        let columns: Vec<String> = match &member.sight {
            Sight::Answers(info) if is_listed => holdings(info, has_partitions),
            Sight::Answers(info) => pointers(info, &names).into(),
            Sight::Dead | Sight::Silent(_) => vec!["–".to_owned(); width],
        };
        Line {
            cells: [
                (place + 1).to_string(),
                process.name.clone(),
                process.address.clone(),
                format!("{:.10}", process.id),
            ]
            .into_iter()
            .chain(zone)
            .chain(columns)
            .chain([last(member)])
            .collect(),
            dead: matches!(member.sight, Sight::Dead),
        }
    };
    let rows = by_id.values().enumerate().map(row).collect();
    let header: Vec<&str> = ["#", "node", "address", "identifier"]
        .into_iter()
        .chain(has_zones.then_some("zone"))
        .chain(columns.iter().copied())
        .chain([last_header])
        .collect();
    printer.table_to_fit(&header, rows, &["identifier", "share", "#"])
}

/// The line below it: whether the ring is ideal, and if not, why.
pub(crate) fn verdict(report: &Report) -> String {
    let keys: u64 = report.nodes.iter().map(|info| info.keys).sum();
    let kind = report.kind();
    let mut verdict = if report.ideal {
        format!(
            "An ideal {kind} of {}, {keys} keys.",
            nodes(report.nodes.len())
        )
    } else {
        let mut lines = vec![format!("Not an ideal {kind}:")];
        lines.extend(report.problems.iter().map(|problem| format!("  {problem}")));
        lines.join("\n")
    };
    if !report.dead.is_empty() {
        let dead = report.dead.join(", ");
        verdict += &format!("\nDead: {dead} (`tasks kill` removes a node from this list).");
    }
    verdict
}

/// "1 node", "2 nodes".
pub(crate) fn nodes(count: usize) -> String {
    counted(count, "node")
}

/// So many of something, whose plural is regular.
pub(crate) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// What a listed member holds, and by which version of the list.
fn holdings(info: &NodeInfo, has_partitions: bool) -> Vec<String> {
    let unknown = || "–".to_owned();
    let partitions = info
        .partitions
        .map_or_else(unknown, |count| count.to_string());
    let listed = info.listed.as_ref();
    let owned = listed.map_or_else(unknown, |listed| listed.here.owned.to_string());
    let version = listed.map_or_else(unknown, |listed| listed.list.version.to_string());
    let partitions = has_partitions.then_some(partitions);
    partitions
        .into_iter()
        .chain([info.keys.to_string(), owned, version])
        .collect()
}

fn pointers(info: &NodeInfo, names: &Names) -> [String; 4] {
    let name = |peer: Option<&Peer>| peer.map_or("–", |peer| names.of_peer(peer)).to_owned();
    let share: f64 = info.serves.iter().map(|range| share(range.arc())).sum();
    [
        name(info.predecessor.as_ref()),
        name(info.successor.as_ref()),
        info.keys.to_string(),
        format!("{:.1} %", share * 100.0),
    ]
}

/// How much of the whole ring an arc is, from 0 to 1.
fn share(arc: Arc) -> f64 {
    if arc.start == arc.end {
        return 1.0;
    }
    let length = arc.start.distance_to(arc.end);
    let (high, _) = length
        .as_bytes()
        .split_first_chunk::<8>()
        .expect("an identifier has 20 bytes");
    u64::from_be_bytes(*high) as f64 / u64::MAX as f64
}

/// A node for people: its name and address.
pub(crate) fn node(peer: &Peer, names: &Names) -> String {
    let name = names.of_peer(peer);
    if name == peer.address {
        return format!("{name} ({})", short(peer.id));
    }
    format!("{name} ({})", peer.address)
}

/// "key 4ec25db8e3", as all commands name an identifier in passing.
pub(crate) fn key(id: Id) -> String {
    format!("key {}", short(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::check;
    use crate::ring::tests::ideal;
    use crate::settings::tests::settings;

    #[test]
    fn shares_are_parts_of_the_whole() {
        let half = Id::power_of_two(159);
        assert_eq!(share(Arc::new(half, half)), 1.0);
        assert!((share(Arc::new(Id::ZERO, half)) - 0.5).abs() < 1e-9);
        assert!((share(Arc::new(half, Id::ZERO)) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_ring_is_shown_in_its_order_with_its_dead() {
        let mut members = ideal(3, &settings());
        members[1].sight = Sight::Dead;
        let shown = ring(
            Printer::plain(),
            &members,
            "state",
            |member| match &member.sight {
                Sight::Dead => "dead".to_owned(),
                _ => "alive".to_owned(),
            },
        );
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_verdict_names_problems_and_dead() {
        let mut members = ideal(3, &settings());
        assert_eq!(
            verdict(&check(&members, &settings())),
            "An ideal ring of 3 nodes, 0 keys."
        );
        members[1].sight = Sight::Dead;
        members[2].sight = Sight::Silent("silent for 1000 ms".into());
        insta::assert_snapshot!(verdict(&check(&members, &settings())));
    }
}
