//! Condition: the headers that make a request depend on the present version of an item (RFC 9110,
//! section 13). An entity tag is the version as a number; all of them are strong.

use dht::record::{Condition, Record, Version};
use rocket::http::HeaderMap;

use crate::doors::http::error::Error;

/// What `If-Match` and `If-None-Match` ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    matches: Option<Tags>,
    matches_none: Option<Tags>,
}

/// The value of one of the two headers.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// Tags; those that never were tags of ours are left out.
    Of(Vec<Tag>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag {
    version: Version,
    weak: bool,
}

/// What a write has to do to obey the conditions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The owner can judge by itself.
    At(Condition),
    /// It must not have one of these versions, which only a look at it can tell.
    Not {
        /// These.
        versions: Vec<Version>,
        /// Whether there may be none at all.
        may_be_absent: bool,
    },
}

impl Conditions {
    /// Reads the headers. Errors: they are malformed.
    pub(crate) fn of(headers: &HeaderMap<'_>) -> Result<Conditions, Error> {
        Ok(Conditions {
            matches: tags(headers, "If-Match")?,
            matches_none: tags(headers, "If-None-Match")?,
        })
    }

    /// Whether a client that asks has the present version already.
    pub(crate) fn has(&self, record: &Record) -> bool {
        match &self.matches_none {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Of(tags)) => tags.iter().any(|tag| tag.version == record.version),
        }
    }

    /// What a write has to do.
    pub(crate) fn plan(self) -> Plan {
        let strong = |tags: Vec<Tag>| {
            tags.into_iter()
                .filter(|tag| !tag.weak)
                .map(|tag| tag.version)
        };
        match (self.matches, self.matches_none) {
            (None, None) => Plan::At(Condition::Always),
            (None, Some(Tags::Any)) => Plan::At(Condition::Absent),
            (Some(Tags::Any), None) => Plan::At(Condition::Present),
            (Some(Tags::Of(tags)), None) => Plan::At(Condition::Among(strong(tags).collect())),
            // One asks for what the other forbids.
            (Some(_), Some(Tags::Any)) => Plan::At(Condition::Among(Vec::new())),
            (matches @ (None | Some(Tags::Any)), Some(Tags::Of(not))) => Plan::Not {
                versions: not.into_iter().map(|tag| tag.version).collect(),
                may_be_absent: matches.is_none(),
            },
            (Some(Tags::Of(tags)), Some(Tags::Of(not))) => {
                let allowed = |version: &Version| not.iter().all(|tag| tag.version != *version);
                Plan::At(Condition::Among(strong(tags).filter(allowed).collect()))
            }
        }
    }
}

/// The tag of a version.
pub(crate) fn tag(version: Version) -> String {
    format!("\"{}\"", version.number())
}

fn tags(headers: &HeaderMap<'_>, name: &str) -> Result<Option<Tags>, Error> {
    let mut tags = None;
    for value in headers.get(name) {
        let tags = tags.get_or_insert_with(Vec::new);
        if value.trim() == "*" {
            return Ok(Some(Tags::Any));
        }
        for item in value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (weak, quoted) = match item.strip_prefix("W/") {
                Some(rest) => (true, rest),
                None => (false, item),
            };
            let Some(text) = quoted
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
            else {
                let message = format!("{name} is `*` or entity tags in double quotes");
                return Err(Error::bad("bad_condition", message));
            };
            if let Some(version) = version(text) {
                tags.push(Tag { version, weak });
            }
        }
    }
    Ok(tags.map(Tags::Of))
}

/// The version that a tag names, if it is written just as we write it.
fn version(text: &str) -> Option<Version> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then(|| Version::from_number(number))
}

#[cfg(test)]
mod tests {
    use rocket::http::Header;

    use super::*;

    fn plan(headers: &[(&'static str, &'static str)]) -> Plan {
        conditions(headers).expect("well formed").plan()
    }

    fn conditions(headers: &[(&'static str, &'static str)]) -> Result<Conditions, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.add(Header::new(*name, *value));
        }
        Conditions::of(&map)
    }

    fn among(numbers: &[u64]) -> Plan {
        let versions = numbers.iter().map(|number| Version::from_number(*number));
        Plan::At(Condition::Among(versions.collect()))
    }

    #[test]
    fn each_header_alone_is_what_the_rfc_says() {
        assert_eq!(plan(&[]), Plan::At(Condition::Always));
        assert_eq!(plan(&[("If-Match", "*")]), Plan::At(Condition::Present));
        assert_eq!(plan(&[("If-None-Match", "*")]), Plan::At(Condition::Absent));
        assert_eq!(plan(&[("If-Match", "\"1\", \"2\"")]), among(&[1, 2]));
        let not = Plan::Not {
            versions: [1, 2].map(Version::from_number).into(),
            may_be_absent: true,
        };
        assert_eq!(plan(&[("If-None-Match", "\"1\",W/\"2\"")]), not);
    }

    #[test]
    fn weak_and_foreign_tags_never_match_a_write() {
        assert_eq!(
            plan(&[("If-Match", "W/\"1\", \"abc\", \"01\", \"3\"")]),
            among(&[3])
        );
        assert_eq!(plan(&[("If-Match", "\"abc\"")]), among(&[]));
    }

    #[test]
    fn headers_that_contradict_each_other_never_hold() {
        assert_eq!(
            plan(&[("If-Match", "*"), ("If-None-Match", "*")]),
            among(&[])
        );
        assert_eq!(
            plan(&[("If-Match", "\"1\",\"2\""), ("If-None-Match", "\"2\"")]),
            among(&[1])
        );
    }

    #[test]
    fn several_lines_are_one_list() {
        assert_eq!(
            plan(&[("If-Match", "\"1\""), ("If-Match", "\"2\"")]),
            among(&[1, 2])
        );
    }

    #[test]
    fn tags_without_quotes_are_refused() {
        assert!(conditions(&[("If-Match", "1")]).is_err());
        assert!(conditions(&[("If-None-Match", "\"1")]).is_err());
    }
}
