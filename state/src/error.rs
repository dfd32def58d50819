//! Error: why the state of a network can't be used. Nothing was changed in any of these cases.

use std::io;
use std::path::PathBuf;

/// Why the state of a network can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name can't be a folder of its own inside the state folder.
    #[error(
        "`{name}` is no name for a network: 1 to 64 letters, digits, `.`, `_` or `-`, \
         not starting with `.` or `-`"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The file ends in the middle: something other than this program wrote or copied it.
    #[error(
        "{} is cut short: put a whole copy back, or end its node processes by hand and remove \
         the file", file.display()
    )]
    CutShort {
        /// Which file.
        file: PathBuf,
    },
    /// The file's format is newer than what this program knows.
    #[error(
        "{} has format version {version}, and this program knows version {known}: use the newer \
         program that wrote it, or end the network with that one first", file.display()
    )]
    Future {
        /// Which file.
        file: PathBuf,
        /// The version it has.
        version: u64,
        /// The version this program knows.
        known: u64,
    },
    /// The file is whole JSON or text, but not what should stand there.
    #[error(
        "{} is not what this program writes ({reason}): put a good copy back, or end its node \
         processes by hand and remove the file", file.display()
    )]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", file.display())]
    Io {
        /// What was tried, as in "cannot {action} {file}".
        action: &'static str,
        /// With which file or folder.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Someone else has been changing the network for too long.
    #[error("{} is held by another command: try again when it has ended", file.display())]
    Locked {
        /// The lock file.
        file: PathBuf,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, file: impl Into<PathBuf>, source: io::Error) -> Error {
        let file = file.into();
        Error::Io {
            action,
            file,
            source,
        }
    }
}
