//! Compare: members make sure, bit by bit, that they keep the same.
//!
//! Whatever a synced member has was decided, so copies can differ only by damage: a disk that lost or
//! changed something, or a mistake in this program. The leader goes through its arc piece by piece, and sends
//! a digest of each; who has another one answers with its records. Of each key the newest version counts,
//! and where copies differ in content under one version, what most of them have.
//!
//! Writes go on meanwhile, so a piece is what it was after one certain write: a member is asked when it has
//! that, and compares only where it has written nothing since. No version is later than that write; one
//! that is was never given to anything.
//!
//! A tombstone is as good as nothing: each member purges it by its own clock. It counts only where another
//! copy has a value. A value that has expired is purged so, too, a day later: who is the first to do that may
//! be given it back, once a round, until the clock of the last one has come as far.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::record::{Record, Version};
use crate::replication::group::{Member, Tag};
use crate::replication::message::{Ask, Told};
use crate::replication::replica::{Follower, Replica};
use crate::replication::{About, tell};
use crate::store::{Command, Limit};

/// How far a leader has come with its arc.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// It has compared all up to here; nothing at the beginning of a round.
    after: Option<Id>,
    /// The piece that is being compared.
    piece: Option<Piece>,
    /// How often the piece that follows could not be compared.
    tries: u8,
    /// Beats until it goes on.
    pause: u16,
}

/// A part of an arc, as the leader has it.
#[derive(Clone, Debug)]
struct Piece {
    arc: Arc,
    /// The write after which it was so.
    at: u32,
    digest: Id,
    records: Vec<(Id, Record)>,
    /// What the others have.
    others: Vec<(Id, Answer)>,
    age: u8,
}

#[derive(Clone, Debug)]
enum Answer {
    /// It is to be asked when it has the write.
    Due,
    Awaited,
    Same,
    Different(Vec<(Id, Record)>),
}

/// What the store is reading for a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparing {
    /// The next piece of the leader, after this write.
    Next(Tag, u32),
    /// The same piece here, for the leader that has this digest of it.
    Same(Ticket, Id),
}

