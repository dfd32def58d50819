//! Scene: three members, their stores, what is on its way between them, and what can happen next.

use std::collections::VecDeque;
use std::rc::Rc;

use dht::event::{Cause, Note, Ticket, Timer};
use dht::message::{Reply, Request};
use dht::record::{Change, Changed, Condition, Version};
use dht::replication::message::Ask;
use dht::store::{Store as _, perform};
use dht::{Action, Event, Id};

use crate::check::group::GroupOptions;
use crate::check::group::host::{Host, MEMBERS, Place, fingerprint, founded, peer, resumed};
use crate::check::group::judge::Judge;
use crate::check::group::letter::Letter;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write(Place),
    Read(Place),
    Beat(Place),
    /// The clock of this member goes on until it has lost its patience, and those of the others that do
    /// not serve until they doubt as well.
    Lapse(Place),
    /// The letter at this place arrives, there or back.
    Arrive(usize),
    Lose(usize),
    Crash(Place),
    Restart(Place),
}

/// A planted mistake.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// There is none.
    None,
    /// A follower says that it has a write, and has it not.
    HastyFollower,
    /// A member forgets at once what it has promised or accepted.
    ForgetfulAcceptor,
}

#[derive(Clone, Debug)]
pub(super) struct Scene {
    hosts: [Rc<Host>; MEMBERS],
    /// With the fingerprint of each; in the order of fingerprints.
    letters: Vec<(u128, Rc<Letter>)>,
    pub(super) judge: Judge,
    /// What may still happen.
    left: GroupOptions,
    /// Clients' questions so far.
    asked: u64,
    #[cfg(test)]
    pub(super) flaw: Flaw,
}

impl Scene {
    /// The first member leads, and all have everything.
    pub(super) fn new(options: GroupOptions) -> Scene {
        let hosts = [0, 1, 2].map(|place| {
            let store = founded(place);
            let node = Some(resumed(place, &store));
            let host = Host {
                node,
                store,
                fingerprint: 0,
            };
            Rc::new(host.marked())
        });
        let mut scene = Scene {
            hosts,
            letters: Vec::new(),
            judge: Judge::default(),
            left: options,
            asked: 0,
            #[cfg(test)]
            flaw: Flaw::None,
        };
        for _ in 0..SETTLING_BEATS {
            let problem = scene.happen(0, Event::Elapsed(Timer::Beat));
            assert_eq!(problem, None, "the group begins well");
            scene.settle();
        }
        assert!(scene.serves(0), "the first member leads");
        scene
    }

    /// Everything arrives in some order.
    fn settle(&mut self) {
        while !self.letters.is_empty() {
            let problem = self.arrive(0, true);
            assert_eq!(problem, None, "the group begins well");
        }
    }

    pub(super) fn fingerprint(&self) -> u128 {
        let hosts = self.hosts.each_ref().map(|host| host.fingerprint);
        let letters: Vec<u128> = self.letters.iter().map(|(mark, _)| *mark).collect();
        fingerprint(&format!(
            "{hosts:?} {letters:?} {:?} {:?} {}",
            self.judge, self.left, self.asked
        ))
    }

