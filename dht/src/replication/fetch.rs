//! Fetch: a member gets what its group began with.
//!
//! Who was part of the epoch before needs only the last writes of that, if somebody still has them at
//! hand, and else the whole arc, page by page, each of which replaces what was there. Pages of a group
//! that goes on writing differ in age: the member is in sync when it has got as far as the youngest.
//!
//! A member that was in sync and has fallen too far behind fetches the whole as well. What it has is complete,
//! and part of what a majority has acknowledged: it votes with that until the first page replaces some of it, and
//! takes none that holds less.

use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::ranges;
use crate::record::Record;
use crate::replication::group::{Group, Member, Tag};
use crate::replication::message::{Ask, Entry, Fetch, Page, Told};
use crate::replication::replica::{Pull, Replica, Retired, Synced};
use crate::replication::{About, keep, tell};
use crate::store::{Command, Limit};

/// A page that the store is reading for another member.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) ticket: Ticket,
    has: u32,
    until: u32,
}

impl<A: Address> Node<A> {
    /// Goes on fetching what a replica lacks, if nothing of it is on its way.
    pub(crate) fn pull(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let mut replicas = self.replicas().iter();
        let replica = replicas.find(|replica| replica.tag() == tag);
        let giver = replica.and_then(|replica| self.giver(replica));
        if let Some(giver) = giver {
            self.pull_from(tag, &giver, out);
        }
    }

    /// The same, from one who is about to have it.
    pub(crate) fn pull_from(&mut self, tag: Tag, giver: &Member<A>, out: &mut Vec<Action<A>>) {
        if !self.may_fetch() {
            return;
        }
        let Some(replica) = self.replica(tag) else {
            return;
        };
        if !replica.is_lacking() {
            return;
        }
        let start = replica.origin.as_ref().map_or(0, |next| next.start);
        let lineage = replica.lineage;
        let pull = replica.pull.get_or_insert(Pull::new(lineage));
        if pull.asked.is_some() {
            return;
        }
        let fetch = Fetch {
            start,
            since: pull.since,
            after: pull.after,
        };
        pull.asked = Some(fetch);
        self.ask_member(giver, tag, Ask::Fetch(fetch), About::Fetch(fetch), out);
    }

    /// Whether there is room for another page before the next beat.
    fn may_fetch(&self) -> bool {
        let left = self.groups.as_ref().map_or(0, |groups| groups.allowance);
        !self.is_failing() && (self.config.fetch.is_none() || left > 0)
    }

    /// On a beat: so much more may be fetched.
    pub(crate) fn allow_to_fetch(&mut self) {
        if let (Some(groups), Some(fetch)) = (&mut self.groups, self.config.fetch) {
            let fetch = i64::from(fetch);
            groups.allowance = fetch.min(groups.allowance + fetch);
        }
    }

    /// Whom to ask for what a replica lacks: one after the other, who says nothing last, and nobody who is gone.
    fn giver(&self, replica: &Replica<A>) -> Option<Member<A>> {
        let mut givers = replica.givers(&self.member());
        givers.retain(|giver| !self.is_away(giver));
        let count = givers.len().max(1);
        givers.rotate_left(usize::from(replica.tries) % count);
        let speaks = |giver: &&Member<A>| !self.detector.distrusts(&self.latest(&giver.peer));
        let giver = givers.iter().find(speaks).or(givers.first());
        giver.cloned()
    }

