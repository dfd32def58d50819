//! Failure: when a node that does not answer is taken for dead.
//!
//! Dropping a living successor is outside what the protocol survives, so death is concluded slowly:
//! a refused connection only after several probes, silence only after half a minute, for a pause is
//! not a death. Until then the node keeps its places in the lists, and lookups pass it over.

use alloc::vec::Vec;

use crate::event::{Action, Cause, Delay, Note, Timer};
use crate::message::Request;
use crate::node::{Node, Question, note, wait};
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// What a node believes of others that did not answer it.
#[derive(Clone, Debug)]
pub(crate) struct Detector<A> {
    suspects: Vec<Suspect<A>>,
    /// Suspicions so far.
    count: u32,
    /// The last ones that died or left, the latest at the end, each with how that was known.
    gone: Vec<(Peer<A>, Cause)>,
    /// Nodes that took nothing a moment ago.
    unwilling: Vec<Peer<A>>,
}

#[derive(Clone, Debug)]
struct Suspect<A> {
    peer: Peer<A>,
    /// Tells this suspicion from an earlier one of the same node, whose time may yet run out.
    number: u32,
    refusals: u8,
    is_silent: bool,
}

impl<A: Address> Detector<A> {
    pub(crate) const fn new() -> Detector<A> {
        Detector {
            suspects: Vec::new(),
            count: 0,
            gone: Vec::new(),
            unwilling: Vec::new(),
        }
    }

    /// Whether this life of the node is over.
    pub(crate) fn is_gone(&self, peer: &Peer<A>) -> bool {
        self.gone.iter().any(|(gone, _)| gone == peer)
    }

    /// Whether it was taken for dead for nothing but its silence, which a partition can bring about, too.
    pub(crate) fn may_be_parted(&self, peer: &Peer<A>) -> bool {
        let mut gone = self.gone.iter();
        gone.any(|(gone, cause)| gone == peer && *cause == Cause::Silent)
    }

    /// Whether lookups should pass it over.
    pub(crate) fn distrusts(&self, peer: &Peer<A>) -> bool {
        self.is_gone(peer) || self.suspects.iter().any(|suspect| suspect.peer == *peer)
    }

    /// It answered.
    pub(crate) fn heard(&mut self, peer: &Peer<A>) {
        self.suspects.retain(|suspect| suspect.peer != *peer);
    }

    /// It would not take a handover: no use to offer it another one at once.
    pub(crate) fn declined(&mut self, peer: Peer<A>) {
        push_bounded(&mut self.unwilling, peer);
    }

    /// Those that took nothing a moment ago.
    pub(crate) fn unwilling(&self) -> &[Peer<A>] {
        &self.unwilling
    }

    pub(crate) fn is_unwilling(&self, peer: &Peer<A>) -> bool {
        self.unwilling.contains(peer)
    }

    /// Those who took nothing may have changed their minds.
    pub(crate) fn forgive(&mut self) {
        self.unwilling.clear();
    }

    /// It was taken for dead, and is not.
    pub(crate) fn revive(&mut self, peer: &Peer<A>) {
        self.gone.retain(|(gone, _)| gone != peer);
    }

    /// Nobody is taken for dead any more for its silence: a new life judges for itself.
    pub(crate) fn revive_silent(&mut self) {
        self.gone.retain(|(_, cause)| *cause != Cause::Silent);
    }

    fn bury(&mut self, peer: &Peer<A>, cause: Cause) {
        self.heard(peer);
        self.gone.retain(|(gone, _)| gone != peer);
        push_bounded(&mut self.gone, (peer.clone(), cause));
    }

    /// The suspect's entry; nothing where there are too many already, which only means that its
    /// death is noticed later.
    fn suspect(&mut self, peer: &Peer<A>) -> Option<&mut Suspect<A>> {
        let known = self
            .suspects
            .iter()
            .position(|suspect| suspect.peer == *peer);
        let place = known.unwrap_or(self.suspects.len());
        if place == REMEMBERED_MAX {
            return None;
        }
        if known.is_none() {
            self.count = self.count.wrapping_add(1);
            self.suspects.push(Suspect {
                peer: peer.clone(),
                number: self.count,
                refusals: 0,
                is_silent: false,
            });
        }
        self.suspects.get_mut(place)
    }
}

impl<A: Address> Node<A> {
    /// A question to `peer` had no answer.
    pub(crate) fn missed(&mut self, peer: Peer<A>, cause: Cause, out: &mut Vec<Action<A>>) {
        if self.detector.is_gone(&peer) {
            return self.stranger_missed(&peer, cause);
        }
        let probes = self.config.probes;
        let Some(suspect) = self.detector.suspect(&peer) else {
            return;
        };
        match cause {
            // Once it is being probed, the probes alone count, for they are spaced.
            Cause::Refused if suspect.refusals == 0 => {
                suspect.refusals = 1;
                if probes == 1 {
                    self.bury(peer, cause, out);
                } else {
                    wait(Timer::Probe(peer), PROBE, out);
                }
            }
            Cause::Silent if !suspect.is_silent => {
                suspect.is_silent = true;
                wait(Timer::Silence(peer.clone(), suspect.number), SILENCE, out);
                if suspect.refusals == 0 {
                    wait(Timer::Probe(peer), PROBE_SILENT, out);
                }
            }
            Cause::Refused | Cause::Silent => {}
        }
    }

