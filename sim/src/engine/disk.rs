//! Disk: what a machine keeps, and how much of it outlasts a crash.

use std::collections::VecDeque;

use dht::record::Record;
use dht::store::{Command, Limit, Memory, Outcome, Store as _, perform};
use dht::{Arc, Id};

use crate::random::Random;

/// The store of one machine: as it looks, and as it would be after a crash.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    now: Memory,
    safe: Memory,
    /// What `safe` lacks, with the number of each.
    unsafe_commands: VecDeque<(u64, Command)>,
    performed: u64,
    /// How far each flush goes that has been asked for.
    flushes: VecDeque<u64>,
    /// Whether it takes nothing more, and then whether that does not even show.
    full: Option<bool>,
    /// The incarnation in which it was made.
    pub(crate) number: u32,
}

impl Disk {
    pub(crate) fn new(number: u32) -> Disk {
        Disk {
            number,
            ..Disk::default()
        }
    }

    /// Does something at once. `keeps` whether it should outlast a crash.
    pub(crate) fn perform(&mut self, command: Command, keeps: bool) -> Outcome {
        if self.full == Some(true)
            && matches!(command, Command::Change { .. } | Command::Write { .. })
        {
            return Outcome::Failed;
        }
        self.performed += 1;
        let changes = !matches!(
            command,
            Command::Read(_) | Command::Scan { .. } | Command::Collect(_)
        );
        if keeps && changes && self.full.is_none() {
            self.unsafe_commands
                .push_back((self.performed, command.clone()));
        }
        perform(&mut self.now, command)
    }

    /// Begins to make everything durable that was done so far.
    pub(crate) fn begin_flush(&mut self) {
        self.flushes.push_back(self.performed);
    }

    /// The oldest flush is done.
    pub(crate) fn end_flush(&mut self) -> Outcome {
        let end = self.flushes.pop_front().unwrap_or(0);
        if self.full.is_some() {
            return Outcome::Failed;
        }
        self.keep(end);
        Outcome::Done
    }

    /// From now on nothing becomes durable, until a crash. `seals` whether what is written does not even show.
    pub(crate) fn fill(&mut self, seals: bool) {
        self.full = Some(seals);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// What is left after a crash: all that was flushed, and by chance some of what followed.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let more = random.below(self.unsafe_commands.len() as u64 + 1) as usize;
        let end = match more {
            0 => 0,
            more => self.unsafe_commands[more - 1].0,
        };
        self.keep(end);
        self.unsafe_commands.clear();
        self.flushes.clear();
        self.full = None;
        self.now = self.safe.clone();
    }

    fn keep(&mut self, end: u64) {
        while let Some((_, command)) = self
            .unsafe_commands
            .pop_front_if(|(number, _)| *number <= end)
        {
            perform(&mut self.safe, command);
        }
    }

    /// Forgets tombstones, by this time of its clock.
    pub(crate) fn purge(&mut self, now_ms: u64) {
        self.now.purge(now_ms);
        self.safe.purge(now_ms);
    }

    /// Does something behind the node's back, now and for good.
    pub(crate) fn damage(&mut self, command: Command) {
        perform(&mut self.safe, command.clone());
        perform(&mut self.now, command);
    }

    pub(crate) fn records(&self, arc: Arc) -> Vec<(Id, Record)> {
        self.now.scan(arc, None, EVERYTHING)
    }

    pub(crate) fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.now.notes()
    }
}

/// The content of a machine in a simulation is small.
const EVERYTHING: Limit = Limit {
    records: usize::MAX,
    bytes: usize::MAX,
};
