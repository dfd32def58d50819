//! Append: the leader's writes reach the members, in order.
//!
//! One message to each member is on its way at a time, and carries all that has come since the one
//! before it: the busier a group is, the more each flush of a member's disk is good for.

use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::Id;
use crate::node::{Errand, Node};
use crate::peer::Address;
use crate::record::Record;
use crate::replication::group::{Member, Tag};
use crate::replication::message::{Ask, Entry, Told};
use crate::replication::replica::{Follower, Synced};
use crate::replication::{ANY_STORE, About, keep, tell};
use crate::store::Command;

impl<A: Address> Node<A> {
    pub(crate) fn follower(&mut self, tag: Tag, member: &Member<A>) -> Option<&mut Follower<A>> {
        let lead = self.replica(tag)?.lead.as_mut()?;
        let mut followers = lead.followers.iter_mut();
        followers.find(|follower| follower.member.is(member))
    }

    /// Sends each member what it lacks and, on a `beat`, something in any case.
    pub(crate) fn replicate(&mut self, tag: Tag, beat: bool, out: &mut Vec<Action<A>>) {
        let mut messages = Vec::new();
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let (arc, position) = (replica.group.arc, replica.position);
        let Some(lead) = replica.lead.as_mut().filter(|lead| !lead.is_yielding()) else {
            return;
        };
        let is_read = !lead.reads.is_empty();
        for follower in &mut lead.followers {
            if follower.is_asked || follower.other_store.is_some() {
                continue;
            }
            let member = follower.member.clone();
            if !follower.is_installed {
                if !beat {
                    continue;
                }
                match &replica.origin {
                    Some(origin) if !follower.is_learner => {
                        let ask = Ask::Install((**origin).clone());
                        messages.push((member, ask, About::Install));
                    }
                    _ => {
                        let ask = Ask::Enroll(replica.group.clone());
                        messages.push((member, ask, About::Enroll));
                    }
                }
                follower.is_asked = true;
                continue;
            }
            // Whose store takes nothing more only shows that it is there.
            let lacks = follower.next <= position && !follower.is_full;
            let confirms = is_read && !follower.is_learner && follower.confirmed != lead.clock;
            if !(beat || lacks || confirms) {
                continue;
            }
            let after = follower.next - 1;
            let entries = match lacks {
                true => replica.window.after(after, arc),
                false => Some(Vec::new()),
            };
            follower.is_asked = true;
            messages.push(match entries {
                Some(entries) => {
                    let ask = Ask::Append { after, entries };
                    (member, ask, About::Append(lead.clock))
                }
                // It lacks more than is at hand, and has to fetch the whole.
                None => (member, Ask::Enroll(replica.group.clone()), About::Enroll),
            });
        }
        for (member, ask, about) in messages {
            self.ask_member(&member, tag, ask, about, out);
        }
    }

    /// The leader of a group sends writes, or nothing to show that it is there.
    pub(crate) fn append_for(
        &mut self,
        ticket: Ticket,
        tag: Tag,
        after: u32,
        entries: Vec<Entry>,
        out: &mut Vec<Action<A>>,
    ) {
        let (most, is_failing) = (self.config.window, self.is_failing());
        let Some(replica) = self.replica(tag) else {
            let newer = self.newer_than(tag).cloned();
            return tell(ticket, newer.map_or(Told::Unknown, Told::Newer), out);
        };
        replica.silence = 0;
        if replica.is_fenced() {
            return tell(ticket, Told::Fenced, out);
        }
        if replica.is_lacking() {
            tell(ticket, Told::Lagging, out);
            return self.pull(tag, out);
        }
        if is_failing {
            return self.append_in_vain(ticket, tag, out);
        }
        if after > replica.position {
            return tell(ticket, Told::Behind(replica.position), out);
        }
        let position = replica.position;
        let new = entries
            .into_iter()
            .filter(|entry| entry.sequence > position);
        let mut records = Vec::new();
        for entry in new {
            // Where something is missing, what it has ends.
            if entry.sequence != replica.position + 1 {
                break;
            }
            replica.position = entry.sequence;
            records.extend(entry.write.clone());
            replica.window.push(entry, most);
        }
        let (is_new, position) = (replica.position != position, replica.position);
        let far = position.max(replica.until);
        if is_new {
            self.keep_records(tag, far, records, out);
        }
        let Some(replica) = self.replica(tag) else {
            return;
        };
        if !replica.is_synced {
            if position < replica.until {
                return tell(ticket, Told::Behind(position), out);
            }
            self.has_all(tag, out);
        } else if Some(position) == replica.durable {
            return tell(ticket, Told::Appended(position), out);
        }
        let synced = Synced::Follow(tag, position, ticket);
        self.store(Command::Sync, Errand::Synced(synced), out);
    }

