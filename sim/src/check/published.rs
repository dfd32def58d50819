//! Published: Chord by the rules of its first papers, which are wrong, as a small model of its own.
//!
//! A checker that has never failed proves nothing. A joiner knows one successor; a stabilization
//! adopts what it is told without asking whether it is alive; a dead predecessor is forgotten; and a
//! ring may start with one node. Each step is atomic, nothing is on its way, identifiers are never
//! used again, and nobody dies whose death leaves a member without a living entry in its list, which
//! may be the member itself: the papers ask for no more.

use crate::check::cast::{Cast, Life, Set, members};
use crate::check::search::{Model, State};

/// The model.
pub(crate) struct Published {
    pub(crate) cast: Cast,
    pub(crate) members_max: usize,
    /// Length of the successor lists.
    pub(crate) successors: usize,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Join(Life, Life),
    Stabilize(Life),
    Check(Life),
    Fail(Life),
}

/// A node's pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pointers {
    predecessor: Option<Life>,
    successors: Vec<Life>,
}

impl Pointers {
    /// As a number: 3 bits say how many successors there are, and 4 bits who each of them is.
    fn pack(&self) -> u32 {
        let predecessor = self.predecessor.map_or(NOBODY, u32::from);
        let start = MEMBER | predecessor << 2 | (self.successors.len() as u32) << 6;
        let entries = (0..).zip(&self.successors);
        entries.fold(start, |packed, (place, life)| {
            packed | u32::from(*life) << (9 + 4 * place)
        })
    }

    fn unpack(packed: u32) -> Option<Pointers> {
        let predecessor = packed >> 2 & 15;
        let entries = (0..packed >> 6 & 7).map(|place| (packed >> (9 + 4 * place) & 15) as Life);
        (packed & 3 == MEMBER).then(|| Pointers {
            predecessor: (predecessor != NOBODY).then_some(predecessor as Life),
            successors: entries.collect(),
        })
    }
}

/// What a number says of a life that never was a member, that is one, and that is dead.
const UNBORN: u32 = 0;
const MEMBER: u32 = 1;
const DEAD: u32 = 2;

const NOBODY: u32 = 15;

/// The longest list that a number has room for.
pub(crate) const SUCCESSORS_MAX: u8 = 5;

impl Published {
    fn pointers(&self, state: &State, life: Life) -> Option<Pointers> {
        Pointers::unpack(state[usize::from(life)])
    }

    fn ring(&self, state: &State) -> Set {
        let all = self.cast.all();
        let alive = all.filter(|life| state[usize::from(*life)] & 3 == MEMBER);
        alive.fold(0, |set, life| set | 1 << life)
    }

    fn perform(&self, state: &State, step: Step) -> State {
        let mut after = *state;
        match step {
            Step::Join(life, via) => {
                if let Some(successor) = self.find_successor(state, life, via) {
                    let pointers = Pointers {
                        predecessor: None,
                        successors: vec![successor],
                    };
                    after[usize::from(life)] = pointers.pack();
                }
            }
            Step::Stabilize(life) => self.stabilize(&mut after, life),
            Step::Check(life) => {
                if let Some(mut pointers) = self.pointers(state, life) {
                    let ring = self.ring(state);
                    let is_alive = |other: &Life| ring >> other & 1 == 1;
                    pointers.predecessor = pointers.predecessor.filter(is_alive);
                    after[usize::from(life)] = pointers.pack();
                }
            }
            Step::Fail(life) => after[usize::from(life)] = DEAD,
        }
        after
    }

    /// Successor by successor, from a member on; nothing if that leads nowhere.
    fn find_successor(&self, state: &State, life: Life, via: Life) -> Option<Life> {
        let ring = self.ring(state);
        let mut at = via;
        for _ in self.cast.all() {
            let list = self.pointers(state, at)?.successors;
            let next = list.into_iter().find(|other| ring >> other & 1 == 1)?;
            if self.cast.is_between(at, life, next) {
                return Some(next);
            }
            at = next;
        }
        None
    }

    fn stabilize(&self, state: &mut State, life: Life) {
        let ring = self.ring(state);
        let is_alive = |other: Life| ring >> other & 1 == 1;
        let Some(mut pointers) = self.pointers(state, life) else {
            return;
        };
        let dead = pointers
            .successors
            .iter()
            .take_while(|other| !is_alive(**other));
        let dead = dead.count();
        pointers.successors.drain(..dead);
        let Some(mut successor) = pointers.successors.first().copied() else {
            return;
        };
        let told = if successor == life {
            pointers.predecessor
        } else {
            self.pointers(state, successor)
                .and_then(|told| told.predecessor)
        };
        if let Some(closer) = told.filter(|told| self.cast.is_between(life, *told, successor)) {
            successor = closer;
            pointers.successors.insert(0, successor);
        }
        if let Some(told) = self
            .pointers(state, successor)
            .filter(|_| successor != life)
        {
            pointers.successors = [vec![successor], told.successors].concat();
        }
        pointers.successors.truncate(self.successors);
        state[usize::from(life)] = pointers.pack();
        self.notify(state, successor, life);
    }

