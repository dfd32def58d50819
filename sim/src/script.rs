//! Script: what happens to nodes and to the network, and when.
//!
//! A script is drawn from a seed before the run, so that it can be kept, read, and reduced: leaving
//! a step out changes nothing about the others.

use serde::{Deserialize, Serialize};

use dht::Id;

use crate::random::Random;

/// Something that happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Milliseconds after the start.
    pub at_ms: u64,
    /// To whom.
    pub who: Who,
    /// What.
    pub fault: Fault,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The one with this address, if it is a member then.
    Node(u32),
    /// The first member after a place on the ring, given by its highest 64 bits.
    After(u64),
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// A new node with this address joins through the member.
    Join(u32),
    /// The member leaves, handing its content over.
    Leave,
    /// The member is gone, and its content with it.
    Crash,
    /// The member is gone, and starts again later under a new incarnation.
    Restart {
        /// How much later: 0 to 600,000.
        after_ms: u64,
        /// Whether what it had stored is still there.
        keep: bool,
    },
    /// All nodes are gone at once, and start again together on their disks, as an ideal ring of those that
    /// were there, each under a new incarnation. Whoever the step names does not matter.
    Stop {
        /// How much later: 0 to 600,000.
        after_ms: u64,
    },
    /// The member's disk takes nothing more, until it is gone and starts again on what it has, with room.
    Fill {
        /// How much later that is: 1 to 600,000.
        ms: u64,
        /// Whether what is written is refused at once, and does not even show.
        seals: bool,
    },
    /// The member sleeps, and wakes with stale beliefs.
    Pause {
        /// How long: 1 to 600,000.
        ms: u64,
    },
    /// Messages from and to the member take longer for a while.
    Slow {
        /// So many times: 2 to 1,000.
        factor: u32,
        /// How long: 1 to 600,000.
        ms: u64,
    },
    /// Some can't reach others for a while.
    Cut {
        /// Who.
        cut: Cut,
        /// Chooses the sides.
        lot: u64,
        /// How long: 1 to 600,000.
        ms: u64,
    },
}

/// A kind of partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// Two sides that don't hear of each other.
    Whole,
    /// One side hears the other, but is not heard.
    OneWay,
    /// Two sides that don't hear of each other, and a third that hears and is heard by both.
    NonTransitive,
}

/// Nodes that come and go by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Churn {
    /// Joins and failures, each at this rate: thousandths a second for the whole network, 1 to
    /// 1,000,000.
    Poisson {
        /// Of each.
        per_1000_s: u32,
    },
    /// Nodes join at a rate that keeps the network's size, and each stays for a Weibull distributed
    /// time.
    Weibull {
        /// Mean time a node stays, in seconds: 1 to 1,000,000.
        mean_s: u32,
        /// Shape, in thousandths: 200 to 5,000. Measured peers are at about 400.
        shape_milli: u32,
    },
}

/// Joins and failures of a run of so many milliseconds in a network of `nodes`; new nodes have
/// addresses from `fresh` on.
pub fn churn(churn: Churn, nodes: u32, mut fresh: u32, ms: u64, random: &mut Random) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut join = |at_ms: u64, random: &mut Random, steps: &mut Vec<Step>| {
        let who = Who::After(random.next());
        let fault = Fault::Join(fresh);
        steps.push(Step { at_ms, who, fault });
        fresh += 1;
        fresh - 1
    };
    match churn {
        Churn::Poisson { per_1000_s } => {
            let mean_ms = 1_000_000.0 / f64::from(per_1000_s);
            for at_ms in poisson(mean_ms, ms, random) {
                join(at_ms, random, &mut steps);
            }
            for at_ms in poisson(mean_ms, ms, random) {
                let who = Who::After(random.next());
                let fault = Fault::Crash;
                steps.push(Step { at_ms, who, fault });
            }
        }
        Churn::Weibull {
            mean_s,
            shape_milli,
        } => {
            let shape = f64::from(shape_milli) / 1_000.0;
            let mean_ms = f64::from(mean_s) * 1_000.0;
            let scale = mean_ms / gamma(1.0 + 1.0 / shape);
            let fault = Fault::Crash;
            for node in 0..nodes {
                let at_ms = random.weibull(scale, shape) as u64;
                let who = Who::Node(node);
                steps.push(Step { at_ms, who, fault });
            }
            for at_ms in poisson(mean_ms / f64::from(nodes), ms, random) {
                let node = join(at_ms, random, &mut steps);
                let at_ms = at_ms.saturating_add(random.weibull(scale, shape) as u64);
                let who = Who::Node(node);
                steps.push(Step { at_ms, who, fault });
            }
            steps.retain(|step| step.at_ms < ms);
        }
    }
    sort(&mut steps);
    steps
}