    /// A probe is due.
    pub(crate) fn probe(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        if self.detector.distrusts(&peer) && !self.detector.is_gone(&peer) {
            self.ask(&peer, Request::Ping, Question::Probe(peer.clone()), out);
        }
    }

    /// A probe had no answer.
    pub(crate) fn probe_missed(&mut self, peer: Peer<A>, cause: Cause, out: &mut Vec<Action<A>>) {
        let probes = self.config.probes;
        let is_gone = self.detector.is_gone(&peer);
        let Some(suspect) = self.detector.suspect(&peer).filter(|_| !is_gone) else {
            return;
        };
        match cause {
            Cause::Refused => {
                suspect.refusals += 1;
                if suspect.refusals >= probes {
                    self.bury(peer, cause, out);
                } else {
                    wait(Timer::Probe(peer), PROBE, out);
                }
            }
            Cause::Silent => {
                suspect.refusals = 0;
                if !core::mem::replace(&mut suspect.is_silent, true) {
                    wait(Timer::Silence(peer.clone(), suspect.number), SILENCE, out);
                }
                wait(Timer::Probe(peer), PROBE_SILENT, out);
            }
        }
    }

    /// It has been silent for as long as a pause may last.
    pub(crate) fn silence_over(&mut self, peer: Peer<A>, number: u32, out: &mut Vec<Action<A>>) {
        let still = |suspect: &Suspect<A>| {
            suspect.peer == peer && suspect.number == number && suspect.is_silent
        };
        if self.detector.suspects.iter().any(still) {
            self.bury(peer, Cause::Silent, out);
        }
    }

    /// See whether the predecessor is there, unless it has shown itself.
    pub(crate) fn check_predecessor(&mut self, out: &mut Vec<Action<A>>) {
        let heard = core::mem::take(&mut self.heard);
        self.forget_newcomers();
        self.drop_idle();
        let Some(predecessor) = self.view.predecessor.clone() else {
            return;
        };
        if !heard && predecessor != self.view.me && !self.detector.distrusts(&predecessor) {
            let question = Question::Tell(predecessor.clone());
            self.ask(&predecessor, Request::Ping, question, out);
        }
    }

    /// Somebody points to these, or they ask this node. If one of them was taken for dead for its silence
    /// alone, that may have been a mistake that the rest of the ring has not made.
    pub(crate) fn doubt_deaths<'a>(
        &mut self,
        named: impl IntoIterator<Item = &'a Peer<A>>,
        out: &mut Vec<Action<A>>,
    ) where
        A: 'a,
    {
        for peer in named {
            if self.detector.may_be_parted(peer) {
                self.ask(peer, Request::Ping, Question::Doubt(peer.clone()), out);
            }
        }
    }

    /// A node is dead.
    fn bury(&mut self, peer: Peer<A>, cause: Cause, out: &mut Vec<Action<A>>) {
        let view = &self.view;
        self.is_bereaved |=
            view.predecessor.as_ref() == Some(&peer) || view.successors.contains(&peer);
        self.drop_handovers(&peer, true, out);
        if cause == Cause::Silent {
            self.remember(peer.clone());
        }
        self.forget_because(peer, cause, out);
    }

    /// This life of a node is over: forget it wherever that is allowed.
    pub(crate) fn forget(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        self.forget_because(peer, Cause::Refused, out);
    }

    fn forget_because(&mut self, peer: Peer<A>, cause: Cause, out: &mut Vec<Action<A>>) {
        self.detector.bury(&peer, cause);
        let was_alone = self.view.successors.is_empty() && !self.is_orphan;
        note(Note::Gone(peer.clone()), out);
        self.drop_finger(&peer);
        self.drop_handovers(&peer, false, out);
        self.drop_successors(out);
        let is_predecessor = self.view.predecessor.as_ref() == Some(&peer);
        if is_predecessor
            && !self.exchange
            && let Some(other) = self.notified.take()
        {
            self.rectify(other, out);
        }
        let view = &self.view;
        if view.phase == Phase::Member && view.successors.is_empty() && self.fallback().is_none() {
            match was_alone {
                // The first one to join is gone before it became the successor.
                true => self.replace_predecessor(view.me.clone(), out),
                false => self.lose_place(out),
            }
        }
    }

    /// Drops the head of the successor list while it is dead, and notifies the next one.
    fn drop_successors(&mut self, out: &mut Vec<Action<A>>) {
        let list = &self.view.successors;
        let dead = list.iter().take_while(|peer| self.detector.is_gone(peer));
        let dead = dead.count();
        if dead == 0 {
            return;
        }
        let rest = list[dead..].to_vec();
        self.is_orphan = rest.is_empty();
        self.replace_successors(rest, out);
        self.notify_successor(out);
    }
}

fn push_bounded<T: PartialEq>(list: &mut Vec<T>, item: T) {
    list.retain(|other| *other != item);
    if list.len() == REMEMBERED_MAX {
        list.remove(0);
    }
    list.push(item);
}

/// Between two probes of a node that refuses.
const PROBE: Delay = Delay::exactly(100);

/// Between two probes of a node that says nothing.
const PROBE_SILENT: Delay = Delay::between(900, 1_100);

/// How long a pause may last that is not yet a death.
const SILENCE: Delay = Delay::exactly(30_000);

/// Nodes that are remembered for having failed: more than all that a node points to.
const REMEMBERED_MAX: usize = 64;
