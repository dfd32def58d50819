//! Owners: at no moment do two nodes serve the same key.
//!
//! The ring as pieces that do not overlap, each with the node that serves it. A node that has changed
//! takes its pieces out and puts its new ones in, next to their neighbours: O(log N).

use std::collections::BTreeMap;

use dht::{Arc, Id, View};

use super::Violation;
use crate::engine::{Address, Network, Status};

/// Who serves what.
#[derive(Debug, Default)]
pub struct Owners {
    /// Pieces by their first identifier: the last one, and who serves it.
    pieces: BTreeMap<Id, (Id, Address)>,
    /// The first identifiers of each node's pieces, by address.
    firsts: Vec<Vec<Id>>,
}

impl Owners {
    /// A look at all nodes. Errors: two of them serve the same.
    pub fn begin(network: &Network) -> Result<Owners, Violation> {
        let mut owners = Owners::default();
        let all: Vec<Address> = (0..network.addresses()).collect();
        owners.look_at(network, &all)?;
        Ok(owners)
    }

    /// Takes over what has changed at these nodes. Errors: what one serves is served by another one, too.
    pub fn look_at(&mut self, network: &Network, changed: &[Address]) -> Result<(), Violation> {
        // One may have stopped serving what the other has begun to serve.
        for at in changed {
            self.forget(*at);
        }
        changed.iter().try_for_each(|at| self.add(network, *at))
    }

    fn forget(&mut self, at: Address) {
        for first in self.firsts.get_mut(at as usize).into_iter().flatten() {
            self.pieces.remove(first);
        }
        if let Some(firsts) = self.firsts.get_mut(at as usize) {
            firsts.clear();
        }
    }

    fn add(&mut self, network: &Network, at: Address) -> Result<(), Violation> {
        let Some(node) = network.find(at) else {
            return Ok(());
        };
        if network.status(at) == Status::Down {
            return Ok(());
        }
        for (first, last) in served(node.view()).flat_map(pieces) {
            if let Some((other, both)) = self.shared(first, last).filter(|(other, _)| *other != at)
            {
                let (me, other) = (node.view().me, network.view(other).me);
                let text = format!("{me:?} and {other:?} both serve {both}");
                return Err(Violation::new("OneOwner", network.now_us(), text));
            }
            self.pieces.insert(first, (last, at));
            if self.firsts.len() <= at as usize {
                self.firsts.resize(at as usize + 1, Vec::new());
            }
            self.firsts[at as usize].push(first);
        }
        Ok(())
    }

    /// Somebody who serves an identifier between the two, and one that both serve.
    fn shared(&self, first: Id, last: Id) -> Option<(Address, Id)> {
        // The others do not overlap, so of those that begin early enough the last one ends last.
        let (_, (end, other)) = self.pieces.range(..=last).next_back()?;
        (*end >= first).then(|| (*other, last.min(*end)))
    }
}

/// What a node answers for at this moment.
fn served(view: &View<Address>) -> impl Iterator<Item = Arc> {
    view.serves.iter().flat_map(|range| {
        let whole = view.fenced.is_none().then_some(range.arc);
        let rest = view.fenced.map(|fenced| range.arc.without(fenced));
        whole.into_iter().chain(rest.into_iter().flatten())
    })
}

/// An arc as first and last identifiers; two where it goes on at zero.
fn pieces(arc: Arc) -> impl Iterator<Item = (Id, Id)> {
    let first = arc.start.next();
    let pieces = if first <= arc.end {
        [Some((first, arc.end)), None]
    } else {
        [Some((first, Id::MAX)), Some((Id::ZERO, arc.end))]
    };
    pieces.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arc_is_cut_where_the_identifiers_start_anew() {
        let (low, high) = (Id::power_of_two(3), Id::power_of_two(159));
        let cut = |arc: Arc| pieces(arc).collect::<Vec<_>>();
        assert_eq!(cut(Arc::new(low, high)), [(low.next(), high)]);
        let wrapped = [(high.next(), Id::MAX), (Id::ZERO, low)];
        assert_eq!(cut(Arc::new(high, low)), wrapped);
        let whole = [(low.next(), Id::MAX), (Id::ZERO, low)];
        assert_eq!(cut(Arc::new(low, low)), whole);
        assert_eq!(cut(Arc::new(Id::MAX, low)), [(Id::ZERO, low)]);
        assert_eq!(cut(Arc::new(Id::MAX, Id::MAX)), [(Id::ZERO, Id::MAX)]);
    }
}
