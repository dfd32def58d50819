//! Member: every state that a single member was ever seen in, each kept once, and what it does.
//!
//! A member is a function of its state and of what happens to it, so each pair is put to the real node
//! once and remembered, as in `known`.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use dht::event::{Cause, Ticket, Timer};
use dht::message::{Reply, Request};
use dht::record::{Change, Changed, Condition, Version};
use dht::replication::group::Next;
use dht::replication::message::Ask;
#[cfg(test)]
use dht::replication::message::Told;
use dht::store::{Memory, Store as _, perform};
use dht::{Action, Event, Id, Node};

use crate::check::group::host::{MEMBERS, Place, fingerprint, founded, peer, resumed};
use crate::check::group::letter::{Letter, LetterId, Mails};
#[cfg(test)]
use crate::check::group::tests::Twins;
use crate::check::seen::Fast;
use crate::check::words::{Word, Words};

/// A state of a member, by its number.
pub(super) type MemberId = u32;

/// Something that happens to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stimulus {
    /// A client writes: the so-manieth thing that clients want.
    Write(u8),
    Read(u8),
    /// Its clock beats.
    Beat,
    /// Its clock beats until it lets others propose.
    Doubt,
    /// Its clock beats until it has lost its patience.
    Lapse,
    /// A letter arrives.
    Letter(LetterId),
    /// What it has asked is not answered.
    Unanswered(LetterId),
    Crash,
    /// It starts again on its store.
    Restart,
}

/// What a member did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) member: MemberId,
    pub(super) sent: Vec<LetterId>,
    /// What clients were told.
    pub(super) told: Vec<(u8, Answer)>,
    /// What it takes for decided: which epoch has ended, and what comes next.
    pub(super) decided: Vec<(u32, Word)>,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its write is made.
    Acked(Version),
    /// This is there.
    Read(Option<Version>),
    /// Nothing that counts.
    Nothing,
}

/// A member in one state, and the names of its open questions.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) place: Place,
    /// Nothing while it is down.
    pub(super) node: Option<Node<u32>>,
    store: Memory,
    open: Vec<((u8, Word, Word), Ticket)>,
}

/// What counts of a member at a glance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) is_up: bool,
    /// The epoch in which it serves.
    pub(super) serves: Option<u32>,
    /// What its store has.
    pub(super) version: Option<Version>,
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
    /// A member that takes part in the end of an epoch stores and acknowledges writes of it all the same.
    UnfencedFollower,
}

/// All of them.
pub(super) struct Members {
    kept: Vec<Kept>,
    facts: Vec<Facts>,
    numbers: HashMap<u128, MemberId>,
    pub(super) outcomes: HashMap<(MemberId, Stimulus), Rc<Outcome>, BuildHasherDefault<Fast>>,
    pub(super) mails: Mails,
    requests: Words<Request<u32>>,
    replies: Words<Reply<u32>>,
    abouts: Words<String>,
    pub(super) decisions: Words<Next<u32>>,
    #[cfg(test)]
    pub(super) flaw: Flaw,
    /// Members that were taken for one that was known already, where they are looked at.
    #[cfg(test)]
    pub(super) twins: Option<Twins>,
}

impl Members {
    pub(super) fn new(mails: Mails) -> Members {
        Members {
            kept: Vec::new(),
            facts: Vec::new(),
            numbers: HashMap::new(),
            outcomes: HashMap::default(),
            mails,
            requests: Words::default(),
            replies: Words::default(),
            abouts: Words::default(),
            decisions: Words::default(),
            #[cfg(test)]
            flaw: Flaw::None,
            #[cfg(test)]
            twins: None,
        }
    }

    /// A member of a new ring.
    pub(super) fn founder(&mut self, place: Place) -> MemberId {
        let store = founded(place);
        let node = Some(resumed(place, &store));
        self.keep(Kept {
            place,
            node,
            store,
            open: Vec::new(),
        })
    }

