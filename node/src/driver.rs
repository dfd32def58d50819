//! Driver: owns the protocol's state machine and performs what it wants.
//!
//! Events go in one at a time, under one lock that is held while the store does what the protocol
//! wants of it, so that commands are performed in the order in which they were given. The lock is never
//! held across anything that waits: questions to other nodes, delays and answers leave it first.
//! The view is published before anything after it in the same turn is done.

mod note;
mod outbox;
mod storage;
mod trace;

use std::collections::{HashMap, VecDeque};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use dht::event::{Cause, Delay, Ticket};
use dht::store::Outcome;
use rand::RngExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

pub use self::trace::Trace;
use crate::content::Content;
use crate::driver::outbox::{Lane, Outbox, Question};
use crate::envelope::BATCH_MAX;
use crate::peers::{Missed, Peers};
use crate::{Action, Call, Event, Machine, Member, Peer, Reply, Request, Returned, Timer, View};

/// A node at work.
#[derive(Debug)]
pub struct Driver {
    core: Mutex<Core>,
    view: ArcSwap<View>,
    content: Content,
    /// Which questions of the node whether all is durable are answered, and how.
    durable: mpsc::UnboundedSender<(Ticket, Outcome)>,
    peers: Peers,
    outbox: Outbox,
    tickets: AtomicU64,
}

/// What is behind the lock.
#[derive(Debug)]
struct Core {
    node: Machine,
    /// Where all that happens to it is written down, if anywhere.
    trace: Option<Trace>,
    /// Who waits for an answer of the node.
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    /// Empty between turns, kept for their room.
    events: VecDeque<Event>,
    actions: Vec<Action>,
}

/// An answer of the node to somebody outside.
#[derive(Debug)]
enum Answer {
    Reply(Reply),
    Returned(Returned),
}

/// An answer, when it comes.
#[derive(Debug)]
enum Due {
    Now(Answer),
    Later(oneshot::Receiver<Answer>),
}

/// What a turn wants of the world, to be done after the lock is free.
#[derive(Debug, Default)]
struct Wants {
    asks: Vec<(Lane, Vec<Question>)>,
    waits: Vec<(Timer, Delay)>,
    answers: Vec<(Ticket, Answer)>,
}

impl Driver {
    /// A driver for a node with this content, which is traced or not.
    pub fn new(node: Machine, peers: Peers, content: Content, trace: Option<Trace>) -> Arc<Driver> {
        let (durable, told) = mpsc::unbounded_channel();
        let driver = Arc::new(Driver {
            view: ArcSwap::from_pointee(node.view().clone()),
            core: Mutex::new(Core {
                node,
                trace,
                waiting: HashMap::new(),
                events: VecDeque::new(),
                actions: Vec::new(),
            }),
            content,
            durable,
            peers,
            outbox: Outbox::default(),
            tickets: AtomicU64::new(0),
        });
        if !driver.content.is_durable_at_once() {
            tokio::spawn(storage::tell(Arc::downgrade(&driver), told));
        }
        driver
    }

    /// The node as it is at this moment.
    pub fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// Whether the node does something on [`Timer::Beat`].
    pub fn has_beat(&self) -> bool {
        self.lock().node.has_beat()
    }

    /// What the node keeps.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// How the node asks others.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// A time has come.
    pub fn elapsed(self: &Arc<Self>, timer: Timer) {
        let wants = self.turn(&mut self.lock(), [Event::Elapsed(timer)]);
        self.perform(wants);
    }

    /// Somebody is there, by its own word.
    pub fn met(self: &Arc<Self>, peer: Peer) {
        let wants = self.turn(&mut self.lock(), [Event::Met(peer)]);
        self.perform(wants);
    }

    /// Somebody lists the members: these, and no others.
    pub fn listed(self: &Arc<Self>, members: Vec<Member>) {
        let wants = self.turn(&mut self.lock(), [Event::Listed(members)]);
        self.perform(wants);
    }

    /// Another node asks, all of this at once: one reply for each question, in their order.
    pub async fn asked(self: &Arc<Self>, from: Peer, requests: Vec<Request>) -> Vec<Reply> {
        let events = requests.into_iter().map(|request| {
            move |ticket| Event::Asked {
                ticket,
                from,
                request,
            }
        });
        let mut replies = Vec::new();
        for answer in self.put(events) {
            replies.push(match answer.told().await {
                Answer::Reply(reply) => reply,
                Answer::Returned(returned) => panic!("a question was answered by {returned:?}"),
            });
        }
        replies
    }

    /// A client of this node wants something.
    pub async fn called(self: &Arc<Self>, call: Call) -> Returned {
        let mut answers = self.put([|ticket| Event::Called { ticket, call }]);
        let answer = answers.pop().expect("an answer for each event");
        match answer.told().await {
            Answer::Returned(returned) => returned,
            Answer::Reply(reply) => panic!("a call was answered by {reply:?}"),
        }
    }

    /// Feeds events that are answered, in one turn: what they lead to may then travel, and be written, together.
    fn put(self: &Arc<Self>, events: impl IntoIterator<Item: FnOnce(Ticket) -> Event>) -> Vec<Due> {
        let mut tickets = Vec::new();
        let events = events.into_iter().map(|event| {
            let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
            tickets.push(ticket);
            event(ticket)
        });
        let (wants, answers) = {
            let mut core = self.lock();
            let mut wants = self.turn(&mut core, events);
            let answers = tickets.into_iter().map(|ticket| {
                let place = wants.answers.iter().position(|(other, _)| *other == ticket);
                match place {
                    Some(place) => Due::Now(wants.answers.swap_remove(place).1),
                    None => {
                        let (sender, receiver) = oneshot::channel();
                        core.waiting.insert(ticket, sender);
                        Due::Later(receiver)
                    }
                }
            });
            let answers = answers.collect();
            (wants, answers)
        };
        self.perform(wants);
        answers
    }

