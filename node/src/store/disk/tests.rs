use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use dht::store::{Memory, conformance};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use redb::StorageBackend;
use tempfile::TempDir;

use super::*;
use crate::store::random::{NOW_MS_MAX, arc, command};

#[test]
fn a_disk_conforms() {
    let folder = folder();
    conformance(&mut open(&folder));
}

#[test]
fn a_disk_conforms_where_everything_is_read_from_the_file() {
    let folder = folder();
    conformance(&mut Committed(open_by(&folder, 0)));
}

/// Engines differ in nothing that can be asked of them, whatever is still in memory, on its way or in the
/// file, and however often they are opened again.
#[test]
fn a_disk_does_what_a_map_does() {
    for settle_bytes in [0, 5_000, SETTLE_BYTES] {
        does_what_a_map_does(settle_bytes);
    }
}

fn does_what_a_map_does(settle_bytes: usize) {
    let folder = folder();
    let (mut memory, mut disk) = (Memory::default(), open_by(&folder, settle_bytes));
    let mut random = StdRng::seed_from_u64(1);
    for step in 0..10_000 {
        let command = command(&mut random);
        let expected = perform(&mut memory, command.clone());
        assert_eq!(
            disk.perform(command.clone()),
            expected,
            "step {step}: {command:?}"
        );
        match random.random_range(0..500) {
            0 => {
                drop(disk);
                disk = open_by(&folder, settle_bytes);
            }
            1..20 => wait(&disk),
            20 => {
                let now_ms = random.random_range(0..NOW_MS_MAX);
                // What is purged first is not said, so all of it.
                while memory.purge(now_ms) > 0 {}
                while disk.purge(now_ms) > 0 {}
            }
            _ => {}
        }
        let (arc, now_ms) = (arc(&mut random), random.random_range(0..NOW_MS_MAX));
        assert_eq!(disk.len(), memory.len(), "step {step}: {command:?}");
        assert_eq!(disk.count(arc), memory.count(arc), "step {step}");
        assert_eq!(
            disk.expired(arc, now_ms),
            memory.expired(arc, now_ms),
            "step {step}: {command:?}"
        );
        assert_eq!(disk.notes(), memory.notes(), "step {step}");
    }
}

#[test]
fn a_store_keeps_the_number_that_it_was_made_with() {
    let folder = folder();
    assert_eq!(DiskStore::open(folder.path(), 7).expect("new").number(), 7);
    assert_eq!(DiskStore::open(folder.path(), 9).expect("old").number(), 7);
}

#[test]
fn a_folder_has_one_store_at_a_time() {
    let folder = folder();
    let first = open(&folder);
    let second = DiskStore::open(folder.path(), 2).expect_err("it is in use");
    assert!(matches!(second, Error::InUse(_)), "{second}");
    drop(first);
    open(&folder);
}

#[test]
fn a_file_that_is_damaged_or_foreign_is_refused_and_left_as_it_is() {
    let folder = folder();
    let path = folder.path().join("content.redb");
    let mut disk = open(&folder);
    for number in 0..1000 {
        disk.put(
            Id::of(&[number as u8, (number >> 8) as u8]),
            record("value"),
        );
    }
    drop(disk);
    let whole = std::fs::read(&path).expect("it is there");
    let mut no_head = whole.clone();
    no_head[..512].fill(0xff);
    for (what, bytes) in [
        ("empty", &[][..]),
        ("foreign", &b"#!/bin/sh\n".repeat(1000)),
        ("short", &b"redb"[..]),
        ("torn", &whole[..whole.len() / 2]),
        ("cut to its first page", &whole[..4096]),
        ("without its head", &no_head),
    ] {
        std::fs::write(&path, bytes).expect("it can be written");
        let error = DiskStore::open(folder.path(), 1).expect_err(what);
        assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(std::fs::read(&path).expect("it is there"), bytes, "{what}");
    }
    std::fs::write(&path, &whole).expect("it can be written");
    assert_eq!(open(&folder).len(), 1000);
}

