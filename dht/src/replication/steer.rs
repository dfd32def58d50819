//! Steer: which groups there should be by the ring, one step at a time.
//!
//! An arc belongs to the first node at or after its end, and its copies to the nodes behind that one. The
//! leader of a group looks at its own pointers: whoever should become a member first fetches the content
//! while the old members go on, and only then does the group decide. Where the predecessor stands on
//! the arc, it gets the part up to itself.

use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::{Arc, Id};
use crate::node::Node;
use crate::peer::{Address, Peer};
use crate::replication::group::{Group, Member, Tag};
use crate::replication::install::SILENT;
use crate::replication::message::{Ask, Told};
use crate::replication::propose::Wish;
use crate::replication::replica::{Follower, Replica, Retired};
use crate::replication::zones::Place;
use crate::replication::{ANY_STORE, About, tell, zones};
use crate::view::Phase;

impl<A: Address> Node<A> {
    /// Takes the next step towards the groups that there should be, if this node leads.
    pub(crate) fn steer(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        // Who is on its way into the ring has no pointers to go by.
        if !self.is_in_ring() {
            return;
        }
        let Some(replica) = self.replicas().iter().find(|replica| replica.tag() == tag) else {
            return;
        };
        if !replica.is_leading() || replica.is_fenced() || self.is_sealed(tag) {
            return;
        }
        let wish = self.wish(replica);
        let is_there = wish.iter().all(|group| group.is_alike(&replica.group));
        let mut wanted: Vec<Member<A>> = Vec::new();
        for member in wish.iter().flat_map(|group| &group.members) {
            let is_known = |other: &Member<A>| other.peer.id == member.peer.id && other.is(member);
            if !replica.group.has(member) && !wanted.iter().any(is_known) {
                wanted.push(member.clone());
            }
        }
        let position = replica.position;
        let is_safe = self.is_safe(replica, &wish);
        let Some(lead) = self.replica(tag).and_then(|replica| replica.lead.as_mut()) else {
            return;
        };
        lead.followers.retain(|follower| {
            !follower.is_learner || wanted.iter().any(|member| member.is(&follower.member))
        });
        let mut is_ready = is_safe;
        for member in wanted {
            let mut learners = lead.followers.iter().filter(|follower| follower.is_learner);
            match learners.find(|learner| learner.member.is(&member)) {
                Some(learner) => {
                    let lag = learner.acked.map(|acked| position - acked.min(position));
                    is_ready &= learner.member.store != ANY_STORE
                        && learner.silence <= FRESH
                        && lag.is_some_and(|lag| lag <= LAG_MAX);
                }
                None => {
                    is_ready = false;
                    lead.followers.push(Follower::new(member, true));
                }
            }
        }
        if is_there || wish.is_empty() {
            return;
        }
        match is_ready {
            true => self.propose(tag, Wish::of(wish), out),
            false => self.replicate(tag, true, out),
        }
    }

    /// Whether the group can be followed by these without being worse off: a copy that is there is not
    /// given up for one that may be gone, nor for none while there are other nodes; and no member leads that may
    /// be gone.
    fn is_safe(&self, replica: &Replica<A>, wish: &[Group<A>]) -> bool {
        let me = self.member();
        let followers = replica.lead.iter().flat_map(|lead| &lead.followers);
        let is_fresh = |other: &&Follower<A>| other.takes() && other.silence <= FRESH;
        let fresh: Vec<&Member<A>> = followers
            .filter(is_fresh)
            .map(|follower| &follower.member)
            .chain([&me])
            .collect();
        let is_copy = |member: &&Member<A>| fresh.iter().any(|copy| copy.is(member));
        let members = &replica.group.members;
        let mut given_up = members
            .iter()
            .filter(is_copy)
            .filter(|member| wish.iter().any(|group| !group.has(member)));
        let mut kept = members
            .iter()
            .filter(|member| wish.iter().any(|group| group.has(member)));
        if given_up.next().is_some() && !kept.all(|member| is_copy(&member)) {
            return false;
        }
        let mut leaders = wish.iter().map(Group::leader);
        if leaders.any(|leader| replica.group.has(leader) && !is_copy(&leader)) {
            return false;
        }
        // A list of successors that comes round shows the whole ring; any other one may be short for a while.
        let view = &self.view;
        let before = view.predecessor.as_ref();
        let is_whole =
            before.is_some_and(|peer| *peer == view.me || view.successors.contains(peer));
        let nearest = usize::from(self.config.successors) + 1;
        let least = members.len().min(self.config.replicas.into()).min(nearest);
        is_whole || wish.iter().all(|group| group.members.len() >= least)
    }

