//! Rectify: a node is told of a possible predecessor.
//!
//! A closer one is adopted without further ado, for the notification came from it. Otherwise the old
//! predecessor is asked whether it is there, and keeps its place if it is.

use alloc::vec::Vec;

use crate::event::{Action, Cause, Note};
use crate::message::Request;
use crate::node::{Node, Question, note};
use crate::peer::{Address, Peer};

impl<A: Address> Node<A> {
    /// `peer` says that it is our predecessor.
    pub(crate) fn notify(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        if !self.is_in_ring() || self.detector.is_gone(&peer) {
            return;
        }
        if peer.id == self.view.me.id {
            if peer != self.view.me {
                note(Note::Impostor(peer), out);
            }
            return;
        }
        if !self.exchange {
            return self.rectify(peer, out);
        }
        let me = self.view.me.id;
        match &self.notified {
            Some(best) if !peer.id.is_between(best.id, me) => {}
            _ => self.notified = Some(peer),
        }
    }

    pub(crate) fn rectify(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        let Some(old) = self.view.predecessor.clone() else {
            return;
        };
        let is_newer = peer.is_later_life_of(&old);
        let is_closer = peer.id.is_between(old.id, self.view.me.id);
        // It was dead before anybody noticed.
        self.is_bereaved |= is_newer;
        if is_closer || is_newer || self.detector.is_gone(&old) {
            self.replace_predecessor(peer, out);
        } else if peer != old {
            self.exchange = true;
            let question = Question::Rectify(old.clone(), peer);
            self.ask(&old, Request::Ping, question, out);
        }
    }

    /// The old predecessor did not answer. Only its death makes room for the other one.
    pub(crate) fn predecessor_silent(
        &mut self,
        old: Peer<A>,
        new: Peer<A>,
        cause: Cause,
        out: &mut Vec<Action<A>>,
    ) {
        self.exchange = false;
        if self.notified.is_none() {
            self.notified = Some(new);
        }
        self.missed(old.clone(), cause, out);
        if self.detector.is_gone(&old) {
            self.close_exchange(out);
        }
    }

    pub(crate) fn replace_predecessor(&mut self, peer: Peer<A>, out: &mut Vec<Action<A>>) {
        if self.view.predecessor.as_ref() == Some(&peer) {
            return;
        }
        note(Note::Predecessor(peer.clone()), out);
        let old = self.view_mut().predecessor.replace(peer);
        self.hint(old, out);
        self.heard = true;
        self.has_moved();
        self.stabilize_soon(out);
        self.reconcile(out);
    }
}
