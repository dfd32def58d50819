//! Store: the engines that keep content outside the process. The one in memory is [`dht::store::Memory`].

pub mod disk;
pub mod memcached;
#[cfg(test)]
#[expect(unreachable_pub, reason = "integration tests use it as well")]
mod random;

pub use self::disk::DiskStore;
pub use self::memcached::MemcachedStore;
