//! Conformance: what every engine must do, as one test.

use alloc::vec::Vec;

use super::{Command, Limit, Note, Outcome, PURGE_MAX, Store, perform};
use crate::id::{Arc, Id};
use crate::record::{Change, Changed, Condition, Record, TOMBSTONE_MS, Version};

/// Panics with a sentence where `store`, which comes empty and goes empty, does other than it must.
pub fn conformance(store: &mut impl Store) {
    assert!(store.is_empty(), "the suite starts with an empty store");
    assert_eq!(store.notes(), [], "and without notes");
    for part in [
        writes, lives, scans, refusals, tombstones, expiry, flags, versions, batches, notes, purges,
    ] {
        part(store);
        let outcome = perform(store, Command::Discard([Arc::WHOLE].into()));
        assert_eq!(outcome, Outcome::Done, "a discard is done");
        assert_eq!(
            (store.scan(Arc::WHOLE, None, ALL).len(), store.len()),
            (0, 0),
            "a discard of the whole ring leaves nothing"
        );
    }
}

fn writes(store: &mut impl Store) {
    assert_eq!(store.read(LOW), None, "an empty store reads as nothing");
    fill(store);
    let changed = store.change(LOW, write("new"), version(4), false);
    assert_eq!(
        changed,
        Changed::Replaced(version(4)),
        "a second write replaces"
    );
    assert_eq!(
        store.read(LOW),
        Some(record("new", 4)),
        "the last write is read"
    );
    assert_eq!(
        store.change(LOW, delete(), version(7), false),
        Changed::Deleted,
        "a delete deletes"
    );
    assert_eq!(store.read(LOW), None, "and leaves nothing if so wanted");
    assert_eq!(
        store.change(LOW, delete(), version(8), false),
        Changed::Missing,
        "and only once"
    );
    let outcome = perform(store, Command::Discard([Arc::new(LOW, MIDDLE)].into()));
    assert_eq!(outcome, Outcome::Done, "a discard is done");
    assert_eq!(
        (store.read(MIDDLE), store.len()),
        (None, 1),
        "a discard takes its arc, no more"
    );
}

fn lives(store: &mut impl Store) {
    let write_at =
        |store: &mut _, at| Store::change(store, LOW, write("value"), version(at), false);
    write_at(store, 5);
    assert_eq!(
        write_at(store, 2),
        Changed::Replaced(version(6)),
        "a node that counts anew after a restart gives no version twice"
    );
    assert_eq!(
        store.read(LOW).map(|record| record.version),
        Some(version(6)),
        "and the version that it told is the one that is read"
    );
}

fn scans(store: &mut impl Store) {
    fill(store);
    let keys = |arc, after, limit| -> Vec<Id> {
        let records = store.scan(arc, after, limit).into_iter();
        records.map(|(key, _)| key).collect()
    };
    let around = Arc::new(MIDDLE, LOW);
    let one = Limit { records: 1, ..ALL };
    let tiny = Limit { bytes: 1, ..ALL };
    for (arc, after, limit, expected, sentence) in [
        (
            Arc::WHOLE,
            None,
            ALL,
            &[LOW, MIDDLE, HIGH][..],
            "a scan is in ring order",
        ),
        (
            around,
            None,
            ALL,
            &[HIGH, LOW],
            "an arc may wrap around zero",
        ),
        (
            around,
            Some(HIGH),
            ALL,
            &[LOW],
            "a scan goes on after a key",
        ),
        (around, Some(LOW), ALL, &[], "nothing comes after the end"),
        (
            Arc::new(LOW, MIDDLE),
            None,
            ALL,
            &[MIDDLE],
            "the start of an arc is outside",
        ),
        (
            Arc::new(LOW, LOW),
            None,
            ALL,
            &[MIDDLE, HIGH, LOW],
            "an arc from a key to itself is the whole ring, and ends there",
        ),
        (
            Arc::WHOLE,
            None,
            one,
            &[LOW],
            "a scan keeps to its limit of records",
        ),
        (
            Arc::WHOLE,
            None,
            tiny,
            &[LOW],
            "a scan returns one record, however large",
        ),
        (
            Arc::WHOLE,
            None,
            Limit { bytes: 7, ..ALL },
            &[LOW, MIDDLE],
            "a scan keeps to its limit of bytes",
        ),
    ] {
        assert_eq!(keys(arc, after, limit), expected, "{sentence}");
    }
    assert_eq!(store.count(around), 2, "a count is of the arc");
    let outcome = perform(store, Command::Collect([LOW, OTHER].into()));
    assert_eq!(
        outcome,
        Outcome::Records([(LOW, Some(record("old", 2))), (OTHER, None)].into()),
        "what is collected is there or not"
    );
}

