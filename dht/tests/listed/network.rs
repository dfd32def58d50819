//! A network of listed nodes around one queue of events, in virtual time. Everything random comes from one
//! seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dht::event::{Call, Cause, Returned, Ticket, Timer};
use dht::listed::Config;
use dht::listed::message::Told;
use dht::listed::table::{Change, Layout, Member, Table};
use dht::message::{Reply, Request, Routing};
use dht::record::{self, Condition, Record};
use dht::store::{Command, Memory, Outcome, Store as _, perform};
use dht::{Action, Event, Id, Listed, Peer};

pub type Address = u32;

/// Many nodes, what is on its way between them, and what clients were told.
pub struct Network {
    pub config: Config,
    pub now_us: u64,
    pub hosts: BTreeMap<Address, Host>,
    pub returned: BTreeMap<Ticket, Returned<Address>>,
    /// Of a hundred questions, and of a hundred answers, so many never arrive.
    pub lost: u64,
    /// Those whose stores are out of reach.
    pub stranded: BTreeSet<Address>,
    /// Nothing comes to these nodes, or from them, though they are up.
    pub cut: BTreeSet<Address>,
    /// What the first of two asks never comes to the second, though the second can ask the first.
    pub unheard: BTreeSet<(Address, Address)>,
    queue: BTreeMap<(u64, u64), Delivery>,
    open: BTreeMap<Ticket, Open>,
    random: u64,
    serial: u64,
}

/// A machine with one node on it.
pub struct Host {
    pub node: Listed<Address>,
    pub store: Memory,
    pub member: Member<Address>,
    pub is_up: bool,
    /// Differs from one start to the next, so that nothing of an earlier one arrives.
    life: u64,
}

/// A question on its way.
#[derive(Clone, Copy)]
struct Open {
    asker: Address,
    life: u64,
    ticket: Ticket,
    to: Peer<Address>,
}

enum Delivery {
    Asked(Open, Peer<Address>, Request<Address>),
    /// For this host in this life.
    Event(Address, u64, Event<Address>),
    Beat(Address, u64),
}

pub fn member(address: Address) -> Member<Address> {
    Member {
        peer: Peer {
            id: Id::of(&address.to_be_bytes()),
            address,
            incarnation: 1,
        },
        name: format!("n{address}"),
        label: format!("n{address}"),
        weight: 1,
        zone: None,
    }
}

impl Network {
    /// The nodes 0..`members`, all told the same list.
    pub fn of(members: Address, config: Config, seed: u64) -> Network {
        let mut network = Network {
            config,
            now_us: 0,
            hosts: BTreeMap::new(),
            returned: BTreeMap::new(),
            lost: 0,
            stranded: BTreeSet::new(),
            cut: BTreeSet::new(),
            unheard: BTreeSet::new(),
            queue: BTreeMap::new(),
            open: BTreeMap::new(),
            random: seed,
            serial: 0,
        };
        let list: Vec<Member<Address>> = (0..members).map(member).collect();
        for member in &list {
            network.install(member.clone(), Memory::default());
        }
        for at in 0..members {
            network.feed(at, Event::Listed(list.clone()));
        }
        network
    }

    fn install(&mut self, member: Member<Address>, store: Memory) {
        self.serial += 1;
        let (at, life) = (member.peer.address, self.serial);
        let node = Listed::new(member.clone(), self.config, &store.notes());
        let host = Host {
            node,
            store,
            member,
            is_up: true,
            life,
        };
        self.hosts.insert(at, host);
        let first = self.draw(0, BEAT_US);
        self.push(first, Delivery::Beat(at, life));
    }

    /// Starts a node that is no member yet, and knows of one.
    pub fn start(&mut self, address: Address, via: Address) -> Member<Address> {
        let member = member(address);
        self.install(member.clone(), Memory::default());
        let met = self.hosts[&via].member.peer;
        self.feed(address, Event::Met(met));
        member
    }

    pub fn kill(&mut self, address: Address) {
        self.host(address).is_up = false;
    }

    /// Starts a node again, with what is on its disk or without.
    pub fn restart(&mut self, address: Address, has_disk: bool) {
        let host = self.host(address);
        host.member.peer.incarnation += 1;
        let member = host.member.clone();
        let store = match has_disk {
            true => std::mem::take(&mut host.store),
            false => Memory::default(),
        };
        self.install(member, store);
        for peer in self.up().into_iter().filter(|peer| peer.address != address) {
            self.feed(address, Event::Met(peer));
        }
    }

    pub fn up(&self) -> Vec<Peer<Address>> {
        let up = self.hosts.values().filter(|host| host.is_up);
        up.map(|host| host.member.peer).collect()
    }

    fn host(&mut self, address: Address) -> &mut Host {
        self.hosts.get_mut(&address).expect("there is such a host")
    }

    pub fn table(&self, at: Address) -> Option<&Table<Address>> {
        self.hosts[&at].node.view().table.as_deref()
    }

    /// Makes a call, without waiting for what comes of it.
    pub fn call(&mut self, at: Address, call: Call<Address>) -> Ticket {
        self.serial += 1;
        let ticket = Ticket(self.serial);
        self.feed(at, Event::Called { ticket, call });
        ticket
    }

