//! Claim: an arc that nobody has handed over.
//!
//! Its owner died, and took its content along; or it is merely on its way. Once the pointers have been
//! the same for a while, the node asks both neighbours, and then those behind the one it would inherit
//! from, one after the other: a giver that could not reach its heir has handed over to a node further
//! away. Each must point back at the one before, so that nobody stands in between. Where nobody serves
//! the arc or is about to, all are asked once more, since it may have moved past the questions. Then
//! the node serves it, empty.
//!
//! Without a death there is nothing to claim: the arc of a joiner is on its way from its giver, however
//! long that takes in a ring that grows fast, where the one that serves it may be pointed to by nobody
//! yet. So a node asks soon only if it saw a neighbour die, or died itself. A death that nobody saw is
//! left to one whose neighbours have been the same for long.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Action, Delay, Note, Timer};
use crate::id::Arc;
use crate::message::{Claimed, Request};
use crate::node::{Node, Question, note, wait};
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// An arc that is missing.
#[derive(Clone, Debug)]
pub(crate) struct Gap<A> {
    arc: Arc,
    /// How often the pointers had changed: the same neighbours may have been others in between.
    moves: u32,
    /// How often it was still missing when the clock had run out.
    rounds: u8,
    /// Those who are asked in this round, the neighbours first.
    asked: Vec<Peer<A>>,
    /// Those of them who have nothing against it.
    consents: Vec<Peer<A>>,
    /// How many of them miss nothing themselves, so that what they don't hold has hardly passed them.
    settled: usize,
    /// Whether all are asked once more.
    is_second: bool,
}

impl<A: Address> Gap<A> {
    /// Whom it asks and what they said, in words; nothing where nobody is asked, or where the pointers
    /// have moved since, so that no answer counts.
    pub(crate) fn in_words(&self, moves: u32) -> String {
        if self.asked.is_empty() || self.moves != moves {
            return String::new();
        }
        let (arc, settled, is_second) = (self.arc, self.settled, self.is_second);
        format!(
            "{arc:?} {:?} {:?} {settled} {is_second}",
            self.asked, self.consents
        )
    }

    fn is_same(&self, other: &Gap<A>) -> bool {
        (self.arc, self.moves) == (other.arc, other.moves)
    }

    /// The place of one among those who were asked, if it has yet to agree that this node has `arc`, which is
    /// missing at `present`.
    fn awaits(&self, from: &Peer<A>, arc: Arc, present: &Gap<A>) -> Option<usize> {
        let is_awaited = self.arc == arc && self.is_same(present) && !self.consents.contains(from);
        let place = self.asked.iter().position(|peer| peer == from);
        place.filter(|_| is_awaited)
    }
}

impl<A: Address> Node<A> {
    /// Starts the clock where something is missing.
    pub(crate) fn mind_the_gap(&mut self, out: &mut Vec<Action<A>>) {
        match self.present_gap() {
            Some(gap) if self.gap.is_none() => {
                self.gap = Some(gap.into());
                wait(Timer::Claim, patience(0), out);
            }
            _ => {}
        }
    }

    /// The time is over: if all is as it was, ask.
    pub(crate) fn claim(&mut self, out: &mut Vec<Action<A>>) {
        let before = self.gap.take();
        let (Some(before), Some(mut gap)) = (before, self.present_gap()) else {
            return self.mind_the_gap(out);
        };
        if !gap.is_same(&before) {
            return self.mind_the_gap(out);
        }
        gap.rounds = before.rounds.saturating_add(1);
        wait(Timer::Claim, patience(gap.rounds), out);
        let (arc, is_late) = (gap.arc, gap.rounds >= ROUNDS_LATE);
        self.gap = Some(gap.into());
        if self.view.is_alone() {
            return self.take_over(arc, out);
        }
        if (self.is_bereaved || is_late) && !self.is_crowded() {
            // What lies there was never handed over, so nobody vouches for it.
            self.discard_strays(arc, out);
            self.ask_for_consent(self.neighbours(), out);
        }
    }

    /// The neighbour that this node hands over to when that one is new, and the one it inherits from;
    /// just one where they are the same.
    fn neighbours(&self) -> Vec<Peer<A>> {
        let rule = self.config.ownership;
        let predecessor = self.view.predecessor.as_ref();
        let successor = Some(self.view.successor());
        let pair = [
            rule.boundary(predecessor, successor),
            rule.heir(predecessor, successor),
        ];
        let mut neighbours: Vec<Peer<A>> = pair.into_iter().flatten().cloned().collect();
        neighbours.dedup();
        neighbours
    }

