//! Network: nodes of a causal store around one queue of events, in virtual time.
//!
//! It keeps the contract of [`dht::Causal`] towards each of its nodes, and checks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dht::causal::message::{Ask, Call, Returned};
use dht::causal::{Causal, Config};
use dht::event::{self, Cause, Ticket, Timer};
use dht::message::{Reply, Request};
use dht::store::{Command, Outcome};
use dht::{Action, Event, Id, Peer};

use super::Plan;
use crate::engine::disk::Disk;
use crate::faults::Faults;
use crate::latency::Latency;
use crate::queue::Queue;
use crate::random::{GOLDEN, Random, mix};

/// What an address is here: a place in the list of hosts.
pub type Address = u32;

/// Nodes, and what is on its way between them.
pub struct Network {
    seed: u64,
    latency: Latency,
    /// What goes wrong with messages.
    pub faults: Faults,
    /// Virtual time since the start, in microseconds.
    pub now_us: u64,
    hosts: Vec<Host>,
    queue: Queue<Delivery>,
    /// Questions without an answer, by their numbers.
    open: BTreeMap<u64, Open>,
    /// The number of the question that a node knows by this ticket.
    asked: BTreeMap<Ticket, u64>,
    numbers: u64,
    cuts: Vec<Cut>,
    /// Those between whom and the others nothing passes.
    side: BTreeSet<Address>,
    pub(super) random: Random,
    /// Calls that have returned.
    pub returned: Vec<(Ticket, Returned<Address>)>,
    /// Events that nodes dealt with.
    pub events: u64,
    tamper: Option<Box<Tamper>>,
}

/// Sees each question of a node before it is sent, and may change it: for tests that plant mistakes.
pub type Tamper = dyn FnMut(&mut Ask<Address>) + Send;

#[derive(Debug)]
struct Host {
    node: Option<Causal<Address>>,
    config: Config<Address>,
    disk: Disk,
    incarnation: u32,
    /// Which start of all this is; 0 while it is down.
    life: u32,
    /// Until when its store has syncs to do.
    busy_us: u64,
    /// Whether somebody has taken it away.
    is_gone: bool,
    /// Whether its store does not say any more what it keeps.
    is_silent: bool,
}

/// A question, from the asker's side.
#[derive(Clone, Debug)]
struct Open {
    asker: Address,
    life: u32,
    ticket: Ticket,
    to: Peer<Address>,
}

#[derive(Debug)]
enum Delivery {
    Asked(u64, Peer<Address>, Peer<Address>, Box<Request<Address>>),
    Answered(u64, Box<Reply<Address>>),
    Refused(u64, Option<Peer<Address>>),
    Overdue(u64),
    Stored(Address, u32, Ticket, Box<Outcome>),
    Synced(Address, u32, Ticket),
    Beat(Address, u32),
    Start(Address),
    Due(Due),
}

/// A time that somebody wanted to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A client acts.
    Client(usize),
    /// Something goes wrong.
    Trouble,
    /// The operator looks after the machines.
    Operator,
}

/// Some ways are cut for a while: from a side to the other one, or in both directions.
#[derive(Clone, Copy, Debug)]
struct Cut {
    until_us: u64,
    lot: u64,
    one_way: bool,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("now_us", &self.now_us)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// The nodes that a plan starts with, which all know each other's addresses.
    pub fn new(plan: &Plan) -> Network {
        let mut network = Network {
            seed: plan.seed,
            latency: plan.latency,
            faults: plan.faults,
            now_us: 0,
            hosts: Vec::new(),
            queue: Queue::new(),
            open: BTreeMap::new(),
            asked: BTreeMap::new(),
            numbers: 0,
            cuts: Vec::new(),
            side: BTreeSet::new(),
            random: Random::new(plan.seed, NETWORK),
            returned: Vec::new(),
            events: 0,
            tamper: None,
        };
        let view: BTreeSet<Address> = (0..plan.nodes).collect();
        let shards = (plan.shards > 0).then_some(plan.shards);
        for _ in 0..plan.nodes {
            let at = network.place(view.clone(), shards);
            network.start(at);
        }
        network
    }

    /// A machine that has never run. Its node is told of these, and of so many shards.
    pub fn place(&mut self, mut view: BTreeSet<Address>, shards: Option<u32>) -> Address {
        let at = self.hosts.len() as Address;
        view.insert(at);
        self.hosts.push(Host {
            node: None,
            config: Config {
                store: 1,
                view,
                shards,
            },
            disk: Disk::new(1),
            incarnation: 0,
            life: 0,
            busy_us: 0,
            is_gone: false,
            is_silent: false,
        });
        at
    }

