//! Log: the last writes that a node took in, for those that lack a few of them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::causal::vector::Vector;
use crate::causal::write::Write;

/// The last writes, in an order in which they can be taken in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    writes: VecDeque<Write>,
    bytes: usize,
    /// What is no longer in it, or never was.
    floor: Vector,
}

impl Log {
    /// Nothing, by somebody who has this much.
    pub(crate) fn after(floor: Vector) -> Log {
        Log {
            floor,
            ..Log::default()
        }
    }

    pub(crate) fn push(&mut self, write: Write) {
        self.bytes += write.bytes();
        self.writes.push_back(write);
        while self.writes.len() > WRITES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.writes.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
            self.floor.raise(oldest.writer, oldest.number);
        }
    }

    /// What follows on `vector`, as much of it as goes into one message; nothing where it lacks something
    /// that is no longer here.
    pub(crate) fn since(&self, vector: &Vector) -> Option<Vec<Write>> {
        vector.covers(&self.floor).then(|| {
            let news = self.writes.iter();
            let news = news.filter(|write| write.number > vector.last(write.writer));
            batch(news)
        })
    }
}

/// As much of these as goes into one message, but at least one.
pub(crate) fn batch<'a>(writes: impl Iterator<Item = &'a Write>) -> Vec<Write> {
    let mut bytes = 0;
    let mut batch = Vec::new();
    for write in writes.take(BATCH_WRITES_MAX) {
        bytes += write.bytes();
        if bytes > BATCH_BYTES_MAX && !batch.is_empty() {
            break;
        }
        batch.push(write.clone());
    }
    batch
}

/// Writes that a node keeps at hand, some seconds of them: who lacks more takes everything.
const WRITES_MAX: usize = 1024;

/// Bytes of keys and values among them, so that large values do not fill the memory.
const BYTES_MAX: usize = 8 << 20;

/// Writes in one message.
const BATCH_WRITES_MAX: usize = 64;

/// Bytes of keys and values in one message.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 20;
