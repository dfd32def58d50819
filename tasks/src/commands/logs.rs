//! `tasks logs`: shows the log of a node.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;
use tokio::time::sleep;

use crate::cli;
use crate::cluster::Cluster;
use crate::interrupt::interrupted;
use crate::printer::Printer;

pub(super) async fn run(args: cli::Logs, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let path = find(&args.node, cluster)?;
    let named = || format!("cannot read {}", path.display());
    let mut log = File::open(&path).with_context(named)?;
    if printer.is_json() {
        let mut text = Vec::new();
        log.read_to_end(&mut text).with_context(named)?;
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        printer.document(&json!({ "log": path, "lines": lines }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut interrupted = Box::pin(interrupted());
    loop {
        copy(&mut log, printer).with_context(named)?;
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = sleep(Duration::from_millis(POLL_MS)) => {}
            () = &mut interrupted => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// The log of a node of the network, or of one that was so once.
fn find(node: &str, cluster: &Cluster) -> Result<PathBuf> {
    let found = cluster.find(node).map(|process| process.log);
    let is_name = node.starts_with("PROC") && node[4..].bytes().all(|byte| byte.is_ascii_digit());
    found.or_else(|error| {
        let old = cluster.folder.log(node);
        if is_name && old.is_file() {
            Ok(old)
        } else {
            Err(error)
        }
    })
}

/// Prints what has come since the last time.
fn copy(log: &mut File, printer: Printer) -> Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match log.read(&mut buffer).map_err(|error| anyhow!(error))? {
            0 => return Ok(()),
            length => printer.bytes(&buffer[..length])?,
        }
    }
}

const POLL_MS: u64 = 100;
const CHUNK_BYTES: usize = 64 * 1024;
