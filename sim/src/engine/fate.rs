//! Fate: what happens to machines and to the ways between them.

use std::collections::BTreeMap;

use dht::event::Call;
use dht::record::Record;
use dht::store::Command;
use dht::trace::Line;
use dht::{Arc, Event, Id, Node, Peer};

use super::act::AGAIN_US;
use super::parcel::Delivery;
use super::{Address, Network, Status};
use crate::random::{GOLDEN, mix};
use crate::script::Cut;

/// Who reaches whom at this moment, and who sleeps until when.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    cuts: Vec<(u64, Cut, u64)>,
    slow: BTreeMap<Address, (u64, u32)>,
    wakes: BTreeMap<Address, u64>,
    stores: BTreeMap<Address, u64>,
}

impl Reach {
    /// Whether a message gets from one node to another.
    pub(super) fn is_cut(&self, now_us: u64, from: Address, to: Address) -> bool {
        let mut cuts = self.cuts.iter().filter(|(until, ..)| now_us < *until);
        cuts.any(|(_, cut, lot)| {
            let side =
                |at: Address, sides| mix(lot ^ mix(u64::from(at).wrapping_add(GOLDEN))) % sides;
            match cut {
                Cut::Whole => side(from, 2) != side(to, 2),
                Cut::OneWay => side(from, 2) == 0 && side(to, 2) == 1,
                Cut::NonTransitive => matches!((side(from, 3), side(to, 3)), (0, 1) | (1, 0)),
            }
        })
    }

    pub(super) fn wakes_us(&self, at: Address) -> u64 {
        self.wakes.get(&at).copied().unwrap_or(0)
    }

    /// When a store is done with a command that would be done at `ready_us` if it had no others.
    pub(super) fn store_ready(&mut self, at: Address, ready_us: u64) -> u64 {
        let busy_until_us = self.stores.entry(at).or_default();
        *busy_until_us = ready_us.max(*busy_until_us);
        *busy_until_us
    }

    pub(super) fn slowness(&self, now_us: u64, at: Address) -> u64 {
        match self.slow.get(&at) {
            Some((until_us, factor)) if now_us < *until_us => (*factor).into(),
            _ => 1,
        }
    }
}

impl Network {
    /// Stops a machine for good, or until [`Network::restart`]. What it stored stays for now.
    pub fn crash(&mut self, at: Address) {
        let host = &mut self.hosts[at as usize];
        if host.status == Status::Down {
            return;
        }
        host.status = Status::Down;
        let mut store = host.store.take();
        if let Some(store) = &mut store
            && self.config.replicas > 1
        {
            store.crash(&mut self.random);
        }
        self.reach.wakes.remove(&at);
        self.count(at);
        self.moment.changed.push(at);
        self.hosts[at as usize].store = store;
        if let (Some(listener), Some(node)) = (&mut self.listener, &self.hosts[at as usize].node) {
            listener(Line {
                us: self.now_us,
                node: node.view().me,
                event: None,
                actions: Some(Vec::new()),
            });
        }
    }

    /// Starts a machine that is down again after a while, as a new life that joins through whichever
    /// member comes after it; with or without what it had stored.
    pub fn restart(&mut self, at: Address, after_us: u64, keep: bool) {
        let life = self.hosts[at as usize].life;
        let time_us = self.now_us + after_us;
        self.queue
            .push(time_us, Delivery::Restart { at, life, keep });
    }

    pub(super) fn restarted(&mut self, at: Address, life: u32, keep: bool) {
        let host = &mut self.hosts[at as usize];
        if host.life != life || host.status != Status::Down {
            return;
        }
        if !keep {
            host.store = None;
        }
        let me = Peer {
            id: self.id(at),
            address: at,
            incarnation: 1 + self.incarnation(at),
        };
        let Some((_, via)) = self.census.at_or_after(me.id) else {
            // All others are down at this moment.
            return self
                .queue
                .push(self.now_us + AGAIN_US, Delivery::Restart { at, life, keep });
        };
        let via = self.view(via).me;
        let store = self.hosts[at as usize].store.as_ref();
        let number = store.map_or(me.incarnation, |store| store.number);
        let mut node = Node::new(me, self.config_on(at, number));
        if let Some(store) = store {
            node.restore(&store.notes());
        }
        self.install(node);
        let ticket = self.ticket();
        let call = Call::Join([via].into());
        self.feed(at, Event::Called { ticket, call });
    }

