//! Codec: bytes as they come in as requests. How they are cut makes no difference.
//!
//! Of a request that is not complete no more is kept than a line or a value may have, and no byte of it is
//! looked at twice. What can't be understood is a request, too: one that is refused.

use std::io;

use bytes::{Buf as _, BytesMut};
use tokio_util::codec::Decoder;

use super::command::{Parsed, names_many_keys, parse};
use super::limits::{KEYS_LINE_BYTES_MAX, LINE_BYTES_MAX};
use super::refusal::Refusal;
use super::request::{Refused, Request};

/// Where in the protocol a connection is.
#[derive(Debug)]
pub(super) struct Codec {
    state: State,
}

#[derive(Debug)]
enum State {
    /// A line comes; no end was found in so many bytes of it.
    Line { seen: usize },
    /// A value comes, of so many bytes and the end of a line.
    Value { request: Request, bytes: usize },
    /// So many bytes come that are thrown away.
    Waste { request: Request, bytes: usize },
    /// Nothing more is understood.
    Lost,
}

impl Codec {
    pub(super) fn new() -> Codec {
        Codec { state: BETWEEN }
    }

    /// Whether no request is half there, if nothing is left in the buffer.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Line { .. } | State::Lost)
    }

    /// Bytes that the request which is half there will have taken when it is whole, as far as that is known.
    pub(super) fn needs(&self, input: &BytesMut) -> usize {
        match self.state {
            State::Value { bytes, .. } => bytes + END.len(),
            _ => input.len(),
        }
    }

    /// Gives a value up for which there is no room: the rest of it is thrown away as it comes. Where no value is under
    /// way nothing more will be understood. Returns what to answer now, if anything.
    pub(super) fn give_up(&mut self, refusal: Refusal) -> Option<Request> {
        let State::Value { request, bytes } = &self.state else {
            return Some(self.lose(refusal));
        };
        let request = Request::Refused(Refused {
            refusal,
            quiet: request.is_quiet(),
            is_last: false,
        });
        let bytes = bytes + END.len();
        self.state = State::Waste { request, bytes };
        None
    }

    /// A line, if its end is there.
    fn line(&mut self, seen: usize, input: &mut BytesMut) -> Option<Request> {
        if input.first() == Some(&BINARY_MAGIC) {
            return Some(self.lose(Refusal::BINARY));
        }
        let end = memchr::memchr(b'\n', &input[seen..]).map(|place| seen + place);
        let length = end.unwrap_or(input.len());
        if length > LINE_BYTES_MAX + 1 && length > line_bytes_max(input) + 1 {
            return Some(self.lose(Refusal::LINE));
        }
        let Some(end) = end else {
            self.state = State::Line { seen: length };
            return None;
        };
        let mut line = input.split_to(end + 1).freeze();
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        if line.len() > line_bytes_max(&line) {
            return Some(self.lose(Refusal::LINE));
        }
        match parse(&line) {
            Parsed::Whole(request) => {
                self.state = BETWEEN;
                return Some(request);
            }
            Parsed::Value(request, bytes) => self.state = State::Value { request, bytes },
            Parsed::Waste(request, bytes) => {
                let bytes = bytes + END.len();
                self.state = State::Waste { request, bytes };
            }
        }
        None
    }

    /// A value, if all of it is there.
    fn value(&mut self, bytes: usize, input: &mut BytesMut) -> Option<Request> {
        if input.len() < bytes + END.len() {
            return None;
        }
        let State::Value { request, .. } = std::mem::replace(&mut self.state, BETWEEN) else {
            return None;
        };
        let is_ended = input[bytes..].starts_with(END);
        let request = match is_ended {
            true => request.with_value(input[..bytes].into()),
            false => Request::Refused(Refused {
                refusal: Refusal::DATA,
                quiet: request.is_quiet(),
                is_last: false,
            }),
        };
        input.advance(bytes + END.len());
        Some(request)
    }

    /// Throws away what is there of so many bytes.
    fn waste(&mut self, bytes: usize, input: &mut BytesMut) -> Option<Request> {
        let there = bytes.min(input.len());
        input.advance(there);
        if there < bytes {
            if let State::Waste { bytes, .. } = &mut self.state {
                *bytes -= there;
            }
            return None;
        }
        match std::mem::replace(&mut self.state, BETWEEN) {
            State::Waste { request, .. } => Some(request),
            _ => None,
        }
    }

    /// The last request.
    fn lose(&mut self, refusal: Refusal) -> Request {
        self.state = State::Lost;
        Request::Refused(Refused {
            refusal,
            quiet: false,
            is_last: true,
        })
    }
}

impl Decoder for Codec {
    type Item = Request;
    type Error = io::Error;

    fn decode(&mut self, input: &mut BytesMut) -> io::Result<Option<Request>> {
        loop {
            let request = match self.state {
                State::Line { seen } => self.line(seen, input),
                State::Value { bytes, .. } => self.value(bytes, input),
                State::Waste { bytes, .. } => self.waste(bytes, input),
                State::Lost => {
                    input.clear();
                    return Ok(None);
                }
            };
            match request {
                Some(request) => return Ok(Some(request)),
                // The value may be there already.
                None if input.is_empty() || self.waits(input) => return Ok(None),
                None => {}
            }
        }
    }
}

impl Codec {
    /// Whether nothing can be done before more bytes come.
    fn waits(&self, input: &BytesMut) -> bool {
        match &self.state {
            State::Line { seen } => *seen == input.len(),
            State::Value { bytes, .. } => input.len() < bytes + END.len(),
            State::Waste { .. } => input.is_empty(),
            State::Lost => false,
        }
    }
}

fn line_bytes_max(line: &[u8]) -> usize {
    match names_many_keys(line) {
        true => KEYS_LINE_BYTES_MAX,
        false => LINE_BYTES_MAX,
    }
}

/// Before a line.
const BETWEEN: State = State::Line { seen: 0 };

/// What ends a value.
const END: &[u8] = b"\r\n";

/// What every request of memcached's other protocol begins with.
const BINARY_MAGIC: u8 = 0x80;
