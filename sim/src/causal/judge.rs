//! Judge: what happened before what, as clients know it, and whether they were told less than they had seen.
//!
//! A write happened after all that its client had read or written by then, and after what happened before
//! that. Whoever has seen a write of a key must never again be shown one that came before it, nor nothing, unless a
//! delete may be why; and two writes that did not know of each other are shown in one order to everyone.

use std::collections::{BTreeMap, BTreeSet};

use crate::observe::Violation;

/// A write, by its number.
pub type WriteId = u32;

/// A set of writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past(Vec<u64>);

impl Past {
    /// Whether a write is in it.
    pub fn has(&self, write: WriteId) -> bool {
        let word = self.0.get(write as usize / 64).copied().unwrap_or(0);
        word >> (write % 64) & 1 == 1
    }

    /// Puts a write in.
    pub fn insert(&mut self, write: WriteId) {
        let place = write as usize / 64;
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] |= 1 << (write % 64);
    }

    /// Puts all of another set in.
    pub fn merge(&mut self, other: &Past) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
    }
}

/// What a client wrote.
#[derive(Clone, Debug)]
struct Written {
    key: u32,
    is_delete: bool,
    /// What happened before it.
    past: Past,
    is_acknowledged: bool,
}

/// All that clients did, and what was wrong with what they were told.
#[derive(Debug, Default)]
pub struct Judge {
    writes: Vec<Written>,
    keys: BTreeMap<u32, Vec<WriteId>>,
    /// Of two writes of one key, that the first was shown to give way to the second.
    order: BTreeSet<(WriteId, WriteId)>,
    /// What was wrong.
    pub violations: Vec<Violation>,
}

impl Judge {
    /// A client that has seen this much is about to write.
    pub fn writes(&mut self, key: u32, is_delete: bool, past: &Past) -> WriteId {
        let number = self.writes.len() as WriteId;
        self.writes.push(Written {
            key,
            is_delete,
            past: past.clone(),
            is_acknowledged: false,
        });
        self.keys.entry(key).or_default().push(number);
        number
    }

    /// It is told that the write is done.
    pub fn written(&mut self, write: WriteId, past: &mut Past) {
        self.writes[write as usize].is_acknowledged = true;
        past.insert(write);
    }

    /// It is told that the write was not, and will not be.
    pub fn never(&mut self, write: WriteId) {
        let key = self.writes[write as usize].key;
        if let Some(writes) = self.keys.get_mut(&key) {
            writes.retain(|other| *other != write);
        }
    }

    /// A client that has seen this much reads this, or nothing, of a key.
    pub fn reads(&mut self, key: u32, shown: Option<WriteId>, past: &mut Past, at_us: u64) {
        match shown {
            Some(shown) => self.shows(key, shown, past, at_us),
            None => self.shows_nothing(key, past, at_us),
        }
    }

    fn shows(&mut self, key: u32, shown: WriteId, past: &mut Past, at_us: u64) {
        let Some(written) = self.writes.get(shown as usize).filter(|w| w.key == key) else {
            return self.fail("reads show writes", at_us, format!("key {key}: {shown}"));
        };
        let before = written.past.clone();
        let seen: Vec<WriteId> = self.seen_of(key, past).filter(|w| *w != shown).collect();
        for seen in seen {
            let is_after = self.writes[seen as usize].past.has(shown);
            if is_after || self.order.contains(&(shown, seen)) {
                let why = match is_after {
                    true => "it came before",
                    false => "others were shown that one later",
                };
                let text =
                    format!("key {key}: after {seen} a client is shown {shown}, though {why}");
                self.fail("a client never sees less than it has seen", at_us, text);
            }
            self.order.insert((seen, shown));
        }
        past.merge(&before);
        past.insert(shown);
    }

    /// A key reads as missing to a client.
    pub fn shows_nothing(&mut self, key: u32, past: &mut Past, at_us: u64) {
        let seen: Vec<WriteId> = self.seen_of(key, past).collect();
        if seen.is_empty() {
            return;
        }
        let may_be_why = |delete: &WriteId| {
            let written = &self.writes[*delete as usize];
            let mut seen = seen.iter();
            written.is_delete && seen.all(|seen| !self.writes[*seen as usize].past.has(*delete))
        };
        let why: Vec<WriteId> = self.keys[&key].iter().copied().filter(may_be_why).collect();
        match why[..] {
            [] => {
                let text = format!("key {key}: after {seen:?} a client is shown nothing");
                self.fail("a client never sees less than it has seen", at_us, text);
            }
            // Nothing else can have been seen, and with it all that came before.
            [delete] if !past.has(delete) => self.shows(key, delete, past, at_us),
            _ => {}
        }
    }

