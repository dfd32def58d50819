//! Quiet: how it must be when nothing has gone wrong for a while.

use std::collections::BTreeMap;

use dht::Id;
use dht::causal::message::{Call, Returned, What};
use dht::record::Record;

use super::client::{Clients, KEYS, name, write_of};
use super::judge::Judge;
use super::network::{Address, Network};

/// Looks at all nodes, all that they store, and what clients are told.
pub(super) fn look(network: &mut Network, judge: &mut Judge, clients: &Clients) {
    is_one_layout(network, judge);
    if judge.violations.is_empty() {
        replicas_are_equal(network, judge);
    }
    if judge.violations.is_empty() {
        clients_are_served(network, judge, clients);
    }
}

/// All nodes have the last layout in force, and all that belongs to it.
fn is_one_layout(network: &Network, judge: &mut Judge) {
    let last = network.nodes().map(|node| node.layouts().1);
    let last = last.max_by_key(|layout| layout.epoch).cloned();
    for node in network.nodes() {
        let me = node.view().me.address;
        let (layout, decided) = node.layouts();
        let view = node.roster().view().count();
        let is_at_last = Some(layout) == last.as_ref() && layout == decided;
        let is_ready = node.is_ready() || layout.seat(&me).is_none();
        let counts = node.roster().entry(&me).map_or(0, |own| own.vouches) == layout.epoch;
        let has_seat = layout.seat(&me).is_some();
        if !is_at_last || !is_ready || view != network.nodes().count() || has_seat && !counts {
            let text = format!(
                "node {me} has layout {} of {} in force, is ready: {is_ready}, counts: {counts}, and knows {view}",
                layout.epoch, decided.epoch
            );
            judge.fail("everything settles", network.now_us, text);
        }
    }
}

/// All replicas of a shard store the same, nothing else, and no less than was acknowledged.
fn replicas_are_equal(network: &Network, judge: &mut Judge) {
    let any = network.nodes().next().expect("some node is there");
    let layout = any.layouts().0.clone();
    let mut left: BTreeMap<Id, Record> = BTreeMap::new();
    for shard in layout.all_shards() {
        let mut members = layout.members(shard);
        let Some(first) = members.next() else {
            continue;
        };
        let records = network.records(*first);
        for other in members {
            if network.records(*other) != records {
                let text = format!("nodes {first} and {other} of shard {shard} differ");
                judge.fail("replicas are equal", network.now_us, text);
            }
        }
        let is_foreign = |(key, _): &&(Id, Record)| layout.shard_of(*key) != shard;
        if let Some((key, _)) = records.iter().find(is_foreign) {
            let text = format!("node {first} of shard {shard} still stores {key}");
            judge.fail("nothing is where it does not belong", network.now_us, text);
        }
        left.extend(records);
    }
    for key in judge.keys() {
        let record = left.get(&Id::of_key(&name(key)));
        let value = record.and_then(|record| record.value.as_ref());
        judge.is_left(key, value.and_then(write_of), network.now_us);
    }
}

/// Every node answers whatever a client has seen.
fn clients_are_served(network: &mut Network, judge: &mut Judge, clients: &Clients) {
    let mut open = BTreeMap::new();
    for text in clients.texts() {
        for at in network.addresses() {
            let call = Call::Operate {
                key: name(at % KEYS),
                what: What::Get,
                seen: Some(text.clone()),
                now_ms: network.now_ms(at),
            };
            if let Some(ticket) = network.call(at, call) {
                open.insert(ticket, at);
            }
        }
    }
    let end_us = network.now_us + ANSWER_US;
    while network.now_us < end_us && network.step().is_some() {}
    for (ticket, returned) in std::mem::take(&mut network.returned) {
        let at: Option<Address> = open.remove(&ticket);
        if let (Some(at), Returned::Failed(failure)) = (at, returned) {
            let text = format!("node {at} answers {failure:?}");
            judge.fail("every client is served", network.now_us, text);
        }
    }
    if let Some(at) = open.values().next() {
        let text = format!("node {at} and others do not answer");
        judge.fail("every client is served", network.now_us, text);
    }
}

/// How long answers take at most, when all is well.
const ANSWER_US: u64 = 2_000_000;
