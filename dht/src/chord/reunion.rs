//! Reunion: rings that were parted find each other again, and become one.
//!
//! A partition that lasts makes each side take the other one for dead, and two rings go on. So a node
//! remembers whom it took for dead, and with each self-check asks one of them for the way to itself. If
//! that one is there and its ring names somebody else, the smallest identifiers of both rings are looked
//! up: the ring with the larger one dissolves. Its nodes join the other ring one by one, each as a new
//! life of itself, and each tells those beside whom it stood where it has gone.
//!
//! Nothing here touches content. What a majority of a group has is what counts, and a group's members
//! are stores, not lives, wherever in whichever ring they are. With one copy each node carries its own along
//! ([`crate::content::carry`]).

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::chord::join::Join;
use crate::content::coordinate::{Operation, Purpose};
use crate::event::{Action, Cause, Delay, Timer};
use crate::id::Id;
use crate::lookup::Lookup;
use crate::message::{Link, LinkKind, Request, Route, Routing};
use crate::node::{Node, Question, wait};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::view::Phase;

/// What a node knows of other rings.
#[derive(Clone, Debug)]
pub(crate) struct Reunion<A> {
    /// Nodes that were taken for dead, the one to be asked next first.
    strangers: Vec<Peer<A>>,
    /// With whose ring the own one is being compared, and how far that has come.
    compared: Option<Compared<A>>,
    /// Self-checks for which this node stays where it is.
    rest: u8,
    /// Those beside whom this node stood in the ring that it has left.
    left: Vec<Peer<A>>,
}

#[derive(Clone, Debug)]
struct Compared<A> {
    contact: Peer<A>,
    /// How often the own pointers had changed when this began.
    moves: u32,
    /// Comparisons with the same contact in a row.
    rounds: u8,
    /// The smallest identifier of its ring, once that is known.
    theirs: Option<Peer<A>>,
    /// Whether the own ring is known to be the one that dissolves.
    dissolves: bool,
}

/// What a lookup is to find out about another ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Whom it names in this node's place.
    Place,
    /// Its first node.
    Theirs,
    /// The first node of the own ring.
    Ours,
}

impl<A: Address> Reunion<A> {
    const fn new() -> Reunion<A> {
        Reunion {
            strangers: Vec::new(),
            compared: None,
            rest: 0,
            left: Vec::new(),
        }
    }
}

impl<A: Address> Node<A> {
    /// A node was taken for dead: it may be on the other side of a partition.
    pub(crate) fn remember(&mut self, peer: Peer<A>) {
        meet(&mut self.reunion().strangers, peer);
    }

    /// A self-check is due: somebody that was taken for dead may be there.
    pub(crate) fn seek_strangers(&mut self, out: &mut Vec<Action<A>>) {
        if let Some(reunion) = &mut self.reunion {
            reunion.rest = reunion.rest.saturating_sub(1);
            if !reunion.strangers.is_empty() {
                let stranger = reunion.strangers.remove(0);
                reunion.strangers.push(stranger.clone());
                self.compare_with(stranger, 0, out);
            }
        }
    }

    /// Somebody is there, maybe as another life than the one that is remembered.
    pub(crate) fn is_there(&mut self, peer: Peer<A>) {
        if peer.id == self.view.me.id {
            return;
        }
        self.meet_lives(core::slice::from_ref(&peer));
        if let Some(join) = self.join.as_mut().filter(|join| join.caller.is_none()) {
            return meet(&mut join.hints, peer);
        }
        meet(&mut self.reunion().strangers, peer);
    }

    /// A node of what may be another ring asks to compare them. If both are in none, the one with the smaller
    /// identifier begins one, for there may be no other left.
    pub(crate) fn compare_rings(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        let me = self.view.me.id;
        let joins = |join: &Join<A>| join.caller.is_none() && join.attempts >= LONELY;
        let is_lonely = self.join.as_deref().is_some_and(joins);
        if is_lonely && me < peer.id {
            self.begin_ring(out);
        } else if peer.id != me {
            self.compare_with(peer, 0, out);
        }
    }

