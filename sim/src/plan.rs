//! Plan: all that determines a run. The same plan gives the same trace, byte for byte.

use dht::message::Routing;
use dht::{Config, Ownership};
use serde::{Deserialize, Serialize};

use crate::faults::Faults;
use crate::latency::Latency;
use crate::script::{Fault, Step};

/// All that determines a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// Members of the ideal ring at the start: 1 to 16,000,000.
    pub nodes: u32,
    /// Length of successor lists: 1 to 32.
    pub successors: u8,
    /// Which neighbour owns a key.
    pub ownership: Ownership,
    /// Copies of everything: 1 to 7. More than one needs the successor rule.
    #[serde(default = "one")]
    pub replicas: u8,
    /// Zones that nodes are dealt to in turn, each of which may fail as a whole; 0 where there are none.
    #[serde(default)]
    pub zones: u32,
    /// Whether partitions may last so long that each part takes the other one for dead. Then there may be
    /// several rings for a while, so nothing is asked of the ring until all is quiet: it must be one again.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub partitions: bool,
    /// Whether members keep few writes at hand and fetch few records at a time, as if there were a lot of
    /// content.
    #[serde(default)]
    pub tight: bool,
    /// How lookups go.
    pub routing: Routing,
    /// How nodes learn of deaths.
    pub detector: Detector,
    /// Whether nodes die only where the proof of the protocol allows it: nobody is left without a
    /// living successor, lists on their way included, and enough principals stay. With the oracle it
    /// is always so.
    #[serde(default)]
    pub careful: bool,
    /// How long lookups, writes and the script go on, in virtual milliseconds.
    pub ms: u64,
    /// Lookups of random keys from random members, spread over that time.
    pub lookups: u64,
    /// Content, if there is any.
    pub content: Option<Content>,
    /// How long messages take.
    pub latency: Latency,
    /// What goes wrong by chance.
    pub faults: Faults,
    /// When nodes look after the ring; nothing where nothing can happen to it.
    pub schedule: Option<Schedule>,
    /// What happens when.
    pub script: Vec<Step>,
}

/// How nodes learn of deaths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// From one who knows: whoever asks a dead node is told at once, and nobody living is ever taken
    /// for dead.
    Oracle,
    /// As nodes do it: by refusals and silence.
    Real,
}

/// Clients that write, read and delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Different keys: 1 to 1,000,000.
    pub keys: u32,
    /// Operations a second: 1 to 1,000,000.
    pub per_s: u32,
    /// Bytes of each value, with copies: 8 to 1,048,576.
    #[serde(default = "value_bytes", skip_serializing_if = "is_small")]
    pub bytes: u32,
    /// Whether half of all operations are of the first key, with copies.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub hot: bool,
}

impl Default for Content {
    /// Small values, all of them as often.
    fn default() -> Content {
        Content {
            keys: 200,
            per_s: 10,
            bytes: value_bytes(),
            hot: false,
        }
    }
}

/// Just their number.
fn value_bytes() -> u32 {
    8
}

fn is_small(bytes: &u32) -> bool {
    *bytes == value_bytes()
}

/// Milliseconds between two times that a node looks after something, each varying by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its successor.
    pub stabilize_ms: u32,
    /// A finger.
    pub fingers_ms: u32,
    /// Its predecessor.
    pub predecessor_ms: u32,
    /// Its own place.
    pub self_check_ms: u32,
    /// How much longer or shorter each of them may be: 0 to 90.
    #[serde(default = "vary_percent")]
    pub vary_percent: u8,
}

impl Default for Schedule {
    /// As real nodes have it.
    fn default() -> Schedule {
        Schedule {
            stabilize_ms: 500,
            fingers_ms: 3_000,
            predecessor_ms: 1_000,
            self_check_ms: 10_000,
            vary_percent: vary_percent(),
        }
    }
}

fn one() -> u8 {
    1
}

/// As much as real nodes have it, and as runs had it that do not say so.
fn vary_percent() -> u8 {
    10
}

impl Default for Plan {
    /// A quiet ring of 1,000 nodes, and 10,000 lookups in it.
    fn default() -> Plan {
        Plan {
            seed: 1,
            nodes: 1_000,
            successors: 4,
            ownership: Ownership::Successor,
            replicas: 1,
            zones: 0,
            tight: false,
            partitions: false,
            routing: Routing::Finger,
            detector: Detector::Real,
            careful: false,
            ms: 60_000,
            lookups: 10_000,
            content: None,
            latency: Latency::Uniform {
                min_us: 500,
                max_us: 1_500,
            },
            faults: Faults::default(),
            schedule: None,
            script: Vec::new(),
        }
    }
}

