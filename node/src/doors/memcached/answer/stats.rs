//! Stats: figures of this node and of this door, under the names that memcached's tools know.

use super::super::Shared;
use super::super::counts::HitsAndMisses;
use super::super::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::super::output::Output;
use super::super::refusal::Refusal;
use crate::clock::now_ms;

pub(super) fn stats(shared: &Shared, kind: &[u8], output: &mut Output<'_>) {
    match kind {
        b"" => general(shared, output),
        b"settings" => settings(shared, output),
        // There are no slabs here, and nothing is sorted by size.
        b"items" | b"slabs" | b"sizes" | b"conns" => {}
        b"reset" => {
            shared.counts.reset();
            return output.push(b"RESET\r\n");
        }
        _ => return output.refuse(Refusal::Unknown),
    }
    output.push(b"END\r\n");
}

fn general(shared: &Shared, output: &mut Output<'_>) {
    let counts = &shared.counts;
    let (node, now_ms) = (&shared.node, now_ms());
    let items = node.driver().content().count(&node.shows(), now_ms);
    let connections = &counts.connections;
    number(output, "pid", std::process::id().into());
    number(output, "uptime", counts.since.elapsed().as_secs());
    number(output, "time", now_ms / 1000);
    text(output, "version", env!("CARGO_PKG_VERSION"));
    number(output, "pointer_size", usize::BITS.into());
    number(output, "curr_items", items as u64);
    number(output, "max_connections", shared.connections_max as u64);
    number(output, "curr_connections", connections.open());
    number(output, "total_connections", connections.total.read());
    number(output, "rejected_connections", connections.rejected.read());
    let HitsAndMisses { hits, misses } = &counts.get;
    number(output, "cmd_get", hits.read() + misses.read());
    number(output, "cmd_set", counts.set.read());
    number(output, "cmd_flush", counts.flush.read());
    let HitsAndMisses { hits, misses } = &counts.touch;
    number(output, "cmd_touch", hits.read() + misses.read());
    for (name, pair) in [
        ("get", &counts.get),
        ("delete", &counts.delete),
        ("incr", &counts.incr),
        ("decr", &counts.decr),
        ("cas", &counts.cas),
        ("touch", &counts.touch),
    ] {
        number(output, &format!("{name}_hits"), pair.hits.read());
        number(output, &format!("{name}_misses"), pair.misses.read());
    }
    number(output, "cas_badval", counts.cas_badval.read());
}

fn settings(shared: &Shared, output: &mut Output<'_>) {
    number(output, "maxconns", shared.connections_max as u64);
    number(output, "item_size_max", VALUE_BYTES_MAX as u64);
    number(output, "key_size_max", KEY_BYTES_MAX as u64);
    text(output, "cas_enabled", "yes");
    text(output, "flush_enabled", "yes");
    text(output, "binding_protocol", "ascii");
}

fn number(output: &mut Output<'_>, name: &str, number: u64) {
    text(output, name, itoa::Buffer::new().format(number));
}

fn text(output: &mut Output<'_>, name: &str, text: &str) {
    for part in ["STAT ", name, " ", text, "\r\n"] {
        output.push(part.as_bytes());
    }
}
