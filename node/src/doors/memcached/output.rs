//! Output: answers on their way to a client. They gather until there are many, or until nothing more is to be
//! answered, and are written at once.

use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::WriteHalf;
use tokio::time::timeout;

use super::limits::{COPIED_BYTES_MAX, GATHERED_BYTES_MAX, UNREAD_MAX};
use super::refusal::Refusal;

/// The way to a client.
#[derive(Debug)]
pub(super) struct Output<'s> {
    stream: WriteHalf<'s>,
    gathered: Vec<u8>,
}

impl<'s> Output<'s> {
    pub(super) fn new(stream: WriteHalf<'s>) -> Output<'s> {
        Output {
            stream,
            gathered: Vec::new(),
        }
    }

    /// Adds some bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
    }

    /// Adds a number in decimal digits.
    pub(super) fn number(&mut self, number: impl itoa::Integer) {
        self.push(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Adds why something is not done.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let (word, text) = refusal.words();
        self.push(word.as_bytes());
        self.push(text.as_bytes());
        self.push(b"\r\n");
    }

    /// Adds a value and what ends it. A large one is written now, with all that stands before it.
    pub(super) async fn value(&mut self, value: &[u8]) -> io::Result<()> {
        if value.len() <= COPIED_BYTES_MAX {
            self.push(value);
        } else {
            self.flush().await?;
            write(&mut self.stream, value).await?;
        }
        self.push(b"\r\n");
        self.make_room().await
    }

    /// Writes if much has gathered.
    pub(super) async fn make_room(&mut self) -> io::Result<()> {
        match self.gathered.len() < GATHERED_BYTES_MAX {
            true => Ok(()),
            false => self.flush().await,
        }
    }

    /// Writes what has gathered.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        write(&mut self.stream, &self.gathered).await?;
        self.gathered.clear();
        // What many answers took is not kept for few.
        self.gathered.shrink_to(KEPT_BYTES);
        Ok(())
    }
}

/// Writes it all. Errors: the connection is broken, or the client takes nothing for too long.
async fn write(stream: &mut WriteHalf<'_>, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    // Most of the time there is room for it, and nobody has to look at a clock.
    while !rest.is_empty() {
        let written = match stream.try_write(rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let writing = stream.write(rest);
                timeout(UNREAD_MAX, writing)
                    .await
                    .map_err(io::Error::from)??
            }
            written => written?,
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    Ok(())
}

/// Room that an idle connection keeps.
const KEPT_BYTES: usize = 4 * 1024;