    /// Stops all machines at once; those that ran start again together after a while, on their disks, as
    /// an ideal ring. Returns who was stopped.
    pub fn stop(&mut self, after_us: u64) -> Vec<Address> {
        if !self.stopped.is_empty() {
            return Vec::new();
        }
        let runs = |at: &Address| self.status(*at) != Status::Down;
        let stopped: Vec<Address> = (0..self.addresses()).filter(runs).collect();
        for at in &stopped {
            self.crash(*at);
        }
        self.stopped.clone_from(&stopped);
        self.queue.push(self.now_us + after_us, Delivery::Again);
        stopped
    }

    pub(super) fn all_again(&mut self) {
        let stopped = std::mem::take(&mut self.stopped);
        let life = |at: &Address| Peer {
            id: self.id(*at),
            address: *at,
            incarnation: 1 + self.incarnation(*at),
        };
        let ring: Vec<Peer<Address>> = stopped.iter().map(life).collect();
        for me in &ring {
            let store = self.hosts[me.address as usize].store.as_ref();
            let number = store.map_or(me.incarnation, |store| store.number);
            let notes = store.map(|store| store.notes()).unwrap_or_default();
            let node = Node::in_ring_again(*me, &ring, self.config_on(me.address, number), &notes);
            self.install(node);
        }
        for me in &ring {
            self.count(me.address);
            self.moment.changed.push(me.address);
        }
    }

    /// Which store a machine has; nothing until it has one.
    pub fn store(&self, at: Address) -> Option<u32> {
        let store = self.hosts.get(at as usize)?.store.as_ref()?;
        Some(store.number)
    }

    /// What a machine stores on an arc, in ring order.
    pub fn records(&self, at: Address, arc: Arc) -> Vec<(Id, Record)> {
        let host = self.hosts.get(at as usize);
        let store = host.and_then(|host| host.store.as_ref());
        store.map_or_else(Vec::new, |store| store.records(arc))
    }

    /// Lets a machine's disk take nothing more, until the machine is stopped. What is written goes on to show
    /// there unless it `seals`.
    pub fn fill(&mut self, at: Address, seals: bool) {
        if let Some(store) = &mut self.hosts[at as usize].store {
            store.fill(seals);
        }
    }

    /// Whether a machine runs on a disk that takes nothing more.
    pub fn is_full(&self, at: Address) -> bool {
        let store = self
            .hosts
            .get(at as usize)
            .and_then(|host| host.store.as_ref());
        self.status(at) != Status::Down && store.is_some_and(|store| store.is_full())
    }

    /// Changes what a machine stores behind its node's back, as a bad disk would.
    pub fn damage(&mut self, at: Address, command: Command) {
        if let Some(store) = &mut self.hosts[at as usize].store {
            store.damage(command);
        }
    }

    /// Lets a machine sleep: it hears nothing, and its timers are late.
    pub fn pause(&mut self, at: Address, us: u64) {
        let host = &mut self.hosts[at as usize];
        if host.status == Status::Down {
            return;
        }
        host.status = Status::Paused;
        let life = host.life;
        let until_us = self.now_us + us;
        let wakes_us = self.reach.wakes.entry(at).or_default();
        *wakes_us = until_us.max(*wakes_us);
        self.queue.push(*wakes_us, Delivery::Wake { at, life });
    }

    pub(super) fn wake(&mut self, at: Address, life: u32) {
        let is_time = self.reach.wakes_us(at) <= self.now_us;
        let host = &mut self.hosts[at as usize];
        if host.life == life && host.status == Status::Paused && is_time {
            host.status = Status::Up;
            self.reach.wakes.remove(&at);
        }
    }

    /// Makes messages from and to a node take longer for a while.
    pub fn slow(&mut self, at: Address, factor: u32, us: u64) {
        self.reach.slow.insert(at, (self.now_us + us, factor));
    }

    /// Cuts the ways between some nodes for a while.
    pub fn cut(&mut self, cut: Cut, lot: u64, us: u64) {
        let now_us = self.now_us;
        self.reach.cuts.retain(|(until, ..)| now_us < *until);
        self.reach.cuts.push((now_us + us, cut, lot));
    }
}
