//! Compare: members make sure, bit by bit, that they keep the same.
//!
//! Whatever a synced member has was decided, so copies can differ only by damage: a disk that lost or
//! changed something, or a mistake in this program. The leader goes through its arc piece by piece, and sends
//! a digest of each; who has another one answers with its records. Of each key the newest version counts,
//! and where copies differ in content under one version, what most of them have.
//!
//! Writes go on meanwhile, so copies may differ for that reason, too. That does no harm: nothing takes the
//! place of a newer version.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::record::Record;
use crate::replication::group::{Member, Tag};
use crate::replication::message::{Ask, Told};
use crate::replication::replica::Follower;
use crate::replication::{About, tell};
use crate::store::{Command, Limit};

/// How far a leader has come with its arc.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// It has compared all up to here; nothing at the beginning of a round.
    after: Option<Id>,
    /// The piece that is being compared.
    piece: Option<Piece>,
    /// Beats until it goes on.
    pause: u16,
}

/// A part of an arc, as the leader has it.
#[derive(Clone, Debug)]
struct Piece {
    arc: Arc,
    records: Vec<(Id, Record)>,
    /// What the others have.
    others: Vec<(Id, Answer)>,
    age: u8,
}

#[derive(Clone, Debug)]
enum Answer {
    Awaited,
    Same,
    Different(Vec<(Id, Record)>),
}

/// What the store is reading for a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparing {
    /// The next piece of the leader.
    Next(Tag),
    /// The same piece here, for the leader that has this digest of it.
    Same(Ticket, Id),
}

