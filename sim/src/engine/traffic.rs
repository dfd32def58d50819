//! Traffic: what nodes send, counted by kind.

use dht::message::{Reply, Request, State};
use dht::record::Record;
use serde::Serialize;

use super::Address;

/// Messages and bytes since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Questions: ping, state, notify, route, leaving, claim, transfer, read, change, others.
    pub questions: [u64; 10],
    /// Answers.
    pub answers: u64,
    /// Bytes of both, in a plain binary form: 20 for an identifier, 28 for a peer, one for each
    /// choice, and 40 for the envelope that names both sides.
    pub bytes: u64,
}

impl Traffic {
    /// Questions and answers.
    pub fn messages(&self) -> u64 {
        self.questions.iter().sum::<u64>() + self.answers
    }

    pub(super) fn asked(&mut self, request: &Request<Address>) {
        let (kind, size) = match request {
            Request::Ping => (0, 0),
            Request::State => (1, 0),
            Request::Notify => (2, 0),
            Request::Route(_) => (3, 22),
            Request::Leaving(state) => (4, state_size(state)),
            Request::Claim(_) => (5, 40),
            Request::Transfer(transfer) => {
                let records = transfer.records.iter();
                let sizes = records.map(|(_, record)| 20 + record.as_ref().map_or(0, record_size));
                (6, 54 + sizes.sum::<usize>())
            }
            Request::Read(_) => (7, 20),
            Request::Change(_, change) => {
                let name = change.name.as_ref().map_or(0, |name| name.len());
                (
                    8,
                    24 + name + change.value.as_ref().map_or(0, |value| value.len()),
                )
            }
            // Questions that carry nothing.
            _ => (9, 0),
        };
        self.questions[kind] += 1;
        self.bytes += ENVELOPE + size as u64;
    }

    pub(super) fn answered(&mut self, reply: &Reply<Address>) {
        let size = match reply {
            Reply::State(state) => state_size(state),
            Reply::Routed(dht::message::Routed::Owner(_)) => PEER,
            Reply::Routed(dht::message::Routed::Closer(links)) => links.len() * (PEER + 2),
            Reply::Record(Some(record)) => record_size(record),
            Reply::Elsewhere(_) => PEER,
            Reply::Changed(_) => 9,
            _ => 1,
        };
        self.answers += 1;
        self.bytes += ENVELOPE + size as u64;
    }
}

fn state_size(state: &State<Address>) -> usize {
    PEER * (state.successors.len() + 1)
}

fn record_size(record: &Record) -> usize {
    12 + record.value.len() + record.name.as_ref().map_or(0, |name| name.len())
}

const PEER: usize = 28;

/// Both sides' identifiers, and that it is a message.
const ENVELOPE: u64 = 41;
