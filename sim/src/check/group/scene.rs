//! Scene: three members, what is on its way between them, and what can happen next.

use std::collections::HashMap;

use crate::check::group::GroupOptions;
use crate::check::group::host::{MEMBERS, Place};
use crate::check::group::judge::Judge;
use crate::check::group::letter::{LetterId, Mails};
use crate::check::group::member::{Facts, Members, Stimulus};
use crate::check::search::{Model, State};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write(Place),
    Read(Place),
    Beat(Place),
    /// The clock of this member, which does not serve, goes on until it has lost its patience, and those
    /// of the others that do not serve until they doubt as well.
    Lapse(Place),
    /// A letter arrives, there or back.
    Arrive(LetterId),
    Lose(LetterId),
    Crash(Place),
    Restart(Place),
}

/// What a group can do. A state is three members, what is on its way to each, the judge, and what may still
/// happen.
pub(super) struct Scene {
    pub(super) members: Members,
    judges: Vec<Judge>,
    numbers: HashMap<Judge, u32>,
    pub(super) start: State,
    options: GroupOptions,
    next: Vec<LetterId>,
}

impl Scene {
    /// The first member leads, and all have everything.
    pub(super) fn new(options: GroupOptions) -> Scene {
        let mut scene = Scene {
            members: Members::new(Mails::new(options.order)),
            judges: Vec::new(),
            numbers: HashMap::new(),
            start: State::default(),
            options,
            next: Vec::new(),
        };
        let mut state = State::default();
        for (place, member) in state.iter_mut().take(MEMBERS).enumerate() {
            *member = scene.members.founder(place);
        }
        state[JUDGE] = scene.judge(Judge::default());
        for _ in 0..SETTLING_BEATS {
            scene.happen(&mut state, 0, Stimulus::Beat);
            scene.settle(&mut state);
        }
        assert_eq!(scene.violated(&state), None, "the group begins well");
        let first = scene.facts(&state)[0];
        assert!(first.serves.is_some(), "the first member leads");
        state[LEFT] = Left::of(&options).0;
        scene.start = state;
        scene
    }

    /// Everything arrives in some order.
    fn settle(&mut self, state: &mut State) {
        while let Some(place) = (0..MEMBERS).find(|place| state[MAILS + place] != 0) {
            let letter = self.members.mails.all(state[MAILS + place])[0];
            *state = self.after(state, Step::Arrive(letter));
        }
    }

    /// The state after this one.
    pub(super) fn after(&mut self, state: &State, step: Step) -> State {
        let mut after = *state;
        let left = Left(state[LEFT]);
        let spend = |count: u32| Left(state[LEFT] - (1 << count)).0;
        match step {
            Step::Write(place) | Step::Read(place) => {
                let client = left.asked(&self.options);
                let mut judge = self.judges[state[JUDGE] as usize].clone();
                judge.asked(client);
                after[JUDGE] = self.judge(judge);
                let (count, stimulus) = match step {
                    Step::Write(_) => (WRITES, Stimulus::Write(client)),
                    _ => (READS, Stimulus::Read(client)),
                };
                after[LEFT] = spend(count);
                self.happen(&mut after, place, stimulus);
            }
            Step::Beat(place) => {
                after[LEFT] = spend(BEATS);
                self.happen(&mut after, place, Stimulus::Beat);
            }
            Step::Lapse(place) => {
                after[LEFT] = spend(LAPSES);
                let facts = self.facts(state);
                let others = (0..MEMBERS).filter(|other| *other != place);
                for other in others.filter(|other| facts[*other].serves.is_none()) {
                    self.happen(&mut after, other, Stimulus::Doubt);
                }
                self.happen(&mut after, place, Stimulus::Lapse);
            }
            Step::Arrive(letter) => self.arrive(&mut after, letter),
            Step::Lose(letter) => {
                after[LEFT] = spend(LOSSES);
                let receiver = self.members.mails.letter(letter).receiver();
                self.take(&mut after, receiver, letter);
                self.untold(&mut after, letter);
            }
            Step::Crash(place) => {
                after[LEFT] = spend(CRASHES);
                for mail in &mut after[MAILS..MAILS + MEMBERS] {
                    *mail = self.members.mails.without(*mail, place);
                }
                self.happen(&mut after, place, Stimulus::Crash);
            }
            Step::Restart(place) => self.happen(&mut after, place, Stimulus::Restart),
        }
        after
    }

    fn arrive(&mut self, state: &mut State, letter: LetterId) {
        let receiver = self.members.mails.letter(letter).receiver();
        self.take(state, receiver, letter);
        match self.members.facts(state[receiver]).is_up {
            true => self.happen(state, receiver, Stimulus::Letter(letter)),
            false => self.untold(state, letter),
        }
    }

    /// The letter is on its way no more.
    fn take(&mut self, state: &mut State, receiver: Place, letter: LetterId) {
        let mail = &mut state[MAILS + receiver];
        *mail = self.members.mails.changed(*mail, letter, false);
    }

    fn untold(&mut self, state: &mut State, letter: LetterId) {
        let asker = self.members.mails.letter(letter).from;
        self.happen(state, asker.into(), Stimulus::Unanswered(letter));
    }

