//! Properties: what must hold of a ring, in every state.

use crate::check::cast::{Life, Set, members};
use crate::check::ring::{Ring, Step};
use crate::check::search::State;

impl Ring {
    /// The first thing that does not hold.
    pub(crate) fn judge(&mut self, state: &State) -> Option<String> {
        let ring = self.those(state, |facts| facts.is_member);
        if let Some(problem) = self.content_problem(state) {
            return Some(problem);
        }
        for life in members(ring) {
            if let Some(problem) = self.list_problem(state, life) {
                return Some(problem);
            }
            let has_none = self.facts(state, life).list & ring == 0 && ring.count_ones() > 1;
            if has_none && !self.world.suspicion {
                return Some(format!(
                    "every member has a living successor; {life} has none"
                ));
            }
        }
        if self.world.suspicion {
            return self.mend_problem(state);
        }
        let needed = u32::from(self.world.successors) + 1;
        let principals = self.principals(state, ring, false);
        if principals.count_ones() < needed {
            let count = principals.count_ones();
            return Some(format!(
                "at least {needed} members are skipped by no list; {count} are"
            ));
        }
        let problem = self.shape_problem(state, ring);
        // With content the model has an end beyond which nothing mends.
        if problem.is_some() || self.world.content {
            return problem;
        }
        self.mend_problem(state)
    }

    /// Members that no member's list skips, nor one that is on its way to a member, if that counts.
    fn principals(&self, state: &State, ring: Set, coming: bool) -> Set {
        let cast = self.world.cast;
        let mut skipped = 0;
        for life in members(ring) {
            skipped |= self.facts(state, life).skips;
        }
        if coming {
            for life in cast.all() {
                let lists = self.facts(state, life).coming.iter();
                skipped |= lists.fold(0, |set, (_, skips)| set | skips);
            }
        }
        ring & !skipped
    }

    /// Zave's assumptions: whoever dies or leaves leaves another living successor to everyone whose
    /// list names it, and enough principals. Who is already leaving counts as gone, and lists on
    /// their way count as lists.
    pub(crate) fn may_go(&self, state: &State, life: Life) -> bool {
        let ring = self.those(state, |facts| facts.is_member);
        let leaving = self.those(state, |facts| facts.is_leaving);
        let stays = ring & !leaving & !(1 << life);
        let is_kept = |list: Set| list >> life & 1 == 0 || list & stays != 0;
        let others = self.world.cast.all().filter(|other| *other != life);
        for other in others {
            let facts = self.facts(state, other);
            let is_kept_by_all = facts.coming.iter().all(|(list, _)| is_kept(*list));
            if !is_kept_by_all || (facts.is_member && !is_kept(facts.list)) {
                return false;
            }
        }
        // A list on its way may skip a node, which must not make that node's death any easier.
        [false, true].into_iter().all(|coming| {
            let principals = self.principals(state, ring, coming);
            let is_principal = principals >> life & 1 == 1;
            let staying = (principals & !leaving).count_ones();
            let is_counted_out = leaving >> life & 1 == 1;
            !is_principal || is_counted_out || staying > u32::from(self.world.successors) + 1
        })
    }

    fn list_problem(&self, state: &State, life: Life) -> Option<String> {
        let cast = self.world.cast;
        let list = &self.facts(state, life).successors;
        let distances = list.iter().map(|other| cast.distance(life, *other));
        let is_sorted = distances.clone().is_sorted_by(|a, b| a < b);
        let fits = list.len() <= usize::from(self.world.successors);
        let is_well_formed = is_sorted && fits && distances.clone().all(|distance| distance > 0);
        (!is_well_formed)
            .then(|| format!("lists are clockwise, without the node itself; that of {life} is not"))
    }

    /// One ring, ordered, and a way to it from everyone.
    fn shape_problem(&self, state: &State, ring: Set) -> Option<String> {
        let cast = self.world.cast;
        let next = |life: Life| {
            let list = &self.facts(state, life).successors;
            let living = list.iter().find(|other| ring >> *other & 1 == 1);
            living.copied().unwrap_or(life)
        };
        let cycle = |start: Life| {
            let on_cycle = (0..ring.count_ones()).fold(start, |life, _| next(life));
            let mut cycle = 1 << on_cycle;
            let mut laps = cast.distance(on_cycle, next(on_cycle));
            let mut life = next(on_cycle);
            while life != on_cycle {
                cycle |= 1 << life;
                laps += cast.distance(life, next(life));
                life = next(life);
            }
            (cycle, laps)
        };
        let mut cycles = members(ring).map(cycle);
        let (first, laps) = cycles.next()?;
        if cycles.any(|(other, _)| other != first) {
            return Some("there is one ring, and a way to it from everyone".to_owned());
        }
        (laps != cast.around() && ring.count_ones() > 1)
            .then(|| "the ring goes around once, in order".to_owned())
    }