    /// The groups that should keep the arc of this one by the pointers; none where these do not tell.
    pub(crate) fn wish(&self, replica: &Replica<A>) -> Vec<Group<A>> {
        self.wishes(replica).unwrap_or_default()
    }

    fn wishes(&self, replica: &Replica<A>) -> Option<Vec<Group<A>>> {
        let view = &self.view;
        let (me, arc) = (&view.me, replica.group.arc);
        let is_leaving = view.phase == Phase::Leaving;
        let mut own = self.places_behind()?;
        if !is_leaving {
            own.insert(0, self.place_of(me)?);
        }
        let group = |arc: Arc, ring: &[Place<A>]| self.wished(replica, arc, ring);
        let predecessor = view.predecessor.as_ref();
        let predecessor = predecessor.filter(|peer| *peer != me && !is_leaving);
        let Some(predecessor) = predecessor else {
            return Some([group(arc, &own)?].into());
        };
        if self.detector.distrusts(predecessor) {
            // Until it is clear who stands before us, the same members stay.
            return None;
        }
        let is_mine = Arc::new(predecessor.id, me.id).contains(arc.end);
        let is_inside = predecessor.id != arc.end
            && arc.contains(predecessor.id)
            && predecessor.id != arc.start;
        let theirs = || {
            let mut ring = own.clone();
            ring.retain(|(peer, _)| peer.id != predecessor.id);
            ring.insert(0, self.place_of(predecessor)?);
            Some(ring)
        };
        Some(match (is_mine, is_inside) {
            (false, _) => [group(arc, &theirs()?)?].into(),
            (true, false) => [group(arc, &own)?].into(),
            (true, true) => [
                group(Arc::new(arc.start, predecessor.id), &theirs()?)?,
                group(Arc::new(predecessor.id, arc.end), &own)?,
            ]
            .into(),
        })
    }

    /// The group for an arc of the first nodes of `ring` that are in different zones, the first one its leader.
    fn wished(&self, replica: &Replica<A>, arc: Arc, ring: &[Place<A>]) -> Option<Group<A>> {
        let lead = replica.lead.as_ref()?;
        let copies = usize::from(self.config.replicas);
        let is_me_leaving = self.view.phase == Phase::Leaving;
        let stays = |peer: &Peer<A>| lead.resigned.iter().all(|(id, _)| *id != peer.id);
        let mut places: Vec<Place<A>> = Vec::new();
        for place in ring.iter().filter(|(peer, _)| stays(peer)) {
            if places.iter().all(|(peer, _)| peer.id != place.0.id) {
                places.push(place.clone());
            }
        }
        let chosen = zones::spread(&places, copies).into_iter();
        let mut members: Vec<Member<A>> =
            chosen.map(|peer| self.as_member(replica, &peer)).collect();
        // A list that is short for a while is no reason to keep fewer copies.
        for member in &replica.group.members {
            let is_new = members.iter().all(|other| other.peer.id != member.peer.id);
            let is_leaving = is_me_leaving && member.peer.id == self.view.me.id;
            let stays = !is_leaving && stays(&member.peer) && !self.is_away(member);
            if is_new && stays && members.len() < copies {
                members.push(member.clone());
            }
        }
        (!members.is_empty()).then_some(Group {
            arc,
            epoch: replica.group.epoch + 1,
            members,
            leader: 0,
            sealed: None,
        })
    }

    /// A node as a member: by the store that it is known to run on.
    fn as_member(&self, replica: &Replica<A>, peer: &Peer<A>) -> Member<A> {
        let me = self.member();
        if peer.id == me.peer.id {
            return me;
        }
        let followers = replica.lead.iter().flat_map(|lead| &lead.followers);
        let store = store_of(peer.id, followers);
        let peer = peer.clone();
        Member { peer, store }
    }

