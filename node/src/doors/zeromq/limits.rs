//! Limits: how much one client of ZeroMQ, and all of them together, may take of this node.

use std::time::Duration;

/// Bytes of a key, as at the HTTP door: it is the same item.
pub(super) const KEY_BYTES_MAX: usize = 1024;

/// Bytes of a value as it is kept, as at the HTTP door.
pub(super) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a frame: a value of the largest size in the longest form that JSON has for it (`\u0001`), and some
/// room for what is too large to be told so. A larger one ends the connection when it is announced.
pub(super) const FRAME_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Bytes of all frames of a message: the request, and who has passed it on.
pub(super) const MESSAGE_BYTES_MAX: u64 = FRAME_BYTES_MAX + 64 * 1024;

/// Frames of a message: the request, the delimiter, and who has passed it on.
pub(super) const FRAMES_MAX: usize = 32;

/// Connections at a time of clients that come by themselves, each with one request under way. Each may hold a frame and
/// an answer of the largest size, some 20 MiB, so these are 5 GiB if all of them mean harm. One ZeroMQ socket of a
/// client makes one connection.
pub(super) const CONNECTIONS_MAX: usize = 256;

/// A connection, and both ends of the one from the gate to its socket.
pub(super) const FILES_PER_CONNECTION: usize = 3;

/// Items of a page.
pub(super) const PAGE_RECORDS_MAX: usize = 1000;

/// Bytes of a page, as they are kept; a single item may be larger.
pub(super) const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Items of an answer to GET_ALL without a limit.
pub(super) const ALL_RECORDS_MAX: usize = 10_000;

/// Bytes of an answer to GET_ALL without a limit, as they are kept.
pub(super) const ALL_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that are passed on at a time.
pub(super) const PASSED_BYTES: usize = 16 * 1024;

/// How long a client that has sent half a message, or half a greeting, may be silent.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a client may take none of its answers.
pub(super) const UNREAD_MAX: Duration = Duration::from_secs(60);

/// How long it may take until a client that listens is connected.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Between two attempts to connect to a client that listens: first, and at most.
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(50);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Before the next client is let in, where one could not be.
pub(super) const PAUSE_ACCEPT: Duration = Duration::from_millis(100);
