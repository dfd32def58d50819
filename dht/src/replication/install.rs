//! Install: a decision takes effect at a node.
//!
//! What the node kept of the old epoch is what it begins the new one with, if it has exactly what the
//! decision names; else it fetches the rest. What it kept for a group that it is no member of any
//! more stays until that group serves.

use alloc::vec::Vec;

use crate::event::{Action, Note, Ticket};
use crate::id::{Arc, Id};
use crate::node::{Errand, Node, note};
use crate::peer::Address;
use crate::ranges;
use crate::replication::beat::OLD;
use crate::replication::compare::Round;
use crate::replication::group::{Group, Member, Next, Tag};
use crate::replication::message::{Ask, Told};
use crate::replication::replica::{Follower, Lead, Pull, Replica, Retired, Synced};
use crate::replication::{About, Decided, keep, tell};
use crate::store::Command;
use crate::view::{Fetching, Held, Range};

impl<A: Address> Node<A> {
    /// A decision that this node has led to.
    pub(crate) fn decided(&mut self, next: Next<A>, out: &mut Vec<Action<A>>) {
        let decided = Decided::new(next.clone(), &self.member());
        let untold = decided.untold.clone();
        // First, for once this epoch is over here nothing else tells how it ended.
        self.write_notes([keep::decision(&next)].into(), out);
        self.install(&next, out);
        if let Some(groups) = &mut self.groups {
            groups.decided.push(decided);
        }
        for member in untold {
            let ask = Ask::Install(next.clone());
            self.ask_member(&member, next.from, ask, About::Install, out);
        }
    }

    /// Another node tells of a decision.
    pub(crate) fn install_for(&mut self, ticket: Ticket, next: Next<A>, out: &mut Vec<Action<A>>) {
        let replica = self.replica(next.from);
        let lead = replica.and_then(|replica| replica.lead.as_ref());
        if lead.is_some_and(|lead| lead.changing > 0) {
            return tell(ticket, Told::Unknown, out);
        }
        // Who can't keep it knows at least where to send clients.
        self.install(&next, out);
        self.store(Command::Sync, Errand::Synced(Synced::Install(ticket)), out);
    }

    /// It knows.
    pub(crate) fn install_told(
        &mut self,
        tag: Tag,
        from: &Member<A>,
        told: &Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let is_done = matches!(told, Told::Done | Told::Store(_));
        if let Some(groups) = &mut self.groups
            && is_done
        {
            for decided in &mut groups.decided {
                if decided.next.from == tag {
                    decided.untold.retain(|member| !member.is(from));
                }
            }
        }
        // Asked by the leader of the new group, it was about that one.
        if let Some(follower) = self.follower(tag, from) {
            follower.is_asked = false;
            if is_done {
                follower.silence = 0;
            }
            match told {
                Told::Store(store) => follower.other_store = Some(*store),
                Told::Done => {
                    follower.is_installed = true;
                    self.replicate(tag, true, out);
                }
                _ => {}
            }
        }
        if *told == Told::Done {
            // What it had was of no use before it knew.
            self.pull_from(tag, from, out);
        }
    }

    /// Lets a decision take effect here; those parts of it that are known already have had theirs.
    pub(crate) fn install(&mut self, next: &Next<A>, out: &mut Vec<Action<A>>) {
        let groups = next.groups.iter().filter(|group| !self.is_known(group));
        let groups: Vec<Group<A>> = groups.cloned().collect();
        if groups.is_empty() {
            return;
        }
        let me = self.member();
        let arcs: Vec<Arc> = groups.iter().map(|group| group.arc).collect();
        let ended = self.take_replicas(&arcs, out);
        let synced = |tag: Tag| {
            let mut ended = ended.iter().filter(|replica| replica.is_synced);
            ended.find(|replica| replica.tag() == tag)
        };
        // What was sealed has no writes: whoever is in sync has all of it.
        let has_sealed = next.sealed.is_none_or(|sealed| synced(sealed).is_some());
        let before = synced(next.from).filter(|_| has_sealed);
        let mut notes = self.notes_of_end(&ended);
        let mut retired = Vec::new();
        for replica in &ended {
            let mine: Vec<Arc> = groups
                .iter()
                .filter(|group| group.has(&me))
                .map(|group| group.arc)
                .collect();
            let rest = ranges::missing(replica.group.arc, mine);
            retired.extend(rest.into_iter().map(|arc| Retired::of(replica, arc)));
        }
        let mut leads = Vec::new();
        let mut new = Vec::new();
        for group in groups.into_iter().filter(|group| group.has(&me)) {
            let mut replica = Replica::new(group, Some(next.clone()));
            replica.begin_with(before, next.start);
            if replica.group.leader().is(&me) {
                replica.lead = Some(Lead::new(&replica.group, next, &me).into());
                leads.push(replica.tag());
            }
            notes.extend(keep::replica(&replica));
            new.push(replica);
        }
        let tags: Vec<Tag> = new.iter().map(Replica::tag).collect();
        if let Some(groups) = &mut self.groups {
            groups.retired.extend(retired);
            groups.replicas.extend(new);
        }
        self.write_notes(notes, out);
        self.show_groups();
        for tag in tags {
            let Some(replica) = self.replica(tag) else {
                continue;
            };
            let leader = replica.group.leader().peer.clone();
            if replica.is_synced {
                self.store(Command::Sync, Errand::Synced(Synced::Start(tag)), out);
            } else if leads.contains(&tag) {
                self.pull(tag, out);
            }
            note(Note::Epoch(tag.arc, tag.epoch, leader), out);
        }
        for tag in leads {
            self.replicate(tag, true, out);
        }
    }

