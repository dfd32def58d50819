//! Judge: what must hold of one group, whatever happens to it.

use dht::record::Version;

use crate::check::group::member::{Answer, Facts};
use crate::check::words::Word;

/// What clients were told so far, and what was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Judge {
    /// The highest version that a client was told of, as written or as read.
    shown: Option<Version>,
    pub(super) acknowledged: u8,
    /// What has ended each epoch, and who leads the next one.
    decisions: Vec<(u32, Word, u32)>,
    /// What clients wait for, and what was shown before they asked.
    waiting: Vec<(u8, Option<Version>)>,
    /// What did not hold.
    pub(super) problem: Option<String>,
}

impl Judge {
    /// A client asks.
    pub(super) fn asked(&mut self, client: u8) {
        self.waiting.push((client, self.shown));
    }

    /// A client is told something.
    pub(super) fn told(&mut self, client: u8, answer: Answer) {
        let mut waiting = self.waiting.iter();
        let Some(place) = waiting.position(|(other, _)| *other == client) else {
            return self.object(format!("clients are answered once; {client} was twice"));
        };
        let (_, before) = self.waiting.remove(place);
        match answer {
            Answer::Acked(version) => {
                self.acknowledged += 1;
                self.shown = self.shown.max(Some(version));
                if Some(version) <= before {
                    self.object(format!(
                        "versions never go back; {version:?} was given after {before:?} was known"
                    ));
                }
            }
            Answer::Read(version) => {
                self.shown = self.shown.max(version);
                if version < before {
                    self.object(format!(
                        "what is known is read; {before:?} was, and {version:?} was read"
                    ));
                }
            }
            Answer::Nothing => {}
        }
    }

    /// A member takes this for the end of an epoch.
    pub(super) fn decided(&mut self, epoch: u32, next: Word, leader: u32) {
        match self.decisions.iter().find(|(ended, ..)| *ended == epoch) {
            Some((_, other, _)) if *other != next => {
                self.object(format!(
                    "an epoch is decided once; what follows epoch {epoch} was decided twice"
                ));
            }
            Some(_) => {}
            None => {
                self.decisions.push((epoch, next, leader));
                self.decisions.sort_unstable();
            }
        }
    }

    fn object(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// What does not hold of the members, in their places.
    pub(super) fn violated(&self, members: &[Facts]) -> Option<String> {
        if let Some(problem) = &self.problem {
            return Some(problem.clone());
        }
        let copies = members.iter().filter(|member| member.version >= self.shown);
        let copies = copies.count();
        if copies < MAJORITY {
            return Some(format!(
                "what is acknowledged stays on {MAJORITY} stores; {:?} is on {copies}",
                self.shown
            ));
        }
        let serving = members.iter().zip(0..);
        let mut serving = serving.filter_map(|(member, by)| Some((member.serves?, by)));
        let is_stranger = |(epoch, by): &(u32, u32)| self.leader(*epoch) != Some(*by);
        serving.find(is_stranger).map(|(epoch, by)| {
            format!("an epoch has one leader; {by} serves epoch {epoch}, and is not that one")
        })
    }

    fn leader(&self, epoch: u32) -> Option<u32> {
        let mut decisions = self.decisions.iter();
        let decision = decisions.find(|(ended, ..)| ended + 1 == epoch);
        decision.map(|(_, _, leader)| *leader)
    }

    /// The last epoch that was decided here.
    pub(super) fn epoch(&self) -> u32 {
        self.decisions.last().map_or(1, |(ended, ..)| ended + 1)
    }
}

/// Of three members.
const MAJORITY: usize = 2;
