//! Outbox: questions on their way to other nodes, gathered into batches while others are under way.
//!
//! What clients want, reads and changes and the way to them, goes out at once while there is little of
//! it. Beyond that it waits for the batch before it, so that under load a request between nodes carries
//! many questions. What looks after the ring never waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dht::causal::message::{Ask as CausalAsk, What as CausalWhat};
use dht::event::Ticket;
use dht::listed::message::What;
use dht::replication::message::Ask;

use crate::envelope::BATCH_MAX;
use crate::{Peer, Request};

/// A question of the node.
pub(super) type Question = (Ticket, Request);

/// All lanes that are in use.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: Mutex<HashMap<Lane, Traffic>>,
}

/// Questions of one kind to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    /// To whom.
    pub(super) to: Peer,
    kind: Kind,
}

/// Questions that are as patient as each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// The ring's maintenance, and batches of handovers.
    Ring,
    /// Steps of lookups.
    Way,
    /// Reads and changes.
    Content,
    /// Writes that a leader or an owner sends to those with copies: they gather where they come from.
    Writes,
}

#[derive(Debug, Default)]
struct Traffic {
    /// Batches under way.
    batches: usize,
    waiting: VecDeque<Question>,
}

impl Lane {
    pub(super) fn of(to: Peer, request: &Request) -> Lane {
        let kind = match request {
            Request::Route(_) => Kind::Way,
            Request::Read(_) | Request::Change(..) => Kind::Content,
            Request::Group(request) if matches!(request.ask, Ask::Append { .. }) => Kind::Writes,
            Request::Listed(ask) => match ask.what {
                What::Read(_) | What::Change(..) => Kind::Content,
                What::Put(_) | What::Copy(_) => Kind::Writes,
                _ => Kind::Ring,
            },
            Request::Causal(ask) => match **ask {
                CausalAsk::Operate(_) => Kind::Content,
                CausalAsk::Spread { .. } => Kind::Writes,
                _ => Kind::Ring,
            },
            _ => Kind::Ring,
        };
        Lane { to, kind }
    }

    /// Whether it has a line of its own.
    pub(super) fn has_line(&self) -> bool {
        self.kind != Kind::Ring
    }
}

impl Outbox {
    /// Takes questions over. Returns a batch that is to be sent now.
    pub(super) fn put(&self, lane: Lane, mut questions: Vec<Question>) -> Option<Vec<Question>> {
        if matches!(lane.kind, Kind::Ring | Kind::Writes) {
            return Some(questions);
        }
        let mut lanes = self.lock();
        let traffic = lanes.entry(lane).or_default();
        if traffic.batches == BATCHES_MAX || !traffic.waiting.is_empty() {
            traffic.waiting.extend(questions);
            return None;
        }
        traffic.batches += 1;
        if size(&questions) > BATCH_BYTES_MAX {
            traffic.waiting.extend(questions);
            questions = next_batch(&mut traffic.waiting);
        }
        Some(questions)
    }

    /// A batch was answered. Returns the next one to be sent.
    pub(super) fn answered(&self, lane: Lane) -> Option<Vec<Question>> {
        let mut lanes = self.lock();
        let traffic = lanes.get_mut(&lane)?;
        let batch = next_batch(&mut traffic.waiting);
        if !batch.is_empty() {
            return Some(batch);
        }
        traffic.batches -= 1;
        if traffic.batches == 0 {
            lanes.remove(&lane);
        }
        None
    }