    fn happen(&mut self, state: &mut State, place: Place, stimulus: Stimulus) {
        let outcome = self.members.outcome(state[place], stimulus);
        state[place] = outcome.member;
        for letter in &outcome.sent {
            let receiver = self.members.mails.letter(*letter).receiver();
            let mail = &mut state[MAILS + receiver];
            *mail = self.members.mails.changed(*mail, *letter, true);
        }
        if outcome.told.is_empty() && outcome.decided.is_empty() {
            return;
        }
        let mut judge = self.judges[state[JUDGE] as usize].clone();
        for (epoch, next) in &outcome.decided {
            let [group] = self.members.decisions.word(*next).groups.as_slice() else {
                panic!("no arc is split here");
            };
            judge.decided(*epoch, *next, group.leader().peer.address);
        }
        for (client, answer) in &outcome.told {
            judge.told(*client, *answer);
        }
        state[JUDGE] = self.judge(judge);
    }

    fn facts(&self, state: &State) -> [Facts; MEMBERS] {
        [0, 1, 2].map(|place| self.members.facts(state[place]))
    }

    fn judge(&mut self, judge: Judge) -> u32 {
        let count = self.judges.len() as u32;
        *self.numbers.entry(judge).or_insert_with_key(|judge| {
            self.judges.push(judge.clone());
            count
        })
    }

    /// Everything that clients were ever told.
    pub(super) fn judges(&self) -> &[Judge] {
        &self.judges
    }
}

impl Model for Scene {
    type Step = Step;

    fn start(&mut self) -> Vec<State> {
        [self.start].into()
    }

    fn steps(&mut self, state: &State, out: &mut Vec<(Step, State)>) {
        let (left, facts) = (Left(state[LEFT]), self.facts(state));
        let mut push = |scene: &mut Scene, step| out.push((step, scene.after(state, step)));
        let mut next = core::mem::take(&mut self.next);
        for mail in &state[MAILS..MAILS + MEMBERS] {
            self.members.mails.next(*mail, &mut next);
            for letter in &next {
                push(self, Step::Arrive(*letter));
                if left.count(LOSSES) > 0 {
                    push(self, Step::Lose(*letter));
                }
            }
        }
        self.next = next;
        let all_up = facts.iter().all(|member| member.is_up);
        for (place, member) in facts.iter().enumerate() {
            if !member.is_up {
                push(self, Step::Restart(place));
                continue;
            }
            let serves = member.serves.is_some();
            for (count, can, step) in [
                (BEATS, true, Step::Beat(place)),
                (LAPSES, !serves, Step::Lapse(place)),
                (CRASHES, all_up, Step::Crash(place)),
                (WRITES, serves, Step::Write(place)),
                (READS, serves, Step::Read(place)),
            ] {
                if can && left.count(count) > 0 {
                    push(self, step);
                }
            }
        }
    }

    fn violated(&mut self, state: &State) -> Option<String> {
        let facts = self.facts(state);
        self.judges[state[JUDGE] as usize].violated(&facts)
    }

    fn state(&self, state: &State) -> String {
        let members = self.facts(state).into_iter().zip(state);
        let members = members.map(|(member, number)| {
            let version = member.version.map_or_else(
                || "nothing".to_owned(),
                |version| format!("{}.{}", version.epoch(), version.sequence()),
            );
            match (member.is_up, member.serves) {
                (false, _) => format!("{version} (#{number}), down"),
                (true, None) => format!("{version} (#{number})"),
                (true, Some(epoch)) => format!("{version} (#{number}), serves {epoch}"),
            }
        });
        members.collect::<Vec<_>>().join(" | ")
    }

    fn step(&self, step: Step) -> String {
        match step {
            Step::Write(place) => format!("a client writes at {place}"),
            Step::Read(place) => format!("a client reads at {place}"),
            Step::Beat(place) => format!("the clock of {place} beats"),
            Step::Lapse(place) => {
                format!("the clock of {place} beats until it has lost its patience")
            }
            Step::Arrive(letter) => self.members.in_words(letter),
            Step::Lose(letter) => format!("lost: {}", self.members.in_words(letter)),
            Step::Crash(place) => format!("{place} crashes"),
            Step::Restart(place) => format!("{place} starts again on its store"),
        }
    }
}

/// How often what may still happen: four bits each.
#[derive(Clone, Copy)]
struct Left(u32);

impl Left {
    fn of(options: &GroupOptions) -> Left {
        let counts = [
            (WRITES, options.writes),
            (READS, options.reads),
            (BEATS, options.beats),
            (LAPSES, options.lapses),
            (LOSSES, options.losses),
            (CRASHES, options.crashes),
        ];
        let counts = counts.map(|(count, most)| u32::from(most) << count);
        Left(counts.into_iter().sum())
    }

    fn count(self, count: u32) -> u8 {
        (self.0 >> count & 0xf) as u8
    }

    /// How much clients have asked.
    fn asked(self, options: &GroupOptions) -> u8 {
        options.writes + options.reads - self.count(WRITES) - self.count(READS)
    }
}

const WRITES: u32 = 0;
const READS: u32 = 4;
const BEATS: u32 = 8;
const LAPSES: u32 = 12;
const LOSSES: u32 = 16;
const CRASHES: u32 = 20;

/// Where in a state the mails, the judge, and what is left stand; members come first.
const MAILS: usize = MEMBERS;
const JUDGE: usize = 2 * MEMBERS;
const LEFT: usize = JUDGE + 1;

/// Beats of the first member until it leads and has heard of all.
const SETTLING_BEATS: usize = 6;
