//! `tasks delete`: deletes a value that was stored under its own SHA-1.

use std::process::ExitCode;

use anyhow::Result;
use dht::id::Id;
use serde_json::Value;

use crate::cli;
use crate::client::Call;
use crate::cluster::Cluster;
use crate::commands::missing;
use crate::failure::Failure;
use crate::item::{bytes, shown, value_path};
use crate::printer::Printer;
use crate::table;

pub(super) async fn run(args: cli::Value, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let members = cluster.members(args.via.as_deref())?;
    let value = bytes(args.value);
    let (what, key) = (shown(&value), table::key(Id::of(&value)));
    let Some(path) = value_path(&value) else {
        let text = format!("`{what}` can't be named in a web address, so it can't be deleted");
        return Err(Failure::Usage(text).into());
    };
    let (answer, _) = cluster
        .client
        .ask_any(&members, &Call::delete(path))
        .await?;
    let answer = answer.accepted()?;
    if answer.is_missing() {
        return missing(
            printer,
            &answer,
            format!("`{what}` was not stored here ({key})"),
        );
    }
    printer.document(&answer.read::<Value>()?)?;
    printer.line(format_args!("deleted `{what}`: {key}"))?;
    Ok(ExitCode::SUCCESS)
}