fn refusals(store: &mut impl Store) {
    fill(store);
    let named = Change {
        name: Some(b"name"[..].into()),
        ..write("other")
    };
    let absent = Change {
        condition: Condition::Absent,
        ..write("other")
    };
    let note = Note {
        name: b"with a change".into(),
        bytes: Some(b"1".into()),
    };
    for (change, expected, sentence) in [
        (named, Changed::Collision, "names must agree"),
        (
            absent,
            Changed::Refused(Some(version(2))),
            "a condition that fails refuses",
        ),
    ] {
        let outcome = perform(store, with_note(change, 5, note.clone()));
        assert_eq!(outcome, Outcome::Changed(expected), "{sentence}");
        assert_eq!(
            store.read(LOW),
            Some(record("old", 2)),
            "what is refused changes nothing"
        );
        assert_eq!(store.notes(), [], "and leaves no note");
    }
}

fn tombstones(store: &mut impl Store) {
    fill(store);
    let gone = Change {
        now_ms: 1000,
        ..delete()
    };
    assert_eq!(
        store.change(LOW, gone.clone(), version(4), true),
        Changed::Deleted,
        "a delete deletes"
    );
    let tombstone = Record {
        value: None,
        expires_ms: Some(1000 + TOMBSTONE_MS),
        ..record("", 4)
    };
    assert_eq!(
        store.read(LOW),
        Some(tombstone.clone()),
        "and leaves a tombstone if so wanted"
    );
    assert_eq!(
        store.change(LOW, gone, version(5), true),
        Changed::Missing,
        "and only once"
    );
    assert_eq!(
        store.read(LOW),
        Some(tombstone.clone()),
        "what is missing leaves no tombstone"
    );
    store.merge(LOW, record("old", 3));
    assert_eq!(
        store.scan(Arc::WHOLE, None, ALL).first(),
        Some(&(LOW, tombstone)),
        "a tombstone keeps older values out, and is scanned"
    );
    assert_eq!(
        (store.len(), store.count(Arc::WHOLE)),
        (2, 2),
        "a tombstone is not counted"
    );
    let absent = Change {
        condition: Condition::Absent,
        name: Some(b"name"[..].into()),
        ..write("new")
    };
    assert_eq!(
        store.change(LOW, absent, version(6), true),
        Changed::Created(version(6)),
        "where there is a tombstone there is nothing"
    );
    assert_eq!(store.len(), 3, "what is written again is counted");
}

fn flags<S: Store>(store: &mut S) {
    let flagged = Change {
        flags: u64::MAX,
        ..write("value")
    };
    let flags = |store: &S| store.read(LOW).map(|record| record.flags);
    store.change(LOW, flagged, version(1), true);
    assert_eq!(
        flags(store),
        Some(u64::MAX),
        "flags are kept with the value"
    );
    store.change(LOW, write("value"), version(2), true);
    assert_eq!(
        flags(store),
        Some(0),
        "and go when it is written without them"
    );
    let deleted = Change {
        flags: 7,
        ..delete()
    };
    store.change(LOW, deleted, version(3), true);
    assert_eq!(flags(store), Some(0), "a tombstone has none");
}

