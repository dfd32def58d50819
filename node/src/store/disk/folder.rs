//! Folder: where a store lies. `lock` is locked by the process that has it, `content.redb` holds everything but
//! what stands in the logs, `0.log` and so on.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend};

use super::error::{Cause, Error};
use super::file::{DataFile, Trouble};
use super::layers::Layers;
use super::log::{self, Disk, Log};
use super::table::{self, About, Committed};

/// A folder that no other process has.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// A store as it is found.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) trouble: Arc<Trouble>,
    pub(super) layers: Layers,
    pub(super) log: Log,
    /// Of the store.
    pub(super) number: u32,
}

impl Folder {
    /// Makes the folder if need be, and takes it.
    pub(super) fn lock(path: &Path) -> Result<Folder, Error> {
        let refuse = |cause: std::io::Error| Cause::Io(cause).of(path, path.to_owned());
        fs::create_dir_all(path).map_err(refuse)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true);
        let lock = lock.open(path.join("lock")).map_err(refuse)?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => Err(refuse(cause)),
        }
    }

    /// Opens what is in it, or makes a new store with this number. `disk` may stand between the store and its
    /// file.
    pub(super) fn open(
        &self,
        number: u32,
        disk: impl Fn(Box<dyn StorageBackend>) -> Box<dyn StorageBackend> + Send + Sync + 'static,
    ) -> Result<Opened, Error> {
        let path = self.path.join(FILE);
        let disk: Disk = Arc::new(disk);
        let found = if path.exists() {
            open(&path, &disk)
        } else {
            self.create(&path, number, &disk)
        };
        let found = found.map_err(|cause| cause.of(&self.path, path))?;
        let About {
            values,
            number,
            log,
        } = found.about;
        let mut layers = Layers::new(found.committed, values);
        let log = Log::open(&self.path, log, disk, &mut layers);
        let log = log.map_err(|(cause, file)| cause.of(&self.path, file))?;
        found.trouble.arm();
        Ok(Opened {
            database: found.database,
            trouble: found.trouble,
            layers,
            log,
            number,
        })
    }

    /// A new store gets its name once it is whole, so that one that has the name is.
    fn create(&self, path: &Path, number: u32, disk: &Disk) -> Result<Found, Cause> {
        // Whoever has moved the file away starts empty.
        log::forget(&self.path, u64::MAX);
        let draft = self.path.join(FILE).with_extension("new");
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).read(true).write(true);
        let (database, trouble) = database(file.open(&draft)?, disk)?;
        table::begin(&database, number)?;
        fs::rename(&draft, path)?;
        File::open(&self.path)?.sync_all()?;
        found(database, trouble)
    }
}

/// A file as it is found.
struct Found {
    database: Database,
    trouble: Arc<Trouble>,
    committed: Committed,
    about: About,
}

fn open(path: &Path, disk: &Disk) -> Result<Found, Cause> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // To redb an empty file is a new one.
    if file.metadata()?.len() == 0 {
        return Err(Cause::Damaged("it is empty".to_owned()));
    }
    let (database, trouble) = database(file, disk)?;
    found(database, trouble)
}

fn database(file: File, disk: &Disk) -> Result<(Database, Arc<Trouble>), Cause> {
    let (file, trouble) = DataFile::new(disk(Box::new(FileBackend::new(file)?)));
    let mut builder = Builder::new();
    let database = builder.set_cache_size(CACHE_BYTES);
    Ok((database.create_with_backend(file)?, trouble))
}

fn found(database: Database, trouble: Arc<Trouble>) -> Result<Found, Cause> {
    let about = table::about(&database)?;
    let committed = Committed::open(&database)?;
    Ok(Found {
        database,
        trouble,
        committed,
        about,
    })
}

const FILE: &str = "content.redb";

/// What redb may keep in memory. The system keeps the rest of the file there as it sees fit.
const CACHE_BYTES: usize = 4 * 1024 * 1024;
