//! Limits: how much one client, and all of them together, may take of this node.

use std::time::Duration;

/// Bytes of a key: what memcached takes, and clients check.
pub(super) const KEY_BYTES_MAX: usize = 250;

/// Bytes of a value: the same as at the HTTP door, for it is the same item.
pub(super) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that a storage command may announce. As many are read and thrown away, so that the client learns that
/// they are too many; beyond it memcached takes the number for nonsense, too.
pub(super) const ANNOUNCED_BYTES_MAX: usize = i32::MAX as usize - 2;

/// Bytes of a line, its end not counted: as many as memcached waits for.
pub(super) const LINE_BYTES_MAX: usize = 2048;

/// Bytes of a line that names many keys: 4,000 of the longest ones.
pub(super) const KEYS_LINE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a client's own mark on a meta command.
pub(super) const OPAQUE_BYTES_MAX: usize = 32;

/// Connections at a time. Each takes a few kilobytes while it is idle.
pub(super) const CONNECTIONS_MAX: usize = 4096;

/// Bytes that all clients together may hold of requests that are half there: 127 of the largest values.
pub(super) const HALF_SENT_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Bytes of half a request that do not count, since each connection may take as many to read.
pub(super) const FREE_BYTES: usize = 64 * 1024;

/// Bytes that are read at a time from a client that sends little, and from one that sends much.
pub(super) const READ_BYTES: std::ops::RangeInclusive<usize> = 2 * 1024..=64 * 1024;

/// Bytes of answers that gather before they are written, whatever else the client has asked for: one that does
/// not read them is not read from any more.
pub(super) const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Values from this size on are written from where they are, without being copied to the other answers.
pub(super) const COPIED_BYTES_MAX: usize = 16 * 1024;

/// How long a client that has sent half a request may be silent.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a client may take none of its answers.
pub(super) const UNREAD_MAX: Duration = Duration::from_secs(60);

/// Reads of one client that are under way at a time, where other nodes answer. Each may bring a large value.
pub(super) const READS_MAX: usize = 16;

/// Times that an item is read to be changed, where others are always faster.
pub(super) const TRIES_MAX: usize = 256;

/// Deletes that are under way at a time while everything is deleted.
pub(super) const DELETES_MAX: usize = 64;

/// Times that all nodes are gone through, where there was something to delete the time before.
pub(super) const ROUNDS_MAX: usize = 4;
