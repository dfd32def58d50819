//! Engine: many nodes around one queue of events, in virtual time.
//!
//! [`Network::step`] lets the next thing happen and says what it was; whoever drives the network
//! looks at it between two steps, and makes calls, kills or joins nodes. The engine checks nothing:
//! [`crate::observe`] does. It keeps the contract of [`dht::Node`] towards each of its nodes.

mod act;
mod deliver;
pub(crate) mod disk;
mod fate;
mod host;
mod ideal;
mod parcel;
mod schedule;
mod traffic;

use std::collections::BTreeMap;

use dht::event::{Call, Returned, Ticket};
use dht::trace::Line;
use dht::{Action, Config, Event, Id, Node, Peer, View};

pub use fate::Reach;
pub use host::Status;
pub use parcel::List;
pub use traffic::{Questions, Traffic};

use crate::census::Census;
use crate::plan::{Detector, Plan, Schedule};
use crate::queue::Queue;
use crate::random::Random;
use crate::slab::Slab;
use host::Host;
use parcel::{Delivery, Open, Parcel};

/// What an address is here: a place in the list of hosts.
pub type Address = u32;

/// Many nodes, and what is on its way between them.
pub struct Network {
    config: Config,
    zones: u32,
    seed: u64,
    detector: Detector,
    latency: crate::latency::Latency,
    faults: crate::faults::Faults,
    schedule: Option<Schedule>,
    now_us: u64,
    hosts: Vec<Host>,
    census: Census,
    queue: Queue<Delivery>,
    parcels: Slab<Parcel>,
    /// Questions whose answers wait for something else, by the ticket the node knows them by.
    pending: BTreeMap<Ticket, Pending>,
    asked: deliver::Asked,
    reach: Reach,
    /// Who starts again after a stop of the whole network.
    stopped: Vec<Address>,
    random: Random,
    tickets: u64,
    lives: u32,
    traffic: Traffic,
    events: u64,
    /// What the last step brought.
    moment: Moment,
    actions: Vec<Action<Address>>,
    tamper: Option<Box<Tamper>>,
    listener: Option<Box<Listener>>,
}

/// A question that a node has not answered at once.
#[derive(Clone, Copy, Debug)]
struct Pending {
    open: Open,
    is_answered: bool,
}

/// Sees each action of a node before it is performed; may change it, and says whether to perform it.
pub type Tamper = dyn FnMut(Address, &mut Action<Address>) -> bool + Send;

/// Hears each event of a node, and what the node did about it.
pub type Listener = dyn FnMut(Line<Address>) + Send;

/// What a step brought.
#[derive(Debug, Default)]
pub struct Moment {
    /// A time that [`Network::remind`] asked for.
    pub due: Option<u64>,
    /// Nodes whose view has changed.
    pub changed: Vec<Address>,
    /// Calls that have returned.
    pub returned: Vec<(Ticket, Returned<Address>)>,
    /// Whether nodes have become members or stopped being ones.
    pub is_census_new: bool,
}

impl Network {
    /// The ideal ring that a plan starts with.
    pub fn new(plan: &Plan) -> Network {
        let mut network = Network {
            config: plan.config(),
            zones: plan.zones,
            seed: plan.seed,
            detector: plan.detector,
            latency: plan.latency,
            faults: plan.faults,
            schedule: plan.schedule,
            now_us: 0,
            hosts: Vec::new(),
            census: Census::default(),
            queue: Queue::new(),
            parcels: Slab::new(),
            pending: BTreeMap::new(),
            asked: None,
            reach: Reach::default(),
            stopped: Vec::new(),
            random: Random::new(plan.seed, STREAM),
            tickets: 0,
            lives: 0,
            traffic: Traffic::default(),
            events: 0,
            moment: Moment::default(),
            actions: Vec::new(),
            tamper: None,
            listener: None,
        };
        network.found(plan.nodes);
        network
    }

    /// Lets the next thing happen; nothing where nothing is to come.
    pub fn step(&mut self) -> Option<&Moment> {
        let moment = &mut self.moment;
        moment.due = None;
        moment.changed.clear();
        moment.returned.clear();
        moment.is_census_new = false;
        let (time_us, delivery) = self.queue.pop()?;
        self.now_us = self.now_us.max(time_us);
        self.deliver(delivery);
        Some(&self.moment)
    }

    /// What the last step, and the calls and faults since, have brought.
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// The moment, to be looked at while the network is changed; to be given back after that.
    pub(crate) fn take_moment(&mut self) -> Moment {
        Moment {
            due: self.moment.due,
            ..std::mem::take(&mut self.moment)
        }
    }

