//! Trouble: what goes wrong in a run, one thing after the other, and the one change of shards in it.
//!
//! A write is on two stores, so no disk is lost before all nodes have recovered from the last loss.

use std::collections::BTreeSet;

use dht::causal::layout::SHARD_MIN;
use dht::causal::message::Call;
use dht::causal::roster::{Entry, Status};

use super::Plan;
use super::network::{Address, Due, Network};
use super::returner::Returners;
use crate::random::Random;

/// What is to go wrong.
#[derive(Debug)]
pub(super) struct Trouble {
    random: Random,
    deaths: u64,
    lost_disks: u64,
    /// When the shards are to change, and how many there are to be then.
    reshard_us: u64,
    shards: u32,
    /// When somebody new comes, and when it is given a place.
    newcomer_us: Option<u64>,
    newcomer: Option<Address>,
    nodes: u32,
    /// Whether every death loses everything.
    in_memory: bool,
    pub(super) returners: Returners,
}

impl Trouble {
    pub(super) fn new(plan: &Plan, end_us: u64, network: &mut Network) -> Trouble {
        let mut random = Random::new(plan.seed, TROUBLE);
        network.remind(START_US, Due::Trouble);
        let reshard_us = random.between(end_us / 5, end_us * 4 / 5);
        let others = (1..=plan.nodes / 2).filter(|shards| *shards != plan.shards);
        let others: Vec<u32> = others.collect();
        let shards = others[random.below(others.len() as u64) as usize];
        let newcomer_us = random.between(end_us / 5, end_us * 4 / 5);
        Trouble {
            reshard_us,
            shards,
            newcomer_us: (random.below(2) == 0).then_some(newcomer_us),
            newcomer: None,
            deaths: 0,
            lost_disks: 0,
            nodes: plan.nodes,
            in_memory: plan.in_memory,
            returners: Returners::default(),
            random,
        }
    }

    /// Something happens.
    pub(super) fn strike(&mut self, network: &mut Network) {
        let now_us = network.now_us;
        network.remind(
            now_us + self.random.between(500_000, 8_000_000),
            Due::Trouble,
        );
        if self.newcomer_us.take_if(|at_us| *at_us < now_us).is_some() {
            let at = network.place((0..self.nodes).collect::<BTreeSet<_>>(), None);
            network.start(at);
            self.newcomer = Some(at);
            return;
        }
        // Until it is done: whoever is asked may be down, or have no majority.
        if self.reshard_us < now_us && !self.is_divided(network) && self.random.below(2) == 0 {
            return self.reshard(network);
        }
        let at = self.any(network);
        match self.random.below(10) {
            0..4 if network.is_up(at) => {
                let keeps = !Trouble::may_lose(network) || self.random.below(2) == 0;
                self.kill(network, at, keeps);
            }
            4 | 5 => {
                let us = self.random.between(1_000_000, 40_000_000);
                network.cut(us, self.random.below(3) == 0);
            }
            6 => {
                if let Some(newcomer) = self.newcomer {
                    let shards = network.node(at).layouts().0.all_shards();
                    let shard = self.random.below(shards.end.into()) as u32;
                    network.call(at, Call::AddMember(newcomer, shard));
                }
            }
            _ => {}
        }
    }

    /// All nodes run again, and everything gets where it is sent.
    pub(super) fn repair(&mut self, network: &mut Network) {
        network.mend();
        for at in network.addresses() {
            network.start(at);
        }
    }

    pub(super) fn deaths(&self) -> (u64, u64) {
        (self.deaths, self.lost_disks)
    }

    fn reshard(&mut self, network: &mut Network) {
        let at = self.any(network);
        network.call(at, Call::Reshard(self.shards));
        // Whoever was asked may die at once.
        if self.random.below(3) == 0 {
            self.kill(network, at, true);
        }
    }

    /// Whether somebody has the wanted shards in force.
    fn is_divided(&self, network: &Network) -> bool {
        let mut layouts = network.nodes().map(|node| node.layouts().0);
        layouts.any(|layout| layout.shards == self.shards)
    }

    fn kill(&mut self, network: &mut Network, at: Address, keeps: bool) {
        let keeps = keeps && !self.in_memory;
        if !keeps {
            if !Trouble::may_lose(network) {
                return;
            }
            self.returners.loses(network, at);
        }
        network.kill(at, keeps);
        self.deaths += 1;
        self.lost_disks += u64::from(!keeps);
        network.start_after(at, self.random.between(100_000, 30_000_000));
    }

    /// Whether all run, and the copies and the votes of all count.
    pub(super) fn may_lose(network: &Network) -> bool {
        let decided = network.nodes().map(|node| node.layouts().1.epoch);
        let last = decided.max();
        network.addresses().into_iter().all(|at| {
            let node = network.node(at);
            let own = node.roster().entry(&at);
            let layout = node.layouts().0;
            let counts = own.is_some_and(|own| own.vouches == layout.epoch);
            let is_there = Some(layout.epoch) == last;
            let seat = layout.seat(&at);
            // A new layout has given it its vote back.
            let is_known = |own: &Entry<Address>| {
                seat.is_none_or(|seat| match seat.store {
                    0 => own.stores.len() == 1,
                    store => store == network.store_number(at),
                })
            };
            let votes = own.is_some_and(is_known);
            let is_at_last = network.is_up(at) && is_there && is_whole(network, at);
            is_at_last && votes && (counts || seat.is_none())
        })
    }

    fn any(&mut self, network: &Network) -> Address {
        network.any(&mut self.random)
    }
}

/// Whether each shard that a node knows of has two members, and nobody has taken one of them out.
fn is_whole(network: &Network, at: Address) -> bool {
    let (layout, roster) = (network.node(at).layouts().0, network.node(at).roster());
    let present = network.addresses();
    let stays = |member: &Address| {
        present.contains(member) && roster.status(member) != Some(Status::Deleted)
    };
    layout
        .all_shards()
        .all(|shard| layout.members(shard).count() >= SHARD_MIN && layout.members(shard).all(stays))
}

/// Before anything happens.
const START_US: u64 = 5_000_000;

/// The stream of chance that trouble is drawn from.
const TROUBLE: u64 = 14;
