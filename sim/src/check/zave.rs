//! Zave: the corrected protocol by its abstract rules alone, as a small model of its own.
//!
//! Another checker has counted the states of these rules (5,464 for four nodes with lists
//! of two). Meeting its counts shows that `search` looks at everything, and at nothing twice. The rules
//! are those of Zave's Alloy model, which leaves nothing to choose:
//! - Identifiers come back as if nothing had been, and there are no others than the nodes'.
//! - A list keeps its length: where a dead head goes, the identifier after the last entry comes, even
//!   if somebody stands there.
//! - A stabilization that finds a better successor asks it in a second step, and others may go on
//!   meanwhile.
//! - A notification is a step of its own. One waits at each node at most, and a later one takes its
//!   place; it outlives its sender, and ends with its receiver.
//! - A joiner copies the list of the member before it, and tells nobody.
//! - Every step counts, also if it changes nothing, and a join once for each member that welcomes it.
//!
//! Real nodes under the same assumptions (`--reuse-ids`, nobody leaves) have 895 states and 5,672
//! transitions. Step by step, as the tests count: a successor that names the node already is not
//! notified, 2,607, and then it makes no difference whether all notifications wait or the last one; a
//! node with an open question answers Busy, 559; lists shrink, so that nodes may be listed, and die,
//! in more ways, 3,375. What is left, in both directions, these rules can't express: a node never
//! takes back whom it found dead, so that an identifier that comes back is often turned away; it
//! looks after a dead predecessor without being notified; a joiner asks its successor in a step of its
//! own, and is busy until then; and a list on its way counts as a list where somebody may die.

mod member;
mod rules;
#[cfg(test)]
mod tests;

use crate::check::cast::{Cast, Life, Set, members};
use crate::check::search::{Model, State};
use crate::check::zave::member::{Member, SUCCESSORS_MAX};

/// The model.
pub(crate) struct Zave {
    pub(crate) cast: Cast,
    pub(crate) members_max: usize,
    /// Length of the successor lists.
    pub(crate) successors: usize,
    /// What is done otherwise, as real nodes do it.
    pub(crate) choices: Choices,
}

/// Where a model may differ from Zave's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choices {
    /// A stabilization and its notification are one step.
    pub(crate) is_atomic: bool,
    /// A successor that names the node already is not notified.
    pub(crate) is_silent: bool,
    /// Every notification waits, not only the last one at each node.
    pub(crate) keeps_all: bool,
    /// Lists shrink, and end before the node itself.
    pub(crate) shrinks: bool,
    /// A node is not read while it asks a candidate, and hears notifications only afterwards.
    pub(crate) is_busy: bool,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Join(Life, Life),
    Stabilize(Life),
    Candidate(Life),
    Rectify(Life, Life),
    Fail(Life),
}

impl Zave {
    fn member(&self, state: &State, life: Life) -> Option<Member> {
        Member::unpack(state[usize::from(life)])
    }

    fn ring(&self, state: &State) -> Set {
        let alive = self
            .cast
            .all()
            .filter(|life| state[usize::from(*life)] != 0);
        alive.fold(0, |set, life| set | 1 << life)
    }

    /// A list that has shrunk is filled up with the node itself.
    fn list<'a>(&self, life: Life, member: &'a Member) -> &'a [Life] {
        let list = &member.successors[..self.successors];
        let end = list
            .iter()
            .position(|entry| self.choices.shrinks && *entry == life);
        &list[..end.unwrap_or(list.len())]
    }

    /// Members that no member's list skips.
    fn principals(&self, state: &State, ring: Set) -> Set {
        let mut skipped = 0;
        for (life, member) in members(ring).filter_map(|m| Some((m, self.member(state, m)?))) {
            let mut before = life;
            for entry in self.list(life, &member) {
                skipped |= self.cast.between(before, *entry);
                before = *entry;
            }
        }
        ring & !skipped
    }

    /// Zave's assumptions: everyone that lists it keeps a living entry, and enough principals stay.
    fn may_fail(&self, state: &State, life: Life, ring: Set, principals: Set) -> bool {
        let rest = ring & !(1 << life);
        let keeps = |other: Life| {
            self.member(state, other).is_none_or(|member| {
                let list = self.list(other, &member);
                !list.contains(&life) || list.iter().any(|entry| rest >> entry & 1 == 1)
            })
        };
        let is_spare = principals.count_ones() as usize > self.successors + 1;
        (principals >> life & 1 == 0 || is_spare) && members(rest).all(keeps)
    }

    fn is_ideal(&self, state: &State) -> bool {
        let order = self.cast.in_order(self.ring(state));
        let count = order.len();
        order.iter().enumerate().all(|(place, life)| {
            self.member(state, *life).is_some_and(|member| {
                let length = match self.choices.shrinks {
                    true => self.successors.min(count - 1),
                    false => self.successors,
                };
                let after = (1..=length).map(|step| order[(place + step) % count]);
                member.predecessor == order[(place + count - 1) % count]
                    && self.list(*life, &member).iter().copied().eq(after)
            })
        })
    }

    /// Everyone does what is due, one after the other.
    fn round(&self, mut state: State) -> State {
        for life in self.cast.all() {
            state = self.perform(&state, Step::Stabilize(life));
            if self
                .member(&state, life)
                .is_some_and(|member| member.candidate.is_some())
            {
                state = self.perform(&state, Step::Candidate(life));
            }
            for to in self.cast.all() {
                let notified = self.member(&state, to).map_or(0, |member| member.notified);
                for from in members(notified) {
                    state = self.perform(&state, Step::Rectify(to, from));
                }
            }
        }
        state
    }
}

