//! A network in a test: nodes around one queue of events, in virtual time.
//!
//! Everything random comes from one seed, so a run that fails is run again by its seed.

#![allow(
    clippy::allow_attributes,
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part of this"
)]

pub mod hand;

use std::collections::{BTreeMap, BTreeSet};

use dht::event::{Call, Cause, Delay, Note, Returned, Ticket, Timer};
use dht::message::{Reply, Request, Routing};
use dht::record::{Change, Condition};
use dht::store::{Command, Memory, Outcome, perform};
use dht::view::Phase;
use dht::{Action, Arc, Config, Event, Id, Node, Ownership, Peer, View};

pub type Address = u32;

/// Many nodes, what is on its way between them, and what clients were told.
pub struct Network {
    pub config: Config,
    pub now_us: u64,
    pub hosts: BTreeMap<Address, Host>,
    pub returned: BTreeMap<Ticket, Returned<Address>>,
    /// One way, in microseconds: at least, at most.
    pub latency_us: (u64, u64),
    /// How long a store takes, in microseconds: at least, at most.
    pub store_us: (u64, u64),
    /// Whether the schedule runs; without it only what a test triggers happens.
    pub scheduled: bool,
    /// How long the last [`Network::settle`] took.
    pub settled_ms: u64,
    /// Of a hundred questions, so many never arrive.
    pub questions_lost: u64,
    /// Of a hundred answers, so many never arrive.
    pub answers_lost: u64,
    /// Of a hundred questions, so many arrive twice.
    pub doubled: u64,
    /// Of a hundred commands that can fail, so many do.
    pub stores_failed: u64,
    /// Questions from the first to the second are refused, though both are there.
    pub cut: BTreeSet<(Address, Address)>,
    /// Says of an answer from the first to the second that it never arrives.
    pub swallows: Box<Swallow>,
    /// Whether it is checked after every event that nothing is served by two nodes: true of every
    /// ring whose dead are dead.
    pub is_exclusive: bool,
    /// What is on its way; what is for a host comes with the life of it that it is for.
    queue: BTreeMap<(u64, u64), (Option<u64>, Delivery)>,
    /// Questions that nodes have not answered yet: who asked whom, by which ticket.
    open: BTreeMap<Ticket, Open>,
    random: u64,
    serial: u64,
}

pub type Swallow = dyn FnMut(Address, Address, &Reply<Address>) -> bool;

/// A question on its way.
#[derive(Clone, Copy, Debug)]
struct Open {
    asker: Address,
    /// Which life of the asker's host wants to know.
    life: u64,
    ticket: Ticket,
    to: Peer<Address>,
}

/// A machine with one node on it.
pub struct Host {
    pub node: Node<Address>,
    pub store: Memory,
    pub notes: Vec<(u64, Note<Address>)>,
    pub is_up: bool,
    pub is_paused: bool,
    resumes_us: u64,
    /// Differs from one start to the next, so that nothing of an earlier one arrives.
    life: u64,
    /// When its store is done with what it has been given.
    busy_until_us: u64,
}

#[derive(Clone, Debug)]
enum Delivery {
    Asked {
        open: Open,
        from: Peer<Address>,
        request: Request<Address>,
    },
    Answered {
        open: Open,
        from: Peer<Address>,
        reply: Reply<Address>,
    },
    Unanswered {
        open: Open,
        cause: Cause,
    },
    Stored {
        at: Address,
        ticket: Ticket,
        command: Command,
    },
    Elapsed {
        at: Address,
        timer: Timer<Address>,
    },
    Scheduled {
        at: Address,
        timer: Timer<Address>,
        every_us: u64,
    },
    Resumed {
        at: Address,
    },
    Late {
        at: Address,
        event: Event<Address>,
    },
}

impl Delivery {
    /// The host it is for, unless it looks for one itself.
    fn host(&self) -> Option<Address> {
        match self {
            Delivery::Asked { .. } => None,
            Delivery::Answered { open, .. } | Delivery::Unanswered { open, .. } => Some(open.asker),
            Delivery::Stored { at, .. }
            | Delivery::Elapsed { at, .. }
            | Delivery::Scheduled { at, .. }
            | Delivery::Resumed { at }
            | Delivery::Late { at, .. } => Some(*at),
        }
    }
}