    fn ask_for_consent(&mut self, peers: Vec<Peer<A>>, out: &mut Vec<Action<A>>) {
        let Some(gap) = &mut self.gap else {
            return;
        };
        let arc = gap.arc;
        for peer in peers {
            if let Some(gap) = &mut self.gap
                && !gap.asked.contains(&peer)
            {
                gap.asked.push(peer.clone());
            }
            let question = Question::Claim(peer.clone(), arc);
            self.ask(&peer, Request::Claim(arc), question, out);
        }
    }

    /// One who was asked has answered.
    pub(crate) fn claim_answered(
        &mut self,
        from: Peer<A>,
        arc: Arc,
        claimed: Claimed<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let present = self.present_gap();
        let (Some(gap), Some(present)) = (&mut self.gap, present) else {
            return;
        };
        let place = gap.awaits(&from, arc, &present);
        let Some(place) = place.filter(|_| claimed.free) else {
            return;
        };
        // Whoever is asked points to the one before, so that nobody stands in between.
        let (me, rule) = (&self.view.me, self.config.ownership);
        let behind = rule.heir(claimed.predecessor.clone(), Some(claimed.successor.clone()));
        let before = rule.boundary(claimed.predecessor, Some(claimed.successor));
        let is_beside = match place {
            0 if gap.asked.len() == 1 => before.as_ref() == Some(me) && behind == before,
            0 => behind.as_ref() == Some(me),
            1 => before.as_ref() == Some(me),
            _ => before.as_ref() == Some(&gap.asked[place - 1]),
        };
        if !is_beside {
            return;
        }
        let is_last = gap.asked.last() == Some(&from);
        gap.consents.push(from);
        gap.settled += usize::from(!claimed.waits && !gap.is_second);
        let is_far = is_last && gap.settled > FURTHER * usize::from(self.config.successors);
        let next = behind.filter(|next| !is_far && next != me && !gap.asked.contains(next));
        if let Some(next) = next {
            return self.ask_for_consent([next].into(), out);
        }
        if gap.consents.len() < gap.asked.len() {
            return;
        }
        if core::mem::replace(&mut gap.is_second, true) {
            return self.take_over(arc, out);
        }
        gap.consents.clear();
        let all = gap.asked.clone();
        self.ask_for_consent(all, out);
    }

    /// One who was asked has said nothing. It is asked again as long as the round lasts, for among so many
    /// questions one is often lost, and a round for each of them would take too long.
    pub(crate) fn claim_unanswered(&mut self, from: Peer<A>, arc: Arc, out: &mut Vec<Action<A>>) {
        let present = self.present_gap();
        let (Some(gap), Some(present)) = (&self.gap, present) else {
            return;
        };
        if gap.awaits(&from, arc, &present).is_some() && !self.detector.is_gone(&from) {
            let question = Question::Claim(from.clone(), arc);
            self.ask(&from, Request::Claim(arc), question, out);
        }
    }

    /// What this node can tell one who would serve an arc.
    pub(crate) fn claimed(&self, arc: Arc) -> Claimed<A> {
        let view = &self.view;
        let shares = |other: Arc| other.intersection(arc).next().is_some();
        let holds = view.serves.iter().any(|range| shares(range.arc))
            || view.receives.iter().any(|(arc, _)| shares(*arc));
        Claimed {
            holds,
            free: view.phase == Phase::Member && !holds && !self.is_crowded(),
            waits: self.missing_arc().is_some(),
            predecessor: view.predecessor.clone(),
            successor: view.successor().clone(),
        }
    }

    fn take_over(&mut self, arc: Arc, out: &mut Vec<Action<A>>) {
        self.is_bereaved = false;
        self.epoch += 1;
        self.serve(arc, self.epoch);
        note(Note::TookOver(arc), out);
        self.reconcile(out);
    }

    fn present_gap(&self) -> Option<Gap<A>> {
        Some(Gap {
            arc: self.missing_arc()?,
            moves: self.moves,
            rounds: 0,
            asked: Vec::new(),
            consents: Vec::new(),
            settled: 0,
            is_second: false,
        })
    }
}

/// How long the pointers must have been the same before the next round: at first longer than a handover
/// takes to begin, or a node in between to be noticed; then, since whatever was in the way takes its
/// time, twice as long each round, 600 ms to 4.8 s.
const fn patience(rounds: u8) -> Delay {
    let doublings = if rounds < DOUBLINGS_MAX {
        rounds
    } else {
        DOUBLINGS_MAX
    };
    Delay::exactly(600 << doublings)
}

const DOUBLINGS_MAX: u8 = 3;

/// Rounds to wait for an arc where no death is known of: some 14 s.
const ROUNDS_LATE: u8 = 5;

/// How far behind the neighbours an arc is looked for, in lengths of a successor list: an heir stands
/// in the giver's list, and some may have joined in between since.
const FURTHER: usize = 2;
