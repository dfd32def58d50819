//! Trace: what happened to nodes, one event a line, for people, for programs, and to be run again.
//!
//! A trace is lines of JSON. The first one, the [`Head`], says what it is and how all began. Every
//! other [`Line`] is one event of one node, and what the node did about it; lines are in the order in
//! which nodes dealt with their events. A node is a pure state machine, so its [`Birth`] and its
//! events are all that there is to know of it: given to it again, they bring the same actions.
//!
//! ```text
//! {"trace":"dht","version":2,"node":{"me":{"id":"2050…","address":"127.0.0.1:10012","incarnation":3},…}}
//! {"us":1716023245000123,"node":{"id":"2050…",…},"event":{"Elapsed":"Stabilize"},"actions":[{"Ask":{…}}]}
//! {"us":1716023245000874,"node":{"id":"2050…",…},"event":{"Answered":{…}},"actions":[]}
//! ```

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Debug};

use serde::{Deserialize, Serialize};

use crate::event::{Action, Event};
use crate::node::{Config, Node};
use crate::peer::{Address, Peer};

/// Changes with every change of what stands in a trace, or of what it means.
pub const VERSION: u32 = 2;

/// What every trace calls itself.
pub const NAME: &str = "dht";

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head<P, A> {
    /// Always [`NAME`].
    pub trace: String,
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// `plan` or `node`: how it began.
    #[serde(flatten)]
    pub origin: Origin<P, A>,
}

/// How a trace began, so that it can be run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin<P, A> {
    /// A whole simulated network, and all that determines what happens to it.
    Plan(P),
    /// One real node.
    Node(Birth<A>),
}

impl<P, A> Head<P, A> {
    /// The head of a trace that begins now.
    pub fn new(origin: Origin<P, A>) -> Head<P, A> {
        Head {
            trace: NAME.to_owned(),
            version: VERSION,
            origin,
        }
    }
}

/// How a node began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth<A> {
    /// Which node, and which life of it.
    pub me: Peer<A>,
    /// What it was told.
    pub config: Config,
    /// The members of the ideal ring that it was part of from the beginning; nothing where it had
    /// yet to join one.
    pub ring: Option<Vec<Peer<A>>>,
    /// Whether that ring had been there before, and was stopped as a whole.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub again: bool,
    /// What its store had noted for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<A: Address> Birth<A> {
    /// The node as it was then.
    pub fn node(&self) -> Node<A> {
        let me = self.me.clone();
        match &self.ring {
            // Whoever has notes has been part of it, whatever it was told.
            Some(ring) if self.again || !self.notes.is_empty() => {
                Node::in_ring_again(me, ring, self.config, &self.notes)
            }
            Some(ring) => Node::in_ring(me, ring, self.config),
            None => {
                let mut node = Node::new(me, self.config);
                node.restore(&self.notes);
                node
            }
        }
    }
}

/// One event of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line<A> {
    /// When: microseconds of virtual time, or since 1970 by the clock of a real node.
    pub us: u64,
    /// Whose: the node as it was before.
    pub node: Peer<A>,
    /// What happened; nothing where its machine went down.
    pub event: Option<Event<A>>,
    /// What the node did about it; nothing where that broke an invariant of its own and ended it.
    pub actions: Option<Vec<Action<A>>>,
}

