//! Member: one node of an ideal ring, as it is written on a command line.

use std::fmt;
use std::str::FromStr;

/// `NAME@HOST:PORT#INCARNATION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name of the node.
    pub name: String,
    /// Where it is reached: host and port.
    pub address: String,
    /// Which start of it is meant.
    pub incarnation: u32,
}

/// Why a text is no [`Member`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member is written as NAME@HOST:PORT#INCARNATION")]
pub struct NotAMember;

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.name, self.address, self.incarnation)
    }
}

impl FromStr for Member {
    type Err = NotAMember;

    fn from_str(text: &str) -> Result<Member, NotAMember> {
        // From the end, for a name may hold any of the marks.
        let (rest, incarnation) = text.rsplit_once('#').ok_or(NotAMember)?;
        let (name, address) = rest.rsplit_once('@').ok_or(NotAMember)?;
        let (host, port) = address.rsplit_once(':').ok_or(NotAMember)?;
        if name.is_empty() || host.is_empty() || port.parse::<u16>().is_err() {
            return Err(NotAMember);
        }
        Ok(Member {
            name: name.to_owned(),
            address: address.to_owned(),
            incarnation: incarnation.parse().map_err(|_| NotAMember)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_as_it_is_written() {
        for text in ["PROC10001@127.0.0.1:10001#7", "a@b#c@[::1]:80#0"] {
            let member: Member = text.parse().expect("a member");
            assert_eq!(member.to_string(), text);
        }
    }

    #[test]
    fn half_a_member_is_none() {
        for text in [
            "", "a", "a@h:1", "a#1", "@h:1#1", "a@:1#1", "a@h#1", "a@h:x#1", "a@h:1#-1",
        ] {
            assert_eq!(text.parse::<Member>(), Err(NotAMember), "{text}");
        }
    }
}
