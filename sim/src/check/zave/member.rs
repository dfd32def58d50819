//! Member: one member of the abstract ring, as a number.

use crate::check::cast::{Life, Set};
use crate::check::published;

/// A member's pointers, and what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) predecessor: Life,
    pub(super) successors: [Life; SUCCESSORS_MAX],
    /// Whom the second step of its stabilization asks.
    pub(super) candidate: Option<Life>,
    /// Who has notified it.
    pub(super) notified: Set,
}

impl Member {
    /// As a number: 1 bit says that there is a member, then 3 for each pointer, 4 for the candidate and
    /// 8 for those that have notified it.
    pub(super) fn pack(&self) -> u32 {
        let candidate = self.candidate.map_or(NOBODY, u32::from);
        let start = 1 | u32::from(self.predecessor) << 1 | candidate << 4;
        let start = start | u32::from(self.notified) << 8;
        let entries = (0..).zip(self.successors);
        entries.fold(start, |packed, (place, life)| {
            packed | u32::from(life) << (16 + 3 * place)
        })
    }

    pub(super) fn unpack(packed: u32) -> Option<Member> {
        let life = |shift: usize| (packed >> shift & 7) as Life;
        let candidate = packed >> 4 & 15;
        (packed & 1 == 1).then(|| Member {
            predecessor: life(1),
            successors: std::array::from_fn(|place| life(16 + 3 * place)),
            candidate: (candidate != NOBODY).then_some(candidate as Life),
            notified: (packed >> 8 & 255) as Set,
        })
    }
}

const NOBODY: u32 = 15;

/// The longest list, which is also the longest that a number has room for.
pub(super) const SUCCESSORS_MAX: usize = published::SUCCESSORS_MAX as usize;
