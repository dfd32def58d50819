//! Disk: what the engine on disk takes: writes a second by how many wait at once, bytes on disk and bytes
//! written for a million keys, and how long it takes to open them, after an end and after a crash.
//!
//! `cargo bench -p node --bench disk [-- KEYS]`; it writes into a temporary folder (`TMPDIR`), which should
//! lie on the disk that is meant.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command as Process, ExitCode};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use dht::Id;
use dht::record::{Change, Condition, Version};
use dht::store::{Command, Store as _};
use node::store::DiskStore;

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let number = |argument: String| argument.parse().ok();
    let keys = env::args().skip(1).find_map(number).unwrap_or(1_000_000);
    let result = match env::var_os(VICTIM) {
        // This very program, started again, is the one that is killed.
        Some(folder) => fill(Path::new(&folder), keys),
        None => measure(keys),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(keys: u32) -> Anything<()> {
    for writers in [1, 16, 256] {
        let folder = tempfile::tempdir()?;
        let disk = DiskStore::open(folder.path(), 1)?;
        let (puts, seconds) = synced(&disk, writers);
        println!(
            "{writers:>3} writers: {:>7.0} durable puts a second of 100 bytes",
            f64::from(puts) / seconds
        );
    }
    let folder = tempfile::tempdir()?;
    let victim = Process::new(env::current_exe()?)
        .arg(keys.to_string())
        .env(VICTIM, folder.path())
        .status()?;
    // It ends by a signal that it sends to itself.
    if victim.code().is_some() {
        return Err("the process that fills the store has failed".into());
    }
    let disk = opened("after a crash", folder.path())?;
    let began = Instant::now();
    let count = disk.count(dht::Arc::WHOLE);
    println!(
        "to count {count} values one by one: {:.0?}",
        began.elapsed()
    );
    let began = Instant::now();
    for number in 0..READS {
        // A step that has no factor in common with a round number of keys.
        let number = (u64::from(number) * 7_919 % u64::from(keys)) as u32;
        disk.read(key(number)).ok_or("a key is not there")?;
    }
    let reads = f64::from(READS) / began.elapsed().as_secs_f64();
    println!("{reads:.0} reads a second by one thread, here and there");
    println!("memory: {}", memory()?);
    drop(disk);
    opened("after an end", folder.path())?;
    Ok(())
}

/// Puts for a while, with so many that wait to be durable at any time. Returns how many, and the seconds.
fn synced(disk: &DiskStore, writers: u32) -> (u32, f64) {
    let (sender, durable) = mpsc::channel();
    let (began, mut puts) = (Instant::now(), 0);
    let mut put = || {
        disk.perform(write(puts));
        let sender = sender.clone();
        disk.sync(move |_| {
            let _ = sender.send(());
        });
        puts += 1;
    };
    (0..writers).for_each(|_| put());
    while began.elapsed() < Duration::from_secs(3) {
        durable.recv().expect("the disk has room");
        put();
    }
    (0..writers).for_each(|_| durable.recv().expect("the disk has room"));
    (puts, began.elapsed().as_secs_f64())
}

/// Fills a store, says what that took, and ends by a signal.
fn fill(folder: &Path, keys: u32) -> Anything<()> {
    let disk = DiskStore::open(folder, 1)?;
    let before = written()?;
    let (began, (sender, durable)) = (Instant::now(), mpsc::channel());
    for number in 0..keys {
        disk.perform(write(number));
        // As many wait at once as under a heavy load.
        if number % 256 == 255 {
            let sender = sender.clone();
            disk.sync(move |_| {
                let _ = sender.send(());
            });
            durable.recv()?;
        }
    }
    disk.sync(move |_| drop(sender));
    let _ = durable.recv();
    let seconds = began.elapsed().as_secs_f64();
    let bytes = fs::metadata(folder.join("content.redb"))?.len();
    let payload = u64::from(keys) * (VALUE as u64 + Id::BYTES as u64);
    println!(
        "{keys} keys of 100 bytes by 256: {seconds:.1} s, {} MB on disk, {:.1} bytes written for each of \
         payload",
        bytes / 1_000_000,
        (written()? - before) as f64 / payload as f64,
    );
    println!("memory: {}", memory()?);
    let me = std::process::id().to_string();
    Process::new("kill").args(["-KILL", &me]).status()?;
    Err("it is still alive".into())
}

fn opened(when: &str, folder: &Path) -> Anything<DiskStore> {
    let began = Instant::now();
    let disk = DiskStore::open(folder, 1)?;
    println!("{} keys opened {when}: {:.1?}", disk.len(), began.elapsed());
    Ok(disk)
}

fn write(number: u32) -> Command {
    Command::Change {
        key: key(number),
        change: Change {
            name: None,
            value: Some([7; VALUE][..].into()),
            condition: Condition::Always,
            flags: 0,
            expires_ms: None,
            now_ms: 0,
        },
        version: Version::new(1, number),
        tombstone: false,
        note: None,
    }
}

fn key(number: u32) -> Id {
    Id::of(&number.to_be_bytes())
}

/// What this process has written so far, in bytes.
fn written() -> Anything<u64> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line.ok_or("no such line")?.trim().parse()?)
}

fn memory() -> Anything<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.ok_or("no such line")?.trim().to_owned())
}

const VICTIM: &str = "DHT_DISK_BENCH";
const VALUE: usize = 100;
const READS: u32 = 200_000;