    /// A batch was not answered. Returns those that waited behind it, and will not be sent.
    pub(super) fn missed(&self, lane: Lane) -> VecDeque<Question> {
        let mut lanes = self.lock();
        let Some(traffic) = lanes.get_mut(&lane) else {
            return VecDeque::new();
        };
        let waiting = std::mem::take(&mut traffic.waiting);
        traffic.batches -= 1;
        if traffic.batches == 0 {
            lanes.remove(&lane);
        }
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, Traffic>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many as fit into one batch, but at least one if there is one.
fn next_batch(waiting: &mut VecDeque<Question>) -> Vec<Question> {
    let mut bytes = 0;
    let fits = waiting.iter().take(BATCH_MAX).take_while(|(_, request)| {
        bytes += bytes_of(request);
        bytes <= BATCH_BYTES_MAX
    });
    let fits = fits.count().max(1).min(waiting.len());
    waiting.drain(..fits).collect()
}

fn size(questions: &[Question]) -> usize {
    questions.iter().map(|(_, request)| bytes_of(request)).sum()
}

/// What a request carries of a client's.
fn bytes_of(request: &Request) -> usize {
    match request {
        Request::Change(_, change) => {
            let name = change.name.as_ref().map_or(0, |name| name.len());
            name + change.value.as_ref().map_or(0, |value| value.len())
        }
        Request::Causal(ask) => match &**ask {
            CausalAsk::Operate(operation) => {
                let value = match &operation.what {
                    CausalWhat::Put(value) => value.len(),
                    CausalWhat::Get | CausalWhat::Delete => 0,
                };
                operation.key.len() + value
            }
            _ => 0,
        },
        _ => 0,
    }
}

/// Batches to one peer under way at a time: while one is worked on, another may be on its way.
const BATCHES_MAX: usize = 2;

/// Bytes of names and values in one batch, unless a single one is larger.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use dht::Id;
    use dht::causal::message::Operation;
    use dht::causal::seen::Seen;
    use dht::record::{Change, Condition};

    use super::*;

    fn peer() -> Peer {
        Peer {
            id: Id::ZERO,
            address: ([127, 0, 0, 1], 1).into(),
            incarnation: 1,
        }
    }

    fn read(number: u64) -> Question {
        (Ticket(number), Request::Read(Id::ZERO))
    }

    fn tickets<'a>(questions: impl IntoIterator<Item = &'a Question>) -> Vec<u64> {
        questions.into_iter().map(|(ticket, _)| ticket.0).collect()
    }

    #[test]
    fn what_comes_while_batches_are_under_way_travels_together() {
        let outbox = Outbox::default();
        let lane = Lane::of(peer(), &read(0).1);
        for number in 0..2 {
            let batch = outbox
                .put(lane, vec![read(number)])
                .expect("it goes at once");
            assert_eq!(tickets(&batch), [number]);
        }
        for number in 2..5 {
            assert_eq!(outbox.put(lane, vec![read(number)]), None);
        }
        let batch = outbox.answered(lane).expect("some have waited");
        assert_eq!(tickets(&batch), [2, 3, 4]);
        assert_eq!(outbox.answered(lane), None);
        assert_eq!(outbox.answered(lane), None);
        assert!(outbox.lock().is_empty());
    }

    #[test]
    fn what_waits_behind_a_batch_without_an_answer_is_given_back() {
        let outbox = Outbox::default();
        let lane = Lane::of(peer(), &read(0).1);
        for number in 0..4 {
            outbox.put(lane, vec![read(number)]);
        }
        assert_eq!(tickets(&outbox.missed(lane)), [2, 3]);
        assert!(outbox.missed(lane).is_empty());
        assert!(outbox.lock().is_empty());
    }

    #[test]
    fn maintenance_never_waits() {
        let outbox = Outbox::default();
        let lane = Lane::of(peer(), &Request::Ping);
        for number in 0..9 {
            assert!(
                outbox
                    .put(lane, vec![(Ticket(number), Request::Ping)])
                    .is_some()
            );
        }
    }

    #[test]
    fn large_values_of_a_causal_store_travel_alone_too() {
        let put = |number| {
            let operation = Operation {
                key: b"key"[..].into(),
                what: CausalWhat::Put(vec![0; 1024 * 1024].into()),
                seen: Seen::default(),
                now_ms: 0,
            };
            let ask = CausalAsk::Operate(operation);
            (Ticket(number), Request::Causal(Box::new(ask)))
        };
        let mut waiting: VecDeque<_> = (0..2).map(put).collect();
        assert_eq!(tickets(&next_batch(&mut waiting)), [0]);
        assert_eq!(tickets(&next_batch(&mut waiting)), [1]);
        let outbox = Outbox::default();
        let lane = Lane::of(peer(), &put(0).1);
        let batch = outbox.put(lane, (0..9).map(put).collect());
        assert_eq!(tickets(&batch.expect("it goes at once")), [0]);
    }

    #[test]
    fn large_values_travel_alone() {
        let change = |number| {
            let change = Change {
                name: None,
                value: Some(vec![0; 1024 * 1024].into()),
                condition: Condition::Always,
                flags: 0,
                expires_ms: None,
                now_ms: 0,
            };
            (Ticket(number), Request::Change(Id::ZERO, change))
        };
        let mut waiting: VecDeque<_> = (0..2).map(change).collect();
        assert_eq!(tickets(&next_batch(&mut waiting)), [0]);
        assert_eq!(tickets(&next_batch(&mut waiting)), [1]);
    }
}