    /// Whether a group has taken effect here already, or one that followed it.
    pub(crate) fn is_known(&self, group: &Group<A>) -> bool {
        let members = self.replicas().iter().filter(|replica| !replica.is_learner);
        let mut present = members.map(Replica::tag);
        let is_present = present.any(|tag| tag.epoch == group.epoch && tag.meets(group.arc));
        is_present || self.has_ended(group.tag())
    }

    /// Whether this epoch of an arc, or of a part of it, is known to be over.
    pub(crate) fn has_ended(&self, tag: Tag) -> bool {
        let members = self.replicas().iter().filter(|replica| !replica.is_learner);
        let mut present = members.map(Replica::tag);
        let mut over = self.groups.iter().flat_map(|groups| &groups.over);
        present.any(|other| other.epoch > tag.epoch && other.meets(tag.arc))
            || over.any(|range| {
                range.epoch >= tag.epoch && range.arc.intersection(tag.arc).next().is_some()
            })
    }

    /// Ends all epochs on these arcs; whoever waits for something is told.
    fn take_replicas(&mut self, arcs: &[Arc], out: &mut Vec<Action<A>>) -> Vec<Replica<A>> {
        let Some(groups) = &mut self.groups else {
            return Vec::new();
        };
        let ends = |replica: &mut Replica<A>| {
            arcs.iter()
                .any(|arc| arc.intersection(replica.group.arc).next().is_some())
        };
        let mut ended: Vec<Replica<A>> = groups.replicas.extract_if(.., ends).collect();
        for group in ended
            .iter()
            .filter(|ended| !ended.is_learner)
            .map(|ended| &ended.group)
        {
            keep::end(&mut groups.over, group.arc, group.epoch);
        }
        for replica in &mut ended {
            self.drop_waiting(replica, out);
        }
        ended
    }

