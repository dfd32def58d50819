//! Ideal: the ring that a run starts with, built for all nodes at once.

use dht::view::Finger;
use dht::{Id, Node, Peer};

use super::host::{Host, Status};
use super::{Address, Network};

impl Network {
    /// Makes `nodes` members of an ideal ring, in time proportional to N log N.
    pub(super) fn found(&mut self, nodes: u32) {
        let mut ring: Vec<Peer<Address>> = (0..nodes)
            .map(|address| Peer {
                id: self.id(address),
                address,
                incarnation: 1,
            })
            .collect();
        ring.sort_unstable_by_key(|peer| peer.id);
        let members = ring.iter().map(|peer| (peer.id, peer.address));
        self.census.fill(members);
        let mut places = vec![0; ring.len()];
        for (place, peer) in ring.iter().enumerate() {
            places[peer.address as usize] = place;
        }
        self.hosts = Vec::with_capacity(ring.len());
        let mut scratch = Vec::new();
        for place in places {
            let node = match self.is_replicated() {
                true => Node::in_ring(ring[place], &ring, self.config_on(ring[place].address, 1)),
                false => self.member(&ring, place, &mut scratch),
            };
            self.lives += 1;
            self.hosts.push(Host {
                node: Some(node),
                store: None,
                life: self.lives,
                status: Status::Up,
            });
        }
        for at in 0..nodes {
            self.begin_schedule(at);
        }
    }

    fn member(
        &self,
        ring: &[Peer<Address>],
        place: usize,
        scratch: &mut Vec<Finger<Address>>,
    ) -> Node<Address> {
        let count = ring.len();
        let me = ring[place];
        let length = usize::from(self.config.successors).min(count - 1);
        let successors: Vec<Peer<Address>> = (1..=length)
            .map(|step| ring[(place + step) % count])
            .collect();
        let predecessor = ring[(place + count - 1) % count];
        scratch.clear();
        if let Some(first) = successors.first() {
            let mut exponent = beyond(me.id, first.id);
            while exponent < Id::BITS {
                let start = me.id.plus(Id::power_of_two(exponent));
                let node = ring[at_or_after(ring, start)];
                // Around the ring and back: nothing is that far away.
                if me.id.distance_to(node.id) < Id::power_of_two(exponent) {
                    break;
                }
                scratch.push(Finger { exponent, node });
                exponent = beyond(me.id, node.id);
            }
        }
        Node::placed(me, predecessor, successors, scratch.to_vec(), self.config)
    }
}

/// The lowest exponent whose finger starts beyond `node`.
fn beyond(me: Id, node: Id) -> u8 {
    let highest = me.distance_to(node).highest_bit();
    highest.map_or(Id::BITS, |exponent| exponent + 1)
}

/// The place of the first peer at or after `id`. Identifiers are spread evenly, so the place is
/// guessed, and sought from there in growing steps.
fn at_or_after(ring: &[Peer<Address>], id: Id) -> usize {
    let high = id.as_bytes().first_chunk().copied().map(u64::from_be_bytes);
    let high = high.expect("an identifier has more than 8 bytes");
    let guess = ((u128::from(high) * ring.len() as u128) >> 64) as usize;
    let is_before = |place: usize| ring[place].id < id;
    let (mut low, mut top) = (guess, guess);
    let mut step = 16;
    while low > 0 && !is_before(low - 1) {
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = 16;
    while top < ring.len() && is_before(top) {
        top = (top + step).min(ring.len());
        step *= 2;
    }
    let place = low + ring[low..top].partition_point(|peer| peer.id < id);
    place % ring.len()
}
