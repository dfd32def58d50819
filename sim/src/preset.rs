//! Preset: conditions under which networks live, by name.

use crate::faults::Faults;
use crate::latency::Latency;
use crate::script::{Churn, Menu};

/// Conditions of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// How long messages take.
    pub latency: Latency,
    /// What goes wrong by chance.
    pub faults: Faults,
    /// How nodes come and go.
    pub churn: Option<Churn>,
    /// What else happens to them.
    pub menu: Option<Menu>,
}

impl Preset {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

const LAN: Latency = Latency::Uniform {
    min_us: 500,
    max_us: 1_500,
};

const WAN: Latency = Latency::LogNormal {
    median_us: 20_000,
    sigma_milli: 500,
};

const NO_FAULTS: Faults = Faults {
    loss_ppm: 0,
    duplicate_ppm: 0,
    reorder_ppm: 0,
    reorder_us: 0,
    slow_ppm: 0,
    slow_factor: 1,
    skew_ppm: 0,
    store_us: 0,
};

/// Everything that may go wrong with messages and clocks, a little of each.
pub const ROUGH: Faults = Faults {
    loss_ppm: 10_000,
    duplicate_ppm: 10_000,
    reorder_ppm: 50_000,
    reorder_us: 50_000,
    slow_ppm: 50_000,
    slow_factor: 3,
    skew_ppm: 50_000,
    store_us: 2_000,
};

/// All of the menu.
pub const ALL: Menu = Menu {
    leaves: true,
    restarts: true,
    pauses: true,
    cuts: true,
    stops: false,
    fills: false,
    partitions: false,
    long: false,
};

/// All presets, the quiet ones first.
pub const PRESETS: [Preset; 7] = [
    Preset {
        name: "lan",
        about: "one building: 0.5 to 1.5 ms, nothing goes wrong",
        latency: LAN,
        faults: NO_FAULTS,
        churn: None,
        menu: None,
    },
    Preset {
        name: "wan",
        about: "a continent: log-normal around 20 ms, 0.1 % lost",
        latency: WAN,
        faults: Faults {
            loss_ppm: 1_000,
            ..NO_FAULTS
        },
        churn: None,
        menu: None,
    },
    Preset {
        name: "cube",
        about: "points in a cube with a side of 100 ms",
        latency: Latency::Cube { side_us: 100_000 },
        faults: NO_FAULTS,
        churn: None,
        menu: None,
    },
    Preset {
        name: "lossy",
        about: "5 % of messages lost, 1 % doubled, 5 % late",
        latency: LAN,
        faults: Faults {
            loss_ppm: 50_000,
            duplicate_ppm: 10_000,
            reorder_ppm: 50_000,
            reorder_us: 50_000,
            ..NO_FAULTS
        },
        churn: None,
        menu: None,
    },
    Preset {
        name: "churn",
        about: "0.4 joins and 0.4 failures a second",
        latency: WAN,
        faults: NO_FAULTS,
        churn: Some(Churn::Poisson { per_1000_s: 400 }),
        menu: None,
    },
    Preset {
        name: "peers",
        about: "people's machines: sessions of 10 minutes, most of them short",
        latency: WAN,
        faults: NO_FAULTS,
        churn: Some(Churn::Weibull {
            mean_s: 600,
            shape_milli: 400,
        }),
        menu: None,
    },
    Preset {
        name: "rough",
        about: "everything at once: joins, leaves, deaths, restarts, pauses, partitions, bad messages",
        latency: LAN,
        faults: ROUGH,
        churn: None,
        menu: Some(ALL),
    },
];
