//! Window: the last writes of an epoch, for who lacks only these.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::id::{Arc, Id};
use crate::replication::message::Entry;

/// The last writes of an epoch, one after the other and bounded in number and bytes, so that who lacks only
/// these need not fetch the whole arc.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Window {
    /// Adds a write, and keeps `most` of them. Those before a gap are of no use any more: nobody could be told
    /// all that follows them.
    pub(crate) fn push(&mut self, entry: Entry, most: u32) {
        let last = self.entries.back().map(|last| last.sequence);
        if last.is_some_and(|last| last + 1 != entry.sequence) {
            self.clear();
        }
        self.bytes += bytes_of(&entry);
        self.entries.push_back(entry);
        self.shorten(most as usize, WINDOW_BYTES, u32::MAX);
    }

    /// The same at a leader. What members that are there lack, who have all up to `acked`, stays as long as it
    /// is no more than twice as much, and what no majority has, which is what comes after `committed`, in any case.
    pub(crate) fn push_at_leader(&mut self, entry: Entry, most: u32, acked: u32, committed: u32) {
        self.bytes += bytes_of(&entry);
        self.entries.push_back(entry);
        let most = most as usize;
        self.shorten(most, WINDOW_BYTES, acked.min(committed));
        self.shorten(2 * most, 2 * WINDOW_BYTES, committed);
    }

    /// Forgets the oldest writes, none after `last`, until so many are left.
    fn shorten(&mut self, most: usize, bytes: usize, last: u32) {
        while (self.entries.len() > most || self.bytes > bytes)
            && let Some(entry) = self.entries.pop_front_if(|entry| entry.sequence <= last)
        {
            self.bytes -= bytes_of(&entry);
        }
    }

    /// Forgets all: what comes next does not follow it.
    pub(crate) fn clear(&mut self) {
        *self = Window::default();
    }

    /// The keys of the writes after this one up to the `last`; nothing where they are not all here.
    pub(crate) fn written(&self, after: u32, last: u32) -> Option<Vec<Id>> {
        if after == last {
            return Some(Vec::new());
        }
        self.entries.back().filter(|entry| entry.sequence >= last)?;
        let first = self.entries.front()?.sequence;
        let skip = (after + 1).checked_sub(first)?;
        let rest = last.checked_sub(after)?;
        let writes = self.entries.iter().skip(skip as usize).take(rest as usize);
        let written = writes.filter_map(|entry| Some(entry.write.as_ref()?.0));
        Some(written.collect())
    }

    /// What follows `after` on an arc, as much as one message holds; nothing where it is not all here.
    pub(crate) fn after(&self, after: u32, arc: Arc) -> Option<Vec<Entry>> {
        // An arc is looked at, since that of the epoch before may have been larger.
        let first = self.entries.front()?.sequence;
        let skip = (after + 1).checked_sub(first)?;
        let mut bytes = 0;
        let rest = self.entries.iter().skip(skip as usize);
        let fits = rest.take(MESSAGE_ENTRIES).take_while(|entry| {
            let is_first = bytes == 0;
            bytes += bytes_of(entry);
            is_first || bytes <= MESSAGE_BYTES
        });
        let on_arc = |entry: &Entry| Entry {
            sequence: entry.sequence,
            write: entry.write.clone().filter(|(key, _)| arc.contains(*key)),
        };
        Some(fits.map(on_arc).collect())
    }
}

fn bytes_of(entry: &Entry) -> usize {
    let write = entry.write.as_ref();
    ENTRY_BYTES + write.map_or(0, |(_, record)| record.bytes())
}

/// Bytes that a member keeps of an epoch.
const WINDOW_BYTES: usize = 8 * 1024 * 1024;

/// Entries and bytes of one message, unless a single one is larger.
const MESSAGE_ENTRIES: usize = 512;
const MESSAGE_BYTES: usize = 512 * 1024;

/// What an entry takes beside its record.
const ENTRY_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, Version};

    const MOST: u32 = 1_000;

    fn window(sequences: impl IntoIterator<Item = u32>) -> Window {
        let mut window = Window::default();
        for sequence in sequences {
            let record = Record {
                name: None,
                value: Some(b"value"[..].into()),
                version: Version::new(1, sequence),
                flags: 0,
                expires_ms: None,
            };
            let key = Id::from_bytes([sequence as u8; Id::BYTES]);
            let write = Some((key, record));
            window.push(Entry { sequence, write }, MOST);
        }
        window
    }

    fn everything() -> Arc {
        Arc::WHOLE
    }

    #[test]
    fn a_window_tells_what_follows_or_that_it_does_not_know_all() {
        let window = window(5..9);
        let after = |sequence| {
            let entries = window.after(sequence, everything())?;
            Some(
                entries
                    .iter()
                    .map(|entry| entry.sequence)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(after(4), Some(Vec::from([5, 6, 7, 8])));
        assert_eq!(after(6), Some(Vec::from([7, 8])));
        assert_eq!(after(8), Some(Vec::new()));
        assert_eq!(after(3), None);
        assert_eq!(Window::default().after(0, everything()), None);
    }

    #[test]
    fn a_window_tells_what_was_written_between_two_writes() {
        let window = window(5..9);
        let written = |after, last| {
            let keys = window.written(after, last)?;
            let bytes = keys.iter().map(|key| key.as_bytes()[0]);
            Some(bytes.collect::<Vec<u8>>())
        };
        assert_eq!(written(4, 8), Some(Vec::from([5, 6, 7, 8])));
        assert_eq!(written(5, 7), Some(Vec::from([6, 7])));
        assert_eq!(written(8, 8), Some(Vec::new()));
        assert_eq!(written(3, 8), None);
        assert_eq!(written(8, 7), None);
        assert_eq!(Window::default().written(2, 2), Some(Vec::new()));
        assert_eq!(Window::default().written(1, 2), None);
    }

    #[test]
    fn a_window_has_no_gaps() {
        let window = window([5, 6, 9, 10]);
        let sequences = |entries: Vec<Entry>| -> Vec<u32> {
            entries.iter().map(|entry| entry.sequence).collect()
        };
        assert_eq!(window.after(5, everything()), None);
        let rest = window.after(8, everything()).map(sequences);
        assert_eq!(rest, Some(Vec::from([9, 10])));
        assert_eq!(window.written(6, 10), None);
        assert_eq!(window.written(9, 11), None, "not all are here yet");
        assert_eq!(window.bytes, 2 * bytes_of(&window.entries[0]));
    }

    #[test]
    fn writes_beside_the_arc_keep_their_place_and_lose_their_content() {
        let arc = Arc::new(
            Id::from_bytes([5; Id::BYTES]),
            Id::from_bytes([6; Id::BYTES]),
        );
        let entries = window(5..8).after(4, arc).expect("all is there");
        let written: Vec<bool> = entries.iter().map(|entry| entry.write.is_some()).collect();
        assert_eq!(written, [false, true, false]);
    }

    #[test]
    fn a_window_is_bounded() {
        let window = window(1..=MOST + 10);
        assert_eq!(window.entries.len(), MOST as usize);
        assert_eq!(window.after(5, everything()), None);
        let entries = window.after(10, everything()).expect("the rest is there");
        assert_eq!(entries.len(), MESSAGE_ENTRIES);
    }
}
