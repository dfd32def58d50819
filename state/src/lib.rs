//! The state of a network of node processes: which processes run where, kept as JSON.
//!
//! ```text
//! <state>/<network>/network.json    the network: its settings and its processes
//!                   counters.json   the next port and incarnation; they never go backwards
//!                   lock            held by whoever changes one of the two
//!                   logs/           one file a process
//! ```
//!
//! A file is never half there: it is written beside its place, forced to the disk, and moved. So
//! reading needs no lock; changing does, and [`Folder::lock`] gives the only hand that can write.
//!
//! ```
//! use dht_state::{Folder, Network};
//!
//! let state = tempfile::tempdir()?;
//! let folder = Folder::new(state.path(), "default")?;
//! assert!(folder.read::<()>()?.is_none());
//!
//! let locked = folder.lock()?;
//! locked.write(&Network::new("default", ()))?;
//! assert_eq!(folder.read::<()>()?.expect("it is there").processes.len(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counters;
mod error;
mod file;
mod folder;
mod network;
mod process;

pub use counters::{Counters, INCARNATION_FIRST, PORT_FIRST};
pub use error::Error;
pub use folder::{Folder, LOCK_WAIT_MS_MAX, Locked, NAME_BYTES_MAX};
pub use network::{Network, VERSION};
pub use process::{Process, Started};