    /// A node that finds no ring asks the others whom it knows, one after the other, whether they are in none
    /// either.
    pub(crate) fn ask_the_lonely(&mut self, out: &mut Vec<Action<A>>) {
        let Some(join) = self.join.as_mut().filter(|join| join.caller.is_none()) else {
            return;
        };
        if join.attempts >= LONELY && !join.hints.is_empty() {
            join.hints.rotate_left(1);
            let peer = join.hints[0].clone();
            self.ask(&peer, Request::Meet, Question::Tell(peer.clone()), out);
        }
    }

    /// Compares the ring of another node with the own one, unless that is going on already.
    fn compare_with(&mut self, contact: Peer<A>, rounds: u8, out: &mut Vec<Action<A>>) {
        let moves = self.moves;
        if self.view.phase != Phase::Member {
            return;
        }
        let reunion = self.reunion();
        if reunion.compared.is_some() || reunion.rest > 0 {
            return;
        }
        reunion.compared = Some(Compared {
            contact: contact.clone(),
            moves,
            rounds,
            theirs: None,
            dissolves: false,
        });
        self.look_up(Step::Place, contact, out);
    }

    /// Starts a lookup at another node.
    fn look_up(&mut self, step: Step, through: Peer<A>, out: &mut Vec<Action<A>>) {
        let incarnation = self.view.me.incarnation;
        let key = match step {
            Step::Place => self.view.me.id,
            Step::Theirs | Step::Ours => Id::ZERO,
        };
        let route = Route {
            key,
            rule: Ownership::Successor,
            routing: Routing::Finger,
        };
        let lookup = match step {
            Step::Ours => Lookup::from(route, &self.view.me, self.known(route)),
            Step::Place | Step::Theirs => {
                let (node, kind) = (through, LinkKind::Start);
                Lookup::through(route, [Link { node, kind }].into())
            }
        };
        let purpose = Purpose::Reunion(incarnation, step);
        self.operate(Operation::new(purpose, lookup), out);
    }

    /// A step of the comparison has its answer, or none.
    pub(crate) fn ring_found(
        &mut self,
        (incarnation, step): (u32, Step),
        found: Option<Peer<A>>,
        out: &mut Vec<Action<A>>,
    ) {
        let me = self.view.me.clone();
        let Some(reunion) = self.reunion.as_mut() else {
            return;
        };
        let Some(compared) = reunion.compared.as_mut() else {
            return;
        };
        let contact = compared.contact.clone();
        match (step, found.filter(|_| incarnation == me.incarnation)) {
            (Step::Place, Some(owner)) if owner != me => {
                self.look_up(Step::Theirs, contact, out);
            }
            // It names this node, so it is the same ring.
            (Step::Place, Some(_)) => {
                reunion.compared = None;
                if !self.detector.is_gone(&contact) {
                    reunion.strangers.retain(|stranger| *stranger != contact);
                }
            }
            (Step::Theirs, Some(first)) => {
                compared.theirs = Some(first);
                self.look_up(Step::Ours, contact, out);
            }
            (Step::Ours, Some(ours)) => self.rings_compared(&ours, out),
            _ => reunion.compared = None,
        }
    }

    /// The smallest identifiers of both rings are known.
    fn rings_compared(&mut self, ours: &Peer<A>, out: &mut Vec<Action<A>>) {
        let Some(compared) = self.reunion().compared.as_mut() else {
            return;
        };
        let contact = compared.contact.clone();
        match compared
            .theirs
            .as_ref()
            .map(|theirs| theirs.id.cmp(&ours.id))
        {
            Some(core::cmp::Ordering::Less) => {
                compared.dissolves = true;
                wait(Timer::Reunion, PAUSE, out);
            }
            order => {
                self.reunion().compared = None;
                // The other ring is the one that dissolves: its node may not know of this one.
                if order == Some(core::cmp::Ordering::Greater) {
                    let question = Question::Tell(contact.clone());
                    self.ask(&contact, Request::Meet, question, out);
                }
            }
        }
    }

