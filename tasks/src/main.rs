//! Tasks: what people type. Boots, grows, loads, watches and breaks real networks of node
//! processes.
//!
//! `cli` says what can be typed, `commands` does it, one verb a file. Below them: `cluster` finds
//! the processes of a network, `spawn`, `start` and `grow` start them, `client` talks to them, `shards`
//! to servers over ZeroMQ, `ring` judges them, and `printer` talks to people and programs.

mod causal;
mod cli;
mod client;
mod cluster;
mod commands;
mod converge;
mod failure;
mod grow;
mod interrupt;
mod item;
mod listed;
mod load;
mod nodeinfo;
mod printer;
mod resolve;
mod restart;
mod ring;
mod settings;
mod shards;
mod simulated;
mod spawn;
mod start;
mod table;
mod words;

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::printer::Printer;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.place.json);
    match cli.command {
        Command::Node(args) => node::run(*args),
        command => run(command, &cli.place, printer).unwrap_or_else(|error| {
            if !matches!(error.downcast_ref(), Some(Failure::Unread)) {
                printer.note(format_args!("error: {error:#}"));
            }
            failure::exit_code(&error)
        }),
    }
}

fn run(command: Command, place: &cli::Place, printer: Printer) -> Result<ExitCode> {
    // One thread: the nodes need the others more.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        if !starts_processes(&command) {
            return commands::run(command, place, printer).await;
        }
        // Signals are listened to first: from then on they end a command only where it waits, and
        // that is never between starting a process and recording it.
        tokio::select! {
            biased;
            () = interrupt::interrupted() => Err(anyhow!("interrupted: what was started goes on")),
            outcome = commands::run(command, place, printer) => outcome,
        }
    })
}

/// Whether a command starts processes, and leaves it to others to see to interrupts.
fn starts_processes(command: &Command) -> bool {
    matches!(
        command,
        Command::Boot(_) | Command::Reboot | Command::Restart(_) | Command::Add(_)
    )
}
