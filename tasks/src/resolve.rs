//! Resolve: which process NODE on the command line means.

use anyhow::{Result, bail};
use dht_state::Process;

use crate::failure::Failure;

/// The one process that `node` means: by its name, its address, its port or an identifier prefix
/// that no other shares, tried in that order. Errors: [`Failure::NotFound`]; several.
pub(crate) fn resolve<'a>(node: &str, processes: &'a [Process]) -> Result<&'a Process> {
    let port = |process: &Process| process.address.rsplit(':').next() == Some(node);
    let exact = processes
        .iter()
        .find(|process| process.name == node)
        .or_else(|| processes.iter().find(|process| process.address == node))
        .or_else(|| processes.iter().find(|process| port(process)));
    if let Some(process) = exact {
        return Ok(process);
    }
    let prefix = node.to_ascii_lowercase();
    let by_prefix = |process: &&Process| !prefix.is_empty() && process.id.starts_with(&prefix);
    let candidates: Vec<_> = processes.iter().filter(by_prefix).collect();
    match candidates[..] {
        [process] => Ok(process),
        [] => {
            let names = names(&processes.iter().collect::<Vec<_>>());
            let text = format!("no node is called `{node}`; there are {names}");
            Err(Failure::NotFound(text).into())
        }
        _ => bail!("`{node}` may mean {}: give more digits", names(&candidates)),
    }
}

fn names(processes: &[&Process]) -> String {
    let shown = processes.iter().take(NAMES_MAX);
    let shown = shown.map(|process| format!("{} ({:.10})", process.name, process.id));
    let mut names: Vec<_> = shown.collect();
    if processes.len() > NAMES_MAX {
        names.push(format!("{} more", processes.len() - NAMES_MAX));
    }
    match names.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

const NAMES_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use dht_state::Started;

    use super::*;

    fn process(name: &str, address: &str, id: &str) -> Process {
        Process {
            name: name.into(),
            id: format!("{id:0<40}"),
            address: address.into(),
            incarnation: 1,
            pid: 1,
            started: Started {
                boot: "boot".into(),
                ticks: 1,
            },
            log: "log".into(),
            data: None,
        }
    }

    fn processes() -> [Process; 4] {
        [
            process("PROC10001", "127.0.0.1:10001", "abc1"),
            process("PROC10002", "127.0.0.1:10002", "abc2"),
            process("PROC10003", "127.0.0.1:10003", "10001"),
            // Odd names come first, whatever else they look like.
            process("10003", "127.0.0.1:10004", "ffff"),
        ]
    }

    fn resolved(node: &str) -> Result<String> {
        resolve(node, &processes()).map(|process| process.address.clone())
    }

    #[test]
    fn names_come_first_then_addresses_then_ports_then_prefixes() {
        for (node, address) in [
            ("PROC10002", "127.0.0.1:10002"),
            ("10003", "127.0.0.1:10004"),
            ("127.0.0.1:10003", "127.0.0.1:10003"),
            ("10001", "127.0.0.1:10001"),
            ("100010", "127.0.0.1:10003"),
            ("abc2", "127.0.0.1:10002"),
            ("ABC1", "127.0.0.1:10001"),
            ("f", "127.0.0.1:10004"),
        ] {
            assert_eq!(resolved(node).expect(node), address);
        }
    }

    #[test]
    fn an_ambiguous_prefix_lists_its_candidates() {
        let error = resolved("abc").expect_err("two have it").to_string();
        assert_eq!(
            error,
            "`abc` may mean PROC10001 (abc1000000) and PROC10002 (abc2000000): give more digits"
        );
    }

    #[test]
    fn an_unknown_node_lists_all_there_are() {
        for node in ["", "PROC9", "127.0.0.1", "0001"] {
            let error = resolved(node).expect_err("nobody");
            assert!(matches!(error.downcast_ref(), Some(Failure::NotFound(_))));
            assert!(
                error.to_string().contains("PROC10003 (1000100000)"),
                "{error}"
            );
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let many: Vec<_> = (0..20)
            .map(|number| process(&format!("PROC{number}"), "127.0.0.1:1", "a"))
            .collect();
        let error = resolve("nobody", &many).expect_err("nobody").to_string();
        assert!(error.ends_with("PROC11 (a000000000) and 8 more"), "{error}");
    }
}
