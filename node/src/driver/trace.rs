//! Trace: what happens to the node and what it does about it, a line of JSON an event, written down as
//! [`dht::trace`] has it. `tasks replay` lets the node live again by it.
//!
//! A line is written before anything of it is done, and each by one call to the system, so that
//! whatever ends the process the file holds all that the rest of the world has seen of the node.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use dht::trace::{Birth, Head, Line, Origin};
use serde::Serialize;

use crate::{Action, Address, Event, Node};

/// A trace that is being written.
#[derive(Debug)]
pub struct Trace {
    /// Nothing once it could not be written any more.
    file: Option<File>,
}

impl Trace {
    /// Begins a life of a node at the end of the file, behind its earlier lives. Errors: it can't be
    /// written.
    pub fn begin(path: &Path, birth: Birth<Address>) -> io::Result<Trace> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).read(true).open(path)?;
        if is_torn(&mut file)? {
            file.write_all(b"\n")?;
        }
        let head: Head<(), Address> = Head::new(Origin::Node(birth));
        write(&mut file, &head)?;
        Ok(Trace { file: Some(file) })
    }

    /// Lets the node deal with an event, and writes both down. `actions` is empty.
    pub(super) fn handle(&mut self, node: &mut Node, event: Event, actions: &mut Vec<Action>) {
        let mut open = Open {
            trace: self,
            line: Line {
                us: us_since_1970(),
                node: node.view().me,
                event: Some(event.clone()),
                actions: None,
            },
        };
        node.handle(event, actions);
        open.line.actions = Some(actions.clone());
    }
}

/// A line that is written as soon as this is gone: with actions, or without where the node has panicked.
struct Open<'a> {
    trace: &'a mut Trace,
    line: Line<Address>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let Some(file) = &mut self.trace.file else {
            return;
        };
        if let Err(error) = write(file, &self.line) {
            tracing::warn!(%error, "the trace can't be written any more: it ends here");
            self.trace.file = None;
        }
    }
}

/// Whether the file ends in the middle of a line: that of a life that was killed.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn write(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

fn us_since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_micros() as u64
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use dht::event::Timer;
    use dht::store::Outcome;
    use dht::{Config, Id, Peer};

    use super::*;

    fn birth() -> Birth<Address> {
        let me = Peer {
            id: Id::ZERO,
            address: ([127, 0, 0, 1], 1).into(),
            incarnation: 1,
        };
        Birth {
            me,
            config: Config::default(),
            ring: Some(vec![me]),
            again: false,
            notes: Vec::new(),
        }
    }

    fn read(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).expect("it was written");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_event_that_breaks_the_node_is_written_too() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("trace");
        let mut trace = Trace::begin(&path, birth()).expect("it is writable");
        let (mut node, mut actions) = (birth().node(), Vec::new());
        trace.handle(&mut node, Event::Elapsed(Timer::Stabilize), &mut actions);
        actions.clear();
        let call = dht::event::Call::Read {
            key: Id::ZERO,
            routing: dht::message::Routing::Finger,
        };
        let ticket = dht::event::Ticket(1);
        trace.handle(&mut node, Event::Called { ticket, call }, &mut actions);
        let asked = actions.drain(..).find_map(|action| match action {
            Action::Store { ticket, .. } => Some(ticket),
            _ => None,
        });
        // A store that answers something else than it was asked.
        let nonsense = Event::Stored {
            ticket: asked.expect("it reads its store"),
            outcome: Outcome::Done,
        };
        let handled = catch_unwind(AssertUnwindSafe(|| {
            trace.handle(&mut node, nonsense.clone(), &mut actions);
        }));
        assert!(handled.is_err(), "it breaks");
        let lines = read(&path);
        assert_eq!(lines.len(), 4);
        let last: Line<Address> = serde_json::from_str(&lines[3]).expect("a line");
        assert_eq!((last.event, last.actions), (Some(nonsense), None));
    }

    #[test]
    fn a_new_life_begins_on_a_line_of_its_own() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("trace");
        Trace::begin(&path, birth()).expect("it is writable");
        let mut file = OpenOptions::new().append(true).open(&path).expect("a file");
        file.write_all(b"{\"us\":").expect("it is writable");
        Trace::begin(&path, birth()).expect("it is writable");
        let lines = read(&path);
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (lines[0].clone(), "{\"us\":"),
            (lines[2].clone(), &*lines[1])
        );
    }
}
