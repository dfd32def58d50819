//! `tasks boot`: starts a network.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use dht_state::Process;
use serde_json::json;

use crate::cli;
use crate::cluster::Cluster;
use crate::converge::problems;
use crate::failure::FAILED;
use crate::printer::Printer;
use crate::ring::Report;
use crate::settings::Settings;
use crate::start::boot;
use crate::table;

pub(super) async fn run(args: cli::Boot, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let begun = Instant::now();
    let count = args.nodes as usize;
    let (processes, ring) = boot(cluster, count, &args.settings, args.force).await?;
    report(printer, &processes, &ring, begun)?;
    printer.line(survival(&args.settings, count))?;
    Ok(if ring.ideal {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

/// Tells which processes were started, and whether all is well. Also for other commands that start
/// processes.
pub(super) fn report(
    printer: Printer,
    processes: &[Process],
    ring: &Report,
    begun: Instant,
) -> Result<()> {
    let ms = begun.elapsed().as_millis() as u64;
    printer.document(&json!({ "processes": processes, "ideal": ring.ideal, "ms": ms }))?;
    printer.line(table::processes(printer, processes))?;
    if ring.ideal {
        let nodes = table::nodes(ring.nodes.len());
        let kind = ring.kind();
        return printer.line(format_args!("An ideal {kind} of {nodes} after {ms} ms."));
    }
    printer.note(format_args!(
        "not an ideal {} after {ms} ms:\n  {}",
        ring.kind(),
        problems(ring)
    ));
    Ok(())
}

/// What a ring of this size bears.
pub(super) fn survival(settings: &Settings, members: usize) -> String {
    if settings.is_listed() {
        return survival_of_list(settings, members);
    }
    let successors = settings.successors;
    let ring = match settings.failures_survived(members) {
        0 if successors < 2 => "Lists of one successor survive no failure.".to_owned(),
        0 => format!(
            "With fewer than {} members no failure is guaranteed to leave the ring whole.",
            successors + 2
        ),
        1 => "The ring survives the failure of any one node at a time.".to_owned(),
        failures => {
            format!("The ring survives the failure of any {failures} nodes at the same moment.")
        }
    };
    let replicas = usize::from(settings.replicas);
    let copies = match members.min(replicas) {
        0 | 1 if replicas == 1 => {
            "There is one copy of the content: what a node holds dies with it, unless it leaves."
                .to_owned()
        }
        copies @ 0..3 => format!(
            "There are {copies} of {replicas} copies of the content: with fewer than 3 members no death is \
             survived."
        ),
        copies => format!(
            "There are {copies} copies of the content: of each {copies} neighbours {} may be dead at a time.",
            (copies - 1) / 2
        ),
    };
    format!("{ring}\n{copies}")
}

/// What a list of so many bears.
fn survival_of_list(settings: &Settings, members: usize) -> String {
    let copies = members.min(settings.replicas.into());
    let wanted = settings.replicas;
    match copies {
        0 | 1 => {
            "There is one copy of the content: what a node holds dies with it, unless it leaves."
                .to_owned()
        }
        2 => format!(
            "There are 2 of {wanted} copies of the content: it is read and written while one of them is there."
        ),
        _ => format!(
            "There are {copies} of {wanted} copies of the content: it is read while one of them is there, and \
             written while {} are.",
            copies / 2 + 1
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    #[test]
    fn small_rings_promise_nothing() {
        let text = survival(&settings(), 2);
        assert!(
            text.starts_with("With fewer than 6 members no failure is guaranteed"),
            "{text}"
        );
    }

    #[test]
    fn larger_rings_say_how_much_they_bear() {
        assert!(survival(&settings(), 6).contains("any one node"));
        assert!(survival(&settings(), 12).contains("any 3 nodes"));
    }

    #[test]
    fn that_content_dies_is_always_said() {
        for members in [1, 2, 6, 100] {
            assert!(survival(&settings(), members).contains("one copy"));
        }
    }
}