impl Model for Zave {
    type Step = Step;

    /// All ideal rings of more members than a list is long.
    fn start(&mut self) -> Vec<State> {
        let all: Set = (1 << self.cast.places) - 1;
        let fits = |set: &Set| {
            let count = set.count_ones() as usize;
            (self.successors + 1..=self.members_max).contains(&count)
        };
        let ideal = |set: Set| {
            let order: Vec<Life> = members(set).collect();
            let count = order.len();
            let mut state = State::default();
            for (place, life) in order.iter().enumerate() {
                let mut successors = [0; SUCCESSORS_MAX];
                for (step, entry) in successors[..self.successors].iter_mut().enumerate() {
                    *entry = order[(place + 1 + step) % count];
                }
                let member = Member {
                    predecessor: order[(place + count - 1) % count],
                    successors,
                    candidate: None,
                    notified: 0,
                };
                state[usize::from(*life)] = member.pack();
            }
            state
        };
        (0..=all).filter(fits).map(ideal).collect()
    }

    fn steps(&mut self, state: &State, out: &mut Vec<(Step, State)>) {
        let ring = self.ring(state);
        let principals = self.principals(state, ring);
        let mut possible = Vec::with_capacity(32);
        for (life, member) in members(ring).filter_map(|m| Some((m, self.member(state, m)?))) {
            possible.push(match member.candidate {
                Some(_) => Step::Candidate(life),
                None => Step::Stabilize(life),
            });
            let hears = !self.choices.is_busy || member.candidate.is_none();
            let notified = if hears { member.notified } else { 0 };
            possible.extend(members(notified).map(|from| Step::Rectify(life, from)));
            if self.may_fail(state, life, ring, principals) {
                possible.push(Step::Fail(life));
            }
            if (ring.count_ones() as usize) < self.members_max {
                let between = self.cast.between(life, member.successors[0]) & !ring;
                possible.extend(members(between).map(|joiner| Step::Join(joiner, life)));
            }
        }
        out.extend(
            possible
                .into_iter()
                .map(|step| (step, self.perform(state, step))),
        );
    }

    fn violated(&mut self, state: &State) -> Option<String> {
        let ring = self.ring(state);
        let is_cut_off = |life: Life| {
            let list = self.member(state, life);
            list.is_none_or(|member| {
                self.list(life, &member)
                    .iter()
                    .all(|entry| ring >> entry & 1 == 0)
            })
        };
        if let Some(life) = members(ring).find(|life| is_cut_off(*life)) {
            return Some(format!(
                "every member has a living successor; {life} has none"
            ));
        }
        let needed = self.successors + 1;
        let count = self.principals(state, ring).count_ones() as usize;
        if count < needed {
            return Some(format!(
                "at least {needed} members are skipped by no list; {count} are"
            ));
        }
        let rounds = self.cast.places;
        let mut mended = (0..rounds).scan(*state, |state, _| {
            *state = self.round(*state);
            Some(*state)
        });
        let mends = self.is_ideal(state) || mended.any(|state| self.is_ideal(&state));
        (!mends).then(|| format!("{rounds} rounds make a ring ideal"))
    }

    fn state(&self, state: &State) -> String {
        let parts = self.cast.all().filter_map(|life| {
            let member = self.member(state, life)?;
            let list: Vec<String> = self
                .list(life, &member)
                .iter()
                .map(Life::to_string)
                .collect();
            let asks = member
                .candidate
                .map_or(String::new(), |life| format!("?{life}"));
            let notified: String = members(member.notified)
                .map(|from| format!("!{from}"))
                .collect();
            let (list, predecessor) = (list.join(" "), member.predecessor);
            Some(format!("{life}:[{list}]p{predecessor}{asks}{notified}"))
        });
        parts.collect::<Vec<String>>().join("  ")
    }

    fn step(&self, step: Step) -> String {
        match step {
            Step::Join(life, via) => format!("{life} joins after {via}"),
            Step::Stabilize(life) => format!("{life} stabilizes"),
            Step::Candidate(life) => format!("{life} asks the node that may be a better successor"),
            Step::Rectify(life, from) => format!("{life} is notified by {from}"),
            Step::Fail(life) => format!("{life} dies"),
        }
    }
}
