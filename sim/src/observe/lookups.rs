//! Lookups: the answer of each against the true owner.

use std::collections::BTreeMap;

use dht::event::{Call, Hop, Returned, Ticket};
use dht::message::Routing;
use dht::{Id, Ownership};

use crate::engine::{Address, Network};
use crate::random::Random;

/// What came of lookups.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    open: BTreeMap<Ticket, Open>,
    /// Begun so far.
    pub begun: u64,
    /// Answered with the node that owned the key when the lookup began or ended.
    pub right: u64,
    /// Answered with another node.
    pub wrong: u64,
    /// Ended without an answer, after several attempts.
    pub failed: u64,
    /// Never ended, since the node that asked went down.
    pub abandoned: u64,
    /// Nodes that were asked and did not answer.
    pub timeouts: u64,
    /// How many answers took so many hops: nodes asked after the first, the owner included.
    pub hops: Vec<u64>,
    /// The first wrong answer, in words.
    pub first_wrong: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    at: Address,
    key: Id,
    owner: Option<Address>,
}

impl Lookups {
    /// Starts a lookup of a random key at a random member.
    pub fn begin(&mut self, network: &mut Network, routing: Routing, random: &mut Random) {
        let members = network.census().len() as u64;
        if members == 0 {
            // Nobody is there to be asked.
            self.begun += 1;
            self.failed += 1;
            return;
        }
        let at = network.census().pick(random.below(members) as usize);
        let mut bytes = [0; Id::BYTES];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&random.next().to_be_bytes()[..chunk.len()]);
        }
        let key = Id::from_bytes(bytes);
        let rule = network.config().ownership;
        let owner = network.census().owner(key, rule);
        let ticket = network.call(at, Call::Find { key, rule, routing });
        self.begun += 1;
        self.open.insert(ticket, Open { at, key, owner });
    }

    /// A call has returned; whether it was one of these.
    pub fn returned(
        &mut self,
        network: &Network,
        ticket: Ticket,
        returned: &Returned<Address>,
    ) -> bool {
        let Some(open) = self.open.remove(&ticket) else {
            return false;
        };
        match returned {
            Returned::Found(path) => self.found(network, open, path),
            _ => self.failed += 1,
        }
        true
    }

    /// Nobody waits any more for what a node that went down was asked.
    pub fn abandon(&mut self, at: Address) {
        let before = self.open.len();
        self.open.retain(|_, open| open.at != at);
        self.abandoned += (before - self.open.len()) as u64;
    }

    /// How many have not ended.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn found(&mut self, network: &Network, open: Open, path: &[Hop<Address>]) {
        let rule: Ownership = network.config().ownership;
        let owner = network.census().owner(open.key, rule);
        let answered = path.iter().filter(|hop| hop.ok).count();
        self.timeouts += (path.len() - answered) as u64;
        let hops = answered.saturating_sub(1);
        if self.hops.len() <= hops {
            self.hops.resize(hops + 1, 0);
        }
        self.hops[hops] += 1;
        let found = path.last().map(|hop| hop.node.address);
        if found.is_some() && (found == owner || found == open.owner) {
            self.right += 1;
            return;
        }
        self.wrong += 1;
        if self.first_wrong.is_none() {
            let place = |at: Option<Address>| at.map(|at| network.view(at).me);
            self.first_wrong = Some(format!(
                "{:.8} is owned by {:?} and was by {:?}; {} found {:?}",
                open.key,
                place(owner),
                place(open.owner),
                open.at,
                path
            ));
        }
    }

    /// Mean number of hops.
    pub fn mean_hops(&self) -> f64 {
        let sum: u64 = self.hops.iter().zip(0..).map(|(n, hops)| n * hops).sum();
        let count: u64 = self.hops.iter().sum();
        sum as f64 / (count.max(1)) as f64
    }

    /// So many thousandths of all answers took at most this number of hops.
    pub fn hops_within(&self, thousandths: u64) -> u64 {
        let count: u64 = self.hops.iter().sum();
        let mut sum = 0;
        for (hops, n) in (0..).zip(&self.hops) {
            sum += n;
            if sum * 1_000 >= count * thousandths {
                return hops;
            }
        }
        0
    }
}
