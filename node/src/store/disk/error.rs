//! Error: why a store can't be opened, and what to do about it.

use std::io;
use std::path::PathBuf;

use redb::{DatabaseError, StorageError, TableError};

/// Why a store can't be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder can't be made or written.
    #[error(
        "the data folder {folder:?} can't be written: {cause}; let this user write there, or name \
         another folder by `--data`"
    )]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Another process has it.
    #[error(
        "the data folder {0:?} is in use by another process; end that node, or name another folder \
         by `--data`"
    )]
    InUse(PathBuf),
    /// There is no room.
    #[error("the disk of the data folder {0:?} is full; free some space and start again")]
    Full(PathBuf),
    /// The file is not as it was left.
    #[error(
        "{file:?} is damaged or no store of a node ({cause}); put back a good copy of its whole folder, or move \
         it away to start empty: replicas bring back what they hold"
    )]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The file is of another version of this program.
    #[error(
        "{file:?} has format {found}, and this program writes format {known}; start the version that made \
         it, or move it away to start empty"
    )]
    Format {
        /// Which.
        file: PathBuf,
        /// Its format.
        found: u64,
        /// Ours.
        known: u64,
    },
}

/// What went wrong inside, before it is known which file it was.
#[derive(Debug)]
pub(super) enum Cause {
    Io(io::Error),
    Damaged(String),
    Format(u64),
}

impl Cause {
    /// In the words for whoever started the node.
    pub(super) fn of(self, folder: &std::path::Path, file: PathBuf) -> Error {
        match self {
            Cause::Io(cause) => Error::of_io(folder, file, cause),
            Cause::Damaged(cause) => Error::Damaged { file, cause },
            Cause::Format(found) => Error::Format {
                file,
                found,
                known: super::table::FORMAT,
            },
        }
    }
}

impl Error {
    fn of_io(folder: &std::path::Path, file: PathBuf, cause: io::Error) -> Error {
        use io::ErrorKind::{InvalidData, QuotaExceeded, StorageFull, UnexpectedEof};
        match cause.kind() {
            StorageFull | QuotaExceeded => Error::Full(folder.to_owned()),
            InvalidData | UnexpectedEof => {
                let cause = cause.to_string();
                Error::Damaged { file, cause }
            }
            _ => {
                let folder = folder.to_owned();
                Error::Folder { folder, cause }
            }
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Cause {
        Cause::Io(error)
    }
}

impl From<StorageError> for Cause {
    fn from(error: StorageError) -> Cause {
        match error {
            StorageError::Io(error) => Cause::Io(error),
            other => Cause::Damaged(other.to_string()),
        }
    }
}

impl From<DatabaseError> for Cause {
    fn from(error: DatabaseError) -> Cause {
        match error {
            DatabaseError::Storage(error) => error.into(),
            other => Cause::Damaged(other.to_string()),
        }
    }
}

impl From<TableError> for Cause {
    fn from(error: TableError) -> Cause {
        match error {
            TableError::Storage(error) => error.into(),
            other => Cause::Damaged(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for Cause {
    fn from(error: redb::TransactionError) -> Cause {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            other => Cause::Damaged(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for Cause {
    fn from(error: redb::CommitError) -> Cause {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            other => Cause::Damaged(other.to_string()),
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Io(error) => error.fmt(f),
            Cause::Damaged(text) => f.write_str(text),
            Cause::Format(found) => write!(f, "format {found}"),
        }
    }
}