/// What should be under a key, or that nothing should.
pub(crate) type Right = (Id, Option<Record>);

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
                round.put_off(tag.arc);
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
        // The store has been told to make all writes up to the last one, and will read what they left.
        let comparing = Comparing::Next(tag, lead.assigned);
        self.store(command, Errand::Compare(comparing), out);
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
            Comparing::Next(tag, at) => self.begin_piece(tag, at, records, out),
            Comparing::Same(ticket, theirs) => {
                let told = match digest(&records) == theirs {
                    true => Told::Same,
                    false => Told::Different(records),
                };
                tell(ticket, told, out);
            }
        }
    }

    fn begin_piece(
        &mut self,
        tag: Tag,
        at: u32,
        records: Vec<(Id, Record)>,
        out: &mut Vec<Action<A>>,
    ) {
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
        let members = lead.followers.iter().filter(|other| !other.is_learner);
        round.piece = Some(Piece {
            arc: Arc::new(start, end),
            at,
            digest: digest(&records),
            records,
            others: members
                .map(|other| (other.member.peer.id, Answer::Due))
                .collect(),
            age: 0,
        });
        self.ask_for_piece(tag, out);
    }

    /// Asks the members that have got as far as the piece that is compared, and were not asked yet.
    pub(crate) fn ask_for_piece(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag);
        let Some(lead) = replica.and_then(|replica| replica.lead.as_deref_mut()) else {
            return;
        };
        let Some(piece) = &mut lead.round.piece else {
            return;
        };
        let (arc, at, digest) = (piece.arc, piece.at, piece.digest);
        let mut due: Vec<Member<A>> = Vec::new();
        for (id, answer) in &mut piece.others {
            let mut followers = lead.followers.iter();
            let is_due = |other: &&Follower<A>| {
                other.member.peer.id == *id && other.acked.is_some_and(|acked| acked >= at)
            };
            if matches!(answer, Answer::Due)
                && let Some(follower) = followers.find(is_due)
            {
                *answer = Answer::Awaited;
                due.push(follower.member.clone());
            }
        }
        for member in due {
            let ask = Ask::Compare(arc, at, digest);
            self.ask_member(&member, tag, ask, About::Compare(arc, at), out);
        }
    }

    /// The leader has this digest of a piece.
    pub(crate) fn compare_for(
        &mut self,
        ticket: Ticket,
        tag: Tag,
        (piece, at, digest): (Arc, u32, Id),
        out: &mut Vec<Action<A>>,
    ) {
        let written = self.written_since(tag, at);
        let is_untouched = |written: Vec<Id>| !written.iter().any(|key| piece.contains(*key));
        if !tag.arc.covers(piece) || !written.is_some_and(is_untouched) {
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
        (arc, at): (Arc, u32),
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let replica = self.replica(tag);
        let Some(lead) = replica.and_then(|replica| replica.lead.as_mut()) else {
            return;
        };
        let is_it = |piece: &&mut Piece| piece.arc == arc && piece.at == at;
        let Some(piece) = lead.round.piece.as_mut().filter(is_it) else {
            return;
        };
        let theirs = match told {
            Told::Same => Answer::Same,
            Told::Different(records) => Answer::Different(records),
            _ => return lead.round.put_off(tag.arc),
        };
        let mut others = piece.others.iter_mut();
        if let Some((_, answer)) = others.find(|(id, _)| *id == from.peer.id) {
            *answer = theirs;
        }
        let is_open = |(_, answer): &(Id, Answer)| matches!(answer, Answer::Due | Answer::Awaited);
        if !piece.others.iter().any(is_open) {
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
        lead.round.go_on(piece.arc.end, tag.arc);
        let is_same = |(_, answer): &(Id, Answer)| matches!(answer, Answer::Same);
        if piece.others.iter().all(is_same) {
            return;
        }
        let members = lead.followers.iter();
        let members: Vec<Member<A>> = members.map(|other| other.member.clone()).collect();
        let at = piece.at;
        let mine = &piece.records[..];
        let theirs = piece.others.iter().map(|(id, answer)| match answer {
            Answer::Different(records) => (*id, &records[..]),
            _ => (*id, mine),
        });
        let theirs: Vec<(Id, &[(Id, Record)])> = theirs.collect();
        let copies = core::iter::once(mine).chain(theirs.iter().map(|(_, records)| *records));
        let copies: Vec<&[(Id, Record)]> = copies.collect();
        let right = right(&copies, Version::new(tag.epoch, at));
        self.take_mends(tag, at, lacks(mine, &right), out);
        for (id, copy) in theirs {
            let member = members.iter().find(|member| member.peer.id == id);
            let records = lacks(copy, &right);
            if let Some(member) = member.filter(|_| !records.is_empty()) {
                self.ask_member(member, tag, Ask::Mend(at, records), About::Mend, out);
            }
        }
    }

    /// The leader sends what this member lacks.
    pub(crate) fn mend_for(
        &mut self,
        ticket: Ticket,
        tag: Tag,
        (at, records): (u32, Vec<Right>),
        out: &mut Vec<Action<A>>,
    ) {
        self.take_mends(tag, at, records, out);
        tell(ticket, Told::Done, out);
    }

    /// Puts these in the place of what is here, where that is as it was after this write.
    fn take_mends(&mut self, tag: Tag, at: u32, records: Vec<Right>, out: &mut Vec<Action<A>>) {
        let Some(written) = self.written_since(tag, at) else {
            return;
        };
        let (mut put, mut forget) = (Vec::new(), Vec::new());
        for (key, record) in records {
            if written.contains(&key) || !tag.arc.contains(key) {
                continue;
            }
            match record {
                Some(record) => put.push((key, record)),
                None => forget.push(key),
            }
        }
        if put.is_empty() && forget.is_empty() {
            return;
        }
        let (merge, notes) = (Vec::new(), Vec::new());
        let command = Command::Write {
            put,
            merge,
            forget,
            notes,
        };
        self.store(command, Errand::Discard, out);
    }

    /// The keys that a member of this group has written since this write; nothing where it has not got so
    /// far, or can't tell.
    fn written_since(&self, tag: Tag, at: u32) -> Option<Vec<Id>> {
        let replica = self.replicas().iter().find(|other| other.tag() == tag)?;
        // What it learns for a later group is mixed with this.
        let is_mixed = |other: &Replica<A>| other.tag() != tag && tag.meets(other.group.arc);
        let is_here = replica.is_synced
            && !replica.is_learner
            && !self.replicas().iter().any(is_mixed)
            // What the store is about to write is not known.
            && replica.lead.as_ref().is_none_or(|lead| lead.changing == 0);
        match is_here {
            true => replica.window.written(at, replica.position),
            false => None,
        }
    }
}

impl Round {
    /// This piece could not be compared: another time, but not so often that no other one ever is.
    fn put_off(&mut self, arc: Arc) {
        let Some(piece) = self.piece.take() else {
            return;
        };
        self.tries += 1;
        if self.tries == TRIES {
            self.go_on(piece.arc.end, arc);
        }
    }

    /// The piece that ends here is done.
    fn go_on(&mut self, end: Id, arc: Arc) {
        self.tries = 0;
        match end == arc.end {
            true => self.begin_anew(),
            false => self.after = Some(end),
        }
    }

    fn begin_anew(&mut self) {
        self.after = None;
        self.pause = PAUSE;
    }
}

/// Of each key, what all should have: the newest version up to the `last` that was given, and of several
/// contents under that what most have, or the first one; nothing where no such version is there.
fn right<'a>(copies: &[&'a [(Id, Record)]], last: Version) -> BTreeMap<&'a Id, Option<&'a Record>> {
    let mut right: BTreeMap<&Id, Option<&Record>> = BTreeMap::new();
    let votes = |key: &Id, record: &Record| {
        let copies = copies.iter();
        let has = copies.filter(|copy| find(copy, key) == Some(record));
        has.count()
    };
    for (key, record) in copies.iter().flat_map(|copy| copy.iter()) {
        let best = right.entry(key).or_insert(None);
        if record.version > last {
            continue;
        }
        let is_better = best.is_none_or(|best| match record.version.cmp(&best.version) {
            core::cmp::Ordering::Less => false,
            core::cmp::Ordering::Equal => record != best && votes(key, record) > votes(key, best),
            core::cmp::Ordering::Greater => true,
        });
        if is_better {
            *best = Some(record);
        }
    }
    right
}

