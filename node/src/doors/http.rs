//! HTTP: the public protocol, and for now the one between nodes. One small file for each noun.
//!
//! Every answer that is not a value is JSON, errors too. What a request lacks is told by the guard
//! that looks for it: it leaves its error with the request, and the catcher tells it.

mod bytes;
mod catcher;
mod causal;
mod condition;
mod error;
mod faults;
mod guard;
mod health;
mod json;
mod kv;
mod lab;
mod line;
mod members;
mod peer;
mod target;

use std::sync::Arc;

use rocket::{Build, Rocket, State, catchers, routes};

use crate::service::Service;

/// The service, as handlers get it.
type Node = State<Arc<Service>>;

/// Adds all routes.
pub fn mount(rocket: Rocket<Build>, service: Arc<Service>) -> Rocket<Build> {
    let lab = routes![
        lab::nodeinfo::nodeinfo,
        lab::pointers::predecessor,
        lab::pointers::put_predecessor,
        lab::pointers::successor,
        lab::pointers::put_successor,
        lab::find::find_node,
        lab::join::join,
        lab::leave::leave,
        lab::store::store,
        lab::lookup::lookup,
        lab::lookup::delete,
        lab::here::insert,
        lab::here::read,
        lab::content::content,
    ];
    let mut kv = routes![kv::read, kv::head, kv::put, kv::delete];
    // Rocket tries one route after the other, and these are wanted most.
    kv.iter_mut().for_each(|route| route.rank -= 100);
    let rest = routes![
        peer::answer,
        line::open,
        health::healthz,
        health::readyz,
        faults::faults,
        faults::put_faults,
        members::members,
        members::here,
        members::put,
        members::delete,
    ];
    let rocket = match service.causal_wait {
        Some(_) => rocket
            .mount("/", routes![lab::nodeinfo::nodeinfo])
            .mount("/", causal::routes()),
        None => rocket.mount("/", lab).mount("/", kv),
    };
    rocket
        .mount("/", rest)
        .register("/", catchers![catcher::any])
        .manage(service)
}