#[test]
fn a_store_that_was_being_made_is_made_anew() {
    let folder = folder();
    std::fs::write(folder.path().join("content.new"), b"half of it").expect("it can be written");
    assert!(open(&folder).is_empty());
}

#[test]
fn a_file_of_another_format_is_refused() {
    let folder = folder();
    let path = folder.path().join("content.redb");
    drop(open(&folder));
    let database = redb::Database::create(&path).expect("it is one of redb");
    let transaction = database.begin_write().expect("it can be written");
    let about = redb::TableDefinition::<&str, u64>::new("about");
    let mut table = transaction.open_table(about).expect("it is there");
    table.insert("format", 1_000).expect("it can be written");
    drop(table);
    transaction.commit().expect("it can be written");
    drop(database);
    let error = DiskStore::open(folder.path(), 1).expect_err("a newer format");
    assert!(
        matches!(error, Error::Format { found: 1_000, .. }),
        "{error}"
    );
}

#[test]
fn what_a_log_holds_is_there_up_to_where_it_is_torn() {
    let folder = folder();
    let disk = open(&folder);
    let mut ends = Vec::new();
    for number in 0..4_u8 {
        disk.perform(Command::Write {
            put: vec![(Id::from_bytes([number; Id::BYTES]), record("value"))],
            merge: Vec::new(),
            forget: vec![Id::from_bytes([number.wrapping_sub(2); Id::BYTES])],
            notes: vec![Note {
                name: b"last".into(),
                bytes: Some(vec![number]),
            }],
        });
        wait(&disk);
        ends.push(image(&folder));
    }
    let all = ends[3].1.clone();
    for length in 0..=all.len() {
        let (file, _) = &ends[3];
        let image = image_of(file, &all[..length]);
        let whole = ends.iter().filter(|(_, log)| log.len() <= length).count();
        for _ in 0..2 {
            let disk = open(&image);
            assert_eq!(disk.len(), whole.min(2), "{length}");
            let last = (whole > 0).then(|| (b"last".to_vec(), vec![whole as u8 - 1]));
            assert_eq!(disk.notes(), Vec::from_iter(last), "{length}");
        }
    }
}

#[test]
fn a_store_goes_on_behind_what_is_torn() {
    let folder = folder();
    let mut disk = open(&folder);
    disk.put(Id::ZERO, record("first"));
    wait(&disk);
    let (file, log) = image(&folder);
    let image = image_of(&file, &[&log[..], &log[..log.len() - 1]].concat());
    let mut disk = open(&image);
    disk.put(Id::ZERO, record("second"));
    wait(&disk);
    let (file, log) = self::image(&image);
    let again = open(&image_of(&file, &log));
    assert_eq!(again.read(Id::ZERO), Some(record("second")));
}

#[test]
fn a_log_that_has_rotted_before_its_end_is_no_torn_one() {
    let folder = folder();
    let mut disk = open(&folder);
    let mut ends = Vec::new();
    for number in 0..3_u8 {
        disk.put(Id::from_bytes([number; Id::BYTES]), record("value"));
        wait(&disk);
        ends.push(image(&folder).1.len());
    }
    let (file, log) = image(&folder);
    for at in 0..log.len() {
        let mut rotten = log.clone();
        rotten[at] ^= 0x40;
        let image = image_of(&file, &rotten);
        let opened = DiskStore::open(image.path(), 1);
        if at >= ends[1] {
            // Nothing tells it from a write that a crash has torn.
            let disk = opened.unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(disk.len(), 2, "{at}");
            continue;
        }
        let error = opened.expect_err("something is lost").to_string();
        let begin = if at < ends[0] { 0 } else { ends[0] };
        for words in ["0.log", "rotted", "move it away", &format!("byte {begin} ")] {
            assert!(error.contains(words), "{at}: {error}");
        }
        let kept = std::fs::read(image.path().join("0.log")).expect("it is there");
        assert_eq!(kept, rotten, "nothing was changed");
    }
}

