//! Order: is there an order of all operations that explains every answer?
//!
//! Such an order is legal for a register, and puts no operation before one that had ended when it began.
//! It is searched by Lowe's just-in-time linearization of Wing and Gong's algorithm: go through the
//! history in time, keep every configuration (what is there, and which of the open operations have
//! happened already) that explains the answers so far, and let operations happen only when an answer
//! needs them. Four things keep the configurations few, and lose none that matters:
//! - what only looks happens as soon as what it saw is there;
//! - a write without an answer whose value was seen has ended by then;
//! - changes without an answer that nobody saw are alike if their conditions are: it counts how many of
//!   them have happened, not which;
//! - of two configurations with the same future, the one that has used fewer of those is enough.
//!
//! Where hundreds of answers never came there are still too many ways. So two quick searches come first:
//! if there is no order even if such changes could happen as often as one likes, there is none; and if
//! one is found while but a few configurations are kept, there is one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::facts::{Change, Facts, change};
use super::{Condition, Operation, Outcome, What};

/// Whether one order explains everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// There is one.
    Linearizable,
    /// There is none.
    Broken {
        /// The operation whose answer can't be explained together with those that came before it.
        at: usize,
        /// What may have been there while it was open: a write, or nothing. Of writes without an answer
        /// that nobody saw, none is named.
        possible: Vec<Option<usize>>,
    },
    /// It was not found out.
    Undecided {
        /// Why.
        reason: String,
    },
}

impl Order {
    /// Whether there is one.
    pub fn is_linearizable(&self) -> bool {
        *self == Order::Linearizable
    }
}

/// Searches for an order, with at most so many configurations at a time.
pub(super) fn search(history: &[Operation], facts: &Facts, limit: usize) -> Order {
    if let Some(value) = facts.twice {
        let reason = format!("{value} was written twice, so nobody can say which one was read");
        return Order::Undecided { reason };
    }
    let go = |supply, width| {
        let mut search = Search {
            facts,
            limit,
            supply,
            width,
            open: Vec::new(),
            loose: BTreeMap::new(),
        };
        match search.run(history) {
            Ok(()) => Order::Linearizable,
            Err(order) => order,
        }
    };
    let endless = go(Supply::Endless, 1);
    if let Order::Broken { .. } = endless {
        return endless;
    }
    if go(Supply::Counted, WIDTH).is_linearizable() {
        return Order::Linearizable;
    }
    go(Supply::Counted, usize::MAX)
}

struct Search<'a> {
    facts: &'a Facts,
    limit: usize,
    supply: Supply,
    /// How many configurations are kept of those with the same future.
    width: usize,
    /// Operations that have begun and not ended, each in a place of its own.
    open: Vec<Option<Act>>,
    /// How many changes may happen of those without an answer that nobody saw.
    loose: BTreeMap<Loose, u32>,
}

/// How often changes may happen that had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    /// Each once.
    Counted,
    /// As often as one likes, once the first of those that are alike has begun.
    Endless,
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum There {
    Nothing,
    /// What this write made.
    Known(usize),
    /// What a write made that nobody saw and that had no answer.
    Unseen,
}

/// An operation that must happen while it is open.
#[derive(Clone, Copy, Debug)]
struct Act {
    place: usize,
    condition: Condition,
    /// Whether the condition must hold, or must not.
    holds: bool,
    found: Option<bool>,
    sees: Option<Sees>,
    /// What it makes of what is there, if it does.
    makes: Option<There>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    There(There),
    /// A value that nobody wrote.
    Impossible,
}

/// Changes without an answer that nobody saw, and that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Loose {
    makes: There,
    condition: Condition,
}

/// One way in which things may stand.
#[derive(Clone, Debug)]
struct Configuration {
    there: There,
    /// Which of the open operations have happened, by place.
    happened: u128,
    /// How many of the loose changes have, without zeros.
    used: BTreeMap<Loose, u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    // First: what begins when something else ends is concurrent with it.
    Begin,
    End,
}

