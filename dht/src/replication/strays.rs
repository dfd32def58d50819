//! Strays: what a node keeps of arcs that are no longer its own.
//!
//! A node gives a copy up when the next group serves, and remembers until then whom to ask; but it forgets
//! that in a restart. So it looks now and then whether its store has anything that no group of its own
//! accounts for, and asks whoever keeps that arc. If a group serves it whose epoch is later than all that
//! are known to be over here, that has all that counts of its own and of earlier epochs, and such strays can
//! go; until one does they stay, for they may be the last copy that there is.

use alloc::vec::Vec;

use crate::event::Action;
use crate::id::{Arc, Id};
use crate::node::{Errand, Node};
use crate::peer::{Address, Peer};
use crate::ranges;
use crate::record::Record;
use crate::replication::group::{Group, Tag};
use crate::store::{Command, Limit};

/// What the store is reading of an arc that nobody accounts for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stray {
    /// The first one, to ask who keeps it.
    First,
    /// What this group, which serves, may have all of.
    Of(Tag),
}

/// The search for strays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Beats since the last one.
    beats: u8,
    /// Where it goes on: one arc that nobody serves must not hide the others.
    after: Id,
    /// Whether it has found nothing yet.
    is_open: bool,
}

impl Search {
    pub(crate) const fn new() -> Search {
        Search {
            beats: 0,
            after: Id::ZERO,
            is_open: false,
        }
    }
}

impl<A: Address> Node<A> {
    /// Has a look at the store, every few beats.
    pub(crate) fn look_for_strays(&mut self, out: &mut Vec<Action<A>>) {
        if let Some(groups) = &mut self.groups {
            groups.search.beats = (groups.search.beats + 1) % EVERY;
            if groups.search.beats == 0 {
                self.search(out);
            }
        }
    }

    fn search(&mut self, out: &mut Vec<Action<A>>) {
        let arcs = self.unaccounted(Arc::WHOLE);
        let Some(groups) = &mut self.groups else {
            return;
        };
        // What is to be forgotten anyway is nothing to ask others about.
        let dismissed = || groups.dismissed.iter().copied();
        let arcs = arcs.into_iter();
        let mut arcs: Vec<Arc> = arcs
            .flat_map(|arc| ranges::missing(arc, dismissed()))
            .collect();
        groups.search.is_open = true;
        let after = groups.search.after;
        arcs.sort_unstable_by_key(|arc| after.distance_to(arc.start));
        // The rest of an arc is an arc, unless nothing is left of it.
        let is_amid = |arc: &&Arc| arc.contains(after) && arc.end != after;
        let rest = arcs.iter().find(is_amid);
        let rest = rest.map(|arc| Arc::new(after, arc.end));
        for arc in rest.into_iter().chain(arcs) {
            self.read_strays(arc, FIRST, Stray::First, out);
        }
    }

    fn read_strays(&mut self, arc: Arc, limit: Limit, stray: Stray, out: &mut Vec<Action<A>>) {
        let after = None;
        let command = Command::Scan { arc, after, limit };
        self.store(command, Errand::Stray(stray), out);
    }

    /// The store has read records of an arc that nobody accounts for.
    pub(crate) fn strays_read(
        &mut self,
        stray: Stray,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        match stray {
            Stray::First => self.ask_for_keeper(&records, out),
            Stray::Of(group) => self.give_strays_up(group, records, out),
        }
    }

    fn ask_for_keeper(&mut self, records: &[(Id, Option<Record>)], out: &mut Vec<Action<A>>) {
        let (Some((key, _)), Some(groups)) = (records.first(), &mut self.groups) else {
            return;
        };
        if core::mem::take(&mut groups.search.is_open) {
            groups.search.after = *key;
            let over = groups.over.iter().filter(|over| over.arc.contains(*key));
            let epoch = over.map(|over| over.epoch).max().unwrap_or(0);
            let arc = Arc::new(key.previous(), *key);
            self.look_for_keeper(Tag { arc, epoch }, out);
        }
    }

