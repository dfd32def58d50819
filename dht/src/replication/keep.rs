//! Keep: what a node finds again of its groups after a restart.
//!
//! Two notes for each arc: the group, with what was promised and accepted, and how far its content goes.
//! The second changes with every write, and is kept with it as one. And one for each decision that this node
//! has led to, until others know.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::event::Action;
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::{Address, Peer};
use crate::ranges;
use crate::replication::acceptor::Acceptor;
use crate::replication::group::{Group, Member, Next, Tag};
use crate::replication::replica::{Lead, Replica};
use crate::replication::{Decided, Groups};
use crate::store::{Command, Note};
use crate::view::Range;

/// A group as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
struct Kept<A> {
    group: Group<A>,
    origin: Option<Next<A>>,
    acceptor: Acceptor<Next<A>>,
    is_synced: bool,
}

/// How far the content of an arc goes: of the group's epoch, or of that before.
pub(crate) fn position(tag: Tag, sequence: u32) -> Note {
    let bytes = [tag.epoch.to_be_bytes(), sequence.to_be_bytes()].concat();
    Note {
        name: name(b'p', tag),
        bytes: Some(bytes),
    }
}

/// How far it goes in the epoch before that of the group.
pub(crate) fn lineage(tag: Tag, sequence: u32) -> Note {
    let before = Tag {
        epoch: tag.epoch - 1,
        ..tag
    };
    position(before, sequence)
}

/// Both notes of a replica.
pub(crate) fn replica<A: Address>(replica: &Replica<A>) -> [Note; 2] {
    let tag = replica.tag();
    let kept = Kept {
        group: replica.group.clone(),
        origin: replica.origin.as_deref().cloned(),
        acceptor: replica.acceptor.clone(),
        is_synced: replica.is_synced,
    };
    let bytes = postcard::to_allocvec(&kept).expect("a group is plain data");
    let group = Note {
        name: name(b'g', tag),
        bytes: Some(bytes),
    };
    let far = match replica.lineage {
        Some(sequence) if !replica.is_synced => lineage(tag, sequence),
        _ => position(tag, replica.position.max(replica.until)),
    };
    [group, far]
}

/// Notes that an epoch has ended here, in place of what was noted of earlier ones.
pub(crate) fn end(over: &mut Vec<Range>, arc: Arc, epoch: u32) {
    let rest = ranges::missing(
        arc,
        over.iter()
            .filter(|range| range.epoch > epoch)
            .map(|r| r.arc),
    );
    let kept = over.drain(..).flat_map(|range| {
        let pieces: Vec<Arc> = match range.epoch > epoch {
            true => [range.arc].into(),
            false => range.arc.without(arc).collect(),
        };
        pieces.into_iter().map(move |arc| Range { arc, ..range })
    });
    let mut ended: Vec<Range> = kept.collect();
    ended.extend(rest.into_iter().map(|arc| Range { arc, epoch }));
    *over = ended;
}

/// The note of all epochs that have ended here.
pub(crate) fn over(over: &[Range]) -> Note {
    let bytes = postcard::to_allocvec(over).expect("ranges are plain data");
    Note {
        name: OVER.into(),
        bytes: Some(bytes),
    }
}

/// The note of a decision that others may have to be told of again after a restart.
pub(crate) fn decision<A: Address>(next: &Next<A>) -> Note {
    let bytes = postcard::to_allocvec(next).expect("a decision is plain data");
    Note {
        name: decision_name(next.from),
        bytes: Some(bytes),
    }
}

/// Forgets it.
pub(crate) fn no_decision(tag: Tag) -> Note {
    Note {
        name: decision_name(tag),
        bytes: None,
    }
}

/// Of an arc there may be several at a time.
fn decision_name(tag: Tag) -> Vec<u8> {
    [&name(b'd', tag)[..], &tag.epoch.to_be_bytes()].concat()
}

/// Forgets both notes.
pub(crate) fn nothing(tag: Tag) -> [Note; 2] {
    [b'g', b'p'].map(|kind| Note {
        name: name(kind, tag),
        bytes: None,
    })
}

