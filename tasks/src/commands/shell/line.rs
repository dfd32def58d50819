//! Line: what was typed at the prompt, and what it means.

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command};

/// What a line wants.
#[derive(Debug)]
pub(super) enum Line {
    /// An empty line, or a remark.
    Nothing,
    /// The end.
    Quit,
    /// The keys that there are.
    Keys,
    /// A command of `tasks`.
    Command(Box<Command>),
    /// Help, or a version.
    Told(String),
    /// It means nothing; why, and the way out.
    Wrong(String),
}

impl Line {
    /// Reads a line. Words are separated by blanks, and quoted as in a shell.
    pub(super) fn parse(typed: &str) -> Line {
        let Some(words) = shlex::split(typed) else {
            return Line::Wrong("error: a quotation mark has no partner".to_owned());
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Line::Nothing,
            ["quit" | "exit"] => Line::Quit,
            ["help"] => Line::Told(help()),
            ["help", verb] => command(&[meant(verb), "--help"]),
            ["keys"] => Line::Keys,
            ["shell", ..] => Line::Wrong("error: this is a shell already".to_owned()),
            // An address in two words, as the memcached lab's shell has it.
            ["remove" | "remove_node", host, port] => {
                command(&["leave", &format!("{}:{port}", here(host))])
            }
            ["add" | "add_node", host, port] if here(host) == HOST => {
                command(&["add", "--port", port])
            }
            ["add" | "add_node", host, _] if !host.starts_with('-') => Line::Wrong(format!(
                "error: nodes are started on this machine, at {HOST}, and not at {host}"
            )),
            [verb, rest @ ..] => {
                let words: Vec<&str> = [meant(verb)]
                    .into_iter()
                    .chain(rest.iter().copied())
                    .collect();
                command(&words)
            }
        }
    }
}

/// The command of `tasks` that a verb of the shell means.
fn meant(verb: &str) -> &str {
    let same = VERBS.iter().find(|(name, ..)| *name == verb);
    same.map_or(verb, |(_, command, _)| command)
}

fn command(words: &[&str]) -> Line {
    match Cli::try_parse_from([&["tasks"], words].concat()) {
        Ok(cli) => Line::Command(Box::new(cli.command)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Line::Told(error.to_string()),
            ErrorKind::InvalidSubcommand => Line::Wrong(format!(
                "error: there is no command `{}`: `help` tells what can be typed",
                words[0]
            )),
            _ => Line::Wrong(error.to_string()),
        },
    }
}

/// What can be typed first: the shell's own verbs, then all commands.
pub(super) fn verbs() -> Vec<String> {
    let commands = Cli::command();
    let commands = commands.get_subcommands();
    let commands = commands.map(|command| command.get_name().to_owned());
    let own = VERBS.iter().map(|(name, ..)| (*name).to_owned());
    let mut verbs: Vec<String> = own.chain(commands).collect();
    verbs.retain(|verb| !matches!(&**verb, "node" | "shell"));
    verbs.sort_unstable();
    verbs.dedup();
    verbs
}

fn help() -> String {
    let line = |(name, _, text): &(&str, &str, &str)| format!("  {name:<24}{text}\n");
    let own: String = VERBS.iter().map(line).collect();
    format!(
        "{own}\nAnd every command of `tasks`, such as `boot`, `safe PROC10001` or `prove --help`.\n"
    )
}

/// Where a host name means this machine, its address.
fn here(host: &str) -> &str {
    match host {
        "localhost" => HOST,
        host => host,
    }
}

const HOST: &str = "127.0.0.1";

/// Verbs of the shell, the commands that they mean, and what they do.
const VERBS: [(&str, &str, &str); 15] = [
    ("get", "get", "get KEY"),
    ("put", "put", "put KEY VALUE"),
    ("set", "put", "the same"),
    ("delete", "del", "delete KEY"),
    ("keys", "keys", "all keys that there are, and where"),
    ("nodes", "ring", "the nodes, and whether the ring is ideal"),
    ("ring", "ring", "the same"),
    ("trace", "trace", "trace KEY: how it is found, hop by hop"),
    ("add", "add", "add, or add HOST PORT: one more node joins"),
    ("add_node", "add", "the same"),
    (
        "remove",
        "leave",
        "remove NODE, or remove HOST PORT: it hands over and goes",
    ),
    ("remove_node", "leave", "the same"),
    ("help", "help", "help, or help VERB"),
    ("exit", "exit", "ends the shell, and nothing else"),
    ("quit", "quit", "the same"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(typed: &str) -> String {
        match Line::parse(typed) {
            Line::Wrong(text) => text,
            other => panic!("{typed} means {other:?}"),
        }
    }

    #[test]
    fn verbs_of_the_shell_are_commands() {
        let means = |typed: &str, debug: &str| match Line::parse(typed) {
            Line::Command(command) => {
                let command = format!("{command:?}");
                assert!(command.starts_with(debug), "{typed} means {command}");
            }
            other => panic!("{typed} means {other:?}"),
        };
        means("put a b", "Put(");
        means("set a 'b c'", "Put(");
        means("delete a", "Del(");
        means("nodes", "Ring");
        means("add", "Add(Add { via: None, port: None");
        means("add --via 10001", "Add(Add { via: Some");
        means(
            "add_node localhost 10009",
            "Add(Add { via: None, port: Some(10009)",
        );
        means("remove PROC10001", "Leave(Node { node: \"PROC10001\"");
        means(
            "remove_node localhost 10001",
            "Leave(Node { node: \"127.0.0.1:10001\"",
        );
        means("trace a --routing linear", "Trace(");
        assert!(matches!(Line::parse("  "), Line::Nothing));
        assert!(matches!(Line::parse("# a remark"), Line::Nothing));
        assert!(matches!(Line::parse("quit"), Line::Quit));
        assert!(matches!(Line::parse("keys"), Line::Keys));
    }

    #[test]
    fn what_means_nothing_says_so() {
        assert!(wrong("fly away").contains("no command `fly`"));
        assert!(wrong("get").contains("<KEY>"));
        assert!(wrong("get 'a").contains("quotation mark"));
        assert!(wrong("add 10.0.0.7 11211").contains("on this machine"));
        assert!(wrong("shell").contains("already"));
    }

    #[test]
    fn help_names_every_verb_and_explains_each() {
        let Line::Told(text) = Line::parse("help") else {
            panic!("help tells");
        };
        for verb in [
            "get", "set", "add_node", "remove", "trace", "nodes", "keys", "quit",
        ] {
            assert!(text.contains(&format!("  {verb} ")), "{text}");
        }
        assert!(matches!(Line::parse("help set"), Line::Told(text) if text.contains("tasks put")));
    }
}