    /// Once nobody comes or goes, a few rounds of maintenance make the ring ideal.
    ///
    /// What is on its way arrives first, and that leaves few different states, whose rounds are
    /// counted once each.
    fn mend_problem(&mut self, state: &State) -> Option<String> {
        let mut state = self.settle(*state);
        let mut states = Vec::new();
        let rounds = loop {
            if let Some(rounds) = self.mending.get(&state) {
                break *rounds;
            }
            if self.is_ideal(&state) {
                break Some(0);
            }
            if states.contains(&state) || states.len() > ROUNDS_MAX {
                break self.is_whole(&state).then_some(0);
            }
            states.push(state);
            state = self.round(state);
        };
        let before = states.into_iter().rev();
        let rounds = before.fold(rounds, |rounds, state| {
            let rounds = rounds.map(|rounds| rounds + 1);
            self.mending.insert(state, rounds);
            rounds
        });
        let Some(rounds) = rounds else {
            return Some("once nobody comes or goes, the ring becomes ideal".to_owned());
        };
        self.rounds_max = self.rounds_max.max(rounds);
        let allowed = self.rounds_allowed();
        (rounds > allowed)
            .then(|| format!("{allowed} rounds make a ring ideal; this one takes {rounds}"))
    }

    /// Whether a ring that does not become ideal is good enough. A node never takes back whom it took
    /// for dead, so where that may live, or come back as the same, it is enough that there is one
    /// ring, and a way to it from everyone.
    fn is_whole(&self, state: &State) -> bool {
        let ring = self.those(state, |facts| facts.is_member);
        let is_lenient = self.world.suspicion || self.world.reuse;
        is_lenient && ring != 0 && self.shape_problem(state, ring).is_none()
    }

    /// Zave's argument: dead heads go, then first pointers come right, then one more entry of every
    /// list a round. In rings as small as these the three overlap.
    fn rounds_allowed(&self) -> usize {
        self.world.members_max
    }

    /// Everyone stabilizes once, and everything arrives.
    fn round(&mut self, mut state: State) -> State {
        state = self.settle(state);
        for life in self.world.cast.all() {
            for step in [Step::Check(life), Step::Stabilize(life)] {
                let facts = self.facts(&state, life);
                if facts.is_member && !facts.exchange {
                    state = self.perform(&state, step);
                    state = self.settle(state);
                }
            }
        }
        state
    }

    /// All that is on its way arrives.
    fn settle(&mut self, mut state: State) -> State {
        let mut steps = Vec::new();
        'arrivals: for _ in 0..SETTLE_MAX {
            steps.clear();
            self.arrivals(&state, &mut steps);
            for step in &steps {
                let after = self.perform(&state, *step);
                if after != state {
                    state = after;
                    continue 'arrivals;
                }
            }
            break;
        }
        state
    }

    /// Whether every pointer is what the members make it, and everything has arrived.
    fn is_ideal(&self, state: &State) -> bool {
        let ring = self.those(state, |facts| facts.is_member);
        let alive = self.those(state, |facts| facts.is_alive);
        let leaving = self.those(state, |facts| facts.is_leaving);
        let order = self.world.cast.in_order(ring);
        let count = order.len();
        let length = usize::from(self.world.successors).min(count.saturating_sub(1));
        let is_right = |(place, life): (usize, &Life)| {
            let facts = self.facts(state, *life);
            let before = order[(place + count - 1) % count];
            let after = (1..=length).map(|step| order[(place + step) % count]);
            facts.predecessor == Some(before) && facts.successors.iter().copied().eq(after)
        };
        count > 0 && alive == ring && leaving == 0 && order.iter().enumerate().all(is_right)
    }
}

/// Rounds after which a ring that is not ideal is given up.
const ROUNDS_MAX: usize = 24;

/// Messages that may follow from one another before a ring is called restless.
const SETTLE_MAX: usize = 64;
