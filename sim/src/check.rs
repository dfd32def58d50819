//! Check: every order of events of a small ring, one after the other.
//!
//! The same [`dht::Node`] that a server runs is put through everything that can happen to a ring of
//! a few identifiers: joins, stabilizations, notifications, deaths and leaves, in every order, with
//! messages in flight if asked for. Each state that comes about is judged, and what it violates comes
//! with a shortest story.
//!
//! A checker of our own, and not stateright: a node is a function of its state and the event, so each
//! pair is put to the real node once, and states of a ring are made of numbers. Four nodes with
//! messages in flight are 1,027,885 states in 4 to 7 s on one core, 150,000 to 250,000 a second and 50
//! bytes each, compared whole; stateright keeps 64-bit fingerprints of some 100,000 a second of
//! hand-written models, and would have to copy and hash every [`dht::Node`] of every state.
//!
//! Beginning to end: `cast` says who can appear, `known` puts events to real nodes and remembers what
//! they do, `hosts` adds what is on its way, `ring` says what can happen, `properties` what must hold,
//! and `search` looks at all of it. Two small models stand beside that of the real nodes: `zave`, the rules
//! of the proof alone, whose states have been counted elsewhere, and `published`, Chord as it was
//! printed, which must fail. `group` and `causal` are models of their own: members of one group that keep an arc,
//! and replicas of a causal store.

mod cast;
mod causal;
mod content;
mod group;
mod happen;
mod hosts;
mod known;
mod properties;
mod published;
mod ring;
mod search;
mod seen;
mod story;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twins;
mod words;
mod zave;

use std::time::Instant;

use serde::Serialize;

use crate::check::cast::{Cast, LIVES_MAX};
use crate::check::published::Published;
use crate::check::ring::{Ring, World};
use crate::check::search::{Found, search};
use crate::check::zave::{Choices, Zave};

pub use crate::check::causal::{CausalOptions, CausalReport, check_causal};
pub use crate::check::group::{GroupOptions, GroupReport, Order, check_group};
pub use crate::check::story::LEGEND;

/// Which rules are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Those of [`dht::Node`].
    Corrected,
    /// Those of Zave's proof alone, without the nodes.
    Zave,
    /// Those of the first papers.
    Published,
}

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Members at a time, at most: more than `successors`, up to 8.
    pub nodes: u8,
    /// Length of the successor lists: 1 to 5.
    pub successors: u8,
    /// Places on the ring: `nodes` to 8.
    pub identifiers: u8,
    /// Nodes that ever start, each of them once: `identifiers` to 8. Those beyond the identifiers are
    /// second lives: a node that died starts again where it was, under a higher incarnation.
    pub lives: u8,
    /// Which rules.
    pub variant: Variant,
    /// Whether answers about pointers take their time.
    pub in_flight: bool,
    /// Whether an identifier whose node died comes back as if it were the same node: what
    /// incarnations rule out.
    pub reuse_ids: bool,
    /// Whether a living successor may be taken for dead: what the protocol does not survive.
    pub false_suspicion: bool,
    /// Whether nodes leave, too.
    pub leaves: bool,
    /// Whether nodes die. Without content they always do.
    pub deaths: bool,
    /// Whether content is looked at, and how it moves.
    pub content: bool,
    /// States after which the search is given up.
    pub states_max: usize,
}

impl Options {
    /// So many nodes with lists so long, and as many identifiers and lives as are looked at in less
    /// than a minute.
    pub fn new(nodes: u8, successors: u8, variant: Variant) -> Options {
        let more = nodes.saturating_add(2).min(LIVES_MAX as u8);
        Options {
            nodes,
            successors,
            identifiers: match variant {
                Variant::Corrected | Variant::Zave => nodes,
                Variant::Published => more,
            },
            lives: match variant {
                Variant::Corrected | Variant::Published => more,
                Variant::Zave => nodes,
            },
            variant,
            in_flight: false,
            reuse_ids: false,
            false_suspicion: false,
            leaves: variant == Variant::Corrected,
            deaths: true,
            content: false,
            states_max: 50_000_000,
        }
    }
}

/// Options that make no sense; says what would.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Different states of the ring.
    pub states: usize,
    /// Things that can happen in them, also those that change nothing.
    pub transitions: u64,
    /// Most steps from the start.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// Which rules.
    pub variant: Variant,
    /// Whether all states were looked at.
    pub complete: bool,
    /// Different states of single nodes.
    pub node_states: usize,
    /// Most rounds of maintenance from any state to the ideal ring, where that is looked at.
    pub rounds: Option<usize>,
    /// What did not hold: nothing, or the first thing.
    pub violations: Vec<Violation>,
}

