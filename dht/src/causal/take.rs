//! Take in: writes of others, each after all that comes before it.

use alloc::vec::Vec;

use super::content::{Content, Pending};
use super::write::{Write, records};
use super::{Causal, keep};
use crate::event::Action;
use crate::peer::Address;

impl<A: Address> Causal<A> {
    /// Takes in what can be, and keeps what cannot be yet as long as there is room: what does not fit will be
    /// asked for again. Returns whether anything is new.
    pub(super) fn take_in(&mut self, writes: Vec<Write>, out: &mut Vec<Action<A>>) -> bool {
        let Some(shard) = self.shard().filter(|_| self.takes_writes()) else {
            return false;
        };
        let mut taken = Vec::new();
        for write in writes {
            let is_wanted = match &self.relocation {
                // What is not part of the cut is not part of anything to come.
                Some(_) => self.cut_of(shard).last(write.writer) >= write.number,
                None => true,
            };
            if is_wanted {
                self.content.buffer(shard, write);
                self.take_next(shard, &mut taken);
            }
        }
        self.take_next(shard, &mut taken);
        if taken.is_empty() {
            return false;
        }
        let notes = [self.seen_note()].into();
        self.merge(records(&taken), notes, out);
        self.sync(out);
        self.drop_shown(shard, out);
        true
    }

    /// Takes from the buffer what can be taken in.
    fn take_next(&mut self, shard: u32, taken: &mut Vec<Write>) {
        while let Some(write) = self.content.next(shard) {
            self.clock = self.clock.max(write.clock);
            self.content.absorb(shard, &write);
            taken.push(write);
        }
    }

    /// Own writes that others have told of are on two stores: they show, and are pending no more.
    pub(super) fn drop_shown(&mut self, shard: u32, out: &mut Vec<Action<A>>) {
        let last = self.content.vector(shard).last(self.writer);
        let is_shown = |pending: &mut Pending| pending.write.number <= last;
        let mut notes = Vec::new();
        while let Some(first) = self.content.pending.pop_front_if(is_shown) {
            notes.push(keep::pending(first.write.number, None));
        }
        if !notes.is_empty() {
            self.note(notes, out);
        }
        self.end_shown(shard, out);
    }

    /// Whether writes of the layout in force are taken in: not while nobody knows where it ends.
    pub(super) fn takes_writes(&self) -> bool {
        let has_base = self.content.is_whole() || self.content.target.is_some();
        self.founding.is_some() && !self.has_told() && has_base
    }

    /// Whether it has told what it has, so that it must not have more until it is decided what that is good for.
    pub(super) fn has_told(&self) -> bool {
        self.acceptor.promised.is_some() && self.relocation.is_none() && self.vouches()
    }
}

impl<A: Address> Content<A> {
    /// Keeps a write. What can be taken in at once is kept even where there is no room: others wait for it.
    fn buffer(&mut self, shard: u32, write: Write) {
        let have = self.vector(shard);
        let is_same = |other: &Write| other.writer == write.writer && other.number == write.number;
        let is_known = have.last(write.writer) >= write.number || self.buffer.iter().any(is_same);
        if !is_known && (self.has_room(&write) || write.is_next(shard, &have)) {
            self.buffer.push(write);
        }
    }

    fn has_room(&self, write: &Write) -> bool {
        let bytes: usize = self.buffer.iter().map(Write::bytes).sum();
        self.buffer.len() < BUFFER_MAX && bytes + write.bytes() <= BUFFER_BYTES_MAX
    }

    /// A write of the buffer that can be taken in.
    fn next(&mut self, shard: u32) -> Option<Write> {
        // Mostly all came in order, and nothing waits.
        if self.buffer.is_empty() {
            return None;
        }
        let have = self.vector(shard);
        self.buffer
            .retain(|write| write.number > have.last(write.writer));
        let place = self
            .buffer
            .iter()
            .position(|write| write.is_next(shard, &have))?;
        Some(self.buffer.swap_remove(place))
    }

    /// Shows a write, which is next.
    pub(super) fn absorb(&mut self, shard: u32, write: &Write) {
        self.seen.merge(&write.after);
        let own = self.seen.shards.entry(shard).or_default();
        own.raise(write.writer, write.number);
        self.log.push(write.clone());
    }
}

/// Writes that wait for what they depend on.
const BUFFER_MAX: usize = 256;

/// Bytes of their keys and values.
const BUFFER_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal::layout::Layout;
    use crate::causal::seen::Seen;
    use crate::causal::vector::{Vector, Writer};
    use crate::causal::write::Clock;
    use crate::id::Id;

    fn write(writer: u8, number: u64, after: Vector) -> Write {
        Write {
            writer: Writer::of(Id::of(&[writer]), 1),
            number,
            clock: Clock::default(),
            key: b"key"[..].into(),
            value: None,
            purge_ms: None,
            after: Seen {
                epoch: 1,
                shards: [(0, after)].into(),
            },
        }
    }

    #[test]
    fn a_full_buffer_takes_what_is_next_and_nothing_else() {
        let layout = Layout::first(&[1_u8, 2].into(), None);
        let mut content = Content::new(&layout, &1);
        let first = write(1, 1, Vector::default());
        let after_first = || [(first.writer, 1)].into_iter().collect();
        // All of them wait for the first one.
        let count = BUFFER_MAX as u64 + 9;
        for number in 1..=count {
            content.buffer(0, write(2, number, after_first()));
            assert!(content.next(0).is_none(), "{number}");
        }
        assert_eq!(content.buffer.len(), BUFFER_MAX);
        content.buffer(0, first.clone());
        let mut taken = Vec::new();
        while let Some(write) = content.next(0) {
            content.absorb(0, &write);
            taken.push((write.writer, write.number));
        }
        assert_eq!(taken.len(), BUFFER_MAX + 1);
        assert_eq!(taken[0], (first.writer, 1));
        assert!(taken[1..].is_sorted() && content.buffer.is_empty());
    }
}
