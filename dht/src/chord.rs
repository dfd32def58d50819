//! Chord: the maintenance of the ring, one exchange per file.
//!
//! No published Chord was correct; this is the version that Zave proved (*Reasoning about
//! Identifier Spaces: How to Make Chord Correct*, IEEE TSE 2017, with the erratum of 2018). What it
//! rests on, wherever this code is touched:
//! - a ring starts ideal, and a joiner takes over its predecessor's whole successor list;
//! - a pointer is adopted only from, or after, an answer of the node it points to;
//! - whenever a dead successor is dropped, the next one is notified;
//! - the predecessor is never forgotten, only replaced;
//! - while a node's own exchange is open it answers Busy, for its pointers are undefined then;
//! - a node that comes back comes under a new incarnation, so that old pointers to it stay dead.

pub(crate) mod check;
pub(crate) mod failure;
pub(crate) mod fingers;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod newcomers;
pub(crate) mod rectify;
pub(crate) mod reunion;
pub(crate) mod stabilize;