/// What is impossible about a plan, and what would be possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {given}: {allowed} would do")]
pub struct Impossible {
    /// Which option.
    pub what: &'static str,
    /// What it is.
    pub given: String,
    /// What it could be.
    pub allowed: String,
}

impl Plan {
    /// What every node is told at its start.
    pub fn config(&self) -> Config {
        let usual = Config::default();
        Config {
            ownership: self.ownership,
            successors: self.successors,
            probes: match self.detector {
                Detector::Oracle => 1,
                Detector::Real => usual.probes,
            },
            replicas: self.replicas,
            window: if self.tight { 8 } else { usual.window },
            page: if self.tight { 2 } else { usual.page },
            ..usual
        }
    }

    /// Whether anything can happen to the ring.
    pub fn is_quiet(&self) -> bool {
        self.script.is_empty()
    }

    /// Whether the plan can be carried out. Errors: the first option that makes it impossible.
    pub fn check(&self) -> Result<(), Impossible> {
        let faults = &self.faults;
        within("nodes", self.nodes, 1, NODES_MAX)?;
        within(
            "successors",
            self.successors.into(),
            1,
            dht::node::SUCCESSORS_MAX.into(),
        )?;
        within("replicas", self.replicas, 1, dht::node::REPLICAS_MAX)?;
        if self.replicas > 1 && self.successors < self.replicas {
            return Err(Impossible {
                what: "successors",
                given: self.successors.to_string(),
                allowed: format!(
                    "{} or more, so that whoever leaves knows who should keep its copies,",
                    self.replicas
                ),
            });
        }
        if self.replicas > 1 && self.ownership == Ownership::Predecessor {
            return Err(Impossible {
                what: "ownership",
                given: "predecessor".to_owned(),
                allowed: "\"successor\", since copies lie on successors,".to_owned(),
            });
        }
        within("loss (ppm)", faults.loss_ppm, 0, 500_000)?;
        within("duplication (ppm)", faults.duplicate_ppm, 0, 500_000)?;
        within("reordering (ppm)", faults.reorder_ppm, 0, 1_000_000)?;
        within("reordering (µs)", faults.reorder_us, 0, 10_000_000)?;
        within("slow nodes (ppm)", faults.slow_ppm, 0, 1_000_000)?;
        within("slowness", faults.slow_factor, 0, 1_000)?;
        within("clock skew (ppm)", faults.skew_ppm, 0, 500_000)?;
        within("store time (µs)", faults.store_us, 0, 1_000_000)?;
        within("time (ms)", self.ms, 1, MS_MAX)?;
        within("lookups", self.lookups, 0, self.ms.saturating_mul(1_000))?;
        if let Some(content) = self.content {
            within("keys", content.keys, 1, 1_000_000)?;
            within("operations a second", content.per_s, 1, 1_000_000)?;
            within("bytes of a value", content.bytes, 8, 1 << 20)?;
        }
        self.check_failures()?;
        if self.schedule.is_none() && !self.is_quiet() {
            return Err(Impossible {
                what: "maintenance",
                given: "off".to_owned(),
                allowed: "\"on\", since nodes come and go,".to_owned(),
            });
        }
        if let Some(schedule) = self.schedule {
            within("stabilize (ms)", schedule.stabilize_ms, 10, 3_600_000)?;
            within("fingers (ms)", schedule.fingers_ms, 10, 3_600_000)?;
            within("predecessor (ms)", schedule.predecessor_ms, 10, 3_600_000)?;
            within("self-check (ms)", schedule.self_check_ms, 10, 3_600_000)?;
            within("variation of intervals (%)", schedule.vary_percent, 0, 90)?;
        }
        Ok(())
    }

    /// No more failures than nodes, at any moment.
    fn check_failures(&self) -> Result<(), Impossible> {
        let mut left = i64::from(self.nodes);
        for step in &self.script {
            match step.fault {
                Fault::Join(_) => left += 1,
                Fault::Leave | Fault::Crash => left -= 1,
                _ => {}
            }
            if left <= 0 {
                let fails = |step: &&Step| matches!(step.fault, Fault::Leave | Fault::Crash);
                let failures = self.script.iter().filter(fails).count();
                return Err(Impossible {
                    what: "number of failures",
                    given: failures.to_string(),
                    allowed: format!("fewer, later ones or more than {} nodes", self.nodes),
                });
            }
        }
        Ok(())
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    what: &'static str,
    given: T,
    min: T,
    max: T,
) -> Result<(), Impossible> {
    if given >= min && given <= max {
        return Ok(());
    }
    let given = given.to_string();
    let allowed = format!("{min} to {max}");
    Err(Impossible {
        what,
        given,
        allowed,
    })
}

/// More nodes than fit into 24 GiB.
const NODES_MAX: u32 = 16_000_000;

/// About a month.
const MS_MAX: u64 = 30 * 24 * 3_600_000;
