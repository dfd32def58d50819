//! Stage: where a story is told on real processes: a network of its own, of which nothing is left in the
//! end, whatever happens.

use std::fmt::Display;
use std::process::{self, ExitCode};
use std::time::Instant;

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cluster::Cluster;
use crate::commands::destroy::destroy;
use crate::interrupt::interrupted;
use crate::printer::Printer;
use crate::table;

/// Where a story is told.
pub(crate) struct Stage {
    /// The network, of which nothing is there in the beginning.
    pub(crate) cluster: Cluster,
    /// Who is told.
    pub(crate) printer: Printer,
    /// What `--json` prints in the end.
    facts: Map<String, Value>,
}

impl Stage {
    /// Tells a story on a network of its own, whose state lies beside that of `beside`. What else the story
    /// starts must end by being dropped: a signal drops it in the middle.
    pub(crate) async fn play(
        name: &str,
        beside: &Cluster,
        printer: Printer,
        story: impl AsyncFnOnce(&mut Stage) -> Result<()>,
    ) -> Result<ExitCode> {
        let state = beside.folder.path().parent();
        let state = state
            .expect("a network lies in the state folder")
            .to_owned();
        let mut stage = Stage {
            cluster: Cluster::new(state, &format!("{name}-{}", process::id()))?,
            printer,
            facts: Map::new(),
        };
        let begun = Instant::now();
        let told = tokio::select! {
            biased;
            () = interrupted() => Err(anyhow!("interrupted")),
            told = story(&mut stage) => told,
        };
        // Whatever happened, also where it went wrong or nobody wants to read more of it.
        let cleared = if stage.cluster.folder.exists() {
            destroy(&stage.cluster)
        } else {
            Ok(Vec::new())
        };
        told?;
        let ended = match cleared?.len() {
            // The story had processes of its own.
            0 => String::new(),
            count => format!("{} ended, ", table::nodes(count)),
        };
        let ms = begun.elapsed().as_millis() as u64;
        stage.say(format_args!("Clean-up: {ended}nothing left behind."))?;
        stage.say(format_args!("All of it took {:.1} s.", ms as f64 / 1_000.0))?;
        stage.note("ms", json!(ms));
        printer.document(&stage.facts)?;
        Ok(ExitCode::SUCCESS)
    }

    /// A line of the story: data for people, talk for programs.
    pub(crate) fn say(&self, line: impl Display) -> Result<()> {
        if self.printer.is_json() {
            self.printer.note(line);
            return Ok(());
        }
        self.printer.line(line)
    }

    /// Keeps a fact for `--json`.
    pub(crate) fn note(&mut self, name: &str, fact: impl Serialize) {
        let fact = serde_json::to_value(fact).expect("facts are plain data");
        self.facts.insert(name.to_owned(), fact);
    }
}