#[test]
fn a_store_whose_only_log_is_missing_does_not_begin_without_it() {
    let folder = folder();
    let mut disk = open_by(&folder, 1);
    disk.put(Id::ZERO, record("first"));
    wait_for_file(&disk);
    disk.put(Id::ZERO, record("second"));
    drop(disk);
    for entry in std::fs::read_dir(folder.path()).expect("it is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|suffix| suffix == "log") {
            std::fs::remove_file(path).expect("it is there");
        }
    }
    let error = DiskStore::open(folder.path(), 1).expect_err("a log is missing");
    assert!(error.to_string().contains("it is missing"), "{error}");
}

#[test]
fn a_log_that_is_missing_or_torn_amid_others_is_named() {
    let folder = folder();
    let mut disk = open(&folder);
    disk.put(Id::ZERO, record("value"));
    wait(&disk);
    let (file, log) = image(&folder);
    for (what, first) in [("missing", None), ("torn", Some(&log[..log.len() - 1]))] {
        let folder = image_of(&file, &log);
        std::fs::write(folder.path().join("1.log"), b"").expect("it can be written");
        let path = folder.path().join("0.log");
        match first {
            Some(bytes) => std::fs::write(&path, bytes).expect("it can be written"),
            None => std::fs::remove_file(&path).expect("it is there"),
        }
        let error = DiskStore::open(folder.path(), 1)
            .expect_err(what)
            .to_string();
        assert!(error.contains(what) && error.contains("0.log"), "{error}");
    }
}

#[test]
fn whoever_moves_the_file_away_starts_empty() {
    let folder = folder();
    let mut disk = open(&folder);
    disk.put(Id::ZERO, record("value"));
    wait(&disk);
    let (file, log) = image(&folder);
    let image = image_of(&file, &log);
    std::fs::remove_file(image.path().join("content.redb")).expect("it is there");
    assert!(open(&image).is_empty());
}

/// A log does not grow for ever because the same few keys are written over and over again.
#[test]
fn what_is_in_the_file_is_in_no_log() {
    let folder = folder();
    let mut disk = open_by(&folder, 0);
    for number in 0..20_u8 {
        disk.put(Id::ZERO, record(&number.to_string()));
        wait_for_file(&disk);
    }
    drop(disk);
    let logs = std::fs::read_dir(folder.path()).expect("it is there");
    let logs = logs.map(|entry| entry.expect("readable").path());
    let logs: Vec<_> = logs
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "log"))
        .map(|path| std::fs::metadata(path).expect("it is there").len())
        .collect();
    assert_eq!(logs, [0]);
}

/// What a crash at this moment would leave: the file, and the only log.
fn image(folder: &TempDir) -> (Vec<u8>, Vec<u8>) {
    let read = |name| std::fs::read(folder.path().join(name)).expect("it is there");
    (read("content.redb"), read("0.log"))
}

fn image_of(file: &[u8], log: &[u8]) -> TempDir {
    let folder = self::folder();
    for (name, bytes) in [("content.redb", file), ("0.log", log)] {
        std::fs::write(folder.path().join(name), bytes).expect("it can be written");
    }
    folder
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    // Nobody may make files there, root included.
    let error = DiskStore::open(Path::new("/proc/self/fdinfo"), 1).expect_err("no folder for this");
    assert!(matches!(error, Error::Folder { .. }), "{error}");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let error = DiskStore::open(&file.path().join("data"), 1).expect_err("no folder at all");
    assert!(matches!(error, Error::Folder { .. }), "{error}");
    assert!(error.to_string().contains("--data"), "{error}");
}

#[test]
fn a_disk_that_is_full_at_the_start_is_named() {
    let folder = folder();
    let locked = Folder::lock(folder.path()).expect("a folder");
    let error = locked.open(1, |file| filling(file, 0));
    assert!(matches!(error.err(), Some(Error::Full(_))));
    drop(locked);
    open(&folder);
}

