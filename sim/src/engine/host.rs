//! Host: a machine with one node on it, and next to nothing else.

use dht::trace::Line;
use dht::{Event, Node};

use super::disk::Disk;
use super::parcel::{Delivery, Parcel};
use super::{Address, Network};

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    /// Its node; nothing where none has been started at this address.
    pub(super) node: Option<Node<Address>>,
    /// What it stores; nothing until it has to.
    pub(super) store: Option<Box<Disk>>,
    /// Which start of all starts this is, so that nothing of an earlier one arrives.
    pub(super) life: u32,
    pub(super) status: Status,
}

/// How a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Up,
    /// It sleeps.
    Paused,
    /// It is off, or was never on.
    Down,
}

impl Network {
    /// Starts a node that is in no ring yet, in the place of whatever was there.
    pub(super) fn install(&mut self, node: Node<Address>) {
        let at = node.view().me.address;
        while self.hosts.len() <= at as usize {
            self.hosts.push(Host {
                node: None,
                store: None,
                life: 0,
                status: Status::Down,
            });
        }
        self.forget_member(at);
        self.lives += 1;
        let host = &mut self.hosts[at as usize];
        host.node = Some(node);
        host.life = self.lives;
        host.status = Status::Up;
        self.begin_schedule(at);
    }

    /// An event for a node: lost if it is down, late if it sleeps.
    pub(super) fn feed_life(&mut self, at: Address, life: u32, event: Event<Address>) {
        let host = &self.hosts[at as usize];
        if host.life != life {
            return;
        }
        match host.status {
            Status::Up => self.feed(at, event),
            Status::Paused => {
                let wakes_us = self.reach.wakes_us(at);
                let parcel = self.parcels.insert(Parcel::Late { at, life, event });
                self.queue.push(wakes_us, Delivery::Parcel(parcel));
            }
            Status::Down => {}
        }
    }

    /// A node deals with an event, and what comes of it is performed.
    pub(super) fn feed(&mut self, at: Address, event: Event<Address>) {
        let host = &mut self.hosts[at as usize];
        let Some(node) = &mut host.node else {
            return;
        };
        self.events += 1;
        let before = (node.view().phase, node.view().me);
        let heard = self.listener.is_some().then(|| event.clone());
        let mut actions = std::mem::take(&mut self.actions);
        node.handle(event, &mut actions);
        if let Some(listener) = &mut self.listener {
            listener(Line {
                us: self.now_us,
                node: before.1,
                event: heard,
                actions: Some(actions.clone()),
            });
        }
        if before != (node.view().phase, node.view().me) {
            self.count(at);
        }
        for action in actions.drain(..) {
            self.act(at, action);
        }
        self.actions = actions;
    }

    /// A host's node has changed its phase, or has become another life of itself.
    pub(super) fn count(&mut self, at: Address) {
        let host = &self.hosts[at as usize];
        let Some(node) = &host.node else {
            return;
        };
        let view = node.view();
        let is_up = host.status != Status::Down;
        let is_in = is_up && crate::census::is_in_ring(view.phase);
        let id = view.me.id;
        self.moment.is_census_new |= if is_in {
            self.census.insert(id, at)
        } else {
            self.census.remove(id, at)
        };
    }

    fn forget_member(&mut self, at: Address) {
        if let Some(node) = &self.hosts[at as usize].node {
            let id = node.view().me.id;
            self.moment.is_census_new |= self.census.remove(id, at);
        }
    }
}