fn expiry(store: &mut impl Store) {
    let at = |now_ms| Change {
        condition: Condition::Absent,
        expires_ms: Some(now_ms + 10),
        now_ms,
        ..write("new")
    };
    assert_eq!(
        store.change(LOW, at(100), version(1), true),
        Changed::Created(version(1)),
        "a first write creates"
    );
    assert_eq!(
        store.read(LOW).and_then(|record| record.expires_ms),
        Some(110),
        "when a value expires is kept with it"
    );
    assert_eq!(
        store.change(LOW, at(109), version(2), true),
        Changed::Refused(Some(version(1))),
        "a value is there until it expires"
    );
    for (now_ms, expired) in [(109, 0), (110, 1)] {
        assert_eq!(
            (store.expired(Arc::WHOLE, now_ms), store.len()),
            (expired, 1),
            "what has expired is here, and known to have expired"
        );
    }
    assert_eq!(
        store.expired(Arc::new(LOW, MIDDLE), 110),
        0,
        "what has expired is counted on its arc"
    );
    let gone = Change {
        now_ms: 110,
        ..delete()
    };
    assert_eq!(
        store.change(LOW, gone, version(3), true),
        Changed::Missing,
        "what has expired can't be deleted"
    );
    assert_eq!(
        store.change(LOW, at(110), version(4), true),
        Changed::Created(version(4)),
        "what has expired is absent"
    );
    assert_eq!(
        store.expired(Arc::WHOLE, 119),
        0,
        "a new value has a time of its own"
    );
}

fn versions(store: &mut impl Store) {
    store.put(LOW, record("new", 4));
    store.merge(LOW, record("old", 3));
    assert_eq!(
        store.read(LOW),
        Some(record("new", 4)),
        "an older record does not replace a newer one"
    );
    store.merge(LOW, record("same", 4));
    assert_eq!(
        store.read(LOW),
        Some(record("new", 4)),
        "nor does one of the same version"
    );
    store.put(LOW, record("old", 3));
    assert_eq!(
        store.read(LOW),
        Some(record("old", 3)),
        "unless it is put there"
    );
    store.merge(LOW, record("new", 5));
    assert_eq!(
        store.read(LOW),
        Some(record("new", 5)),
        "a newer record replaces an older one"
    );
    assert_eq!(store.len(), 1, "all of them are one");
}

fn batches(store: &mut impl Store) {
    fill(store);
    let mark = Note {
        name: b"mark".into(),
        bytes: Some(b"1".into()),
    };
    let command = Command::Write {
        forget: [MIDDLE, LOW].into(),
        put: [(LOW, record("put", 1))].into(),
        merge: [
            (LOW, record("merged", 2)),
            (HIGH, record("too old", 0)),
            (OTHER, record("other", 1)),
        ]
        .into(),
        notes: [mark.clone()].into(),
    };
    assert_eq!(perform(store, command), Outcome::Done, "a batch is done");
    let read = [LOW, MIDDLE, HIGH, OTHER].map(|key| store.read(key));
    assert_eq!(
        read,
        [
            Some(record("merged", 2)),
            None,
            Some(record("old", 1)),
            Some(record("other", 1))
        ],
        "a batch forgets, puts, merges, in this order"
    );
    assert_eq!(
        store.notes(),
        [(b"mark".to_vec(), b"1".to_vec())],
        "a batch notes"
    );
    let forget = Note {
        bytes: None,
        ..mark
    };
    assert_eq!(
        perform(store, Command::Note(forget)),
        Outcome::Done,
        "a note is removed"
    );
    assert_eq!(
        perform(store, Command::Sync),
        Outcome::Done,
        "to be durable is done some time"
    );
}

