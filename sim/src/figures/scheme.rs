//! Scheme: a way to place keys on a complete list of nodes, and how even it is.

use dht::placement::{Jump, Placement, Rendezvous, Ring, Seat, deal};

use super::Setup;
use super::ring::identifier;
use super::tally::Tally;
use crate::random::Random;

/// A way to place keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scheme {
    /// So many positions for each node.
    Ring(u16),
    /// The same, with [`COPIES`] of every key.
    Copies(u16),
    /// So many positions for each node, by the hash that clients of memcached use.
    Murmur3(u16),
    /// So many partitions in all.
    Partitions(usize),
    /// So many keys for each node.
    Rendezvous(usize),
    /// So many keys for each node.
    Jump(usize),
}

/// Copies of a key, where there is more than one.
const COPIES: usize = 3;

impl Scheme {
    /// What it is called.
    pub(super) fn name(self) -> String {
        match self {
            Scheme::Ring(1) => "ring of 1 position".to_owned(),
            Scheme::Ring(positions) => format!("ring of {positions} positions"),
            Scheme::Copies(positions) => {
                format!("ring of {positions} positions with {COPIES} copies")
            }
            Scheme::Murmur3(positions) => format!("ring of {positions} positions by murmur3"),
            Scheme::Partitions(count) => format!("{count} partitions"),
            Scheme::Rendezvous(keys) => format!("rendezvous of {keys} keys"),
            Scheme::Jump(keys) => format!("jump of {keys} keys"),
        }
    }

    /// The standard deviation of loads, times the mean, that chance alone gives; nothing where no
    /// chance is in it.
    pub(super) fn deviation(self, nodes: usize) -> Option<f64> {
        let nodes = nodes as f64;
        match self {
            Scheme::Ring(positions) | Scheme::Murmur3(positions) => {
                let positions = f64::from(positions);
                Some(((nodes - 1.0) / (nodes * positions + 1.0)).sqrt())
            }
            // A position counts for the arcs of so many before it, of which each is as long by chance.
            Scheme::Copies(positions) => {
                let copies = COPIES as f64;
                Some(((1.0 - copies / nodes) / (copies * f64::from(positions))).sqrt())
            }
            Scheme::Rendezvous(keys) | Scheme::Jump(keys) => {
                Some(((1.0 - 1.0 / nodes) / keys as f64).sqrt())
            }
            Scheme::Partitions(_) => None,
        }
    }
}

/// Rounds, and the minimum, 99th percentile, maximum (times the mean) and coefficient of variation,
/// each a mean over rounds; nothing where it would take too long.
pub(super) fn measure(setup: &Setup, scheme: Scheme, nodes: usize) -> Option<(u32, [f64; 4])> {
    let most = setup.pick(1_000_000, 10_000);
    let (work, most) = match scheme {
        Scheme::Ring(positions) | Scheme::Copies(positions) | Scheme::Murmur3(positions) => {
            (nodes * usize::from(positions), most)
        }
        Scheme::Partitions(count) => (count, most),
        Scheme::Rendezvous(keys) => (nodes * keys, most),
        // A look at a few numbers, where the others look at every node or through a table.
        Scheme::Jump(keys) => (nodes * keys, 10 * most),
    };
    if work > most {
        return None;
    }
    let rounds = match scheme {
        Scheme::Partitions(_) => 1,
        _ => (most / work).clamp(1, setup.pick(200, 20)) as u32,
    };
    let mut sums = [0.0; 4];
    for round in 0..rounds {
        let stream = (nodes as u64) << 32 | u64::from(round);
        let mut random = setup.random(&scheme.name(), stream);
        let shares = shares(scheme, nodes, &mut random);
        for (sum, value) in sums.iter_mut().zip(spread(&shares)) {
            *sum += value / f64::from(rounds);
        }
    }
    Some((rounds, sums))
}

/// What a node is called among clients of memcached.
pub(super) fn label(node: usize) -> String {
    format!("10.0.{}.{}:11211", node / 256, node % 256)
}

/// A node of this label, somewhere on the ring.
pub(super) fn seat<'a>(label: &'a str, random: &mut Random) -> Seat<'a> {
    Seat {
        label,
        ..identifier(random).into()
    }
}

/// Each node's share, in parts of whatever.
fn shares(scheme: Scheme, nodes: usize, random: &mut Random) -> Vec<f64> {
    let labels: Vec<String> = (0..nodes).map(label).collect();
    let seats: Vec<Seat> = labels.iter().map(|label| seat(label, random)).collect();
    let mut count = |placement: &dyn Placement, keys: usize| {
        let mut loads = vec![0.0; nodes];
        for _ in 0..keys * nodes {
            loads[placement.owner(identifier(random))] += 1.0;
        }
        loads
    };
    match scheme {
        Scheme::Ring(positions) => held(&Ring::new(&seats, positions), nodes, 1),
        Scheme::Copies(positions) => held(&Ring::new(&seats, positions), nodes, COPIES),
        Scheme::Murmur3(positions) => held(&Ring::murmur3(&seats, positions), nodes, 1),
        Scheme::Partitions(count) => {
            let nobody = vec![Vec::new(); count];
            let mut shares = vec![0.0; nodes];
            for row in deal(&nobody, &seats, None, 1, random.next()) {
                shares[usize::from(row[0])] += 1.0;
            }
            shares
        }
        Scheme::Rendezvous(keys) => count(&Rendezvous::new(&seats), keys),
        Scheme::Jump(keys) => count(&Jump::of(nodes), keys),
    }
}

/// What each node holds of a ring's space, with so many copies.
fn held(ring: &Ring, nodes: usize, copies: usize) -> Vec<f64> {
    let mut shares = vec![0.0; nodes];
    for (arc, _) in ring.arcs() {
        let length = arc.start.distance_to(arc.end);
        let high = length
            .as_bytes()
            .first_chunk()
            .copied()
            .map(u64::from_be_bytes);
        for node in ring.replicas(arc.end, copies) {
            shares[node] += high.unwrap_or(0) as f64;
        }
    }
    shares
}

fn spread(shares: &[f64]) -> [f64; 4] {
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    // A tally counts whole numbers: ten-thousandths of the mean are fine enough.
    let parts = shares
        .iter()
        .map(|share| (share / mean * 1e4).round() as usize);
    let tally: Tally = parts.collect();
    let times = |parts: usize| parts as f64 / 1e4;
    [
        times(tally.min()),
        times(tally.percentile(99)),
        times(tally.max()),
        tally.deviation() / tally.mean(),
    ]
}