    /// How many states of single members there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn facts(&self, member: MemberId) -> Facts {
        self.facts[member as usize]
    }

    pub(super) fn kept(&self, member: MemberId) -> &Kept {
        &self.kept[member as usize]
    }

    pub(super) fn outcome(&mut self, member: MemberId, stimulus: Stimulus) -> Rc<Outcome> {
        if let Some(outcome) = self.outcomes.get(&(member, stimulus)) {
            return Rc::clone(outcome);
        }
        let kept = self.kept(member).clone();
        let outcome = Rc::new(self.put(kept, stimulus));
        let key = (member, stimulus);
        self.outcomes.insert(key, Rc::clone(&outcome));
        outcome
    }

    /// Puts it to the node itself.
    pub(super) fn put(&mut self, mut kept: Kept, stimulus: Stimulus) -> Outcome {
        let mut doing = Doing::default();
        match stimulus {
            Stimulus::Write(number) => {
                let change = Change {
                    name: None,
                    value: Some([number][..].into()),
                    condition: Condition::Always,
                    flags: 0,
                    expires_ms: None,
                    now_ms: 0,
                };
                let request = Request::Change(KEY, change);
                self.feed(&mut kept, asked_by_client(number, request), &mut doing);
            }
            Stimulus::Read(number) => {
                let request = Request::Read(KEY);
                self.feed(&mut kept, asked_by_client(number, request), &mut doing);
            }
            Stimulus::Beat => self.feed(&mut kept, Event::Elapsed(Timer::Beat), &mut doing),
            Stimulus::Doubt => {
                for _ in 0..DOUBT_BEATS {
                    self.feed(&mut kept, Event::Elapsed(Timer::Beat), &mut doing);
                }
            }
            Stimulus::Lapse => {
                for _ in 0..LAPSE_BEATS {
                    self.feed(&mut kept, Event::Elapsed(Timer::Beat), &mut doing);
                    if doing.has_proposed {
                        break;
                    }
                }
            }
            Stimulus::Letter(number) => {
                let letter = self.mails.letter(number);
                match letter.reply {
                    None => self.question_arrives(&mut kept, letter, &mut doing),
                    Some(reply) => {
                        let answered = Event::Answered {
                            ticket: kept.take_ticket(letter),
                            from: peer(letter.to.into()),
                            reply: self.replies.word(reply).clone(),
                            micros: 0,
                        };
                        self.feed(&mut kept, answered, &mut doing);
                    }
                }
            }
            Stimulus::Unanswered(number) => {
                let ticket = kept.take_ticket(self.mails.letter(number));
                let cause = Cause::Silent;
                self.feed(&mut kept, Event::Unanswered { ticket, cause }, &mut doing);
            }
            Stimulus::Crash => {
                kept.node = None;
                kept.open.clear();
            }
            Stimulus::Restart => kept.node = Some(resumed(kept.place, &kept.store)),
        }
        Outcome {
            member: self.keep(kept),
            sent: doing.sent,
            told: doing.told,
            decided: doing.decided,
        }
    }

    fn question_arrives(&mut self, kept: &mut Kept, letter: Letter, doing: &mut Doing) {
        let request = self.requests.word(letter.request).clone();
        #[cfg(test)]
        let (before, ask) = (kept.clone(), ask_of(&request).cloned());
        let asked = Event::Asked {
            ticket: Ticket(OPEN),
            from: peer(letter.from.into()),
            request,
        };
        self.feed(kept, asked, doing);
        let Some(reply) = doing.reply.take() else {
            return;
        };
        #[cfg(test)]
        let reply = self.flaw.mistake(before, ask.as_ref(), kept, reply);
        let reply = Some(self.replies.number(reply));
        doing
            .sent
            .push(self.mails.number(Letter { reply, ..letter }));
    }

    /// Puts an event to a member and does what it wants.
    fn feed(&mut self, kept: &mut Kept, event: Event<u32>, doing: &mut Doing) {
        let Kept {
            place,
            node: Some(node),
            store,
            open,
        } = kept
        else {
            return;
        };
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
                    } => {
                        if let Some(Ask::Install(next)) = ask_of(&request) {
                            let next_number = self.decisions.number(next.clone());
                            doing.decided.push((next.from.epoch, next_number));
                        }
                        doing.has_proposed |= matches!(ask_of(&request), Some(Ask::Prepare(_)));
                        let about = node.question(ticket).expect("it has just been asked");
                        let letter = Letter {
                            from: *place as u8,
                            to: to.address as u8,
                            request: self.requests.number(request),
                            about: self.abouts.number(about),
                            reply: None,
                        };
                        open.push(((letter.to, letter.request, letter.about), ticket));
                        doing.sent.push(self.mails.number(letter));
                    }
                    Action::Reply { ticket, reply } if ticket.0 == OPEN => {
                        doing.reply = Some(reply);
                    }
                    Action::Reply { ticket, reply } => {
                        let client = (ticket.0 - CLIENTS) as u8;
                        doing.told.push((client, Answer::of(&reply)));
                    }
                    Action::Store { ticket, command } => {
                        let outcome = perform(store, command);
                        events.push_back(Event::Stored { ticket, outcome });
                    }
                    Action::Note(_)
                    | Action::Wait { .. }
                    | Action::Publish
                    | Action::Return { .. } => {}
                }
            }
        }
    }

    fn keep(&mut self, kept: Kept) -> MemberId {
        let projection = kept.node.as_ref().map(Node::projection);
        let mut open: Vec<_> = kept.open.iter().map(|(question, _)| *question).collect();
        open.sort_unstable();
        let Kept { place, store, .. } = &kept;
        let key = fingerprint(&format!("{place} {projection:?} {open:?} {store:?}"));
        if let Some(number) = self.numbers.get(&key) {
            #[cfg(test)]
            if let Some(twins) = &mut self.twins {
                twins.meet(*number, kept, &self.kept[*number as usize]);
            }
            return *number;
        }
        let view = kept.node.as_ref().map(Node::view);
        let mut serves = view.iter().flat_map(|view| &view.serves);
        self.facts.push(Facts {
            is_up: kept.node.is_some(),
            serves: serves.next().map(|range| range.epoch),
            version: kept.store.read(KEY).map(|record| record.version),
        });
        self.kept.push(kept);
        let number = self.numbers.len() as MemberId;
        self.numbers.insert(key, number);
        number
    }

    pub(super) fn in_words(&self, letter: LetterId) -> String {
        let Letter {
            from,
            to,
            request,
            reply,
            ..
        } = self.mails.letter(letter);
        let request = self.requests.word(request);
        let what = match ask_of(request) {
            Some(ask) => format!("{ask:?}"),
            None => format!("{request:?}"),
        };
        match reply {
            None => format!("{from} asks {to}: {what}"),
            Some(reply) => {
                let reply = self.replies.word(reply);
                format!("{from}, which asked {to}, is told: {reply:?}")
            }
        }
    }
}

