//! Beat: the clock of all groups, some times a second.

use alloc::vec::Vec;

use crate::event::Action;
use crate::id::Arc;
use crate::node::Node;
use crate::peer::Address;
use crate::ranges;
use crate::replication::group::{Member, Next, Tag};
use crate::replication::install::SILENT;
use crate::replication::message::Ask;
use crate::replication::{About, Decided, keep};
use crate::view::Phase;

impl<A: Address> Node<A> {
    /// A beat: leaders show themselves, members look after their leaders, and what got stuck goes on.
    pub(crate) fn beat(&mut self, out: &mut Vec<Action<A>>) {
        self.allow_to_fetch();
        let tags: Vec<Tag> = self
            .replicas()
            .iter()
            .map(|replica| replica.tag())
            .collect();
        for tag in tags {
            self.age_proposal(tag);
            let replica = self.replica(tag);
            match replica.map(|replica| (replica.lead.is_some(), replica.is_learner)) {
                Some((true, _)) => self.beat_as_leader(tag, out),
                Some((false, true)) => self.beat_as_learner(tag, out),
                Some((false, false)) => self.beat_as_member(tag, out),
                None => {}
            }
        }
        self.look_for_zones(out);
        self.tell_decisions(out);
        self.look_after_old(out);
        self.look_for_strays(out);
        self.go_on_dismissing(out);
        if self.view.phase == Phase::Leaving {
            self.reconcile(out);
        }
    }

    /// A proposal that comes to nothing makes room for another one.
    fn age_proposal(&mut self, tag: Tag) {
        if let Some(replica) = self.replica(tag)
            && let Some(proposal) = &mut replica.proposal
        {
            proposal.age += 1;
            if proposal.age > PROPOSAL_MAX {
                replica.proposal = None;
            }
        }
    }

    fn beat_as_leader(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let Some(replica) = self.replica(tag) else {
            return;
        };
        let is_stuck = replica.acceptor.promised.is_some() && replica.proposal.is_none();
        let is_synced = replica.is_synced;
        replica.silence = replica.silence.saturating_add(1);
        let silence = replica.silence;
        let Some(lead) = &mut replica.lead else {
            return;
        };
        lead.age = lead.age.wrapping_add(1);
        lead.resigned.iter_mut().for_each(|(_, age)| *age += 1);
        lead.resigned.retain(|(_, age)| *age <= SILENT);
        let mut is_fewer = false;
        for follower in &mut lead.followers {
            let was_copy = follower.is_copy();
            follower.silence = follower.silence.saturating_add(1);
            is_fewer |= was_copy && !follower.is_copy();
            // An answer that never came must not end it all.
            if follower.silence > ANSWER_MAX {
                follower.is_asked = false;
            }
        }
        let released: Vec<Member<A>> = match lead.is_established {
            true => lead.former.clone(),
            false => Vec::new(),
        };
        let group = replica.group.clone();
        self.settle(tag, out);
        if is_fewer {
            self.show_groups();
        }
        self.drop_overdue(tag, out);
        if self.yields(tag) {
            return;
        }
        if !is_synced {
            self.pull(tag, out);
            // Whoever can't get what it needs to lead lets others try.
            if silence > HELPLESS {
                return;
            }
        }
        self.replicate(tag, true, out);
        for member in released {
            if !self.is_away(&member) {
                let ask = Ask::Release(group.clone());
                self.ask_member(&member, tag, ask, About::Release, out);
            }
        }
        match is_stuck {
            true => self.begin_again(tag, out),
            false => {
                self.steer(tag, out);
                self.compare(tag, out);
                self.look_after_seal(tag, out);
                self.merge(tag, out);
            }
        }
    }

    /// A member whose leader says nothing takes its place, the nearest behind it first.
    fn beat_as_member(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        let me = self.member();
        let Some(replica) = self.replica(tag) else {
            return;
        };
        replica.silence = replica.silence.saturating_add(1);
        let (silence, rank) = (replica.silence, replica.rank(me.peer.id));
        let is_waiting = replica.proposal.is_some();
        let leader = replica.group.leader().clone();
        self.pull(tag, out);
        let patience = match self.is_away(&leader) || leader.is(&me) {
            true => PATIENCE / 2,
            false => PATIENCE,
        };
        if !is_waiting && silence >= patience + 2 * rank {
            self.begin_again(tag, out);
        }
    }

    fn beat_as_learner(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        self.pull(tag, out);
        let is_leaving = self.view.phase == Phase::Leaving;
        if let Some(replica) = self.replica(tag) {
            replica.silence = replica.silence.saturating_add(1);
            if replica.silence > LEARNER_MAX && !is_leaving {
                self.drop_learners(tag.arc);
            }
        }
    }

