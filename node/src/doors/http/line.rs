//! Line: the answering end of one, see [`crate::line`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rocket::data::{IoHandler, IoStream};
use rocket::http::Status;
use rocket::response::{self, Responder};
use rocket::{Request, get};
use tokio::io::{AsyncRead, split};
use tokio::sync::{Semaphore, mpsc};

use crate::doors::http::Node;
use crate::doors::http::error::Error;
use crate::doors::http::faults::is_cut_off;
use crate::doors::http::guard::{Native, SameNetwork, wrong_network};
use crate::doors::http::peer;
use crate::envelope::Questions;
use crate::line::{self, Frames, PROTOCOL, Response};
use crate::service::Service;

/// Opens a line, if the request asks for one.
#[get("/peer")]
pub(crate) fn open(node: &Node, _native: Native, network: SameNetwork) -> Result<Line, Error> {
    match network.is_named {
        true => Ok(Line(Arc::clone(node.inner()))),
        false => Err(wrong_network(&node.network)),
    }
}

/// A line that begins.
pub(crate) struct Line(Arc<Service>);

impl<'r> Responder<'r, 'static> for Line {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let message = "a line begins with `Connection: Upgrade` and `Upgrade: dht`";
        let error = Error::new(Status::UpgradeRequired, "no_line", message);
        let mut response = error.respond_to(request)?;
        response.add_upgrade(PROTOCOL, self);
        Ok(response)
    }
}

#[rocket::async_trait]
impl IoHandler for Line {
    async fn io(self: Pin<Box<Self>>, stream: IoStream) -> io::Result<()> {
        let (reader, writer) = split(stream);
        let (answers, written) = mpsc::unbounded_channel();
        let service = self.0.clone();
        tokio::select! {
            // Where one end is gone nobody wants to know the rest.
            _ = line::write(writer, written) => {}
            _ = answer(service, reader, answers) => {}
        }
        Ok(())
    }
}

/// Answers what comes, each message as soon as it can be.
async fn answer(
    service: Arc<Service>,
    reader: impl AsyncRead + Unpin,
    answers: mpsc::UnboundedSender<Vec<u8>>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(OPEN_MAX));
    let mut frames = Frames::new(reader);
    while let Some((number, bytes)) = frames.next().await? {
        let questions: Questions = line::message(bytes).ok_or(io::ErrorKind::InvalidData)?;
        let from = questions.from.address;
        if is_cut_off(&service, from) {
            continue;
        }
        let (service, answers) = (service.clone(), answers.clone());
        let place = room
            .clone()
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            let response = match peer::answers(&service, questions).await {
                Ok(answers) => Response::Answers(answers),
                Err(error) if error.status() == Status::GatewayTimeout => Response::NotKept,
                Err(_) => Response::Refused,
            };
            if !is_cut_off(&service, from) {
                // Nobody hears it where the line is closed.
                let _ = answers.send(line::frame(number, &response));
            }
            drop(place);
        });
    }
    Ok(())
}

/// Messages of one line that are worked on at a time: more than a node that is well has under way.
const OPEN_MAX: usize = 256;
