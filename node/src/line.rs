//! Line: a connection between two nodes on which many questions and answers are under way at a time.
//!
//! It begins as a request for `GET /peer` that is upgraded, and what travels on it then is what `POST /peer`
//! carries, in fewer bytes: frames of a length (4 bytes), a number by which whoever asked knows the answer
//! (4 bytes), and the message as postcard. Numbers have the most significant byte first. A line on which
//! anything else arrives is closed.

use std::io::{self, ErrorKind};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::envelope::{Answers, ENVELOPE_BYTES_MAX};

/// What comes back on a line.
#[derive(Debug, Serialize, Deserialize)]
pub enum Response {
    /// One answer for each question.
    Answers(Answers),
    /// The questions are not for this node, or are none.
    Refused,
    /// They were carried out, but what came of it can't be kept.
    NotKept,
}

/// Messages as they come from the other end.
#[derive(Debug)]
pub struct Frames<R> {
    stream: R,
    buffer: Vec<u8>,
    /// What of the buffer is worked off.
    done: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// What comes out of this stream.
    pub fn new(stream: R) -> Frames<R> {
        Frames {
            stream,
            buffer: Vec::with_capacity(READ_BYTES),
            done: 0,
        }
    }

    /// The next one, with its number; nothing at the end. Errors: the line is broken, or this is no frame.
    pub async fn next(&mut self) -> io::Result<Option<(u32, &[u8])>> {
        loop {
            let there = &self.buffer[self.done..];
            if let Some((head, body)) = there.split_first_chunk::<HEAD>() {
                let (length, number) = (number(head, 0), number(head, 4));
                let length = length as usize;
                if length > ENVELOPE_BYTES_MAX {
                    return Err(ErrorKind::InvalidData.into());
                }
                if body.len() >= length {
                    let start = self.done + HEAD;
                    self.done = start + length;
                    return Ok(Some((number, &self.buffer[start..self.done])));
                }
            }
            self.buffer.drain(..self.done);
            self.done = 0;
            if self.buffer.is_empty() {
                // What a large message took is not kept for small ones.
                self.buffer.shrink_to(READ_BYTES);
            }
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }
}

/// A message as it travels.
pub fn frame(number: u32, message: &impl Serialize) -> Vec<u8> {
    let frame = postcard::to_extend(message, vec![0; HEAD]);
    let mut frame = frame.expect("messages are plain data");
    let length = (frame.len() - HEAD) as u32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame[4..HEAD].copy_from_slice(&number.to_be_bytes());
    frame
}

/// The message in these bytes; nothing if it is none.
pub fn message<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Some(message),
        _ => None,
    }
}

/// Writes frames as they come, those that have gathered at once, until nobody has any more.
pub async fn write(
    mut stream: impl AsyncWrite + Unpin,
    mut frames: mpsc::UnboundedReceiver<Vec<u8>>,
) -> io::Result<()> {
    let mut together = Vec::new();
    while frames.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        match &together[..] {
            [one] => stream.write_all(one).await?,
            many => stream.write_all(&many.concat()).await?,
        }
        together.clear();
    }
    stream.shutdown().await
}

fn number(head: &[u8; HEAD], at: usize) -> u32 {
    let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
    u32::from_be_bytes(bytes)
}

/// What the connection is upgraded to.
pub const PROTOCOL: &str = "dht";

/// Length and number.
const HEAD: usize = 8;

/// What is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// Frames that are written at once: as many small ones as a segment or two hold.
const TOGETHER_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent_however_they_are_cut() {
        let texts = ["", "a", &"long ".repeat(10_000)];
        let (sender, receiver) = mpsc::unbounded_channel();
        for (number, text) in (7..).zip(texts) {
            sender.send(frame(number, &text)).expect("it is read");
        }
        drop(sender);
        let (near, far) = tokio::io::duplex(3);
        let writing = tokio::spawn(write(near, receiver));
        let mut frames = Frames::new(far);
        for (expected, text) in (7..).zip(texts) {
            let (number, bytes) = frames.next().await.expect("a frame").expect("no end");
            assert_eq!((number, message(bytes)), (expected, Some(text.to_owned())));
        }
        assert!(frames.next().await.expect("no error").is_none());
        writing.await.expect("no panic").expect("all is written");
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        let endless = [&u32::MAX.to_be_bytes()[..], &[0; 4]].concat();
        let torn = frame(1, &"text")[..9].to_vec();
        for bytes in [endless, torn] {
            assert!(Frames::new(&bytes[..]).next().await.is_err(), "{bytes:?}");
        }
        let two: Option<u8> = message(&[1, 2]);
        assert_eq!(two, None, "there is more than one message");
    }
}
