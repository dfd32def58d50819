//! Frames: how long the frames are that a client of ZeroMQ sends, and whether one is under way.
//!
//! This reads the lengths that ZMTP 3 writes before its frames, and nothing else: what they mean is the affair
//! of the socket behind. ZMTP (rfc.zeromq.org/spec/23): a greeting of 64 bytes, then frames, each a byte of flags
//! (1 more follow, 2 the length has 8 bytes, 4 a command), the length in 1 or 8 bytes, and as many bytes.

use super::limits::{FRAME_BYTES_MAX, FRAMES_MAX, MESSAGE_BYTES_MAX};

/// Where a client is in what it sends.
#[derive(Debug)]
pub(super) struct Frames {
    at: At,
    /// Whether a frame that is done, or under way, is followed by more of the same message.
    more: bool,
    /// Frames and bytes of the message that is under way.
    count: usize,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// So many bytes of the greeting, or of a frame, are to come.
    Body(u64),
    /// A frame may begin.
    Between,
    /// So many bytes of a length are to come.
    Length { left: u8, length: u64 },
}

/// What a client may not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMuch {
    #[error("a frame has at most {FRAME_BYTES_MAX} bytes")]
    Frame,
    #[error("a message has at most {FRAMES_MAX} frames and {MESSAGE_BYTES_MAX} bytes")]
    Message,
}

impl Frames {
    /// Nothing has come.
    pub(super) fn new() -> Frames {
        Frames {
            at: At::Body(GREETING_BYTES),
            more: false,
            count: 0,
            bytes: 0,
        }
    }

    /// Counts what has come. Errors: it announces too much, and must not be passed on.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), TooMuch> {
        while let Some((first, rest)) = bytes.split_first() {
            match self.at {
                At::Body(left) => {
                    let here = left.min(bytes.len() as u64);
                    bytes = &bytes[here as usize..];
                    self.body(left - here);
                    continue;
                }
                At::Between => self.flags(*first)?,
                At::Length { left, length } => {
                    self.length(left - 1, length << 8 | u64::from(*first))?
                }
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Whether nothing is missing of what has begun.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.at, At::Between) && !self.more
    }

    fn flags(&mut self, flags: u8) -> Result<(), TooMuch> {
        if !self.more {
            (self.count, self.bytes) = (0, 0);
        }
        // Commands stand alone, and may come between the frames of a message.
        if flags & COMMAND == 0 {
            self.more = flags & MORE != 0;
        }
        self.count += 1;
        if self.count > FRAMES_MAX {
            return Err(TooMuch::Message);
        }
        let left = if flags & LONG == 0 { 1 } else { 8 };
        self.at = At::Length { left, length: 0 };
        Ok(())
    }

    fn length(&mut self, left: u8, length: u64) -> Result<(), TooMuch> {
        if left > 0 {
            self.at = At::Length { left, length };
            return Ok(());
        }
        if length > FRAME_BYTES_MAX {
            return Err(TooMuch::Frame);
        }
        self.bytes += length;
        if self.bytes > MESSAGE_BYTES_MAX {
            return Err(TooMuch::Message);
        }
        self.body(length);
        Ok(())
    }

    fn body(&mut self, left: u64) {
        self.at = match left {
            0 => At::Between,
            left => At::Body(left),
        };
    }
}

const GREETING_BYTES: u64 = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greeted() -> Frames {
        let mut frames = Frames::new();
        frames.take(&[0; 64]).expect("a greeting");
        frames
    }

    fn frame(flags: u8, length: u64) -> Vec<u8> {
        match u8::try_from(length) {
            Ok(short) if flags & LONG == 0 => vec![flags, short],
            _ => [&[flags | LONG][..], &length.to_be_bytes()].concat(),
        }
    }

    #[test]
    fn a_message_is_done_when_its_last_frame_is() {
        let mut frames = Frames::new();
        assert!(!frames.is_between(), "the greeting is to come");
        frames.take(&[0; 63]).expect("a greeting");
        assert!(!frames.is_between());
        for (bytes, is_between) in [
            (&[0][..], true),
            (&[4, 3, 1, 2], false),
            (&[3], true),
            (&[MORE, 0], false),
            (&[0, 2, 7], false),
            (&[7], true),
            (&[LONG, 0, 0, 0, 0, 0, 0, 0], false),
            (&[1], false),
            (&[9], true),
        ] {
            frames.take(bytes).expect("little");
            assert_eq!(frames.is_between(), is_between, "after {bytes:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_when_it_is_announced() {
        let largest = frame(0, FRAME_BYTES_MAX);
        greeted().take(&largest).expect("just not too large");
        for length in [FRAME_BYTES_MAX + 1, u64::MAX, 1 << 63] {
            assert_eq!(greeted().take(&frame(0, length)), Err(TooMuch::Frame));
            assert_eq!(greeted().take(&frame(COMMAND, length)), Err(TooMuch::Frame));
        }
    }

    #[test]
    fn frames_of_one_message_count_together() {
        let mut frames = greeted();
        for _ in 0..FRAMES_MAX {
            frames.take(&frame(MORE, 0)).expect("not too many");
        }
        assert_eq!(frames.take(&frame(0, 0)), Err(TooMuch::Message));
        let mut frames = greeted();
        frames.take(&frame(MORE, FRAME_BYTES_MAX)).expect("one");
        frames
            .take(&vec![0; FRAME_BYTES_MAX as usize])
            .expect("its bytes");
        assert_eq!(
            frames.take(&frame(0, FRAME_BYTES_MAX)),
            Err(TooMuch::Message)
        );
    }

    #[test]
    fn small_messages_may_be_many() {
        let mut frames = greeted();
        for _ in 0..10 * FRAMES_MAX {
            frames.take(&[MORE, 0, 0, 1, 7]).expect("small ones");
            assert!(frames.is_between());
        }
    }

    proptest! {
        #[test]
        fn pieces_count_as_the_whole(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let mut whole = greeted();
            let expected = whole.take(&bytes);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut pieces, mut start) = (greeted(), 0);
            let ends = cuts.into_iter().chain([bytes.len()]);
            let mut ranges = ends.map(|end| std::mem::replace(&mut start, end)..end);
            let taken = ranges.try_for_each(|piece| pieces.take(&bytes[piece]));
            prop_assert_eq!(taken, expected);
            if expected.is_ok() {
                prop_assert_eq!(pieces.is_between(), whole.is_between());
            }
        }
    }
}
