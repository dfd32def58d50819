//! `tasks del`: deletes what is under a key.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli;
use crate::client::Call;
use crate::cluster::Cluster;
use crate::commands::missing;
use crate::item::{bytes, key_path, shown};
use crate::printer::Printer;

pub(super) async fn run(args: cli::Key, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let key = bytes(args.key);
    let path = key_path(&key)?;
    let members = cluster.members(args.via.as_deref())?;
    let (answer, _) = cluster
        .client
        .ask_any(&members, &Call::delete(path))
        .await?;
    let answer = answer.accepted()?;
    let what = shown(&key);
    if answer.is_missing() {
        return missing(
            printer,
            &answer,
            format!("there was nothing under `{what}`"),
        );
    }
    // The status says it all, so the node may leave the body empty.
    let id = cluster.network()?.settings.identify(&key);
    let said: Value = answer.read().unwrap_or_else(|_| json!({ "key": id }));
    printer.document(&said)?;
    printer.line(format_args!("deleted `{what}`"))?;
    Ok(ExitCode::SUCCESS)
}