    fn notify(&self, state: &mut State, to: Life, from: Life) {
        if let Some(mut pointers) = self.pointers(state, to) {
            let is_closer = |old: Life| self.cast.is_between(old, from, to);
            if from != to && pointers.predecessor.is_none_or(is_closer) {
                pointers.predecessor = Some(from);
                state[usize::from(to)] = pointers.pack();
            }
        }
    }

    fn may_fail(&self, state: &State, life: Life) -> bool {
        let rest = self.ring(state) & !(1 << life);
        let keeps = |other: Life| {
            let list = self
                .pointers(state, other)
                .map_or(Vec::new(), |p| p.successors);
            list.iter().any(|entry| rest >> entry & 1 == 1)
        };
        rest != 0 && members(rest).all(keeps)
    }

    /// Whether first successors and predecessors are what the members make them.
    fn is_ideal(&self, state: &State) -> bool {
        let order = self.cast.in_order(self.ring(state));
        let count = order.len();
        let is_right = |(place, life): (usize, &Life)| {
            let pointers = self.pointers(state, *life);
            let before = order[(place + count - 1) % count];
            let after = order[(place + 1) % count];
            pointers.is_some_and(|pointers| {
                let is_alone = count == 1;
                pointers.successors.first() == Some(&after)
                    && (is_alone || pointers.predecessor == Some(before))
            })
        };
        order.iter().enumerate().all(is_right)
    }

    fn round(&self, mut state: State) -> State {
        for life in self.cast.all() {
            state = self.perform(&state, Step::Check(life));
            state = self.perform(&state, Step::Stabilize(life));
        }
        state
    }
}

impl Model for Published {
    type Step = Step;

    fn start(&mut self) -> Vec<State> {
        let mut state = State::default();
        let alone = Pointers {
            predecessor: None,
            successors: vec![0],
        };
        state[0] = alone.pack();
        vec![state]
    }

    fn steps(&mut self, state: &State, out: &mut Vec<(Step, State)>) {
        let ring = self.ring(state);
        let mut possible = Vec::new();
        for life in members(ring) {
            possible.extend([Step::Stabilize(life), Step::Check(life)]);
            if self.may_fail(state, life) {
                possible.push(Step::Fail(life));
            }
        }
        if (ring.count_ones() as usize) < self.members_max {
            let unborn = self.cast.all();
            for life in unborn.filter(|life| state[usize::from(*life)] == UNBORN) {
                possible.extend(members(ring).map(|via| Step::Join(life, via)));
            }
        }
        out.extend(
            possible
                .into_iter()
                .map(|step| (step, self.perform(state, step))),
        );
    }

    fn violated(&mut self, state: &State) -> Option<String> {
        let mut state = *state;
        for _ in 0..ROUNDS_MAX {
            if self.is_ideal(&state) {
                return None;
            }
            let before = state;
            state = self.round(state);
            if state == before {
                return Some("a ring in which nothing happens any more is ideal".to_owned());
            }
        }
        Some(format!(
            "a ring is ideal after {ROUNDS_MAX} rounds in which nobody comes or goes"
        ))
    }

    fn state(&self, state: &State) -> String {
        let parts = self.cast.all().filter_map(|life| {
            let packed = state[usize::from(life)];
            if packed == DEAD {
                return Some(format!("{life}:over"));
            }
            let pointers = Pointers::unpack(packed)?;
            let list = pointers.successors.iter().map(Life::to_string);
            let list = list.collect::<Vec<String>>().join(" ");
            let predecessor = pointers
                .predecessor
                .map_or("-".into(), |life| life.to_string());
            Some(format!("{life}:[{list}]p{predecessor}"))
        });
        parts.collect::<Vec<String>>().join("  ")
    }

    fn step(&self, step: Step) -> String {
        match step {
            Step::Join(life, via) => format!("{life} joins through {via}"),
            Step::Stabilize(life) => format!("{life} stabilizes"),
            Step::Check(life) => format!("{life} forgets its predecessor if it is dead"),
            Step::Fail(life) => format!("{life} dies"),
        }
    }
}

/// Rounds after which a ring that is not ideal never will be: every small one that mends at all does
/// so in far fewer.
const ROUNDS_MAX: usize = 24;
