//! Cluster: three replicas with their stores, what is on its way between them, and two clients.
//!
//! Each replica, each set of messages and the clients are known by numbers, and what comes of an event for a
//! replica is worked out once.

use std::collections::{BTreeSet, HashMap};

use dht::causal::message::{Ask, Call, Outcome, Returned, What};
use dht::causal::seen::Metadata;
use dht::causal::vector::{Vector, Writer};
use dht::causal::{Causal, Config};
use dht::event::{self, Ticket, Timer};
use dht::message::{Reply, Request};
use dht::record::Record;
use dht::store::{Limit, Memory, Store as _, perform};
use dht::{Action, Arc, Event, Id, Peer};

use crate::check::search::State;
use crate::check::words::{Word, Words};

/// A replica and its store.
#[derive(Clone, Debug)]
struct Replica {
    node: Causal<u32>,
    store: Memory,
}

/// A message on its way.
#[derive(Clone, Debug)]
struct Letter {
    from: usize,
    to: usize,
    /// The asker's.
    ticket: Ticket,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Asked(Box<Request<u32>>),
    Answered(Box<Reply<u32>>),
}

/// What the clients have done.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    /// What the first client has seen once its first write is acknowledged.
    pub(super) first: Option<Vector>,
    /// The same, as it carries it.
    text: Option<String>,
    /// Calls of the first client, and of the second.
    calls: [u8; 2],
}

/// What a replica shows.
pub(super) struct Shown {
    pub(super) vector: Vector,
    pub(super) has_y: bool,
    pub(super) records: Vec<(Id, Record)>,
}

/// What is done to a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stimulus {
    Arrive(usize),
    Lose(usize),
    Call(usize),
}

/// What comes of an event for a replica.
#[derive(Clone, Debug)]
struct Effect {
    replica: Word,
    letters: Vec<Word>,
    returned: Vec<(Ticket, Returned<u32>)>,
}

/// Why something happens to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cause {
    Letter(Word),
    Loss(Word),
    /// Which call of which client, who has done so much.
    Call(usize, Word),
    Beat,
}

/// All that was met.
pub(super) struct Cluster {
    replicas: Words<Replica>,
    letters: Words<Letter>,
    /// What is on its way, by the numbers of the letters, in their order.
    mail: Words<Vec<Word>>,
    known_clients: Words<Clients>,
    effects: HashMap<(Word, Cause), Effect>,
    count: BTreeSet<Word>,
    start: State,
    /// Whether replicas take writes in without looking at what comes before: a mistake to be found.
    pub(super) is_hasty: bool,
}

impl Cluster {
    /// Three replicas that have met, and answer clients.
    pub(super) fn new() -> Cluster {
        let mut cluster = Cluster {
            replicas: Words::default(),
            letters: Words::default(),
            mail: Words::default(),
            known_clients: Words::default(),
            effects: HashMap::new(),
            count: BTreeSet::new(),
            start: State::default(),
            is_hasty: false,
        };
        for at in 0..REPLICAS {
            let config = Config {
                store: 1,
                view: (0..REPLICAS as u32).collect(),
                shards: None,
            };
            let node = Causal::new(peer(at), config);
            let store = Memory::default();
            cluster.start[at] = cluster.replicas.number(Replica { node, store });
        }
        cluster.start[MAIL] = cluster.mail.number(Vec::new());
        cluster.start[CLIENTS] = cluster.known_clients.number(Clients::default());
        cluster.acquaint();
        cluster
    }

    /// Lets time pass until all have met each other.
    fn acquaint(&mut self) {
        self.start = self.rest(&self.start.clone());
        let is_ready = |word: &Word| self.replicas.word(*word).node.is_ready();
        assert!(self.start[..REPLICAS].iter().all(is_ready));
        self.count.clear();
    }

    /// What comes of a state in which nothing is on its way, when time passes and everything arrives.
    pub(super) fn rest(&mut self, state: &State) -> State {
        let mut state = *state;
        for _ in 0..REST_BEATS {
            for at in 0..REPLICAS {
                let event = Event::Elapsed(Timer::Beat);
                self.feed(&mut state, at, Cause::Beat, event);
                while !self.letters(&state).is_empty() {
                    state = self.put(&state, Stimulus::Arrive(0));
                }
            }
        }
        state
    }

