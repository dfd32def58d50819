//! `tasks killall`: ends all nodes of the network at once.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::cluster::Cluster;
use crate::printer::Printer;
use crate::start::stop;
use crate::table;

pub(super) fn run(cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let (ended, dead) = stop(cluster)?;
    let ms = begun.elapsed().as_millis() as u64;
    printer.document(&json!({ "ended": ended, "dead": dead, "ms": ms }))?;
    let dead = match dead.len() {
        0 => String::new(),
        dead => format!(" ({dead} were dead already)"),
    };
    printer.line(format_args!("ended {}{dead}", table::nodes(ended.len())))?;
    Ok(ExitCode::SUCCESS)
}