    /// This node does not serve what it was asked for: the search goes on behind its arc.
    pub(crate) fn pass_keeper(&mut self, keeper: &Peer<A>) {
        if let Some(groups) = &mut self.groups {
            groups.search.after = keeper.id;
        }
    }

    /// This group serves, and this node is none of its members: it may have what is astray here.
    pub(crate) fn sort_strays(&mut self, group: &Group<A>, out: &mut Vec<Action<A>>) {
        for arc in self.unaccounted(group.arc) {
            self.read_strays(arc, PAGE, Stray::Of(group.tag()), out);
        }
    }

    fn give_strays_up(
        &mut self,
        group: Tag,
        records: Vec<(Id, Option<Record>)>,
        out: &mut Vec<Action<A>>,
    ) {
        // Meanwhile it may have become a member again, or learned more.
        let arcs = self.unaccounted(group.arc);
        let is_older = |record: &Option<Record>| matches!(record, Some(record) if record.version.epoch() <= group.epoch);
        let is_given = |(key, record): &(Id, Option<Record>)| {
            is_older(record) && arcs.iter().any(|arc| arc.contains(*key))
        };
        let given = records.into_iter().filter(is_given);
        let forget: Vec<Id> = given.map(|(key, _)| key).collect();
        if forget.is_empty() || self.has_ended(group) {
            return;
        }
        self.store(Command::forget(forget), Errand::Discard, out);
        // There may be more of them.
        self.search(out);
    }

    /// The parts of an arc that neither a group of this node keeps nor one that it has belonged to.
    pub(crate) fn unaccounted(&self, arc: Arc) -> Vec<Arc> {
        let Some(groups) = &self.groups else {
            return Vec::new();
        };
        let kept = groups.replicas.iter().map(|replica| replica.group.arc);
        let retired = groups.retired.iter().map(|retired| retired.tag.arc);
        ranges::missing(arc, kept.chain(retired))
    }
}

/// Beats between two looks, some 2 s.
const EVERY: u8 = 8;

/// One record tells whom to ask.
const FIRST: Limit = Limit {
    records: 1,
    bytes: 0,
};

