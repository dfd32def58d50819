//! The engine that keeps values in memcached, at a real server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use dht::record::{Change, Changed, Condition, Record, Version};
use dht::store::{Command, Limit, Memory, Outcome, Store, conformance, perform};
use dht::{Arc as RingArc, Id};
use node::store::MemcachedStore;
use node::store::memcached::{Error, Unreachable};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;

use crate::random::{NOW_MS_MAX, arc, command};
use crate::support::{self, memcached::Memcached};

#[test]
fn memcached_conforms() {
    let server = Memcached::start();
    conformance(&mut open(&server));
}

#[test]
fn memcached_does_what_a_map_does() {
    let server = Memcached::start();
    let (mut memory, store) = (Memory::default(), open(&server));
    let mut random = StdRng::seed_from_u64(1);
    for step in 0..5_000 {
        let command = command(&mut random);
        let expected = perform(&mut memory, command.clone());
        let outcome = store.perform(command.clone());
        assert_eq!(outcome, expected, "step {step}: {command:?}");
        if random.random_bool(0.002) {
            let now_ms = random.random_range(0..NOW_MS_MAX);
            // What is purged first is not said, so all of it.
            while memory.purge(now_ms) > 0 {}
            while MemcachedStore::purge(&store, now_ms) > 0 {}
        }
        let (arc, now_ms) = (arc(&mut random), random.random_range(0..NOW_MS_MAX));
        let counts = |store: &dyn Store| {
            let counts = [store.len(), store.count(arc), store.expired(arc, now_ms)];
            (counts, store.notes())
        };
        assert_eq!(counts(&store), counts(&memory), "step {step}");
    }
    assert_eq!(store.lost(), 0);
}

#[test]
fn the_largest_value_and_the_smallest_are_kept() {
    let server = Memcached::start();
    let store = open(&server);
    for bytes in [0, 1, 512 * 1024, 512 * 1024 + 1, 1024 * 1024] {
        let value: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        assert!(matches!(
            write(&store, 1, &value),
            Some(Changed::Created(_))
        ));
        assert_eq!(read(&store, 1), Ok(Some(value)), "{bytes}");
        assert_eq!(delete(&store, 1), Some(Changed::Deleted));
        assert_eq!(read(&store, 1), Ok(None));
    }
}

#[test]
fn what_memcached_has_evicted_is_not_there_any_more() {
    let server = Memcached::with(&["-m", "2"]);
    let store = open(&server);
    let value = |number: u8| vec![number; 100_000];
    for number in 0..100 {
        let written = write(&store, number, &value(number));
        assert!(matches!(written, Some(Changed::Created(_))), "{written:?}");
    }
    let mut gone = 0;
    for number in 0..100 {
        match read(&store, number).expect("memcached is there") {
            Some(bytes) => assert!(bytes == value(number), "{number} is another one's value"),
            None => gone += 1,
        }
    }
    assert!((50..100).contains(&gone), "{gone} of 100 do not fit");
    MemcachedStore::purge(&store, 0);
    assert_eq!((store.lost(), store.len()), (gone, 100 - gone as usize));
    let all = Limit {
        records: 1000,
        bytes: usize::MAX,
    };
    assert_eq!(
        store.scan(RingArc::WHOLE, None, all).len(),
        100 - gone as usize
    );
}

#[test]
fn a_condition_looks_at_what_memcached_has() {
    let mut server = Memcached::start();
    let store = open(&server);
    for number in 0..4 {
        write(&store, number, b"value");
    }
    server.restart();
    let change = |number, condition, value: Option<&[u8]>| change(&store, number, condition, value);
    assert_eq!(
        change(0, Condition::Present, Some(b"new")),
        Some(Changed::Refused(None))
    );
    assert!(matches!(
        change(1, Condition::Absent, Some(b"new")),
        Some(Changed::Created(_))
    ));
    assert_eq!(delete(&store, 2), Some(Changed::Missing));
    // A copy of the same version, as it comes from another node.
    let record = record(b"value", 1);
    store.perform(Command::Merge(vec![(id(3), Some(record))]));
    assert_eq!(read(&store, 3), Ok(Some(b"value".to_vec())));
}

#[test]
fn a_memcached_that_begins_anew_is_found_empty() {
    let mut server = Memcached::start();
    let store = open(&server);
    for number in 0..100 {
        write(&store, number, b"value");
    }
    server.restart();
    until("the store is empty", || store.is_empty());
    assert_eq!((store.lost(), store.failure()), (100, None));
    assert!(matches!(
        write(&store, 1, b"new"),
        Some(Changed::Created(_))
    ));
    assert_eq!(read(&store, 1), Ok(Some(b"new".to_vec())));
}