impl<A: Address> Node<A> {
    /// A leader goes on comparing, if all members are there.
    pub(crate) fn compare(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag).filter(|replica| replica.is_leading()) else {
            return;
        };
        let is_fenced = replica.is_fenced();
        let Some(lead) = &mut replica.lead else {
            return;
        };
        let round = &mut lead.round;
        if let Some(piece) = &mut round.piece {
            piece.age += 1;
            if piece.age > ANSWER_MAX {
                // Somebody does not answer: another time.
                round.piece = None;
            }
            return;
        }
        round.pause = round.pause.saturating_sub(1);
        let members = lead.followers.iter().filter(|other| !other.is_learner);
        let is_whole = members.clone().all(Follower::is_copy) && members.count() > 0;
        if round.pause > 0 || is_fenced || !is_whole {
            return;
        }
        round.pause = 1;
        let command = Command::Scan {
            arc: tag.arc,
            after: round.after,
            limit: PIECE,
        };
        self.store(command, Errand::Compare(Comparing::Next(tag)), out);
    }

    /// The store has read a piece.
    pub(crate) fn piece_read(
        &mut self,
        comparing: Comparing,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        let records = records.into_iter();
        let records = records.filter_map(|(key, record)| Some((key, record?)));
        let records: Vec<(Id, Record)> = records.collect();
        match comparing {
            Comparing::Next(tag) => self.ask_for_piece(tag, records, out),
            Comparing::Same(ticket, theirs) => {
                let told = match digest(&records) == theirs {
                    true => Told::Same,
                    false => Told::Different(records),
                };
                tell(ticket, told, out);
            }
        }
    }

    fn ask_for_piece(&mut self, tag: Tag, records: Vec<(Id, Record)>, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag);
        let Some(lead) = replica.and_then(|replica| replica.lead.as_mut()) else {
            return;
        };
        let round = &mut lead.round;
        let start = round.after.unwrap_or(tag.arc.start);
        // Behind the last record the rest of the arc is a piece of its own: others may have something there.
        let end = records.last().map_or(tag.arc.end, |(last, _)| *last);
        // The rest of an arc is an arc, unless nothing is left of it.
        if start == end && !(round.after.is_none() && tag.arc.start == tag.arc.end) {
            return round.begin_anew();
        }
        let (arc, digest) = (Arc::new(start, end), digest(&records));
        let members = lead.followers.iter().filter(|other| !other.is_learner);
        let members: Vec<Member<A>> = members.map(|other| other.member.clone()).collect();
        lead.round.piece = Some(Piece {
            arc,
            records,
            others: members
                .iter()
                .map(|other| (other.peer.id, Answer::Awaited))
                .collect(),
            age: 0,
        });
        for member in members {
            let ask = Ask::Compare(arc, digest);
            self.ask_member(&member, tag, ask, About::Compare(arc), out);
        }
    }

    /// The leader has this digest of a piece.
    pub(crate) fn compare_for(
        &mut self,
        ticket: Ticket,
        tag: Tag,
        piece: Arc,
        digest: Id,
        out: &mut Vec<Action<A>>,
    ) {
        let replica = self.replica(tag);
        let is_here = replica.is_some_and(|replica| replica.is_synced && !replica.is_learner);
        if !is_here || !tag.arc.covers(piece) {
            return tell(ticket, Told::Lagging, out);
        }
        let command = Command::Scan {
            arc: piece,
            after: None,
            limit: Limit {
                records: 2 * PIECE.records,
                bytes: 2 * PIECE.bytes,
            },
        };
        self.store(
            command,
            Errand::Compare(Comparing::Same(ticket, digest)),
            out,
        );
    }

    /// A member has answered.
    pub(crate) fn compare_told(
        &mut self,
        tag: Tag,
        from: &Member<A>,
        arc: Arc,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let replica = self.replica(tag);
        let Some(lead) = replica.and_then(|replica| replica.lead.as_mut()) else {
            return;
        };
        let Some(piece) = lead.round.piece.as_mut().filter(|piece| piece.arc == arc) else {
            return;
        };
        let theirs = match told {
            Told::Same => Answer::Same,
            Told::Different(records) => Answer::Different(records),
            _ => return lead.round.piece = None,
        };
        let mut others = piece.others.iter_mut();
        if let Some((_, answer)) = others.find(|(id, _)| *id == from.peer.id) {
            *answer = theirs;
        }
        let is_awaited = |(_, answer): &(Id, Answer)| matches!(answer, Answer::Awaited);
        if !piece.others.iter().any(is_awaited) {
            self.mend(tag, out);
        }
    }

    /// All have answered: everyone gets what it lacks.
    fn mend(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag);
        let Some(lead) = replica.and_then(|replica| replica.lead.as_mut()) else {
            return;
        };
        let Some(piece) = lead.round.piece.take() else {
            return;
        };
        match piece.arc.end == tag.arc.end {
            true => lead.round.begin_anew(),
            false => lead.round.after = Some(piece.arc.end),
        }
        let is_same = |(_, answer): &(Id, Answer)| matches!(answer, Answer::Same);
        if piece.others.iter().all(is_same) {
            return;
        }
        let members = lead.followers.iter();
        let members: Vec<(Member<A>, Option<u32>)> = members
            .map(|other| (other.member.clone(), other.acked))
            .collect();
        let mine = &piece.records[..];
        let theirs: Vec<(Id, &[(Id, Record)])> = piece
            .others
            .iter()
            .map(|(id, answer)| match answer {
                Answer::Different(records) => (*id, &records[..]),
                Answer::Same | Answer::Awaited => (*id, mine),
            })
            .collect();
        let copies = core::iter::once(mine).chain(theirs.iter().map(|(_, records)| *records));
        let copies: Vec<&[(Id, Record)]> = copies.collect();
        let right = right(&copies);
        let lacks = |copy: &[(Id, Record)]| -> Vec<(Id, Record)> {
            let right = right.iter().map(|(key, record)| (**key, (*record).clone()));
            right.filter(|item| !copy.contains(item)).collect()
        };
        let mine = lacks(mine);
        if !mine.is_empty() {
            self.store(Command::Mend(mine), Errand::Discard, out);
        }
        for (id, copy) in theirs {
            let mut members = members.iter();
            let Some((member, acked)) = members.find(|(member, _)| member.peer.id == id) else {
                continue;
            };
            // A member must have no write that comes after its position.
            let is_due = |(_, record): &(Id, Record)| {
                let version = record.version;
                version.epoch() < tag.epoch
                    || acked.is_some_and(|acked| version.sequence() <= acked)
            };
            let mut records = lacks(copy);
            records.retain(is_due);
            if !records.is_empty() {
                self.ask_member(member, tag, Ask::Mend(records), About::Mend, out);
            }
        }
    }

    /// The leader sends what this member lacks.
    pub(crate) fn mend_for(
        &mut self,
        ticket: Ticket,
        tag: Tag,
        mut records: Vec<(Id, Record)>,
        out: &mut Vec<Action<A>>,
    ) {
        let replica = self.replica(tag);
        let is_here = replica.is_some_and(|replica| replica.is_synced && !replica.is_learner);
        records.retain(|(key, _)| tag.arc.contains(*key));
        if is_here {
            self.store(Command::Mend(records), Errand::Discard, out);
        }
        tell(ticket, Told::Done, out);
    }
}