/// What of that a copy lacks.
fn lacks(copy: &[(Id, Record)], right: &BTreeMap<&Id, Option<&Record>>) -> Vec<Right> {
    let is_lacking = |(key, right): &(&&Id, &Option<&Record>)| match (find(copy, key), right) {
        (has @ Some(_), right) => has != **right,
        (None, Some(record)) => record.value.is_some(),
        (None, None) => false,
    };
    let lacking = right.iter().filter(is_lacking);
    lacking
        .map(|(key, record)| (**key, record.cloned()))
        .collect()
}

fn find<'a>(copy: &'a [(Id, Record)], key: &Id) -> Option<&'a Record> {
    let mut records = copy.iter();
    records
        .find(|(other, _)| other == key)
        .map(|(_, record)| record)
}

/// Tells the values of two pieces apart, whatever it is that differs.
fn digest(records: &[(Id, Record)]) -> Id {
    let values = records.iter().filter(|(_, record)| record.value.is_some());
    let values: Vec<&(Id, Record)> = values.collect();
    Id::of(&postcard::to_allocvec(&values).expect("records are plain data"))
}

/// One piece: with four beats a second some 500 records or 256 KiB a second of each group are read and
/// hashed, and only those that differ travel.
const PIECE: Limit = Limit {
    records: 128,
    bytes: 64 * 1024,
};

/// Beats after which the members are not waited for any more.
const ANSWER_MAX: u8 = 8;

/// Times that a piece is tried in one round, while members write to it.
const TRIES: u8 = 4;

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
            flags: 0,
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
        let right = right(&[&damaged, &whole, &behind], new.version);
        let expected = [(key(1), &new), (key(2), &new), (key(3), &old)];
        let got: Vec<(Id, &Record)> = right
            .iter()
            .filter_map(|(key, record)| Some((**key, (*record)?)))
            .collect();
        assert_eq!(got, expected);
        let lacks = |copy: &[(Id, Record)]| -> Vec<Id> {
            let lacking = lacks(copy, &right).into_iter();
            lacking.map(|(key, _)| key).collect()
        };
        assert_eq!(lacks(&damaged), [key(1), key(2), key(3)]);
        assert_eq!(lacks(&whole), [key(2)]);
        assert_eq!(lacks(&behind), [key(3)]);
    }

    #[test]
    fn what_no_write_can_have_left_is_replaced_or_forgotten() {
        let key = |byte: u8| Id::from_bytes([byte; Id::BYTES]);
        let (old, torn) = (record(b"old", 1), record(b"torn", 3));
        let damaged = [(key(1), torn.clone()), (key(2), torn.clone())];
        let whole = [(key(1), old.clone())];
        let right = right(&[&damaged, &whole], Version::new(1, 2));
        let expected = [(key(1), Some(old)), (key(2), None)];
        assert_eq!(lacks(&damaged, &right), expected);
        assert_eq!(lacks(&whole, &right), []);
    }

    #[test]
    fn a_tombstone_is_missed_only_where_an_older_value_is() {
        let key = Id::ZERO;
        let tombstone = Record {
            value: None,
            ..record(b"", 2)
        };
        let (deleted, old) = ([(key, tombstone.clone())], [(key, record(b"old", 1))]);
        assert_eq!(digest(&deleted), digest(&[]));
        let right = right(&[&deleted, &old, &[]], Version::new(1, 2));
        assert_eq!(lacks(&old, &right), [(key, Some(tombstone))]);
        assert_eq!(lacks(&[], &right), []);
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
