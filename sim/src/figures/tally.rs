//! Tally: how often each of some small numbers came up.

/// Counts of whole numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: Vec<u64>,
    total: u64,
}

impl Tally {
    /// It came up once more.
    pub(super) fn add(&mut self, number: usize) {
        if self.counts.len() <= number {
            self.counts.resize(number + 1, 0);
        }
        self.counts[number] += 1;
        self.total += 1;
    }

    /// How many came up.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Their mean; zero where there are none.
    pub(super) fn mean(&self) -> f64 {
        let sum: f64 = self.each().map(|(n, count)| n as f64 * count as f64).sum();
        sum / self.total.max(1) as f64
    }

    /// Their standard deviation.
    pub(super) fn deviation(&self) -> f64 {
        let mean = self.mean();
        let square = |n: usize| (n as f64 - mean) * (n as f64 - mean);
        let sum: f64 = self.each().map(|(n, count)| square(n) * count as f64).sum();
        (sum / self.total.max(1) as f64).sqrt()
    }

    /// The number that `percent` of all don't exceed.
    pub(super) fn percentile(&self, percent: u64) -> usize {
        let mut below = 0;
        let reached = |count: u64| {
            below += count;
            below * 100 >= self.total * percent
        };
        let place = self.counts.iter().copied().position(reached);
        place.unwrap_or(0)
    }

    /// The smallest.
    pub(super) fn min(&self) -> usize {
        self.counts.iter().position(|count| *count > 0).unwrap_or(0)
    }

    /// The greatest.
    pub(super) fn max(&self) -> usize {
        self.counts.len().saturating_sub(1)
    }

    /// How large a share of all is this number.
    pub(super) fn share(&self, number: usize) -> f64 {
        let count = self.counts.get(number).copied().unwrap_or(0);
        count as f64 / self.total.max(1) as f64
    }

    fn each(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate()
    }
}

impl FromIterator<usize> for Tally {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Tally {
        let mut tally = Tally::default();
        for number in numbers {
            tally.add(number);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_knows_its_numbers() {
        let tally: Tally = (1..=100).collect();
        assert_eq!(tally.total(), 100);
        assert_eq!(tally.mean(), 50.5);
        assert_eq!((tally.min(), tally.max()), (1, 100));
        assert_eq!((tally.percentile(1), tally.percentile(99)), (1, 99));
        assert_eq!(tally.share(7), 0.01);
        assert!((tally.deviation() - 28.866).abs() < 0.001);
    }

    #[test]
    fn a_tally_of_nothing_is_all_zero() {
        let tally = Tally::default();
        assert_eq!(
            (tally.mean(), tally.percentile(99), tally.max()),
            (0.0, 0, 0)
        );
    }
}