    pub fn change(&mut self, at: Address, change: Change<Address>) -> Ticket {
        self.call(at, Call::Members(Box::new(change)))
    }

    /// Makes a call and runs until it has returned.
    pub fn wait_for(&mut self, at: Address, call: Call<Address>) -> Returned<Address> {
        let ticket = self.call(at, call);
        self.returned(ticket, 120)
    }

    pub fn returned(&mut self, ticket: Ticket, seconds: u64) -> Returned<Address> {
        let end = self.now_us + seconds * 1_000_000;
        while !self.returned.contains_key(&ticket) {
            assert!(
                self.now_us < end,
                "nothing returned after {seconds} s\n{}",
                self.story()
            );
            self.step();
        }
        self.returned.remove(&ticket).expect("it has just come")
    }

    pub fn write(&self, key: Id, value: &str) -> Call<Address> {
        self.changing(key, Some(value), Condition::Always)
    }

    /// Makes this the value, or deletes it, if the condition holds.
    pub fn changing(&self, key: Id, value: Option<&str>, condition: Condition) -> Call<Address> {
        let change = record::Change {
            name: None,
            value: value.map(|value| value.as_bytes().into()),
            condition,
            flags: 0,
            expires_ms: None,
            now_ms: self.now_us / 1_000,
        };
        let routing = Routing::Finger;
        Call::Change {
            key,
            change,
            routing,
        }
    }

    pub fn read(&mut self, at: Address, key: Id) -> Option<String> {
        let routing = Routing::Finger;
        match self.wait_for(at, Call::Read { key, routing }) {
            Returned::Record(record, _) => text(record),
            other => panic!("{key} from {at}: {other:?}\n{}", self.story()),
        }
    }