    /// What is left of a key in the end: a write, or nothing where it is deleted.
    pub fn is_left(&mut self, key: u32, left: Option<WriteId>, at_us: u64) {
        let writes = self.keys.get(&key).cloned().unwrap_or_default();
        let is_last = |write: WriteId, last: WriteId| {
            last == write || !self.writes[write as usize].past.has(last)
        };
        let explains = |write: WriteId, last: WriteId| match left {
            Some(left) => last == left && is_last(write, left),
            None => self.writes[last as usize].is_delete && is_last(write, last),
        };
        let is_lost = |write: &WriteId| {
            let is_acknowledged = self.writes[*write as usize].is_acknowledged;
            is_acknowledged && !writes.iter().any(|last| explains(*write, *last))
        };
        let lost: Vec<WriteId> = writes.iter().copied().filter(is_lost).collect();
        for write in lost {
            let text = format!("key {key}: {write} was acknowledged, and {left:?} is left");
            self.fail("what is acknowledged is not lost", at_us, text);
        }
    }

    /// Keys that were ever written.
    pub fn keys(&self) -> impl Iterator<Item = u32> + use<> {
        let keys: Vec<u32> = self.keys.keys().copied().collect();
        keys.into_iter()
    }

    /// Something is wrong.
    pub fn fail(&mut self, property: &str, at_us: u64, text: String) {
        self.violations.push(Violation::new(property, at_us, text));
    }

    fn seen_of<'a>(&'a self, key: u32, past: &'a Past) -> impl Iterator<Item = WriteId> + 'a {
        let writes = self.keys.get(&key).into_iter().flatten().copied();
        writes.filter(|write| past.has(*write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of which two writes are known, the second after the first.
    fn two() -> (Judge, Past) {
        let (mut judge, mut past) = (Judge::default(), Past::default());
        for _ in 0..2 {
            let write = judge.writes(1, false, &past);
            judge.written(write, &mut past);
        }
        (judge, past)
    }

    #[test]
    fn whoever_has_seen_a_write_is_not_shown_what_came_before_it() {
        let (mut judge, mut past) = two();
        judge.reads(1, Some(1), &mut past, 0);
        assert!(judge.violations.is_empty());
        judge.reads(1, Some(0), &mut past, 0);
        assert_eq!(judge.violations.len(), 1);
    }

    #[test]
    fn whoever_has_seen_nothing_may_be_shown_anything() {
        let (mut judge, _) = two();
        for shown in [None, Some(0), Some(1)] {
            judge.reads(1, shown, &mut Past::default(), 0);
        }
        assert!(judge.violations.is_empty());
    }

    #[test]
    fn what_somebody_else_read_first_happened_before() {
        let (mut judge, past) = two();
        // Another client reads the second write, and writes another key.
        let mut other = Past::default();
        judge.reads(1, Some(1), &mut other, 0);
        let write = judge.writes(2, false, &other);
        // A third one reads that, and so may not be shown the first write.
        let mut third = Past::default();
        judge.reads(2, Some(write), &mut third, 0);
        assert!(judge.violations.is_empty() && third.has(1) && past.has(0));
        judge.reads(1, Some(0), &mut third, 0);
        assert_eq!(judge.violations.len(), 1);
    }

    #[test]
    fn two_writes_are_shown_in_one_order() {
        let mut judge = Judge::default();
        let writes = [0, 1].map(|_| judge.writes(1, false, &Past::default()));
        for turns in [writes, [writes[1], writes[0]]] {
            let mut past = Past::default();
            for write in turns {
                judge.reads(1, Some(write), &mut past, 0);
            }
        }
        assert_eq!(judge.violations.len(), 1);
    }

    #[test]
    fn nothing_is_shown_only_if_a_delete_may_be_why() {
        let (mut judge, mut past) = two();
        judge.reads(1, None, &mut past, 0);
        assert_eq!(judge.violations.len(), 1);
        judge.writes(1, true, &Past::default());
        judge.reads(1, None, &mut past, 0);
        assert_eq!(judge.violations.len(), 1);
    }

    #[test]
    fn whoever_is_shown_nothing_has_seen_the_one_delete_that_may_be_why() {
        let (mut judge, mut past) = two();
        let mut other = past.clone();
        // Somebody writes another key and then deletes, and a third one is shown that.
        for _ in 0..2 {
            let write = judge.writes(2, false, &other);
            judge.written(write, &mut other);
        }
        let delete = judge.writes(1, true, &other);
        judge.written(delete, &mut other);
        judge.reads(1, None, &mut past, 0);
        assert!(judge.violations.is_empty() && past.has(delete) && past.has(3));
        judge.reads(2, Some(2), &mut past, 0);
        assert_eq!(judge.violations.len(), 1);
    }

    #[test]
    fn an_acknowledged_write_gives_way_only_to_what_does_not_come_before_it() {
        let (mut judge, past) = two();
        judge.is_left(1, Some(1), 0);
        assert!(judge.violations.is_empty());
        judge.is_left(1, Some(0), 0);
        judge.is_left(1, None, 0);
        assert_eq!(judge.violations.len(), 3);
        judge.writes(1, true, &past);
        judge.is_left(1, None, 0);
        assert_eq!(judge.violations.len(), 3);
    }
}
