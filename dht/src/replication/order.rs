//! Order: what clients want of the leader of a group, and when they are told.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::content::serve::Asker;
use crate::event::{Action, Failure};
use crate::id::Id;
use crate::message::{Elsewhere, Reply};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::record::{Change, Changed, Record, TOMBSTONE_MS, Version};
use crate::replication::group::Tag;
use crate::replication::keep;
use crate::replication::message::Entry;
use crate::replication::replica::{Answer, Lead, Ordered, Read, Replica, Write};
use crate::store::Command;

impl<A: Address> Node<A> {
    /// The group of which this node is the leader and takes changes of a key.
    fn leads_changes(&self, key: Id) -> Result<Tag, Elsewhere<A>> {
        let replica = self.leads(key)?;
        match !self.is_failing() && replica.has_takers(false) {
            true => Ok(replica.tag()),
            false => Err(Elsewhere::Overloaded),
        }
    }

    /// The group of which this node is the leader and takes requests for a key.
    fn leads(&self, key: Id) -> Result<&Replica<A>, Elsewhere<A>> {
        let Some(replica) = self.replica_of(key) else {
            return Err(Elsewhere::Moving);
        };
        let serves = |lead: &&Lead<A>| lead.is_established && !lead.is_yielding();
        let Some(lead) = replica.lead.as_deref().filter(serves) else {
            return Err(Elsewhere::Moving);
        };
        if replica.is_fenced() || replica.group.sealed.is_some() {
            return Err(Elsewhere::Moving);
        }
        if lead.changing + lead.writes.len() + lead.reads.len() >= WAITING_MAX {
            return Err(Elsewhere::Overloaded);
        }
        Ok(replica)
    }

    /// Reads a key of an arc that this node leads.
    pub(crate) fn group_read(&mut self, key: Id, reader: Asker, out: &mut Vec<Action<A>>) {
        match self.leads(key).map(Replica::tag) {
            Ok(tag) => self.store(Command::Read(key), Errand::GroupRead(tag, reader), out),
            Err(elsewhere) => self.turn_away(reader, elsewhere, out),
        }
    }

    /// The store has read it: it counts once a majority confirms the epoch, and has what was read.
    pub(crate) fn group_has_read(
        &mut self,
        tag: Tag,
        reader: Asker,
        record: Option<Record>,
        out: &mut Vec<Action<A>>,
    ) {
        // What is not here was not deleted in this epoch, for that leaves a tombstone.
        let version = record.as_ref().map(|record| record.version);
        let version = version.filter(|version| version.epoch() == tag.epoch);
        let sequence = version.map_or(0, Version::sequence);
        self.confirm(tag, sequence, Answer::Record(reader, record), out);
    }

    /// Makes a change on an arc that this node leads.
    pub(crate) fn group_change(
        &mut self,
        key: Id,
        change: Change,
        changer: Asker,
        out: &mut Vec<Action<A>>,
    ) {
        let tag = match self.leads_changes(key) {
            Ok(tag) => tag,
            Err(elsewhere) => return self.turn_away(changer, elsewhere, out),
        };
        let Some(lead) = self.replica(tag).and_then(|replica| replica.lead.as_mut()) else {
            return;
        };
        if lead.backlog.is_full() {
            return self.turn_away(changer, Elsewhere::Overloaded, out);
        }
        lead.assigned += 1;
        lead.changing += 1;
        let sequence = lead.assigned;
        let version = Version::new(tag.epoch, sequence);
        let (flags, expires_ms) = match change.value {
            Some(_) => (change.flags, change.expires_ms),
            None => (0, Some(change.now_ms.saturating_add(TOMBSTONE_MS))),
        };
        let record = Record {
            name: change.name.clone(),
            value: change.value.clone(),
            version,
            flags,
            expires_ms,
        };
        lead.backlog.push(sequence, record.bytes());
        let errand = Errand::Order(Box::new(Ordered {
            tag,
            sequence,
            key,
            record,
            changer,
        }));
        let command = Command::Change {
            key,
            change,
            version,
            tombstone: true,
            note: Some(keep::position(tag, sequence)),
        };
        self.store(command, errand, out);
    }

    /// The store has made it, or not; nothing where it has failed. The place in the order is taken all the same.
    pub(crate) fn ordered(
        &mut self,
        ordered: Ordered,
        changed: Option<Changed>,
        out: &mut Vec<Action<A>>,
    ) {
        let Ordered {
            tag,
            sequence,
            key,
            record,
            changer,
        } = ordered;
        let is_made = matches!(
            changed,
            Some(Changed::Created(_) | Changed::Replaced(_) | Changed::Deleted)
        );
        let most = self.config.window;
        let Some(replica) = self.replica(tag) else {
            return self.leave_unsure(changer, out);
        };
        let write = is_made.then_some((key, record));
        let entry = Entry { sequence, write };
        replica.position = sequence;
        let Some(lead) = &mut replica.lead else {
            replica.window.push(entry, most);
            return self.leave_unsure(changer, out);
        };
        let committed = lead.committed;
        let acked = lead.acked().unwrap_or(committed);
        let window = &mut replica.window;
        window.push_at_leader(entry, most, acked, committed);
        lead.changing -= 1;
        match changed {
            Some(changed) if is_made => lead.writes.push_back(Write {
                sequence,
                changer,
                changed,
                age: 0,
            }),
            // What it has seen, or that nothing is there, is the work of what was ordered before it.
            Some(changed) => {
                self.confirm(tag, sequence - 1, Answer::Refused(changer, changed), out);
            }
            None => self.turn_away(changer, Elsewhere::Overloaded, out),
        }
        self.spread(tag, sequence, out);
        self.go_on_proposing(tag, out);
    }