/// Nodes that join one after the other, at `per_s` a second.
pub fn growth(from: u32, joins: u32, per_s: u32, random: &mut Random) -> Vec<Step> {
    let step = |n: u32| Step {
        at_ms: u64::from(n) * 1_000 / u64::from(per_s),
        who: Who::After(random.next()),
        fault: Fault::Join(from + n),
    };
    (0..joins).map(step).collect()
}

/// What may happen in a random script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Menu {
    /// Leaves, beside joins and crashes.
    pub leaves: bool,
    /// Restarts with and without content.
    pub restarts: bool,
    /// Pauses and slow nodes.
    pub pauses: bool,
    /// Partitions of all kinds.
    pub cuts: bool,
    /// Stops of the whole network, where disks outlast them.
    pub stops: bool,
    /// Disks that take nothing more for a while.
    pub fills: bool,
    /// Partitions into two parts, one at a time, of up to a minute: each part takes the other one for dead.
    pub partitions: bool,
    /// Pauses, slowness and partitions of up to a minute instead of 6 s: nodes take who is silent for
    /// 30 s for dead.
    pub long: bool,
}

/// A random script: quiet times and busy ones, all of the menu.
pub fn random(menu: Menu, nodes: u32, ms: u64, random: &mut Random) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut fresh = nodes;
    let mut at_ms = 0;
    let mut whole_ms = 0;
    // The last ones stay, whoever joins in time.
    let mut left = nodes;
    // How far apart things happen, redrawn now and then.
    let mut pace_ms = 1_000.0;
    loop {
        if random.below(20) == 0 {
            pace_ms = [50.0, 300.0, 1_000.0, 3_000.0, 10_000.0][random.below(5) as usize];
        }
        at_ms += random.exponential(pace_ms) as u64 + 1;
        if at_ms >= ms {
            break;
        }
        let who = Who::After(random.next());
        let factor = if menu.long { 10 } else { 1 };
        let length = |random: &mut Random| factor * random.between(1, 100) * random.between(1, 60);
        let fault = match random.below(20) {
            0..=6 => {
                fresh += 1;
                Fault::Join(fresh - 1)
            }
            7..=9 => Fault::Crash,
            10..=12 if menu.leaves => Fault::Leave,
            13..=14 if menu.restarts => Fault::Restart {
                after_ms: random.between(1, 100) * random.between(1, 100),
                keep: random.below(2) == 0,
            },
            15..=16 if menu.pauses => Fault::Pause { ms: length(random) },
            17 if menu.pauses => Fault::Slow {
                factor: random.between(2, 100) as u32,
                ms: length(random),
            },
            18 if menu.partitions && at_ms >= whole_ms => {
                let ms = random.between(5_000, 60_000);
                whole_ms = at_ms + ms;
                let (cut, lot) = (Cut::Whole, random.next());
                Fault::Cut { cut, lot, ms }
            }
            18 if menu.cuts => Fault::Cut {
                cut: [Cut::Whole, Cut::OneWay, Cut::NonTransitive][random.below(3) as usize],
                lot: random.next(),
                ms: length(random),
            },
            19 if menu.stops => Fault::Stop {
                after_ms: random.between(1, 100) * random.between(1, 100),
            },
            19 if menu.fills => Fault::Fill {
                ms: random.between(1, 100) * random.between(10, 300),
                seals: random.below(2) == 0,
            },
            _ => continue,
        };
        match fault {
            Fault::Join(_) => left += 1,
            Fault::Leave | Fault::Crash if left <= LEFT_MIN => continue,
            Fault::Leave | Fault::Crash => left -= 1,
            _ => {}
        }
        steps.push(Step { at_ms, who, fault });
    }
    steps
}

