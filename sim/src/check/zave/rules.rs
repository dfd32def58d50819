//! Rules: what each step of the abstract protocol does.

use crate::check::cast::Life;
use crate::check::search::State;
use crate::check::zave::member::{Member, SUCCESSORS_MAX};
use crate::check::zave::{Step, Zave};

impl Zave {
    pub(super) fn perform(&self, state: &State, step: Step) -> State {
        let mut after = *state;
        match step {
            Step::Join(life, via) => {
                if let Some(told) = self.read(state, via) {
                    let joiner = Member {
                        predecessor: via,
                        successors: self.cut(life, self.list(via, &told).iter().copied()),
                        candidate: None,
                        notified: 0,
                    };
                    after[usize::from(life)] = joiner.pack();
                }
            }
            Step::Stabilize(life) => self.stabilize(&mut after, life),
            Step::Candidate(life) => self.ask_candidate(&mut after, life),
            Step::Rectify(life, from) => self.rectify(&mut after, life, from),
            Step::Fail(life) => after[usize::from(life)] = 0,
        }
        after
    }

    /// First step: the successor's list and predecessor, or one successor fewer.
    fn stabilize(&self, state: &mut State, life: Life) {
        let Some(mut member) = self.member(state, life) else {
            return;
        };
        let successor = member.successors[0];
        if self.member(state, successor).is_none() {
            let rest = self.list(life, &member)[1..].iter().copied();
            let placeholder = (member.successors[self.successors - 1] + 1) % self.cast.places;
            let placeholder = (!self.choices.shrinks).then_some(placeholder);
            member.successors = self.cut(life, rest.chain(placeholder));
            state[usize::from(life)] = member.pack();
            return self.notify(state, member.successors[0], life);
        }
        let Some(told) = self.read(state, successor) else {
            return;
        };
        let list = [&[successor], self.list(successor, &told)].concat();
        member.successors = self.cut(life, list.into_iter());
        let is_better = self.cast.is_between(life, told.predecessor, successor);
        member.candidate = is_better.then_some(told.predecessor);
        state[usize::from(life)] = member.pack();
        match is_better {
            true if self.choices.is_atomic => self.ask_candidate(state, life),
            true => {}
            false => self.notify(state, successor, life),
        }
    }

    /// Second step: the candidate becomes the successor if it is there.
    fn ask_candidate(&self, state: &mut State, life: Life) {
        let Some(mut member) = self.member(state, life) else {
            return;
        };
        let Some(candidate) = member.candidate.take() else {
            return;
        };
        let told = self.read(state, candidate);
        if let Some(told) = &told {
            let list = [&[candidate], self.list(candidate, told)].concat();
            member.successors = self.cut(life, list.into_iter());
        }
        state[usize::from(life)] = member.pack();
        if told.is_some() || self.member(state, candidate).is_none() {
            self.notify(state, member.successors[0], life);
        }
    }

    /// What a member tells of itself; nothing if it is busy.
    fn read(&self, state: &State, life: Life) -> Option<Member> {
        let is_busy = |member: &Member| self.choices.is_busy && member.candidate.is_some();
        self.member(state, life).filter(|member| !is_busy(member))
    }

    /// As much of a list as a node keeps.
    fn cut(&self, life: Life, list: impl Iterator<Item = Life>) -> [Life; SUCCESSORS_MAX] {
        let ends = |entry: &Life| self.choices.shrinks && *entry == life;
        let mut list = list.take_while(|entry| !ends(entry)).take(self.successors);
        let filler = if self.choices.shrinks { life } else { 0 };
        std::array::from_fn(|place| {
            let filler = if place < self.successors { filler } else { 0 };
            list.next().unwrap_or(filler)
        })
    }

    fn notify(&self, state: &mut State, to: Life, from: Life) {
        let Some(mut member) = self.member(state, to) else {
            return;
        };
        if self.choices.is_atomic {
            return self.rectify(state, to, from);
        }
        if self.choices.is_silent && member.predecessor == from {
            return;
        }
        let others = if self.choices.keeps_all {
            member.notified
        } else {
            0
        };
        member.notified = others | 1 << from;
        state[usize::from(to)] = member.pack();
    }

    fn rectify(&self, state: &mut State, life: Life, from: Life) {
        let ring = self.ring(state);
        let Some(mut member) = self.member(state, life) else {
            return;
        };
        let old = member.predecessor;
        member.notified &= !(1 << from);
        if self.cast.is_between(old, from, life) || ring >> old & 1 == 0 {
            member.predecessor = from;
        }
        state[usize::from(life)] = member.pack();
    }
}