pub fn peer(address: Address) -> Peer<Address> {
    Peer {
        id: Id::of(&address.to_be_bytes()),
        address,
        incarnation: 1,
    }
}

impl Network {
    /// An ideal ring of the nodes 0..`members`.
    pub fn ring(members: Address, config: Config, seed: u64) -> Network {
        let peers: Vec<Peer<Address>> = (0..members).map(peer).collect();
        Network::ring_of(&peers, config, seed)
    }

    pub fn ring_of(peers: &[Peer<Address>], config: Config, seed: u64) -> Network {
        let mut network = Network {
            config,
            now_us: 0,
            hosts: BTreeMap::new(),
            returned: BTreeMap::new(),
            latency_us: (500, 1_500),
            store_us: (0, 0),
            scheduled: true,
            settled_ms: 0,
            questions_lost: 0,
            answers_lost: 0,
            doubled: 0,
            stores_failed: 0,
            cut: BTreeSet::new(),
            swallows: Box::new(|_, _, _| false),
            is_exclusive: false,
            queue: BTreeMap::new(),
            open: BTreeMap::new(),
            random: seed,
            serial: 0,
        };
        for me in peers {
            network.install(me.address, Node::in_ring(*me, peers, config));
        }
        network
    }

    /// The same, but time stands still and messages take none: only what a test triggers happens, one
    /// atomic step after the other, as in Zave's model.
    pub fn still(peers: &[Peer<Address>], config: Config) -> Network {
        let mut network = Network::ring_of(peers, config, 0);
        network.latency_us = (0, 0);
        network.scheduled = false;
        network
    }

    /// A node deals with a timer, and all messages that come of it arrive, if time stands still.
    pub fn step(&mut self, at: Address, timer: Timer<Address>) {
        self.feed(at, Event::Elapsed(timer));
        self.run_ms(0);
    }

    /// Rounds in which every node stabilizes once, until the pointers are ideal; nothing if they are
    /// not after so many.
    pub fn rounds(&mut self, max: usize) -> Option<usize> {
        for round in 0..=max {
            if self.pointer_problems().is_empty() {
                return Some(round);
            }
            for member in self.members() {
                self.step(member.address, Timer::Predecessor);
                self.step(member.address, Timer::Stabilize);
            }
        }
        None
    }

    fn install(&mut self, address: Address, node: Node<Address>) {
        self.serial += 1;
        let host = Host {
            node,
            store: Memory::default(),
            notes: Vec::new(),
            is_up: true,
            is_paused: false,
            resumes_us: 0,
            life: self.serial,
            busy_until_us: 0,
        };
        self.hosts.insert(address, host);
        let schedule = [
            (Timer::Stabilize, 1_000_000),
            (Timer::Fingers, 3_000_000),
            (Timer::Predecessor, 2_000_000),
            (Timer::SelfCheck, 30_000_000),
        ];
        for (timer, every_us) in schedule {
            let first = self.draw(0, every_us);
            self.push(
                first,
                Delivery::Scheduled {
                    at: address,
                    timer,
                    every_us,
                },
            );
        }
    }

    /// Starts a node that joins through `via`; returns the ticket of its call.
    pub fn join(&mut self, address: Address, via: Address) -> Ticket {
        self.join_as(peer(address), via)
    }

    pub fn join_as(&mut self, me: Peer<Address>, via: Address) -> Ticket {
        self.join_through(me, &[via])
    }

    /// Starts a node that knows several members, in case one of them is gone when it asks.
    pub fn join_through(&mut self, me: Peer<Address>, members: &[Address]) -> Ticket {
        self.install(me.address, Node::new(me, self.config));
        let members = members.iter().map(|at| self.view(*at).me).collect();
        self.call(me.address, Call::Join(members))
    }

    /// Makes a call, without waiting for what comes of it.
    pub fn call(&mut self, at: Address, call: Call<Address>) -> Ticket {
        self.serial += 1;
        let ticket = Ticket(self.serial);
        self.feed(at, Event::Called { ticket, call });
        ticket
    }

    /// Makes a call and runs until it has returned.
    pub fn wait_for(&mut self, at: Address, call: Call<Address>) -> Returned<Address> {
        let ticket = self.call(at, call);
        self.run_until(60, |network| network.returned.contains_key(&ticket));
        self.returned
            .remove(&ticket)
            .expect("the call returns within a minute")
    }