    /// The store has what the group began with.
    pub(crate) fn started(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag).filter(|replica| replica.is_synced) else {
            return;
        };
        replica.durable = Some(replica.position);
        let position = replica.position;
        if let Some(lead) = &mut replica.lead {
            lead.assigned = lead.assigned.max(position);
            lead.durable = Some(position);
            self.settle(tag, out);
            self.replicate(tag, true, out);
            self.answer_waiting(tag, out);
        }
    }

    /// A leader serves as long as a majority has what the group began with, and is there.
    pub(crate) fn settle(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let quorum = replica.group.quorum();
        let Some(lead) = &mut replica.lead else {
            return;
        };
        let others = lead.followers.iter().filter(|other| other.is_copy());
        let others = others.count();
        let is_established = lead.durable.is_some() && others + 1 >= quorum;
        if core::mem::replace(&mut lead.is_established, is_established) == is_established {
            return;
        }
        if is_established {
            self.epoch = self.epoch.max(tag.epoch);
            note(Note::Leads(tag.arc, tag.epoch), out);
        }
        self.show_groups();
        if is_established {
            self.merge(tag, out);
        }
    }

    /// Shows others what this node keeps and leads.
    pub(crate) fn show_groups(&mut self) {
        let serves = self
            .replicas()
            .iter()
            .filter(|replica| replica.is_leading() && replica.group.sealed.is_none());
        let range = |replica: &Replica<A>| Range {
            arc: replica.group.arc,
            epoch: replica.group.epoch,
        };
        let mut serves: Vec<Range> = serves.map(range).collect();
        serves.sort_unstable_by_key(|range| range.arc.end);
        let members = self.replicas().iter().filter(|replica| !replica.is_learner);
        let (me, is_failing) = (self.view.me.id, self.is_failing());
        let held = |replica: &Replica<A>| {
            let followers = replica.lead.iter().flat_map(|lead| &lead.followers);
            let synced = followers.filter(|other| other.takes());
            let synced = synced.map(|follower| follower.member.peer.id);
            // What a full store did not take may be missing, but for what its node has ordered itself.
            let is_whole = !is_failing || replica.is_leading();
            Held {
                group: replica.group.clone(),
                synced: (replica.is_synced && is_whole)
                    .then_some(me)
                    .into_iter()
                    .chain(synced)
                    .collect(),
            }
        };
        let groups: Vec<Held<A>> = members.map(held).collect();
        // Whoever learns what it is about to own knows who serves that meanwhile.
        let learners = self.replicas().iter().filter(|replica| replica.is_learner);
        let receives = learners.map(|replica| {
            let leader = replica.group.leader().peer.clone();
            (replica.group.arc, leader)
        });
        let receives = receives.collect();
        let fetches = self.replicas().iter().filter_map(Replica::fetching);
        let fetches = fetches.collect();
        let view = self.view_mut();
        view.serves = serves;
        view.groups = groups;
        view.receives = receives;
        view.fetches = fetches;
    }

    /// A later group than this one is known elsewhere.
    pub(crate) fn superseded(&mut self, tag: Tag, newer: &Group<A>, out: &mut Vec<Action<A>>) {
        let Some(replica) = self
            .replica(tag)
            .filter(|replica| replica.group.epoch < newer.epoch)
        else {
            return;
        };
        if replica.is_learner {
            return self.drop_learners(tag.arc);
        }
        // It leads no more. Its content stays until it is told what was decided, or that others have it.
        replica.proposal = None;
        replica.silence = 0;
        self.ask_member(newer.leader(), tag, Ask::Status, About::Status, out);
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let Some(mut ended) = replica.lead.take().map(|lead| {
            let mut ended = Replica::new(replica.group.clone(), None);
            ended.lead = Some(lead);
            ended
        }) else {
            return;
        };
        self.drop_waiting(&mut ended, out);
        self.show_groups();
    }

    /// The members of a later group have what they need: what is kept here for them can go.
    pub(crate) fn release_for(
        &mut self,
        ticket: Ticket,
        group: &Group<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let me = self.member();
        if !group.has(&me) && !self.has_ended(group.tag()) {
            self.forget_for(group, out);
        }
        tell(ticket, Told::Done, out);
    }

    fn forget_for(&mut self, group: &Group<A>, out: &mut Vec<Action<A>>) {
        // A replica of an earlier epoch has not heard of the decision yet. It is over as a whole, even where
        // this group keeps only a part of its arc.
        let is_over = |replica: &&Replica<A>| {
            !replica.is_learner
                && replica.group.epoch < group.epoch
                && group.arc.intersection(replica.group.arc).next().is_some()
        };
        let over = self.replicas().iter().filter(is_over);
        let over: Vec<Arc> = over.map(|replica| replica.group.arc).collect();
        let ended = self.take_replicas(&over, out);
        let notes = self.notes_of_end(&ended);
        self.write_notes(notes, out);
        if let Some(groups) = &mut self.groups {
            let retired = ended.iter();
            let retired = retired.map(|replica| Retired::of(replica, replica.group.arc));
            groups.retired.extend(retired);
        }
        let Some(groups) = &mut self.groups else {
            return;
        };
        let (mut rest, mut given) = (Vec::new(), Vec::new());
        for retired in groups.retired.drain(..) {
            if retired.after() >= group.epoch || !retired.tag.meets(group.arc) {
                rest.push(retired);
                continue;
            }
            given.extend(retired.tag.arc.intersection(group.arc));
            rest.extend(retired.tag.arc.without(group.arc).map(|arc| Retired {
                tag: Tag {
                    arc,
                    epoch: retired.tag.epoch,
                },
                position: retired.position,
                window: retired.window.clone(),
                // Many groups may keep what one did: who keeps the rest is asked on the next beat.
                age: OLD - 1,
            }));
        }
        groups.retired = rest;
        for arc in given {
            self.dismiss(arc);
        }
        self.show_groups();
        self.reconcile(out);
    }

    fn notes_of_end(&self, ended: &[Replica<A>]) -> Vec<crate::store::Note> {
        let gone = ended.iter().flat_map(|ended| keep::nothing(ended.tag()));
        let over = self.groups.iter().map(|groups| keep::over(&groups.over));
        gone.chain(over).collect()
    }

    /// Another node hears nothing any more of a group that it belongs to, or used to.
    pub(crate) fn status_for(&mut self, ticket: Ticket, tag: Tag, out: &mut Vec<Action<A>>) {
        let is_newer = |replica: &&Replica<A>| {
            replica.is_leading()
                && replica.group.epoch > tag.epoch
                && replica.group.arc.intersection(tag.arc).next().is_some()
        };
        let newer = self.replicas().iter().find(is_newer);
        let newer = newer.map(|replica| Told::Newer(replica.group.clone()));
        tell(ticket, newer.unwrap_or(Told::Unknown), out);
    }

    /// A later group serves, so it has all that counts: what is left here of earlier ones can go, unless
    /// this node belongs to it; then it is about to be told.
    pub(crate) fn status_told(
        &mut self,
        from: &Member<A>,
        told: &Told<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let me = self.member();
        let Told::Newer(group) = told else {
            return self.pass_keeper(&from.peer);
        };
        if !group.has(&me) && !self.has_ended(group.tag()) {
            self.forget_for(group, out);
            self.sort_strays(group, out);
        }
    }

    /// A former member has forgotten what it kept.
    pub(crate) fn release_told(&mut self, tag: Tag, from: &Member<A>) {
        let lead = self.replica(tag).and_then(|replica| replica.lead.as_mut());
        if let Some(lead) = lead {
            lead.former.retain(|member| !member.is(from));
        }
    }
}