    /// Gives the memory of a moment back.
    pub(crate) fn give_back(&mut self, mut moment: Moment) {
        let due = moment.due;
        moment.changed.clear();
        moment.returned.clear();
        self.moment = Moment {
            due,
            is_census_new: false,
            ..moment
        };
    }

    /// Makes [`Moment::due`] say `what` at a time.
    pub fn remind(&mut self, at_us: u64, what: u64) {
        self.queue.push(at_us.max(self.now_us), Delivery::Due(what));
    }

    /// Makes a call of a client at a node that is up; it returns in a later moment, or at once.
    pub fn call(&mut self, at: Address, call: Call<Address>) -> Ticket {
        let ticket = self.ticket();
        self.feed(at, Event::Called { ticket, call });
        ticket
    }

    /// Starts a new node that joins through a member. Addresses are given out in order; those in
    /// between stay empty.
    pub fn join(&mut self, address: Address, via: Address) -> Ticket {
        let me = Peer {
            id: self.id(address),
            address,
            incarnation: 1 + self.incarnation(address),
        };
        let via = self.view(via).me;
        self.install(Node::new(me, self.config_on(address, me.incarnation)));
        self.call(address, Call::Join([via].into()))
    }

    /// Makes the network see each action before it is performed: for tests that plant mistakes.
    pub fn tamper(&mut self, tamper: Box<Tamper>) {
        self.tamper = Some(tamper);
    }

    /// Makes somebody hear all that happens to nodes.
    pub fn listen(&mut self, listener: Box<Listener>) {
        self.listener = Some(listener);
    }

    /// Puts a node in the place of another one with the same address: for tests that plant mistakes.
    pub fn replace(&mut self, node: Node<Address>) {
        let at = node.view().me.address;
        self.hosts[at as usize].node = Some(node);
        self.moment.changed.push(at);
    }

    /// Virtual time since the start, in microseconds.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Events that nodes have dealt with.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What nodes have sent.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What all nodes are told at their start.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Members that are up.
    pub fn census(&self) -> &Census {
        &self.census
    }

    /// How many addresses there are: of nodes that are up, down, or have never been.
    pub fn addresses(&self) -> Address {
        self.hosts.len() as Address
    }

    /// What a node shows of itself; `at` has been started once.
    pub fn view(&self, at: Address) -> &View<Address> {
        self.find(at).expect("an address of a node").view()
    }

    /// The node at an address, if there ever was one.
    pub fn find(&self, at: Address) -> Option<&Node<Address>> {
        self.hosts.get(at as usize)?.node.as_ref()
    }

    /// Whether the machine at an address runs, sleeps, or is down.
    pub fn status(&self, at: Address) -> Status {
        let host = self.hosts.get(at as usize);
        host.map_or(Status::Down, |host| host.status)
    }

    /// Whether this life of a node goes on and is part of the ring.
    pub fn is_member(&self, peer: &Peer<Address>) -> bool {
        self.status(peer.address) != Status::Down
            && self.find(peer.address).is_some_and(|node| {
                let view = node.view();
                view.me == *peer && crate::census::is_in_ring(view.phase)
            })
    }

    /// Whether this life of a node goes on, in the ring or out of it.
    pub fn is_alive(&self, peer: &Peer<Address>) -> bool {
        self.status(peer.address) != Status::Down
            && self
                .find(peer.address)
                .is_some_and(|node| node.view().me == *peer)
    }

    /// Lists of nodes that are on their way to others, each with who sent it.
    pub fn lists_on_their_way(&self) -> impl Iterator<Item = List<'_>> {
        self.parcels.iter().filter_map(Parcel::list)
    }

    /// The identifier of an address in this run.
    pub fn id(&self, address: Address) -> Id {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.seed.to_be_bytes());
        bytes[8..].copy_from_slice(&address.to_be_bytes());
        Id::of(&bytes)
    }

    /// What a node is told that runs on the store with this number.
    fn config_on(&self, at: Address, store: u32) -> Config {
        Config {
            store,
            zone: self.zone(at),
            ..self.config
        }
    }

    /// The zone of a machine, if there are zones.
    pub fn zone(&self, at: Address) -> Option<u64> {
        Some(u64::from(at.checked_rem(self.zones)?))
    }

    /// Whether content is kept by groups, and stores outlast crashes.
    pub fn is_replicated(&self) -> bool {
        self.config.replicas > 1
    }

    fn incarnation(&self, address: Address) -> u32 {
        self.find(address)
            .map_or(0, |node| node.view().me.incarnation)
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

/// The stream of chance that the network draws from.
const STREAM: u64 = 1;