    /// Another member wants what it lacks.
    pub(crate) fn fetch_for(
        &mut self,
        ticket: Ticket,
        tag: Tag,
        fetch: Fetch,
        out: &mut Vec<Action<A>>,
    ) {
        if self.is_failing() {
            // What is here may lack what the store did not take.
            return tell(ticket, Told::Lagging, out);
        }
        let Some(groups) = &self.groups else {
            return;
        };
        let replica = groups.replicas.iter().find(|replica| replica.tag() == tag);
        let synced = replica.filter(|replica| replica.is_synced && !replica.is_learner);
        // Where a later group keeps the arc, or this node learns for one, what is retired is mixed with that.
        let mixes = |other: &Replica<A>| {
            (other.is_learner || other.group.epoch > tag.epoch)
                && other.group.arc.intersection(tag.arc).next().is_some()
        };
        let later = |retired: &Retired| {
            retired.tag.epoch >= tag.epoch && retired.tag.arc.intersection(tag.arc).next().is_some()
        };
        let is_mixed = groups.replicas.iter().any(mixes) || groups.retired.iter().any(later);
        let (window, has, until) = match synced {
            Some(replica) => {
                let assigned = replica.lead.as_ref().map_or(0, |lead| lead.assigned);
                let position = replica.position;
                (&replica.prior, position, position.max(assigned))
            }
            None => {
                let before = tag.epoch - 1;
                let mut retired = groups.retired.iter().filter(|retired| {
                    retired.tag.epoch == before
                        && retired.position == Some(fetch.start)
                        && !is_mixed
                });
                match retired.find(|retired| retired.tag.arc.covers(tag.arc)) {
                    Some(retired) => (&retired.window, 0, 0),
                    None => {
                        let told = replica.map_or(Told::Unknown, |_| Told::Lagging);
                        return tell(ticket, told, out);
                    }
                }
            }
        };
        if let Some(since) = fetch.since
            && let Some(entries) = window.after(since, tag.arc)
        {
            return tell(ticket, Told::Tail(entries), out);
        }
        let reading = Reading { ticket, has, until };
        let command = Command::Scan {
            arc: tag.arc,
            after: fetch.after,
            limit: self.page(),
        };
        self.store(command, Errand::Page(reading), out);
    }

    /// What is read of an arc at once.
    pub(crate) fn page(&self) -> Limit {
        Limit {
            records: self.config.page as usize,
            bytes: PAGE_BYTES,
        }
    }

    /// The store has read a page.
    pub(crate) fn page_read(
        &mut self,
        reading: Reading,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        let records = records.into_iter();
        let records: Vec<(Id, Record)> = records
            .filter_map(|(key, record)| Some((key, record?)))
            .collect();
        let page = Page {
            more: !records.is_empty(),
            records,
            has: reading.has,
            until: reading.until,
        };
        tell(reading.ticket, Told::Page(page), out);
    }

    /// A part of what is lacking has come.
    pub(crate) fn fetch_told(
        &mut self,
        tag: Tag,
        from: &Member<A>,
        fetch: Fetch,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(pull) = self.pull_of(tag, fetch) else {
            return;
        };
        pull.asked = None;
        match told {
            Told::Tail(entries) => self.take_tail(tag, entries, out),
            Told::Page(page) => self.take_page(tag, page, out),
            told => {
                self.try_another(tag);
                if told == Told::Unknown {
                    // Maybe it still waits to hear what was decided.
                    self.tell_origin(tag, from, out);
                }
            }
        }
    }

    /// Nothing has come.
    pub(crate) fn fetch_missed(&mut self, tag: Tag, fetch: Fetch) {
        if let Some(pull) = self.pull_of(tag, fetch) {
            pull.asked = None;
            self.try_another(tag);
        }
    }

    /// Whoever gave nothing, or too little, is not the next to be asked.
    fn try_another(&mut self, tag: Tag) {
        if let Some(replica) = self.replica(tag) {
            replica.tries = replica.tries.wrapping_add(1);
        }
    }

    /// What waits for the answer to this question.
    fn pull_of(&mut self, tag: Tag, fetch: Fetch) -> Option<&mut Pull> {
        let pull = self.replica(tag)?.pull.as_mut()?;
        (pull.asked == Some(fetch)).then_some(pull)
    }

