//! Folder: where the state of one network lies, and the lock that whoever changes it must hold.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{io, process, thread};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::error::Error;
use crate::file;
use crate::network::{Network, VERSION};

/// The folder of one network. Nothing is created before it is locked.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    network: String,
}

impl Folder {
    /// The folder of `network` inside the folder `state`. Errors: [`Error::Name`].
    pub fn new(state: &Path, network: &str) -> Result<Folder, Error> {
        if !is_name(network) {
            let name = network.to_owned();
            return Err(Error::Name { name });
        }
        Ok(Folder {
            path: state.join(network),
            network: network.to_owned(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of the network.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Where the log of a process of this name lies.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// Where a process of this name writes all that happens to it, if it does.
    pub fn trace(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.trace"))
    }

    /// Where a process of this name keeps its content, if it keeps any.
    pub fn data(&self, name: &str) -> PathBuf {
        self.path.join("data").join(name)
    }

    /// Whether anything of the network is there, be it only logs.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// The network as it was last written; nothing where there is none.
    pub fn read<S: DeserializeOwned>(&self) -> Result<Option<Network<S>>, Error> {
        let file = self.network_file();
        let Some(bytes) = file::read_bytes(&file)? else {
            return Ok(None);
        };
        // The version is looked at first: a newer format may differ in everything else.
        let Format { version } = file::parse(&file, &bytes)?;
        if version > VERSION {
            let known = VERSION;
            return Err(Error::Future {
                file,
                version,
                known,
            });
        }
        file::parse(&file, &bytes).map(Some)
    }

    /// Creates the folder if need be, and waits until nobody else changes the network, at most
    /// [`LOCK_WAIT_MS_MAX`]. Errors: [`Error::Locked`].
    pub fn lock(&self) -> Result<Locked<'_>, Error> {
        let deadline = Instant::now() + Duration::from_millis(LOCK_WAIT_MS_MAX);
        let path = self.path.join("lock");
        loop {
            let logs = self.path.join("logs");
            fs::create_dir_all(&logs).map_err(|error| Error::io("create", logs, error))?;
            if let Some(lock) = self.lock_until(&path, deadline)? {
                return Ok(Locked {
                    folder: self,
                    _lock: lock,
                });
            }
        }
    }

    /// The lock; nothing if the file was removed while we waited for it: whoever comes next would
    /// lock another file of the same name.
    fn lock_until(&self, path: &Path, deadline: Instant) -> Result<Option<File>, Error> {
        let failed = |error| Error::io("lock", path, error);
        let mut options = OpenOptions::new();
        let file = match options.create(true).truncate(false).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(LOCK_POLL_MS));
                }
                Err(TryLockError::WouldBlock) => {
                    let file = path.to_owned();
                    return Err(Error::Locked { file });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        let ours = file.metadata().map_err(failed)?;
        let is_ours = fs::metadata(path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        Ok(is_ours.then_some(file))
    }

    fn network_file(&self) -> PathBuf {
        self.path.join("network.json")
    }

    fn counters_file(&self) -> PathBuf {
        self.path.join("counters.json")
    }
}

/// A folder that nobody else changes until this is dropped. Hold it for milliseconds, not for as
/// long as a node takes to join.
#[derive(Debug)]
pub struct Locked<'a> {
    folder: &'a Folder,
    /// Unlocked when closed, by the operating system too.
    _lock: File,
}

impl Locked<'_> {
    /// The network as it is now; nothing where there is none.
    pub fn read<S: DeserializeOwned>(&self) -> Result<Option<Network<S>>, Error> {
        self.folder.read()
    }

    /// Replaces the network.
    pub fn write<S: Serialize>(&self, network: &Network<S>) -> Result<(), Error> {
        file::replace(&self.folder.path, &self.folder.network_file(), network)
    }

    /// Removes the network; its counters and logs stay.
    pub fn remove(&self) -> Result<(), Error> {
        file::remove(&self.folder.path, &self.folder.network_file())
    }

    /// What was never used yet; from the beginning in a new folder.
    pub fn counters(&self) -> Result<Counters, Error> {
        let counters = file::read(&self.folder.counters_file())?;
        Ok(counters.unwrap_or_default())
    }

    /// Keeps what is used up. Do so before using it: what is lost is a number, not the order.
    pub fn keep(&self, counters: &Counters) -> Result<(), Error> {
        file::replace(&self.folder.path, &self.folder.counters_file(), counters)
    }

    /// Removes the folder with all that is in it.
    pub fn destroy(self) -> Result<(), Error> {
        let path = &self.folder.path;
        let failed = |error| Error::io("remove", path, error);
        // It moves away in one step first: whoever waits for the lock may create files by its name
        // at any moment. No network has a name that starts with a dot.
        let away = path.with_file_name(format!(".{}.{}", self.folder.network, process::id()));
        fs::rename(path, &away).map_err(failed)?;
        fs::remove_dir_all(&away).map_err(failed)
    }
}

/// The part of `network.json` that every version shares.
#[derive(Deserialize)]
struct Format {
    version: u64,
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && name.bytes().all(is_plain)
}

/// Longest name of a network: it becomes a folder, and a header of every message between nodes.
pub const NAME_BYTES_MAX: usize = 64;
/// How long to wait for a lock. Holders need milliseconds; a boot of hundreds needs seconds.
pub const LOCK_WAIT_MS_MAX: u64 = 15_000;
const LOCK_POLL_MS: u64 = 2;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder() -> (TempDir, Folder) {
        let state = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::new(state.path(), "default").expect("a good name");
        (state, folder)
    }