    /// Starts a machine that is down.
    pub fn start(&mut self, at: Address) {
        let id = self.id(at);
        self.numbers += 1;
        let life = self.numbers as u32;
        let host = &mut self.hosts[at as usize];
        if host.life > 0 || host.is_gone {
            return;
        }
        host.incarnation += 1;
        host.life = life;
        let me = Peer {
            id,
            address: at,
            incarnation: host.incarnation,
        };
        let mut node = Causal::new(me, host.config.clone());
        node.restore(&host.disk.notes());
        host.node = Some(node);
        let first_us = self.now_us + self.random.below(BEAT_US);
        self.queue.push(first_us, Delivery::Beat(at, life));
    }

    /// Stops a machine; `keeps` whether its disk outlasts that.
    pub fn kill(&mut self, at: Address, keeps: bool) {
        let host = &mut self.hosts[at as usize];
        if host.life == 0 {
            return;
        }
        host.life = 0;
        host.busy_us = 0;
        host.disk.crash(&mut self.random);
        if !keeps {
            let store = host.incarnation + 1;
            host.disk = Disk::new(store);
            host.config.store = store;
        }
    }

    /// Takes a machine away, with all that it has stored.
    pub fn take_away(&mut self, at: Address) {
        self.kill(at, false);
        self.hosts[at as usize].is_gone = true;
    }

    /// Puts another machine in the place of one that was taken away, and starts it.
    pub fn replace(&mut self, at: Address) {
        self.hosts[at as usize].is_gone = false;
        self.start(at);
    }

    /// Starts a machine after a while.
    pub fn start_after(&mut self, at: Address, after_us: u64) {
        self.queue.push(self.now_us + after_us, Delivery::Start(at));
    }

    /// Lets a machine forget the tombstones that have served their time by then, in Unix milliseconds.
    pub fn purge(&mut self, at: Address, now_ms: u64) {
        self.hosts[at as usize].disk.purge(now_ms);
    }

    /// From now on nothing that a machine is given to keep is kept, and its store says so; or it says nothing.
    pub fn break_disk(&mut self, at: Address, says: bool) {
        let host = &mut self.hosts[at as usize];
        match says {
            true => host.disk.fill(false),
            false => host.is_silent = true,
        }
    }

    /// Parts the nodes in two for a while; `one_way` lets one half hear the other.
    pub fn cut(&mut self, us: u64, one_way: bool) {
        let now_us = self.now_us;
        self.cuts.retain(|cut| cut.until_us > now_us);
        self.cuts.push(Cut {
            until_us: now_us + us,
            lot: self.random.next(),
            one_way,
        });
    }

    /// Parts these nodes from all others.
    pub fn part(&mut self, side: BTreeSet<Address>) {
        self.side = side;
    }

    /// Mends all ways, and lets no more messages go astray.
    pub fn mend(&mut self) {
        self.cuts.clear();
        self.side.clear();
        self.faults = Faults {
            store_us: self.faults.store_us,
            ..Faults::default()
        };
    }

    /// Makes the network show each question before it is sent.
    pub fn tamper(&mut self, tamper: Box<Tamper>) {
        self.tamper = Some(tamper);
    }

    /// Makes [`Network::step`] say something at a time.
    pub fn remind(&mut self, at_us: u64, due: Due) {
        self.queue.push(at_us, Delivery::Due(due));
    }

    /// Makes a call of a client at a node; nothing where it is down.
    pub fn call(&mut self, at: Address, call: Call<Address>) -> Option<Ticket> {
        self.numbers += 1;
        let ticket = Ticket(self.numbers);
        let call = event::Call::Causal(Box::new(call));
        self.is_up(at).then(|| {
            self.feed(at, Event::Called { ticket, call });
            ticket
        })
    }

    /// Unix milliseconds by the clock of a machine.
    pub fn now_ms(&self, at: Address) -> u64 {
        EPOCH_MS + self.faults.by_clock(self.seed, at, self.now_us) / 1_000
    }

