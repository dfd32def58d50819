//! Replay: what a real node wrote down, given to the same state machine again.
//!
//! A node is pure, so its birth and its events bring the same actions here as they did there, on
//! another machine and at another time. A trace may hold several lives of a node, each with a head of
//! its own; a life that was killed may end in the middle of a line.

use std::io::{self, BufRead};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use dht::peer::Address;
use dht::trace::{Birth, Line, Origin};
use dht::{Event, Node};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::trace::{Difference, NotATrace, head, next_line};

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Events that the node dealt with as it did then.
    pub same: u64,
    /// Lives of the node.
    pub lives: u64,
    /// Lines that break off where a life was killed.
    pub torn: u64,
    /// The first line with an event that broke an invariant of the node, then as now.
    pub broke: Option<u64>,
    /// Where the node did something else first; the replay ends there.
    pub difference: Option<Difference>,
    /// Whether it was ended before its end.
    pub partial: bool,
}

/// Why a trace can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another head in it is none, or of another version.
    #[error("line {0}: {1}")]
    Head(u64, NotATrace),
    /// A head in it is that of a simulated network.
    #[error("line {0}: a simulated network, in the trace of a real node")]
    Simulated(u64),
    /// No node can begin as a head says.
    #[error("line {0}: no node can begin so")]
    Birth(u64),
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Lets the node of a head live again, by the lines after it, until `stop` is set.
pub fn replay<A>(
    birth: &Birth<A>,
    lines: &mut impl BufRead,
    stop: &AtomicBool,
) -> Result<Replayed, Error>
where
    A: Address + Serialize + DeserializeOwned,
{
    let mut replayed = Replayed::default();
    let mut number = 1;
    let mut node = Some(born(birth, number)?);
    replayed.lives = 1;
    // A line that can't be read: torn if a life ends with it, and else something else than happened.
    let mut unread: Option<String> = None;
    while let Some((text, is_whole)) = next_line(lines)? {
        number += 1;
        if text.starts_with(HEAD) {
            node = Some(born(&birth_of(&text, number)?, number)?);
            replayed.lives += 1;
            replayed.torn += u64::from(unread.take().is_some());
            continue;
        }
        if unread.is_some() {
            number -= 1;
            break;
        }
        let Ok(line) = serde_json::from_str::<Line<A>>(&text) else {
            if is_whole {
                unread = Some(text);
            } else {
                replayed.torn += 1;
            }
            continue;
        };
        let now = happen(&mut node, &line);
        if now.as_ref() != Some(&line) {
            let now = now.and_then(|now| serde_json::to_string(&now).ok());
            replayed.difference = Some(Difference {
                line: number,
                earlier: text,
                now,
            });
            return Ok(replayed);
        }
        replayed.same += 1;
        if line.actions.is_none() {
            replayed.broke.get_or_insert(number);
        }
        if stop.load(Ordering::Relaxed) {
            replayed.partial = true;
            return Ok(replayed);
        }
    }
    replayed.difference = unread.map(|earlier| Difference {
        line: number,
        earlier,
        now: None,
    });
    Ok(replayed)
}

/// What the node makes of a line's event; nothing where there is no node any more, or no event. A node
/// that breaks is gone.
fn happen<A: Address>(node: &mut Option<Node<A>>, line: &Line<A>) -> Option<Line<A>> {
    let mut living = node.take()?;
    let event: Event<A> = line.event.clone()?;
    let me = living.view().me.clone();
    let handled = catch_unwind(AssertUnwindSafe(|| {
        let mut actions = Vec::new();
        living.handle(event, &mut actions);
        (living, actions)
    }));
    let actions = handled.ok().map(|(living, actions)| {
        *node = Some(living);
        actions
    });
    Some(Line {
        us: line.us,
        node: me,
        event: line.event.clone(),
        actions,
    })
}

fn birth_of<A: DeserializeOwned>(text: &str, number: u64) -> Result<Birth<A>, Error> {
    match head(text)
        .map_err(|error| Error::Head(number, error))?
        .origin
    {
        Origin::Node(birth) => Ok(birth),
        Origin::Plan(_) => Err(Error::Simulated(number)),
    }
}

fn born<A: Address>(birth: &Birth<A>, number: u64) -> Result<Node<A>, Error> {
    // What nonsense a file may hold is not for the node to say.
    catch_unwind(AssertUnwindSafe(|| birth.node())).map_err(|_| Error::Birth(number))
}

