//! Known: every state that a single node was ever seen in, each kept once, and what it does.
//!
//! A node is a function of its state and the event, so each pair is put to the real [`Node`] once and
//! remembered. A ring of millions of states is made of a few thousand states of single nodes; that is
//! why this search is fast although the code under test allocates, compares lists and formats words.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use dht::event::{Call, Cause, Note, Returned, Ticket, Timer};
use dht::message::{Reply, Request, State};
use dht::store::{Memory, perform};
use dht::view::Phase;
use dht::{Action, Config, Event, Node, Projection};

use crate::check::cast::{Cast, Life, Set};
use crate::check::seen::Fast;
#[cfg(test)]
use crate::check::twins::Twins;
use crate::check::words::{Word, Words};

/// A state of a node, by its number.
pub(crate) type NodeId = u32;

/// Something that happens to one node, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stimulus {
    /// It wants to join through this member.
    Join(Life),
    /// It wants to leave.
    Leave,
    /// A stabilization is due.
    Stabilize,
    /// The predecessor is to be looked after.
    Check,
    /// Something that waited goes on: a farewell that was put off, a batch to be sent again.
    Again,
    /// So much time has passed without anything happening that whom it had noticed on the way to their
    /// places are not expected any more, and whoever gave something to it and went silent neither.
    Wait,
    /// It has missed an arc for as long as it takes before others are asked.
    Claim,
    /// It was asked.
    Asked(Life, Word),
    /// It was answered: by whom, what it had asked, and what it was told.
    Answered(Life, Word, Word),
    /// It was not answered: nobody is there.
    Refused(Life, Word),
}

/// What a node did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What it is now; nothing if its time is over.
    pub(crate) node: Option<NodeId>,
    /// Whom it asked what.
    pub(crate) asks: Vec<(Life, Word)>,
    /// Whom it told what, who had asked what.
    pub(crate) replies: Vec<(Life, Word, Word)>,
}

/// A node in one state, and what its projection does not tell.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) node: Node<u32>,
    /// Whom it takes for dead.
    pub(crate) gone: Set,
    /// Its content.
    pub(crate) store: Memory,
    /// Handovers that it began.
    pub(crate) given: u8,
    /// Its open questions, and the tickets that this very node gave them.
    open: Vec<((Life, Word), Ticket)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    projection: Projection<u32>,
    gone: Set,
    store: String,
    /// What it has asked, sorted: two questions may read the same and yet be about different words.
    open: Vec<(Life, Word)>,
}

/// All of them.
pub(crate) struct Known {
    cast: Cast,
    config: Config,
    /// Whether content is part of the model; without it nodes serve nothing.
    content: bool,
    nodes: Vec<Kept>,
    numbers: HashMap<Key, NodeId>,
    pub(crate) outcomes: HashMap<(NodeId, Stimulus), Rc<Outcome>, BuildHasherDefault<Fast>>,
    pub(crate) requests: Words<Request<u32>>,
    pub(crate) replies: Words<Reply<u32>>,
    /// Nodes that were taken for one that was known already, where they are looked at.
    #[cfg(test)]
    pub(crate) twins: Option<Twins>,
}

impl Known {
    pub(crate) fn new(cast: Cast, config: Config, content: bool) -> Known {
        Known {
            cast,
            config,
            content,
            nodes: Vec::new(),
            numbers: HashMap::new(),
            outcomes: HashMap::default(),
            requests: Words::default(),
            replies: Words::default(),
            #[cfg(test)]
            twins: None,
        }
    }

    /// How many states of single nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The length of a successor list.
    pub(crate) fn successors_max(&self) -> usize {
        self.config.successors.into()
    }

    pub(crate) fn kept(&self, node: NodeId) -> &Kept {
        &self.nodes[node as usize]
    }

    /// A node that has not joined.
    pub(crate) fn newcomer(&mut self, life: Life) -> NodeId {
        let node = Node::new(self.cast.peer(life), self.config);
        self.keep(Kept {
            node,
            gone: 0,
            store: Memory::default(),
            given: 0,
            open: Vec::new(),
        })
    }

