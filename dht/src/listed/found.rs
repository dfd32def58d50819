//! Found: how a node comes to its table. It asks those that it knows of; if nobody has one, the first of
//! those that it was told founds the network, with a majority of them.
//!
//! A node that has lost what it had promised, since its store is gone, does not vote before all others have
//! told it what they know: whatever a majority has accepted one of them has accepted, too.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::event::{Action, Ticket};
use crate::id::Id;
use crate::listed::Listed;
use crate::listed::exchange::{About, tell};
use crate::listed::message::{Greeting, Told, What};
use crate::listed::table::{Member, Table};
use crate::peer::{Address, Peer};
use crate::placement::Scheme;

/// Whom a node has asked for what they know.
#[derive(Clone, Debug)]
pub(super) struct Acquaintances<A> {
    /// Those that were met before there was a table.
    met: BTreeSet<Id>,
    /// The list as it was told last.
    pub(super) list: Vec<Member<A>>,
    /// Members that may not know of this life yet.
    strange: BTreeSet<Id>,
    /// What those said that have the same table.
    greetings: BTreeMap<Id, Box<Greeting<A>>>,
    /// The last life of each for which everything was looked through that it may have lost.
    restored: BTreeMap<Id, u32>,
    /// Beats for which nobody has had a table.
    age: u32,
}

impl<A> Acquaintances<A> {
    pub(super) const fn new() -> Acquaintances<A> {
        Acquaintances {
            met: BTreeSet::new(),
            list: Vec::new(),
            strange: BTreeSet::new(),
            greetings: BTreeMap::new(),
            restored: BTreeMap::new(),
            age: 0,
        }
    }
}

impl<A: Address> Listed<A> {
    /// Somebody is there.
    pub(super) fn met(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        if peer.id == self.me {
            return;
        }
        self.shows(&peer);
        if self.version() == 0 && self.acquaintances.met.len() < MET_MAX {
            self.acquaintances.met.insert(peer.id);
            self.greet(peer.id, false, out);
        }
    }

    /// The list is told.
    pub(super) fn listed(&mut self, mut members: Vec<Member<A>>, out: &mut Vec<Action<A>>) {
        if self.config.scheme != Scheme::Jump {
            members.sort_unstable_by_key(|member| member.peer.id);
        }
        for member in members.iter().filter(|member| member.peer.id != self.me) {
            self.presence.meet(&member.peer);
        }
        self.acquaintances.list = members.clone();
        if self.version() > 0 {
            return self.pursue(out);
        }
        let told = Table::told(members, self.config.scheme, self.config.replicas);
        if told.is_sound() {
            self.table = Some(Arc::new(told));
            self.look_for_table(out);
            self.pursue(out);
        }
    }

    /// The first table of this life: everyone is to know of this life, and to hand over what it lacks.
    pub(super) fn introduce(&mut self, table: &Table<A>, out: &mut Vec<Action<A>>) {
        let others = table.members.iter().map(|member| member.peer.id);
        let others: BTreeSet<Id> = others.filter(|id| *id != self.me).collect();
        self.acquaintances.strange.clone_from(&others);
        let me = table.member(self.me);
        let is_new = me.is_none_or(|me| me.peer.incarnation == self.view.me.incarnation);
        if !is_new && table.replicas > 1 {
            self.owed.clone_from(&others);
        }
        for other in others {
            self.greet(other, true, out);
        }
    }

    /// A member answers again: while it did not, it may have got what this node did not.
    pub(super) fn meets_again(&mut self, id: Id) {
        let table = self.decided();
        if table.is_some_and(|table| table.replicas > 1 && table.member(id).is_some()) {
            self.owed.insert(id);
            self.acquaintances.strange.insert(id);
        }
    }

    /// A table is known from an earlier life: all may have changed meanwhile.
    pub(super) fn return_to_life(&mut self) {
        let others: BTreeSet<Id> = self.others().into_iter().collect();
        if self.table.as_ref().is_some_and(|table| table.replicas > 1) {
            self.owed.clone_from(&others);
        }
        self.acquaintances.strange = others;
        self.sweeping.begin_again();
    }