    fn written(text: &str) -> Result<Option<Network<()>>, Error> {
        let (_state, folder) = folder();
        fs::create_dir_all(folder.path()).expect("a folder");
        fs::write(folder.path().join("network.json"), text).expect("a file");
        folder.read()
    }

    #[test]
    fn names_are_bounded_and_stay_inside_the_folder() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in [
            "", ".", "..", "a/b", "/a", "-a", ".a", "a b", "ä", "a\0", &long,
        ] {
            let refused = Folder::new(Path::new("state"), name);
            assert!(matches!(refused, Err(Error::Name { .. })), "{name:?}");
        }
        for name in ["a", "default", "demo-17", "Lab_2.old", &long[1..]] {
            assert!(Folder::new(Path::new("state"), name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn reading_creates_nothing() {
        let (state, folder) = folder();
        assert!(folder.read::<()>().expect("readable").is_none());
        assert_eq!(fs::read_dir(state.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn what_was_written_is_read() {
        let (_state, folder) = folder();
        let locked = folder.lock().expect("free");
        let network = Network::new("default", vec!["any", "settings"]);
        locked.write(&network).expect("writable");
        let read: Network<Vec<String>> = locked.read().expect("readable").expect("there");
        assert_eq!(read.version, 1);
        assert_eq!(read.settings, network.settings);
        locked.remove().expect("removable");
        locked.remove().expect("nothing to remove is no error");
        assert!(folder.read::<()>().expect("readable").is_none());
    }

    #[test]
    fn a_replaced_file_leaves_nothing_beside_it() {
        let (_state, folder) = folder();
        let locked = folder.lock().expect("free");
        for _ in 0..3 {
            locked
                .write(&Network::new("default", ()))
                .expect("writable");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    }

    #[test]
    fn a_file_cut_short_is_named_so_at_every_length() {
        let whole = serde_json::to_string(&Network::new("default", ())).expect("JSON");
        for length in 0..whole.len() {
            let error = written(&whole[..length]).expect_err("half a file");
            assert!(matches!(error, Error::CutShort { .. }), "{error:?}");
            assert!(error.to_string().contains("network.json is cut short"));
        }
        written(&whole).expect("a whole file");
    }

    #[test]
    fn a_future_version_is_named_with_the_way_out() {
        let error = written(r#"{"version":7,"anything":"else"}"#).expect_err("unknown format");
        assert!(matches!(error, Error::Future { version: 7, .. }));
        assert!(error.to_string().contains("format version 7"), "{error}");
        assert!(error.to_string().contains("newer program"), "{error}");
    }

    #[test]
    fn other_text_is_malformed() {
        for text in ["[]", "hello", r#"{"version":1}"#, r#"{"version":"1"}"#] {
            let error = written(text).expect_err("not a network");
            assert!(matches!(error, Error::Malformed { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn a_folder_in_place_of_the_file_is_unreadable() {
        let (_state, folder) = folder();
        fs::create_dir_all(folder.path().join("network.json")).expect("a folder");
        let error = folder.read::<()>().expect_err("a folder is no file");
        assert!(matches!(error, Error::Io { action: "read", .. }), "{error}");
    }

    #[test]
    fn counters_outlive_the_network_but_not_the_folder() {
        let (_state, folder) = folder();
        let locked = folder.lock().expect("free");
        let mut counters = locked.counters().expect("a new folder");
        assert_eq!(counters.take_port(|_| true), Some(10_001));
        locked.keep(&counters).expect("writable");
        locked
            .write(&Network::new("default", ()))
            .expect("writable");
        locked.remove().expect("removable");
        assert_eq!(locked.counters().expect("readable").next_port, 10_002);
        locked.destroy().expect("removable");
        assert!(!folder.exists());
        let locked = folder.lock().expect("free");
        assert_eq!(locked.counters().expect("readable").next_port, 10_001);
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let (_state, folder) = folder();
        let locked = folder.lock().expect("free");
        let path = folder.path().join("lock");
        let refused = folder.lock_until(&path, Instant::now());
        assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
        drop(locked);
        assert!(folder.lock_until(&path, Instant::now()).is_ok());
    }

    #[test]
    fn who_waits_for_a_folder_that_is_destroyed_locks_the_new_one() {
        let (_state, folder) = folder();
        let locked = folder.lock().expect("free");
        let waiting = {
            let folder = folder.clone();
            thread::spawn(move || {
                let locked = folder.lock().expect("free at last");
                locked
                    .write(&Network::new("default", ()))
                    .expect("writable");
            })
        };
        locked.destroy().expect("removable");
        waiting.join().expect("it got the lock");
        assert!(folder.read::<()>().expect("readable").is_some());
    }
}
