//! Storage: the store does at once what the node wants of it, but for the question whether all before it is
//! durable: where that has to wait for a disk, the answer comes when it is.

use std::sync::Weak;

use dht::event::Ticket;
use dht::store::{Command, Outcome};
use tokio::sync::mpsc;

use super::Driver;
use crate::Event;

impl Driver {
    /// Performs a command. Returns the outcome, unless that comes later.
    pub(super) fn store(&self, ticket: Ticket, command: Command) -> Option<Outcome> {
        if command != Command::Sync || self.content.is_durable_at_once() {
            return Some(self.content.perform(command));
        }
        let durable = self.durable.clone();
        self.content.sync(move |is_durable| {
            let outcome = match is_durable {
                true => Outcome::Done,
                false => Outcome::Failed,
            };
            // Nobody waits any more where the driver has gone.
            let _ = durable.send((ticket, outcome));
        });
        None
    }
}

/// Tells the node what is durable, or never will be, as long as it is there: many things at a time, as they come from
/// the disk.
pub(super) async fn tell(
    driver: Weak<Driver>,
    mut durable: mpsc::UnboundedReceiver<(Ticket, Outcome)>,
) {
    let mut told = Vec::new();
    while durable.recv_many(&mut told, DURABLE_MAX).await > 0 {
        let Some(driver) = driver.upgrade() else {
            return;
        };
        let stored = |(ticket, outcome)| Event::Stored { ticket, outcome };
        let wants = driver.turn(&mut driver.lock(), told.drain(..).map(stored));
        driver.perform(wants);
    }
}

/// What the node is told at a time to be durable, so that nobody else waits long for it.
const DURABLE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use dht::Id;
    use dht::record::{Record, Version};
    use dht::trace::Birth;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::Machine;
    use crate::content::Content;
    use crate::driver::Trace;
    use crate::peers::Peers;
    use crate::store::DiskStore;

    #[tokio::test]
    async fn the_node_is_told_what_is_durable_and_all_else_at_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let me = crate::Peer {
            id: Id::ZERO,
            address: ([127, 0, 0, 1], 1).into(),
            incarnation: 1,
        };
        let birth = Birth {
            me,
            config: dht::Config::default(),
            ring: Some(vec![me]),
            again: false,
            notes: Vec::new(),
        };
        let (node, path) = (birth.node(), folder.path().join("trace"));
        let trace = Trace::begin(&path, birth).expect("writable");
        let data = folder.path().join("data");
        let content = Content::Disk(DiskStore::open(&data, 1).expect("a new store"));
        let driver = Driver::new(
            Machine::Ring(node),
            Peers::new("test"),
            content,
            Some(trace),
        );

        let record = Record {
            name: None,
            value: Some(b"value"[..].into()),
            version: Version::new(1, 1),
            flags: 0,
            expires_ms: None,
        };
        let merge = Command::Merge(vec![(Id::ZERO, Some(record.clone()))]);
        assert_eq!(driver.store(Ticket(1), merge), Some(Outcome::Done));
        assert_eq!(driver.store(Ticket(2), Command::Sync), None);
        let read = driver.store(Ticket(3), Command::Read(Id::ZERO));
        assert_eq!(read, Some(Outcome::Record(Some(record))));

        let told = async {
            // Every event of a node is in its trace.
            while !fs::read_to_string(&path).is_ok_and(|trace| trace.contains("\"Stored\"")) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), told)
            .await
            .expect("it is told");
        let trace = fs::read_to_string(&path).expect("it is there");
        let stored: Vec<_> = trace
            .lines()
            .filter(|line| line.contains("\"Stored\""))
            .collect();
        assert!(
            stored.len() == 1 && stored[0].contains("\"ticket\":2"),
            "{trace}"
        );
    }

    #[tokio::test]
    async fn in_memory_nothing_has_to_wait() {
        let me = crate::Peer {
            id: Id::ZERO,
            address: ([127, 0, 0, 1], 1).into(),
            incarnation: 1,
        };
        let node = crate::Node::new(me, dht::Config::default());
        let driver = Driver::new(
            Machine::Ring(node),
            Peers::new("test"),
            Content::default(),
            None,
        );
        assert_eq!(driver.store(Ticket(1), Command::Sync), Some(Outcome::Done));
    }
}
