//! Meta: the lines of the meta commands as requests. Behind the key each word is a flag: a letter, and for
//! some letters a token right behind it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dht::record::Blob;

use super::command::{Parsed, value};
use super::limits::{ANNOUNCED_BYTES_MAX, KEY_BYTES_MAX, OPAQUE_BYTES_MAX};
use super::line::{client_flags, is_key, number, shared_words, signed, words};
use super::refusal::Refusal;
use super::request::{Request, Step, Way};

/// What all meta commands begin with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    /// The key itself.
    pub(super) key: Bytes,
    /// The key as it was written.
    pub(super) written: Bytes,
    /// The words behind it, each a flag that this command has.
    pub(super) flags: Bytes,
    /// Whether only what is unusual is to be told.
    pub(super) quiet: bool,
}

/// `mg`: a value, or what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MetaGet {
    pub(super) head: Head,
    pub(super) with_value: bool,
    /// When it is to expire from now on.
    pub(super) touch: Option<i64>,
    /// Where there is none, an empty one is to stand there so long.
    pub(super) vivify: Option<i64>,
    /// With less seconds left than these, the first one to ask is told to write it anew.
    pub(super) recache: Option<i64>,
}

/// `ms`: a value is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MetaSet {
    pub(super) head: Head,
    pub(super) way: Way,
    pub(super) flags: u32,
    pub(super) exptime: i64,
    /// An older version than the one that is there is to be stored as stale.
    pub(super) invalidate: bool,
    /// Where there is none to append to, it is to begin with this one and stand so long.
    pub(super) vivify: Option<i64>,
    pub(super) value: Blob,
}

/// `md`: an item is to go, or to be stale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MetaDelete {
    pub(super) head: Head,
    /// Only this version of it.
    pub(super) version: Option<u64>,
    pub(super) invalidate: bool,
    /// When a stale one is to expire.
    pub(super) touch: Option<i64>,
    /// Only the value is to go; an empty one stays.
    pub(super) only_value: bool,
}

/// `ma`: a number is to be changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MetaArithmetic {
    pub(super) head: Head,
    pub(super) step: Step,
    /// What it begins with where there is none.
    pub(super) initial: u64,
    /// Where there is none, it is to begin, and stand so long.
    pub(super) vivify: Option<i64>,
    pub(super) touch: Option<i64>,
    pub(super) version: Option<u64>,
    pub(super) with_value: bool,
}

impl Head {
    /// The token of a flag, empty where it has none; nothing if the flag is not there.
    fn token(&self, letter: u8) -> Option<&[u8]> {
        let flag = words(&self.flags).find(|flag| flag[0] == letter);
        flag.map(|flag| &flag[1..])
    }

    fn has(&self, letter: u8) -> bool {
        self.token(letter).is_some()
    }

    fn number(&self, letter: u8) -> Option<u64> {
        self.token(letter).and_then(number)
    }

    fn seconds(&self, letter: u8) -> Option<i64> {
        self.token(letter).and_then(signed)
    }
}

/// `mg <key> <flags>*`
pub(super) fn get(line: &Bytes) -> Result<Request, Refusal> {
    let head = head(line, 2, b"bcfhklqstuvENORT")?;
    Ok(Request::MetaGet(Box::new(MetaGet {
        with_value: head.has(b'v'),
        touch: head.seconds(b'T'),
        vivify: head.seconds(b'N'),
        recache: head.seconds(b'R'),
        head,
    })))
}

/// `ms <key> <bytes> <flags>*`
pub(super) fn set(line: &Bytes) -> Parsed {
    if words(line).nth(1).is_none() {
        return Parsed::Whole(Refusal::Unknown.into());
    }
    let bytes = match words(line).nth(2).and_then(number).map(usize::try_from) {
        Some(Ok(bytes)) if bytes <= ANNOUNCED_BYTES_MAX => bytes,
        _ => return Parsed::Whole(Refusal::FORMAT.into()),
    };
    match set_of(line) {
        Ok(set) => value(Request::MetaSet(Box::new(set)), bytes),
        // What follows is a value all the same, and no command.
        Err(refusal) => Parsed::Waste(refusal.into(), bytes),
    }
}

fn set_of(line: &Bytes) -> Result<MetaSet, Refusal> {
    let head = head(line, 3, b"bckqsCEFIMNOT")?;
    let way = match (head.token(b'M'), head.number(b'C')) {
        (None | Some(b"S" | b"s"), None) => Way::Set,
        (None | Some(b"S" | b"s" | b"R" | b"r"), Some(version)) => Way::Cas(version),
        (Some(b"R" | b"r"), None) => Way::Replace,
        (Some(b"E" | b"e"), None) => Way::Add,
        (Some(b"A" | b"a"), None) => Way::Append,
        (Some(b"P" | b"p"), None) => Way::Prepend,
        (Some(b"E" | b"e" | b"A" | b"a" | b"P" | b"p"), Some(_)) => {
            return Err(Refusal::Client("C goes with modes S and R only"));
        }
        _ => return Err(Refusal::Client("invalid mode for ms M token")),
    };
    Ok(MetaSet {
        way,
        flags: head.token(b'F').and_then(client_flags).unwrap_or(0),
        exptime: head.seconds(b'T').unwrap_or(0),
        invalidate: head.has(b'I'),
        vivify: head.seconds(b'N'),
        value: Blob::from(&[][..]),
        head,
    })
}