    pub fn find(&mut self, at: Address, key: Id, routing: Routing) -> Vec<Address> {
        let rule = self.config.ownership;
        match self.wait_for(at, Call::Find { key, rule, routing }) {
            Returned::Found(path) => path.iter().map(|hop| hop.node.address).collect(),
            other => panic!("{key} was not found from {at}: {other:?}"),
        }
    }

    pub fn read(&mut self, at: Address, key: Id) -> Option<Vec<u8>> {
        match self.wait_for(
            at,
            Call::Read {
                key,
                routing: Routing::Finger,
            },
        ) {
            Returned::Record(record, _) => record
                .and_then(|record| record.value)
                .map(|value| value.to_vec()),
            other => panic!("{key} was not read from {at}: {other:?}"),
        }
    }

    pub fn write(&mut self, at: Address, key: Id, value: &str) -> Returned<Address> {
        self.wait_for(at, write(key, value))
    }

    pub fn kill(&mut self, address: Address) {
        self.hosts.get_mut(&address).expect("a host to kill").is_up = false;
    }

    /// Stops a host for so many milliseconds: it hears nothing, and its timers are late.
    pub fn pause(&mut self, address: Address, ms: u64) {
        let host = self.hosts.get_mut(&address).expect("a host to pause");
        host.is_paused = true;
        host.resumes_us = host.resumes_us.max(self.now_us + ms * 1_000);
        self.push(ms * 1_000, Delivery::Resumed { at: address });
    }

