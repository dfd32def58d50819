//! Schedule: what nodes do again and again, by clocks that are never quite right.

use dht::Event;
use dht::event::Timer;
use dht::node::BEAT_MS;

use super::parcel::Delivery;
use super::{Address, Network, Status};
use crate::plan::Schedule;

impl Network {
    /// A node that has been started looks after everything for the first time at any moment of the
    /// interval.
    pub(super) fn begin_schedule(&mut self, at: Address) {
        let Some(schedule) = self.schedule else {
            return;
        };
        let life = self.hosts[at as usize].life;
        for duty in 0..DUTIES {
            if duty == BEAT && !self.is_replicated() {
                continue;
            }
            let every_us = interval_us(&schedule, duty);
            let delay_us = self.random.between(0, every_us);
            let time_us = self.now_us + delay_us;
            self.queue
                .push(time_us, Delivery::Scheduled { at, life, duty });
        }
    }

    pub(super) fn scheduled(&mut self, at: Address, life: u32, duty: u8) {
        let host = &self.hosts[at as usize];
        let Some(schedule) = self.schedule else {
            return;
        };
        if host.life != life || host.status == Status::Down {
            return;
        }
        let every_us = interval_us(&schedule, duty);
        let vary_us = every_us * u64::from(schedule.vary_percent) / 100;
        let delay_us = self.random.between(every_us - vary_us, every_us + vary_us);
        let delay_us = self.faults.by_clock(self.seed, at, delay_us);
        // A sleeper finds one of each that is due when it wakes, however long it slept.
        let wakes_us = match host.status {
            Status::Paused => self.reach.wakes_us(at),
            _ => 0,
        };
        let next_us = wakes_us.max(self.now_us + delay_us);
        self.queue
            .push(next_us, Delivery::Scheduled { at, life, duty });
        let timer = match duty {
            0 => Timer::Stabilize,
            1 => Timer::Fingers,
            2 => Timer::Predecessor,
            BEAT => Timer::Beat,
            _ => Timer::SelfCheck,
        };
        self.feed_life(at, life, Event::Elapsed(timer));
    }
}

fn interval_us(schedule: &Schedule, duty: u8) -> u64 {
    let ms = match duty {
        0 => schedule.stabilize_ms,
        1 => schedule.fingers_ms,
        2 => schedule.predecessor_ms,
        BEAT => BEAT_MS,
        _ => schedule.self_check_ms,
    };
    u64::from(ms) * 1_000
}

const DUTIES: u8 = 5;

/// The duty that only groups have.
const BEAT: u8 = 4;
