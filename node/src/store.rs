//! Store: the engines that keep content where it outlives the process. The one in memory is
//! [`dht::store::Memory`].

pub mod disk;

pub use self::disk::DiskStore;