    /// What is kept here for groups that are long over: whoever keeps the arc now is looked for.
    fn look_after_old(&mut self, out: &mut Vec<Action<A>>) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        let mut old: Vec<Tag> = Vec::new();
        for retired in &mut groups.retired {
            retired.age = (retired.age + 1) % OLD;
            if retired.age > 0 {
                continue;
            }
            // What this node keeps again for a group of its own is nothing to ask others about.
            let kept = groups.replicas.iter().filter(|replica| !replica.is_learner);
            let kept = kept.map(|replica| replica.group.arc);
            let rest = ranges::missing(retired.tag.arc, kept);
            let epoch = retired.after();
            old.extend(rest.first().map(|arc| Tag { arc: *arc, epoch }));
        }
        for replica in &mut groups.replicas {
            let tag = replica.tag();
            match &replica.lead {
                // Told late of what others have gone on from.
                Some(lead) if !lead.is_established && lead.age % u32::from(OLD) == 0 => {
                    old.push(tag)
                }
                None if replica.silence >= OLD && !replica.is_learner => {
                    replica.silence -= OLD / 2;
                    old.push(tag);
                }
                _ => {}
            }
        }
        for tag in old {
            self.look_for_keeper(tag, out);
        }
    }

    /// Who keeps an arc could not be found out: what is left of it is asked about again soon, for messages get
    /// lost, and a lookup goes astray where a neighbour is thought dead for a moment.
    pub(crate) fn keeper_missed(&mut self, arc: Arc) {
        let retired = self
            .groups
            .iter_mut()
            .flat_map(|groups| &mut groups.retired);
        for retired in retired.filter(|retired| retired.tag.meets(arc)) {
            retired.age = retired.age.max(OLD - SOON);
        }
    }

    /// New leaders that may not know of their groups are told again.
    fn tell_decisions(&mut self, out: &mut Vec<Action<A>>) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        for decided in &mut groups.decided {
            decided.age += 1;
        }
        let is_told =
            |decided: &mut Decided<A>| decided.untold.is_empty() || decided.age > TOLD_MAX;
        let told = groups.decided.extract_if(.., is_told);
        let told: Vec<_> = told
            .map(|decided| keep::no_decision(decided.next.from))
            .collect();
        let leads = |next: &Next<A>, member: &Member<A>| {
            let mut groups = next.groups.iter();
            groups.any(|group| group.leader().is(member))
        };
        let again: Vec<(Next<A>, Member<A>)> = groups
            .decided
            .iter()
            .flat_map(|decided| decided.untold.iter().map(|member| (&decided.next, member)))
            .filter(|(next, member)| leads(next, member))
            .map(|(next, member)| (next.clone(), member.clone()))
            .collect();
        if !told.is_empty() {
            self.write_notes(told, out);
        }
        for (next, member) in again {
            let tag = next.from;
            self.ask_member(&member, tag, Ask::Install(next), About::Install, out);
        }
    }
}

/// Beats after which a proposal has failed.
const PROPOSAL_MAX: u8 = 6;

/// Beats of silence after which a leader is taken for gone: about a second.
const PATIENCE: u8 = 4;

/// Beats after which a question to a member has no answer any more, whatever became of it.
const ANSWER_MAX: u8 = SILENT + 2;

/// Beats that a new leader may take to get what its group began with.
const HELPLESS: u8 = 16;

/// Beats after which a node that nobody tells anything learns no more. One that leaves takes longer.
const LEARNER_MAX: u8 = 40;

/// Beats after which a node doubts that it still belongs to a group.
pub(crate) const OLD: u8 = 24;

/// Beats after which who keeps an arc is asked again, if nothing has come of it: about a second.
const SOON: u8 = 4;

/// Beats during which new leaders are told of a decision.
const TOLD_MAX: u8 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Cause, Event};
    use crate::id::Id;
    use crate::message::{Reply, Request, Routed};
    use crate::node::Config;
    use crate::peer::Peer;
    use crate::replication::replica::Retired;
    use crate::replication::window::Window;

    fn peer(byte: u8) -> Peer<u8> {
        Peer {
            id: Id::from_bytes([byte; Id::BYTES]),
            address: byte,
            incarnation: 1,
        }
    }

    /// On which of 10 beats a node begins to look for who keeps what it has of (3, 5]. The others answer
    /// questions about the way or, where these get lost as well, none at all.
    fn looks(is_way_told: bool) -> Vec<u8> {
        let config = Config {
            replicas: 3,
            ..Config::default()
        };
        let mut node = Node::in_ring_again(peer(3), &[3, 5, 7, 9].map(peer), config, &[]);
        let arc = Arc::new(peer(3).id, peer(5).id);
        let groups = node.groups.as_mut().expect("there are groups");
        groups.retired.push(Retired {
            tag: Tag { arc, epoch: 1 },
            position: Some(0),
            window: Window::default(),
            age: OLD - 1,
        });
        let mut looks = Vec::new();
        for beat in 0..10 {
            let mut out = Vec::new();
            node.beat(&mut out);
            while let Some(action) = out.pop() {
                let Action::Ask {
                    ticket,
                    to,
                    request,
                } = action
                else {
                    continue;
                };
                let is_way = matches!(request, Request::Route(_));
                if is_way && looks.last() != Some(&beat) {
                    looks.push(beat);
                }
                let (from, micros) = (to, 1);
                let event = match is_way && is_way_told {
                    true => Event::Answered {
                        ticket,
                        from,
                        reply: Reply::Routed(Routed::Owner(peer(5))),
                        micros,
                    },
                    false => Event::Unanswered {
                        ticket,
                        cause: Cause::Silent,
                    },
                };
                node.handle(event, &mut out);
            }
        }
        looks
    }

    #[test]
    fn who_keeps_an_arc_is_asked_again_soon_after_a_message_got_lost() {
        for is_way_told in [true, false] {
            assert_eq!(looks(is_way_told), [0, SOON, 2 * SOON]);
        }
    }
}
