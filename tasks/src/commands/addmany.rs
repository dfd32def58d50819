//! `tasks addmany`: lets many nodes join, and waits until the ring is ideal.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::cli;
use crate::cluster::Cluster;
use crate::commands::boot;
use crate::converge::{Wait, converge};
use crate::failure::FAILED;
use crate::grow::join_many;
use crate::interrupt::interrupted;
use crate::printer::Printer;
use crate::table;

pub(super) async fn run(
    args: cli::AddMany,
    cluster: &Cluster,
    printer: Printer,
) -> Result<ExitCode> {
    let begun = Instant::now();
    let count = args.count as usize;
    let via = args
        .via
        .map(|node| cluster.find_running(&node))
        .transpose()?;
    // Fails here, and not once for each node, where there is no network.
    cluster.running()?;
    let progress = printer.progress(count.try_into()?, "joining");
    let mut grown = join_many(cluster, count, via.as_ref(), &progress).await;
    progress.finish_and_clear();

    let joined = grown.processes.len();
    if let Some(failure) = grown.failures.pop() {
        if joined == 0 && !grown.interrupted {
            return Err(failure);
        }
        printer.note(format_args!("error: {failure:#}"));
    }
    let ring = tokio::select! {
        ring = converge(cluster, Wait::Changed) => ring?,
        () = interrupted() => return Err(anyhow!("interrupted; {} joined", table::nodes(joined))),
    };
    boot::report(printer, &grown.processes, &ring, begun)?;
    if joined < count {
        let why = if grown.interrupted {
            "interrupted: "
        } else {
            ""
        };
        let nodes = table::nodes(joined);
        printer.note(format_args!("error: {why}{nodes} of {count} joined"));
    }
    Ok(if ring.ideal && joined == count {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}
