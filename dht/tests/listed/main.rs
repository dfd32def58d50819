//! Networks of listed members: small ones, in virtual time.

#![allow(
    clippy::allow_attributes,
    unreachable_pub,
    reason = "the modules of a test are its own"
)]

mod changes;
mod lapses;
mod losses;
mod network;
mod storms;
