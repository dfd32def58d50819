//! Change: the tables that lead from one list to the next.
//!
//! Partitions move one at a time, each by a table of its own. By all other schemes everything moves at once:
//! one table says that it moves, and the next one that it has.

use alloc::vec::Vec;

use crate::id::Id;
use crate::listed::table::{Change, LEFT_MAX, Layout, MEMBERS_MAX, Refusal, Table, Underway};
use crate::peer::Address;
use crate::placement::{Scheme, deal};

impl<A: Address> Table<A> {
    /// The table with which a change begins.
    pub(crate) fn begun(&self, change: Change<A>, seed: u64) -> Result<Table<A>, Refusal> {
        self.refuse(&change)?;
        let mut next = self.clone();
        next.version += 1;
        let gone = match &change {
            Change::Add(_) => None,
            Change::Remove { id, .. } => self.place(*id),
        };
        next.change = Some(Underway {
            change,
            moves: Vec::new(),
            is_undone: false,
        });
        next.plan(gone, seed);
        Ok(next)
    }

    /// Why a change can't be made.
    pub(crate) fn refuse(&self, change: &Change<A>) -> Result<(), Refusal> {
        let place = self.place(change.subject());
        match (change, place) {
            (Change::Add(_), Some(_)) => Err(Refusal::Present),
            (Change::Add(member), None) if self.has_label(&member.label) => Err(Refusal::Label),
            (Change::Add(_), None) if self.members.len() >= MEMBERS_MAX => Err(Refusal::Full),
            (Change::Add(_), None) => Ok(()),
            (Change::Remove { .. }, None) => Err(Refusal::Unknown),
            (Change::Remove { .. }, Some(_)) if self.members.len() == 1 => Err(Refusal::Only),
            (Change::Remove { .. }, Some(place))
                if self.scheme == Scheme::Jump && place + 1 < self.members.len() =>
            {
                Err(Refusal::NotLast)
            }
            (Change::Remove { .. }, Some(_)) => Ok(()),
        }
    }

    /// Whether places are those of labels, and a member has this one.
    fn has_label(&self, label: &str) -> bool {
        self.scheme.is_labelled() && self.members.iter().any(|member| member.label == label)
    }

    /// The table in which the one that was being added gives back what it got.
    pub(crate) fn undone(&self, seed: u64) -> Table<A> {
        let mut next = self.clone();
        next.version += 1;
        if let Some(underway) = &mut next.change {
            underway.is_undone = true;
        }
        next.plan(Some(self.members.len()), seed);
        next
    }

    /// The table in which the change has ended where it is, since nobody can go on with it. A member that was to
    /// go stays with what it has left; one that was being added is a member, if it has got partitions already.
    pub(crate) fn stopped(&self) -> Table<A> {
        let mut next = self.clone();
        next.version += 1;
        if let Some(Underway {
            change: Change::Add(member),
            ..
        }) = next.change.take()
            && !self.map.is_empty()
        {
            next.members.push(member);
        }
        next
    }

    /// What is to move of partitions, if there are any.
    fn plan(&mut self, gone: Option<usize>, seed: u64) {
        let goal = match self.map.is_empty() {
            true => Vec::new(),
            false => deal(&self.map, &self.seats(), gone, self.replicas.into(), seed),
        };
        let moves = (0..).zip(goal).zip(&self.map);
        let moves = moves.filter(|((_, new), old)| new != *old);
        let moves = moves.map(|(goal, _)| goal).collect();
        if let Some(underway) = &mut self.change {
            underway.moves = moves;
        }
    }

    /// The table after the step that is under way.
    pub(crate) fn advanced(&self) -> Table<A> {
        let mut next = self.clone();
        next.version += 1;
        let Some(mut underway) = next.change.take() else {
            return next;
        };
        if !underway.moves.is_empty() {
            let (partition, row) = underway.moves.remove(0);
            next.map[usize::from(partition)] = row;
        }
        if !underway.moves.is_empty() {
            next.change = Some(underway);
            return next;
        }
        match underway.change {
            Change::Add(_) if underway.is_undone => {}
            Change::Add(member) => next.members.push(member),
            Change::Remove { id, leaves } => next.remove(id, leaves),
        }
        next
    }