/// For people: time, node, what happened, and what the node noted.
impl<A: Debug> fmt::Display for Line<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, us) = (self.us / 1_000, self.us % 1_000);
        write!(f, "{ms:>9}.{us:03} ms  {:?}  ", self.node)?;
        match &self.event {
            None => f.write_str("down")?,
            Some(Event::Asked { from, request, .. }) => write!(f, "asked {from:?} {request:?}")?,
            Some(Event::Answered { from, reply, .. }) => write!(f, "answered {from:?} {reply:?}")?,
            Some(Event::Unanswered { cause, .. }) => write!(f, "unanswered {cause:?}")?,
            Some(Event::Met(peer)) => write!(f, "met {peer:?}")?,
            Some(Event::Listed(members)) => write!(f, "listed {} members", members.len())?,
            Some(Event::Elapsed(timer)) => write!(f, "elapsed {timer:?}")?,
            Some(Event::Stored { outcome, .. }) => write!(f, "stored {outcome:?}")?,
            Some(Event::Called { call, .. }) => write!(f, "called {call:?}")?,
        }
        let Some(actions) = &self.actions else {
            return f.write_str("  → it broke");
        };
        for action in actions {
            if let Action::Note(note) = action {
                write!(f, "  → {note:?}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use std::string::ToString as _;

    use super::*;
    use crate::event::{Call, Cause, Note, Returned, Ticket, Timer};
    use crate::id::Id;
    use crate::message::Request;
    use crate::record::Version;
    use crate::store::{Command, Limit, Outcome};

    fn peer(address: u32) -> Peer<u32> {
        Peer {
            id: Id::of(&address.to_be_bytes()),
            address,
            incarnation: 1,
        }
    }

    fn line(event: Option<Event<u32>>, actions: Option<Vec<Action<u32>>>) -> Line<u32> {
        Line {
            us: 1_234_567,
            node: peer(1),
            event,
            actions,
        }
    }

    #[test]
    fn a_head_says_what_it_is_the_head_of() {
        let birth = Birth {
            me: peer(1),
            config: Config::default(),
            ring: Some(Vec::from([peer(1), peer(2)])),
            again: false,
            notes: Vec::new(),
        };
        let heads = [
            (Origin::Plan(u64::MAX), "\"plan\":18446744073709551615"),
            (Origin::Node(birth), "\"node\":{\"me\":{"),
        ];
        for (origin, text) in heads {
            let head: Head<u64, u32> = Head::new(origin);
            let json = serde_json::to_string(&head).expect("plain data");
            let start = format!("{{\"trace\":\"dht\",\"version\":{VERSION},{text}");
            assert!(json.starts_with(&start), "{json}");
            assert_eq!(
                serde_json::from_str::<Head<u64, u32>>(&json).ok(),
                Some(head)
            );
        }
    }

    #[test]
    fn a_node_is_born_as_it_was() {
        let ring = [peer(1), peer(2), peer(3)];
        let mut birth = Birth {
            me: ring[0],
            config: Config::default(),
            ring: Some(ring.into()),
            again: false,
            notes: Vec::new(),
        };
        let node = Node::in_ring(ring[0], &ring, Config::default());
        assert_eq!(birth.node().view(), node.view());
        birth.ring = None;
        let node = Node::new(ring[0], Config::default());
        assert_eq!(birth.node().view(), node.view());
    }

    #[test]
    fn a_line_is_written_as_it_is_read() {
        let (ticket, timer) = (Ticket(u64::MAX), Timer::Probe(peer(2)));
        let limit = Limit {
            records: 1,
            bytes: 2,
        };
        let lines = [
            line(Some(Event::Elapsed(timer)), None),
            line(None, Some(Vec::new())),
            line(
                Some(Event::Unanswered {
                    ticket,
                    cause: Cause::Silent,
                }),
                Some(Vec::from([
                    Action::Publish,
                    Action::Note(Note::Gone(peer(2))),
                ])),
            ),
            line(
                Some(Event::Called {
                    ticket,
                    call: Call::Join(Vec::from([peer(2)])),
                }),
                Some(Vec::from([Action::Return {
                    ticket,
                    returned: Returned::Left(3),
                }])),
            ),
            line(
                Some(Event::Stored {
                    ticket,
                    outcome: Outcome::Done,
                }),
                Some(Vec::from([
                    Action::Store {
                        ticket,
                        command: Command::Scan {
                            arc: crate::id::Arc::WHOLE,
                            after: None,
                            limit,
                        },
                    },
                    Action::Store {
                        ticket,
                        command: Command::Change {
                            key: Id::ZERO,
                            change: crate::record::Change {
                                name: None,
                                value: Some(b"\xff\0"[..].into()),
                                condition: crate::record::Condition::Always,
                                flags: 0,
                                expires_ms: None,
                                now_ms: 0,
                            },
                            version: Version::new(1, 2),
                            tombstone: true,
                            note: Some(crate::store::Note {
                                name: b"\xff".into(),
                                bytes: None,
                            }),
                        },
                    },
                ])),
            ),
        ];
        for line in lines {
            let json = serde_json::to_string(&line).expect("plain data");
            assert!(!json.contains('\n'), "{json}");
            assert_eq!(
                serde_json::from_str::<Line<u32>>(&json).ok(),
                Some(line),
                "{json}"
            );
        }
    }

    #[test]
    fn people_read_the_time_the_node_and_what_it_noted() {
        let asked = Event::Asked {
            ticket: Ticket(1),
            from: peer(2),
            request: Request::Notify,
        };
        let noted = Action::Note(Note::Predecessor(peer(2)));
        let text = line(Some(asked), Some(Vec::from([Action::Publish, noted]))).to_string();
        let (me, other) = (peer(1), peer(2));
        assert_eq!(
            text,
            format!("     1234.567 ms  {me:?}  asked {other:?} Notify  → Predecessor({other:?})")
        );
        assert!(line(None, Some(Vec::new())).to_string().ends_with("  down"));
    }
}
