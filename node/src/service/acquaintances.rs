//! Acquaintances: peers that were found to be where they say.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Peer;

/// The last peers that were visited.
#[derive(Debug, Default)]
pub(super) struct Acquaintances {
    // Few, and looked at only for messages that change pointers.
    peers: Mutex<VecDeque<Peer>>,
}

impl Acquaintances {
    pub(super) fn knows(&self, peer: &Peer) -> bool {
        self.lock().contains(peer)
    }

    pub(super) fn meet(&self, peer: Peer) {
        let mut peers = self.lock();
        if peers.len() == REMEMBERED_MAX {
            peers.pop_front();
        }
        peers.push_back(peer);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More than the neighbours that a node has in a day of moderate churn.
const REMEMBERED_MAX: usize = 64;
