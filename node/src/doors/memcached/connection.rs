//! Connection: one client. What it has sent is carried out in its order, the answers gather, and are written
//! when nothing more is there to be carried out.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::timeout;
use tokio_util::codec::Decoder as _;

use super::Shared;
use super::answer::{Next, answer};
use super::codec::Codec;
use super::limits::{READ_BYTES, SILENCE_MAX};
use super::output::Output;
use super::refusal::Refusal;

/// Serves a client until one of the two ends it. Errors: the connection is broken.
pub(super) async fn serve(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    // Answers are written at once, so nothing is to be waited for.
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.split();
    let mut input = Input::new(reader);
    let mut output = Output::new(writer);
    let mut codec = Codec::new();
    let mut share = shared.budget.share();
    loop {
        while let Some(request) = codec.decode(&mut input.bytes)? {
            if answer(shared, request, &mut output).await? == Next::Ends {
                return output.flush().await;
            }
        }
        output.flush().await?;
        let needed = codec.needs(&input.bytes);
        if !share.hold(needed) {
            match codec.give_up(Refusal::MEMORY) {
                Some(last) => {
                    answer(shared, last, &mut output).await?;
                    return output.flush().await;
                }
                // Some of it may be there already, and is thrown away first.
                None => continue,
            }
        }
        input.wants(needed);
        let is_between = input.bytes.is_empty() && codec.is_between();
        match input.read(is_between).await? {
            Read::Some => {}
            Read::End => return Ok(()),
            Read::Silence => {
                output.refuse(Refusal::SILENCE);
                return output.flush().await;
            }
        }
    }
}

/// What comes from a client.
struct Input<'s> {
    stream: ReadHalf<'s>,
    bytes: BytesMut,
    /// How much is to be read at a time.
    wanted: usize,
    /// Whether there was room for a large request in it.
    is_large: bool,
}

/// What came of reading.
enum Read {
    Some,
    End,
    /// Nothing came for too long.
    Silence,
}

impl<'s> Input<'s> {
    fn new(stream: ReadHalf<'s>) -> Input<'s> {
        Input {
            stream,
            bytes: BytesMut::new(),
            wanted: *READ_BYTES.start(),
            is_large: false,
        }
    }

    /// Makes room for a request of so many bytes at once, instead of moving it again and again as it grows.
    fn wants(&mut self, bytes: usize) {
        self.bytes.reserve(bytes.saturating_sub(self.bytes.len()));
    }

    /// Waits for some bytes: for ever between two requests, not long within one.
    async fn read(&mut self, is_between: bool) -> io::Result<Read> {
        self.make_room(is_between);
        let room = self.bytes.capacity() - self.bytes.len();
        let length = match is_between {
            true => self.stream.read_buf(&mut self.bytes).await?,
            false => match self.read_soon(SILENCE_MAX).await? {
                Some(length) => length,
                None => return Ok(Read::Silence),
            },
        };
        // Whoever fills the room has more to send.
        self.wanted = match length == room {
            true => (self.wanted * 4).min(*READ_BYTES.end()),
            false => *READ_BYTES.start(),
        };
        Ok(if length == 0 { Read::End } else { Read::Some })
    }

    async fn read_soon(&mut self, most: Duration) -> io::Result<Option<usize>> {
        match timeout(most, self.stream.read_buf(&mut self.bytes)).await {
            Ok(read) => read.map(Some),
            Err(_) => Ok(None),
        }
    }

    fn make_room(&mut self, is_between: bool) {
        // What a large request took is not kept for small ones.
        if is_between && self.is_large {
            self.bytes = BytesMut::new();
        }
        self.bytes.reserve(self.wanted);
        let is_large = self.bytes.capacity() > *READ_BYTES.end();
        self.is_large = is_large || (self.is_large && !is_between);
    }
}

/// Tells a client that there are too many.
pub(super) fn turn_away(stream: &TcpStream) {
    let (word, text) = Refusal::Crowd.words();
    // Whoever can't be told this at once is not told.
    let _ = stream.try_write(format!("{word}{text}\r\n").as_bytes());
}
