//! Traffic: what nodes send, counted by kind.

use dht::Id;
use dht::message::{Reply, Request, State, Transfer};
use dht::record::{Change, Record};
use dht::replication::message::{Ask, Entry, Told};
use serde::Serialize;

use super::Address;

/// Messages and bytes since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Questions, by kind.
    pub questions: Questions,
    /// Questions of all kinds.
    pub asked: u64,
    /// Answers.
    pub answers: u64,
    /// Bytes of both, in a plain binary form: 20 for an identifier, 28 for a peer, one for each
    /// choice, and 40 for the envelope that names both sides.
    pub bytes: u64,
}

/// How many questions of each kind were asked: a field for each kind of [`Request`], by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the kinds of requests say what they are")]
pub struct Questions {
    pub ping: u64,
    pub state: u64,
    pub notify: u64,
    pub look: u64,
    pub meet: u64,
    pub route: u64,
    pub fingers: u64,
    pub leaving: u64,
    pub claim: u64,
    pub transfer: u64,
    pub read: u64,
    pub change: u64,
    pub group: u64,
}

impl Traffic {
    /// Questions and answers.
    pub fn messages(&self) -> u64 {
        self.asked + self.answers
    }

    pub(super) fn asked(&mut self, request: &Request<Address>) {
        let kinds = &mut self.questions;
        let (count, size) = match request {
            Request::Ping => (&mut kinds.ping, 0),
            Request::State => (&mut kinds.state, 0),
            Request::Notify => (&mut kinds.notify, 0),
            Request::Look => (&mut kinds.look, 0),
            Request::Meet => (&mut kinds.meet, 0),
            Request::Route(_) => (&mut kinds.route, 22),
            Request::Fingers => (&mut kinds.fingers, 0),
            Request::Leaving(state) => (&mut kinds.leaving, state_size(state)),
            Request::Claim(_) => (&mut kinds.claim, 40),
            Request::Transfer(transfer) => (&mut kinds.transfer, transfer_size(transfer)),
            Request::Read(_) => (&mut kinds.read, 20),
            Request::Change(_, change) => (&mut kinds.change, change_size(change)),
            Request::Group(request) => (&mut kinds.group, 52 + ask_size(&request.ask)),
            Request::Listed(_) => unreachable!("the nodes of a ring keep no list"),
            Request::Causal(_) => unreachable!("the nodes of a ring are no causal store"),
        };
        *count += 1;
        self.asked += 1;
        self.bytes += ENVELOPE + size as u64;
    }

    pub(super) fn answered(&mut self, reply: &Reply<Address>) {
        let size = match reply {
            Reply::State(state) => state_size(state),
            Reply::Routed(dht::message::Routed::Owner(_)) => PEER,
            Reply::Routed(dht::message::Routed::Closer(links)) => links.len() * (PEER + 2),
            Reply::Fingers(fingers) => fingers.len() * (PEER + 1),
            Reply::Record(Some(record)) => record_size(record),
            Reply::Elsewhere(_) => PEER,
            Reply::Changed(..) => 10,
            Reply::Group(told) => told_size(told),
            _ => 1,
        };
        self.answers += 1;
        self.bytes += ENVELOPE + size as u64;
    }
}

fn state_size(state: &State<Address>) -> usize {
    PEER * (state.successors.len() + 1)
}

fn transfer_size(transfer: &Transfer) -> usize {
    let records = transfer.records.iter();
    let sizes = records.map(|(_, record)| 20 + record.as_ref().map_or(0, record_size));
    54 + sizes.sum::<usize>()
}

fn change_size(change: &Change) -> usize {
    let name = change.name.as_ref().map_or(0, |name| name.len());
    24 + name + change.value.as_ref().map_or(0, |value| value.len())
}

/// What a member of a group asks, as bytes on the wire: above all, the records in it.
fn ask_size(ask: &Ask<Address>) -> usize {
    match ask {
        Ask::Append { entries, .. } => entries.iter().map(entry_size).sum(),
        Ask::Enroll(group) | Ask::Release(group) => group.members.len() * (PEER + 4),
        Ask::Accept(_, next) | Ask::Install(next) => next.former.len() * 2 * (PEER + 4),
        Ask::Fetch(_) | Ask::Prepare(_) | Ask::Resign | Ask::Status | Ask::Zone => 24,
        Ask::Compare(..) => 64,
        Ask::Mend(_, records) => {
            let records = records.iter();
            let sizes = records.map(|(_, record)| 20 + record.as_ref().map_or(0, record_size));
            sizes.sum()
        }
    }
}

fn told_size(told: &Told<Address>) -> usize {
    match told {
        Told::Tail(entries) => entries.iter().map(entry_size).sum(),
        Told::Page(page) => records_size(&page.records),
        Told::Different(records) => records_size(records),
        Told::Zone(zoned) => 8 + zoned.successors.len() * PEER,
        _ => 5,
    }
}

fn entry_size(entry: &Entry) -> usize {
    let write = entry.write.as_ref();
    4 + write.map_or(0, |(_, record)| 20 + record_size(record))
}

fn records_size(records: &[(Id, Record)]) -> usize {
    let records = records.iter();
    records.map(|(_, record)| 20 + record_size(record)).sum()
}

fn record_size(record: &Record) -> usize {
    12 + record.bytes()
}

const PEER: usize = 28;

/// Both sides' identifiers, and that it is a message.
const ENVELOPE: u64 = 41;
