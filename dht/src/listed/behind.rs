//! Behind: what other members have missed, since they did not answer. As long as it is little, it is known what,
//! and nobody has to go through all for one message that got lost.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::id::Id;
use crate::listed::Listed;
use crate::peer::Address;

/// What a member has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// These keys, up to [`MISSED_MAX`].
    Keys(BTreeSet<Id>),
    /// Nobody knows what.
    Anything,
}

impl Missed {
    fn add(&mut self, missed: Missed) {
        match (&mut *self, missed) {
            (Missed::Keys(keys), Missed::Keys(more)) if keys.len() + more.len() <= MISSED_MAX => {
                keys.extend(more);
            }
            _ => *self = Missed::Anything,
        }
    }
}

impl<A: Address> Listed<A> {
    /// A member has missed something, and nobody knows what.
    pub(super) fn falls_behind(&mut self, id: Id) {
        self.fall_behind([(id, Missed::Anything)]);
    }

    /// A member is back: it is to be told when it has what it has missed, if anything.
    pub(super) fn is_back(&mut self, id: Id) {
        self.fall_behind([(id, Missed::Keys(BTreeSet::new()))]);
    }

    /// A member has missed this key.
    pub(super) fn misses(&mut self, id: Id, key: Id) {
        self.fall_behind([(id, Missed::Keys([key].into()))]);
    }

    pub(super) fn fall_behind(&mut self, others: impl IntoIterator<Item = (Id, Missed)>) {
        if self.table.as_ref().is_none_or(|table| table.replicas == 1) {
            return;
        }
        for (id, missed) in others.into_iter().filter(|(id, _)| *id != self.me) {
            let known = self.behind.entry(id);
            known
                .or_insert_with(|| Missed::Keys(BTreeSet::new()))
                .add(missed);
        }
    }
}

/// All keys that these have missed; nothing where nobody knows that of one.
pub(super) fn keys_of(behind: &BTreeMap<Id, Missed>) -> Option<Vec<Id>> {
    let mut all = BTreeSet::new();
    for missed in behind.values() {
        match missed {
            Missed::Keys(keys) => all.extend(keys),
            Missed::Anything => return None,
        }
    }
    Some(all.into_iter().collect())
}

/// Keys that are remembered of what one member has missed: for more of them it is as good to go through all.
const MISSED_MAX: usize = 1_024;
