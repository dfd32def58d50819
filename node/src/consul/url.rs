//! Url: where Consul is, as it is written.

/// Why a text does not say where Consul is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConsul {
    /// It is no address.
    #[error("Consul is at http://HOST:PORT, and `{0}` is not of that form")]
    Form(String),
    /// It asks for encryption.
    #[error("`{0}`: Consul is spoken to without encryption, through the agent of this machine")]
    Encrypted(String),
    /// No header can hold the token.
    #[error("the token for Consul is not made of visible ASCII characters")]
    Token,
}

/// `http://HOST:PORT` for `HOST:PORT` and `http://HOST:PORT/`.
pub(super) fn base(text: &str) -> Result<String, NotConsul> {
    if text.starts_with("https://") {
        return Err(NotConsul::Encrypted(text.to_owned()));
    }
    let address = text.strip_prefix("http://").unwrap_or(text);
    let address = address.strip_suffix('/').unwrap_or(address);
    let is_address = address.rsplit_once(':').is_some_and(|(host, port)| {
        let has_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        has_port && !host.is_empty() && host.bytes().all(is_host)
    });
    match is_address {
        true => Ok(format!("http://{address}")),
        false => Err(NotConsul::Form(text.to_owned())),
    }
}

/// A token, if a header can hold it.
pub(super) fn token(text: &str) -> Result<String, NotConsul> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err(NotConsul::Token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_in_two_ways() {
        for text in [
            "127.0.0.1:8500",
            "http://127.0.0.1:8500",
            "http://127.0.0.1:8500/",
        ] {
            assert_eq!(base(text).as_deref(), Ok("http://127.0.0.1:8500"));
        }
        assert_eq!(base("[::1]:8500").as_deref(), Ok("http://[::1]:8500"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "consul",
            ":8500",
            "h:0",
            "h:x",
            "http://h:1/x",
            "unix:///run/consul",
            "u@h:1",
        ] {
            assert_eq!(base(text), Err(NotConsul::Form(text.to_owned())));
        }
        assert!(matches!(
            base("https://h:8501"),
            Err(NotConsul::Encrypted(_))
        ));
    }

    #[test]
    fn a_token_goes_into_a_header() {
        assert!(token("7dc6f5d2-0000").is_ok());
        assert_eq!(token("a\nb"), Err(NotConsul::Token));
    }
}
