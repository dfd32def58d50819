//! Trips: how long lookups take where messages take as long as the way is far.
//!
//! The shipped asker talks to each node itself (iterative). What the same path would take if each node
//! passed the question on to the next (recursive) follows from the distances along it.

use super::Setup;
use super::ring::Ring;
use crate::engine::Address;
use crate::latency;

/// How long lookups took, in round trips to the owner: median, 10th and 90th percentile, iterative and
/// recursive.
pub(super) struct Trips {
    /// Nodes asked on average, up to the one that names the owner.
    pub(super) steps: f64,
    /// Until the owner is known.
    pub(super) named: [[f64; 3]; 2],
    /// Until it has confirmed that it is.
    pub(super) confirmed: [[f64; 3]; 2],
}

impl Trips {
    /// Lookups in a ring whose fingers are each the nearest of `considered` nodes. Ring and questions
    /// are the same for any number of them.
    pub(super) fn measure(setup: &Setup, considered: usize) -> Trips {
        let (nodes, lookups) = setup.pick((1 << 16, 20_000), (1 << 9, 500));
        let mut random = setup.random("stretch", 0);
        let mut ring = Ring::ideal(nodes, SUCCESSORS, random.next());
        let points: Vec<[f64; 3]> = (0..nodes).map(latency::point).collect();
        let way = |from: Address, to: Address| {
            let [from, to] = [from, to].map(|at| points[at as usize]);
            let squares = from.iter().zip(to).map(|(a, b)| (a - b) * (a - b));
            squares.sum::<f64>().sqrt()
        };
        ring.near_fingers(considered, way);
        let mut steps = 0;
        let [mut named, mut confirmed] = [const { [Vec::new(), Vec::new()] }; 2];
        for _ in 0..lookups {
            let (start, key) = ring.question(&mut random);
            let outcome = ring.find(start, key);
            assert_eq!(
                outcome.owner(),
                ring.owner(key),
                "a wrong owner in an ideal ring"
            );
            let path = outcome.path.iter().map(|hop| hop.node.address);
            let path: Vec<Address> = path.collect();
            let Some((&owner, before)) = path.split_last() else {
                continue;
            };
            let trip = 2.0 * way(start, owner);
            for (all, path) in [(&mut named, before), (&mut confirmed, &path)] {
                all[0].push(iterative(path, way) / trip);
                all[1].push(recursive(path, way) / trip);
            }
            steps += before.len() - 1;
        }
        Trips {
            steps: steps as f64 / f64::from(lookups),
            named: named.map(quantiles),
            confirmed: confirmed.map(quantiles),
        }
    }

    /// Medians, until the owner is known.
    pub(super) fn medians(&self) -> [f64; 2] {
        self.named.map(|[median, ..]| median)
    }
}

/// How long it takes the first node of a path to ask each of the others.
fn iterative(path: &[Address], way: impl Fn(Address, Address) -> f64) -> f64 {
    let there = path.iter().map(|at| way(path[0], *at));
    2.0 * there.sum::<f64>()
}

/// How long it takes a question to go along a path, and the answer to come back from its end.
fn recursive(path: &[Address], way: impl Fn(Address, Address) -> f64) -> f64 {
    let around = path.iter().zip(path.iter().cycle().skip(1));
    around.map(|(from, to)| way(*from, *to)).sum()
}

/// Median, 10th and 90th percentile.
fn quantiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [0.5, 0.1, 0.9].map(|share| values[(values.len() as f64 * share) as usize])
}

/// Length of successor lists.
const SUCCESSORS: u8 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Size;

    #[test]
    fn an_asker_waits_for_all_exchanges_or_for_one_way_around() {
        // Nodes on a line.
        let way = |from: Address, to: Address| f64::from(from.abs_diff(to));
        assert_eq!(iterative(&[10, 14, 11], way), 10.0);
        assert_eq!(recursive(&[10, 14, 11], way), 8.0);
        // Who knows the owner itself waits for nobody.
        assert_eq!([iterative(&[10], way), recursive(&[10], way)], [0.0; 2]);
    }

    #[test]
    fn the_nearer_the_fingers_the_sooner_a_lookup_ends() {
        let size = Size::Tiny;
        let setup = Setup { seed: 1, size };
        let medians = [1, 4, 16].map(|considered| Trips::measure(&setup, considered).medians());
        for (farther, nearer) in medians.iter().zip(&medians[1..]) {
            for (before, after) in farther.iter().zip(nearer) {
                assert!(after < before, "{after} after {before}");
            }
        }
    }
}
