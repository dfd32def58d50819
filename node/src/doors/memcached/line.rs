//! Line: the words of a line, and what single words mean.

use bytes::Bytes;

use super::limits::KEY_BYTES_MAX;

/// The words of a line: what stands between spaces.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
}

/// The same words, as parts of the line that outlive it.
pub(super) fn shared_words(line: &Bytes) -> impl Iterator<Item = Bytes> {
    words(line).map(|word| line.slice_ref(word))
}

/// Whether this can be a key: not too long, and nothing in it that ends a word, a line or a text. The protocol
/// forbids all control characters; memcached takes them, and libmemcached's load generator sends some.
pub(super) fn is_key(word: &[u8]) -> bool {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\r' | b'\n' | 0);
    (1..=KEY_BYTES_MAX).contains(&word.len()) && !word.iter().any(is_end)
}

/// A decimal number without a sign.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// A decimal number that may be negative.
pub(super) fn signed(word: &[u8]) -> Option<i64> {
    match word.strip_prefix(b"-") {
        Some(digits) => 0_i64.checked_sub_unsigned(number(digits)?),
        None => number(word)?.try_into().ok(),
    }
}

/// What a client keeps beside a value.
pub(super) fn client_flags(word: &[u8]) -> Option<u32> {
    number(word)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for word in [
            &b""[..],
            b"18446744073709551616",
            b"-1",
            b"+1",
            b"1x",
            b" 1",
        ] {
            assert_eq!(number(word), None, "{word:?}");
        }
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed(b"-9223372036854775809"), None);
        assert_eq!(
            (signed(b"-1"), signed(b"7"), signed(b"-")),
            (Some(-1), Some(7), None)
        );
        assert_eq!(client_flags(b"4294967295"), Some(u32::MAX));
        assert_eq!(client_flags(b"4294967296"), None);
    }

    #[test]
    fn a_key_has_up_to_250_bytes_and_nothing_that_ends_anything() {
        assert!(is_key(&[b'k'; 250]) && is_key("schlüssel".as_bytes()) && is_key(b"\x10\x7f"));
        for word in [&b""[..], &[b'k'; 251], b"a b", b"a\rb", b"a\nb", b"a\0"] {
            assert!(!is_key(word), "{word:?}");
        }
    }
}
