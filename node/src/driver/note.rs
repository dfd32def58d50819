//! Note: what happens in a node's life, one line of log an event.

use dht::event::Note;
use tracing::{info, warn};

use crate::Address;

pub(super) fn log(note: &Note<Address>) {
    match note {
        Note::Joined(predecessor) => info!(%predecessor, "joined the ring"),
        Note::Predecessor(peer) => info!(%peer, "new predecessor"),
        Note::Successor(peer) => info!(%peer, "new successor"),
        Note::Gone(peer) => info!(%peer, "a node is gone"),
        Note::HandoverBegan(arc, to) => info!(%arc, %to, "handover began"),
        Note::HandedOver(arc, to, records) => info!(%arc, %to, records, "handed over"),
        Note::HandoverFailed(arc, to) => warn!(%arc, %to, "handover failed; served here as before"),
        Note::Received(arc, from) => info!(%arc, %from, "received; served here from now on"),
        Note::TookOver(arc) => warn!(%arc, "took over from a dead node; what it held is lost"),
        Note::Epoch(arc, epoch, leader) => info!(%arc, epoch, %leader, "belongs to a group"),
        Note::Leads(arc, epoch) => info!(%arc, epoch, "leads a group, and serves"),
        Note::Lost => warn!("lost its place in the ring; serves nothing, and joins again"),
        Note::Left => info!("left the ring"),
        Note::Table(version, members, moving) => info!(version, members, moving, "new table"),
        Note::Abandoned(peer) => {
            warn!(%peer, "gone before it handed over what it kept; what nobody else has is lost")
        }
        Note::Impostor(peer) => warn!(%peer, "somebody else claims the identifier of this node"),
    }
}
