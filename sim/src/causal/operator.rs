//! Operator: takes machines away for good and tells the store so, puts others in their places, and now and then takes
//! a node out that is there.

use dht::causal::message::{Call, Returned};
use dht::causal::roster::Status;
use dht::event::Ticket;

use super::Plan;
use super::network::{Address, Due, Network};
use super::trouble::Trouble;
use crate::random::Random;

/// Who looks after the machines.
#[derive(Debug)]
pub(super) struct Operator {
    random: Random,
    /// Takes no more out than this.
    left: u32,
    step: Step,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody may be taken out.
    Choose,
    /// The store must be told that this one is gone.
    Tell(Address),
    /// This machine comes back, empty if it was away, or never.
    Settle(Address),
}

impl Operator {
    pub(super) fn new(plan: &Plan, network: &mut Network) -> Operator {
        if plan.removes {
            network.remind(START_US, Due::Operator);
        }
        Operator {
            random: Random::new(plan.seed, OPERATOR),
            left: REMOVALS_MAX,
            step: Step::Choose,
        }
    }

    /// Does what is to be done next, if it can be. `has_trouble`: whether it goes on after that.
    pub(super) fn act(&mut self, network: &mut Network, trouble: &mut Trouble, has_trouble: bool) {
        if !has_trouble {
            return self.finish(network);
        }
        let next_us = self.random.between(1_000_000, 20_000_000);
        network.remind(network.now_us + next_us, Due::Operator);
        match self.step {
            Step::Choose => self.choose(network, trouble),
            Step::Tell(gone) => self.tell(network, gone),
            Step::Settle(gone) => {
                if network.is_up(gone) {
                    network.kill(gone, true);
                    network.start(gone);
                } else if self.random.below(2) == 0 {
                    // Who comes empty in the place of one of the first nodes is one more that has forgotten how
                    // everything began: not more than one may have, or the store begins anew among these.
                    if !Trouble::may_lose(network) {
                        return;
                    }
                    network.replace(gone);
                }
                self.step = Step::Choose;
            }
        }
    }

    /// Nobody is left taken out by mistake, and the store knows of all that are away.
    pub(super) fn finish(&mut self, network: &mut Network) {
        network.remind(network.now_us + FINISH_US, Due::Operator);
        if let Step::Tell(gone) = self.step {
            self.tell(network, gone);
        }
        // Who was taken out and is there comes back by another life, once all ways are mended.
        let is_out = |at: &Address| {
            let mut rosters = network.nodes().map(|node| node.roster());
            rosters.any(|roster| roster.status(at) == Some(Status::Deleted))
        };
        let out: Vec<Address> = network.addresses().into_iter().filter(is_out).collect();
        for at in out {
            if network.is_up(at) {
                network.kill(at, true);
                network.start(at);
            }
        }
    }

    /// Takes a machine away, or leaves it where it is and has it taken out all the same.
    fn choose(&mut self, network: &mut Network, trouble: &mut Trouble) {
        let at = network.any(&mut self.random);
        let layout = network.node(at).layouts().0;
        let shard = layout.shard(&at).map(|shard| layout.members(shard).count());
        // Those that stay must outlast the loss of one more.
        if self.left == 0 || shard.is_some_and(|members| members < 3) || !Trouble::may_lose(network)
        {
            return;
        }
        self.left -= 1;
        self.step = Step::Tell(at);
        if self.random.below(4) > 0 {
            trouble.returners.loses(network, at);
            network.take_away(at);
        } else {
            // Nothing may be lost between this and what is said of it.
            self.tell(network, at);
            if matches!(self.step, Step::Tell(_)) {
                self.step = Step::Choose;
            }
        }
    }

    /// Tells a node, if it is up.
    fn tell(&mut self, network: &mut Network, gone: Address) {
        let at = network.any(&mut self.random);
        let ticket = (at != gone).then(|| network.call(at, Call::Delete(gone)));
        let Some(ticket) = ticket.flatten() else {
            return;
        };
        // Who has not been told yet who there is says so at once.
        let is_refused = |(other, returned): &(Ticket, Returned<Address>)| {
            *other == ticket && matches!(returned, Returned::Failed(_))
        };
        if !network.returned.iter().any(is_refused) {
            self.step = Step::Settle(gone);
        }
    }
}

/// How often somebody is taken out at most.
const REMOVALS_MAX: u32 = 3;

/// Before anything happens.
const START_US: u64 = 10_000_000;

/// Between two looks whether all that are there are in, when all is to become well: so long that nodes have met.
const FINISH_US: u64 = 12_000_000;

/// The stream of chance that the operator draws from.
const OPERATOR: u64 = 15;
