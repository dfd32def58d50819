//! One node of the distributed hash table as a process: a Rocket server around [`dht::Node`].
//!
//! ```text
//!  config ──► run ─► server (Rocket) ─► doors ─► service ─► driver ─► dht::Machine
//!              │                                    │ reads     │ commands
//!              ├─► entry, members, exit             └► content ◄┤
//!              └─► schedule ─────── elapsed ───────────────────►├─► peers (reqwest) ─► other nodes
//! ```
//!
//! A node is told who it is and how it gets into a ring, or who lists the members, by flags, environment and file:
//!
//! ```
//! use clap::{Args as _, FromArgMatches as _};
//! use node::{Args, Config, Entry};
//!
//! let command = Args::augment_args(clap::Command::new("node"));
//! let flags = command.get_matches_from(["node", "--name", "a", "--join", "127.0.0.1:10001"]);
//! let config = Config::load(&Args::from_arg_matches(&flags)?)?;
//! assert_eq!(config.me.id, dht::Id::of(b"a"));
//! assert!(matches!(config.entry, Entry::Join(members) if members == ["127.0.0.1:10001"]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod args;
pub mod config;
pub mod consul;
pub mod content;
pub mod doors;
pub mod driver;
pub mod envelope;
pub mod faults;
pub mod line;
pub mod peers;
pub mod schedule;
pub mod server;
pub mod service;
pub mod store;

mod clock;
mod entry;
mod exit;
mod files;
mod introduction;
mod log;
mod members;
mod run;

use std::net::SocketAddr;

pub use crate::args::Args;
pub use crate::config::{Config, Entry};
pub use crate::run::run;

/// What a node is reached by.
pub type Address = SocketAddr;
/// A node as others know it.
pub type Peer = dht::Peer<Address>;
/// The state machine of a node in a ring.
pub type Node = dht::Node<Address>;
/// The state machine, of whichever kind of network.
pub type Machine = dht::Machine<Address>;
/// One of those that are listed, where somebody lists the members.
pub type Member = dht::listed::table::Member<Address>;
/// A change of the list of members.
pub type MembersChange = dht::listed::table::Change<Address>;
/// The list, and where content belongs by it.
pub type Table = dht::listed::table::Table<Address>;
/// The state machine at one moment.
pub type View = dht::View<Address>;
/// What happens to it.
pub type Event = dht::Event<Address>;
/// What it wants.
pub type Action = dht::Action<Address>;
/// What one node asks another.
pub type Request = dht::message::Request<Address>;
/// What it is told.
pub type Reply = dht::message::Reply<Address>;
/// What a client wants.
pub type Call = dht::event::Call<Address>;
/// What comes of it.
pub type Returned = dht::event::Returned<Address>;
/// Why nothing comes of it.
pub type Failure = dht::event::Failure<Address>;
/// A point in time.
pub type Timer = dht::event::Timer<Address>;
/// The nodes that a lookup asked.
pub type Path = Vec<dht::event::Hop<Address>>;
