//! Item: how content is called in paths, and where paths can't say it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use anyhow::{Result, bail};
use dht::id::Id;
use dht_state::Process;
use serde::Deserialize;

use crate::client::{Answer, Call, Client, segment};
use crate::failure::Failure;
use crate::nodeinfo::Peer;

/// What was typed, as bytes.
pub(crate) fn bytes(typed: OsString) -> Vec<u8> {
    typed.into_vec()
}

/// Bytes for people: text where it is some, and not all of it if it is long.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// Where a key lies in the key-value API. Errors: no path can say this key.
pub(crate) fn key_path(key: &[u8]) -> Result<String> {
    if !is_segment(key) {
        let text = format!(
            "`{}` can't be a key: web addresses can't hold it",
            shown(key)
        );
        return Err(Failure::Usage(text).into());
    }
    Ok(format!("/kv/{}", segment(key)))
}

/// Where a value lies that is addressed by its content; nothing if no path can say this value.
pub(crate) fn value_path(value: &[u8]) -> Option<String> {
    let is_short = value.len() <= PATH_VALUE_BYTES_MAX;
    (is_short && is_segment(value)).then(|| format!("/lookup/{}", segment(value)))
}

/// Looks up an item by its identifier, at its owner: the way for values that no path can say.
pub(crate) async fn look_up_id(
    client: &Client,
    members: &[Process],
    key: Id,
    routing: &str,
) -> Result<Answer> {
    #[derive(Deserialize)]
    struct Owner {
        node: Peer,
    }
    for _ in 0..OWNERS_ASKED {
        let call = Call::get(format!("/findNode/{key}?routing={routing}"));
        let (answer, _) = client.ask_any(members, &call).await?;
        let Owner { node } = answer.accepted()?.read()?;
        let answer = client
            .ask(&node.address, &Call::get(format!("/get/{key}")))
            .await?;
        // It may have handed the item over between the two questions.
        if !matches!(answer.status, 421 | 503) {
            return answer.accepted();
        }
    }
    bail!("the content moves faster than it can be found: try again")
}

/// Whether it survives as one segment of a path: clients drop empty ones and those made of dots,
/// also when they are percent-encoded.
fn is_segment(bytes: &[u8]) -> bool {
    !matches!(bytes, b"" | b"." | b"..")
}

const SHOWN_CHARACTERS: usize = 60;
/// Nodes refuse longer ones.
const PATH_VALUE_BYTES_MAX: usize = 4 * 1024;
const OWNERS_ASKED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_have_a_path() {
        assert_eq!(key_path(b"a/b \xff").expect("a path"), "/kv/a%2Fb%20%FF");
        assert_eq!(
            value_path("ä".as_bytes()).expect("a path"),
            "/lookup/%C3%A4"
        );
    }

    #[test]
    fn what_web_addresses_drop_has_none() {
        for bytes in [&b""[..], b".", b".."] {
            let error = key_path(bytes).expect_err("no path");
            assert!(matches!(error.downcast_ref(), Some(Failure::Usage(_))));
            assert!(value_path(bytes).is_none());
        }
        assert!(key_path(b"...").is_ok());
    }

    #[test]
    fn long_values_have_none() {
        assert!(value_path(&[b'x'; PATH_VALUE_BYTES_MAX]).is_some());
        assert!(value_path(&[b'x'; PATH_VALUE_BYTES_MAX + 1]).is_none());
    }

    #[test]
    fn what_is_shown_fits_a_line() {
        assert_eq!(shown(b"a\nb\xff"), "a b\u{fffd}");
        assert_eq!(shown(&[b'x'; 100]).chars().count(), SHOWN_CHARACTERS + 1);
    }
}
