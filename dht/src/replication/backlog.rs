//! Backlog: how much a leader has ordered that no majority has yet.

use alloc::collections::VecDeque;

/// Writes that no majority has yet.
///
/// Their bytes are bounded: a member that lacks one must find it at the leader, or would have to fetch the arc,
/// and with it those that acknowledge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog {
    /// Sequence and bytes of each.
    writes: VecDeque<(u32, usize)>,
    bytes: usize,
}

impl Backlog {
    /// Whether another write would be too much.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BACKLOG_BYTES
    }

    pub(crate) fn push(&mut self, sequence: u32, bytes: usize) {
        self.writes.push_back((sequence, bytes));
        self.bytes += bytes;
    }

    /// A majority has all up to here.
    pub(crate) fn commit(&mut self, committed: u32) {
        while let Some((_, bytes)) = self
            .writes
            .pop_front_if(|(sequence, _)| *sequence <= committed)
        {
            self.bytes -= bytes;
        }
    }
}

/// Bytes of writes that wait for a majority: as much as a store takes before it makes its writers wait.
const BACKLOG_BYTES: usize = 16 * 1024 * 1024;
