//! Request: what a client of ZeroMQ wants, read from the frames of its message. A pure function, which takes
//! any bytes whatsoever.

use dht::Id;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::item::Kept;
use super::limits::{KEY_BYTES_MAX, PAGE_RECORDS_MAX, VALUE_BYTES_MAX};
use super::refusal::Refusal;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A value is to be put under a key.
    Put { key: String, value: Kept },
    /// The value under a key.
    GetOne { key: String },
    /// All that this node holds.
    GetAll,
    /// Some of it: up to `limit` items after an identifier.
    GetPage { after: Option<Id>, limit: usize },
    /// A key is to go.
    Delete { key: String },
}

/// The object as it is sent. What else stands in it is of no interest.
#[derive(Deserialize)]
struct Object<'b> {
    op: Option<Value>,
    key: Option<Value>,
    #[serde(borrow)]
    value: Option<&'b RawValue>,
    limit: Option<Value>,
    after: Option<Value>,
}

/// Reads a message. Errors: it is no request; nothing is to be done.
pub(super) fn parse<B: AsRef<[u8]>>(frames: &[B]) -> Result<Request, Refusal> {
    let [frame] = frames else {
        return Err(Refusal::frames(frames.len()));
    };
    // All of it, also what is of no interest.
    let text = str::from_utf8(frame.as_ref()).map_err(|_| Refusal::no_text())?;
    let object: Object<'_> =
        serde_json::from_str(text).map_err(|error| Refusal::json_error(&error))?;
    match object.op.as_ref().ok_or_else(Refusal::no_op)?.as_str() {
        Some("PUT") => Ok(Request::Put {
            key: key(object.key)?,
            value: value(object.value)?,
        }),
        Some("GET_ONE") => Ok(Request::GetOne {
            key: key(object.key)?,
        }),
        Some("GET_ALL") => all(object.limit, object.after),
        Some("DELETE") => Ok(Request::Delete {
            key: key(object.key)?,
        }),
        _ => Err(Refusal::unknown_op()),
    }
}

fn key(key: Option<Value>) -> Result<String, Refusal> {
    match key {
        None => Err(Refusal::no_key()),
        Some(Value::String(key)) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(key),
        Some(_) => Err(Refusal::bad_key()),
    }
}

fn value(value: Option<&RawValue>) -> Result<Kept, Refusal> {
    let text = value.ok_or_else(Refusal::no_value)?.get();
    // Read to its depth, so that nobody is shown later what few can read: half a character, or what is nested
    // a thousand times.
    let read = serde_json::from_str(text).map_err(|error| Refusal::json_error(&error))?;
    let kept = match read {
        Value::String(string) => Kept::Text(string),
        _ => Kept::Json(text.to_owned()),
    };
    match kept.text().len() <= VALUE_BYTES_MAX {
        true => Ok(kept),
        false => Err(Refusal::too_large()),
    }
}

