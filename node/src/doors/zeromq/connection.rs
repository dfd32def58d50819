//! Connection: one client of ZeroMQ, a REP socket that speaks to it, and the gate between them.
//!
//! The socket comes to the gate, not the other way: so nobody but the gate can ever send it anything. Another process of
//! this machine that comes first takes its place: it can read what the client says, and answer it, until the socket
//! gives up, which is not let in then; the client comes again.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use ::zeromq::prelude::{Socket as _, SocketRecv as _, SocketSend as _};
use ::zeromq::{RepSocket, SocketOptions, ZmqError};
use tokio::net::{TcpListener, TcpStream};

use super::answer::answer;
use super::gate::{self, End};
use super::limits::SILENCE_MAX;
use crate::service::Service;

/// Why a client is not served any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Gone {
    #[error(transparent)]
    Gate(#[from] End),
    #[error("what it says is not ZeroMQ's protocol: {0}")]
    Protocol(#[from] ZmqError),
}

/// Serves a client until one of the two ends it.
pub(super) async fn serve(node: &Service, client: TcpStream) -> Result<(), Gone> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(End::Broken)?;
    let address = listener.local_addr().map_err(End::Broken)?;
    let passed = async {
        let (socket, _) = listener.accept().await.map_err(End::Broken)?;
        drop(listener);
        Ok(gate::pass(client, socket).await?)
    };
    tokio::select! {
        passed = passed => passed,
        talked = talk(node, format!("tcp://{address}")) => match talked {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        },
    }
}

/// Answers each request in its turn. The gate notices the end.
async fn talk(node: &Service, gate: String) -> Result<Infallible, ZmqError> {
    let mut options = SocketOptions::default();
    options.connect_timeout(SILENCE_MAX);
    let mut socket = RepSocket::with_options(options);
    // This is done when the client's greeting has come through the gate.
    socket.connect(&gate).await?;
    loop {
        let request = match socket.recv().await {
            // Without an envelope: nobody could be answered, so it is passed over, as by other REP sockets.
            Err(ZmqError::Other(_)) => continue,
            received => received?,
        };
        let answer = answer(node, &request.into_vec()).await;
        socket.send(answer.into()).await?;
    }
}