fn name(kind: u8, tag: Tag) -> Vec<u8> {
    let (start, end) = (tag.arc.start.as_bytes(), tag.arc.end.as_bytes());
    [&[kind][..], start, end].concat()
}

impl<A: Address> Node<A> {
    /// Keeps a replica as it is now.
    pub(crate) fn keep_replica(&mut self, tag: Tag, out: &mut Vec<Action<A>>) {
        if let Some(kept) = self.replica(tag).filter(|replica| !replica.is_learner) {
            let notes = replica(kept).into();
            self.write_notes(notes, out);
        }
    }

    pub(crate) fn write_notes(&mut self, notes: Vec<Note>, out: &mut Vec<Action<A>>) {
        if notes.is_empty() {
            return;
        }
        let command = Command::Write {
            put: Vec::new(),
            merge: Vec::new(),
            forget: Vec::new(),
            notes,
        };
        self.store(command, Errand::Discard, out);
    }

    /// Finds again what the store kept of an earlier life: the groups that this node belongs to.
    ///
    /// To be called once, before anything happens to the node, with all notes of its store. What can't be
    /// read is of no group, and stays out.
    pub fn restore(&mut self, notes: &[(Vec<u8>, Vec<u8>)]) {
        let me = self.member();
        if self.groups.is_none() {
            return;
        }
        let (mut replicas, mut decided) = (Vec::new(), Vec::new());
        for (name, bytes) in notes {
            if name.first() == Some(&b'd')
                && let Ok(next) = postcard::from_bytes::<Next<A>>(bytes)
            {
                decided.push(Decided::new(next, &me));
            }
            let Ok(kept) = postcard::from_bytes::<Kept<A>>(bytes) else {
                continue;
            };
            if name.first() != Some(&b'g') || !kept.group.has(&me) {
                continue;
            }
            let far = self::name(b'p', kept.group.tag());
            let far = notes.iter().find(|(name, _)| *name == far);
            let far = far.and_then(|(_, bytes)| Some((number(bytes, 0)?, number(bytes, 4)?)));
            replicas.push(found(kept, far));
        }
        let over = notes.iter().find(|(name, _)| name == OVER);
        let over = over.and_then(|(_, bytes)| postcard::from_bytes(bytes).ok());
        if let Some(groups) = &mut self.groups {
            **groups = Groups {
                replicas,
                decided,
                over: over.unwrap_or_default(),
                ..Groups::new()
            };
        }
        self.show_groups();
    }

    /// All members are in these lives now, as far as they are among them and in no later one.
    ///
    /// A node learns the later life of a member from its pointers, but these may not reach as far as its
    /// groups do.
    pub(crate) fn meet_lives(&mut self, lives: &[Peer<A>]) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        for replica in &mut groups.replicas {
            let origin = replica.origin.iter_mut().flat_map(|next| {
                let source = core::iter::once(&mut next.source);
                source.chain(&mut next.former)
            });
            let followers = replica.lead.iter_mut().flat_map(|lead| &mut lead.followers);
            let followers = followers.map(|follower| &mut follower.member);
            let members = replica.group.members.iter_mut();
            for member in members.chain(origin).chain(followers) {
                let later = |life: &&Peer<A>| {
                    life.id == member.peer.id && life.incarnation > member.peer.incarnation
                };
                if let Some(life) = lives.iter().find(later) {
                    member.peer = life.clone();
                }
            }
        }
        self.show_groups();
    }

    /// The groups of a new ring that this node belongs to: each arc is kept by its owner and those behind
    /// it.
    pub(crate) fn found_groups(&mut self, groups: Vec<Group<A>>) {
        let me = self.member();
        let Some(all) = &mut self.groups else {
            return;
        };
        for group in groups {
            let mut replica = Replica::new(group, None);
            replica.is_synced = true;
            replica.is_fetched = true;
            if replica.group.leader().is(&me) {
                let mut lead = Lead::of(&replica.group, &me);
                lead.durable = Some(0);
                // All others were founded with it.
                for follower in &mut lead.followers {
                    follower.is_installed = true;
                }
                lead.is_established = lead.followers.is_empty();
                replica.lead = Some(lead.into());
            }
            all.replicas.push(replica);
        }
        all.is_unkept = true;
        self.show_groups();
    }

    /// Keeps what a new ring was founded with, before anything else is done in it, and for good: on an arc
    /// that nobody writes to nothing else would ever ask for that, and members that do not know of their
    /// group after a restart are of no use to it.
    pub(crate) fn keep_founded(&mut self, out: &mut Vec<Action<A>>) {
        let Some(groups) = &mut self.groups else {
            return;
        };
        if core::mem::take(&mut groups.is_unkept) {
            let notes = groups.replicas.iter().flat_map(replica).collect();
            self.write_notes(notes, out);
            self.store(Command::Sync, Errand::Discard, out);
        }
    }
}

