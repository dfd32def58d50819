//! Trace: a run as lines of JSON, one event a line.
//!
//! The first line is the head: `{"trace":"dht","version":1,"plan":{…}}`, with all that determines the
//! run; a real network's trace has no plan. Every other line is one thing that happened to one node:
//! `{"us":N,"id":ID,"address":A,"incarnation":N,"event":KIND,"what":TEXT}`, where `us` is microseconds
//! since the start, and KIND is `asked`, `answered`, `unanswered`, `elapsed`, `stored`, `called`,
//! `note` or `down`. `from` names the other side, and `what` is a text for people: the question, the
//! answer, the timer. Lines are in the order in which the nodes dealt with the events.

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

use dht::{Event, Peer};
use serde::{Deserialize, Serialize};

use crate::engine::{Address, Heard, Network};
use crate::plan::Plan;

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Always `dht`.
    pub trace: String,
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// All that determines the run; nothing where real nodes were traced.
    pub plan: Option<Plan>,
}

/// Changes with every change of the lines or of what a plan means.
pub const VERSION: u32 = 1;

impl Head {
    /// The head of a run.
    pub fn of(plan: &Plan) -> Head {
        Head {
            trace: "dht".to_owned(),
            version: VERSION,
            plan: Some(plan.clone()),
        }
    }

    /// Reads the first line. Errors: it is none, or of another version.
    pub fn read(line: &str) -> Result<Head, NotATrace> {
        #[derive(Deserialize)]
        struct Any {
            trace: String,
            version: u32,
        }
        let any: Any = serde_json::from_str(line).map_err(|_| NotATrace::Other)?;
        if any.trace != "dht" {
            return Err(NotATrace::Other);
        }
        if any.version != VERSION {
            return Err(NotATrace::Version(any.version));
        }
        serde_json::from_str(line).map_err(|error| NotATrace::Broken(error.to_string()))
    }
}

/// Why a file is no trace that can be replayed.
#[derive(Debug, thiserror::Error)]
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

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Microseconds since the start.
    pub us: u64,
    /// Whose.
    pub id: dht::Id,
    /// Where.
    pub address: Address,
    /// Which life of it.
    pub incarnation: u32,
    /// What kind of thing happened.
    pub event: String,
    /// The other side, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
    /// What happened, in a text for people.
    pub what: String,
}

impl Line {
    fn of(us: u64, heard: Heard<'_>) -> Line {
        let (me, event, from, what) = match heard {
            Heard::Event(me, event) => {
                let (kind, from, what) = describe(event);
                (me, kind, from, what)
            }
            Heard::Note(me, note) => (me, "note", None, format!("{note:?}")),
            Heard::Down(me) => (me, "down", None, String::new()),
        };
        Line {
            us,
            id: me.id,
            address: me.address,
            incarnation: me.incarnation,
            event: event.to_owned(),
            from,
            what,
        }
    }

    /// For people: time, node, what.
    pub fn readable(&self) -> String {
        let from = self.from.as_ref();
        let from = from.map_or(String::new(), |from| format!(" {from}"));
        format!(
            "{:>12.3} ms  {:.8}@{}#{}  {}{from} {}",
            self.us as f64 / 1_000.0,
            self.id,
            self.address,
            self.incarnation,
            self.event,
            self.what
        )
    }
}

fn describe(event: &Event<Address>) -> (&'static str, Option<String>, String) {
    let name = |peer: &Peer<Address>| Some(format!("{peer:?}"));
    match event {
        Event::Asked { from, request, .. } => ("asked", name(from), format!("{request:?}")),
        Event::Answered { from, reply, .. } => ("answered", name(from), format!("{reply:?}")),
        Event::Unanswered { ticket, cause } => {
            ("unanswered", None, format!("{cause:?} {}", ticket.0))
        }
        Event::Elapsed(timer) => ("elapsed", None, format!("{timer:?}")),
        Event::Stored { outcome, .. } => ("stored", None, format!("{outcome:?}")),
        Event::Called { call, .. } => ("called", None, format!("{call:?}")),
    }
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
        write_line(&mut writer, &Head::of(plan))?;
        let shared = Arc::new(Mutex::new((writer, Ok(()))));
        let recorder = Recorder {
            shared: Arc::clone(&shared),
        };
        network.listen(Box::new(move |us, heard| {
            with(&shared, |(writer, state)| {
                if state.is_ok() {
                    *state = write_line(writer, &Line::of(us, heard));
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

fn write_line(writer: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *writer, line)?;
    writer.write_all(b"\n")
}

/// Remembers the last lines of a network.
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
        network.listen(Box::new(move |us, heard| {
            with(&shared, |last| {
                if last.len() == lines {
                    last.pop_front();
                }
                last.push_back(Line::of(us, heard));
            });
        }));
        memory
    }

    /// What it remembers, the oldest first.
    pub fn lines(&self) -> Vec<Line> {
        with(&self.shared, |last| last.iter().cloned().collect())
    }
}

/// Compares all that a network does with the lines of an earlier run.
pub struct Comparison<R> {
    shared: Shared<Compared<R>>,
}

struct Compared<R> {
    earlier: io::Lines<R>,
    lines: u64,
    difference: Option<Difference>,
}

/// Where two runs differ first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Line of the trace, counted from 1.
    pub line: u64,
    /// What the trace says there; nothing where it ended.
    pub earlier: Option<String>,
    /// What happened now; nothing where nothing more did.
    pub now: Option<String>,
}

impl<R: BufRead + Send + 'static> Comparison<R> {
    /// With the lines after the head.
    pub fn begin(earlier: io::Lines<R>, network: &mut Network) -> Comparison<R> {
        let shared = Arc::new(Mutex::new(Compared {
            earlier,
            lines: 1,
            difference: None,
        }));
        let comparison = Comparison {
            shared: Arc::clone(&shared),
        };
        network.listen(Box::new(move |us, heard| {
            with(&shared, |compared| compared.hear(&Line::of(us, heard)));
        }));
        comparison
    }

    /// How many lines are the same, and where the runs differ first. A trace that is only a head is the
    /// same as any run.
    pub fn finish(self) -> (u64, Option<Difference>) {
        with(&self.shared, |compared| {
            let rest = compared.earlier.next().and_then(Result::ok);
            if compared.difference.is_none() && rest.is_some() {
                compared.difference = Some(Difference {
                    line: compared.lines + 1,
                    earlier: rest,
                    now: None,
                });
            }
            let only_head = compared.lines == 2
                && compared
                    .difference
                    .as_ref()
                    .is_some_and(|difference| difference.earlier.is_none());
            let difference = compared.difference.take().filter(|_| !only_head);
            (compared.lines.saturating_sub(1), difference)
        })
    }
}

impl<R: BufRead> Compared<R> {
    fn hear(&mut self, line: &Line) {
        if self.difference.is_some() {
            return;
        }
        self.lines += 1;
        let now = serde_json::to_string(line).ok();
        let earlier = self.earlier.next().and_then(Result::ok);
        if earlier != now {
            self.difference = Some(Difference {
                line: self.lines,
                earlier,
                now,
            });
        }
    }
}
