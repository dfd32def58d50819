//! One node of a distributed hash table.

use std::process::ExitCode;

use clap::Parser;

/// One node of a distributed hash table: a small HTTP server that is part of a ring of its kind, or of a list of
/// members that somebody keeps.
///
/// It leaves gracefully on `POST /leave`, and on SIGTERM and SIGINT unless its content is on disk: then it stops
/// as it is, and finds that again at its next start. One that Consul lists always leaves, and is registered no
/// more. Exit codes: 0 it has left or stopped,
/// 1 it failed, 2 wrong usage. `RUST_LOG` says what is logged (to standard error).
#[derive(Parser)]
#[command(name = "node", version)]
struct Cli {
    #[command(flatten)]
    args: node::Args,
}

fn main() -> ExitCode {
    node::run(Cli::parse().args)
}