/// Something that must hold and did not.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// What must hold.
    pub property: String,
    /// A shortest story of how it came about: what happened, and the state after it as [`LEGEND`]
    /// explains it.
    pub steps: Vec<String>,
}

/// Looks at all states, until one violates something, or `progress`, which is called about once a
/// second with the states and the depth so far, says no.
///
/// Errors: options that make no sense.
pub fn check(
    options: &Options,
    progress: impl FnMut(usize, usize) -> bool,
) -> Result<Report, Refused> {
    let cast = options.cast()?;
    let start = Instant::now();
    let (found, node_states, rounds) = match options.variant {
        Variant::Corrected => {
            let mut ring = Ring::new(options.world(cast));
            let found = search(&mut ring, options.states_max, progress);
            let rounds = (!options.content).then_some(ring.rounds_max);
            (found, ring.known.len(), rounds)
        }
        Variant::Zave => {
            let mut zave = Zave {
                cast,
                members_max: options.nodes.into(),
                successors: options.successors.into(),
                choices: Choices::default(),
            };
            (search(&mut zave, options.states_max, progress), 0, None)
        }
        Variant::Published => {
            let mut published = Published {
                cast,
                members_max: options.nodes.into(),
                successors: options.successors.into(),
            };
            (
                search(&mut published, options.states_max, progress),
                0,
                None,
            )
        }
    };
    Ok(options.report(found, node_states, rounds, start.elapsed().as_secs_f64()))
}

impl Options {
    fn cast(&self) -> Result<Cast, Refused> {
        let refuse = |text: String| Err(Refused(text));
        if !(1..=published::SUCCESSORS_MAX).contains(&self.successors) {
            let most = published::SUCCESSORS_MAX;
            return refuse(format!(
                "lists are 1 to {most} long, not {}",
                self.successors
            ));
        }
        let fewest = self.successors + 1;
        if self.nodes < fewest || usize::from(self.nodes) > LIVES_MAX {
            return refuse(format!(
                "with lists of {} there are {fewest} to {LIVES_MAX} nodes, not {}",
                self.successors, self.nodes
            ));
        }
        for (what, count, fewest) in [
            ("identifiers", self.identifiers, self.nodes),
            ("lives", self.lives, self.identifiers),
        ] {
            if count < fewest || usize::from(count) > LIVES_MAX {
                return refuse(format!(
                    "there are {fewest} to {LIVES_MAX} {what} here, not {count}"
                ));
            }
        }
        if self.lives > 2 * self.identifiers {
            return refuse("an identifier has two lives at most".to_owned());
        }
        if self.reuse_ids && self.lives > self.identifiers {
            return refuse(
                "where identifiers are used again each has one life for ever".to_owned(),
            );
        }
        let is_extra = self.in_flight
            || self.reuse_ids
            || self.false_suspicion
            || self.content
            || self.leaves
            || self.lives > self.identifiers;
        if self.variant != Variant::Corrected && is_extra {
            return refuse(format!(
                "the {} rules know nodes, successors and identifiers, and no other option",
                match self.variant {
                    Variant::Zave => "abstract",
                    _ => "published",
                }
            ));
        }
        if self.content && (self.reuse_ids || self.false_suspicion) {
            return refuse(
                "content is checked where no identifier comes back and nobody lives who is taken for dead"
                    .to_owned(),
            );
        }
        if !self.content && !self.deaths {
            return refuse("without content nodes always die".to_owned());
        }
        Ok(Cast {
            places: self.identifiers,
            lives: self.lives,
        })
    }

    fn world(&self, cast: Cast) -> World {
        World {
            cast,
            members_max: self.nodes.into(),
            successors: self.successors,
            in_flight: self.in_flight,
            reuse: self.reuse_ids,
            suspicion: self.false_suspicion,
            deaths: self.deaths,
            leaves: self.leaves,
            content: self.content,
            handovers_max: HANDOVERS_MAX,
            #[cfg(test)]
            flaw: ring::Flaw::None,
        }
    }

    fn report(
        &self,
        found: Found,
        node_states: usize,
        rounds: Option<usize>,
        seconds: f64,
    ) -> Report {
        let violations = found.violation.into_iter();
        Report {
            states: found.states,
            transitions: found.transitions,
            depth: found.depth,
            seconds,
            variant: self.variant,
            complete: found.is_complete,
            node_states,
            rounds,
            violations: violations
                .map(|(property, steps)| Violation { property, steps })
                .collect(),
        }
    }
}

/// Handovers that one node begins, where content is checked: one to a joiner, one back, one more.
const HANDOVERS_MAX: u8 = 3;