fn notes(store: &mut impl Store) {
    let note = |name: &str, bytes: Option<&str>| Note {
        name: name.as_bytes().into(),
        bytes: bytes.map(|bytes| bytes.as_bytes().into()),
    };
    for (name, bytes) in [("b", "2"), ("", "0"), ("a", "old"), ("a", "1")] {
        store.note(note(name, Some(bytes)));
    }
    let outcome = perform(store, with_note(write("value"), 1, note("c", Some("3"))));
    assert_eq!(
        outcome,
        Outcome::Changed(Changed::Created(version(1))),
        "a first write creates"
    );
    let expected = [("", "0"), ("a", "1"), ("b", "2"), ("c", "3")];
    let expected = expected.map(|(name, bytes)| (name.into(), bytes.into()));
    assert_eq!(
        store.notes(),
        expected,
        "there is one note of each name, in their order"
    );
    perform(store, Command::Discard([Arc::WHOLE].into()));
    assert_eq!(store.notes(), expected, "notes are no records");
    for name in ["", "a", "b", "c", "d"] {
        store.note(note(name, None));
    }
    assert_eq!(store.notes(), [], "notes can be removed, there or not");
}

fn purges(store: &mut impl Store) {
    let until = |text: &str, expires_ms| Record {
        expires_ms: Some(expires_ms),
        ..record(text, 1)
    };
    let tombstone = |expires_ms| Record {
        value: None,
        ..until("", expires_ms)
    };
    store.put(LOW, tombstone(10));
    store.put(MIDDLE, until("value", 10));
    store.put(HIGH, record("for ever", 1));
    store.put(OTHER, until("replaced", 5));
    store.put(OTHER, record("for ever", 2));
    assert_eq!(store.purge(9), 0, "nothing is purged before its time");
    assert_eq!(store.purge(10), 1, "a tombstone is purged in time");
    assert_eq!(store.read(LOW), None, "what is purged is gone");
    assert_eq!(
        (store.purge(9 + TOMBSTONE_MS), store.len()),
        (0, 3),
        "an expired value stays as long as a tombstone would"
    );
    assert_eq!(
        (store.purge(10 + TOMBSTONE_MS), store.read(MIDDLE)),
        (1, None),
        "and is purged then"
    );
    assert_eq!(
        (store.purge(u64::MAX), store.len()),
        (0, 2),
        "what never expires stays"
    );
    let many = u16::try_from(PURGE_MAX).expect("a bound that is not huge") + 1;
    for number in 0..many {
        let mut bytes = [0; Id::BYTES];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        store.put(Id::from_bytes(bytes), tombstone(1));
    }
    assert_eq!(
        [store.purge(1), store.purge(1), store.purge(1)],
        [PURGE_MAX, 1, 0],
        "a purge is bounded, and goes on where it was"
    );
}

/// Three records, each written once.
fn fill(store: &mut impl Store) {
    for (number, key) in (1..).zip([HIGH, LOW, MIDDLE]) {
        let changed = store.change(key, write("old"), version(number), false);
        assert_eq!(
            changed,
            Changed::Created(version(number)),
            "a first write creates"
        );
    }
    assert_eq!(store.len(), 3, "what is written is counted");
}

fn write(text: &str) -> Change {
    Change {
        name: None,
        value: Some(text.as_bytes().into()),
        condition: Condition::Always,
        flags: 0,
        expires_ms: None,
        now_ms: 0,
    }
}

fn delete() -> Change {
    Change {
        value: None,
        ..write("")
    }
}

fn with_note(change: Change, number: u32, note: Note) -> Command {
    Command::Change {
        key: LOW,
        change,
        version: version(number),
        tombstone: false,
        note: Some(note),
    }
}

fn record(text: &str, number: u32) -> Record {
    Record {
        name: None,
        value: Some(text.as_bytes().into()),
        version: version(number),
        flags: 0,
        expires_ms: None,
    }
}

fn version(number: u32) -> Version {
    Version::new(1, number)
}

const LOW: Id = Id::from_bytes([10; Id::BYTES]);
const MIDDLE: Id = Id::from_bytes([100; Id::BYTES]);
const HIGH: Id = Id::from_bytes([200; Id::BYTES]);
/// Nothing is there where it is not said.
const OTHER: Id = Id::from_bytes([220; Id::BYTES]);

/// More than any part of the suite scans.
const ALL: Limit = Limit {
    records: 100,
    bytes: 1 << 20,
};