    pub(super) fn start(&self) -> State {
        self.start
    }

    /// What is on its way.
    pub(super) fn letters(&self, state: &State) -> &[Word] {
        self.mail.word(state[MAIL])
    }

    pub(super) fn clients(&self, state: &State) -> &Clients {
        self.known_clients.word(state[CLIENTS])
    }

    pub(super) fn replica_states(&self) -> usize {
        self.count.len()
    }

    /// Whether a client has something left to do: the first one goes on where its first write shows.
    pub(super) fn may_call(&self, state: &State, client: usize) -> bool {
        let clients = self.clients(state);
        match (client, clients.calls[client]) {
            (0, 0) | (1, 0) => true,
            (0, 1) => {
                let shown = self.shown(state, 1).vector;
                clients
                    .first
                    .as_ref()
                    .is_some_and(|first| shown.covers(first))
            }
            _ => false,
        }
    }

    /// What comes of something.
    pub(super) fn put(&mut self, state: &State, stimulus: Stimulus) -> State {
        let mut after = *state;
        match stimulus {
            Stimulus::Arrive(place) => {
                let number = self.take(&mut after, place);
                let (to, event) = arrives(self.letters.word(number).clone());
                self.feed(&mut after, to, Cause::Letter(number), event);
            }
            Stimulus::Lose(place) => {
                let number = self.take(&mut after, place);
                let letter = self.letters.word(number);
                let asker = match letter.body {
                    Body::Asked(_) => letter.from,
                    Body::Answered(_) => letter.to,
                };
                let (ticket, cause) = (letter.ticket, event::Cause::Silent);
                let event = Event::Unanswered { ticket, cause };
                self.feed(&mut after, asker, Cause::Loss(number), event);
            }
            Stimulus::Call(client) => {
                let mut clients = self.clients(state).clone();
                let (at, key) = match (client, clients.calls[client]) {
                    (0, 0) => (0, "x"),
                    (0, _) => (1, "y"),
                    _ => (2, "x"),
                };
                clients.calls[client] += 1;
                let ticket = Ticket((client * 10 + usize::from(clients.calls[client])) as u64);
                let seen = clients.text.clone().filter(|_| client == 0);
                after[CLIENTS] = self.known_clients.number(clients);
                let call = Call::Operate {
                    key: key.as_bytes().into(),
                    what: What::Put([client as u8][..].into()),
                    seen,
                    now_ms: 1,
                };
                let call = event::Call::Causal(Box::new(call));
                let event = Event::Called { ticket, call };
                let cause = Cause::Call(client, after[CLIENTS]);
                self.feed(&mut after, at, cause, event);
            }
        }
        after
    }

    pub(super) fn shown(&self, state: &State, at: usize) -> Shown {
        let replica = self.replicas.word(state[at]);
        let everything = Limit {
            records: usize::MAX,
            bytes: usize::MAX,
        };
        Shown {
            vector: replica.node.seen().of(0).cloned().unwrap_or_default(),
            has_y: replica.store.read(Id::of_key(b"y")).is_some(),
            records: replica.store.scan(Arc::WHOLE, None, everything),
        }
    }

    pub(super) fn text(&self, state: &State) -> String {
        let seen = (0..REPLICAS).map(|at| format!("{:?}", self.shown(state, at).vector));
        let seen: Vec<String> = seen.collect();
        let letters = self.letters(state).iter().map(|number| {
            let letter = self.letters.word(*number);
            format!("{} to {}: {:?}", letter.from, letter.to, letter.body)
        });
        let letters: Vec<String> = letters.collect();
        format!("{}; on its way: {}", seen.join(" | "), letters.join(", "))
    }

    fn take(&mut self, state: &mut State, place: usize) -> Word {
        let mut letters = self.mail.word(state[MAIL]).clone();
        let number = letters.remove(place);
        state[MAIL] = self.mail.number(letters);
        number
    }

