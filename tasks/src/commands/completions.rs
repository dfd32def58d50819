//! `tasks completions`: prints a script that completes commands in a shell.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::printer::Printer;

pub(super) fn run(shell: Shell, printer: Printer) -> Result<ExitCode> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "tasks", &mut script);
    printer.bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