    fn remove(&mut self, id: Id, leaves: bool) {
        let Some(place) = self.place(id) else {
            return;
        };
        let gone = self.members.remove(place);
        for seat in self.map.iter_mut().flatten() {
            *seat -= u16::from(usize::from(*seat) > place);
        }
        if leaves {
            if self.left.len() == LEFT_MAX {
                self.left.remove(0);
            }
            self.left.push((id, gone.peer.incarnation));
        }
    }

    /// Where they belong after the step that is under way, if there is one.
    pub(crate) fn goal(&self) -> Option<Layout> {
        self.change.as_ref()?;
        Some(self.advanced().layout())
    }

    /// Members that have a part in the step that is under way, as those that have what moves.
    pub(crate) fn sources(&self) -> Vec<Id> {
        let everyone: Vec<Id> = self.everyone().map(|member| member.peer.id).collect();
        let step = self.change.as_ref().and_then(|change| change.moves.first());
        match step {
            Some((partition, _)) => {
                let row = self.map[usize::from(*partition)].iter();
                row.map(|seat| everyone[usize::from(*seat)]).collect()
            }
            // Nothing moves of partitions, or back.
            None if !self.map.is_empty() || self.is_undone() => Vec::new(),
            None => everyone[..self.members.len()].to_vec(),
        }
    }

    /// Those that are to have it after that step.
    pub(crate) fn heirs(&self) -> Vec<Id> {
        let change = self.change.as_ref();
        let everyone = self.everyone().map(|member| member.peer.id);
        match change.and_then(|change| change.moves.first()) {
            Some((_, row)) => {
                let everyone: Vec<Id> = everyone.collect();
                row.iter()
                    .map(|seat| everyone[usize::from(*seat)])
                    .collect()
            }
            None if !self.map.is_empty() || self.is_undone() => Vec::new(),
            None => {
                let goes = change.filter(|_| self.joiner().is_none());
                let goes = goes.map(|underway| underway.change.subject());
                everyone.filter(|id| Some(*id) != goes).collect()
            }
        }
    }

    fn is_undone(&self) -> bool {
        self.change
            .as_ref()
            .is_some_and(|underway| underway.is_undone)
    }