    fn take_tail(&mut self, tag: Tag, entries: Vec<Entry>, out: &mut Vec<Action<A>>) {
        let most = self.config.window;
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let start = replica.origin.as_ref().map_or(0, |next| next.start);
        let since = replica.lineage.unwrap_or(start);
        let new = entries.into_iter().filter(|entry| entry.sequence > since);
        let (mut records, mut last) = (Vec::new(), since);
        for entry in new {
            // Where something is missing, what it has ends.
            if entry.sequence != last + 1 || last == start {
                break;
            }
            last = entry.sequence;
            records.extend(entry.write.clone());
            replica.prior.push(entry, most);
        }
        replica.lineage = Some(last);
        if let Some(pull) = &mut replica.pull {
            pull.since = Some(last);
            if last == since {
                // Nothing that helps: the whole, then.
                pull.since = None;
            }
        }
        if last == start {
            replica.is_fetched = true;
            replica.pull = None;
        }
        let command = Command::Write {
            put: Vec::new(),
            merge: records,
            forget: Vec::new(),
            notes: [keep::lineage(tag, last)].into(),
        };
        self.store(command, Errand::Discard, out);
        match last == start {
            true => self.fetched(tag, out),
            false => self.pull(tag, out),
        }
    }

    fn take_page(&mut self, tag: Tag, page: Page, out: &mut Vec<Action<A>>) {
        let bytes = page.records.iter().map(|(_, record)| record.bytes());
        let bytes = bytes.sum::<usize>() as i64;
        if let Some(groups) = &mut self.groups {
            groups.allowance -= bytes;
        }
        let Some(replica) = self.replica(tag) else {
            return;
        };
        if !replica.is_lacking() {
            replica.pull = None;
            return;
        }
        if page.has < replica.pledged {
            return self.try_another(tag);
        }
        let Some(pull) = &mut replica.pull else {
            return;
        };
        let is_first = pull.after.is_none();
        let is_tail_given_up = pull.since.take().is_some();
        let start = pull.after.unwrap_or(tag.arc.start);
        let end = page.records.last().map_or(tag.arc.end, |(key, _)| *key);
        let is_whole = pull.after.is_none() && tag.arc.start == tag.arc.end && !page.more;
        let piece = (start != end || is_whole).then(|| Arc::new(start, end));
        // Another giver may have less.
        let has = pull.has.map_or(page.has, |has| has.min(page.has));
        pull.has = Some(has);
        pull.records += page.records.len() as u32;
        if page.more {
            pull.after = Some(end);
        }
        replica.until = replica.until.max(page.until);
        replica.lineage = None;
        (replica.is_synced, replica.is_outdated) = (false, false);
        replica.durable = None;
        if !page.more {
            replica.is_fetched = true;
            replica.position = has;
            // What it wrote before does not lead up to that.
            replica.window.clear();
            replica.pull = None;
        }
        if is_first || is_tail_given_up {
            // From now on what is here is neither of the epoch before nor of this one.
            self.keep_replica(tag, out);
        }
        if let Some(piece) = piece {
            self.store(Command::Discard([piece].into()), Errand::Discard, out);
        }
        let command = Command::Write {
            put: page.records,
            merge: Vec::new(),
            forget: Vec::new(),
            notes: Vec::new(),
        };
        self.store(command, Errand::Discard, out);
        self.show_groups();
        match page.more {
            true => self.pull(tag, out),
            false => self.fetched(tag, out),
        }
    }

    /// All is there, but for what the leader has written since.
    fn fetched(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        if replica.position < replica.until {
            return self.show_groups();
        }
        self.has_all(tag, out);
        self.store(Command::Sync, Errand::Synced(Synced::Start(tag)), out);
    }

    /// A replica has all that its group has.
    pub(crate) fn has_all(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        if let Some(replica) = self.replica(tag) {
            replica.is_synced = true;
            self.keep_replica(tag, out);
            self.show_groups();
        }
    }