impl Search<'_> {
    fn run(&mut self, history: &[Operation]) -> Result<(), Order> {
        let mut edges = Vec::new();
        for (place, operation) in history.iter().enumerate() {
            if self.counts(place, operation) {
                edges.push((operation.invoked, Edge::Begin, place));
                edges.extend(self.end(place, operation).map(|at| (at, Edge::End, place)));
            }
        }
        edges.sort_unstable();
        let mut configurations = Configurations::of_width(self.width);
        configurations.insert(Configuration {
            there: There::Nothing,
            happened: 0,
            used: BTreeMap::new(),
        });
        for (_, edge, place) in edges {
            configurations = match edge {
                Edge::Begin => self.begin(place, &history[place], configurations)?,
                Edge::End => self.finish(place, configurations)?,
            };
        }
        Ok(())
    }

    /// Whether an operation says anything, or may do anything.
    fn counts(&self, place: usize, operation: &Operation) -> bool {
        match operation.returned {
            Some(returned) => returned.outcome != Outcome::Failed,
            None => operation.what != What::Read || self.facts.end(place).is_some(),
        }
    }

    /// When an operation has happened at the latest.
    fn end(&self, place: usize, operation: &Operation) -> Option<u64> {
        let answered = operation.returned.map(|returned| returned.at);
        self.facts.end(place).or(answered)
    }

    fn begin(
        &mut self,
        place: usize,
        operation: &Operation,
        configurations: Configurations,
    ) -> Result<Configurations, Order> {
        if change(operation) == Change::Unanswered && self.facts.end(place).is_none() {
            *self.loose.entry(Loose::of(operation)).or_default() += 1;
            return Ok(configurations);
        }
        let act = Some(Act::of(place, operation, self.facts));
        match self.open.iter().position(Option::is_none) {
            Some(slot) => self.open[slot] = act,
            None if self.open.len() < SLOTS => self.open.push(act),
            None => {
                let reason = format!("more than {SLOTS} operations were open at once");
                return Err(Order::Undecided { reason });
            }
        }
        let mut next = Configurations::of_width(self.width);
        for mut configuration in configurations.into_iter() {
            self.look(&mut configuration);
            next.insert(configuration);
        }
        Ok(next)
    }

    /// Keeps the configurations in which the operation has happened, after letting it happen in every
    /// possible way.
    fn finish(
        &mut self,
        place: usize,
        configurations: Configurations,
    ) -> Result<Configurations, Order> {
        let is_it = |act: &Option<Act>| act.is_some_and(|act| act.place == place);
        let slot = self.open.iter().position(is_it);
        let slot = slot.expect("what ends has begun");
        let bit = 1 << slot;
        let mut after = Configurations::of_width(self.width);
        let mut visited = Configurations::of_width(self.width);
        let mut waiting: Vec<Configuration> = configurations.into_iter().collect();
        while let Some(mut configuration) = waiting.pop() {
            if configuration.happened & bit != 0 {
                configuration.happened &= !bit;
                after.insert(configuration);
            } else if visited.insert(configuration.clone()) {
                self.step(&configuration, &mut waiting);
            }
            if visited.count + after.count > self.limit {
                let reason = format!("more than {} ways to explain it at once", self.limit);
                return Err(Order::Undecided { reason });
            }
        }
        if after.count == 0 {
            let possible = visited.there();
            return Err(Order::Broken {
                at: place,
                possible,
            });
        }
        self.open[slot] = None;
        Ok(after)
    }

    /// Adds all that one change more can make of a configuration.
    fn step(&self, from: &Configuration, waiting: &mut Vec<Configuration>) {
        let mut add = |there, change: &dyn Fn(&mut Configuration)| {
            let mut next = from.clone();
            next.there = there;
            change(&mut next);
            self.look(&mut next);
            waiting.push(next);
        };
        for (loose, count) in &self.loose {
            let used = from.used.get(loose).copied().unwrap_or(0);
            let holds = self.may_hold(loose.condition, from.there)[0];
            if !holds || loose.makes == from.there {
                continue;
            }
            match self.supply {
                Supply::Endless => add(loose.makes, &|_| {}),
                Supply::Counted if used < *count => add(loose.makes, &|next| {
                    next.used.insert(*loose, used + 1);
                }),
                Supply::Counted => {}
            }
        }
        for (slot, act) in self.open.iter().enumerate() {
            let bit = 1 << slot;
            if let Some(act) = act
                && let Some(makes) = act.makes
                && from.happened & bit == 0
                && self.fits(act, from.there)
            {
                add(makes, &|next| next.happened |= bit);
            }
        }
    }

    /// Lets all happen that only look and see what is there.
    fn look(&self, configuration: &mut Configuration) {
        for (slot, act) in self.open.iter().enumerate() {
            if let Some(act) = act
                && act.makes.is_none()
                && self.fits(act, configuration.there)
            {
                configuration.happened |= 1 << slot;
            }
        }
    }

    /// Whether an operation may happen with what is there.
    fn fits(&self, act: &Act, there: There) -> bool {
        let [may_hold, may_not] = self.may_hold(act.condition, there);
        let found = act
            .found
            .is_none_or(|found| found == (there != There::Nothing));
        let sees = act.sees.is_none_or(|sees| sees == Sees::There(there));
        found && sees && if act.holds { may_hold } else { may_not }
    }

    fn may_hold(&self, condition: Condition, there: There) -> [bool; 2] {
        let there = match there {
            There::Nothing => None,
            There::Known(writer) => Some(Some(writer)),
            There::Unseen => Some(None),
        };
        self.facts.may_hold(condition, there)
    }
}

