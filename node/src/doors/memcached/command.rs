//! Command: a line as a request, by the rules of memcached's text protocol.
//!
//! The words are those of memcached 1.6; where it takes nonsense (flags of more than 32 bits) this does not.

use bytes::Bytes;
use dht::record::Blob;

use super::limits::{ANNOUNCED_BYTES_MAX, VALUE_BYTES_MAX};
use super::line::{client_flags, is_key, number, shared_words, signed, words};
use super::meta;
use super::refusal::Refusal;
use super::request::{Arithmetic, Delete, Get, Request, Step, Store, Touch, Way};

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    /// All that is wanted.
    Whole(Request),
    /// A value of so many bytes follows.
    Value(Request, usize),
    /// So many bytes follow that nobody can use, and the end of a line.
    Waste(Request, usize),
}

/// Reads a line, whose end is cut off.
pub(super) fn parse(line: &Bytes) -> Parsed {
    let mut rest = words(line);
    let Some(name) = rest.next() else {
        return Parsed::Whole(Refusal::Unknown.into());
    };
    let request = match name {
        b"get" => get(line, name, false),
        b"gets" => get(line, name, true),
        b"set" => return store(line, |_| Some(Way::Set)),
        b"mg" => meta::get(line),
        b"ms" => return meta::set(line),
        b"md" => meta::delete(line),
        b"ma" => meta::arithmetic(line),
        b"me" => meta::debug(line),
        b"mn" => Ok(Request::MetaNothing),
        b"add" => return store(line, |_| Some(Way::Add)),
        b"replace" => return store(line, |_| Some(Way::Replace)),
        b"append" => return store(line, |_| Some(Way::Append)),
        b"prepend" => return store(line, |_| Some(Way::Prepend)),
        b"cas" => return store(line, |version| number(version?).map(Way::Cas)),
        b"gat" => get_and_touch(line, false),
        b"gats" => get_and_touch(line, true),
        b"incr" => arithmetic(line, Step::Up),
        b"decr" => arithmetic(line, Step::Down),
        b"touch" => touch(line),
        b"delete" => delete(line),
        b"flush_all" => flush_all(line),
        b"verbosity" => verbosity(line),
        b"stats" => Ok(Request::Stats(
            shared_words(line).nth(1).unwrap_or_default(),
        )),
        b"version" => alone(line, Request::Version),
        b"quit" => alone(line, Request::Quit),
        _ => Err(Refusal::Unknown),
    };
    Parsed::Whole(request.unwrap_or_else(Request::from))
}

/// Whether a line that begins so may be long, since it may name many keys.
pub(super) fn names_many_keys(line: &[u8]) -> bool {
    [&b"get "[..], b"gets ", b"gat ", b"gats "]
        .iter()
        .any(|name| line.starts_with(name))
}

fn get(line: &Bytes, name: &[u8], with_version: bool) -> Result<Request, Refusal> {
    Ok(Request::Get(Get {
        keys: keys_after(line, name)?,
        with_version,
        touch: None,
    }))
}

fn get_and_touch(line: &Bytes, with_version: bool) -> Result<Request, Refusal> {
    let exptime = words(line).nth(1).ok_or(Refusal::Unknown)?;
    let touch = Some(signed(exptime).ok_or(Refusal::EXPTIME)?);
    Ok(Request::Get(Get {
        keys: keys_after(line, exptime)?,
        with_version,
        touch,
    }))
}

/// What of the line stands behind this word of it: at least one key, and only keys.
fn keys_after(line: &Bytes, word: &[u8]) -> Result<Bytes, Refusal> {
    let start = word.as_ptr() as usize - line.as_ptr() as usize + word.len();
    let keys = line.slice(start..);
    let mut count = 0;
    for key in words(&keys) {
        if !is_key(key) {
            return Err(Refusal::FORMAT);
        }
        count += 1;
    }
    match count {
        0 => Err(Refusal::Unknown),
        _ => Ok(keys),
    }
}

/// `<name> <key> <flags> <exptime> <bytes> [<version>] [noreply]`
fn store(line: &Bytes, way: impl FnOnce(Option<&[u8]>) -> Option<Way>) -> Parsed {
    let is_cas = line.starts_with(b"cas");
    let mut rest = words(line).skip(1);
    let words = (rest.next(), rest.next(), rest.next(), rest.next());
    let version = is_cas.then(|| rest.next()).flatten();
    let quiet = rest.next().is_some_and(is_noreply);
    let (Some(key), Some(flags), Some(exptime), Some(bytes)) = words else {
        return Parsed::Whole(Refusal::Unknown.into());
    };
    if version.is_some() != is_cas || rest.next().is_some() {
        return Parsed::Whole(Refusal::Unknown.into());
    }
    let bytes = match number(bytes).map(usize::try_from) {
        Some(Ok(bytes)) if bytes <= ANNOUNCED_BYTES_MAX => bytes,
        _ => return Parsed::Whole(refused(Refusal::FORMAT, quiet)),
    };
    let store = || {
        Some(Store {
            way: way(version)?,
            key: is_key(key).then(|| line.slice_ref(key))?,
            flags: client_flags(flags)?,
            exptime: signed(exptime)?,
            quiet,
            value: Blob::from(&[][..]),
        })
    };
    match store() {
        Some(store) => value(Request::Store(store), bytes),
        // What follows is a value all the same, and no command.
        None => Parsed::Waste(refused(Refusal::FORMAT, quiet), bytes),
    }
}