    /// The pause before this node leaves its ring for the other one is over. While its neighbours come and
    /// go themselves it waits: those of a ring go one by one.
    pub(crate) fn rejoin_other(&mut self, out: &mut Vec<Action<A>>) {
        let Some(compared) = self.reunion.as_mut().and_then(|reunion| {
            let dissolves = |compared: &mut Compared<A>| compared.dissolves;
            reunion.compared.take_if(dissolves)
        }) else {
            return;
        };
        if self.view.phase != Phase::Member {
            return;
        }
        let view = &self.view;
        let beside = view.predecessor.iter().chain(view.successors.first());
        let are_there = beside
            .into_iter()
            .all(|peer| !self.detector.distrusts(peer));
        let is_still = compared.moves == self.moves && !self.exchange && are_there;
        if !is_still && compared.rounds < ROUNDS_MAX {
            return self.compare_with(compared.contact, compared.rounds + 1, out);
        }
        let mut left: Vec<Peer<A>> = self.view.predecessor.iter().cloned().collect();
        left.extend(self.view.successors.iter().cloned());
        left.retain(|peer| *peer != self.view.me);
        let mut hints = Vec::from([compared.contact]);
        hints.extend(compared.theirs);
        // Should all of these be gone by now, the old ring is still better than none.
        hints.extend(left.iter().cloned());
        let reunion = self.reunion();
        reunion.left = left;
        reunion.rest = REST;
        self.start_over(hints, out);
    }

    /// This node has joined the other ring: those beside whom it stood follow, each in its time.
    pub(crate) fn tell_left(&mut self, out: &mut Vec<Action<A>>) {
        let left = self
            .reunion
            .as_mut()
            .map(|reunion| core::mem::take(&mut reunion.left));
        for peer in left.unwrap_or_default() {
            self.ask(&peer, Request::Meet, Question::Tell(peer.clone()), out);
        }
    }

    /// A stranger that was asked has not answered: who refuses has ended this life.
    pub(crate) fn stranger_missed(&mut self, peer: &Peer<A>, cause: Cause) {
        if let Some(reunion) = self.reunion.as_mut().filter(|_| cause == Cause::Refused) {
            reunion.strangers.retain(|stranger| stranger != peer);
        }
    }

    /// A life that a node has begun after this one, if it has been met.
    pub(crate) fn later_life(&self, peer: &Peer<A>) -> Option<&Peer<A>> {
        let mut strangers = self.strangers().iter();
        strangers.find(|stranger| stranger.is_later_life_of(peer))
    }

    /// Those that were taken for dead.
    pub(crate) fn strangers(&self) -> &[Peer<A>] {
        self.reunion
            .as_ref()
            .map_or(&[], |reunion| &reunion.strangers)
    }

    fn reunion(&mut self) -> &mut Reunion<A> {
        self.reunion.get_or_insert_with(|| Box::new(Reunion::new()))
    }
}

/// Remembers a node in the place of an earlier life of it, or else as the last one.
fn meet<A: Address>(known: &mut Vec<Peer<A>>, peer: Peer<A>) {
    if let Some(same) = known.iter_mut().find(|other| other.id == peer.id) {
        if same.incarnation < peer.incarnation {
            *same = peer;
        }
        return;
    }
    if known.len() == STRANGERS_MAX {
        known.remove(0);
    }
    known.push(peer);
}

/// Nodes that are remembered after they were taken for dead: more than one points to.
const STRANGERS_MAX: usize = 64;

/// Attempts to join in vain, at about a second each, after which there may be no ring left.
const LONELY: u16 = 5;

/// Before a node leaves its ring for another one, so that its neighbours don't at the same time.
const PAUSE: Delay = Delay::between(500, 5_000);

/// How often a node waits for its neighbours to settle. In a ring that never does it goes all the same.
const ROUNDS_MAX: u8 = 8;

/// Self-checks for which a node that has joined another ring stays there.
const REST: u8 = 2;