impl<A: Address> Replica<A> {
    /// How far it has fetched what it lacks.
    fn fetching(&self) -> Option<Fetching> {
        let Pull { after, records, .. } = self.pull?;
        let arc = self.group.arc;
        let length = |to: Id| {
            let bytes = arc.start.distance_to(to);
            let leading = bytes
                .as_bytes()
                .first_chunk()
                .map_or(0, |b| u64::from_be_bytes(*b));
            u128::from(leading).max(1)
        };
        let whole = if arc.start == arc.end {
            1 << 64
        } else {
            length(arc.end)
        };
        let percent = after.map_or(0, |after| (100 * length(after) / whole).min(100) as u8);
        Some(Fetching {
            arc,
            epoch: self.group.epoch,
            records,
            percent,
        })
    }

    /// What of the epoch before is here already.
    fn begin_with(&mut self, before: Option<&Replica<A>>, start: u32) {
        let Some(before) = before else {
            return;
        };
        // Writes after the start are of no epoch any more, and not to be passed on.
        if before.position > start {
            return;
        }
        self.prior = before.window.clone();
        if before.position == start {
            self.is_synced = true;
            self.is_fetched = true;
        } else {
            self.lineage = Some(before.position);
        }
    }
}

impl<A: Address> Lead<A> {
    pub(crate) fn new(group: &Group<A>, next: &Next<A>, me: &Member<A>) -> Lead<A> {
        let former = next.former.iter();
        let former = former.filter(|member| !group.has(member) && !member.is(me));
        Lead {
            former: former.cloned().collect(),
            ..Lead::of(group, me)
        }
    }

    /// The leader of a group that no other came before.
    pub(crate) fn of(group: &Group<A>, me: &Member<A>) -> Lead<A> {
        let others = group.members.iter().filter(|member| !member.is(me));
        Lead {
            followers: others
                .map(|other| Follower::new(other.clone(), false))
                .collect(),
            assigned: 0,
            changing: 0,
            durable: None,
            is_syncing: false,
            committed: 0,
            backlog: Default::default(),
            is_established: false,
            writes: Default::default(),
            reads: Default::default(),
            clock: 0,
            resigned: Vec::new(),
            former: Vec::new(),
            age: 0,
            round: Round::default(),
            yields: 0,
        }
    }
}

/// Beats after which a member that says nothing is not counted on.
pub(crate) const SILENT: u8 = 8;