    /// A member of an ideal ring, given the others clockwise. Where content is not part of the model
    /// it serves nothing, so that nothing ever moves: it comes in as a joiner whose questions are
    /// answered here.
    pub(crate) fn member(&mut self, life: Life, others: &[Life], store: Memory) -> NodeId {
        let peer = |life: &Life| self.cast.peer(*life);
        let before = others.last().map_or(peer(&life), peer);
        let list = others.iter().take(self.config.successors.into());
        let successors: Vec<_> = list.map(peer).collect();
        if self.content {
            let me = peer(&life);
            let node = Node::placed(me, before, successors, Vec::new(), self.config);
            return self.keep(Kept {
                node,
                gone: 0,
                store,
                given: 0,
                open: Vec::new(),
            });
        }
        let mut number = self.newcomer(life);
        let mut stimulus = Stimulus::Join(before.address as Life);
        loop {
            let outcome = self.outcome(number, stimulus);
            number = outcome.node.expect("a joiner that is welcome joins");
            let Some((to, request)) = outcome.asks.first().copied() else {
                return number;
            };
            let is_in = self.kept(number).node.view().phase == Phase::Member;
            let reply = match self.requests.word(request) {
                Request::Route(_) => Reply::Routed(dht::message::Routed::Owner(before)),
                Request::State if is_in => Reply::Busy,
                Request::State => Reply::State(State {
                    predecessor: None,
                    successors: successors.clone(),
                }),
                other => panic!("a joiner asks {other:?}"),
            };
            let reply = self.replies.number(reply);
            stimulus = Stimulus::Answered(to, request, reply);
        }
    }

    /// What a node does when something happens to it.
    pub(crate) fn outcome(&mut self, node: NodeId, stimulus: Stimulus) -> Rc<Outcome> {
        if let Some(outcome) = self.outcomes.get(&(node, stimulus)) {
            return Rc::clone(outcome);
        }
        let outcome = Rc::new(self.happen(node, stimulus));
        self.outcomes.insert((node, stimulus), Rc::clone(&outcome));
        outcome
    }

    /// Puts it to the node itself.
    fn happen(&mut self, node: NodeId, stimulus: Stimulus) -> Outcome {
        let kept = self.kept(node).clone();
        self.put(kept, stimulus)
    }

