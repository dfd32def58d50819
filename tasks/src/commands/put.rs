//! `tasks put`: puts any bytes under a key.

use std::io::{Read as _, stdin};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cli;
use crate::client::Call;
use crate::cluster::Cluster;
use crate::commands::store;
use crate::item::{bytes, key_path, shown};
use crate::printer::Printer;

pub(super) async fn run(args: cli::Put, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let key = bytes(args.key.key);
    let path = key_path(&key)?;
    let members = cluster.members(args.key.via.as_deref())?;
    let value = match bytes(args.value) {
        dash if dash == b"-" => read_stdin()?,
        value => value,
    };
    let (answer, _) = cluster
        .client
        .ask_any(&members, &Call::put(path, value))
        .await?;
    let answer = answer.accepted()?;
    let written = answer.read()?;
    printer.document(&answer.read::<Value>()?)?;
    store::report(printer, cluster, &shown(&key), &written)?;
    Ok(ExitCode::SUCCESS)
}

/// All of standard input, or one byte more than any node takes.
fn read_stdin() -> Result<Vec<u8>> {
    let mut value = Vec::new();
    let mut input = stdin().lock().take(VALUE_BYTES_MAX + 1);
    let read = input.read_to_end(&mut value);
    read.context("cannot read standard input")?;
    Ok(value)
}

/// Nodes refuse more, and say so.
const VALUE_BYTES_MAX: u64 = 1024 * 1024;
