//! Args: what is typed after a verb, where that does not stand in the file of the command.

use std::ffi::OsString;

use dht::message::Routing;

use crate::settings::{Settings, routing_parser};

/// Arguments of `boot`.
#[derive(Debug, clap::Args)]
pub(crate) struct Boot {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = count())]
    pub(crate) nodes: u32,
    /// End what runs in this network first
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Member to join through [default: a random one]
    #[arg(long, value_name = "NODE")]
    pub(crate) via: Option<String>,

    /// Where it listens, at 127.0.0.1 [default: the next free port that no node has had]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

/// Arguments of `shell`.
#[derive(Debug, clap::Args)]
pub(crate) struct Shell {
    /// Only the commands of the memcached lab's shell, answered in its words: get, set (put), add
    /// (add_node), remove (remove_node), quit
    #[arg(long)]
    pub(crate) classic: bool,
}

/// Arguments of `addmany`.
#[derive(Debug, clap::Args)]
pub(crate) struct AddMany {
    /// How many nodes
    #[arg(value_name = "N", value_parser = count())]
    pub(crate) count: u32,
    /// Member to join through [default: random ones]
    #[arg(long, value_name = "NODE")]
    pub(crate) via: Option<String>,
}

/// Arguments of commands about one value.
#[derive(Debug, clap::Args)]
pub(crate) struct Value {
    /// The value: any bytes, up to 1 MiB
    pub(crate) value: OsString,
    /// Node to ask [default: a random one]
    #[arg(long, value_name = "NODE")]
    pub(crate) via: Option<String>,
}

/// Arguments of `storemany`.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreMany {
    /// How many values
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// Node to ask [default: all of them in turn]
    #[arg(long, value_name = "NODE")]
    pub(crate) via: Option<String>,
}

/// Arguments of `users`.
#[derive(Debug, clap::Args)]
pub(crate) struct Users {
    /// How many users
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// Number of the first one
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000_000))]
    pub(crate) first: u32,
    /// Node to ask [default: all of them in turn]
    #[arg(long, value_name = "NODE")]
    pub(crate) via: Option<String>,
}

/// Arguments of `lookup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Lookup {
    #[command(flatten)]
    pub(crate) value: Value,
    /// How the lookup goes [default: as the network was booted]
    #[arg(long, value_parser = routing_parser())]
    pub(crate) routing: Option<Routing>,
}

/// Arguments of `put`.
#[derive(Debug, clap::Args)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) key: Key,
    /// The value: any bytes, up to 1 MiB; `-` reads standard input
    pub(crate) value: OsString,
}

/// Arguments of commands about one key.
#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// The key: any bytes
    pub(crate) key: OsString,
    /// Node to ask [default: a random one]
    #[arg(long, value_name = "NODE")]
    pub(crate) via: Option<String>,
}

/// Arguments of commands about one node.
#[derive(Debug, clap::Args)]
pub(crate) struct Node {
    /// Name, address, port or first digits of the identifier
    pub(crate) node: String,
}

/// Arguments of `nodeinfo`.
#[derive(Debug, clap::Args)]
pub(crate) struct OptionalNode {
    /// Name, address, port or first digits of the identifier [default: a random node]
    pub(crate) node: Option<String>,
}

/// Arguments of `restart`.
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    /// Name, address, port or first digits of the identifier [default: all, which must be dead]
    pub(crate) node: Option<String>,
}

/// Arguments of `destroy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Destroy {
    /// Don't ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Arguments of `trace`.
#[derive(Debug, clap::Args)]
pub(crate) struct Trace {
    /// An identifier of 40 hexadecimal digits, or else a key
    #[arg(value_name = "KEY")]
    pub(crate) target: OsString,
    /// Take KEY as a stored value, whatever it looks like
    #[arg(long)]
    pub(crate) value: bool,
    /// How the lookup goes [default: as the network was booted]
    #[arg(long, value_parser = routing_parser())]
    pub(crate) routing: Option<Routing>,
    /// Node to start at [default: a random one]
    #[arg(long, value_name = "NODE")]
    pub(crate) via: Option<String>,
}

/// Arguments of `monitor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Monitor {
    /// Show the ring once (so does --json)
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub(crate) interval: f64,
    /// Show what the nodes hold, too
    #[arg(long)]
    pub(crate) content: bool,
}

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// Name, address, port or first digits of the identifier
    pub(crate) node: String,
    /// Go on with what is added
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// As many nodes as one machine bears.
fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_000)
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=3_600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("between 0.05 and 3600, please".to_owned())
    }
}