    pub(crate) fn put(&mut self, mut kept: Kept, stimulus: Stimulus) -> Outcome {
        let mut events: VecDeque<Event<u32>> = self.events(&mut kept, stimulus).into();
        let (mut asks, mut replies) = (Vec::new(), Vec::new());
        let mut is_over = false;
        let mut actions = Vec::new();
        while let Some(event) = events.pop_front() {
            // One round of asking at a time.
            if stimulus == Stimulus::Claim && !asks.is_empty() {
                break;
            }
            kept.node.handle(event, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Ask {
                        ticket,
                        to,
                        request,
                    } => {
                        let ask = (to.address as Life, self.requests.number(request));
                        // Whether it asks once or twice depends on when it was last told something,
                        // and tells it nothing more; while nothing happens its predecessor is there.
                        let is_again = stimulus == Stimulus::Check && asks.contains(&ask);
                        if is_again || stimulus == Stimulus::Wait {
                            let (reply, micros) = (Reply::Pong, 0);
                            events.push_front(Event::Answered {
                                ticket,
                                from: to,
                                reply,
                                micros,
                            });
                            continue;
                        }
                        kept.open.push((ask, ticket));
                        asks.push(ask);
                    }
                    Action::Reply { ticket, reply } => {
                        let (asker, request) = (ticket.0 as Life, (ticket.0 >> 32) as Word);
                        replies.push((asker, request, self.replies.number(reply)));
                    }
                    Action::Return { returned, .. } => {
                        let phase = kept.node.view().phase;
                        is_over |= match returned {
                            Returned::Left(_) => true,
                            Returned::Failed(..) => phase == Phase::Joining,
                            _ => false,
                        };
                    }
                    Action::Store { ticket, command } => {
                        let outcome = perform(&mut kept.store, command);
                        events.push_back(Event::Stored { ticket, outcome });
                    }
                    Action::Note(Note::Gone(peer)) => kept.gone |= 1 << peer.address,
                    Action::Note(Note::HandoverBegan(..)) => kept.given += 1,
                    Action::Note(_) | Action::Wait { .. } | Action::Publish => {}
                }
            }
        }
        is_over |= kept.node.view().phase == Phase::Lost;
        let node = (!is_over).then(|| self.keep(kept));
        Outcome {
            node,
            asks,
            replies,
        }
    }

    fn events(&self, kept: &mut Kept, stimulus: Stimulus) -> Vec<Event<u32>> {
        let ticket = Ticket(CALLER);
        let elapsed = Event::Elapsed;
        match stimulus {
            Stimulus::Join(via) => {
                let call = Call::Join([self.cast.peer(via)].into());
                [Event::Called { ticket, call }].into()
            }
            Stimulus::Leave => {
                let call = Call::Leave;
                [Event::Called { ticket, call }].into()
            }
            Stimulus::Stabilize => [elapsed(Timer::Stabilize)].into(),
            // The first one may only note that the predecessor has been heard of lately.
            Stimulus::Check => [elapsed(Timer::Predecessor), elapsed(Timer::Predecessor)].into(),
            Stimulus::Again => [elapsed(Timer::Handover)].into(),
            Stimulus::Wait => vec![elapsed(Timer::Predecessor); PATIENCE],
            Stimulus::Claim => vec![elapsed(Timer::Claim); PATIENCE],
            Stimulus::Asked(from, request) => {
                let ticket = Ticket(u64::from(request) << 32 | u64::from(from));
                let from = self.cast.peer(from);
                let request = self.requests.word(request).clone();
                [Event::Asked {
                    ticket,
                    from,
                    request,
                }]
                .into()
            }
            Stimulus::Answered(to, request, reply) => {
                let ticket = kept.take_ticket((to, request));
                let from = self.cast.peer(to);
                let reply = self.replies.word(reply).clone();
                [Event::Answered {
                    ticket,
                    from,
                    reply,
                    micros: 0,
                }]
                .into()
            }
            Stimulus::Refused(to, request) => {
                let ticket = kept.take_ticket((to, request));
                let cause = Cause::Refused;
                [Event::Unanswered { ticket, cause }].into()
            }
        }
    }

    fn keep(&mut self, kept: Kept) -> NodeId {
        let mut projection = kept.node.projection();
        // Only ever decides whether a timer is set that may elapse at any time anyway.
        projection.again = false;
        if !self.content {
            // Nobody serves anything, so nothing is given, declined or claimed.
            projection.handovers.clear();
            projection.unwilling.clear();
            projection.newcomers.clear();
            projection.is_bereaved = false;
            projection.claim.clear();
        }
        let store = if self.content {
            format!("{:?}", kept.store)
        } else {
            String::new()
        };
        let mut open: Vec<(Life, Word)> = kept.open.iter().map(|(ask, _)| *ask).collect();
        open.sort_unstable();
        let key = Key {
            projection,
            gone: kept.gone,
            store,
            open,
        };
        if let Some(number) = self.numbers.get(&key) {
            #[cfg(test)]
            if let Some(twins) = &mut self.twins {
                twins.meet(*number, kept, &self.nodes);
            }
            return *number;
        }
        let number = self.nodes.len() as NodeId;
        self.nodes.push(kept);
        self.numbers.insert(key, number);
        number
    }
}

impl Kept {
    /// The ticket of an open question. Where two are alike the later one is answered first: what is
    /// answered at once comes after what still waits.
    fn take_ticket(&mut self, ask: (Life, Word)) -> Ticket {
        let place = self.open.iter().rposition(|(open, _)| *open == ask);
        let place = place.expect("an answer is to an open question");
        self.open.remove(place).1
    }
}

/// Who calls a node: nobody that is asked or answers.
const CALLER: u64 = u64::MAX;

/// Rounds after which nodes expect nothing more: more than any of their own limits.
const PATIENCE: usize = 10;