    /// A change is made here: it goes to the others, and to the disk. Where the store is making more of
    /// them, they go together.
    fn spread(&mut self, tag: Tag, sequence: u32, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag);
        let lead = replica.and_then(|replica| replica.lead.as_ref());
        let has_company = lead.is_some_and(|lead| lead.changing > 0);
        if !has_company || sequence.is_multiple_of(TOGETHER_MAX) {
            self.sync_lead(tag, out);
            self.replicate(tag, false, out);
        }
    }

    /// An answer that tells what is there after this write waits until that is certain.
    fn confirm(&mut self, tag: Tag, sequence: u32, answer: Answer, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag);
        let Some(lead) = replica.and_then(|replica| replica.lead.as_mut()) else {
            return self.turn_away(answer.asker(), Elsewhere::Moving, out);
        };
        lead.clock = lead.clock.wrapping_add(1);
        lead.reads.push_back(Read {
            clock: lead.clock,
            sequence,
            answer,
            age: 0,
        });
        self.replicate(tag, false, out);
        self.answer_waiting(tag, out);
    }

    /// Tells those who have waited long enough, now that a majority has got so far.
    pub(crate) fn answer_waiting(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let quorum = replica.group.quorum();
        let Some(lead) = &mut replica.lead else {
            return;
        };
        let others = lead.followers.iter().filter(|other| !other.is_learner);
        let acked = others.clone().map(|follower| follower.acked);
        let mut acked: Vec<Option<u32>> = acked.chain([lead.durable]).collect();
        acked.sort_unstable_by(|a, b| b.cmp(a));
        let Some(committed) = acked[quorum - 1] else {
            return;
        };
        lead.committed = lead.committed.max(committed);
        lead.backlog.commit(lead.committed);
        let mut confirmed: Vec<u32> = others.map(|follower| follower.confirmed).collect();
        confirmed.push(lead.clock);
        confirmed.sort_unstable_by(|a, b| b.cmp(a));
        let clock = confirmed[quorum - 1];
        let copies = |sequence: u32| {
            let has = |acked: &&Option<u32>| acked.is_some_and(|acked| acked >= sequence);
            acked.iter().filter(has).count() as u8
        };
        let mut writes = Vec::new();
        while let Some(write) = lead
            .writes
            .pop_front_if(|write| write.sequence <= lead.committed)
        {
            writes.push((copies(write.sequence), write));
        }
        let mut reads = Vec::new();
        while let Some(read) = lead
            .reads
            .pop_front_if(|read| read.clock <= clock && read.sequence <= lead.committed)
        {
            reads.push(read);
        }
        for (copies, write) in writes {
            self.tell_changer(write.changer, write.changed, copies, out);
        }
        for read in reads {
            match read.answer {
                Answer::Record(reader, record) => self.finish_reading(reader, record, out),
                Answer::Refused(changer, changed) => self.tell_changer(changer, changed, 0, out),
            }
        }
    }

    /// A leader is one no longer: nobody knows what becomes of the writes that were not acknowledged.
    pub(crate) fn drop_waiting(&mut self, replica: &mut Replica<A>, out: &mut Vec<Action<A>>) {
        let Some(lead) = replica.lead.take() else {
            return;
        };
        for write in lead.writes {
            self.leave_unsure(write.changer, out);
        }
        for read in lead.reads {
            self.turn_away(read.answer.asker(), Elsewhere::Moving, out);
        }
    }

    /// What has waited for too long is given up.
    pub(crate) fn drop_overdue(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag);
        let Some(lead) = replica.and_then(|replica| replica.lead.as_mut()) else {
            return;
        };
        for write in &mut lead.writes {
            write.age += 1;
        }
        for read in &mut lead.reads {
            read.age += 1;
        }
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        while let Some(write) = lead.writes.pop_front_if(|write| write.age > AGE_MAX) {
            writes.push(write);
        }
        while let Some(read) = lead.reads.pop_front_if(|read| read.age > AGE_MAX) {
            reads.push(read);
        }
        for write in writes {
            self.leave_unsure(write.changer, out);
        }
        for read in reads {
            self.turn_away(read.answer.asker(), Elsewhere::Moving, out);
        }
    }

    /// Nothing was done.
    pub(crate) fn turn_away(
        &mut self,
        asker: Asker,
        elsewhere: Elsewhere<A>,
        out: &mut Vec<Action<A>>,
    ) {
        match asker {
            Asker::Client(operation) => self.stuck(operation, Failure::Unreachable, out),
            Asker::Peer(ticket) => {
                let reply = Reply::Elsewhere(elsewhere);
                out.push(Action::Reply { ticket, reply });
            }
        }
    }

    /// The change may have been made or not.
    pub(crate) fn leave_unsure(&mut self, changer: Asker, out: &mut Vec<Action<A>>) {
        match changer {
            Asker::Client(operation) => self.give_up(operation, Failure::Unknown, out),
            Asker::Peer(ticket) => {
                let reply = Reply::Elsewhere(Elsewhere::Unsure);
                out.push(Action::Reply { ticket, reply });
            }
        }
    }
}

/// Requests that wait at one leader: more would only wait longer.
const WAITING_MAX: usize = 4_096;

/// Changes that go together at most: with a store that always has another one to make none must wait for
/// the last.
const TOGETHER_MAX: u32 = 64;

/// Beats after which a request that no majority has answered is given up: 1.5 s, before whoever asked
/// loses patience.
const AGE_MAX: u8 = 5;
