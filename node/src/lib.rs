//! One node of the distributed hash table as a process.
pub mod cli;
pub use cli::{Args, run};
