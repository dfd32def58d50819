//! Hosts: where a life is, and what it has on its way, each such pair kept once.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use dht::message::{Reply, Request};
use dht::view::{Phase, View};
use dht::{Arc, Id, Peer};

use crate::check::cast::{Cast, Life, Set};
use crate::check::known::{Known, NodeId};
use crate::check::seen::Fast;
use crate::check::words::Word;

/// One life, and all it has on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) being: Being,
    /// Whom it has notified, and who has not heard of it yet.
    pub(crate) notifies: Set,
    /// Its questions that have not been answered.
    pub(crate) letters: [Option<Letter>; LETTERS_MAX],
    /// Places of the items that died with it.
    pub(crate) lost: Set,
    /// Places of items that it served when it died, and whose giver does not know yet whether it did, so
    /// that it may serve them again.
    pub(crate) risked: Set,
}

/// Questions open at rest: an exchange, a farewell, a batch of each handover that was not answered, and
/// whether an arc is free, of each other member and of some that are no more.
const LETTERS_MAX: usize = 8;

/// How far a life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Being {
    /// It has not begun.
    Unborn,
    /// A node in this state.
    Alive(NodeId),
    /// It is over.
    Over,
}

/// A question on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Letter {
    pub(crate) to: Life,
    pub(crate) request: Word,
    pub(crate) stage: Stage,
    /// Whether its answer may take its time.
    pub(crate) is_slow: bool,
}

/// Where a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// On its way there.
    Asked,
    /// There, where it is not answered yet.
    Held,
    /// On its way back, with this answer.
    Told(Word),
    /// On its way back: nobody is there.
    Refused,
}

impl Host {
    pub(crate) const UNBORN: Host = Host {
        being: Being::Unborn,
        notifies: 0,
        letters: [None; LETTERS_MAX],
        lost: 0,
        risked: 0,
    };

    pub(crate) fn node(&self) -> Option<NodeId> {
        match self.being {
            Being::Alive(node) => Some(node),
            Being::Unborn | Being::Over => None,
        }
    }

    pub(crate) fn letters(&self) -> impl Iterator<Item = Letter> + use<> {
        self.letters.into_iter().flatten()
    }

    /// Puts a letter where there is room; they stay sorted, so that equal hosts are equal.
    pub(crate) fn post(&mut self, letter: Letter) {
        assert!(
            self.letters[0].is_none(),
            "at most {LETTERS_MAX} questions are open"
        );
        self.letters[0] = Some(letter);
        self.letters.sort_unstable();
    }

    pub(crate) fn take(&mut self, letter: Letter) {
        let place = self.letters.iter().position(|open| *open == Some(letter));
        self.letters[place.expect("a letter that is taken is there")] = None;
        self.letters.sort_unstable();
    }
}

/// What is to be known of a host to judge a ring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) is_alive: bool,
    /// Whether it is part of the ring.
    pub(crate) is_member: bool,
    pub(crate) is_leaving: bool,
    pub(crate) exchange: bool,
    pub(crate) predecessor: Option<Life>,
    pub(crate) successors: Vec<Life>,
    /// Whom its list names.
    pub(crate) list: Set,
    /// Whom its list skips.
    pub(crate) skips: Set,
    /// Lists that are on their way to it: whom they name, and what they skip.
    pub(crate) coming: Vec<(Set, Set)>,
    /// Whom it takes for dead.
    pub(crate) gone: Set,
    /// Whether a farewell or a batch waits for its time.
    pub(crate) is_waiting: bool,
    /// Whether it does not serve all that its pointers say it should.
    pub(crate) misses: bool,
}

/// All hosts that there were.
pub(crate) struct Hosts {
    hosts: Vec<Host>,
    facts: Vec<Facts>,
    numbers: HashMap<(Life, Host), u32, BuildHasherDefault<Fast>>,
}

