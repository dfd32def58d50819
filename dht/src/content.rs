//! Content: who serves what, and how it moves.
//!
//! What a node serves is a variable of its own. The ring's pointers say what it *should* serve, and
//! [`reconcile`] brings the two together, only ever by a completed handover or takeover.

pub(crate) mod carry;
pub(crate) mod claim;
pub(crate) mod coordinate;
pub(crate) mod failed;
pub(crate) mod give;
pub(crate) mod reconcile;
pub(crate) mod serve;
pub(crate) mod take;