impl Kept {
    /// The name of the question that this letter asks or answers; the oldest of those that say the same.
    fn take_ticket(&mut self, letter: Letter) -> Ticket {
        let question = (letter.to, letter.request, letter.about);
        let place = self.open.iter().position(|(open, _)| *open == question);
        self.open.remove(place.expect("it was asked")).1
    }
}

impl Answer {
    fn of(reply: &Reply<u32>) -> Answer {
        match reply {
            Reply::Changed(Changed::Created(version) | Changed::Replaced(version), _) => {
                Answer::Acked(*version)
            }
            Reply::Record(record) => Answer::Read(record.as_ref().map(|record| record.version)),
            _ => Answer::Nothing,
        }
    }
}

#[cfg(test)]
impl Flaw {
    /// What becomes of the answer, and of the member that gives it, with this mistake.
    fn mistake(
        self,
        before: Kept,
        ask: Option<&Ask<u32>>,
        kept: &mut Kept,
        reply: Reply<u32>,
    ) -> Reply<u32> {
        match (self, ask) {
            (Flaw::HastyFollower, Some(Ask::Append { .. }))
            | (Flaw::ForgetfulAcceptor, Some(Ask::Prepare(_) | Ask::Accept(..))) => {
                *kept = before;
                reply
            }
            (Flaw::UnfencedFollower, Some(Ask::Append { entries, .. }))
                if reply == Reply::Group(Box::new(Told::Fenced)) && !entries.is_empty() =>
            {
                for (key, record) in entries.iter().flat_map(|entry| &entry.write) {
                    kept.store.merge(*key, record.clone());
                }
                let last = entries.last().map_or(0, |entry| entry.sequence);
                Reply::Group(Box::new(Told::Appended(last)))
            }
            _ => reply,
        }
    }
}

/// What a member does meanwhile.
#[derive(Default)]
struct Doing {
    sent: Vec<LetterId>,
    reply: Option<Reply<u32>>,
    told: Vec<(u8, Answer)>,
    decided: Vec<(u32, Word)>,
    has_proposed: bool,
}

/// What one member of a group asks another.
fn ask_of(request: &Request<u32>) -> Option<&Ask<u32>> {
    match request {
        Request::Group(request) => Some(&request.ask),
        _ => None,
    }
}

fn asked_by_client(number: u8, request: Request<u32>) -> Event<u32> {
    Event::Asked {
        ticket: Ticket(CLIENTS + u64::from(number)),
        from: peer(MEMBERS),
        request,
    }
}

/// What clients write and read: it belongs to the first member.
const KEY: Id = Id::ZERO;

/// Tickets of clients come after this one.
const CLIENTS: u64 = 1_000;

/// The ticket of the question that a member is answering; stores answer at once, so it always does.
const OPEN: u64 = 0;

/// Beats after which a member that hears nothing lets others propose.
const DOUBT_BEATS: usize = 3;

/// Beats after which even the last member in rank has lost its patience.
const LAPSE_BEATS: usize = 12;
