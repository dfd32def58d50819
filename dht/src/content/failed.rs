//! Failed: what the store could not do, since whatever keeps the content is out of reach.
//!
//! Nobody is told of content that is there or not, for nobody knows: whoever asked is told that, and what
//! the node wanted for itself it wants again after a while. An engine that can fail at reads keeps no group.

use alloc::vec::Vec;

use crate::content::give::RESEND;
use crate::content::serve::Asker;
use crate::event::{Action, Failure};
use crate::message::{Declined, Elsewhere, Reply};
use crate::node::{Errand, Node};
use crate::peer::Address;

impl<A: Address> Node<A> {
    pub(crate) fn store_failed(&mut self, errand: Errand<A>, out: &mut Vec<Action<A>>) {
        match errand {
            Errand::Read(reader) => self.refuse_to(reader, out),
            Errand::Change(changing) => {
                self.refuse_to(changing.changer, out);
                self.after_change(out);
            }
            Errand::Batch(serial) => {
                if self.drop_handover(serial, out) {
                    self.handover_later(RESEND, out);
                }
            }
            Errand::Receive(ticket, ..) => {
                let reply = Reply::Declined(Declined::Full);
                out.push(Action::Reply { ticket, reply });
            }
            Errand::Carry(_) => self.carrying_failed(),
            Errand::Discard => self.fails(out),
            Errand::Order(ordered) => {
                self.fails(out);
                self.ordered(*ordered, None, out);
            }
            Errand::Synced(synced) => {
                self.fails(out);
                self.not_synced(synced, out);
            }
            errand => {
                panic!("a store that can't be read keeps no group, and was asked for {errand:?}")
            }
        }
    }

    /// Nothing was read or changed.
    fn refuse_to(&mut self, asker: Asker, out: &mut Vec<Action<A>>) {
        match asker {
            Asker::Client(operation) => self.give_up(operation, Failure::Store, out),
            Asker::Peer(ticket) => {
                let reply = Reply::Elsewhere(Elsewhere::Overloaded);
                out.push(Action::Reply { ticket, reply });
            }
        }
    }
}