/// A request with a value of so many bytes, if that is not too large.
pub(super) fn value(request: Request, bytes: usize) -> Parsed {
    if bytes <= VALUE_BYTES_MAX {
        return Parsed::Value(request, bytes);
    }
    let quiet = request.is_quiet();
    Parsed::Waste(refused(Refusal::LARGE, quiet), bytes)
}

/// `incr <key> <delta> [noreply]`
fn arithmetic(line: &Bytes, step: fn(u64) -> Step) -> Result<Request, Refusal> {
    let [key, delta] = one_and_noreply(line)?;
    let delta = number(&delta).ok_or(Refusal::DELTA)?;
    Ok(Request::Arithmetic(Arithmetic {
        key,
        step: step(delta),
        quiet: ends_in_noreply(line, 4),
    }))
}

/// `touch <key> <exptime> [noreply]`
fn touch(line: &Bytes) -> Result<Request, Refusal> {
    let [key, exptime] = one_and_noreply(line)?;
    Ok(Request::Touch(Touch {
        key,
        exptime: signed(&exptime).ok_or(Refusal::EXPTIME)?,
        quiet: ends_in_noreply(line, 4),
    }))
}

/// `delete <key> [0] [noreply]`: there once was a time behind the key, and some clients still write it.
fn delete(line: &Bytes) -> Result<Request, Refusal> {
    let mut words = shared_words(line).skip(1);
    let key = words.next().ok_or(Refusal::Unknown)?;
    let quiet = match (
        words.next().as_deref(),
        words.next().as_deref(),
        words.next(),
    ) {
        (None, ..) | (Some(b"0"), None, _) => false,
        (Some(b"noreply"), None, _) | (Some(b"0"), Some(b"noreply"), None) => true,
        (.., Some(_)) => return Err(Refusal::Unknown),
        _ => return Err(Refusal::DELETE),
    };
    match is_key(&key) {
        true => Ok(Request::Delete(Delete { key, quiet })),
        false => Err(Refusal::FORMAT),
    }
}

/// `flush_all [exptime] [noreply]`
fn flush_all(line: &Bytes) -> Result<Request, Refusal> {
    let mut words = words(line).skip(1);
    let (exptime, quiet) = match (words.next(), words.next(), words.next()) {
        (None, ..) => (0, false),
        (Some(b"noreply"), None, _) => (0, true),
        (Some(exptime), noreply, None) => {
            let exptime = signed(exptime).ok_or(Refusal::EXPTIME)?;
            (exptime, noreply.is_some_and(is_noreply))
        }
        _ => return Err(Refusal::Unknown),
    };
    Ok(Request::FlushAll { exptime, quiet })
}

/// `verbosity <level> [noreply]`
fn verbosity(line: &Bytes) -> Result<Request, Refusal> {
    let mut words = words(line).skip(1);
    match (words.next(), words.next()) {
        (None, _) => Err(Refusal::Unknown),
        (Some(b"noreply"), None) => Ok(Request::Verbosity { quiet: true }),
        (Some(level), noreply) if number(level).is_some() => {
            let quiet = noreply.is_some_and(is_noreply);
            Ok(Request::Verbosity { quiet })
        }
        _ => Err(Refusal::FORMAT),
    }
}

/// A request behind which nothing stands.
fn alone(line: &[u8], request: Request) -> Result<Request, Refusal> {
    match words(line).count() {
        1 => Ok(request),
        _ => Err(Refusal::Unknown),
    }
}

/// The key and the word behind it, where nothing but `noreply` may follow.
fn one_and_noreply(line: &Bytes) -> Result<[Bytes; 2], Refusal> {
    let mut words = shared_words(line).skip(1);
    let (Some(key), Some(word), _, None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Unknown);
    };
    match is_key(&key) {
        true => Ok([key, word]),
        false => Err(Refusal::FORMAT),
    }
}

fn ends_in_noreply(line: &[u8], count: usize) -> bool {
    words(line).nth(count - 1).is_some_and(is_noreply)
}

fn is_noreply(word: &[u8]) -> bool {
    word == b"noreply"
}

/// A refusal that nobody may want to hear of.
fn refused(refusal: Refusal, quiet: bool) -> Request {
    Request::Refused(super::request::Refused {
        refusal,
        quiet,
        is_last: false,
    })
}