    /// Lets the next thing happen. Nothing: there is none; or what somebody wanted to know, if it is that.
    pub fn step(&mut self) -> Option<Option<Due>> {
        let (time_us, delivery) = self.queue.pop()?;
        self.now_us = self.now_us.max(time_us);
        match delivery {
            Delivery::Due(due) => return Some(Some(due)),
            Delivery::Start(at) => self.start(at),
            Delivery::Beat(at, life) if self.lives(at, life) => {
                self.feed(at, Event::Elapsed(Timer::Beat));
                let next_us = BEAT_US * self.random.between(90, 110) / 100;
                let next_us = self.faults.by_clock(self.seed, at, next_us);
                self.queue
                    .push(self.now_us + next_us, Delivery::Beat(at, life));
            }
            Delivery::Stored(at, life, ticket, outcome) if self.lives(at, life) => {
                let outcome = *outcome;
                self.feed(at, Event::Stored { ticket, outcome });
            }
            Delivery::Synced(at, life, ticket) if self.lives(at, life) => {
                let host = &mut self.hosts[at as usize];
                if host.is_silent {
                    return Some(None);
                }
                let outcome = host.disk.end_flush();
                self.feed(at, Event::Stored { ticket, outcome });
            }
            Delivery::Asked(number, from, to, request) => self.asked(number, from, to, *request),
            Delivery::Answered(number, reply) => {
                if let Some(open) = self.open.remove(&number) {
                    let event = Event::Answered {
                        ticket: open.ticket,
                        from: open.to,
                        reply: *reply,
                        micros: 0,
                    };
                    self.feed_life(&open, event);
                }
            }
            Delivery::Refused(number, instead) => {
                if let Some(open) = self.open.remove(&number) {
                    if let Some(peer) = instead {
                        self.feed_life(&open, Event::Met(peer));
                    }
                    self.unanswered(&open, Cause::Refused);
                }
            }
            Delivery::Overdue(number) => {
                if let Some(open) = self.open.remove(&number) {
                    self.unanswered(&open, Cause::Silent);
                }
            }
            Delivery::Beat(..) | Delivery::Stored(..) | Delivery::Synced(..) => {}
        }
        Some(None)
    }

    /// Addresses of all machines that are there.
    pub fn addresses(&self) -> Vec<Address> {
        let all = (0..).zip(&self.hosts);
        let present = all.filter(|(_, host)| !host.is_gone);
        present.map(|(at, _)| at).collect()
    }

    /// One of them.
    pub fn any(&self, random: &mut Random) -> Address {
        let addresses = self.addresses();
        addresses[random.below(addresses.len() as u64) as usize]
    }

    /// Whether a machine runs.
    pub fn is_up(&self, at: Address) -> bool {
        self.hosts[at as usize].life > 0
    }

    /// The number of the store that a machine has.
    pub fn store_number(&self, at: Address) -> u32 {
        self.hosts[at as usize].config.store
    }

    /// The node of a machine, as it is, or was when it went down.
    pub fn node(&self, at: Address) -> &Causal<Address> {
        let node = self.hosts[at as usize].node.as_ref();
        node.expect("it has been started")
    }

    /// The nodes of all machines that are there and were ever started.
    pub fn nodes(&self) -> impl Iterator<Item = &Causal<Address>> {
        let present = self.hosts.iter().filter(|host| !host.is_gone);
        present.filter_map(|host| host.node.as_ref())
    }

    /// What a machine stores.
    pub fn records(&self, at: Address) -> Vec<(Id, dht::record::Record)> {
        self.hosts[at as usize].disk.records(dht::Arc::WHOLE)
    }

    fn lives(&self, at: Address, life: u32) -> bool {
        self.hosts[at as usize].life == life
    }