    fn feed(&mut self, state: &mut State, at: usize, cause: Cause, event: Event<u32>) {
        let key = (state[at], cause);
        let effect = match self.effects.get(&key) {
            Some(effect) => effect.clone(),
            None => {
                let effect = self.effect(at, state[at], event);
                self.effects.insert(key, effect.clone());
                effect
            }
        };
        state[at] = effect.replica;
        self.count.insert(effect.replica);
        if !effect.letters.is_empty() {
            let mut letters = self.mail.word(state[MAIL]).clone();
            letters.extend(effect.letters);
            // In whatever order they were sent, they may arrive.
            letters.sort_unstable();
            state[MAIL] = self.mail.number(letters);
        }
        for (ticket, returned) in effect.returned {
            let mut clients = self.clients(state).clone();
            if let (Ticket(1), Returned::Done(Outcome::Created | Outcome::Replaced, text, _)) =
                (ticket, returned)
            {
                let Metadata { seen, .. } = Metadata::decode(&text).expect("a node gave it");
                clients.first = seen.of(0).cloned();
                clients.text = Some(text);
            }
            state[CLIENTS] = self.known_clients.number(clients);
        }
    }

    /// A replica deals with an event, and its store with what it wants.
    fn effect(&mut self, at: usize, replica: Word, mut event: Event<u32>) -> Effect {
        if let Event::Asked { request, .. } = &mut event
            && let Request::Causal(ask) = request
            && let Ask::Spread { writes, .. } = &mut **ask
            && self.is_hasty
        {
            writes
                .iter_mut()
                .for_each(|write| write.after.shards.clear());
        }
        let mut replica = self.replicas.word(replica).clone();
        let (mut letters, mut returned) = (Vec::new(), Vec::new());
        let mut events = Vec::from([event]);
        while !events.is_empty() {
            let mut actions = Vec::new();
            replica.node.handle(events.remove(0), &mut actions);
            for action in actions {
                match action {
                    Action::Ask {
                        ticket,
                        to,
                        request,
                    } => letters.push(Letter {
                        from: at,
                        to: to.address as usize,
                        ticket,
                        body: Body::Asked(Box::new(request)),
                    }),
                    Action::Reply { ticket, reply } => letters.push(Letter {
                        from: at,
                        to: (ticket.0 >> 62) as usize,
                        ticket: Ticket(ticket.0 << 2 >> 2),
                        body: Body::Answered(Box::new(reply)),
                    }),
                    Action::Store { ticket, command } => {
                        let outcome = perform(&mut replica.store, command);
                        events.push(Event::Stored { ticket, outcome });
                    }
                    Action::Return {
                        ticket,
                        returned: event::Returned::Causal(what),
                    } => returned.push((ticket, *what)),
                    _ => {}
                }
            }
        }
        let letters = letters.into_iter();
        Effect {
            replica: self.replicas.number(replica),
            letters: letters.map(|letter| self.letters.number(letter)).collect(),
            returned,
        }
    }
}

/// A message reaches a replica, whose answer will find back.
fn arrives(letter: Letter) -> (usize, Event<u32>) {
    let Letter {
        from,
        to,
        ticket,
        body,
    } = letter;
    let event = match body {
        Body::Asked(request) => Event::Asked {
            ticket: Ticket(ticket.0 | (from as u64) << 62),
            from: peer(from),
            request: *request,
        },
        Body::Answered(reply) => Event::Answered {
            ticket,
            from: peer(from),
            reply: *reply,
            micros: 0,
        },
    };
    (to, event)
}

fn peer(at: usize) -> Peer<u32> {
    Peer {
        id: Id::of(&[at as u8]),
        address: at as u32,
        incarnation: 1,
    }
}

/// The writer that a replica is.
pub(super) fn writer(at: usize) -> Writer {
    Writer::of(peer(at).id, 1)
}

/// Replicas of the one shard.
pub(super) const REPLICAS: usize = 3;

/// Where a state says what is on its way.
const MAIL: usize = REPLICAS;

/// Where a state says what the clients have done.
const CLIENTS: usize = REPLICAS + 1;

/// Beats in which all meet, and find what they lack.
const REST_BEATS: usize = 16;
