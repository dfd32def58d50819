//! Lab: the requests that the lab knows, and those that nodes ask each other in the open.

pub(crate) mod content;
pub(crate) mod find;
pub(crate) mod here;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod lookup;
pub(crate) mod nodeinfo;
pub(crate) mod pointers;
pub(crate) mod store;
