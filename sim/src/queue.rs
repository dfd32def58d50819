//! Queue: what is to come, in order of time.
//!
//! A calendar: a wheel of short days, of which only today is kept sorted, and a heap for what lies
//! beyond the wheel. With millions of entries a single heap would touch a dozen cold cache lines for
//! each; here it is about two. Entries of the same time come in the order in which they went in.

use std::collections::BinaryHeap;

/// A queue over virtual time in microseconds.
#[derive(Debug)]
pub struct Queue<T> {
    today: BinaryHeap<Entry<T>>,
    /// Which day it is, counted from the start.
    day: u64,
    wheel: Vec<Vec<Entry<T>>>,
    later: BinaryHeap<Entry<T>>,
    spare: Vec<Vec<Entry<T>>>,
    serial: u64,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    time_us: u64,
    serial: u64,
    item: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (u64, u64) {
        (self.time_us, self.serial)
    }

    fn day(&self) -> u64 {
        self.time_us >> DAY_BITS
    }
}

impl<T> Ord for Entry<T> {
    /// The earliest is the greatest, for the heap's top is its greatest.
    fn cmp(&self, other: &Entry<T>) -> std::cmp::Ordering {
        other.key().cmp(&self.key())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Entry<T>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Entry<T>) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue::new()
    }
}

impl<T> Queue<T> {
    /// An empty queue at time zero.
    pub fn new() -> Queue<T> {
        Queue {
            today: BinaryHeap::new(),
            day: 0,
            wheel: (0..DAYS).map(|_| Vec::new()).collect(),
            later: BinaryHeap::new(),
            spare: Vec::new(),
            serial: 0,
            len: 0,
        }
    }

    /// Puts something in; a time that has passed already means now.
    pub fn push(&mut self, time_us: u64, item: T) {
        self.serial += 1;
        self.len += 1;
        let serial = self.serial;
        self.place(Entry {
            time_us,
            serial,
            item,
        });
    }

    /// Takes the earliest out, with its time.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        while self.today.is_empty() {
            if self.len == 0 {
                return None;
            }
            self.next_day();
        }
        self.len -= 1;
        self.today.pop().map(|entry| (entry.time_us, entry.item))
    }

    /// The time of the earliest.
    pub fn next_us(&mut self) -> Option<u64> {
        while self.today.is_empty() && self.len > 0 {
            self.next_day();
        }
        self.today.peek().map(|entry| entry.time_us)
    }

    /// How much is in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn place(&mut self, entry: Entry<T>) {
        let day = entry.day();
        if day <= self.day {
            self.today.push(entry);
        } else if day - self.day < DAYS {
            let slot = &mut self.wheel[(day % DAYS) as usize];
            if slot.capacity() == 0
                && let Some(spare) = self.spare.pop()
            {
                *slot = spare;
            }
            slot.push(entry);
        } else {
            self.later.push(entry);
        }
    }

    fn next_day(&mut self) {
        self.day += 1;
        let mut entries = std::mem::take(&mut self.wheel[(self.day % DAYS) as usize]);
        self.today.extend(entries.drain(..));
        // A few are kept for days to come; all of them would be the size of the busiest wheel.
        if entries.capacity() > 0 && self.spare.len() < SPARE_MAX {
            self.spare.push(entries);
        }
        let horizon = self.day + DAYS;
        while let Some(entry) = self.later.peek()
            && entry.day() < horizon
            && let Some(entry) = self.later.pop()
        {
            self.place(entry);
        }
    }
}

/// A day is 1,024 microseconds.
const DAY_BITS: u32 = 10;

/// The wheel holds about 67 seconds.
const DAYS: u64 = 1 << 16;

/// Emptied days whose memory is used again.
const SPARE_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn entries_come_in_order_of_time_and_then_of_arrival() {
        let mut random = Random::new(3, 0);
        let mut queue = Queue::new();
        let mut expected = Vec::new();
        for n in 0..10_000_u64 {
            let time = random.below(200_000_000) / 1_000 * 1_000;
            queue.push(time, n);
            expected.push((time, n));
        }
        expected.sort_unstable();
        let popped: Vec<(u64, u64)> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(popped, expected);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_goes_in_while_time_passes_comes_out_in_order() {
        let mut random = Random::new(4, 0);
        let mut queue = Queue::new();
        queue.push(0, 0_u64);
        let mut last = 0;
        for _ in 0..100_000 {
            let (time, _) = queue.pop().expect("there is always something");
            assert!(time >= last);
            last = time;
            let bits = random.below(28);
            queue.push(time + random.below(1 << bits), 0);
        }
    }
}