/// `md <key> <flags>*`
pub(super) fn delete(line: &Bytes) -> Result<Request, Refusal> {
    let head = head(line, 2, b"bkqxCEIOT")?;
    Ok(Request::MetaDelete(Box::new(MetaDelete {
        version: head.number(b'C'),
        invalidate: head.has(b'I'),
        touch: head.seconds(b'T'),
        only_value: head.has(b'x'),
        head,
    })))
}

/// `ma <key> <flags>*`
pub(super) fn arithmetic(line: &Bytes) -> Result<Request, Refusal> {
    let head = head(line, 2, b"bckqtvCDEJMNOT")?;
    let delta = head.number(b'D').unwrap_or(1);
    let step = match head.token(b'M') {
        None | Some(b"I" | b"i" | b"+") => Step::Up(delta),
        Some(b"D" | b"d" | b"-") => Step::Down(delta),
        Some(_) => return Err(Refusal::Client("invalid mode for ma M token")),
    };
    Ok(Request::MetaArithmetic(Box::new(MetaArithmetic {
        step,
        initial: head.number(b'J').unwrap_or(0),
        vivify: head.seconds(b'N'),
        touch: head.seconds(b'T'),
        version: head.number(b'C'),
        with_value: head.has(b'v'),
        head,
    })))
}

/// `me <key> <flags>*`
pub(super) fn debug(line: &Bytes) -> Result<Request, Refusal> {
    match words(line).nth(1) {
        None => Err(Refusal::FORMAT),
        Some(_) => Ok(Request::MetaDebug(head(line, 2, b"bkqO")?)),
    }
}

/// The key, and the flags from word number `first` on.
fn head(line: &Bytes, first: usize, allowed: &[u8]) -> Result<Head, Refusal> {
    let written = shared_words(line).nth(1).ok_or(Refusal::Unknown)?;
    let mut quiet = false;
    let mut is_base64 = false;
    let mut seen = 0_u128;
    for flag in words(line).skip(first) {
        let (letter, token) = (flag[0], &flag[1..]);
        if !allowed.contains(&letter) {
            return Err(Refusal::Client("invalid flag"));
        }
        // All that is allowed is ASCII.
        if seen & (1 << letter) != 0 {
            return Err(Refusal::Client("duplicate flag"));
        }
        seen |= 1 << letter;
        quiet |= letter == b'q';
        is_base64 |= letter == b'b';
        check(letter, token)?;
    }
    Ok(Head {
        key: match is_base64 {
            true => decoded(&written)?,
            false => Some(written.clone())
                .filter(|key| is_key(key))
                .ok_or(Refusal::FORMAT)?,
        },
        flags: flags(line, first),
        written,
        quiet,
    })
}

/// The rest of the line from word number `first` on.
fn flags(line: &Bytes, first: usize) -> Bytes {
    let Some(flag) = words(line).nth(first) else {
        return Bytes::new();
    };
    line.slice(flag.as_ptr() as usize - line.as_ptr() as usize..)
}

/// Whether a flag has the token that it needs.
fn check(letter: u8, token: &[u8]) -> Result<(), Refusal> {
    let is_fine = match letter {
        b'E' => {
            return Err(Refusal::Client(
                "versions are given by the node: E is not possible",
            ));
        }
        b'O' if token.len() > OPAQUE_BYTES_MAX => {
            return Err(Refusal::Client("opaque token too long"));
        }
        b'C' | b'D' | b'J' => number(token).is_some(),
        b'F' => client_flags(token).is_some(),
        b'N' | b'R' | b'T' => signed(token).is_some(),
        _ => true,
    };
    match is_fine {
        true => Ok(()),
        false => Err(Refusal::Client("bad token in command line format")),
    }
}

/// A key that may be any bytes.
fn decoded(written: &[u8]) -> Result<Bytes, Refusal> {
    let wrong = Refusal::Client("error decoding key");
    // Three bytes are written as four.
    if written.len() > KEY_BYTES_MAX.div_ceil(3) * 4 {
        return Err(Refusal::FORMAT);
    }
    let key = STANDARD.decode(written).map_err(|_| wrong)?;
    match (1..=KEY_BYTES_MAX).contains(&key.len()) {
        true => Ok(key.into()),
        false => Err(wrong),
    }
}
