//! Doors: how clients and other nodes get in. A door turns bytes into calls of the service and back.

pub mod http;
pub mod memcached;
pub mod zeromq;
