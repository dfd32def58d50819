//! Random: all chance of a run, from its seed and nothing else.
//!
//! Xoshiro256++ (Blackman and Vigna 2019), seeded by SplitMix64. Written out here, since the generators
//! of the usual crates may change from one version to the next, and with them every trace.

use dht::event::Delay;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// One of the streams of a seed. Each purpose has its own, so that drawing more for one does
    /// not change what another one draws.
    pub fn new(seed: u64, stream: u64) -> Random {
        let mut state = mix(seed ^ mix(stream));
        Random([(); 4].map(|()| {
            state = state.wrapping_add(GOLDEN);
            mix(state)
        }))
    }

    /// Any number.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is no iterator: there is no end to it, and nothing to adapt"
    )]
    pub fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low).saturating_add(1))
    }

    /// A time between the two of a delay, in microseconds.
    pub fn delay_us(&mut self, delay: Delay) -> u64 {
        let (low, high) = (u64::from(delay.min_ms), u64::from(delay.max_ms));
        self.between(low * 1_000, high * 1_000)
    }

    /// A number in (0, 1].
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens so many times in a million; draws nothing for never.
    pub fn happens(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }

    /// The time to the next event of a Poisson process whose events are `mean` apart.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }

    /// A Weibull distributed number; a `shape` below 1 means that what has lasted goes on lasting.
    pub fn weibull(&mut self, scale: f64, shape: f64) -> f64 {
        scale * (-self.unit().ln()).powf(1.0 / shape)
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (core::f64::consts::TAU * self.unit()).cos()
    }
}

/// A number that looks random, but is always the same for the same one: SplitMix64's mixer.
pub fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 2^64 divided by the golden ratio: the step of SplitMix64.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |stream| {
            let mut random = Random::new(7, stream);
            [(); 4].map(|()| random.next())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn an_exponential_has_its_mean() {
        let mut random = Random::new(1, 1);
        let sum: f64 = (0..100_000).map(|_| random.exponential(3.0)).sum();
        assert!((sum / 100_000.0 - 3.0).abs() < 0.05);
    }
}
