//! Latency: how long a message is on its way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::{GOLDEN, Random, mix};

/// How long a message takes one way. Times are 0 to 60 s, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Latency {
    /// Always the same.
    Constant {
        /// So long.
        us: u64,
    },
    /// Any time between two, each as likely as the other.
    Uniform {
        /// At least.
        min_us: u64,
        /// At most.
        max_us: u64,
    },
    /// Log-normal: mostly near the median, sometimes much longer, as in wide networks.
    LogNormal {
        /// Half of the messages take less.
        median_us: u64,
        /// Standard deviation of the logarithm, in thousandths: 0 to 3,000.
        sigma_milli: u32,
    },
    /// Nodes are points in a cube, and a message takes as long as the way is far.
    Cube {
        /// Along one side of the cube.
        side_us: u64,
    },
}

impl Latency {
    /// The time for one message from one node to another.
    pub fn draw(&self, from: u32, to: u32, random: &mut Random) -> u64 {
        match *self {
            Latency::Constant { us } => us,
            Latency::Uniform { min_us, max_us } => random.between(min_us, max_us),
            Latency::LogNormal {
                median_us,
                sigma_milli,
            } => {
                let factor = (random.normal() * f64::from(sigma_milli) / 1_000.0).exp();
                ((median_us as f64 * factor) as u64).min(TIME_US_MAX)
            }
            Latency::Cube { side_us } => {
                let (a, b) = (point(from), point(to));
                let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
                // The last step of a way is never free.
                (squares.sum::<f64>().sqrt() * side_us as f64) as u64 + side_us / 1_000
            }
        }
    }
}

/// Where a node stands in the unit cube: always the same place.
pub fn point(address: u32) -> [f64; 3] {
    let seed = mix(u64::from(address).wrapping_add(GOLDEN));
    [0, 1, 2].map(|axis| mix(seed ^ mix(axis)) as f64 / u64::MAX as f64)
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1_000.0;
        match *self {
            Latency::Constant { us } => write!(f, "constant:{}", ms(us)),
            Latency::Uniform { min_us, max_us } => {
                write!(f, "uniform:{}..{}", ms(min_us), ms(max_us))
            }
            Latency::LogNormal {
                median_us,
                sigma_milli,
            } => {
                let sigma = f64::from(sigma_milli) / 1_000.0;
                write!(f, "lognormal:{},{sigma}", ms(median_us))
            }
            Latency::Cube { side_us } => write!(f, "cube:{}", ms(side_us)),
        }
    }
}

/// What a latency may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a latency is constant:MS, uniform:MS..MS, lognormal:MEDIAN_MS,SIGMA or cube:SIDE_MS, \
     with times from 0 to 60000 ms and a sigma from 0 to 3"
)]
pub struct NotALatency;

impl FromStr for Latency {
    type Err = NotALatency;

    fn from_str(text: &str) -> Result<Latency, NotALatency> {
        let (kind, rest) = text.split_once(':').ok_or(NotALatency)?;
        match kind {
            "constant" => Ok(Latency::Constant { us: time(rest)? }),
            "uniform" => {
                let (min, max) = rest.split_once("..").ok_or(NotALatency)?;
                let (min_us, max_us) = (time(min)?, time(max)?);
                let is_range = min_us <= max_us;
                is_range
                    .then_some(Latency::Uniform { min_us, max_us })
                    .ok_or(NotALatency)
            }
            "lognormal" => {
                let (median, sigma) = rest.split_once(',').ok_or(NotALatency)?;
                let sigma: f64 = sigma.parse().map_err(|_| NotALatency)?;
                let median_us = time(median)?;
                (0.0..=3.0)
                    .contains(&sigma)
                    .then_some(Latency::LogNormal {
                        median_us,
                        sigma_milli: (sigma * 1_000.0).round() as u32,
                    })
                    .ok_or(NotALatency)
            }
            "cube" => Ok(Latency::Cube {
                side_us: time(rest)?,
            }),
            _ => Err(NotALatency),
        }
    }
}

/// Milliseconds as text, in microseconds.
fn time(text: &str) -> Result<u64, NotALatency> {
    let ms: f64 = text.parse().map_err(|_| NotALatency)?;
    let us = ms * 1_000.0;
    (0.0..=TIME_US_MAX as f64)
        .contains(&us)
        .then_some(us.round() as u64)
        .ok_or(NotALatency)
}

/// A minute: nothing that anyone waits for takes longer.
const TIME_US_MAX: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_written_as_it_is_read() {
        for text in [
            "constant:1",
            "uniform:0.5..20",
            "lognormal:20,0.5",
            "cube:100",
        ] {
            let latency: Latency = text.parse().expect(text);
            assert_eq!(latency.to_string(), text);
        }
        for text in [
            "",
            "constant",
            "constant:-1",
            "uniform:2..1",
            "lognormal:1,9",
            "cube:x",
        ] {
            text.parse::<Latency>().expect_err(text);
        }
    }

    #[test]
    fn the_way_there_is_as_long_as_the_way_back_in_a_cube() {
        let cube = Latency::Cube { side_us: 100_000 };
        let mut random = Random::new(1, 1);
        let there = cube.draw(1, 2, &mut random);
        assert_eq!(there, cube.draw(2, 1, &mut random));
        assert!(there > 0);
    }
}