    /// Runs for so many milliseconds.
    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now_us + ms * 1_000;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((time, _), (life, delivery)) = entry.remove_entry();
            self.now_us = time;
            self.deliver(life, delivery);
        }
        self.now_us = end;
    }

    /// Runs until `done`, at most so many seconds; whether it came to that.
    pub fn run_until(&mut self, seconds: u64, done: impl Fn(&Network) -> bool) -> bool {
        let end = self.now_us + seconds * 1_000_000;
        while !done(self) {
            if self.now_us >= end {
                return false;
            }
            let ((time, _), (life, delivery)) =
                self.queue.pop_first().expect("the schedule never ends");
            self.now_us = time;
            self.deliver(life, delivery);
        }
        true
    }

    /// Performs one event on one node, and schedules what comes of it.
    pub fn feed(&mut self, at: Address, event: Event<Address>) {
        let mut actions = Vec::new();
        let host = self.hosts.get_mut(&at).expect("an event is for a host");
        host.node.handle(event, &mut actions);
        self.check(at);
        if self.is_exclusive && actions.contains(&Action::Publish) {
            let twice = self.served_twice();
            assert!(
                twice.is_none(),
                "{}\nserved twice: {twice:?} since {at} did {actions:?}",
                self.story()
            );
        }
        for action in actions {
            self.act(at, action);
        }
    }

    fn act(&mut self, at: Address, action: Action<Address>) {
        let me = self.hosts[&at].node.view().me;
        match action {
            Action::Ask {
                ticket,
                to,
                request,
            } => {
                let open = Open {
                    asker: at,
                    life: self.hosts[&at].life,
                    ticket,
                    to,
                };
                let patience = u64::from(request.patience_ms()) * 1_000;
                self.push(
                    patience,
                    Delivery::Unanswered {
                        open,
                        cause: Cause::Silent,
                    },
                );
                if self.happens(self.questions_lost) {
                    return;
                }
                let from = me;
                let asked = Delivery::Asked {
                    open,
                    from,
                    request,
                };
                if self.happens(self.doubled) {
                    let delay = self.latency();
                    self.push(delay, asked.clone());
                }
                let delay = self.latency();
                self.push(delay, asked);
            }
            Action::Reply { ticket, reply } => {
                let open = self
                    .open
                    .remove(&ticket)
                    .expect("a reply is to an open question");
                if self.happens(self.answers_lost) || (self.swallows)(at, open.asker, &reply) {
                    return;
                }
                let delay = self.latency();
                self.push(
                    delay,
                    Delivery::Answered {
                        open,
                        from: me,
                        reply,
                    },
                );
            }
            Action::Return { ticket, returned } => {
                // A process ends when its node has left, and when it could not join.
                let phase = self.view(at).phase;
                let is_out = matches!(returned, Returned::Failed(..)) && phase == Phase::Joining;
                if is_out || matches!(returned, Returned::Left(_)) {
                    self.kill(at);
                }
                self.returned.insert(ticket, returned);
            }
            Action::Store { ticket, command } => {
                let delay = self.draw(self.store_us.0, self.store_us.1);
                let host = self.hosts.get_mut(&at).expect("a store is at a host");
                host.busy_until_us = host.busy_until_us.max(self.now_us) + delay;
                let delay = host.busy_until_us - self.now_us;
                self.push(
                    delay,
                    Delivery::Stored {
                        at,
                        ticket,
                        command,
                    },
                );
            }
            Action::Wait {
                timer,
                delay: Delay { min_ms, max_ms },
            } => {
                let delay = self.draw(u64::from(min_ms) * 1_000, u64::from(max_ms) * 1_000);
                self.push(delay, Delivery::Elapsed { at, timer });
            }
            Action::Publish => {}
            Action::Note(note) => {
                let now = self.now_us;
                self.hosts
                    .get_mut(&at)
                    .expect("a note is of a host")
                    .notes
                    .push((now, note));
            }
        }
    }

    fn deliver(&mut self, life: Option<u64>, delivery: Delivery) {
        let host = delivery.host().and_then(|at| self.hosts.get(&at));
        if life.is_some() && host.map(|host| host.life) != life {
            return;
        }
        match delivery {
            Delivery::Asked {
                open,
                from,
                request,
            } => match self.hosts.get(&open.to.address) {
                _ if self.cut.contains(&(open.asker, open.to.address)) => {
                    let delay = self.latency();
                    let cause = Cause::Refused;
                    self.push(delay, Delivery::Unanswered { open, cause });
                }
                Some(host) if host.is_up && host.is_paused => {
                    let delay = host.resumes_us - self.now_us;
                    self.push(
                        delay,
                        Delivery::Asked {
                            open,
                            from,
                            request,
                        },
                    );
                }
                Some(host) if host.is_up && host.node.view().me == open.to => {
                    self.serial += 1;
                    let ticket = Ticket(self.serial);
                    self.open.insert(ticket, open);
                    self.feed(
                        open.to.address,
                        Event::Asked {
                            ticket,
                            from,
                            request,
                        },
                    );
                }
                _ => {
                    let delay = self.latency();
                    self.push(
                        delay,
                        Delivery::Unanswered {
                            open,
                            cause: Cause::Refused,
                        },
                    );
                }
            },
            Delivery::Answered { open, from, reply } => {
                let ticket = open.ticket;
                let event = if from == open.to {
                    Event::Answered {
                        ticket,
                        from,
                        reply,
                        micros: 1,
                    }
                } else {
                    Event::Unanswered {
                        ticket,
                        cause: Cause::Refused,
                    }
                };
                self.feed_later(open.asker, event);
            }
            Delivery::Unanswered { open, cause } => {
                let ticket = open.ticket;
                self.feed_later(open.asker, Event::Unanswered { ticket, cause });
            }
            Delivery::Stored {
                at,
                ticket,
                command,
            } => {
                let fails = can_fail(&command)
                    && self.stores_failed > 0
                    && self.draw(1, 100) <= self.stores_failed;
                let host = self.hosts.get_mut(&at).expect("a store is at a host");
                if host.is_up && host.is_paused {
                    let delay = host.resumes_us - self.now_us;
                    let stored = Delivery::Stored {
                        at,
                        ticket,
                        command,
                    };
                    self.push(delay, stored);
                } else if host.is_up {
                    let outcome = match fails {
                        true => perform_part(&mut host.store, command),
                        false => perform(&mut host.store, command),
                    };
                    self.feed(at, Event::Stored { ticket, outcome });
                }
            }
            Delivery::Resumed { at } => {
                let host = self.hosts.get_mut(&at).expect("a host to resume");
                host.is_paused = self.now_us < host.resumes_us;
            }
            Delivery::Late { at, event } => self.feed_later(at, event),
            Delivery::Elapsed { at, timer } => self.feed_later(at, Event::Elapsed(timer)),
            Delivery::Scheduled {
                at,
                timer,
                every_us,
            } => {
                let next = self.draw(every_us * 9 / 10, every_us * 11 / 10);
                if self.hosts[&at].is_up {
                    let again = timer.clone();
                    self.push(
                        next,
                        Delivery::Scheduled {
                            at,
                            timer: again,
                            every_us,
                        },
                    );
                    if self.scheduled {
                        self.feed_later(at, Event::Elapsed(timer));
                    }
                }
            }
        }
    }

    /// An event for a host that may be down, in which case it is lost, or paused, in which case it
    /// waits for it.
    fn feed_later(&mut self, at: Address, event: Event<Address>) {
        match self.hosts.get(&at) {
            Some(host) if host.is_up && host.is_paused => {
                let delay = host.resumes_us - self.now_us;
                self.push(delay, Delivery::Late { at, event });
            }
            Some(host) if host.is_up => self.feed(at, event),
            _ => {}
        }
    }

    fn push(&mut self, delay_us: u64, delivery: Delivery) {
        self.serial += 1;
        let life = match &delivery {
            Delivery::Answered { open, .. } | Delivery::Unanswered { open, .. } => Some(open.life),
            other => other.host().map(|at| self.hosts[&at].life),
        };
        self.queue
            .insert((self.now_us + delay_us, self.serial), (life, delivery));
    }

    /// Whether something happens that happens so many times in a hundred.
    fn happens(&mut self, percent: u64) -> bool {
        percent > 0 && self.draw(0, 99) < percent
    }

    fn latency(&mut self) -> u64 {
        self.draw(self.latency_us.0, self.latency_us.1)
    }

    /// A random number from `low` to `high`: SplitMix64.
    pub fn draw(&mut self, low: u64, high: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (z ^ (z >> 31)) % (high - low + 1)
    }
}

