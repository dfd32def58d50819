//! Causal: the doors of a node of a causal store: keys, the view, the shards.
//!
//! Requests, statuses and bodies are those of the store's first clients, so errors are a text,
//! `{"error":"…"}`, and identifiers of shards are texts, too.

mod answer;
mod body;
mod kvs;
mod shard;
mod view;

use rocket::{Route, routes};

/// All routes of a causal store.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = routes![
        view::view,
        view::add,
        view::delete,
        shard::ids,
        shard::own,
        shard::members,
        shard::key_count,
        shard::status,
        shard::add_member,
        shard::reshard,
    ];
    routes.extend(kvs::routes());
    routes
}
