//! Endpoint: one way in for clients of ZeroMQ, as it is written: `bind:tcp://HOST:PORT` lets them come,
//! `connect:tcp://HOST:PORT` goes to one that listens itself. Which of the two does what is of no importance to
//! ZeroMQ, so without a word in front it is `bind`.

use std::fmt;
use std::str::FromStr;

/// A way in for clients of ZeroMQ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Who listens.
    pub side: Side,
    /// Host and port.
    pub address: String,
}

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The node.
    Bind,
    /// The client.
    Connect,
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEndpoint {
    /// The form is another one.
    #[error("it must be bind:tcp://HOST:PORT or connect:tcp://HOST:PORT")]
    Form,
    /// There is nobody to connect to.
    #[error("to connect, it must name the host and the port of one client")]
    Nobody,
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Endpoint, NotAnEndpoint> {
        let (side, rest) = match text.split_once(':') {
            Some(("bind", rest)) => (Side::Bind, rest),
            Some(("connect", rest)) => (Side::Connect, rest),
            _ => (Side::Bind, text),
        };
        let address = rest.strip_prefix("tcp://").ok_or(NotAnEndpoint::Form)?;
        let (host, port) = address.rsplit_once(':').ok_or(NotAnEndpoint::Form)?;
        let port: u16 = port.parse().map_err(|_| NotAnEndpoint::Form)?;
        if host.is_empty() || host.contains(['/', '@', ',']) {
            return Err(NotAnEndpoint::Form);
        }
        let host = match (side, host) {
            // As ZeroMQ writes every interface.
            (Side::Bind, "*") => "0.0.0.0",
            (Side::Connect, "*") => return Err(NotAnEndpoint::Nobody),
            (Side::Connect, _) if port == 0 => return Err(NotAnEndpoint::Nobody),
            (_, host) => host,
        };
        Ok(Endpoint {
            side,
            address: format!("{host}:{port}"),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Bind => "bind",
            Side::Connect => "connect",
        };
        write!(f, "{side}:tcp://{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, NotAnEndpoint> {
        text.parse().map(|endpoint: Endpoint| endpoint.to_string())
    }

    #[test]
    fn an_endpoint_says_who_listens_and_without_a_word_it_is_the_node() {
        for (text, expected) in [
            ("bind:tcp://127.0.0.1:5555", "bind:tcp://127.0.0.1:5555"),
            ("tcp://127.0.0.1:0", "bind:tcp://127.0.0.1:0"),
            ("tcp://*:5555", "bind:tcp://0.0.0.0:5555"),
            ("tcp://[::1]:5555", "bind:tcp://[::1]:5555"),
            ("connect:tcp://client:2001", "connect:tcp://client:2001"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_endpoint_is_told_why() {
        for text in [
            "",
            "bind",
            "bind:",
            "127.0.0.1:5555",
            "ipc://x",
            "bind:tcp://127.0.0.1",
            "tcp://:5555",
            "tcp://h:x",
            "tcp://h:65536",
            "tcp://h/x:1",
        ] {
            assert_eq!(shown(text), Err(NotAnEndpoint::Form), "{text}");
        }
        for text in ["connect:tcp://*:5555", "connect:tcp://127.0.0.1:0"] {
            assert_eq!(shown(text), Err(NotAnEndpoint::Nobody), "{text}");
        }
    }
}
