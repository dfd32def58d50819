//! A process that stores on disk and is killed: what it was told to be durable is there afterwards, and
//! nothing is there by half.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dht::Id;
use dht::record::{Change, Condition, Record, Version};
use dht::store::{Command, Note, Store as _};
use node::store::DiskStore;
use rand::RngExt as _;

#[test]
fn a_store_that_is_killed_has_all_that_it_promised_and_nothing_by_half() {
    // This very test, started again with the variable, is the process that is killed.
    const VARIABLE: &str = "DHT_DISK_TEST";
    if let Some(folder) = env::var_os(VARIABLE) {
        write_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut round, mut rounds_with_promises) = (0, 0);
    // On a busy machine many are killed before they have begun to write.
    while rounds_with_promises < 10 {
        assert!(
            round < 100,
            "only {rounds_with_promises} were killed in the midst of it"
        );
        let mut writer = Process::new(env::current_exe().expect("this test has a file"))
            .args(["--exact", "--nocapture"])
            .arg("a_store_that_is_killed_has_all_that_it_promised_and_nothing_by_half")
            .env(VARIABLE, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test starts again");
        let promised = kill_at_some_moment(&mut writer);
        let disk = DiskStore::open(folder.path(), 1).unwrap_or_else(|error| panic!("{error}"));
        let written = check(&disk, round);
        if let Some(promised) = promised {
            assert!(
                written > promised,
                "round {round}: {promised} was promised, and {written} are there"
            );
            rounds_with_promises += 1;
        }
        round += 1;
    }
    let first_log = folder.path().join("0.log");
    assert!(!first_log.exists(), "some of it got into the file");
}

/// Commands of every kind, one after the other, some of them on their way to the disk at any time.
fn write_until_killed(folder: &Path) -> ! {
    let disk = DiskStore::open(folder, 1).unwrap_or_else(|error| panic!("{error}"));
    let first = next(&disk);
    let (told, promises) = mpsc::channel();
    for number in first.. {
        if number >= first + FLYING {
            promises.recv().expect("the disk has room");
        }
        let told = told.clone();
        disk.perform(batch(number));
        disk.perform(change(number));
        disk.sync(move |is_durable| {
            assert!(is_durable, "the disk has room");
            let mut out = stdout().lock();
            // Nobody reads any more where this process is being killed.
            let _ = writeln!(out, "{MARK}{number}").and_then(|()| out.flush());
            let _ = told.send(());
        });
    }
    unreachable!("numbers do not end")
}

/// Kills the process after a while. Returns the last number that it was promised.
fn kill_at_some_moment(writer: &mut Child) -> Option<u32> {
    let out = writer.stdout.take().expect("it is piped");
    let reader = thread::spawn(move || {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        let numbers = lines.filter_map(|line| line.strip_prefix(MARK)?.parse().ok());
        numbers.max()
    });
    thread::sleep(Duration::from_millis(rand::rng().random_range(20..250)));
    writer.kill().expect("it is ours");
    writer.wait().expect("it has ended");
    reader.join().expect("it reads until the end")
}

/// Checks that the first so many commands are there, whole, and none after them. Returns how many.
fn check(disk: &DiskStore, round: u32) -> u32 {
    let written = next(disk);
    let everything = dht::Arc::WHOLE;
    assert_eq!(disk.len(), disk.count(everything), "round {round}: counted");
    // The last command may be a change whose batch is there: then its note is that of the one before.
    let batches = u32::from(disk.read(key(written, 0)).is_some()) + written;
    for number in 0..batches + 3 {
        for part in 0..PARTS {
            let there = disk.read(key(number, part));
            let expected = (number < batches).then(|| record(number));
            assert_eq!(there, expected, "round {round}: part {part} of {number}");
        }
        let change = disk.read(key(number, CHANGE)).is_some();
        assert_eq!(change, number < written, "round {round}: change {number}");
    }
    written
}

/// The number that comes next: the one in the note, which is written with each change.
fn next(disk: &DiskStore) -> u32 {
    let notes = disk.notes();
    let note = notes.iter().find(|(name, _)| name == NEXT);
    note.map_or(0, |(_, bytes)| {
        u32::from_be_bytes(bytes[..].try_into().expect("four bytes"))
    })
}

fn batch(number: u32) -> Command {
    let records = |parts: std::ops::Range<u8>| {
        let records = parts.map(|part| (key(number, part), record(number)));
        records.collect()
    };
    Command::Write {
        put: records(0..PARTS / 2),
        merge: records(PARTS / 2..PARTS),
        forget: vec![key(number, CHANGE)],
        notes: Vec::new(),
    }
}

fn change(number: u32) -> Command {
    Command::Change {
        key: key(number, CHANGE),
        change: Change {
            name: None,
            value: Some([1; 50][..].into()),
            condition: Condition::Absent,
            flags: 0,
            expires_ms: None,
            now_ms: 0,
        },
        version: Version::new(1, number),
        tombstone: true,
        note: Some(Note {
            name: NEXT.into(),
            bytes: Some((number + 1).to_be_bytes().into()),
        }),
    }
}

fn record(number: u32) -> Record {
    Record {
        name: Some(number.to_be_bytes()[..].into()),
        value: Some([7; 100][..].into()),
        version: Version::new(1, number),
        flags: 0,
        expires_ms: Some(1_000_000),
    }
}

fn key(number: u32, part: u8) -> Id {
    Id::of(&[&number.to_be_bytes()[..], &[part]].concat())
}

/// Commands that wait for the disk at a time.
const FLYING: u32 = 20;

const PARTS: u8 = 6;
const CHANGE: u8 = PARTS;
const NEXT: &[u8] = b"next";
const MARK: &str = "durable: ";
