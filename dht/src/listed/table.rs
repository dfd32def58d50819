//! Table: who is a member, where content belongs, and what changes at the moment. All members have the same
//! one: each version is decided by those of the version before.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::node::REPLICAS_MAX;
use crate::peer::{Address, Peer};
use crate::placement::{Placement, Scheme, Seat, deal};

/// One node of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member<A> {
    /// Which node; in the life in which it was added. It is known by its identifier, so it may have been
    /// started again since.
    pub peer: Peer<A>,
    /// What people call it.
    pub name: String,
    /// What is hashed for its place, where that is not the identifier: mostly its name.
    pub label: String,
    /// How much it should hold, compared to the others; 1 where the scheme knows no weights.
    pub weight: u16,
    /// Where it is: no two copies of a key lie in one zone as long as there are others.
    pub zone: Option<u64>,
}

impl<A> Member<A> {
    fn seat(&self) -> Seat<'_> {
        Seat {
            id: self.peer.id,
            label: &self.label,
            weight: self.weight,
            zone: self.zone,
        }
    }
}

/// The list, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Table<A> {
    /// Counts the tables of a network; 0 is a list that somebody was told, and that nobody has decided yet.
    pub version: u32,
    /// How keys are placed.
    pub scheme: Scheme,
    /// How many members keep each key, if there are so many; 1 to [`REPLICAS_MAX`].
    pub replicas: u8,
    /// The members, in the order in which they were added; up to [`MEMBERS_MAX`].
    pub members: Vec<Member<A>>,
    /// For each partition, where there are partitions, the places in the list of those that keep it, the owner
    /// first. The place after the last is that of a member that is being added.
    pub map: Vec<Vec<u16>>,
    /// What changes at the moment.
    pub change: Option<Underway<A>>,
    /// The last lives of nodes that have left: whoever still lists them is behind.
    pub left: Vec<(Id, u32)>,
}

/// A change of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub enum Change<A> {
    /// This node becomes a member.
    Add(Member<A>),
    /// This one is no member any more.
    Remove {
        /// Which.
        id: Id,
        /// Whether it leaves by its own will, so that this life of it is not to be added again.
        leaves: bool,
    },
}

impl<A> Change<A> {
    /// Whom it is about.
    pub fn subject(&self) -> Id {
        match self {
            Change::Add(member) => member.peer.id,
            Change::Remove { id, .. } => *id,
        }
    }
}

/// A change that has been decided, while content moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "A: Deserialize<'de>"))]
pub struct Underway<A> {
    /// What.
    pub change: Change<A>,
    /// Partitions that are still to move, one after the other, and who keeps each of them then.
    pub moves: Vec<(u16, Vec<u16>)>,
    /// The node that was to be added is gone: what it got goes to the others.
    pub is_undone: bool,
}

/// Why the list is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// A member has this identifier already.
    Present,
    /// A member has this label already, and its place with it.
    Label,
    /// There is no such member.
    Unknown,
    /// Members are numbered, and only the last one can go.
    NotLast,
    /// It is the only member: nobody would be left.
    Only,
    /// There are [`MEMBERS_MAX`] members.
    Full,
}

/// Where keys belong by one table.
#[derive(Clone, Debug)]
pub struct Layout {
    placement: Arc<dyn Placement>,
    ids: Vec<Id>,
    copies: usize,
}

impl Layout {
    /// Those that keep a key, the owner first.
    pub fn replicas(&self, key: Id) -> Vec<Id> {
        let places = self.placement.replicas(key, self.copies).into_iter();
        places.map(|place| self.ids[place]).collect()
    }
}

impl<A: Address> Table<A> {
    /// A list that nobody has decided yet.
    pub(crate) fn told(members: Vec<Member<A>>, scheme: Scheme, replicas: u8) -> Table<A> {
        Table {
            version: 0,
            scheme,
            replicas,
            members,
            map: Vec::new(),
            change: None,
            left: Vec::new(),
        }
    }

    /// The first table of a network, of those that the list names.
    pub(crate) fn founded(&self, seed: u64) -> Table<A> {
        let mut first = self.clone();
        first.version = 1;
        if let Scheme::Partitions { count } = self.scheme {
            let nobody = alloc::vec![Vec::new(); count.into()];
            first.map = deal(&nobody, &self.seats(), None, self.replicas.into(), seed);
        }
        first
    }

    /// The place of a member in the list.
    pub(crate) fn place(&self, id: Id) -> Option<usize> {
        self.members.iter().position(|member| member.peer.id == id)
    }

    /// The member of this identifier.
    pub fn member(&self, id: Id) -> Option<&Member<A>> {
        self.place(id).map(|place| &self.members[place])
    }

    /// The one that is being added, if one is.
    pub(crate) fn joiner(&self) -> Option<&Member<A>> {
        match &self.change.as_ref()?.change {
            Change::Add(member) => Some(member),
            Change::Remove { .. } => None,
        }
    }

    /// Members, and the one that is being added.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &Member<A>> {
        self.members.iter().chain(self.joiner())
    }

    pub(super) fn seats(&self) -> Vec<Seat<'_>> {
        self.everyone().map(Member::seat).collect()
    }

    /// Where keys belong. It takes a while to work out, so it is for many keys.
    pub fn layout(&self) -> Layout {
        let everyone: Vec<Id> = self.everyone().map(|member| member.peer.id).collect();
        let mut seats = self.seats();
        if self.map.is_empty() {
            // Who is being added keeps nothing yet, but where partitions have moved to it.
            seats.truncate(self.members.len());
        }
        Layout {
            placement: self.scheme.place(&seats, &self.map),
            ids: everyone,
            copies: self.replicas.into(),
        }
    }

    /// Number of partitions that each member owns, in the order of the list; nothing where there are none.
    pub fn owned(&self) -> Option<Vec<usize>> {
        if self.map.is_empty() {
            return None;
        }
        let mut owned = alloc::vec![0; self.everyone().count()];
        for row in &self.map {
            owned[usize::from(row[0])] += 1;
        }
        Some(owned)
    }

    /// Whether it can be what somebody has decided, and not something that was made up.
    pub(crate) fn is_sound(&self) -> bool {
        let mut ids: Vec<Id> = self.everyone().map(|member| member.peer.id).collect();
        let everyone = ids.len();
        ids.sort_unstable();
        ids.dedup();
        let is_row = |row: &Vec<u16>| {
            !row.is_empty() && row.iter().all(|seat| usize::from(*seat) < everyone)
        };
        let moves = self.change.iter().flat_map(|change| &change.moves);
        let count = match self.scheme {
            Scheme::Ring { positions: 0, .. } | Scheme::Partitions { count: 0 } => return false,
            Scheme::Partitions { count } if self.version > 0 => usize::from(count),
            _ => 0,
        };
        !self.members.is_empty()
            && ids.len() == everyone
            && everyone <= MEMBERS_MAX
            && (1..=REPLICAS_MAX).contains(&self.replicas)
            && self.left.len() <= LEFT_MAX
            && self.map.len() == count
            && self.map.iter().all(is_row)
            && moves
                .clone()
                .all(|(partition, row)| usize::from(*partition) < count && is_row(row))
    }
}

/// The longest list: each change of it is told to all.
pub const MEMBERS_MAX: usize = 1_024;

/// Lives of nodes that have left which are remembered.
pub(super) const LEFT_MAX: usize = 64;
