//! Json: how things look in answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dht::event::Hop;
use dht::message::LinkKind;
use serde_json::{Map, Value, json};

use crate::{Address, Path, Peer};

/// The nodes that a lookup asked.
pub(crate) fn path_json(path: &Path) -> Value {
    let hop = |hop: &Hop<Address>| json!({"node": hop.node, "micros": hop.micros, "ok": hop.ok, "why": why(hop.why)});
    path.iter().map(hop).collect()
}

/// Nodes asked after the first, the owner included, failed ones not.
pub(crate) fn hops(path: &Path) -> usize {
    path.iter().filter(|hop| hop.ok).count().saturating_sub(1)
}

/// The node that answered in the end.
pub(crate) fn owner(path: &Path) -> Option<Peer> {
    let last = path.iter().rev().find(|hop| hop.ok);
    last.map(|hop| hop.node)
}

/// Bytes as a field: a string where they are UTF-8, or else base64 under another name.
pub(crate) fn put_bytes(fields: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match str::from_utf8(bytes) {
        Ok(text) => fields.insert(name.to_owned(), text.into()),
        Err(_) => fields.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

fn why(kind: LinkKind) -> String {
    match kind {
        LinkKind::Start => "start".to_owned(),
        LinkKind::Successor(1) => "successor".to_owned(),
        LinkKind::Successor(place) => format!("successor list {place}"),
        LinkKind::Finger(exponent) => format!("finger 2^{exponent}"),
        LinkKind::Owner => "owner".to_owned(),
        LinkKind::Hint => "hint".to_owned(),
    }
}
