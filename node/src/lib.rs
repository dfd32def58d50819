//! One node of the distributed hash table as a process: a Rocket server around [`dht::Node`].
//!
//! ```text
//!  config ──► run ─► server (Rocket) ─► doors ─► service ─► driver ─► dht::Node
//!              │                                    │ reads     │ commands
//!              ├─► entry, exit                      └► content ◄┤
//!              └─► schedule ─────── elapsed ───────────────────►├─► peers (reqwest) ─► other nodes
//! ```
//!
//! A node is told who it is and how it gets into a ring, by flags, environment and file:
//!
//! ```
//! use clap::{Args as _, FromArgMatches as _};
//! use node::{Args, Config, Entry};
//!
//! let command = Args::augment_args(clap::Command::new("node"));
//! let flags = command.get_matches_from(["node", "--name", "a", "--join", "127.0.0.1:10001"]);
//! let config = Config::load(&Args::from_arg_matches(&flags)?)?;
//! assert_eq!(config.me.id, dht::Id::of(b"a"));
//! assert_eq!(config.entry, Entry::Join(vec!["127.0.0.1:10001".to_owned()]));
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
mod log;
mod run;

use std::net::SocketAddr;

pub use crate::args::Args;
pub use crate::config::{Config, Entry};
pub use crate::run::run;

/// What a node is reached by.
pub type Address = SocketAddr;
/// A node as others know it.
pub type Peer = dht::Peer<Address>;
/// The state machine.
pub type Node = dht::Node<Address>;
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
