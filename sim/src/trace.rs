//! Trace: a run as lines of JSON, one event a line, as [`dht::trace`] has them.
//!
//! The head of a run's trace is its plan, which determines all the rest, so a trace is run again by
//! carrying out the plan, and compared byte for byte. One that ends early, torn or not, is compared as
//! far as it goes; one that is only a head is as good as its plan. What a real node wrote begins with
//! the node's birth instead: [`crate::replay`].

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

use dht::message::Reply;
use dht::store::Command;
use dht::trace::{NAME, Origin, VERSION};
use dht::{Action, Event};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::{Address, Network};
use crate::plan::Plan;

/// The first line of a trace: of a run, or of a real node that is reached by an `A`.
pub type Head<A = Address> = dht::trace::Head<Plan, A>;

/// One event of one node of a run.
pub type Line = dht::trace::Line<Address>;

/// Reads the first line. Errors: it is none, or of another version.
pub fn head<A: DeserializeOwned>(line: &str) -> Result<Head<A>, NotATrace> {
    #[derive(Deserialize)]
    struct Any {
        trace: String,
        version: u32,
    }
    let any: Any = serde_json::from_str(line).map_err(|_| NotATrace::Other)?;
    if any.trace != NAME {
        return Err(NotATrace::Other);
    }
    if any.version != VERSION {
        return Err(NotATrace::Version(any.version));
    }
    serde_json::from_str(line).map_err(|error| NotATrace::Broken(error.to_string()))
}

/// Why a file is no trace that can be run again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATrace {
    /// It is something else.
    #[error(
        "this is no trace: its first line is not {{\"trace\":\"dht\",\"version\":{VERSION},…}}"
    )]
    Other,
    /// It was written by another version of the program.
    #[error("this is a trace of version {0}; this program reads and writes version {VERSION}")]
    Version(u32),
    /// It says that it is one, but its head can't be read.
    #[error("the trace's head can't be read: {0}")]
    Broken(String),
}

/// The next line without its end, and whether it has one; nothing after the last.
pub fn next_line(reader: &mut impl BufRead) -> io::Result<Option<(String, bool)>> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let is_whole = bytes.ends_with(b"\n");
    bytes.truncate(bytes.len() - usize::from(is_whole));
    // What is no text is no JSON either, and is found to be none soon enough.
    Ok(Some((
        String::from_utf8_lossy(&bytes).into_owned(),
        is_whole,
    )))
}

/// Something shared between a network and whoever reads what it heard.
type Shared<T> = Arc<Mutex<T>>;

fn with<T, R>(shared: &Shared<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Writes all that a network does; an error of the writer ends the writing, and is kept.
pub struct Recorder<W> {
    shared: Shared<(W, io::Result<()>)>,
}

impl<W: Write + Send + 'static> Recorder<W> {
    /// Begins with the head. Errors: the writer's.
    pub fn begin(mut writer: W, plan: &Plan, network: &mut Network) -> io::Result<Recorder<W>> {
        let head: Head = Head::new(Origin::Plan(plan.clone()));
        write_line(&mut writer, &head)?;
        let shared = Arc::new(Mutex::new((writer, Ok(()))));
        let recorder = Recorder {
            shared: Arc::clone(&shared),
        };
        network.listen(Box::new(move |line| {
            with(&shared, |(writer, state)| {
                if state.is_ok() {
                    *state = write_line(writer, &line);
                }
            });
        }));
        Ok(recorder)
    }

    /// The end. Errors: the first one of the writer.
    pub fn finish(self) -> io::Result<()> {
        with(&self.shared, |(writer, state)| {
            std::mem::replace(state, Ok(())).and_then(|()| writer.flush())
        })
    }
}

/// Writes one line of a trace. Errors: the writer's.
pub fn write_line(writer: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *writer, line)?;
    writer.write_all(b"\n")
}

/// Remembers the last lines of a network that tell of a change.
pub struct Memory {
    shared: Shared<VecDeque<Line>>,
}

