//! Random: commands that engines are compared by.

use dht::record::{Change, Condition, Record, Version};
use dht::store::{Command, Limit, Note};
use dht::{Arc as RingArc, Id};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// Something that a node might want, of few keys, so that they meet.
pub fn command(random: &mut StdRng) -> Command {
    match random.random_range(0..10) {
        0 => Command::Read(key(random)),
        1..5 => Command::Change {
            key: key(random),
            change: Change {
                name: None,
                value: random.random_bool(0.7).then(|| b"changed"[..].into()),
                condition: match random.random_range(0..4) {
                    0 => Condition::Absent,
                    1 => Condition::Present,
                    _ => Condition::Always,
                },
                flags: flags(random),
                expires_ms: expires_ms(random),
                now_ms: random.random_range(0..NOW_MS_MAX),
            },
            version: version(random),
            tombstone: random.random_bool(0.5),
            note: random.random_bool(0.2).then(|| note(random)),
        },
        5 => Command::Scan {
            arc: arc(random),
            after: random.random_bool(0.3).then(|| key(random)),
            limit: Limit {
                records: random.random_range(1..20),
                bytes: random.random_range(0..200),
            },
        },
        6 => Command::Collect((0..3).map(|_| key(random)).collect()),
        7 => Command::Note(note(random)),
        8 => Command::Write {
            put: records(random),
            merge: records(random),
            forget: (0..2).map(|_| key(random)).collect(),
            notes: vec![note(random)],
        },
        _ if random.random_bool(0.1) => Command::Discard(vec![arc(random)]),
        _ => {
            let records = records(random).into_iter();
            let kept = |(key, record): (Id, Record)| {
                let is_there = record.version.number() % 2 == 0;
                (key, is_there.then_some(record))
            };
            Command::Merge(records.map(kept).collect())
        }
    }
}

fn records(random: &mut StdRng) -> Vec<(Id, Record)> {
    let record = |random: &mut StdRng| Record {
        name: random.random_bool(0.2).then(|| b"name"[..].into()),
        value: random.random_bool(0.7).then(|| b"another"[..].into()),
        version: version(random),
        flags: flags(random),
        expires_ms: expires_ms(random),
    };
    (0..random.random_range(0..4))
        .map(|_| (key(random), record(random)))
        .collect()
}

fn note(random: &mut StdRng) -> Note {
    Note {
        name: vec![random.random_range(0..5)],
        bytes: random.random_bool(0.7).then(|| vec![random.random()]),
    }
}

fn key(random: &mut StdRng) -> Id {
    Id::from_bytes([random.random_range(0..40) * 6; Id::BYTES])
}

pub fn arc(random: &mut StdRng) -> RingArc {
    RingArc::new(key(random), key(random))
}

fn version(random: &mut StdRng) -> Version {
    Version::new(1, random.random_range(0..100))
}

fn flags(random: &mut StdRng) -> u64 {
    random.random_range(0..2) * 7
}

fn expires_ms(random: &mut StdRng) -> Option<u64> {
    random
        .random_bool(0.3)
        .then(|| random.random_range(0..NOW_MS_MAX))
}

/// Two days.
pub const NOW_MS_MAX: u64 = 2 * dht::record::TOMBSTONE_MS;
