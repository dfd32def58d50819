//! Prompt: lines from a terminal, with editing, history and completion, or from a pipe.

use std::io::{IsTerminal as _, stdin};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Editor, Helper};

use super::line::verbs;
use crate::cluster::Cluster;

/// Where lines come from.
pub(super) struct Prompt {
    editor: Editor<Words, FileHistory>,
    /// Beside the networks: what was typed is good for the next one, too.
    history: Option<PathBuf>,
}

impl Prompt {
    pub(super) fn new(cluster: &Cluster, is_classic: bool) -> Result<Prompt> {
        let mut editor = Editor::new().context("cannot read lines")?;
        let nodes = cluster
            .network()?
            .processes
            .into_iter()
            .map(|process| process.name);
        let verbs = match is_classic {
            true => CLASSIC.map(str::to_owned).into(),
            false => verbs(),
        };
        editor.set_helper(Some(Words {
            verbs,
            nodes: nodes.collect(),
        }));
        let state = cluster.folder.path().parent();
        let history = state
            .map(|state| state.join(HISTORY))
            .filter(|_| stdin().is_terminal());
        if let Some(history) = &history {
            // There is none before the first time.
            let _ = editor.load_history(history);
        }
        Ok(Prompt { editor, history })
    }

    /// Whether somebody sits in front of it.
    pub(super) fn is_watched(&self) -> bool {
        self.history.is_some()
    }

    /// The next line; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<String>> {
        loop {
            match self.editor.readline(PROMPT) {
                Ok(line) => {
                    if !line.trim().is_empty() {
                        self.editor
                            .add_history_entry(&line)
                            .context("cannot remember a line")?;
                        self.remember();
                    }
                    return Ok(Some(line));
                }
                // What was begun is given up, and the next line begins.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(error).context("cannot read the next line"),
            }
        }
    }

    /// A history that can't be kept is no reason to stop.
    fn remember(&mut self) {
        if let Some(history) = &self.history {
            let _ = self.editor.append_history(history);
        }
    }
}

/// What Tab completes: verbs at first, then names of nodes.
struct Words {
    verbs: Vec<String>,
    nodes: Vec<String>,
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..position];
        let start = typed
            .rfind(char::is_whitespace)
            .map_or(0, |blank| blank + 1);
        let is_first = typed[..start].trim().is_empty();
        let words = if is_first { &self.verbs } else { &self.nodes };
        let fitting = words
            .iter()
            .filter(|word| word.starts_with(&typed[start..]));
        let pair = |word: &String| Pair {
            display: word.clone(),
            replacement: format!("{word} "),
        };
        Ok((start, fitting.map(pair).collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

const PROMPT: &str = "dht> ";
const HISTORY: &str = "shell_history";
const CLASSIC: [&str; 8] = [
    "get",
    "set",
    "put",
    "add",
    "add_node",
    "remove",
    "remove_node",
    "quit",
];

#[cfg(test)]
mod tests {
    use rustyline::history::DefaultHistory;

    use super::*;

    #[test]
    fn tab_completes_verbs_and_then_nodes() {
        let words = Words {
            verbs: verbs(),
            nodes: ["PROC10001", "PROC10002"].map(str::to_owned).into(),
        };
        let history = DefaultHistory::new();
        let context = rustyline::Context::new(&history);
        let completed = |line: &str| {
            let (start, pairs) = words
                .complete(line, line.len(), &context)
                .expect("it completes");
            let words = pairs.into_iter().map(|pair| pair.replacement);
            (start, words.collect::<Vec<_>>())
        };
        assert_eq!(
            completed("rem"),
            (0, vec!["remove ".to_owned(), "remove_node ".to_owned()])
        );
        assert_eq!(
            completed("remove PROC10002"),
            (7, vec!["PROC10002 ".to_owned()])
        );
        assert_eq!(completed("get x"), (4, vec![]));
    }
}