impl Memory {
    /// Of so many lines.
    pub fn begin(lines: usize, network: &mut Network) -> Memory {
        let shared = Arc::new(Mutex::new(VecDeque::with_capacity(lines)));
        let memory = Memory {
            shared: Arc::clone(&shared),
        };
        network.listen(Box::new(move |line| {
            if !is_change(&line) {
                return;
            }
            with(&shared, |last| {
                if last.len() == lines {
                    last.pop_front();
                }
                last.push_back(line);
            });
        }));
        memory
    }

    /// What it remembers, the oldest first.
    pub fn lines(&self) -> Vec<Line> {
        with(&self.shared, |last| last.iter().cloned().collect())
    }
}

/// Whether something is not as it was: a machine, a node, or its content. Most of what happens, steps
/// of lookups above all, changes nothing, and would bury the rest.
fn is_change(line: &Line) -> bool {
    let is_step = matches!(
        line.event,
        Some(Event::Answered {
            reply: Reply::Routed(_),
            ..
        })
    );
    let mut actions = line.actions.iter().flatten();
    line.event.is_none()
        || actions.any(|action| match action {
            Action::Note(_) => true,
            // A finger has moved.
            Action::Publish => !is_step,
            Action::Store { command, .. } => !matches!(
                command,
                Command::Read(_) | Command::Scan { .. } | Command::Collect(_) | Command::Sync
            ),
            _ => false,
        })
}

/// Compares all that a network does with the lines of an earlier run.
pub struct Comparison<R> {
    shared: Shared<Open<R>>,
}

struct Open<R> {
    earlier: R,
    compared: Compared,
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Events that are the same.
    pub same: u64,
    /// Whether the trace ended before the run did.
    pub is_short: bool,
    /// Whether it ended in the middle of a line.
    pub is_torn: bool,
    /// Where the two differ first.
    pub difference: Option<Difference>,
}

impl Compared {
    /// Whether the trace is that of a run that was cut short, and not only a head.
    pub fn is_cut(&self) -> bool {
        self.is_short && (self.same > 0 || self.is_torn)
    }
}

/// Where a trace and what happens now differ first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Line of the trace, counted from 1.
    pub line: u64,
    /// What the trace says there.
    pub earlier: String,
    /// What happened now; nothing where nothing more did.
    pub now: Option<String>,
}

impl<R: BufRead + Send + 'static> Comparison<R> {
    /// With the lines after the head.
    pub fn begin(earlier: R, network: &mut Network) -> Comparison<R> {
        let shared = Arc::new(Mutex::new(Open {
            earlier,
            compared: Compared::default(),
        }));
        let comparison = Comparison {
            shared: Arc::clone(&shared),
        };
        network.listen(Box::new(move |line| {
            with(&shared, |open| open.hear(&line));
        }));
        comparison
    }

    /// Whether it is over, since the earlier run was cut short: [`Compared::is_cut`].
    pub fn is_cut(&self) -> bool {
        with(&self.shared, |open| open.compared.is_cut())
    }

    /// What came of it. A run that was stopped is no reason for a difference (`is_partial`).
    pub fn finish(self, is_partial: bool) -> Compared {
        with(&self.shared, |open| {
            if !is_partial && !open.is_over() {
                open.difference_to(None);
            }
            open.compared.clone()
        })
    }
}

impl<R: BufRead> Open<R> {
    fn hear(&mut self, line: &Line) {
        if !self.is_over() {
            self.difference_to(serde_json::to_string(line).ok());
        }
    }

    fn is_over(&self) -> bool {
        self.compared.is_short || self.compared.difference.is_some()
    }

    fn difference_to(&mut self, now: Option<String>) {
        let compared = &mut self.compared;
        // A file that can't be read any more is one that ends here.
        match (next_line(&mut self.earlier).ok().flatten(), now) {
            (None, None) => {}
            (None, Some(_)) => compared.is_short = true,
            (Some((earlier, _)), Some(now)) if earlier == now => compared.same += 1,
            (Some((earlier, false)), Some(now)) if now.starts_with(&earlier) => {
                (compared.is_short, compared.is_torn) = (true, true);
            }
            (Some((earlier, _)), now) => {
                compared.difference = Some(Difference {
                    line: compared.same + 2,
                    earlier,
                    now,
                });
            }
        }
    }
}