/// Whether a store that is out of reach can't do it.
fn can_fail(command: &Command) -> bool {
    !matches!(
        command,
        Command::Note(_) | Command::Discard(_) | Command::Sync
    )
}

/// A store that fails has done nothing of it, or of many records the first.
fn perform_part(store: &mut Memory, command: Command) -> Outcome {
    if let Command::Merge(mut records) = command {
        records.truncate(1);
        perform(store, Command::Merge(records));
    }
    Outcome::Failed
}

/// What can be said of the network as a whole.
impl Network {
    pub fn view(&self, at: Address) -> &View<Address> {
        self.hosts[&at].node.view()
    }

    /// Members that are up, in ring order.
    pub fn members(&self) -> Vec<Peer<Address>> {
        let up = self.hosts.values().filter(|host| host.is_up);
        let views = up.map(|host| host.node.view());
        let members = views.filter(|view| matches!(view.phase, Phase::Member | Phase::Leaving));
        let mut members: Vec<Peer<Address>> = members.map(|view| view.me).collect();
        members.sort_unstable();
        members
    }

    /// The node that owns a key, from the sorted list of members and nothing else.
    pub fn owner(&self, key: Id) -> Address {
        let members = self.members();
        let place = members.partition_point(|peer| peer.id < key);
        let after = members[place % members.len()];
        let is_there = after.id == key;
        match self.config.ownership {
            Ownership::Successor => after.address,
            Ownership::Predecessor if is_there => after.address,
            Ownership::Predecessor => members[(place + members.len() - 1) % members.len()].address,
        }
    }

    /// Whether every pointer of every node is what the sorted list of members says, and every node
    /// serves just what is its own.
    pub fn is_ideal(&self) -> bool {
        self.problems().is_empty()
    }

    pub fn problems(&self) -> Vec<String> {
        let members = self.members();
        let count = members.len();
        let mut problems = self.pointer_problems();
        for (place, me) in members.iter().enumerate() {
            let view = self.view(me.address);
            let before = members[(place + count - 1) % count];
            let after = members[(place + 1) % count];
            let arc = self.config.ownership.arc(before.id, me.id, after.id);
            let serves: Vec<Arc> = view.serves.iter().map(|range| range.arc).collect();
            let is_same = |other: &Arc| *other == arc || (count == 1 && other.start == other.end);
            if !matches!(serves.as_slice(), [one] if is_same(one)) {
                problems.push(format!("{me:?} serves {serves:?}, not {arc:?}"));
            }
            if view.fenced.is_some() || view.handover.is_some() {
                problems.push(format!("{me:?} is handing over"));
            }
        }
        problems
    }

