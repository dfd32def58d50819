//! One node, moved by hand: no network and no time, only what a test does, which plays everyone else
//! and answers the node's questions itself.

use dht::event::{Call, Cause, Note, Ticket, Timer};
use dht::message::{Reply, Request, State};
use dht::store::Outcome;
use dht::{Action, Config, Event, Id, Node, Peer, View};

use super::Address;

/// The identifier that is this number.
pub fn small(number: Address) -> Id {
    let mut bytes = [0; Id::BYTES];
    bytes[Id::BYTES - 4..].copy_from_slice(&number.to_be_bytes());
    Id::from_bytes(bytes)
}

/// The node whose identifier is this number, in its first life.
pub fn at(number: Address) -> Peer<Address> {
    Peer {
        id: small(number),
        address: number,
        incarnation: 1,
    }
}

pub fn all(numbers: &[Address]) -> Vec<Peer<Address>> {
    numbers.iter().copied().map(at).collect()
}

/// Lists of so many, and a single refusal is a death.
pub fn model(successors: u8) -> Config {
    Config {
        successors,
        probes: 1,
        ..Config::default()
    }
}

/// A node's pointers, to be told to another.
pub fn state(predecessor: Address, successors: &[Address]) -> Reply<Address> {
    Reply::State(State {
        predecessor: Some(at(predecessor)),
        successors: all(successors),
    })
}

/// One node, and a test that plays everyone else.
pub struct Hand {
    pub node: Node<Address>,
    /// What the last event brought.
    pub actions: Vec<Action<Address>>,
    tickets: u64,
}

impl Hand {
    pub fn new(me: Address, config: Config) -> Hand {
        Hand::of(Node::new(at(me), config))
    }

    /// A member of an ideal ring.
    pub fn member(me: Address, ring: &[Address], config: Config) -> Hand {
        Hand::of(Node::in_ring(at(me), &all(ring), config))
    }

    pub fn of(node: Node<Address>) -> Hand {
        Hand {
            node,
            actions: Vec::new(),
            tickets: 0,
        }
    }

    /// A member that is about to leave, has nothing, and has handed that over to whoever it asked first.
    pub fn leaver(me: Address, ring: &[Address], config: Config) -> Hand {
        let mut leaver = Hand::member(me, ring, config);
        leaver.call(Call::Leave);
        for _ in 0..2 {
            let ticket = leaver.stores()[0];
            let outcome = Outcome::Records(Vec::new());
            leaver.feed(Event::Stored { ticket, outcome });
        }
        let (ticket, heir, _) = leaver.asks()[0];
        leaver.answer(ticket, heir, Reply::Received);
        leaver
    }

    pub fn feed(&mut self, event: Event<Address>) {
        self.actions.clear();
        self.node.handle(event, &mut self.actions);
    }

    pub fn elapse(&mut self, timer: Timer<Address>) {
        self.feed(Event::Elapsed(timer));
    }

    pub fn call(&mut self, call: Call<Address>) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.feed(Event::Called { ticket, call });
        ticket
    }

    /// Another node asks; the answer, if it comes at once.
    pub fn asked(&mut self, from: Address, request: Request<Address>) -> Option<Reply<Address>> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let from = at(from);
        self.feed(Event::Asked {
            ticket,
            from,
            request,
        });
        self.replies().pop().map(|(_, reply)| reply)
    }

    pub fn answer(&mut self, ticket: Ticket, from: Address, reply: Reply<Address>) {
        let from = at(from);
        self.feed(Event::Answered {
            ticket,
            from,
            reply,
            micros: 1,
        });
    }

    pub fn refuse(&mut self, ticket: Ticket) {
        let cause = Cause::Refused;
        self.feed(Event::Unanswered { ticket, cause });
    }

    pub fn silence(&mut self, ticket: Ticket) {
        let cause = Cause::Silent;
        self.feed(Event::Unanswered { ticket, cause });
    }

    /// What the last event made it ask.
    pub fn asks(&self) -> Vec<(Ticket, Address, Request<Address>)> {
        let asks = self.actions.iter().filter_map(|action| match action {
            Action::Ask {
                ticket,
                to,
                request,
            } => Some((*ticket, to.address, request.clone())),
            _ => None,
        });
        asks.collect()
    }

    /// The ticket of the question that the last event made it ask, which must be this one.
    pub fn asks_once(&self, to: Address, request: &Request<Address>) -> Ticket {
        let asks = self.asks();
        let mut same = asks.iter().filter(|ask| (ask.1, &ask.2) == (to, request));
        match (same.next(), same.next()) {
            (Some((ticket, ..)), None) => *ticket,
            _ => panic!("asked {asks:?} instead of {to} for {request:?} once"),
        }
    }

    pub fn replies(&self) -> Vec<(Ticket, Reply<Address>)> {
        let replies = self.actions.iter().filter_map(|action| match action {
            Action::Reply { ticket, reply } => Some((*ticket, reply.clone())),
            _ => None,
        });
        replies.collect()
    }

    pub fn stores(&self) -> Vec<Ticket> {
        let stores = self.actions.iter().filter_map(|action| match action {
            Action::Store { ticket, .. } => Some(*ticket),
            _ => None,
        });
        stores.collect()
    }

    pub fn waits(&self) -> Vec<(Timer<Address>, u32, u32)> {
        let waits = self.actions.iter().filter_map(|action| match action {
            Action::Wait { timer, delay } => Some((timer.clone(), delay.min_ms, delay.max_ms)),
            _ => None,
        });
        waits.collect()
    }

    pub fn notes(&self, note: &Note<Address>) -> bool {
        let is_it = |action: &Action<Address>| matches!(action, Action::Note(it) if it == note);
        self.actions.iter().any(is_it)
    }

    pub fn view(&self) -> &View<Address> {
        self.node.view()
    }

    /// Addresses of its successor list.
    pub fn successors(&self) -> Vec<Address> {
        let list = self.view().successors.iter();
        list.map(|peer| peer.address).collect()
    }

    pub fn predecessor(&self) -> Option<Address> {
        let predecessor = self.view().predecessor.as_ref();
        predecessor.map(|peer| peer.address)
    }
}
