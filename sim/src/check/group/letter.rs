//! Letter: a question of one member to another, or its answer.

use dht::event::Ticket;
use dht::message::{Reply, Request};
use dht::replication::message::Ask;

use crate::check::group::host::Place;

/// A question on its way there, or its answer on its way back.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) ticket: Ticket,
    pub(super) request: Request<u32>,
    pub(super) reply: Option<Reply<u32>>,
}

impl Letter {
    /// What one member of a group asks another.
    pub(super) fn ask(&self) -> Option<&Ask<u32>> {
        match &self.request {
            Request::Group(request) => Some(&request.ask),
            _ => None,
        }
    }

    pub(super) fn in_words(&self) -> String {
        let Letter {
            from,
            to,
            request,
            reply,
            ..
        } = self;
        let what = match self.ask() {
            Some(ask) => format!("{ask:?}"),
            None => format!("{request:?}"),
        };
        match reply {
            None => format!("{from} asks {to}: {what}"),
            Some(reply) => format!("{from}, which asked {to}, is told: {reply:?}"),
        }
    }
}
