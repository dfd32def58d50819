//! Delete: an item is to go.

use dht::record::{Changed, Condition};

use super::super::Shared;
use super::super::item;
use super::super::output::Output;
use super::super::request::Delete;
use super::say;

pub(super) async fn delete(shared: &Shared, delete: &Delete, output: &mut Output<'_>) {
    let changed = item::delete(&shared.node, &delete.key, Condition::Always).await;
    if let Ok(changed) = changed {
        shared.counts.delete.up(changed == Changed::Deleted);
    }
    let words = changed.map(|changed| match changed {
        Changed::Deleted => &b"DELETED\r\n"[..],
        _ => b"NOT_FOUND\r\n",
    });
    say(output, delete.quiet, words);
}