    fn id(&self, at: Address) -> Id {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.seed.to_be_bytes());
        bytes[8..].copy_from_slice(&at.to_be_bytes());
        Id::of(&bytes)
    }

    fn feed_life(&mut self, open: &Open, event: Event<Address>) {
        if self.lives(open.asker, open.life) {
            self.feed(open.asker, event);
        }
    }

    fn unanswered(&mut self, open: &Open, cause: Cause) {
        let ticket = open.ticket;
        self.feed_life(open, Event::Unanswered { ticket, cause });
    }

    /// A node deals with an event, and what comes of it is performed.
    fn feed(&mut self, at: Address, event: Event<Address>) {
        self.events += 1;
        let mut actions = Vec::new();
        if let Some(node) = &mut self.hosts[at as usize].node {
            node.handle(event, &mut actions);
        }
        for action in actions {
            self.act(at, action);
        }
    }

    fn act(&mut self, at: Address, action: Action<Address>) {
        match action {
            Action::Ask {
                ticket,
                to,
                request,
            } => self.ask(at, ticket, to, request),
            Action::Reply { ticket, reply } => {
                let number = self.asked.remove(&ticket);
                let open = number.and_then(|number| Some((number, self.open.get(&number)?.asker)));
                if let Some((number, asker)) = open
                    && let Some(arrives_us) = self.arrival(at, asker)
                {
                    let answered = Delivery::Answered(number, reply.into());
                    self.queue.push(arrives_us, answered);
                }
            }
            Action::Return { ticket, returned } => {
                if let event::Returned::Causal(returned) = returned {
                    self.returned.push((ticket, *returned));
                }
            }
            Action::Store { ticket, command } => self.store(at, ticket, command),
            Action::Wait { .. } => unreachable!("a causal store's only clock is its beat"),
            Action::Publish | Action::Note(_) => {}
        }
    }

    /// What a disk does shows at once; only to make it durable takes time.
    fn store(&mut self, at: Address, ticket: Ticket, command: Command) {
        let took_us = self.random.between(0, self.faults.store_us);
        let host = &mut self.hosts[at as usize];
        match command {
            Command::Sync => {
                host.disk.begin_flush();
                host.busy_us = host.busy_us.max(self.now_us + took_us);
                let synced = Delivery::Synced(at, host.life, ticket);
                self.queue.push(host.busy_us, synced);
            }
            command => {
                let outcome = host.disk.perform(command, true).into();
                let stored = Delivery::Stored(at, host.life, ticket, outcome);
                self.queue.push(self.now_us, stored);
            }
        }
    }

    fn ask(&mut self, at: Address, ticket: Ticket, to: Peer<Address>, request: Request<Address>) {
        let mut request = request;
        if let (Some(tamper), Request::Causal(ask)) = (&mut self.tamper, &mut request) {
            tamper(ask);
        }
        self.numbers += 1;
        let number = self.numbers;
        let life = self.hosts[at as usize].life;
        let patience_us = u64::from(request.patience_ms()) * 1_000;
        self.open.insert(
            number,
            Open {
                asker: at,
                life,
                ticket,
                to,
            },
        );
        self.queue
            .push(self.now_us + patience_us, Delivery::Overdue(number));
        let from = self.node(at).view().me;
        // The transport carries what clients want once at most.
        let is_once = matches!(&request, Request::Causal(ask) if matches!(**ask, Ask::Operate(_)));
        let times = match !is_once && self.random.happens(self.faults.duplicate_ppm) {
            true => 2,
            false => 1,
        };
        for _ in 0..times {
            if let Some(arrives_us) = self.arrival(at, to.address) {
                let request = Box::new(request.clone());
                let asked = Delivery::Asked(number, from, to, request);
                self.queue.push(arrives_us, asked);
            }
        }
    }

    fn asked(
        &mut self,
        number: u64,
        from: Peer<Address>,
        to: Peer<Address>,
        request: Request<Address>,
    ) {
        let at = to.address;
        let present = self.is_up(at).then(|| self.node(at).view().me);
        if present == Some(to) {
            self.numbers += 1;
            let ticket = Ticket(self.numbers);
            self.asked.insert(ticket, number);
            return self.feed(
                at,
                Event::Asked {
                    ticket,
                    from,
                    request,
                },
            );
        }
        if let Some(arrives_us) = self.arrival(at, from.address) {
            let refused = Delivery::Refused(number, present);
            self.queue.push(arrives_us, refused);
        }
    }

    /// When a message sent now arrives; nothing if it never does.
    fn arrival(&mut self, from: Address, to: Address) -> Option<u64> {
        let side = |at: Address, lot: u64| mix(lot ^ mix(u64::from(at).wrapping_add(GOLDEN))) % 2;
        let is_cut = |cut: &Cut| {
            let (here, there) = (side(from, cut.lot), side(to, cut.lot));
            cut.until_us > self.now_us && here != there && (!cut.one_way || here == 0)
        };
        let is_parted = self.side.contains(&from) != self.side.contains(&to);
        let is_lost = self.random.happens(self.faults.loss_ppm);
        if is_lost || is_parted || self.cuts.iter().any(is_cut) {
            return None;
        }
        let mut delay_us = self.latency.draw(from, to, &mut self.random);
        if self.random.happens(self.faults.reorder_ppm) {
            delay_us += self.random.between(0, self.faults.reorder_us);
        }
        Some(self.now_us + delay_us)
    }
}

/// Between two beats, give or take a tenth.
const BEAT_US: u64 = 250_000;

/// When virtual time begins, in Unix milliseconds: some time in 2023.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// The stream of chance that the network draws from.
const NETWORK: u64 = 12;
