//! Ring: the model of a small ring of real nodes.
//!
//! One step is one thing that happens, and all that comes of it at once. What takes its time is a
//! state of its own. Always: a notification, a farewell, a batch of a handover on its way. With
//! messages in flight also every answer about pointers; without, only the question to a candidate,
//! so that a step reads at most one other node, as in Zave's model.
//!
//! With content every place has an item, a batch of a handover may have arrived without its giver
//! knowing, and whoever dies takes what it served along, and perhaps its answers. An arc is claimed only
//! once nothing is on its way and no maintenance would change anything: that is what the patience of
//! those who claim is for.
//!
//! What this model leaves out: lookups are answered at once, since what they say is a hint; the same
//! goes for pings of a predecessor, and hints to look again. Busy ends an exchange unchanged, so it
//! is the same as asking later, and is answered at once; a farewell that meets Busy is put off.
//! Two equal notifications on their way are one. A joiner that is turned away is as if it had never
//! been there.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use dht::Config;
use dht::message::{Reply, Request};
use dht::store::Memory;

use crate::check::cast::{Cast, LIVES_MAX, Life, Set, members};
use crate::check::hosts::{Being, Facts, Host, Hosts, Letter, Stage};
use crate::check::known::{Known, NodeId};
use crate::check::search::{Model, State};
use crate::check::seen::Fast;
use crate::check::words::Word;

/// What of the world a model shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) cast: Cast,
    /// Members at a time, joiners included.
    pub(crate) members_max: usize,
    /// Length of the successor lists.
    pub(crate) successors: u8,
    /// Whether answers take their time.
    pub(crate) in_flight: bool,
    /// Whether an identifier comes back as if it were the same life.
    pub(crate) reuse: bool,
    /// Whether a living successor may be taken for dead.
    pub(crate) suspicion: bool,
    /// Whether nodes die.
    pub(crate) deaths: bool,
    /// Whether nodes leave.
    pub(crate) leaves: bool,
    /// Whether there is content, and handovers.
    pub(crate) content: bool,
    /// Handovers that a node begins: they are numbered, so without a limit there is no end of states.
    pub(crate) handovers_max: u8,
    /// What is wrong with the nodes, so that the checker can show that it notices.
    #[cfg(test)]
    pub(crate) flaw: Flaw,
}

/// Mistakes that were made with this protocol before.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// There is none.
    None,
    /// Nobody notifies anybody.
    SilentNotifier,
    /// A candidate is adopted although it did not answer.
    CredulousAdopter,
    /// A batch counts as taken before it has arrived.
    HastyGiver,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Join(Life, Life),
    Stabilize(Life),
    Suspect(Life),
    Check(Life),
    Again(Life),
    Notify(Life, Life),
    Letter(Life, Letter),
    Leave(Life),
    Fail(Life, Answers),
    /// Nothing happens for long.
    Wait,
    Claim(Life),
}

/// What becomes of what a node has answered when it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// It arrives all the same.
    Arrive,
    /// Nobody learns of it.
    Lost,
}

/// The model.
pub(crate) struct Ring {
    pub(crate) world: World,
    pub(crate) known: Known,
    pub(crate) hosts: Hosts,
    /// The most rounds that any state took to mend.
    pub(crate) rounds_max: usize,
    /// Rounds that a settled state takes to mend; nothing if it never does.
    pub(crate) mending: HashMap<State, Option<usize>, BuildHasherDefault<Fast>>,
    pub(crate) notify: Word,
    pub(crate) noted: Word,
    pub(crate) busy: Word,
}

impl Ring {
    pub(crate) fn new(world: World) -> Ring {
        let config = Config {
            successors: world.successors,
            probes: 1,
            ..Config::default()
        };
        let mut known = Known::new(world.cast, config, world.content);
        let notify = known.requests.number(Request::Notify);
        let noted = known.replies.number(Reply::Noted);
        let busy = known.replies.number(Reply::Busy);
        Ring {
            world,
            known,
            hosts: Hosts::new(),
            rounds_max: 0,
            mending: HashMap::default(),
            notify,
            noted,
            busy,
        }
    }

    pub(crate) fn facts(&self, state: &State, life: Life) -> &Facts {
        self.hosts.facts(state[usize::from(life)])
    }

    /// The lives of which something holds.
    pub(crate) fn those(&self, state: &State, holds: impl Fn(&Facts) -> bool) -> Set {
        let all = self.world.cast.all();
        let those = all.filter(|life| holds(self.facts(state, *life)));
        those.fold(0, |set, life| set | 1 << life)
    }

    fn newcomers(&self, state: &State) -> impl Iterator<Item = Life> {
        let cast = self.world.cast;
        let is_over = move |life: Option<Life>, beings: &[Being; LIVES_MAX]| {
            life.is_none_or(|life| beings[usize::from(life)] == Being::Over)
        };
        let beings = state.map(|number| self.hosts.host(number).being);
        cast.all().filter(move |life| {
            beings[usize::from(*life)] == Being::Unborn && is_over(cast.earlier(*life), &beings)
        })
    }

    /// An ideal ring of these lives.
    fn ideal(&mut self, lives: &[Life], stores: &[Memory]) -> State {
        let mut state = [0; LIVES_MAX];
        for (place, life) in lives.iter().enumerate() {
            let others: Vec<Life> = [&lives[place + 1..], &lives[..place]].concat();
            let store = stores.get(place).cloned().unwrap_or_default();
            let node: NodeId = self.known.member(*life, &others, store);
            let host = Host {
                being: Being::Alive(node),
                ..Host::UNBORN
            };
            let number = self.hosts.number(*life, host, &self.known, self.world.cast);
            state[usize::from(*life)] = number;
        }
        state
    }
}