/// What is given up at a time.
const PAGE: Limit = Limit {
    records: 128,
    bytes: 64 * 1024,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::node::Config;
    use crate::peer::Peer;
    use crate::record::Version;
    use crate::replication::group::Member;
    use crate::replication::message::{Ask, GroupRequest};
    use crate::replication::{About, GroupQuestion};
    use crate::replication::{group::Group, keep, message::Told};
    use crate::store::{Memory, Store, perform};
    use crate::view::Range;

    /// A node that belongs to no group, and what it keeps.
    struct Former {
        node: Node<u8>,
        store: Memory,
    }

    fn id(byte: u8) -> Id {
        Id::from_bytes([byte; Id::BYTES])
    }

    fn peer(byte: u8) -> Peer<u8> {
        Peer {
            id: id(byte),
            address: byte,
            incarnation: 2,
        }
    }

    /// What others keep.
    fn group(epoch: u32) -> Group<u8> {
        let member = |byte: u8| Member {
            peer: peer(byte),
            store: 1,
        };
        Group {
            arc: Arc::new(id(3), id(5)),
            epoch,
            members: [5, 7, 9].map(member).into(),
            leader: 0,
            sealed: None,
        }
    }

    impl Former {
        /// Its store knows that this epoch of the others' arc is over, and has records of these epochs.
        fn new(over: u32, epochs: &[u32]) -> Former {
            let arc = group(over).arc;
            let note = keep::over(&[Range { arc, epoch: over }]);
            let notes = [(note.name, note.bytes.unwrap_or_default())];
            let config = Config {
                replicas: 3,
                store: 1,
                ..Config::default()
            };
            let ring = [3, 5, 7, 9].map(peer);
            let node = Node::in_ring_again(ring[0], &ring, config, &notes);
            let mut store = Memory::default();
            for epoch in epochs {
                let record = Record {
                    name: None,
                    value: Some(b"value"[..].into()),
                    version: Version::new(*epoch, 1),
                    flags: 0,
                    expires_ms: None,
                };
                let mut bytes = [4; Id::BYTES];
                bytes[Id::BYTES - 1] = *epoch as u8;
                store.put(Id::from_bytes(bytes), record);
            }
            Former { node, store }
        }

        /// Does all that the node wants of its store, and returns what it wants of others.
        fn go_on(&mut self, mut out: Vec<Action<u8>>) -> Vec<Action<u8>> {
            let mut rest = Vec::new();
            while !out.is_empty() {
                let mut more = Vec::new();
                for action in out {
                    match action {
                        Action::Store { ticket, command } => {
                            let outcome = perform(&mut self.store, command);
                            let event = Event::Stored { ticket, outcome };
                            self.node.handle(event, &mut more);
                        }
                        action => rest.push(action),
                    }
                }
                out = more;
            }
            rest
        }

        /// Is told by the leader of this group that it serves.
        fn told(&mut self, group: &Group<u8>) {
            let question = GroupQuestion {
                tag: Tag {
                    arc: Arc::new(id(4).previous(), id(4)),
                    epoch: 0,
                },
                to: group.members[0].clone(),
                about: About::Status,
            };
            let mut out = Vec::new();
            let told = Told::Newer(group.clone());
            self.node.group_told(question, told, &mut out);
            self.go_on(out);
        }

        /// Searches, and returns for which key it looks for a keeper.
        fn seeks(&mut self) -> Option<Id> {
            let mut out = Vec::new();
            self.node.search(&mut out);
            let asks = self.go_on(out);
            asks.into_iter().find_map(|action| match action {
                Action::Ask {
                    request: crate::message::Request::Route(route),
                    ..
                } => Some(route.key),
                _ => None,
            })
        }

        /// Is asked by that leader to give up what it has.
        fn released(&mut self, group: &Group<u8>) {
            let request = GroupRequest {
                tag: group.tag(),
                from: 1,
                to: 1,
                ask: Ask::Release(group.clone()),
            };
            let event = Event::Asked {
                ticket: crate::event::Ticket(1),
                from: group.members[0].peer,
                request: crate::message::Request::Group(request.into()),
            };
            let mut out = Vec::new();
            self.node.handle(event, &mut out);
            self.go_on(out);
        }

        /// The epochs of what it has.
        fn has(&self) -> Vec<u32> {
            let limit = Limit {
                records: 9,
                bytes: 999,
            };
            let records = self.store.scan(Arc::WHOLE, None, limit).into_iter();
            records.map(|(_, record)| record.version.epoch()).collect()
        }
    }

    #[test]
    fn what_a_later_group_serves_is_given_up() {
        let mut former = Former::new(4, &[1, 4]);
        former.told(&group(5));
        assert!(former.has().is_empty());
    }

    #[test]
    fn a_group_of_an_epoch_that_is_over_is_given_nothing_up_to() {
        for over in [4, 5] {
            let mut former = Former::new(over, &[1, 4]);
            former.told(&group(4));
            former.released(&group(4));
            assert_eq!(former.has(), [1, 4]);
        }
    }

    #[test]
    fn an_arc_that_nobody_serves_hides_no_other_strays() {
        let mut former = Former::new(0, &[1]);
        let first = former.seeks();
        assert!(first.is_some_and(|key| group(1).arc.contains(key)));
        let record = former.store.read(first.unwrap_or(Id::ZERO));
        former.store.put(id(6), record.expect("it is there"));
        former.node.pass_keeper(&peer(5));
        assert_eq!(former.seeks(), Some(id(6)));
        former.node.pass_keeper(&peer(7));
        assert_eq!(former.seeks(), first);
    }

    #[test]
    fn what_is_newer_than_the_group_that_serves_stays() {
        let mut former = Former::new(1, &[1, 4, 6]);
        former.told(&group(5));
        former.released(&group(5));
        assert_eq!(former.has(), [6]);
    }
}
