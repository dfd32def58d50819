//! Act: what nodes want done is done.

use dht::event::{Cause, Failure, Returned, Ticket};
use dht::message::{Reply, Request};
use dht::store::Command;
use dht::view::Phase;
use dht::{Action, Event, Peer};

use super::disk::Disk;
use super::parcel::{Delivery, Open, Parcel};
use super::{Address, Network};

impl Network {
    pub(super) fn act(&mut self, at: Address, mut action: Action<Address>) {
        if let Some(tamper) = &mut self.tamper
            && !tamper(at, &mut action)
        {
            return;
        }
        match action {
            Action::Ask {
                ticket,
                to,
                request,
            } => self.ask(at, ticket, to, request),
            Action::Reply { ticket, reply } => self.reply(at, ticket, reply),
            Action::Return { ticket, returned } => self.return_call(at, ticket, returned),
            // What a disk does shows at once; only to make it durable takes time.
            Action::Store { ticket, command } if self.is_replicated() => {
                let outcome = {
                    let host = &mut self.hosts[at as usize];
                    let incarnation = host
                        .node
                        .as_ref()
                        .map_or(1, |node| node.view().me.incarnation);
                    let store = host
                        .store
                        .get_or_insert_with(|| Box::new(Disk::new(incarnation)));
                    match command {
                        Command::Sync => {
                            store.begin_flush();
                            None
                        }
                        command => Some(store.perform(command, true)),
                    }
                };
                let life = self.hosts[at as usize].life;
                match outcome {
                    Some(outcome) => {
                        let event = Event::Stored { ticket, outcome };
                        self.send(self.now_us, Parcel::Late { at, life, event });
                    }
                    None => {
                        let delay_us = self.random.between(0, self.faults.store_us);
                        let ready_us = self.reach.store_ready(at, self.now_us + delay_us);
                        let command = Command::Sync;
                        self.send(
                            ready_us,
                            Parcel::Stored {
                                at,
                                life,
                                ticket,
                                command,
                            },
                        );
                    }
                }
            }
            Action::Store { ticket, command } => {
                let delay_us = match self.faults.store_us {
                    0 => 0,
                    max => self.random.between(0, max),
                };
                let life = self.hosts[at as usize].life;
                // Commands are performed in order: a slow one holds up those behind it.
                let ready_us = self.reach.store_ready(at, self.now_us + delay_us);
                self.send(
                    ready_us,
                    Parcel::Stored {
                        at,
                        life,
                        ticket,
                        command,
                    },
                );
            }
            Action::Wait { timer, delay } => {
                let delay_us = self.random.delay_us(delay);
                let delay_us = self.faults.by_clock(self.seed, at, delay_us);
                let life = self.hosts[at as usize].life;
                self.send(self.now_us + delay_us, Parcel::Elapsed { at, life, timer });
            }
            Action::Publish => self.moment.changed.push(at),
            Action::Note(_) => {}
        }
    }

    fn ask(&mut self, at: Address, ticket: Ticket, to: Peer<Address>, request: Request<Address>) {
        self.traffic.asked(&request);
        let host = &self.hosts[at as usize];
        let Some(node) = &host.node else {
            return;
        };
        let from = node.view().me;
        let mut open = Open {
            asker: at,
            life: host.life,
            ticket,
            to,
            sent_us: self.now_us,
            deadline_us: self.now_us + u64::from(request.patience_ms()) * 1_000,
            is_settled: false,
        };
        let arrives_us = self.arrival(at, to.address);
        if arrives_us.is_none_or(|arrives_us| arrives_us > open.deadline_us) {
            self.unanswered(open, open.deadline_us, Cause::Silent);
            open.is_settled = true;
        }
        let Some(arrives_us) = arrives_us else {
            return;
        };
        let is_change = matches!(request, Request::Change(..));
        if !is_change
            && self.random.happens(self.faults.duplicate_ppm)
            && let Some(again_us) = self.arrival(at, to.address)
        {
            let open = Open {
                is_settled: true,
                ..open
            };
            let request = request.clone();
            self.send(
                again_us,
                Parcel::Asked {
                    open,
                    from,
                    request,
                },
            );
        }
        self.send(
            arrives_us,
            Parcel::Asked {
                open,
                from,
                request,
            },
        );
    }

    fn reply(&mut self, at: Address, ticket: Ticket, reply: Reply<Address>) {
        let open = match &self.asked {
            Some((present, open)) if *present == ticket => {
                let open = *open;
                self.asked = None;
                open
            }
            _ => match self.pending.get_mut(&ticket) {
                Some(pending) => {
                    let open = pending.open;
                    let is_late = self.now_us > open.deadline_us;
                    if open.is_settled || is_late {
                        self.pending.remove(&ticket);
                        return;
                    }
                    pending.is_answered = true;
                    open
                }
                // Its patience has ended, or it was asked twice.
                None => return,
            },
        };
        self.traffic.answered(&reply);
        if open.is_settled {
            return;
        }
        let arrives_us = self.arrival(at, open.asker);
        match arrives_us.filter(|arrives_us| *arrives_us <= open.deadline_us) {
            Some(arrives_us) => self.send(arrives_us, Parcel::Answered { open, reply }),
            None => self.unanswered(open, open.deadline_us, Cause::Silent),
        }
    }

    fn return_call(&mut self, at: Address, ticket: Ticket, returned: Returned<Address>) {
        // A process ends when its node has left, and when it could not join.
        let is_out = match &returned {
            Returned::Left(_) => true,
            Returned::Failed(failure, _) => {
                let is_joining = self.view(at).phase == Phase::Joining;
                is_joining && !matches!(failure, Failure::NotAMember)
            }
            _ => false,
        };
        self.moment.returned.push((ticket, returned));
        let has_left = matches!(self.moment.returned.last(), Some((_, Returned::Left(_))));
        if is_out {
            self.crash(at);
            // Whoever looks after a node with copies starts it again.
            if self.is_replicated() && !has_left {
                self.restart(at, AGAIN_US, true);
            }
        }
    }

    /// When a message sent now arrives; nothing if it never does.
    pub(super) fn arrival(&mut self, from: Address, to: Address) -> Option<u64> {
        let faults = self.faults;
        if self.random.happens(faults.loss_ppm) || self.reach.is_cut(self.now_us, from, to) {
            return None;
        }
        let mut delay_us = self.latency.draw(from, to, &mut self.random);
        delay_us *= faults.slowness(self.seed, from) * faults.slowness(self.seed, to);
        delay_us *= self.reach.slowness(self.now_us, from) * self.reach.slowness(self.now_us, to);
        if self.random.happens(faults.reorder_ppm) {
            delay_us += self.random.between(0, faults.reorder_us);
        }
        Some(self.now_us + delay_us)
    }

    /// Tells the asker that there is no answer.
    pub(super) fn unanswered(&mut self, open: Open, at_us: u64, cause: Cause) {
        self.send(at_us, Parcel::Unanswered { open, cause });
    }

    pub(super) fn send(&mut self, at_us: u64, parcel: Parcel) {
        let parcel = self.parcels.insert(parcel);
        self.queue
            .push(at_us.max(self.now_us), Delivery::Parcel(parcel));
    }
}

/// Before a node that could not join is started again.
pub(super) const AGAIN_US: u64 = 1_000_000;
