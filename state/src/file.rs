//! Reading and replacing one JSON file.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use crate::error::Error;

/// What stands in `file`; nothing where there is no such file.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, Error> {
    match read_bytes(file)? {
        Some(bytes) => parse(file, &bytes).map(Some),
        None => Ok(None),
    }
}

/// The bytes of `file`; nothing where there is no such file.
pub(crate) fn read_bytes(file: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", file, error)),
    }
}

/// What the bytes of `file` say.
pub(crate) fn parse<T: DeserializeOwned>(file: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|reason| {
        let file = file.to_owned();
        if reason.is_eof() {
            Error::CutShort { file }
        } else {
            Error::Malformed { file, reason }
        }
    })
}

/// Replaces `file` in `folder`, so that whoever reads it finds the old text or the new one, whole,
/// also after the machine lost its power.
pub(crate) fn replace<T: Serialize>(folder: &Path, file: &Path, value: &T) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data becomes JSON");
    text.push(b'\n');
    let failed = |error| Error::io("write", file, error);
    let mut beside = NamedTempFile::new_in(folder).map_err(failed)?;
    beside.write_all(&text).map_err(failed)?;
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(file).map_err(|error| failed(error.error))?;
    sync(folder)
}

/// Removes `file` from `folder`, for good also after the machine lost its power.
pub(crate) fn remove(folder: &Path, file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Ok(()) => sync(folder),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove", file, error)),
    }
}

fn sync(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::io("write", folder, error))
}