/// Whenever a disk fills up: what was durable before is there after a start with room, whole, and what
/// was performed can be read until the end of this one.
#[test]
fn a_store_whose_disk_fills_up_can_be_read_and_promises_nothing_more() {
    let rooms = (0..24).map(|step| step * 50_000);
    // Where the log fills it up, and where the file does.
    for (settle_bytes, room) in rooms.flat_map(|room| [(SETTLE_BYTES, room), (0, room)]) {
        let folder = folder();
        drop(open(&folder));
        let locked = Folder::lock(folder.path()).expect("a folder");
        let opened = locked.open(1, move |file| filling(file, room));
        let disk = match opened {
            Ok(opened) => DiskStore::start(locked, opened, settle_bytes),
            Err(error) => {
                assert!(matches!(error, Error::Full(_)), "{room}: {error}");
                continue;
            }
        };
        let (sender, durable) = mpsc::channel();
        let pairs =
            |number: u32| [0, 1].map(|half| Id::of(&[&[half], &number.to_be_bytes()[..]].concat()));
        for number in 0..200 {
            let put = pairs(number)
                .map(|key| (key, record(&"v".repeat(2000))))
                .into();
            let command = Command::Write {
                put,
                merge: Vec::new(),
                forget: Vec::new(),
                notes: Vec::new(),
            };
            assert_eq!(disk.perform(command), Outcome::Done);
            let sender = sender.clone();
            disk.sync(move |is_durable| {
                let _ = sender.send((number, is_durable));
            });
            if number % 10 == 9 {
                let everything = (number + 1) as usize * 2;
                assert_eq!(disk.len(), everything, "{room}");
                assert_eq!(count(&disk), everything, "{room}: all is read");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        wait_for_end(&disk);
        assert_eq!(count(&disk), 400, "{room}: all is read at the end");
        let is_full = disk.failure().is_some();
        drop(disk);
        drop(sender);
        let told: Vec<(u32, bool)> = durable.iter().collect();
        assert_eq!(told.len(), 200, "{room}: everyone is told one or the other");
        let promised = told.iter().filter(|(_, is_durable)| *is_durable);
        let promised: Vec<u32> = promised.map(|(number, _)| *number).collect();
        assert!(is_full || promised.len() == 200, "{room}: {promised:?}");
        let disk = open(&folder);
        for number in promised {
            for key in pairs(number) {
                assert!(disk.read(key).is_some(), "{room}: {number} was promised");
            }
        }
        for number in 0..200 {
            let [first, second] = pairs(number).map(|key| disk.read(key).is_some());
            assert_eq!(first, second, "{room}: {number} is whole or not there");
        }
        assert_eq!(disk.len(), count(&disk), "{room}: the count is right");
    }
}

#[test]
fn a_store_whose_disk_has_failed_keeps_no_more_than_there_is_room_for() {
    let folder = folder();
    drop(open(&folder));
    let locked = Folder::lock(folder.path()).expect("a folder");
    let opened = locked.open(1, |file| filling(file, 1_000_000));
    let mut disk = DiskStore::start(
        locked,
        opened.unwrap_or_else(|error| panic!("{error}")),
        SETTLE_BYTES,
    );
    let value = "v".repeat(100_000);
    for number in 0..1000_u32 {
        disk.put(Id::of(&number.to_be_bytes()), record(&value));
    }
    wait_for_end(&disk);
    assert!(disk.failure().is_some_and(|cause| !cause.is_empty()));
    assert!(disk.shared.layers().pending.bytes < writer::PENDING_BYTES_MAX + 200_000);
    let there = disk.len();
    let merge = Command::Merge([(Id::ZERO, Some(record(&value)))].into());
    assert_eq!(disk.perform(merge), Outcome::Failed, "and says so");
    assert_eq!(disk.len(), there);
    let outcome = disk.perform(Command::Discard([everything()].into()));
    assert_eq!((outcome, disk.len()), (Outcome::Done, 0), "it can forget");
    let (sender, told) = mpsc::channel();
    disk.sync(move |is_durable| sender.send(is_durable).expect("it is awaited"));
    assert_eq!(told.try_recv(), Ok(false), "nothing is durable any more");
}

/// A disk with room for so many bytes more.
#[derive(Debug)]
struct Filling {
    file: Box<dyn StorageBackend>,
    room: AtomicI64,
}

fn filling(file: Box<dyn StorageBackend>, room: i64) -> Box<dyn StorageBackend> {
    let room = AtomicI64::new(room);
    Box::new(Filling { file, room })
}

impl StorageBackend for Filling {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let length = data.len() as i64;
        let room = self.room.fetch_sub(length, Ordering::Relaxed);
        if room >= length {
            return self.file.write(offset, data);
        }
        // A part of it, as disks do.
        let part = room.clamp(0, length) as usize;
        self.file.write(offset, &data[..part])?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// A store whose every write is in the file before it is read.
struct Committed(DiskStore);

impl Store for Committed {
    fn read(&self, key: Id) -> Option<Record> {
        self.0.read(key)
    }

    fn change(
        &mut self,
        key: Id,
        change: Change,
        version: Version,
        keep_tombstone: bool,
    ) -> Changed {
        let changed = self.0.change(key, change, version, keep_tombstone);
        wait_for_file(&self.0);
        changed
    }

    fn merge(&mut self, key: Id, record: Record) {
        self.0.merge(key, record);
        wait_for_file(&self.0);
    }

    fn put(&mut self, key: Id, record: Record) {
        self.0.put(key, record);
        wait_for_file(&self.0);
    }

    fn forget(&mut self, key: Id) {
        self.0.forget(key);
        wait_for_file(&self.0);
    }

    fn scan(&self, arc: RingArc, after: Option<Id>, limit: Limit) -> Vec<(Id, Record)> {
        self.0.scan(arc, after, limit)
    }

    fn count(&self, arc: RingArc) -> usize {
        self.0.count(arc)
    }

    fn expired(&self, arc: RingArc, now_ms: u64) -> usize {
        self.0.expired(arc, now_ms)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn note(&mut self, note: Note) {
        self.0.note(note);
        wait_for_file(&self.0);
    }

    fn notes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.notes()
    }

    fn purge(&mut self, now_ms: u64) -> usize {
        let purged = self.0.purge(now_ms);
        wait_for_file(&self.0);
        purged
    }
}

fn record(text: &str) -> Record {
    Record {
        name: None,
        value: Some(text.as_bytes().into()),
        version: Version::new(1, 1),
        flags: 0,
        expires_ms: None,
    }
}

fn everything() -> RingArc {
    RingArc::WHOLE
}

fn count(disk: &DiskStore) -> usize {
    disk.count(everything())
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(folder: &TempDir) -> DiskStore {
    open_by(folder, SETTLE_BYTES)
}

fn open_by(folder: &TempDir, settle_bytes: usize) -> DiskStore {
    let opened =
        Folder::lock(folder.path()).and_then(|locked| Ok((locked.open(1, |file| file)?, locked)));
    let (opened, locked) = opened.unwrap_or_else(|error| panic!("{error}"));
    DiskStore::start(locked, opened, settle_bytes)
}

/// Waits until all is durable.
fn wait(disk: &DiskStore) {
    let (sender, receiver) = mpsc::channel();
    disk.sync(move |is_durable| {
        let _ = sender.send(is_durable);
    });
    assert_eq!(receiver.recv(), Ok(true), "the disk has room");
}

/// Waits until all is in the file.
fn wait_for_file(disk: &DiskStore) {
    let is_there = || {
        let layers = disk.shared.layers();
        layers.pending.is_empty() && layers.flying.is_none()
    };
    wait(disk);
    while !is_there() {
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Waits until all is durable, or nothing will be.
fn wait_for_end(disk: &DiskStore) {
    let (sender, receiver) = mpsc::channel();
    disk.sync(move |is_durable| {
        let _ = sender.send(is_durable);
    });
    let _ = receiver.recv();
}