    /// Stores what a leader wrote, and how far it goes, as one.
    pub(crate) fn keep_records(
        &mut self,
        tag: Tag,
        far: u32,
        records: Vec<(Id, Record)>,
        out: &mut Vec<Action<A>>,
    ) {
        let command = Command::Write {
            put: Vec::new(),
            merge: records,
            forget: Vec::new(),
            notes: [keep::position(tag, far)].into(),
        };
        self.store(command, Errand::Discard, out);
    }

    /// A member has answered.
    pub(crate) fn append_told(
        &mut self,
        tag: Tag,
        from: &Member<A>,
        clock: u32,
        told: Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let position = self.replica(tag).map_or(0, |replica| replica.position);
        let Some(follower) = self.follower(tag, from) else {
            return;
        };
        let took = follower.takes();
        follower.is_asked = false;
        follower.silence = 0;
        match told {
            Told::Appended(position) | Told::Full(position) => {
                follower.acked = Some(position);
                follower.is_full = matches!(told, Told::Full(_));
                follower.next = position + 1;
                follower.confirmed = clock;
            }
            Told::Behind(position) => {
                follower.is_full = false;
                follower.next = position + 1;
            }
            Told::Lagging => follower.fetches(position),
            Told::Unknown => {
                follower.is_installed = false;
                follower.acked = None;
            }
            Told::Store(store) => follower.other_store = Some(store),
            _ => {}
        }
        // Any answer ends its silence, so it may be a copy again by each of them.
        if follower.takes() != took {
            self.show_groups();
        }
        match told {
            Told::Appended(_) => {
                self.settle(tag, out);
                self.answer_waiting(tag, out);
                self.go_on_proposing(tag, out);
                self.ask_for_piece(tag, out);
            }
            Told::Full(_) => {
                self.settle(tag, out);
                self.answer_waiting(tag, out);
                // What it lacks it does not take.
                return self.give_up_writes(tag, out);
            }
            Told::Behind(_) => {}
            // Somebody takes this leader for dead: only a new epoch can tell.
            Told::Fenced => {
                self.hurry(tag, out);
                return self.begin_again(tag, out);
            }
            _ => return,
        }
        self.replicate(tag, false, out);
    }

    /// Whoever is to become a member has begun to fetch.
    pub(crate) fn enroll_told(&mut self, tag: Tag, from: &Member<A>, told: Told<A>) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let position = replica.position;
        let Some(lead) = &mut replica.lead else {
            return;
        };
        let is_same = |follower: &&mut Follower<A>| {
            let member = &follower.member;
            member.is(from) && follower.is_asked
        };
        let Some(follower) = lead.followers.iter_mut().find(is_same) else {
            return;
        };
        follower.is_asked = false;
        follower.silence = 0;
        if let Told::Store(store) = told {
            if follower.member.store == ANY_STORE {
                follower.member.store = store;
            }
            if follower.member.store == store {
                follower.is_installed = true;
                follower.fetches(position);
            } else {
                follower.other_store = Some(store);
            }
        }
    }

    /// The leader's own store is to say how far it is durable.
    pub(crate) fn sync_lead(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        if self.is_failing() {
            return;
        }
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let position = replica.position;
        let Some(lead) = &mut replica.lead else {
            return;
        };
        if lead.is_syncing || lead.durable.is_none_or(|durable| durable >= position) {
            return;
        }
        lead.is_syncing = true;
        let synced = Synced::Lead(tag, position);
        self.store(Command::Sync, Errand::Synced(synced), out);
    }

    /// The store has said that all before this is durable.
    pub(crate) fn synced(&mut self, synced: Synced, out: &mut Vec<Action<A>>) {
        match synced {
            Synced::Lead(tag, position) => {
                let replica = self.replica(tag);
                if let Some(lead) = replica.and_then(|replica| replica.lead.as_mut()) {
                    lead.is_syncing = false;
                    lead.durable = Some(position);
                }
                self.sync_lead(tag, out);
                self.answer_waiting(tag, out);
                self.go_on_proposing(tag, out);
            }
            Synced::Follow(tag, position, ticket) => {
                if let Some(replica) = self.replica(tag) {
                    replica.durable = replica.durable.max(Some(position));
                }
                tell(ticket, Told::Appended(position), out);
            }
            Synced::Promise(tag, ballot, ticket) => self.promise_kept(tag, ballot, ticket, out),
            Synced::OwnPromise(tag, ballot) => self.own_promise_kept(tag, ballot, out),
            Synced::Accept(ticket) => tell(ticket, Told::Accepted, out),
            Synced::OwnAccept(tag, ballot) => self.own_accept_kept(tag, ballot, out),
            Synced::Install(ticket) => tell(ticket, Told::Done, out),
            Synced::Start(tag) => self.started(tag, out),
        }
    }
}