fn found<A: Address>(kept: Kept<A>, far: Option<(u32, u32)>) -> Replica<A> {
    let mut replica = Replica::new(kept.group, kept.origin);
    replica.acceptor = kept.acceptor;
    let epoch = replica.group.epoch;
    match far {
        Some((at, sequence)) if at == epoch && kept.is_synced => {
            replica.is_synced = true;
            replica.is_fetched = true;
            replica.position = sequence;
            replica.durable = Some(sequence);
        }
        // It has acknowledged so much, or fetched some of it, and lost its place.
        Some((at, sequence)) if at == epoch => {
            replica.until = sequence;
            replica.pledged = sequence;
        }
        Some((at, sequence)) if at + 1 == epoch => replica.lineage = Some(sequence),
        _ => {}
    }
    replica
}

/// The name of the note of what is over.
const OVER: &[u8] = b"o";

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The groups that a node belongs to in an ideal ring of these members, which are in ring order.
pub(crate) fn groups_of<A: Address>(me: Id, ring: &[Member<A>], replicas: usize) -> Vec<Group<A>> {
    let count = ring.len();
    let copies = replicas.min(count);
    let Some(mine) = ring.iter().position(|member| member.peer.id == me) else {
        return Vec::new();
    };
    let group = |back: usize| {
        let place = (mine + count - back) % count;
        let before = &ring[(place + count - 1) % count];
        let members = (0..copies).map(|n| ring[(place + n) % count].clone());
        Group {
            arc: Arc::new(before.peer.id, ring[place].peer.id),
            epoch: 1,
            members: members.collect(),
            leader: 0,
            sealed: None,
        }
    };
    (0..copies).map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Request;
    use crate::node::Config;
    use crate::replication::message::{Ask, Told};

    fn arc(start: u8, end: u8) -> Arc {
        Arc::new(Id::from_bytes([start; 20]), Id::from_bytes([end; 20]))
    }

    #[test]
    fn an_epoch_that_has_ended_is_never_less_over() {
        let mut over = Vec::new();
        end(&mut over, arc(1, 9), 3);
        end(&mut over, arc(3, 5), 7);
        end(&mut over, arc(1, 9), 4);
        let epoch = |byte: u8| {
            let id = Id::from_bytes([byte; 20]);
            let mut at = over.iter().filter(|range| range.arc.contains(id));
            let epoch = at.next().map(|range| range.epoch);
            assert!(at.next().is_none(), "{over:?}");
            epoch
        };
        assert_eq!([2, 3, 4, 5, 6, 9].map(epoch), [4, 4, 7, 7, 4, 4].map(Some));
        assert_eq!(epoch(10), None);
    }

    fn config() -> Config {
        Config {
            replicas: 3,
            store: 1,
            ..Config::default()
        }
    }

    fn life(byte: u8, incarnation: u32) -> Peer<u8> {
        Peer {
            id: Id::from_bytes([byte; 20]),
            address: byte,
            incarnation,
        }
    }

    /// What a store has after these actions.
    fn noted(actions: &[Action<u8>]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut noted: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for action in actions {
            if let Action::Store {
                command: Command::Write { notes, .. },
                ..
            } = action
            {
                for note in notes {
                    noted.retain(|(name, _)| *name != note.name);
                    noted.extend(note.bytes.clone().map(|bytes| (note.name.clone(), bytes)));
                }
            }
        }
        noted
    }

    /// Of an epoch that is over nobody decides a second time, so who knows how it ended must not forget that.
    #[test]
    fn who_has_decided_tells_the_new_leader_also_after_a_restart() {
        let ring = [3, 5, 7, 9].map(|byte| life(byte, 1));
        let (mut node, mut out) = (Node::in_ring(ring[0], &ring, config()), Vec::new());
        node.keep_founded(&mut out);
        let group = node.view().groups[0].group.clone();
        let others = [5, 7, 9].map(|byte| Member {
            peer: life(byte, 1),
            store: 1,
        });
        let next = Next {
            from: group.tag(),
            former: group.members.clone(),
            groups: [Group {
                epoch: group.epoch + 1,
                members: others.into(),
                leader: 0,
                ..group.clone()
            }]
            .into(),
            sealed: None,
            start: 0,
            source: group.members[1].clone(),
        };
        node.decided(next.clone(), &mut out);
        let leader = next.groups[0].leader().clone();
        let tells = |notes: &[(Vec<u8>, Vec<u8>)]| {
            let later = [3, 5, 7, 9].map(|byte| life(byte, 2));
            let mut node = Node::in_ring_again(later[0], &later, config(), notes);
            let mut out = Vec::new();
            node.beat(&mut out);
            out.iter().any(|action| match action {
                Action::Ask {
                    to,
                    request: Request::Group(request),
                    ..
                } => to.id == leader.peer.id && matches!(&request.ask, Ask::Install(_)),
                _ => false,
            })
        };
        assert!(tells(&noted(&out)));
        // All know by now.
        for member in Decided::new(next.clone(), &node.member()).untold {
            node.install_told(group.tag(), &member, &Told::Done, &mut out);
        }
        node.beat(&mut out);
        assert!(!tells(&noted(&out)));
    }

    #[test]
    fn who_starts_again_founds_nothing_and_finds_what_its_store_has_noted() {
        let ring = [3, 5, 7, 9].map(|byte| life(byte, 1));
        let (mut node, mut out) = (Node::in_ring(ring[0], &ring, config()), Vec::new());
        node.keep_founded(&mut out);
        let notes = noted(&out);

        let later = [3, 5, 7, 9].map(|byte| life(byte, 2));
        let again = |notes| Node::in_ring_again(later[0], &later, config(), notes);
        let found = again(&notes).view().groups.clone();
        let arcs: Vec<Arc> = found.iter().map(|held| held.group.arc).collect();
        assert_eq!(arcs, [arc(9, 3), arc(7, 9), arc(5, 7)]);
        let mut members = found.iter().flat_map(|held| &held.group.members);
        assert!(members.all(|member| later.contains(&member.peer) && member.store == 1));
        assert!(
            again(&notes).view().serves.is_empty(),
            "no majority is there"
        );
        assert!(again(&[]).view().groups.is_empty());
        let alone = Node::in_ring_again(later[0], &later, Config::default(), &[]);
        let served: Vec<Arc> = alone.view().serves.iter().map(|range| range.arc).collect();
        assert_eq!(
            served,
            [arc(9, 3)],
            "with one copy there is nobody to wait for"
        );
    }

    #[test]
    fn every_arc_of_a_ring_is_kept_by_its_owner_and_those_behind_it() {
        let member = |byte: u8| Member {
            peer: crate::peer::Peer {
                id: Id::from_bytes([byte; 20]),
                address: byte,
                incarnation: 1,
            },
            store: 1,
        };
        let ring = [3, 5, 7, 9].map(member);
        let groups = groups_of(ring[0].peer.id, &ring, 3);
        let arcs: Vec<Arc> = groups.iter().map(|group| group.arc).collect();
        assert_eq!(arcs, [arc(9, 3), arc(7, 9), arc(5, 7)]);
        assert!(
            groups
                .iter()
                .all(|group| group.leader().peer.id == group.arc.end)
        );
        assert_eq!(groups_of(ring[0].peer.id, &ring[..1], 3)[0].arc, arc(3, 3));
    }
}
