//! Gate: passes bytes between a client of ZeroMQ and the socket that serves it, as long as they are within the
//! limits. The socket would take memory for any frame as soon as its length is announced, and wait for its rest
//! for ever.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::frames::{Frames, TooMuch};
use super::limits::{PASSED_BYTES, SILENCE_MAX, UNREAD_MAX};

/// Why nothing more is passed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the connection is broken: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("the rest of what it has begun did not come for {} s", SILENCE_MAX.as_secs())]
    Silence,
    #[error("it has taken none of its answers for {} s", UNREAD_MAX.as_secs())]
    Unread,
}

/// Passes everything on until one of the two ends it.
pub(super) async fn pass(mut client: TcpStream, mut socket: TcpStream) -> Result<(), End> {
    for stream in [&client, &socket] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.split();
    let (from_socket, to_socket) = socket.split();
    tokio::select! {
        ended = pass_in(from_client, to_socket) => ended,
        ended = pass_out(from_socket, to_client) => ended,
    }
}

async fn pass_in(mut client: ReadHalf<'_>, mut socket: WriteHalf<'_>) -> Result<(), End> {
    let mut bytes = vec![0; PASSED_BYTES];
    let mut frames = Frames::new();
    loop {
        let read = client.read(&mut bytes);
        let length = match frames.is_between() {
            true => read.await?,
            false => timeout(SILENCE_MAX, read)
                .await
                .map_err(|_| End::Silence)??,
        };
        if length == 0 {
            return Ok(());
        }
        frames.take(&bytes[..length])?;
        socket.write_all(&bytes[..length]).await?;
    }
}

async fn pass_out(mut socket: ReadHalf<'_>, mut client: WriteHalf<'_>) -> Result<(), End> {
    let mut bytes = vec![0; PASSED_BYTES];
    loop {
        let length = socket.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        let written = timeout(UNREAD_MAX, client.write_all(&bytes[..length])).await;
        written.map_err(|_| End::Unread)??;
    }
}