    /// Where a pointer of a member is not what the sorted list of members says.
    pub fn pointer_problems(&self) -> Vec<String> {
        let members = self.members();
        let count = members.len();
        let mut problems = Vec::new();
        for host in self.hosts.values().filter(|host| host.is_up) {
            let view = host.node.view();
            if !matches!(view.phase, Phase::Member | Phase::Left) {
                problems.push(format!("{:?} is {:?}", view.me, view.phase));
            }
        }
        for (place, me) in members.iter().enumerate() {
            let view = self.view(me.address);
            let before = members[(place + count - 1) % count];
            if view.predecessor != Some(before) {
                problems.push(format!(
                    "{me:?} has predecessor {:?}, not {before:?}",
                    view.predecessor
                ));
            }
            let length = usize::from(self.config.successors).min(count - 1);
            let after: Vec<_> = (1..=length)
                .map(|step| members[(place + step) % count])
                .collect();
            if view.successors != after {
                problems.push(format!(
                    "{me:?} has successors {:?}, not {after:?}",
                    view.successors
                ));
            }
        }
        problems
    }

    /// Runs until the ring is ideal.
    pub fn settle(&mut self, seconds: u64) {
        let start = self.now_us;
        while !self.is_ideal() {
            assert!(
                self.now_us < start + seconds * 1_000_000,
                "{}\nnot ideal after {seconds} s:\n{}",
                self.story(),
                self.problems().join("\n")
            );
            self.run_ms(10);
        }
        self.settled_ms = (self.now_us - start) / 1_000;
    }

    /// How many nodes serve a key, as far as they say themselves.
    pub fn servers(&self, key: Id) -> usize {
        let up = self.hosts.values().filter(|host| host.is_up);
        let serving = |host: &&Host| {
            let view = host.node.view();
            let fenced = view.fenced.is_some_and(|arc| arc.contains(key));
            view.serves.iter().any(|range| range.arc.contains(key)) && !fenced
        };
        up.filter(serving).count()
    }

    /// An arc that two nodes serve at this moment, and both of them.
    pub fn served_twice(&self) -> Option<(Arc, Address, Address)> {
        let mut served: Vec<(Arc, Address)> = Vec::new();
        for (address, host) in self.hosts.iter().filter(|(_, host)| host.is_up) {
            let view = host.node.view();
            let mut own = Vec::new();
            for range in &view.serves {
                match view.fenced {
                    Some(fenced) => own.extend(range.arc.without(fenced)),
                    None => own.push(range.arc),
                }
            }
            for arc in &own {
                for (other, server) in &served {
                    if let Some(both) = arc.intersection(*other).next() {
                        return Some((both, *server, *address));
                    }
                }
            }
            served.extend(own.into_iter().map(|arc| (arc, *address)));
        }
        None
    }

    /// After every event: what must hold at any moment, whatever happens.
    fn check(&self, at: Address) {
        let view = self.view(at);
        let distances = view
            .successors
            .iter()
            .map(|peer| view.me.id.distance_to(peer.id));
        assert!(
            distances.is_sorted_by(|a, b| a < b)
                && !view.successors.iter().any(|p| p.id == view.me.id),
            "a successor list is strictly clockwise and without its node: {view:?}"
        );
        assert!(
            view.successors.len() <= usize::from(self.config.successors),
            "a successor list keeps to its length: {view:?}"
        );
    }
}

pub fn write(key: Id, value: &str) -> Call<Address> {
    let change = Change {
        name: None,
        value: Some(value.as_bytes().into()),
        condition: Condition::Always,
        flags: 0,
        expires_ms: None,
        now_ms: 0,
    };
    Call::Change {
        key,
        change,
        routing: Routing::Finger,
    }
}

impl Network {
    /// Everything that was noted, in order of time.
    pub fn story(&self) -> String {
        let mut notes: Vec<(u64, Address, String)> = Vec::new();
        for (address, host) in &self.hosts {
            let lines = host.notes.iter();
            notes.extend(lines.map(|(time, note)| (*time, *address, format!("{note:?}"))));
        }
        notes.sort();
        let line = |(time, at, note): &(u64, Address, String)| format!("{time:>10} {at:>4} {note}");
        notes.iter().map(line).collect::<Vec<String>>().join("\n")
    }
}
