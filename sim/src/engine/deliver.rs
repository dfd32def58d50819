//! Deliver: what was on its way arrives.

use dht::event::{Cause, Ticket, Timer};
use dht::message::Request;
use dht::store::Command;
use dht::{Event, Peer};

use super::parcel::{Delivery, Open, Parcel};
use super::{Address, Network, Pending, Status};
use crate::plan::Detector;

impl Network {
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Parcel(place) => {
                if let Some(parcel) = self.parcels.take(place) {
                    self.open_parcel(parcel);
                }
            }
            Delivery::Scheduled { at, life, duty } => self.scheduled(at, life, duty),
            Delivery::Wake { at, life } => self.wake(at, life),
            Delivery::Restart { at, life, keep } => self.restarted(at, life, keep),
            Delivery::Again => self.all_again(),
            Delivery::Due(what) => self.moment.due = Some(what),
        }
    }

    fn open_parcel(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Asked {
                open,
                from,
                request,
            } => self.asked(open, from, request),
            Parcel::Answered { open, reply } => {
                let event = Event::Answered {
                    ticket: open.ticket,
                    from: open.to,
                    reply,
                    micros: (self.now_us - open.sent_us) as u32,
                };
                self.feed_life(open.asker, open.life, event);
            }
            Parcel::Unanswered { open, cause } => {
                let ticket = open.ticket;
                let event = Event::Unanswered { ticket, cause };
                self.feed_life(open.asker, open.life, event);
            }
            Parcel::Overdue(ticket) => {
                if let Some(pending) = self.pending.remove(&ticket)
                    && !pending.is_answered
                    && !pending.open.is_settled
                {
                    let (open, cause) = (pending.open, Cause::Silent);
                    self.open_parcel(Parcel::Unanswered { open, cause });
                }
            }
            Parcel::Stored {
                at,
                life,
                ticket,
                command,
            } => {
                let keeps = self.is_replicated();
                let host = &mut self.hosts[at as usize];
                if host.life == life && host.status == Status::Paused {
                    let wakes_us = self.reach.wakes_us(at);
                    let parcel = Parcel::Stored {
                        at,
                        life,
                        ticket,
                        command,
                    };
                    self.send(wakes_us, parcel);
                } else if host.life == life && host.status == Status::Up {
                    let store = host.store.get_or_insert_default();
                    let outcome = match command {
                        Command::Sync => store.end_flush(),
                        command => store.perform(command, keeps),
                    };
                    self.feed(at, Event::Stored { ticket, outcome });
                }
            }
            Parcel::Elapsed { at, life, timer } => self.elapsed(at, life, timer),
            Parcel::Late { at, life, event } => self.feed_life(at, life, event),
        }
    }

    fn asked(&mut self, mut open: Open, from: Peer<Address>, request: Request<Address>) {
        let to = open.to.address;
        if !self.is_alive(&open.to) {
            return self.refused(open);
        }
        if self.status(to) == Status::Paused {
            let wakes_us = self.reach.wakes_us(to);
            if !open.is_settled && wakes_us > open.deadline_us {
                self.unanswered(open, open.deadline_us, Cause::Silent);
                open.is_settled = true;
            }
            return self.send(
                wakes_us,
                Parcel::Asked {
                    open,
                    from,
                    request,
                },
            );
        }
        let ticket = self.ticket();
        self.asked = Some((ticket, open));
        self.feed(
            to,
            Event::Asked {
                ticket,
                from,
                request,
            },
        );
        // Not answered at once: it may be later, or never.
        if let Some((ticket, open)) = self.asked.take() {
            let is_answered = false;
            self.pending.insert(ticket, Pending { open, is_answered });
            self.send(open.deadline_us, Parcel::Overdue(ticket));
        }
    }

    /// Nobody is there, or somebody else, who says who it is.
    fn refused(&mut self, open: Open) {
        if open.is_settled {
            return;
        }
        let to = open.to.address;
        let arrives_us = match self.detector {
            Detector::Oracle => Some(self.now_us),
            Detector::Real => self.arrival(to, open.asker),
        };
        match arrives_us.filter(|arrives_us| *arrives_us <= open.deadline_us) {
            Some(arrives_us) => {
                let is_up = self.status(to) == Status::Up;
                if let Some(node) = self.find(to).filter(|_| is_up) {
                    let (at, life) = (open.asker, open.life);
                    let event = Event::Met(node.view().me);
                    self.send(arrives_us, Parcel::Late { at, life, event });
                }
                self.unanswered(open, arrives_us, Cause::Refused);
            }
            None => self.unanswered(open, open.deadline_us, Cause::Silent),
        }
    }

    fn elapsed(&mut self, at: Address, life: u32, timer: Timer<Address>) {
        // Where an oracle tells deaths, silence is never taken for one.
        if let (Detector::Oracle, Timer::Silence(peer, _)) = (self.detector, &timer)
            && self.is_alive(peer)
        {
            return self.send(
                self.now_us + SILENCE_US,
                Parcel::Elapsed { at, life, timer },
            );
        }
        self.feed_life(at, life, Event::Elapsed(timer));
    }
}

/// Before a silence that is no death is looked at again.
const SILENCE_US: u64 = 5_000_000;

/// The question that is being dealt with at this moment, by the ticket the node knows it by.
pub(super) type Asked = Option<(Ticket, Open)>;