    /// Whether `id` keeps something by this table that it does not keep by `newer`.
    pub(crate) fn is_given_up(&self, newer: &Table<A>, id: Id) -> bool {
        if self.map.is_empty() || self.map.len() != newer.map.len() {
            return self.members != newer.members;
        }
        let place = |table: &Table<A>| {
            let mut everyone = table.everyone();
            everyone.position(|member| member.peer.id == id)
        };
        let (old, new) = (place(self), place(newer));
        let has = |row: &Vec<u16>, place: Option<usize>| {
            place.is_some_and(|place| row.contains(&(place as u16)))
        };
        let mut rows = self.map.iter().zip(&newer.map);
        rows.any(|(before, after)| has(before, old) && !has(after, new))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::listed::table::Member;
    use crate::peer::Peer;

    fn member(number: u8) -> Member<u8> {
        Member {
            peer: Peer {
                id: Id::from_number(number.into()),
                address: number,
                incarnation: 1,
            },
            name: String::new(),
            label: String::new(),
            weight: 1,
            zone: None,
        }
    }

    fn founded(scheme: Scheme, members: u8) -> Table<u8> {
        let members = (0..members).map(member).collect();
        Table::told(members, scheme, 1).founded(7)
    }

    fn remove(number: u8, leaves: bool) -> Change<u8> {
        let id = Id::from_number(number.into());
        Change::Remove { id, leaves }
    }

    const PARTITIONS: Scheme = Scheme::Partitions { count: 200 };

    /// All tables of a change, the first and the last included.
    fn carried_out(table: &Table<u8>, change: Change<u8>) -> Vec<Table<u8>> {
        let mut tables = Vec::from([table.begun(change, 8).expect("it makes sense")]);
        while let Some(last) = tables.last().filter(|table| table.change.is_some()) {
            tables.push(last.advanced());
        }
        assert!(tables.iter().all(Table::is_sound));
        tables
    }

    #[test]
    fn partitions_move_one_by_one_and_only_to_who_comes() {
        let four = founded(PARTITIONS, 4);
        assert_eq!(four.owned(), Some(Vec::from([50; 4])));
        let tables = carried_out(&four, Change::Add(member(4)));
        assert_eq!(tables.len(), 1 + 40);
        for pair in tables.windows(2) {
            let rows = pair[0].map.iter().zip(&pair[1].map);
            let moved: Vec<_> = rows.filter(|(before, after)| before != after).collect();
            assert!(
                matches!(moved[..], [(_, after)] if after[..] == [4]),
                "{moved:?}"
            );
        }
        let five = &tables[40];
        assert_eq!(five.owned(), Some(Vec::from([40; 5])));
        let tables = carried_out(five, remove(1, false));
        assert_eq!(tables[40].owned(), Some(Vec::from([50; 4])));
    }

    #[test]
    fn without_partitions_all_moves_at_once() {
        let three = founded(Scheme::Rendezvous, 3);
        let tables = carried_out(&three, Change::Add(member(3)));
        assert_eq!(tables.len(), 2);
        let goal = tables[0].goal().expect("it is under way");
        for key in (0..100_u8).map(|n| Id::of(&[n])) {
            assert_eq!(
                tables[0].layout().replicas(key),
                three.layout().replicas(key)
            );
            assert_eq!(tables[1].layout().replicas(key), goal.replicas(key));
        }
    }

    #[test]
    fn a_life_that_has_left_is_remembered() {
        let three = founded(Scheme::Rendezvous, 3);
        let left = carried_out(&three, remove(1, true));
        assert_eq!(left[1].left, [(Id::from_number(1), 1)]);
        let removed = carried_out(&three, remove(1, false));
        assert!(removed[1].left.is_empty());
    }

    #[test]
    fn what_is_stopped_leaves_everything_where_it_is() {
        let four = founded(PARTITIONS, 4);
        let tables = carried_out(&four, Change::Add(member(4)));
        let stopped = tables[10].stopped();
        assert_eq!((stopped.members.len(), &stopped.change), (5, &None));
        assert_eq!(stopped.map, tables[10].map);
        // What comes next makes it even again.
        let tables = carried_out(&stopped, remove(4, false));
        assert_eq!(
            tables.last().and_then(Table::owned),
            Some(Vec::from([50; 4]))
        );
        let going = carried_out(&four, remove(3, false));
        assert_eq!(going[10].stopped().members, four.members);
    }

    #[test]
    fn what_is_undone_goes_back_to_the_others() {
        let four = founded(PARTITIONS, 4);
        let tables = carried_out(&four, Change::Add(member(4)));
        let mut table = tables[10].undone(9);
        while table.change.is_some() {
            table = table.advanced();
        }
        assert_eq!(table.members, four.members);
        assert_eq!(table.owned(), Some(Vec::from([50; 4])));
    }

    #[test]
    fn a_table_that_was_made_up_is_not_sound() {
        let sound = founded(PARTITIONS, 3);
        assert!(sound.is_sound());
        let spoiled: [fn(&mut Table<u8>); 6] = [
            |table| table.members.clear(),
            |table| table.members[1] = table.members[0].clone(),
            |table| table.map[7].clear(),
            |table| table.map[7] = [3].into(),
            |table| drop(table.map.pop()),
            |table| table.replicas = 0,
        ];
        for spoil in spoiled {
            let mut table = sound.clone();
            spoil(&mut table);
            assert!(!table.is_sound(), "{table:?}");
        }
    }
}