impl Model for Ring {
    type Step = Step;

    /// All ideal rings of one node more than a list is long, but for turning them.
    fn start(&mut self) -> Vec<State> {
        let cast = self.world.cast;
        let patterns = cast.patterns(self.world.successors + 1).into_iter();
        patterns
            .map(|pattern| {
                let lives = cast.in_order(pattern);
                let stores = self.contents(&lives);
                self.ideal(&lives, &stores)
            })
            .collect()
    }

    fn steps(&mut self, state: &State, out: &mut Vec<(Step, State)>) {
        let mut possible = Vec::with_capacity(32);
        self.arrivals(state, &mut possible);
        self.upkeep(state, &mut possible);
        if self.world.content && self.world.deaths {
            self.patience(state, &mut possible);
        }
        let members = self.those(state, |facts| facts.is_member);
        let alive = self.those(state, |facts| facts.is_alive);
        for life in self::members(members) {
            if self.world.suspicion && !self.facts(state, life).exchange {
                possible.push(Step::Suspect(life));
            }
            if self.world.deaths && self.may_go(state, life) {
                possible.push(Step::Fail(life, Answers::Arrive));
                if self.world.content && self.has_told(state, life) {
                    possible.push(Step::Fail(life, Answers::Lost));
                }
            }
            if self.world.leaves && !self.facts(state, life).is_leaving && self.may_go(state, life)
            {
                possible.push(Step::Leave(life));
            }
        }
        if (alive.count_ones() as usize) < self.world.members_max {
            for life in self.newcomers(state) {
                possible.extend(self::members(members).map(|via| Step::Join(life, via)));
            }
        }
        for step in possible {
            out.push((step, self.perform(state, step)));
        }
    }

    fn violated(&mut self, state: &State) -> Option<String> {
        self.judge(state)
    }

    fn state(&self, state: &State) -> String {
        let parts = self.world.cast.all().filter_map(|life| {
            let host = self.hosts.host(state[usize::from(life)]);
            (host.being != Being::Unborn).then(|| self.host_in_words(life, &host))
        });
        parts.collect::<Vec<String>>().join("  ")
    }

    fn step(&self, step: Step) -> String {
        match step {
            Step::Join(life, via) => format!("{life} joins through {via}"),
            Step::Stabilize(life) => format!("{life} stabilizes"),
            Step::Suspect(life) => format!("{life} takes its living successor for dead"),
            Step::Check(life) => format!("{life} looks after its predecessor"),
            Step::Again(life) => format!("{life} goes on leaving"),
            Step::Notify(from, to) => format!("{to} is notified by {from}"),
            Step::Letter(life, letter) => self.letter_in_words(life, letter),
            Step::Leave(life) => format!("{life} begins to leave"),
            Step::Fail(life, Answers::Arrive) => format!("{life} dies"),
            Step::Fail(life, Answers::Lost) => {
                format!("{life} dies, and what it answered is lost with it")
            }
            Step::Wait => "nothing happens for long".to_owned(),
            Step::Claim(life) => format!("{life} has missed an arc for long"),
        }
    }
}

impl Ring {
    /// What only happens once nothing else has happened for some time: nothing is on its way but
    /// questions about who has an arc, and no maintenance changes anything.
    fn patience(&mut self, state: &State, out: &mut Vec<Step>) {
        let mut due = Vec::new();
        self.arrivals(state, &mut due);
        let is_claim = |step: &Step| match step {
            Step::Letter(_, letter) => {
                let request = self.known.requests.word(letter.request);
                matches!(request, Request::Claim(_))
            }
            _ => false,
        };
        if !due.iter().all(is_claim) {
            return;
        }
        let is_idle = due.is_empty();
        due.clear();
        self.upkeep(state, &mut due);
        if due.iter().any(|step| self.perform(state, *step) != *state) {
            return;
        }
        // Whoever asks already waits for the answers.
        let bereft = self.those(state, |facts| facts.misses);
        let idle = members(bereft).filter(|life| {
            let host = self.hosts.host(state[usize::from(*life)]);
            host.letters().next().is_none()
        });
        out.extend(idle.map(Step::Claim));
        if is_idle {
            out.push(Step::Wait);
        }
    }

    /// Whether an answer of this life is on its way.
    fn has_told(&self, state: &State, life: Life) -> bool {
        let hosts = state.iter().map(|number| self.hosts.host(*number));
        let mut letters = hosts.flat_map(|host| host.letters());
        letters.any(|letter| letter.to == life && matches!(letter.stage, Stage::Told(_)))
    }

    /// All that is due, churn or not.
    pub(crate) fn upkeep(&self, state: &State, out: &mut Vec<Step>) {
        let alive = self.those(state, |facts| facts.is_alive);
        for life in self.world.cast.all() {
            let facts = self.facts(state, life);
            if facts.is_member && !facts.exchange {
                out.push(Step::Stabilize(life));
            }
            let dead = |other: &Life| (alive | facts.gone) >> other & 1 == 0;
            if facts.is_member && facts.predecessor.as_ref().is_some_and(dead) {
                out.push(Step::Check(life));
            }
        }
    }

    /// All that is on its way.
    pub(crate) fn arrivals(&self, state: &State, out: &mut Vec<Step>) {
        for life in self.world.cast.all() {
            let number = state[usize::from(life)];
            let host = self.hosts.host(number);
            out.extend(members(host.notifies).map(|to| Step::Notify(life, to)));
            let letters = host.letters();
            let moving = letters.filter(|letter| letter.stage != Stage::Held);
            out.extend(moving.map(|letter| Step::Letter(life, letter)));
            if self.hosts.facts(number).is_waiting {
                out.push(Step::Again(life));
            }
        }
    }
}