    /// On a beat: asks those again of which it has to know something.
    pub(super) fn look_for_table(&mut self, out: &mut Vec<Action<A>>) {
        let mut asked: BTreeSet<Id> = BTreeSet::new();
        if self.version() == 0 {
            self.acquaintances.age += 1;
            asked.extend(&self.acquaintances.met);
            asked.extend(self.others());
        } else if !self.vote.recalls {
            asked.extend(self.others());
        }
        let greeted = &self.acquaintances.greetings;
        asked.retain(|id| self.version() == 0 || !greeted.contains_key(id));
        asked.extend(&self.acquaintances.strange);
        for id in asked {
            if !self.is_absent(id) {
                let was_away = self.acquaintances.strange.contains(&id);
                self.greet(id, was_away, out);
            }
        }
    }

    /// Asks one what it knows.
    pub(super) fn greet(&mut self, to: Id, was_away: bool, out: &mut Vec<Action<A>>) {
        self.ask(to, What::Greet { was_away }, About::Greeting, out);
    }

    /// All other members.
    pub(super) fn others(&self) -> Vec<Id> {
        let members = self.table.iter().flat_map(|table| &table.members);
        let ids = members.map(|member| member.peer.id);
        ids.filter(|id| *id != self.me).collect()
    }

    /// Another one wants to know what this one knows.
    pub(super) fn greet_for(
        &mut self,
        ticket: Ticket,
        from: &Peer<A>,
        was_away: bool,
        out: &mut Vec<Action<A>>,
    ) {
        let member = self.decided().and_then(|table| table.member(from.id));
        let first = member.map(|member| member.peer.incarnation);
        if let Some(first) = first.filter(|_| was_away) {
            let restored = self.acquaintances.restored.entry(from.id).or_insert(first);
            let is_new = core::mem::replace(restored, from.incarnation) < from.incarnation;
            match is_new {
                true => self.falls_behind(from.id),
                false => self.is_back(from.id),
            }
        }
        tell(ticket, Told::Greeting(self.greeting()), out);
    }

    /// It has told what it knows.
    pub(super) fn greeted(
        &mut self,
        from: Id,
        greeting: Option<Box<Greeting<A>>>,
        out: &mut Vec<Action<A>>,
    ) {
        self.acquaintances.strange.remove(&from);
        // Who does not know itself is asked again.
        if let Some(greeting) = greeting {
            self.acquaintances.greetings.insert(from, greeting);
        }
        if self.version() > 0 && !self.vote.recalls {
            self.try_to_recall();
        }
        self.pursue(out);
    }

    /// Whether all others have said what they know, a table they go by being the same.
    fn try_to_recall(&mut self) {
        let others = self.others();
        let greetings = &self.acquaintances.greetings;
        let mut all = Vec::new();
        for other in others {
            match greetings.get(&other) {
                Some(greeting) => all.push(greeting.clone()),
                None => return,
            }
        }
        for greeting in all {
            self.vote.recall(*greeting);
        }
        self.vote.recalls = true;
    }

    /// What was said by another table counts no more.
    pub(super) fn forget_greetings(&mut self, table: &Table<A>) {
        self.acquaintances.greetings.clear();
        let restored = &mut self.acquaintances.restored;
        restored.retain(|id, _| table.member(*id).is_some());
    }

    /// Nobody has a table: the first of the list proposes one.
    pub(super) fn found(&mut self, out: &mut Vec<Action<A>>) {
        let Some(told) = self.table.clone() else {
            return;
        };
        let greetings = &self.acquaintances.greetings;
        let is_known = self
            .others()
            .iter()
            .all(|other| greetings.contains_key(other));
        let is_time = is_known || self.acquaintances.age >= PATIENCE;
        if is_time && self.is_member() && self.leader() == Some(self.me) {
            self.propose(told.founded(self.config.seed), out);
        }
    }
}

/// Beats after which a network is founded by those that are there: 5 s.
const PATIENCE: u32 = 20;

/// Nodes that are asked for a table before there is one.
const MET_MAX: usize = 64;
