//! Nodeinfo: what a node says of itself.

use dht::Id;
use dht::view::Phase;
use rocket::get;
use rocket::serde::json::Json;
use serde_json::{Value, json};

use crate::clock::now_ms;
use crate::config::placement_name;
use crate::doors::http::Node;
use crate::doors::http::members::owned;

/// Everything of public interest, also before it has joined.
#[get("/nodeinfo")]
pub(crate) fn nodeinfo(node: &Node) -> Json<Value> {
    let view = node.view();
    let fingers = view.fingers.iter().map(|finger| {
        let start = view.me.id.plus(Id::power_of_two(finger.exponent));
        json!({"start": start, "node": finger.node})
    });
    let serves = view
        .serves
        .iter()
        .map(|range| json!({"start": range.arc.start, "end": range.arc.end, "epoch": range.epoch}));
    let handover = view
        .handover
        .as_ref()
        .map(|handover| json!({"to": handover.to, "arc": handover.arc, "sent": handover.sent}));
    let groups = view.groups.iter().map(|held| {
        let group = &held.group;
        json!({
            "start": group.arc.start,
            "end": group.arc.end,
            "epoch": group.epoch,
            "leader": group.leader().peer,
            "members": group.members.iter().map(|member| &member.peer).collect::<Vec<_>>(),
            "synced": held.synced,
        })
    });
    let fetches = view.fetches.iter().map(|fetching| {
        json!({
            "start": fetching.arc.start,
            "end": fetching.arc.end,
            "epoch": fetching.epoch,
            "records": fetching.records,
            "percent": fetching.percent,
        })
    });
    let zeromq = node.zeromq.get().into_iter().flatten();
    let zeromq = zeromq.map(ToString::to_string);
    let has_ring = view.phase != Phase::Joining && node.scheme.is_none();
    let successor = has_ring.then(|| view.successor());
    let table = view.table.as_deref();
    let partitions = table.and_then(|table| owned(table, view.me.id));
    Json(json!({
        "name": node.name,
        "id": view.me.id,
        "address": view.me.address,
        "incarnation": view.me.incarnation,
        "network": node.network,
        "phase": view.phase,
        "predecessor": view.predecessor,
        "successor": successor,
        "successors": view.successors,
        "fingers": fingers.collect::<Vec<_>>(),
        "serves": serves.collect::<Vec<_>>(),
        "handover": handover,
        "keys": node.driver().content().count(&node.shows(), now_ms()),
        "ownership": view.ownership,
        "routing": node.routing,
        "replicas": node.replicas,
        "zone": node.zone,
        "membership": node.membership,
        "placement": node.scheme.map(placement_name),
        "scheme": node.scheme,
        "label": node.label,
        "weight": node.weight,
        "table": table.map(|table| table.version),
        "partitions": partitions,
        "groups": groups.collect::<Vec<_>>(),
        "fetches": fetches.collect::<Vec<_>>(),
        "lost": node.driver().content().lost(),
        "memcached": node.memcached.get(),
        "zeromq": zeromq.collect::<Vec<_>>(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}