    /// All that can happen.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = (0..self.letters.len()).map(Step::Arrive).collect();
        if self.left.losses > 0 {
            steps.extend((0..self.letters.len()).map(Step::Lose));
        }
        let is_down = |place: &Place| self.hosts[*place].node.is_none();
        let down = (0..MEMBERS).find(is_down);
        for place in (0..MEMBERS).filter(|place| !is_down(place)) {
            let left = &self.left;
            for (count, step) in [
                (left.beats, Step::Beat(place)),
                (left.lapses, Step::Lapse(place)),
                (left.crashes * u8::from(down.is_none()), Step::Crash(place)),
                (
                    left.writes * u8::from(self.serves(place)),
                    Step::Write(place),
                ),
                (left.reads * u8::from(self.serves(place)), Step::Read(place)),
            ] {
                if count > 0 {
                    steps.push(step);
                }
            }
        }
        steps.extend(down.map(Step::Restart));
        steps
    }

    /// Does one thing. Returns what does not hold after it.
    pub(super) fn perform(&mut self, step: Step) -> Option<String> {
        let problem = match step {
            Step::Write(place) => {
                self.left.writes -= 1;
                let change = Change {
                    name: None,
                    value: Some([self.left.writes][..].into()),
                    condition: Condition::Always,
                    expires_ms: None,
                    now_ms: 0,
                };
                self.ask(place, Request::Change(KEY, change))
            }
            Step::Read(place) => {
                self.left.reads -= 1;
                self.ask(place, Request::Read(KEY))
            }
            Step::Beat(place) => {
                self.left.beats -= 1;
                self.happen(place, Event::Elapsed(Timer::Beat))
            }
            Step::Lapse(place) => {
                self.left.lapses -= 1;
                self.lapse(place)
            }
            Step::Arrive(letter) => self.arrive(letter, true),
            Step::Lose(letter) => {
                self.left.losses -= 1;
                self.arrive(letter, false)
            }
            Step::Crash(place) => {
                self.left.crashes -= 1;
                self.letters.retain(|(_, letter)| letter.from != place);
                self.change(place, |host| host.node = None);
                None
            }
            Step::Restart(place) => {
                self.change(place, |host| host.node = Some(resumed(place, &host.store)));
                None
            }
        };
        problem.or_else(|| self.seen())
    }

    pub(super) fn in_words(&self, step: Step) -> String {
        let letter = |place: usize| self.letters[place].1.in_words();
        match step {
            Step::Write(place) => format!("a client writes at {place}"),
            Step::Read(place) => format!("a client reads at {place}"),
            Step::Beat(place) => format!("the clock of {place} beats"),
            Step::Lapse(place) => {
                format!("the clock of {place} beats until it has lost its patience")
            }
            Step::Arrive(place) => letter(place),
            Step::Lose(place) => format!("lost: {}", letter(place)),
            Step::Crash(place) => format!("{place} crashes"),
            Step::Restart(place) => format!("{place} starts again on its store"),
        }
    }

    fn serves(&self, place: Place) -> bool {
        let node = self.hosts[place].node.as_ref();
        node.is_some_and(|node| !node.view().serves.is_empty())
    }

    fn ask(&mut self, place: Place, request: Request<u32>) -> Option<String> {
        self.asked += 1;
        let ticket = CLIENTS + self.asked;
        self.judge.asked(ticket);
        let (ticket, from) = (Ticket(ticket), peer(MEMBERS));
        self.happen(
            place,
            Event::Asked {
                ticket,
                from,
                request,
            },
        )
    }

    fn lapse(&mut self, place: Place) -> Option<String> {
        let all = 0..MEMBERS;
        let others: Vec<Place> = all
            .filter(|other| *other != place && !self.serves(*other))
            .collect();
        for other in others {
            for _ in 0..DOUBT_BEATS {
                let problem = self.happen(other, Event::Elapsed(Timer::Beat));
                if problem.is_some() {
                    return problem;
                }
            }
        }
        for _ in 0..LAPSE_BEATS {
            let before = self.letters.len();
            let problem = self.happen(place, Event::Elapsed(Timer::Beat));
            if problem.is_some() {
                return problem;
            }
            let proposes = |(_, letter): &(u128, Rc<Letter>)| {
                letter.from == place && matches!(letter.ask(), Some(Ask::Prepare(_)))
            };
            if self.letters.len() > before && self.letters.iter().any(proposes) {
                break;
            }
        }
        None
    }

    /// A letter arrives, or nothing of it does.
    fn arrive(&mut self, letter: usize, arrives: bool) -> Option<String> {
        let (_, letter) = self.letters.remove(letter);
        let Letter {
            from,
            to,
            ticket,
            request,
            reply,
        } = Rc::unwrap_or_clone(letter);
        match reply {
            None if arrives && self.hosts[to].node.is_some() => {
                self.question_arrives(from, to, ticket, request)
            }
            Some(reply) if arrives => {
                let (from, asker) = (peer(to), from);
                let micros = 0;
                self.happen(
                    asker,
                    Event::Answered {
                        ticket,
                        from,
                        reply,
                        micros,
                    },
                )
            }
            _ => {
                let cause = Cause::Silent;
                self.happen(from, Event::Unanswered { ticket, cause })
            }
        }
    }

    fn question_arrives(
        &mut self,
        from: Place,
        to: Place,
        ticket: Ticket,
        request: Request<u32>,
    ) -> Option<String> {
        #[cfg(test)]
        let before = Rc::clone(&self.hosts[to]);
        let mut letter = Letter {
            from,
            to,
            ticket,
            request,
            reply: None,
        };
        let asked = Event::Asked {
            ticket: Ticket(OPEN),
            from: peer(from),
            request: letter.request.clone(),
        };
        let (replies, problem) = self.feed(to, asked);
        letter.reply = replies.into_iter().next();
        #[cfg(test)]
        if self.is_forgotten(&letter) {
            self.hosts[to] = before;
        }
        if letter.reply.is_some() {
            self.post(letter);
        }
        problem
    }

    /// Whether whoever was asked forgets it again, having answered.
    #[cfg(test)]
    fn is_forgotten(&self, letter: &Letter) -> bool {
        matches!(
            (self.flaw, letter.ask()),
            (Flaw::HastyFollower, Some(Ask::Append { .. }))
                | (
                    Flaw::ForgetfulAcceptor,
                    Some(Ask::Prepare(_) | Ask::Accept(..))
                )
        )
    }

    fn happen(&mut self, place: Place, event: Event<u32>) -> Option<String> {
        self.feed(place, event).1
    }

    /// Puts an event to a member and does what it wants. Returns what it told the member that has just
    /// asked, and what does not hold.
    fn feed(&mut self, place: Place, event: Event<u32>) -> (Vec<Reply<u32>>, Option<String>) {
        let mut host = Host::clone(&self.hosts[place]);
        let Some(node) = &mut host.node else {
            return (Vec::new(), None);
        };
        let (mut replies, mut told, mut problem) = (Vec::new(), Vec::new(), None);
        let mut events = VecDeque::from([event]);
        let mut actions = Vec::new();
        while let Some(event) = events.pop_front() {
            node.handle(event, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Ask {
                        ticket,
                        to,
                        request,
                    } => self.post(Letter {
                        from: place,
                        to: to.address as Place,
                        ticket,
                        request,
                        reply: None,
                    }),
                    Action::Reply { ticket, reply } if ticket.0 == OPEN => replies.push(reply),
                    Action::Reply { ticket, reply } => told.push((ticket.0, reply)),
                    Action::Store { ticket, command } => {
                        let outcome = perform(&mut host.store, command);
                        events.push_back(Event::Stored { ticket, outcome });
                    }
                    Action::Note(Note::Epoch(_, epoch, leader)) => {
                        problem = problem.or(self.judge.decided(epoch, leader.address));
                    }
                    Action::Note(_)
                    | Action::Wait { .. }
                    | Action::Publish
                    | Action::Return { .. } => {}
                }
            }
        }
        self.hosts[place] = Rc::new(host.marked());
        for (ticket, reply) in told {
            problem = problem.or_else(|| self.client_told(ticket, &reply));
        }
        (replies, problem)
    }

    fn client_told(&mut self, ticket: u64, reply: &Reply<u32>) -> Option<String> {
        match reply {
            Reply::Changed(Changed::Created(version) | Changed::Replaced(version), _) => {
                let stored = self.stored();
                let has = stored.iter().filter(|other| **other >= Some(*version));
                self.judge.acked(ticket, *version, has.count())
            }
            Reply::Record(record) => {
                let version = record.as_ref().map(|record| record.version);
                self.judge.read(ticket, version)
            }
            _ => {
                self.judge.told(ticket);
                None
            }
        }
    }

    fn stored(&self) -> Vec<Option<Version>> {
        let records = self.hosts.iter().map(|host| host.store.read(KEY));
        records
            .map(|record| record.map(|record| record.version))
            .collect()
    }

    fn seen(&self) -> Option<String> {
        let nodes = self.hosts.iter().flat_map(|host| &host.node);
        let serving = nodes.flat_map(|node| {
            let view = node.view();
            view.serves
                .iter()
                .map(|range| (range.epoch, view.me.address))
        });
        let serving: Vec<(u32, u32)> = serving.collect();
        self.judge.seen(&self.stored(), &serving)
    }

    fn post(&mut self, letter: Letter) {
        if letter.to >= MEMBERS {
            return;
        }
        let mark = fingerprint(&format!("{letter:?}"));
        let place = self.letters.partition_point(|(other, _)| *other < mark);
        self.letters.insert(place, (mark, Rc::new(letter)));
    }

    fn change(&mut self, place: Place, change: impl FnOnce(&mut Host)) {
        let mut host = Host::clone(&self.hosts[place]);
        change(&mut host);
        self.hosts[place] = Rc::new(host.marked());
    }
}

/// What clients write and read: it belongs to the first member.
const KEY: Id = Id::ZERO;

/// Tickets of clients come after this one.
const CLIENTS: u64 = 1_000;

/// The ticket of the question that a member is answering; stores answer at once, so it always does.
const OPEN: u64 = 0;

/// Beats of the first member until it leads and has heard of all.
const SETTLING_BEATS: usize = 6;

/// Beats after which a member that hears nothing lets others propose.
const DOUBT_BEATS: usize = 3;

/// Beats after which even the last member in rank has lost its patience.
const LAPSE_BEATS: usize = 12;
