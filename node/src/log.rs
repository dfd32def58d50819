//! Log: one line an event, to standard error, so that standard output stays for data.

use std::env;
use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// Starts logging, by `RUST_LOG` or [`FILTER`]. Must come before Rocket, which would print to standard
/// output otherwise.
pub(crate) fn start() {
    let asked = env::var("RUST_LOG")
        .ok()
        .filter(|filter| !filter.is_empty());
    let filter = asked.as_deref().unwrap_or(FILTER);
    let coloured = stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    let started = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(stderr)
        .with_ansi(coloured)
        .try_init();
    // Only the first one in a process can; whoever was first has decided.
    if started.is_ok() && asked.is_none() {
        // Rocket says six things about each request. Not even asking whether anyone wants to know is
        // worth a tenth of the request.
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// Events of the node; of the others only what is wrong. `rocket::server` finds fault with requests,
/// which is for whoever sent them.
const FILTER: &str = "info,rocket=warn,rocket::server=off,rocket::launch=off,hyper=warn,reqwest=warn,tokio_cron_scheduler=warn";