    /// Runs for so many milliseconds.
    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now_us + ms * 1_000;
        while self
            .queue
            .first_key_value()
            .is_some_and(|((time, _), _)| *time <= end)
        {
            self.step();
        }
        self.now_us = end;
    }

    /// Runs until everything is as the table says, and all have the same.
    pub fn settle(&mut self, seconds: u64) {
        let end = self.now_us + seconds * 1_000_000;
        while let Some(problem) = self.problem() {
            assert!(
                self.now_us < end,
                "after {seconds} s: {problem}\n{}",
                self.story()
            );
            self.run_ms(250);
        }
    }

    /// What is not as it should be in the end.
    pub fn problem(&self) -> Option<String> {
        let up = self.up();
        let newest = up.iter().filter_map(|peer| self.table(peer.address));
        let Some(table) = newest.max_by_key(|table| table.version) else {
            return Some("nobody has a table".into());
        };
        if table.change.is_some() {
            return Some(format!("content moves by table {}", table.version));
        }
        for peer in &up {
            if self.table(peer.address) != Some(table) {
                return Some(format!("{} has another table", peer.address));
            }
        }
        let layout: Layout = table.layout();
        let mut keys: BTreeMap<Id, u64> = BTreeMap::new();
        for peer in &up {
            for (key, record) in self.records(peer.address) {
                let newest = keys.entry(key).or_default();
                *newest = record.version.number().max(*newest);
            }
        }
        let alive: BTreeSet<Id> = up.iter().map(|peer| peer.id).collect();
        for (key, newest) in keys {
            let replicas = layout.replicas(key);
            for peer in &up {
                let here = self.hosts[&peer.address].store.read(key);
                let here = here.map(|record| record.version.number());
                let should = replicas.contains(&peer.id).then_some(newest);
                if here != should && alive.contains(&peer.id) {
                    return Some(format!(
                        "{}: {key} is {here:?}, not {should:?}",
                        peer.address
                    ));
                }
            }
        }
        None
    }

    pub fn records(&self, at: Address) -> Vec<(Id, Record)> {
        let limit = dht::store::Limit {
            records: usize::MAX,
            bytes: usize::MAX,
        };
        self.hosts[&at].store.scan(dht::Arc::WHOLE, None, limit)
    }

    /// Keys that a node holds.
    pub fn held(&self, at: Address) -> usize {
        self.hosts[&at].store.len()
    }

    /// For when something fails.
    fn story(&self) -> String {
        let line = |(at, host): (&Address, &Host)| {
            let table = host.node.view().table.as_deref();
            let table = table.map(|table| (table.version, table.members.len(), &table.change));
            format!(
                "{at} up {} {:?} {} keys",
                host.is_up,
                table,
                host.store.len()
            )
        };
        self.hosts.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn step(&mut self) {
        let ((time, _), delivery) = self.queue.pop_first().expect("beats never end");
        self.now_us = time;
        match delivery {
            Delivery::Asked(open, from, request) => self.arrive(open, from, request),
            Delivery::Event(at, life, event) => {
                if self.hosts[&at].life == life {
                    self.feed(at, event);
                }
            }
            Delivery::Beat(at, life) => {
                let host = &self.hosts[&at];
                if host.life == life && host.is_up {
                    let next = self.draw(BEAT_US * 9 / 10, BEAT_US * 11 / 10);
                    self.push(next, Delivery::Beat(at, life));
                    self.feed(at, Event::Elapsed(Timer::Beat));
                }
            }
        }
    }

    fn arrive(&mut self, open: Open, from: Peer<Address>, request: Request<Address>) {
        if self.cut.contains(&open.to.address) || self.cut.contains(&open.asker) {
            return;
        }
        let (asker, to) = (open.asker, open.to.address);
        if self.unheard.contains(&(asker, to)) {
            return;
        }
        let host = &self.hosts[&open.to.address];
        let there = host.member.peer;
        if self.unheard.contains(&(to, asker)) && matches!(request, Request::Listed(_)) {
            // Whoever can't be visited is not listened to.
            let (ticket, from, micros) = (open.ticket, there, 1);
            let reply = Reply::Listed(Box::new(Told::Behind(0)));
            let event = Event::Answered {
                ticket,
                from,
                reply,
                micros,
            };
            return self.send(asker, open.life, event);
        }
        if host.is_up && there == open.to {
            self.serial += 1;
            let ticket = Ticket(self.serial);
            self.open.insert(ticket, open);
            let event = Event::Asked {
                ticket,
                from,
                request,
            };
            return self.feed(open.to.address, event);
        }
        if host.is_up {
            self.send(open.asker, open.life, Event::Met(there));
        }
        let (ticket, cause) = (open.ticket, Cause::Refused);
        self.send(open.asker, open.life, Event::Unanswered { ticket, cause });
    }

    fn send(&mut self, at: Address, life: u64, event: Event<Address>) {
        let latency = self.draw(200, 2_000);
        self.push(latency, Delivery::Event(at, life, event));
    }

    /// Performs one event, and what its store answers, on one node.
    pub fn feed(&mut self, at: Address, event: Event<Address>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let host = self.host(at);
            if !host.is_up {
                return;
            }
            let mut actions = Vec::new();
            host.node.handle(event, &mut actions);
            for action in actions {
                events.extend(self.act(at, action));
            }
        }
    }

    fn act(&mut self, at: Address, action: Action<Address>) -> Option<Event<Address>> {
        let host = self.host(at);
        let (life, from) = (host.life, host.member.peer);
        match action {
            Action::Ask {
                ticket,
                to,
                request,
            } => {
                let open = Open {
                    asker: at,
                    life,
                    ticket,
                    to,
                };
                let patience = u64::from(request.patience_ms()) * 1_000;
                let cause = Cause::Silent;
                let silent = Event::Unanswered { ticket, cause };
                self.push(patience, Delivery::Event(at, life, silent));
                if self.draw(0, 99) >= self.lost {
                    let latency = self.draw(200, 2_000);
                    self.push(latency, Delivery::Asked(open, from, request));
                }
            }
            Action::Reply { ticket, reply } => {
                let open = self
                    .open
                    .remove(&ticket)
                    .expect("it answers what was asked, once");
                let is_cut = self.cut.contains(&at) || self.cut.contains(&open.asker);
                if self.draw(0, 99) >= self.lost && !is_cut {
                    let event = Event::Answered {
                        ticket: open.ticket,
                        from,
                        reply: fitting(reply),
                        micros: 1,
                    };
                    self.send(open.asker, open.life, event);
                }
            }
            Action::Return { ticket, returned } => {
                let before = self.returned.insert(ticket, returned);
                assert_eq!(before, None, "it returns once");
            }
            Action::Store { ticket, command } => {
                if command == Command::Sync {
                    let delay = self.draw(0, 2_000);
                    let outcome = Outcome::Done;
                    let event = Event::Stored { ticket, outcome };
                    self.push(delay, Delivery::Event(at, life, event));
                    return None;
                }
                let outcome = match self.stranded.contains(&at) && needs_content(&command) {
                    true => Outcome::Failed,
                    false => perform(&mut self.host(at).store, command),
                };
                return Some(Event::Stored { ticket, outcome });
            }
            Action::Wait { timer, delay } => {
                let delay = self.draw(delay.min_ms.into(), delay.max_ms.into()) * 1_000;
                self.push(delay, Delivery::Event(at, life, Event::Elapsed(timer)));
            }
            Action::Publish | Action::Note(_) => {}
        }
        None
    }

    fn push(&mut self, delay_us: u64, delivery: Delivery) {
        self.serial += 1;
        self.queue
            .insert((self.now_us + delay_us, self.serial), delivery);
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
fn needs_content(command: &Command) -> bool {
    match command {
        Command::Write { put, merge, .. } => !put.is_empty() || !merge.is_empty(),
        Command::Note(_) | Command::Discard(_) | Command::Sync => false,
        _ => true,
    }
}

/// Everything crosses the wire in the tests, too.
fn fitting(reply: Reply<Address>) -> Reply<Address> {
    let bytes = postcard::to_allocvec(&reply).expect("plain data");
    postcard::from_bytes(&bytes).expect("it is what it was")
}

pub fn text(record: Option<Record>) -> Option<String> {
    let value = record?.value?;
    Some(String::from_utf8(value.to_vec()).expect("tests write text"))
}

const BEAT_US: u64 = 250_000;
