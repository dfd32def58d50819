//! Answers: what an answer, or none, says of what was asked for.
//!
//! The one thing that must not be taken for another: whether nothing was done for certain. It was not
//! where nobody was reached, and where a node says 503. In all other cases, and be it that the
//! connection breaks once the request is out, it may have been done, or may be done later.

use sim::history::{Condition, Outcome, Seen, What};

use crate::client::{Answer, Call, segment};

/// What an attempt has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is done, and this came of it.
    Done(Outcome),
    /// Nothing was done, for certain; of which kind the error is.
    Nothing(String),
    /// Nobody knows.
    Unknown(String),
}

/// The request for it.
pub(super) fn call(key: &str, what: What, patience_ms: u64) -> Call {
    let path = format!("/kv/{}", segment(key.as_bytes()));
    let (call, condition) = match what {
        What::Read => (Call::get(path), Condition::Always),
        What::Write { value, condition } => {
            (Call::put(path, value.to_string().into_bytes()), condition)
        }
        What::Delete { condition } => (Call::delete(path), condition),
    };
    let mut call = match condition {
        Condition::Always => call,
        Condition::Absent => call.with_header("If-None-Match", "*".to_owned()),
        Condition::Present => call.with_header("If-Match", "*".to_owned()),
        Condition::Version(version) => call.with_header("If-Match", format!("\"{version}\"")),
    };
    call.patience_ms = patience_ms;
    call
}

/// What came of it.
pub(super) fn hear(what: What, answer: reqwest::Result<Answer>) -> Heard {
    match answer {
        Ok(answer) => understand(what, &answer),
        Err(error) if error.is_connect() && error.is_timeout() => {
            Heard::Nothing("connect_timeout".to_owned())
        }
        Err(error) if error.is_connect() => Heard::Nothing("refused".to_owned()),
        Err(error) if error.is_timeout() => Heard::Unknown("timeout".to_owned()),
        Err(_) => Heard::Unknown("reset".to_owned()),
    }
}

fn understand(what: What, answer: &Answer) -> Heard {
    let version = || {
        let tag = answer.headers.get("ETag")?.to_str().ok()?;
        tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    };
    let made = |found| Outcome::Made {
        version: version(),
        found: Some(found),
    };
    let kind = || {
        let code = answer.code().unwrap_or_default();
        format!("{} {code}", answer.status).trim_end().to_owned()
    };
    let outcome = match (what, answer.status) {
        (What::Read, 200) => Outcome::Saw(Some(Seen {
            value: value(&answer.body),
            version: version(),
        })),
        (What::Read, 404) => Outcome::Saw(None),
        (What::Write { .. }, 201) => made(false),
        (What::Write { .. } | What::Delete { .. }, 200) => made(true),
        (What::Delete { .. }, 404) => made(false),
        (What::Write { .. } | What::Delete { .. }, 412) => Outcome::Refused,
        (_, 503) => return Heard::Nothing(kind()),
        _ => return Heard::Unknown(kind()),
    };
    Heard::Done(outcome)
}

/// The number that a value is. Other bytes are none of ours: they become a number that nobody writes.
fn value(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, tag: &str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if !tag.is_empty() {
            headers.insert("ETag", tag.parse().expect("ASCII"));
        }
        Answer {
            status,
            headers,
            body: body.into(),
        }
    }

    #[test]
    fn answers_are_understood_as_the_contract_has_them() {
        let condition = Condition::Always;
        let (write, delete) = (
            What::Write {
                value: 7,
                condition,
            },
            What::Delete { condition },
        );
        let seen = |value, version| Outcome::Saw(Some(Seen { value, version }));
        let made = |version, found| Outcome::Made {
            version,
            found: Some(found),
        };
        for (what, status, tag, body, outcome) in [
            (What::Read, 200, "\"9\"", "7", seen(7, Some(9))),
            (What::Read, 200, "", "7x", seen(u64::MAX, None)),
            (What::Read, 404, "", "", Outcome::Saw(None)),
            (write, 201, "\"9\"", "{}", made(Some(9), false)),
            (write, 200, "\"10\"", "{}", made(Some(10), true)),
            (write, 412, "\"10\"", "{}", Outcome::Refused),
            (delete, 200, "", "{}", made(None, true)),
            (delete, 404, "", "{}", made(None, false)),
        ] {
            let heard = understand(what, &answer(status, tag, body));
            assert_eq!(heard, Heard::Done(outcome), "{what:?} {status}");
        }
    }

    #[test]
    fn only_a_503_says_that_nothing_was_done() {
        let what = What::Delete {
            condition: Condition::Always,
        };
        let busy = r#"{"error":{"code":"overloaded","message":""}}"#;
        let heard = understand(what, &answer(503, "", busy));
        assert_eq!(heard, Heard::Nothing("503 overloaded".to_owned()));
        for status in [500, 504, 409, 201] {
            let heard = understand(what, &answer(status, "", ""));
            assert_eq!(heard, Heard::Unknown(status.to_string()));
        }
    }
}