    /// A member wants to leave.
    pub(crate) fn resign_for(
        &mut self,
        ticket: Ticket,
        from: &Member<A>,
        tag: Tag,
        out: &mut Vec<Action<A>>,
    ) {
        let newer = self.newer_than(tag).cloned();
        let Some(replica) = self.replica(tag) else {
            // Whoever has become a member meanwhile is about to be told.
            let newer = newer.filter(|group| !group.has(from));
            return tell(ticket, newer.map_or(Told::Unknown, Told::Newer), out);
        };
        // A learner waits until it is clear that it becomes no member: only who leads, and decides nothing yet,
        // can say so.
        let may_decide = replica.is_fenced() && !replica.group.has(from);
        let mut told = Told::Unknown;
        if let Some(lead) = &mut replica.lead {
            lead.resigned.retain(|(id, _)| *id != from.peer.id);
            lead.resigned.push((from.peer.id, 0));
            if !may_decide {
                told = Told::Done;
            }
        }
        tell(ticket, told, out);
        self.steer(tag, out);
    }

    /// The leader does without this node, which need not learn any more.
    pub(crate) fn resign_told(&mut self, tag: Tag, told: &Told<A>, out: &mut Vec<Action<A>>) {
        let replica = self.replica(tag).filter(|replica| replica.is_learner);
        if replica.is_some() && *told == Told::Done {
            self.drop_learners(tag.arc);
            self.reconcile(out);
        }
    }

    /// What a leaving node still has to do; whether nothing is left.
    pub(crate) fn resign(&mut self, out: &mut Vec<Action<A>>) -> bool {
        let Some(groups) = &mut self.groups else {
            return true;
        };
        // Whoever would have made it a member has not been heard of for long, nor has anybody else decided it.
        let is_idle = |replica: &Replica<A>| replica.is_learner && replica.silence > LEARNER_SILENT;
        groups.replicas.retain(|replica| !is_idle(replica));
        let had_all = |retired: &Retired| retired.position.is_some();
        let is_giving = groups.retired.iter().any(had_all);
        let members = groups.replicas.iter();
        let asked: Vec<(Tag, Vec<Member<A>>)> = members
            .map(|replica| (replica.tag(), who_lets_go(replica)))
            .collect();
        let is_over = asked.is_empty() && !is_giving;
        let me: Id = self.view.me.id;
        for (tag, members) in asked {
            for member in members {
                match member.peer.id == me {
                    true => self.steer(tag, out),
                    false => self.ask_member(&member, tag, Ask::Resign, About::Resign, out),
                }
            }
        }
        is_over
    }
}

/// The store that a node runs on, as far as these tell. It may have lost its disk more than once: stores are
/// numbered upwards.
fn store_of<'a, A: 'a>(id: Id, followers: impl Iterator<Item = &'a Follower<A>> + Clone) -> u32 {
    let mut known = followers.filter(|follower| follower.member.peer.id == id);
    let others = known.clone().filter_map(|follower| follower.other_store);
    let present = known.find(|follower| follower.other_store.is_none());
    match present {
        Some(follower) => follower.member.store,
        None => others.max().unwrap_or(ANY_STORE),
    }
}

/// Whom a leaving node asks to do without it: the leader, and where that is silent all who may know what was
/// decided of a learner.
fn who_lets_go<A: Address>(replica: &Replica<A>) -> Vec<Member<A>> {
    match replica.is_learner && replica.silence > SILENT {
        true => replica.group.members.clone(),
        false => [replica.group.leader().clone()].into(),
    }
}

/// Beats for which a learner that leaves waits to hear what was decided, some 30 s: a leader may have died
/// while its members were accepting the learner, and these may take as long to come back.
const LEARNER_SILENT: u8 = 120;

/// Beats since a member was heard of, if nothing got lost: it is there.
pub(crate) const FRESH: u8 = 2;

/// Writes that a new member may lack when the others decide that it is one: few enough to be sent at
/// once.
const LAG_MAX: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a leader knows of a node that had `store` when it was asked, and answered that it has `other`.
    fn follower(store: u32, other_store: Option<u32>) -> Follower<u8> {
        let peer = Peer {
            id: Id::ZERO,
            address: 0,
            incarnation: 1,
        };
        let mut follower = Follower::new(Member { peer, store }, true);
        follower.other_store = other_store;
        follower
    }

    #[test]
    fn a_node_that_lost_its_disk_twice_runs_on_the_last_one() {
        let lost = [follower(1, Some(2)), follower(2, Some(3))];
        assert_eq!(store_of(Id::ZERO, lost.iter()), 3);
        let found = [follower(1, Some(2)), follower(2, None)];
        assert_eq!(store_of(Id::ZERO, found.iter()), 2);
        assert_eq!(store_of(Id::ZERO.next(), found.iter()), ANY_STORE);
    }
}