impl Hosts {
    /// Number 0 is the life that has not begun, whoever's it is.
    pub(crate) fn new() -> Hosts {
        Hosts {
            hosts: vec![Host::UNBORN],
            facts: vec![Facts::default()],
            numbers: HashMap::default(),
        }
    }

    pub(crate) fn host(&self, number: u32) -> Host {
        self.hosts[number as usize]
    }

    pub(crate) fn facts(&self, number: u32) -> &Facts {
        &self.facts[number as usize]
    }

    pub(crate) fn number(&mut self, life: Life, host: Host, known: &Known, cast: Cast) -> u32 {
        if host == Host::UNBORN {
            return 0;
        }
        *self.numbers.entry((life, host)).or_insert_with(|| {
            self.hosts.push(host);
            self.facts.push(facts(life, &host, known, cast));
            self.hosts.len() as u32 - 1
        })
    }
}

fn facts(life: Life, host: &Host, known: &Known, cast: Cast) -> Facts {
    let Some(kept) = host.node().map(|node| known.kept(node)) else {
        return Facts::default();
    };
    let view = kept.node.view();
    let successors: Vec<Life> = lives(&view.successors).collect();
    let (list, skips) = reach(life, &successors, cast);
    let is_join = view.phase == Phase::Joining;
    let coming = host.letters().filter_map(|letter| {
        let Stage::Told(reply) = letter.stage else {
            return None;
        };
        let Reply::State(state) = known.replies.word(reply) else {
            return None;
        };
        let head = (!is_join).then_some(letter.to);
        let list: Vec<Life> = head.into_iter().chain(lives(&state.successors)).collect();
        let mut list = clockwise(life, &list, cast);
        list.truncate(known.successors_max());
        Some(reach(life, &list, cast))
    });
    Facts {
        is_alive: true,
        is_member: matches!(view.phase, Phase::Member | Phase::Leaving),
        is_leaving: view.phase == Phase::Leaving,
        exchange: kept.node.projection().exchange,
        predecessor: view.predecessor.as_ref().map(|peer| peer.address as Life),
        list,
        skips,
        coming: coming.collect(),
        gone: kept.gone,
        is_waiting: is_waiting(host, kept.node.projection().passage.as_str(), known),
        misses: misses(view),
        successors,
    }
}

/// Whether a member does not serve all of its own.
fn misses(view: &View<u32>) -> bool {
    let own = view.own_arc().filter(|_| view.phase == Phase::Member);
    let mut rest: Vec<Arc> = own.into_iter().collect();
    for range in &view.serves {
        rest = rest.iter().flat_map(|arc| arc.without(range.arc)).collect();
    }
    !rest.is_empty()
}

/// Whether a timer runs for something that goes on only then.
fn is_waiting(host: &Host, passage: &str, known: &Known) -> bool {
    let is_on_its_way = |letter: Letter| {
        let request = known.requests.word(letter.request);
        matches!(request, Request::Leaving(_) | Request::Transfer(_))
    };
    passage.ends_with("true") && !host.letters().any(is_on_its_way)
}

fn lives(peers: &[Peer<u32>]) -> impl Iterator<Item = Life> {
    peers.iter().map(|peer| peer.address as Life)
}

/// What of a list another node would take over; nodes go by identifiers, whichever life is meant.
fn clockwise(life: Life, list: &[Life], cast: Cast) -> Vec<Life> {
    let me = cast.peer(life).id;
    let mut last = Id::ZERO;
    let further = |other: &&Life| {
        let distance = me.distance_to(cast.peer(**other).id);
        std::mem::replace(&mut last, distance) < distance
    };
    list.iter().take_while(further).copied().collect()
}

/// Whom a list names, and whom it skips, seen from the one whose it is.
fn reach(life: Life, list: &[Life], cast: Cast) -> (Set, Set) {
    let names = list.iter().fold(0, |set, other| set | 1 << other);
    let before = std::iter::once(&life).chain(list);
    let pairs = before.zip(list);
    let skips = pairs.fold(0, |set, (a, b)| set | cast.between(*a, *b));
    (names, skips)
}