impl Round {
    fn begin_anew(&mut self) {
        self.after = None;
        self.pause = PAUSE;
    }
}

/// Of each key, what all should have: the newest version, and of several contents under that what most
/// have, or the first one.
fn right<'a>(copies: &[&'a [(Id, Record)]]) -> BTreeMap<&'a Id, &'a Record> {
    let mut right: BTreeMap<&Id, &Record> = BTreeMap::new();
    let votes = |key: &Id, record: &Record| {
        let has = |copy: &&&[(Id, Record)]| {
            copy.iter()
                .any(|(other, has)| other == key && has == record)
        };
        copies.iter().filter(has).count()
    };
    for (key, record) in copies.iter().flat_map(|copy| copy.iter()) {
        let best = right.entry(key).or_insert(record);
        let is_better = match record.version.cmp(&best.version) {
            core::cmp::Ordering::Less => false,
            core::cmp::Ordering::Equal => record != *best && votes(key, record) > votes(key, best),
            core::cmp::Ordering::Greater => true,
        };
        if is_better {
            *best = record;
        }
    }
    right
}

/// Tells two pieces apart, whatever it is that differs.
fn digest(records: &[(Id, Record)]) -> Id {
    Id::of(&postcard::to_allocvec(records).expect("records are plain data"))
}

/// One piece: with four beats a second some 500 records or 256 KiB a second of each group are read and
/// hashed, and only those that differ travel.
const PIECE: Limit = Limit {
    records: 128,
    bytes: 64 * 1024,
};

/// Beats after which the members are not waited for any more.
const ANSWER_MAX: u8 = 8;

/// Beats between two rounds, some 10 s.
const PAUSE: u16 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Version;

    fn record(value: &[u8], sequence: u32) -> Record {
        Record {
            name: None,
            value: Some(value.into()),
            version: Version::new(1, sequence),
            expires_ms: None,
        }
    }

    #[test]
    fn the_newest_is_right_and_of_one_version_what_most_have() {
        let key = |byte: u8| Id::from_bytes([byte; Id::BYTES]);
        let (old, new, torn) = (record(b"old", 1), record(b"new", 2), record(b"nex", 2));
        let damaged = [(key(1), torn.clone()), (key(2), old.clone())];
        let whole = [(key(1), new.clone()), (key(3), old.clone())];
        let behind = [(key(2), new.clone()), (key(1), new.clone())];
        let right = right(&[&damaged, &whole, &behind]);
        let expected = [(key(1), &new), (key(2), &new), (key(3), &old)];
        let right: Vec<(Id, &Record)> = right.into_iter().map(|(key, r)| (*key, r)).collect();
        assert_eq!(right, expected);
    }

    #[test]
    fn a_digest_tells_values_versions_keys_and_ends_apart() {
        let key = Id::ZERO;
        let one = [(key, record(b"one", 1))];
        assert_eq!(digest(&one), digest(&one.clone()));
        for other in [
            Vec::new(),
            [(key, record(b"two", 1))].into(),
            [(key, record(b"one", 2))].into(),
            [(key.next(), record(b"one", 1))].into(),
            [one[0].clone(), one[0].clone()].into(),
        ] {
            assert_ne!(digest(&one), digest(&other));
        }
    }
}