/// Everything, unless it is said how much, or after what.
fn all(limit: Option<Value>, after: Option<Value>) -> Result<Request, Refusal> {
    if limit.is_none() && after.is_none() {
        return Ok(Request::GetAll);
    }
    let limit = match limit {
        None => PAGE_RECORDS_MAX,
        Some(limit) => {
            let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
            let limit = limit.filter(|limit| (1..=PAGE_RECORDS_MAX).contains(limit));
            limit.ok_or_else(Refusal::bad_limit)?
        }
    };
    let after = after.map(|after| {
        let id = after.as_str().and_then(|text| text.parse().ok());
        id.ok_or_else(Refusal::bad_after)
    });
    let after = after.transpose()?;
    Ok(Request::GetPage { after, limit })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Result<Request, Refusal> {
        parse(&[text])
    }

    fn code(text: &str) -> &'static str {
        parsed(text).expect_err(text).code
    }

    #[test]
    fn the_four_requests_are_those_of_the_contract() {
        let key = || "k".to_owned();
        let put = |value| Request::Put { key: key(), value };
        for (text, expected) in [
            (
                r#"{"op":"PUT","key":"k","value":"v"}"#,
                put(Kept::Text("v".into())),
            ),
            (
                r#"{ "value" : "\u00e4\n", "key" : "\u006b", "op" : "PUT" }"#,
                put(Kept::Text("ä\n".into())),
            ),
            (
                r#"{"op":"GET_ONE","key":"k"}"#,
                Request::GetOne { key: key() },
            ),
            (r#"{"op":"GET_ALL"}"#, Request::GetAll),
            (r#"{"op":"GET_ALL","key":"ignored"}"#, Request::GetAll),
            (
                r#"{"op":"DELETE","key":"k"}"#,
                Request::Delete { key: key() },
            ),
        ] {
            assert_eq!(parsed(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_string_is_kept_as_its_json_to_the_digit() {
        for json in [
            "1",
            "-0.10",
            "123456789012345678901234567890",
            "true",
            "[]",
            r#"{"b":1,"a":[null,"x"]}"#,
        ] {
            let text = format!(r#"{{"op":"PUT","key":"k","value": {json} }}"#);
            let Ok(Request::Put { value, .. }) = parsed(&text) else {
                panic!("{text}");
            };
            assert_eq!(value, Kept::Json(json.to_owned()));
        }
    }

    #[test]
    fn a_page_is_asked_for_by_limit_or_by_the_one_before() {
        let id = Id::of(b"x");
        let page = |after, limit| Ok(Request::GetPage { after, limit });
        assert_eq!(parsed(r#"{"op":"GET_ALL","limit":7}"#), page(None, 7));
        let after = json!({"op": "GET_ALL", "after": id}).to_string();
        assert_eq!(parsed(&after), page(Some(id), 1000));
        for limit in ["0", "1001", "-1", "1.5", "\"7\"", "99999999999999999999"] {
            let text = format!(r#"{{"op":"GET_ALL","limit":{limit}}}"#);
            assert_eq!(code(&text), "bad_limit");
        }
        for after in ["7", "\"7\"", "[]"] {
            let text = format!(r#"{{"op":"GET_ALL","after":{after}}}"#);
            assert_eq!(code(&text), "bad_after");
        }
    }

    #[test]
    fn what_is_no_request_is_told_what_is_missing() {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        let long = format!(r#"{{"op":"GET_ONE","key":"{long}"}}"#);
        let large = "v".repeat(VALUE_BYTES_MAX + 1);
        let large = format!(r#"{{"op":"PUT","key":"k","value":"{large}"}}"#);
        let numbers = format!(
            r#"{{"op":"PUT","key":"k","value":[{}1]}}"#,
            "1,".repeat(1 << 19)
        );
        for (text, expected) in [
            ("", "bad_json"),
            ("{", "bad_json"),
            ("[]", "bad_json"),
            (r#""PUT""#, "bad_json"),
            (r#"{"op":"GET_ALL",}"#, "bad_json"),
            (r#"{"op":"GET_ALL"} x"#, "bad_json"),
            (r#"{"op":"GET_ALL","op":"GET_ALL"}"#, "bad_json"),
            (r#"{"op":"PUT","key":"k","value":"\ud800"}"#, "bad_json"),
            (r#"{"op":"PUT","key":"k","value":["\ud800"]}"#, "bad_json"),
            (r#"{"op":"PUT","key":"k","value":1e999}"#, "bad_json"),
            ("{}", "no_op"),
            (r#"{"op":null}"#, "no_op"),
            (r#"{"op":"put","key":"k"}"#, "unknown_op"),
            (r#"{"op":7}"#, "unknown_op"),
            (r#"{"op":"GET_ONE"}"#, "no_key"),
            (r#"{"op":"DELETE","key":null}"#, "no_key"),
            (r#"{"op":"GET_ONE","key":""}"#, "bad_key"),
            (r#"{"op":"GET_ONE","key":7}"#, "bad_key"),
            (&long, "bad_key"),
            (r#"{"op":"PUT","key":"k"}"#, "no_value"),
            (r#"{"op":"PUT","key":"k","value":null}"#, "no_value"),
            (&large, "too_large"),
            (&numbers, "too_large"),
        ] {
            assert_eq!(code(text), expected, "{text:.60}");
        }
        for frame in [&b"\xff{}"[..], b"{\"op\":\"GET_ALL\",\"ignored\":\"\xff\"}"] {
            assert_eq!(parse(&[frame]).expect_err("no text").code, "bad_json");
        }
        assert_eq!(parse(&["{}", "{}"]).expect_err("two").code, "multipart");
        assert_eq!(parse::<&str>(&[]).expect_err("none").code, "multipart");
    }

    #[test]
    fn what_is_nested_deeply_is_no_danger() {
        let (open, close) = ("[".repeat(1 << 18), "]".repeat(1 << 18));
        let deep = format!("{open}{close}");
        let put = format!(r#"{{"op":"PUT","key":"k","value":{deep}}}"#);
        assert_eq!(code(&put), "bad_json");
        for field in ["op", "key", "limit", "after", "other"] {
            let text = format!(r#"{{"op":"GET_ALL","{field}":{deep}}}"#);
            let _ = parsed(&text);
        }
    }

    /// What clients really send, and what is at the edges: `tests/corpus/zeromq`.
    #[test]
    fn the_corpus_is_understood_or_refused_in_words() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/zeromq");
        let mut refused = Vec::new();
        for file in std::fs::read_dir(folder).expect("a folder") {
            let path = file.expect("a file").path();
            let frame = std::fs::read(&path).expect("it can be read");
            if let Err(refusal) = parse(&[frame]) {
                assert!(refusal.message.len() > 10, "{path:?}");
                let name = path.file_name().expect("it has a name");
                refused.push(format!("{}: {}", name.display(), refusal.code));
            }
        }
        refused.sort();
        assert_eq!(refused, CORPUS_REFUSED);
    }

    const CORPUS_REFUSED: [&str; 16] = [
        "after-of-nobody: bad_after",
        "binary-value: no_value",
        "byte-order-mark: bad_json",
        "empty: bad_json",
        "half-a-character: bad_json",
        "key-of-1025: bad_key",
        "keys-twice: bad_json",
        "limit-of-a-half: bad_limit",
        "limit-of-nothing: bad_limit",
        "nested: bad_json",
        "no-object: bad_json",
        "no-text: bad_json",
        "null-value: no_value",
        "space: bad_json",
        "trailing: bad_json",
        "unclosed: bad_json",
    ];

    /// Bytes, texts, and objects that are nearly requests.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let op = prop::sample::select(vec!["PUT", "GET_ONE", "GET_ALL", "DELETE", "NONE"]);
        let field = prop::sample::select(vec!["op", "key", "value", "limit", "after", "x"]);
        let value = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            Just(Value::Null),
            Just(json!([{"a": [1, "b"]}])),
        ];
        let fields = prop::collection::vec((field, value), 0..4);
        let object = (op, fields).prop_map(|(op, fields)| {
            let mut object = json!({"op": op});
            for (field, value) in fields {
                object[field] = value;
            }
            object.to_string().into_bytes()
        });
        let broken = (object.clone(), any::<prop::sample::Index>(), any::<u8>());
        let broken = broken.prop_map(|(mut bytes, at, byte)| {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
        prop_oneof![
            any::<Vec<u8>>(),
            any::<String>().prop_map(String::into_bytes),
            object,
            broken
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_are_refused_in_words(frames in prop::collection::vec(frame(), 0..3)) {
            match parse(&frames) {
                Ok(Request::Put { key, value }) => {
                    prop_assert!((1..=KEY_BYTES_MAX).contains(&key.len()));
                    let value = match &value {
                        Kept::Text(text) => Value::from(text.as_str()),
                        Kept::Json(text) => serde_json::from_str(text).expect("it was read"),
                    };
                    // Not all of what is of no interest can be read.
                    if let Ok(object) = serde_json::from_slice::<Value>(&frames[0]) {
                        prop_assert_eq!((&object["key"], &object["value"]), (&Value::from(key), &value));
                    }
                }
                Ok(Request::GetPage { limit, .. }) => prop_assert!((1..=PAGE_RECORDS_MAX).contains(&limit)),
                Ok(_) => prop_assert_eq!(frames.len(), 1),
                Err(refusal) => prop_assert!(refusal.message.len() > 10 && !refusal.code.is_empty()),
            }
        }
    }
}
