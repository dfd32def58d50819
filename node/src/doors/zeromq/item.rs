//! Item: a value as it is kept, and as clients of ZeroMQ see it.
//!
//! A string is kept as its bytes, so that every door shows the same; any other value as its JSON text, with a
//! mark beside it. The mark goes where somebody else writes the item anew; where it is left and the bytes are no
//! JSON any more, they are shown as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dht::record::Record;
use serde::Serialize;
use serde_json::value::RawValue;

/// A value that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is a string.
    Text(String),
    /// It is something else, and this is its JSON.
    Json(String),
}

impl Kept {
    pub(super) fn text(&self) -> &str {
        let (Kept::Text(text) | Kept::Json(text)) = self;
        text
    }

    /// What stands beside it.
    pub(super) fn flags(&self) -> u64 {
        match self {
            Kept::Text(_) => 0,
            Kept::Json(_) => JSON,
        }
    }
}

/// A key and its value, as they are sent.
#[derive(Debug, Serialize)]
pub(super) struct Item<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Shown<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Shown<'r> {
    Text(&'r str),
    Json(&'r RawValue),
    /// There is none.
    Null(()),
}

impl<'r> Item<'r> {
    /// What is under a key, if there is something.
    pub(super) fn new(key: &'r [u8], record: Option<&'r Record>) -> Item<'r> {
        let (key, key_base64) = text(key);
        let Some(record) = record else {
            return Item {
                key,
                key_base64,
                value: Some(Shown::Null(())),
                value_base64: None,
            };
        };
        let bytes = record.value.as_deref().unwrap_or_default();
        let (value, value_base64) = text(bytes);
        let json = (record.flags & JSON != 0).then(|| serde_json::from_slice(bytes).ok());
        let json = json.flatten().map(Shown::Json);
        Item {
            key,
            key_base64,
            value: json.or(value.map(Shown::Text)),
            value_base64,
        }
    }
}

/// Bytes as text, or else in base64.
fn text(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

/// The value is the JSON text of what was put. The 34 bits below belong to memcached's clients and its door.
const JSON: u64 = 1 << 34;

#[cfg(test)]
mod tests {
    use dht::record::Version;
    use serde_json::json;

    use super::*;

    fn shown(value: &[u8], flags: u64) -> String {
        let record = Record {
            name: None,
            value: Some(value.into()),
            version: Version::new(1, 1),
            flags,
            expires_ms: None,
        };
        serde_json::to_string(&Item::new(b"k", Some(&record))).expect("plain data")
    }

    #[test]
    fn a_value_comes_back_as_what_it_was() {
        for (kept, expected) in [
            (Kept::Text("1".into()), r#"{"key":"k","value":"1"}"#),
            (Kept::Json("1".into()), r#"{"key":"k","value":1}"#),
            (Kept::Json("1.50".into()), r#"{"key":"k","value":1.50}"#),
            (Kept::Json("[1, 2]".into()), r#"{"key":"k","value":[1, 2]}"#),
        ] {
            assert_eq!(shown(kept.text().as_bytes(), kept.flags()), expected);
        }
    }

    #[test]
    fn what_was_json_and_is_none_any_more_is_text() {
        assert_eq!(shown(b"1x", JSON), r#"{"key":"k","value":"1x"}"#);
        assert_eq!(shown(b"", JSON), r#"{"key":"k","value":""}"#);
    }

    #[test]
    fn bytes_that_are_no_text_are_in_base64_and_nothing_is_null() {
        assert_eq!(shown(b"\xff", 0), r#"{"key":"k","value_base64":"/w=="}"#);
        assert_eq!(shown(b"\xff", JSON), r#"{"key":"k","value_base64":"/w=="}"#);
        let item = serde_json::to_value(Item::new(b"\xff", None)).expect("plain data");
        assert_eq!(item, json!({"key_base64": "/w==", "value": null}));
    }
}