/// Stops and pauses the owner of a key again and again.
pub fn harass(key: Id, ms: u64, random: &mut Random) -> Vec<Step> {
    let place = key.as_bytes().first_chunk();
    let who = Who::After(place.map_or(0, |place| u64::from_be_bytes(*place)));
    let mut steps = Vec::new();
    let mut at_ms = 0;
    loop {
        at_ms += random.between(2_000, 15_000);
        if at_ms >= ms {
            return steps;
        }
        let fault = match random.below(3) {
            0 => Fault::Pause {
                ms: random.between(500, 6_000),
            },
            _ => Fault::Restart {
                after_ms: random.between(100, 5_000),
                keep: random.below(4) > 0,
            },
        };
        steps.push(Step { at_ms, who, fault });
    }
}

/// Members that a random script leaves at the least: a plan with more failures than nodes is impossible.
const LEFT_MIN: u32 = 2;

fn poisson(mean_ms: f64, end_ms: u64, random: &mut Random) -> Vec<u64> {
    let mut times = Vec::new();
    let mut time = random.exponential(mean_ms);
    while time < end_ms as f64 {
        times.push(time as u64);
        time += random.exponential(mean_ms);
    }
    times
}

/// In order of time; what happens in the same millisecond stays in order.
pub fn sort(steps: &mut [Step]) {
    steps.sort_by_key(|step| step.at_ms);
}

/// The gamma function by Lanczos' approximation, for arguments of at least 1.
fn gamma(x: f64) -> f64 {
    let x = x - 1.0;
    let series = LANCZOS
        .iter()
        .zip(1..)
        .fold(1.0, |sum, (factor, n)| sum + factor / (x + f64::from(n)));
    let t = x + 5.5;
    (core::f64::consts::TAU).sqrt() * t.powf(x + 0.5) * (-t).exp() * series
}

/// Coefficients for g = 5, n = 6 (Press et al., *Numerical Recipes*).
const LANCZOS: [f64; 6] = [
    76.180_091_729_471_46,
    -86.505_320_329_416_77,
    24.014_098_240_830_91,
    -1.231_739_572_450_155,
    0.001_208_650_973_866_179,
    -0.000_005_395_239_384_953,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_is_right_where_it_is_known() {
        for (x, value) in [(1.0, 1.0), (2.0, 1.0), (3.5, 3.323_350_970_447_843)] {
            assert!((gamma(x) - value).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn churn_comes_at_its_rate() {
        let mut draw = Random::new(1, 1);
        let steps = churn(
            Churn::Poisson { per_1000_s: 400 },
            1_000,
            1_000,
            7_200_000,
            &mut draw,
        );
        let joins = steps
            .iter()
            .filter(|step| matches!(step.fault, Fault::Join(_)));
        let (joins, all) = (joins.count(), steps.len());
        assert!((2_700..3_060).contains(&joins), "{joins}");
        assert!((2_700..3_060).contains(&(all - joins)), "{}", all - joins);
        assert!(steps.is_sorted_by_key(|step| step.at_ms));
    }

    #[test]
    fn weibull_sessions_keep_the_size() {
        let mut draw = Random::new(1, 1);
        let kind = Churn::Weibull {
            mean_s: 100,
            shape_milli: 1_000,
        };
        let steps = churn(kind, 1_000, 1_000, 600_000, &mut draw);
        let joins = steps
            .iter()
            .filter(|step| matches!(step.fault, Fault::Join(_)))
            .count();
        let crashes = steps.len() - joins;
        assert!(joins.abs_diff(crashes) < 300, "{joins} {crashes}");
    }
}