#[test]
fn while_memcached_is_away_nothing_is_said_of_what_is_there() {
    let mut server = Memcached::start();
    let store = open(&server);
    write(&store, 1, b"value");
    server.end();
    assert_eq!(read(&store, 1), Err(Unreachable));
    assert_eq!(write(&store, 1, b"new"), None);
    assert_eq!(delete(&store, 1), None);
    let reason = store.failure().expect("it is away");
    for words in [&server.address.to_string(), "out of reach", "refused"] {
        assert!(reason.contains(words), "{reason}");
    }
    // What takes no memcached is done as ever.
    assert_eq!(read(&store, 2), Ok(None));
    let note = dht::store::Note {
        name: b"note".to_vec(),
        bytes: Some(b"1".to_vec()),
    };
    assert_eq!(store.perform(Command::Note(note)), Outcome::Done);
    assert_eq!(
        store.perform(Command::Discard([RingArc::WHOLE].into())),
        Outcome::Done
    );
    assert!(store.is_empty());
}

#[test]
fn a_change_that_memcached_did_not_answer_changes_nothing() {
    let server = Memcached::start();
    let store = open(&server);
    write(&store, 1, b"value");
    server.signal(Signal::STOP);
    let began = Instant::now();
    assert_eq!(write(&store, 1, b"new"), None);
    assert_eq!(delete(&store, 1), None);
    assert_eq!(read(&store, 1), Err(Unreachable));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    server.signal(Signal::CONT);
    until("memcached is back", || store.failure().is_none());
    assert_eq!(read(&store, 1), Ok(Some(b"value".to_vec())));
    assert_eq!(store.lost(), 0);
}

#[test]
fn nodes_that_share_a_memcached_do_not_meet_there() {
    let server = Memcached::start();
    let stores = [(); 3].map(|()| open(&server));
    for (number, store) in (0..).zip(&stores) {
        write(store, 1, &[number]);
    }
    // What an earlier life has left there is nothing to a later one.
    assert_eq!(read(&open(&server), 1), Ok(None));
    let [first, rest @ ..] = stores;
    first.perform(Command::Discard([RingArc::WHOLE].into()));
    drop(first);
    for (number, store) in (1..).zip(&rest) {
        assert_eq!(read(store, 1), Ok(Some(vec![number])));
    }
}

#[test]
fn what_is_forgotten_is_deleted_from_memcached() {
    let server = Memcached::start();
    let store = open(&server);
    let before = server.items();
    for _ in 0..3 {
        for number in 0..50 {
            write(&store, number, b"value");
        }
    }
    MemcachedStore::purge(&store, 0);
    assert_eq!(
        server.items() - before,
        50,
        "what is written over is deleted"
    );
    delete(&store, 1);
    store.perform(Command::Discard([RingArc::WHOLE].into()));
    MemcachedStore::purge(&store, 0);
    assert_eq!(server.items(), before);
}

#[test]
fn an_address_without_memcached_is_named_with_the_way_out() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = support::free_address();
    for (address, words) in [
        (silent.local_addr().expect("an address"), "takes too long"),
        (closed, "refused"),
    ] {
        let error =
            MemcachedStore::open(&address.to_string(), Id::ZERO).expect_err("nobody answers");
        assert!(matches!(error, Error::Unreachable(..)), "{error:?}");
        for words in [words, &address.to_string(), "start one"] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn what_speaks_no_meta_commands_is_no_memcached_of_use() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer).expect("a command");
        stream.write_all(b"ERROR\r\n").expect("it listens");
    });
    let error = MemcachedStore::open(&address, Id::ZERO).expect_err("it is too old");
    assert!(matches!(error, Error::Foreign(..)), "{error:?}");
    old.join().expect("it was asked");
}

fn open(server: &Memcached) -> MemcachedStore {
    MemcachedStore::open(&server.address.to_string(), Id::ZERO).expect("it answers")
}

fn id(number: u8) -> Id {
    Id::of(&[number])
}

fn read(store: &MemcachedStore, number: u8) -> Result<Option<Vec<u8>>, Unreachable> {
    let record = MemcachedStore::read(store, id(number))?;
    Ok(record
        .and_then(|record| record.value)
        .map(|value| value.to_vec()))
}

/// What became of a change; nothing if it failed.
fn change(
    store: &MemcachedStore,
    number: u8,
    condition: Condition,
    value: Option<&[u8]>,
) -> Option<Changed> {
    let change = Change {
        name: None,
        value: value.map(Into::into),
        condition,
        flags: 0,
        expires_ms: None,
        now_ms: 0,
    };
    let outcome = store.perform(Command::Change {
        key: id(number),
        change,
        version: Version::new(1, 1),
        tombstone: false,
        note: None,
    });
    match outcome {
        Outcome::Changed(changed) => Some(changed),
        Outcome::Failed => None,
        other => panic!("a change is answered by {other:?}"),
    }
}

fn write(store: &MemcachedStore, number: u8, value: &[u8]) -> Option<Changed> {
    change(store, number, Condition::Always, Some(value))
}

fn delete(store: &MemcachedStore, number: u8) -> Option<Changed> {
    change(store, number, Condition::Always, None)
}

fn record(value: &[u8], number: u32) -> Record {
    Record {
        name: None,
        value: Some(value.into()),
        version: Version::new(1, number),
        flags: 0,
        expires_ms: None,
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !is_so() {
        assert!(Instant::now() < deadline, "it takes too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
