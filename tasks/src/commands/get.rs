//! `tasks get`: gets the bytes under a key.

use std::process::ExitCode;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dht::id::Id;
use serde_json::{Map, Value, json};

use crate::cli;
use crate::client::{Answer, Call};
use crate::cluster::Cluster;
use crate::commands::missing;
use crate::item::{bytes, key_path, shown};
use crate::printer::Printer;

pub(super) async fn run(args: cli::Key, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let key = bytes(args.key);
    let path = key_path(&key)?;
    let members = cluster.members(args.via.as_deref())?;
    let (answer, _) = cluster.client.ask_any(&members, &Call::get(path)).await?;
    let answer = answer.accepted()?;
    if answer.is_missing() {
        return missing(
            printer,
            &answer,
            format!("there is nothing under `{}`", shown(&key)),
        );
    }
    if printer.is_json() {
        let id = cluster.network()?.settings.identify(&key);
        printer.document(&document(id, &answer))?;
    } else {
        printer.bytes(&answer.body)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The answer as one document: the body, and what its headers say.
fn document(key: Id, answer: &Answer) -> Value {
    let header = |name| answer.headers.get(name)?.to_str().ok();
    // A number where it is one: as plain text it would only have to be parsed again.
    let plain = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    let mut document = Map::new();
    document.insert("key".into(), json!(key));
    match str::from_utf8(&answer.body) {
        Ok(text) => document.insert("value".into(), json!(text)),
        Err(_) => document.insert("value_base64".into(), json!(STANDARD.encode(&answer.body))),
    };
    let version = header("etag").map(|tag| plain(tag.trim_start_matches("W/").trim_matches('"')));
    document.insert("version".into(), json!(version));
    document.insert("node".into(), json!(header("x-dht-node").map(plain)));
    document.insert("copies".into(), json!(header("x-dht-copies").map(plain)));
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(body: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("etag", "\"4294967297\"".parse().expect("ASCII"));
        headers.insert("x-dht-copies", "1".parse().expect("ASCII"));
        Answer {
            status: 200,
            headers,
            body: body.into(),
        }
    }

    #[test]
    fn text_is_a_string_and_other_bytes_are_base64() {
        let text = document(Id::of_key(b"a"), &answer(b"hello"));
        assert_eq!(text["value"], "hello");
        assert_eq!(text["key"], Id::of(b"kv:a").to_string());
        assert_eq!(text["version"], 4_294_967_297_u64);
        assert_eq!(text["copies"], 1);
        let bytes = document(Id::of_key(b"a"), &answer(b"\xff"));
        assert_eq!(bytes["value_base64"], "/w==");
        assert!(bytes.get("value").is_none());
    }
}