/// How a head begins.
const HEAD: &str = "{\"trace\":";

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use dht::event::{Ticket, Timer};
    use dht::message::Request;
    use dht::store::Outcome;
    use dht::{Action, Config, Id, Peer};

    use super::*;
    use crate::trace::{Head, write_line};

    fn peer(address: u32) -> Peer<u32> {
        Peer {
            id: Id::of(&address.to_be_bytes()),
            address,
            incarnation: 1,
        }
    }

    fn birth() -> Birth<u32> {
        Birth {
            me: peer(1),
            config: Config::default(),
            ring: Some(vec![peer(1), peer(2), peer(3)]),
            again: false,
            notes: Vec::new(),
        }
    }

    /// The lines of a life in which these things happen, without its head.
    fn life(events: &[Event<u32>]) -> String {
        let mut node = birth().node();
        let mut text = Vec::new();
        for (us, event) in (1..).zip(events) {
            let me = node.view().me;
            let mut actions = Vec::new();
            node.handle(event.clone(), &mut actions);
            let line = Line {
                us,
                node: me,
                event: Some(event.clone()),
                actions: Some(actions),
            };
            write_line(&mut text, &line).expect("memory is writable");
        }
        String::from_utf8(text).expect("JSON is text")
    }

    fn asked(request: Request<u32>) -> Event<u32> {
        Event::Asked {
            ticket: Ticket(7),
            from: peer(2),
            request,
        }
    }

    fn quiet_life() -> String {
        life(&[
            Event::Elapsed(Timer::Stabilize),
            asked(Request::Read(Id::ZERO)),
            Event::Elapsed(Timer::Predecessor),
        ])
    }

    fn head_line() -> String {
        let head: Head = Head::new(Origin::Node(birth()));
        serde_json::to_string(&head).expect("a head is JSON") + "\n"
    }

    fn again(text: &str) -> Result<Replayed, Error> {
        replay(&birth(), &mut Cursor::new(text), &AtomicBool::new(false))
    }

    #[test]
    fn the_same_events_bring_the_same_actions() {
        let replayed = again(&quiet_life()).expect("a good trace");
        assert_eq!((replayed.same, replayed.lives), (3, 1));
        assert_eq!(replayed.difference, None);
    }

    #[test]
    fn what_the_node_would_not_do_is_a_difference() {
        let changed = quiet_life().replacen("\"Ping\"", "\"Look\"", 1);
        let replayed = again(&changed).expect("a good trace");
        let difference = replayed.difference.expect("it pings");
        assert_eq!((replayed.same, difference.line), (2, 4));
        assert!(difference.earlier.contains("\"Look\""));
        assert!(difference.now.is_some_and(|now| now.contains("\"Ping\"")));
    }

    #[test]
    fn a_killed_life_may_break_off_and_another_one_follow() {
        let life = quiet_life();
        let torn = &life[..life.len() - 20];
        let replayed = again(torn).expect("a good trace");
        assert_eq!((replayed.same, replayed.torn), (2, 1));
        assert_eq!(replayed.difference, None);
        let two = format!("{torn}\n{}{life}", head_line());
        let replayed = again(&two).expect("a good trace");
        assert_eq!((replayed.same, replayed.torn, replayed.lives), (5, 1, 2));
        assert_eq!(replayed.difference, None);
    }

    #[test]
    fn a_broken_line_in_the_middle_of_a_life_is_a_difference() {
        for at in [2, 3, 4] {
            let mut lines: Vec<String> = quiet_life().lines().map(str::to_owned).collect();
            lines[at - 2] = "{\"us\":1,".to_owned();
            let replayed = again(&(lines.join("\n") + "\n")).expect("a good trace");
            let difference = replayed.difference.expect("one line is broken");
            assert_eq!(difference.line, at as u64);
        }
    }

    #[test]
    fn what_broke_a_node_breaks_it_again() {
        let mut life = quiet_life();
        let read = Request::Read(Id::ZERO);
        // A store that answers something else than it was asked.
        let line = Line {
            us: 4,
            node: peer(1),
            event: Some(Event::Stored {
                ticket: store_ticket(asked(read)),
                outcome: Outcome::Done,
            }),
            actions: None,
        };
        life += &serde_json::to_string(&line).expect("plain data");
        let replayed = again(&life).expect("a good trace");
        assert_eq!((replayed.same, replayed.broke), (4, Some(5)));
        // And nothing happens to it after that.
        life += "\n";
        life += quiet_life().lines().next().expect("a line");
        let replayed = again(&life).expect("a good trace");
        let difference = replayed.difference.expect("it is gone");
        assert_eq!((difference.line, difference.now), (6, None));
    }

    /// By which a new node asks its store what it needs for an event.
    fn store_ticket(event: Event<u32>) -> Ticket {
        let mut actions = Vec::new();
        birth().node().handle(event, &mut actions);
        let mut tickets = actions.iter().filter_map(|action| match action {
            Action::Store { ticket, .. } => Some(*ticket),
            _ => None,
        });
        tickets.next().expect("it asks its store")
    }

    #[test]
    fn another_version_in_the_middle_is_refused_by_name() {
        let newer = head_line().replace("\"version\":2", "\"version\":99");
        let error = again(&(quiet_life() + &newer)).expect_err("another version");
        assert!(error.to_string().contains("version 99"), "{error}");
        assert!(error.to_string().starts_with("line 5:"), "{error}");
    }

    #[test]
    fn a_node_that_cannot_be_is_refused() {
        let mut birth = birth();
        birth.config.successors = 0;
        let stop = AtomicBool::new(false);
        let refused = replay(&birth, &mut Cursor::new(""), &stop);
        assert!(matches!(refused, Err(Error::Birth(1))));
    }
}
