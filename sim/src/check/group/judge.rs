//! Judge: what must hold of one group, whatever happens to it.

use dht::record::Version;

/// What clients were told so far, and what was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Judge {
    /// The highest version that was acknowledged.
    acked: Option<Version>,
    acknowledged: usize,
    /// Who leads each epoch, from the first one that was decided here.
    leaders: Vec<(u32, u32)>,
    /// What clients wait for: the ticket, and what was acknowledged before they asked.
    waiting: Vec<(u64, Option<Version>)>,
}

impl Judge {
    /// A client asks.
    pub(super) fn asked(&mut self, ticket: u64) {
        self.waiting.push((ticket, self.acked));
    }

    /// Its write was acknowledged; `copies` stores have it.
    pub(super) fn acked(&mut self, ticket: u64, version: Version, copies: usize) -> Option<String> {
        let before = self.told(ticket);
        self.acked = self.acked.max(Some(version));
        self.acknowledged += 1;
        if copies < MAJORITY {
            return Some(format!(
                "what is acknowledged is on {MAJORITY} stores; {version:?} is on {copies}"
            ));
        }
        (Some(version) <= before).then(|| {
            format!(
                "versions never go back; {version:?} was given after {before:?} was acknowledged"
            )
        })
    }

    /// Its read was answered.
    pub(super) fn read(&mut self, ticket: u64, version: Option<Version>) -> Option<String> {
        let before = self.told(ticket);
        (version < before).then(|| {
            format!("what was acknowledged is read; {before:?} was, and {version:?} was read")
        })
    }

    /// It was told nothing that counts.
    pub(super) fn told(&mut self, ticket: u64) -> Option<Version> {
        let place = self.waiting.iter().position(|(other, _)| *other == ticket);
        place.and_then(|place| self.waiting.remove(place).1)
    }

    /// A member has learned who leads an epoch.
    pub(super) fn decided(&mut self, epoch: u32, leader: u32) -> Option<String> {
        match self.leaders.iter().find(|(other, _)| *other == epoch) {
            Some((_, other)) if *other != leader => Some(format!(
                "an epoch is decided once; epoch {epoch} is led by {other} and by {leader}"
            )),
            Some(_) => None,
            None => {
                self.leaders.push((epoch, leader));
                self.leaders.sort_unstable();
                None
            }
        }
    }

    /// What the stores have, and who serves which epoch.
    pub(super) fn seen(
        &self,
        stored: &[Option<Version>],
        serving: &[(u32, u32)],
    ) -> Option<String> {
        let copies = stored.iter().filter(|version| **version >= self.acked);
        let copies = copies.count();
        if copies < MAJORITY {
            return Some(format!(
                "what is acknowledged stays on {MAJORITY} stores; {:?} is on {copies}",
                self.acked
            ));
        }
        let stranger = serving.iter().find(|(epoch, by)| {
            let mut leaders = self.leaders.iter();
            leaders.any(|(other, leader)| other == epoch && leader != by)
        });
        stranger.map(|(epoch, by)| {
            format!("an epoch has one leader; {by} serves epoch {epoch} as well")
        })
    }

    pub(super) fn epoch(&self) -> u32 {
        self.leaders.last().map_or(0, |(epoch, _)| *epoch)
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged
    }
}

/// Of three members.
const MAJORITY: usize = 2;