    /// A leader wants this node to fetch what a group keeps: to become a member, or since it lacks too
    /// much to be told write by write.
    pub(crate) fn enroll_for(&mut self, ticket: Ticket, group: Group<A>, out: &mut Vec<Action<A>>) {
        let (tag, me) = (group.tag(), self.member());
        if let Some(newer) = self.newer_than(tag).cloned() {
            return tell(ticket, Told::Newer(newer), out);
        }
        if self.replica(tag).is_none()
            && group.epoch == 1
            && group.has(&me)
            && !self.is_known(&group)
        {
            // The disk lost what the ring was founded with, and so everything: nothing was promised.
            if let Some(groups) = &mut self.groups {
                groups.replicas.push(Replica::new(group, None));
            }
            self.keep_replica(tag, out);
            self.show_groups();
        } else if self.replica(tag).is_none() {
            let is_taken = |replica: &Replica<A>| {
                replica.group.epoch == tag.epoch
                    && replica.group.arc.intersection(tag.arc).next().is_some()
            };
            let is_staying = self.is_in_ring() && self.leave.is_none();
            if !is_staying || group.has(&me) || self.replicas().iter().any(is_taken) {
                return tell(ticket, Told::Unknown, out);
            }
            // It stops being a learner of what came before.
            self.drop_learners(tag.arc);
            if let Some(groups) = &mut self.groups {
                let mut replica = Replica::new(group, None);
                replica.is_learner = true;
                groups.replicas.push(replica);
            }
            self.show_groups();
        } else if let Some(replica) = self.replica(tag)
            && (replica.is_synced || replica.is_fetched)
        {
            if replica.is_fenced() {
                return tell(ticket, Told::Lagging, out);
            }
            replica.fetch_anew();
            self.show_groups();
        }
        if let Some(replica) = self.replica(tag) {
            replica.silence = 0;
        }
        tell(ticket, Told::Store(self.config.store), out);
        self.pull(tag, out);
    }

    /// Forgets what it has begun to learn on an arc.
    pub(crate) fn drop_learners(&mut self, arc: Arc) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        let is_dropped = |replica: &mut Replica<A>| {
            replica.is_learner && replica.group.arc.intersection(arc).next().is_some()
        };
        let dropped: Vec<Replica<A>> = groups.replicas.extract_if(.., is_dropped).collect();
        for replica in &dropped {
            // What it has learned is to be forgotten some time.
            let before = groups.retired.iter().map(|retired| retired.tag.arc);
            let rest = ranges::missing(replica.group.arc, before);
            let rest = rest.into_iter().map(|arc| Retired::of(replica, arc));
            groups.retired.extend(rest);
        }
        if !dropped.is_empty() {
            self.show_groups();
        }
    }
}

impl<A: Address> Replica<A> {
    /// What comes after what it has is not at hand any more.
    fn fetch_anew(&mut self) {
        self.is_outdated = self.is_synced;
        self.is_fetched = false;
        if self.is_synced {
            self.pledged = self.pledged.max(self.position);
        }
        // What it has acknowledged counts, wherever it fetches it from.
        self.until = self.until.max(self.position);
        self.lineage = None;
        self.pull = None;
        // Its leader has it for certain.
        self.tries = 0;
    }

    /// Who may have what it lacks, the likeliest first: a member its leader, the leader those who were
    /// part of the decision, and both any other member.
    fn givers(&self, me: &Member<A>) -> Vec<Member<A>> {
        let leader = self.group.leader();
        if self.is_learner {
            return [leader.clone()].into();
        }
        let mut givers = Vec::new();
        let mut add = |member: &Member<A>| {
            if !member.is(me) && !givers.iter().any(|other: &Member<A>| other.is(member)) {
                givers.push(member.clone());
            }
        };
        add(leader);
        if let Some(next) = &self.origin {
            add(&next.source);
            next.former.iter().for_each(&mut add);
        }
        self.group.members.iter().for_each(&mut add);
        givers
    }
}

/// Bytes that are fetched at a time.
const PAGE_BYTES: usize = 512 * 1024;
