//! Acceptor: a member's part in one decision.
//!
//! Single-decree Paxos (Lamport, *The Part-Time Parliament*, 1998; *Paxos Made Simple*, 2001). Groups decide
//! so what follows their epoch: a member that has promised anything takes no more writes of the epoch, so a
//! majority of promises fences it, and no write is acknowledged that the members of the majority do not know.
//! The members of a list decide so their next table.

use serde::{Deserialize, Serialize};

use crate::id::Id;

/// Which of several proposals is meant. No two proposers share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// Counts upwards.
    pub round: u32,
    /// Who proposes.
    pub by: Id,
}

/// What a member has promised and accepted. To be durable before anyone hears of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acceptor<V> {
    /// The highest ballot that it has heard of; nothing where nobody has proposed anything.
    pub(crate) promised: Option<Ballot>,
    /// The last proposal that it accepted.
    pub(crate) accepted: Option<(Ballot, V)>,
}

impl<V> Acceptor<V> {
    pub(crate) const fn new() -> Acceptor<V> {
        Acceptor {
            promised: None,
            accepted: None,
        }
    }

    /// Promises to accept nothing below `ballot`. Errors: it has promised that to a higher one.
    pub(crate) fn promise(&mut self, ballot: Ballot) -> Result<(), Ballot> {
        match self.promised {
            Some(higher) if higher > ballot => Err(higher),
            _ => {
                self.promised = Some(ballot);
                Ok(())
            }
        }
    }

    /// Accepts a proposal. Errors: it has promised a higher ballot not to.
    pub(crate) fn accept(&mut self, ballot: Ballot, value: V) -> Result<(), Ballot> {
        self.promise(ballot)?;
        self.accepted = Some((ballot, value));
        Ok(())
    }

    /// A ballot of `by` that is higher than all it has heard of.
    pub(crate) fn next_ballot(&self, by: Id) -> Ballot {
        let round = self.promised.map_or(0, |ballot| ballot.round) + 1;
        Ballot { round, by }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::id::Arc;
    use crate::peer::Peer;
    use crate::replication::group::{Member, Next, Tag};

    fn ballot(round: u32, by: u8) -> Ballot {
        Ballot {
            round,
            by: Id::from_bytes([by; Id::BYTES]),
        }
    }

    fn next(start: u32) -> Next<u8> {
        let arc = Arc::WHOLE;
        let peer = Peer {
            id: Id::ZERO,
            address: 1,
            incarnation: 1,
        };
        Next {
            from: Tag { arc, epoch: 1 },
            former: Vec::new(),
            groups: Vec::new(),
            sealed: None,
            start,
            source: Member { peer, store: 1 },
        }
    }

    #[test]
    fn what_was_promised_to_one_is_not_accepted_from_another() {
        let mut acceptor = Acceptor::new();
        assert_eq!(acceptor.promise(ballot(2, 1)), Ok(()));
        assert_eq!(acceptor.promise(ballot(1, 9)), Err(ballot(2, 1)));
        assert_eq!(acceptor.accept(ballot(1, 9), next(1)), Err(ballot(2, 1)));
        assert_eq!(acceptor.accepted, None);
        assert_eq!(acceptor.accept(ballot(2, 1), next(2)), Ok(()));
        assert_eq!(acceptor.accepted, Some((ballot(2, 1), next(2))));
    }

    #[test]
    fn ballots_of_two_proposers_are_never_the_same() {
        let acceptor: Acceptor<Next<u8>> = Acceptor::new();
        let [one, other] = [1, 2].map(|by| acceptor.next_ballot(Id::from_bytes([by; Id::BYTES])));
        assert_ne!(one, other);
    }

    #[test]
    fn the_next_ballot_is_above_all_promises() {
        let mut acceptor: Acceptor<Next<u8>> = Acceptor::new();
        acceptor.promise(ballot(7, 9)).expect("it is the first");
        assert!(acceptor.next_ballot(Id::ZERO) > ballot(7, 9));
    }
}
