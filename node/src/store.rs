//! Store: the engines that keep content where it outlives the process. The one in memory is
//! [`dht::store::Memory`].

pub mod disk;
#[cfg(test)]
#[expect(unreachable_pub, reason = "integration tests use it as well")]
mod random;

pub use self::disk::DiskStore;
