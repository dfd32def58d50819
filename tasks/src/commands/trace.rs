//! `tasks trace`: shows how a lookup goes, hop by hop.

use std::process::ExitCode;

use anyhow::Result;
use dht::id::Id;
use dht::message::Routing;
use dht_state::Process;
use serde::Deserialize;
use serde_json::Value;

use crate::cli;
use crate::client::{Answer, Call};
use crate::cluster::Cluster;
use crate::item::bytes;
use crate::nodeinfo::Peer;
use crate::printer::{Line, Printer, short};
use crate::ring::Names;
use crate::settings::routing_name;
use crate::table;

pub(super) async fn run(args: cli::Trace, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let network = cluster.network()?;
    let members = cluster.members(args.via.as_deref())?;
    let typed = bytes(args.target);
    let key = target(&typed, args.value, |key| network.settings.identify(key));
    let routing = args.routing.unwrap_or(network.settings.routing);
    let answer = trace(cluster, &members, key, routing).await?;
    printer.document(&answer.read::<Value>()?)?;
    printer.line(shown(
        printer,
        &answer,
        routing,
        &Names::of_processes(&network.processes),
    )?)?;
    Ok(ExitCode::SUCCESS)
}

/// The identifier that KEY means; `identify` gives that of a key.
pub(super) fn target(typed: &[u8], is_value: bool, identify: impl Fn(&[u8]) -> Id) -> Id {
    if is_value {
        return Id::of(typed);
    }
    let as_id = str::from_utf8(typed)
        .ok()
        .and_then(|text| text.parse().ok());
    as_id.unwrap_or_else(|| identify(typed))
}

/// Lets a random member look `key` up.
pub(super) async fn trace(
    cluster: &Cluster,
    members: &[Process],
    key: Id,
    routing: Routing,
) -> Result<Answer> {
    let routing = routing_name(routing);
    let call = Call::get(format!("/findNode/{key}?routing={routing}"));
    let (answer, _) = cluster.client.ask_any(members, &call).await?;
    answer.accepted()
}

/// The path for people: a table, and a line about the whole.
pub(super) fn shown(
    printer: Printer,
    answer: &Answer,
    routing: Routing,
    names: &Names,
) -> Result<String> {
    let lookup: Lookup = answer.read()?;
    let row = |(place, hop): (usize, &Hop)| Line {
        cells: vec![
            place.to_string(),
            names.of_peer(&hop.node).to_owned(),
            hop.node.address.clone(),
            short(hop.node.id),
            hop.why.clone(),
            hop.micros.to_string(),
            if hop.ok { "yes" } else { "no" }.to_owned(),
        ],
        dead: !hop.ok,
    };
    let rows = lookup.path.iter().enumerate().map(row).collect();
    let header = [
        "#",
        "node",
        "address",
        "identifier",
        "why",
        "microseconds",
        "ok",
    ];
    let table = printer.table(&header, rows);

    let key = lookup.key;
    let node = table::node(&lookup.node, names);
    let micros: u64 = lookup.path.iter().map(|hop| hop.micros).sum();
    let failed = lookup.path.iter().filter(|hop| !hop.ok).count();
    let hops = lookup.hops;
    let routing = routing_name(routing);
    let failed = match failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    Ok(format!(
        "{table}\n{key}\nbelongs to {node}: hops {hops} by {routing}{failed}, {micros} microseconds."
    ))
}

#[derive(Deserialize)]
struct Lookup {
    key: Id,
    node: Peer,
    hops: u64,
    path: Vec<Hop>,
}

#[derive(Deserialize)]
struct Hop {
    node: Peer,
    micros: u64,
    ok: bool,
    why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_digits_are_an_identifier_and_anything_else_a_key() {
        let digits = "4ec25db8e3fdbe6a6a0a1ba0ebd3d0b8c9d7a431";
        assert_eq!(
            target(digits.as_bytes(), false, Id::of_key).to_string(),
            digits
        );
        assert_eq!(
            target(b"greeting", false, Id::of_key),
            Id::of(b"kv:greeting")
        );
        assert_eq!(
            target(&digits.as_bytes()[1..], false, Id::of_key),
            Id::of_key(&digits.as_bytes()[1..])
        );
        assert_eq!(target(b"\xff", false, Id::of_key), Id::of_key(b"\xff"));
    }

    #[test]
    fn a_value_is_a_value_whatever_it_looks_like() {
        let digits = b"4ec25db8e3fdbe6a6a0a1ba0ebd3d0b8c9d7a431";
        assert_eq!(target(digits, true, Id::of_key), Id::of(digits));
    }

    #[test]
    fn a_path_is_shown_hop_by_hop() {
        let peer = |name: &str, port| {
            let id = Id::of(name.as_bytes());
            serde_json::json!({"id": id, "address": format!("127.0.0.1:{port}"), "incarnation": 1})
        };
        let (first, second, third) = (peer("a", 1), peer("b", 2), peer("c", 3));
        let body = serde_json::json!({
            "key": Id::of(b"key"), "node": third, "hops": 1,
            "path": [
                {"node": first, "micros": 5, "ok": true, "why": "start"},
                {"node": second, "micros": 301, "ok": false, "why": "finger 2^159"},
                {"node": third, "micros": 80, "ok": true, "why": "owner"},
            ],
        });
        let answer = Answer {
            status: 200,
            headers: Default::default(),
            body: body.to_string().into_bytes(),
        };
        let names = Names::of_processes([]);
        let shown = shown(Printer::plain(), &answer, Routing::Finger, &names);
        insta::assert_snapshot!(shown.expect("a path"));
    }
}