    /// Feeds events, and what the store answers, until nothing more comes of them.
    fn turn(&self, core: &mut Core, events: impl IntoIterator<Item = Event>) -> Wants {
        let Core {
            node,
            trace,
            waiting,
            events: queue,
            actions,
        } = core;
        let mut wants = Wants::default();
        queue.extend(events);
        while let Some(event) = queue.pop_front() {
            match (&mut *trace, &mut *node) {
                (Some(trace), Machine::Ring(node)) => trace.handle(node, event, actions),
                (_, node) => node.handle(event, actions),
            }
            for action in actions.drain(..) {
                match action {
                    Action::Publish => self.view.store(Arc::new(node.view().clone())),
                    Action::Store { ticket, command } => {
                        let outcome = self.store(ticket, command);
                        queue.extend(outcome.map(|outcome| Event::Stored { ticket, outcome }));
                    }
                    Action::Ask {
                        ticket,
                        to,
                        request,
                    } => wants.ask(to, ticket, request),
                    Action::Wait { timer, delay } => wants.waits.push((timer, delay)),
                    Action::Reply { ticket, reply } => {
                        wants.answers.push((ticket, Answer::Reply(reply)))
                    }
                    Action::Return { ticket, returned } => {
                        wants.answers.push((ticket, Answer::Returned(returned)));
                    }
                    Action::Note(note) => note::log(&note),
                }
            }
        }
        // Those who wait are told here, where nobody can begin to wait at the same moment.
        wants.answers = wants
            .answers
            .into_iter()
            .filter_map(|(ticket, answer)| match waiting.remove(&ticket) {
                Some(sender) => {
                    // Who does not want to know any more has gone.
                    let _ = sender.send(answer);
                    None
                }
                None => Some((ticket, answer)),
            })
            .collect();
        wants
    }

    fn perform(self: &Arc<Self>, wants: Wants) {
        for (lane, questions) in wants.asks {
            if let Some(batch) = self.outbox.put(lane, questions) {
                tokio::spawn(self.clone().send(lane, batch));
            }
        }
        for (timer, delay) in wants.waits {
            tokio::spawn(self.clone().wait(timer, delay));
        }
    }

    /// Sends a batch, and those that gather behind it meanwhile.
    async fn send(self: Arc<Self>, lane: Lane, batch: Vec<Question>) {
        let mut next = Some(batch);
        while let Some(batch) = next {
            let began = Instant::now();
            let (tickets, requests): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let me = self.view().me;
            let replies = match lane.has_line() {
                true => self.peers.ask_by_line(me, lane.to, requests).await,
                false => self.peers.ask(me, lane.to, requests).await,
            };
            let micros = began.elapsed().as_micros().try_into().unwrap_or(u32::MAX);
            let from = lane.to;
            let events: Vec<_>;
            (events, next) = match replies {
                Ok(replies) => {
                    let answered = |(ticket, reply)| Event::Answered {
                        ticket,
                        from,
                        reply,
                        micros,
                    };
                    let answers = tickets.into_iter().zip(replies).map(answered);
                    (answers.collect(), self.outbox.answered(lane))
                }
                Err(missed) => {
                    tracing::debug!(to = %from, "{missed}");
                    if let Missed::AnotherLife(peer) = missed {
                        self.met(peer);
                    }
                    let cause = missed.cause();
                    let sent = tickets
                        .into_iter()
                        .map(|ticket| Event::Unanswered { ticket, cause });
                    // What was not even sent was not carried out.
                    let cause = Cause::Refused;
                    let behind = self.outbox.missed(lane).into_iter();
                    let behind = behind.map(|(ticket, _)| Event::Unanswered { ticket, cause });
                    (sent.chain(behind).collect(), None)
                }
            };
            let wants = self.turn(&mut self.lock(), events);
            self.perform(wants);
        }
    }

    async fn wait(self: Arc<Self>, timer: Timer, delay: Delay) {
        let ms = rand::rng().random_range(delay.min_ms..=delay.max_ms);
        sleep(Duration::from_millis(ms.into())).await;
        self.elapsed(timer);
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(|_| {
            // The protocol has panicked, by name, and its state is not to be trusted any more. A node
            // that is gone is something that the ring can deal with; one that is half there is not.
            tracing::error!("the protocol has broken an invariant of its own: this node ends");
            process::exit(1)
        })
    }
}

impl Due {
    async fn told(self) -> Answer {
        match self {
            Due::Now(answer) => answer,
            Due::Later(receiver) => receiver
                .await
                .expect("the node answers every question once"),
        }
    }
}

impl Wants {
    /// Questions of a kind to the same peer travel together.
    fn ask(&mut self, to: Peer, ticket: Ticket, request: Request) {
        let lane = Lane::of(to, &request);
        let same = |(other, batch): &&mut (Lane, Vec<_>)| *other == lane && batch.len() < BATCH_MAX;
        match self.asks.iter_mut().find(same) {
            Some((_, batch)) => batch.push((ticket, request)),
            None => self.asks.push((lane, vec![(ticket, request)])),
        }
    }
}