impl Act {
    fn of(place: usize, operation: &Operation, facts: &Facts) -> Act {
        let outcome = operation.returned.map(|returned| returned.outcome);
        let condition = match operation.what {
            What::Read => Condition::Always,
            What::Write { condition, .. } | What::Delete { condition } => condition,
        };
        let is_made = match outcome {
            None | Some(Outcome::Made { .. }) => true,
            Some(Outcome::Saw(_) | Outcome::Refused | Outcome::Failed) => false,
        };
        let makes = match operation.what {
            What::Read => None,
            What::Write { .. } => Some(There::Known(place)),
            What::Delete { .. } => Some(There::Nothing),
        };
        let found = match outcome {
            Some(Outcome::Made { found, .. }) => found,
            _ => None,
        };
        let sees = match outcome {
            Some(Outcome::Saw(None)) => Some(Sees::There(There::Nothing)),
            Some(Outcome::Saw(Some(seen))) => Some(match facts.writer(seen.value) {
                Some(writer) => Sees::There(There::Known(writer)),
                None => Sees::Impossible,
            }),
            _ => None,
        };
        let only_looks = !operation.what.is_write() && found == Some(false);
        Act {
            place,
            condition,
            holds: outcome != Some(Outcome::Refused),
            found,
            sees,
            makes: makes.filter(|_| is_made && !only_looks),
        }
    }
}

impl Loose {
    fn of(operation: &Operation) -> Loose {
        match operation.what {
            What::Write { condition, .. } => Loose {
                makes: There::Unseen,
                condition,
            },
            What::Read => unreachable!("a read makes nothing"),
            What::Delete { condition } => Loose {
                makes: There::Nothing,
                condition,
            },
        }
    }
}

/// Configurations, none of which is worse than another one with the same future.
struct Configurations {
    by_future: BTreeMap<(There, u128), Vec<BTreeMap<Loose, u32>>>,
    count: usize,
    width: usize,
}

impl Configurations {
    /// None, of which at most `width` are kept with the same future.
    fn of_width(width: usize) -> Configurations {
        Configurations {
            by_future: BTreeMap::new(),
            count: 0,
            width,
        }
    }

    /// Adds one; whether it is new, no worse than one of these, and finds room.
    fn insert(&mut self, configuration: Configuration) -> bool {
        let Configuration {
            there,
            happened,
            used,
        } = configuration;
        let others = self.by_future.entry((there, happened)).or_default();
        if others.iter().any(|other| is_within(other, &used)) {
            return false;
        }
        let before = others.len();
        others.retain(|other| !is_within(&used, other));
        self.count -= before - others.len();
        if others.len() >= self.width {
            return false;
        }
        others.push(used);
        self.count += 1;
        true
    }

    fn into_iter(self) -> impl Iterator<Item = Configuration> {
        self.by_future
            .into_iter()
            .flat_map(|((there, happened), all)| {
                all.into_iter().map(move |used| Configuration {
                    there,
                    happened,
                    used,
                })
            })
    }

    /// What may be there.
    fn there(&self) -> Vec<Option<usize>> {
        let there = self.by_future.keys().filter_map(|(there, _)| match there {
            There::Nothing => Some(None),
            There::Known(writer) => Some(Some(*writer)),
            There::Unseen => None,
        });
        let there: BTreeSet<Option<usize>> = there.collect();
        there.into_iter().collect()
    }
}

/// Whether one has used at most as many of each as the other.
fn is_within(one: &BTreeMap<Loose, u32>, other: &BTreeMap<Loose, u32>) -> bool {
    one.iter()
        .all(|(loose, used)| other.get(loose).is_some_and(|most| used <= most))
}

/// How many configurations with the same future the quick search keeps.
const WIDTH: usize = 4;
/// Most configurations at a time: some hundred megabytes, and seconds. A history of eight clients has
/// hundreds.
pub const CONFIGURATIONS_MAX: usize = 200_000;
/// Most operations that are open at once and must happen: bits of a set.
const SLOTS: usize = 128;
