//! What comes out of bytes, however they are cut.

use bytes::{BufMut as _, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_util::codec::Decoder as _;

use super::codec::Codec;
use super::limits::{KEYS_LINE_BYTES_MAX, LINE_BYTES_MAX, VALUE_BYTES_MAX};
use super::refusal::Refusal;
use super::request::{Arithmetic, Delete, Get, Refused, Request, Step, Store, Touch, Way};

/// All requests of a stream that comes in pieces, and the most bytes that were kept meanwhile.
fn requests<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<Request>, usize) {
    let (mut codec, mut input) = (Codec::new(), BytesMut::new());
    let (mut requests, mut most) = (Vec::new(), 0);
    for piece in pieces {
        input.put_slice(piece);
        while let Some(request) = codec.decode(&mut input).expect("it never fails") {
            requests.push(request);
        }
        most = most.max(input.len());
    }
    (requests, most)
}

/// All requests of a stream that comes whole.
fn of(stream: &[u8]) -> Vec<Request> {
    requests([stream]).0
}

fn refused(refusal: Refusal) -> Request {
    refusal.into()
}

fn last(refusal: Refusal) -> Request {
    Request::Refused(Refused {
        refusal,
        quiet: false,
        is_last: true,
    })
}

fn key(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn each_command_is_what_the_protocol_says() {
    let stored = |way| Store {
        way,
        key: key("k"),
        flags: 7,
        exptime: -1,
        quiet: false,
        value: b"a\r\nb"[..].into(),
    };
    for (name, way) in [
        ("set", Way::Set),
        ("add", Way::Add),
        ("replace", Way::Replace),
        ("append", Way::Append),
        ("prepend", Way::Prepend),
    ] {
        let loud = format!("{name} k 7 -1 4\r\na\r\nb\r\n");
        assert_eq!(of(loud.as_bytes()), [Request::Store(stored(way))]);
        let silent = format!("{name} k 7 -1 4 noreply\r\na\r\nb\r\n");
        let quiet = true;
        let store = Store {
            quiet,
            ..stored(way)
        };
        assert_eq!(of(silent.as_bytes()), [Request::Store(store)]);
    }
    let cas = of(b"cas k 7 -1 4 18446744073709551615\r\na\r\nb\r\n");
    assert_eq!(cas, [Request::Store(stored(Way::Cas(u64::MAX)))]);
    let get = |with_version, touch| {
        Request::Get(Get {
            keys: key(" a b"),
            with_version,
            touch,
        })
    };
    let gets = of(b"get a b\r\ngets a b\ngat 5 a b\r\ngats -1 a b\r\n");
    let expected = [
        get(false, None),
        get(true, None),
        get(false, Some(5)),
        get(true, Some(-1)),
    ];
    assert_eq!(gets, expected);
    let arithmetic = |step, quiet| {
        let key = key("n");
        Request::Arithmetic(Arithmetic { key, step, quiet })
    };
    let steps = of(b"incr n 1\r\ndecr n 2 noreply\r\n");
    let expected = [
        arithmetic(Step::Up(1), false),
        arithmetic(Step::Down(2), true),
    ];
    assert_eq!(steps, expected);
    let touch = Touch {
        key: key("k"),
        exptime: 9,
        quiet: true,
    };
    assert_eq!(of(b"touch k 9 noreply\r\n"), [Request::Touch(touch)]);
}

#[test]
fn delete_and_flush_all_have_words_that_may_be_left_out() {
    let delete = |quiet| {
        Request::Delete(Delete {
            key: key("k"),
            quiet,
        })
    };
    for (line, request) in [
        ("delete k", delete(false)),
        ("delete k 0", delete(false)),
        ("delete k noreply", delete(true)),
        ("delete k 0 noreply", delete(true)),
        ("delete k 5", refused(Refusal::DELETE)),
        ("delete k noreply 0", refused(Refusal::DELETE)),
        ("delete a b c d e", refused(Refusal::Unknown)),
        (
            "flush_all",
            Request::FlushAll {
                exptime: 0,
                quiet: false,
            },
        ),
        (
            "flush_all noreply",
            Request::FlushAll {
                exptime: 0,
                quiet: true,
            },
        ),
        (
            "flush_all 9 noreply",
            Request::FlushAll {
                exptime: 9,
                quiet: true,
            },
        ),
        ("flush_all x", refused(Refusal::EXPTIME)),
    ] {
        assert_eq!(of(format!("{line}\r\n").as_bytes()), [request], "{line}");
    }
}

#[test]
fn what_is_wrong_is_told_and_what_follows_is_understood() {
    let long = "k".repeat(251);
    for (stream, refusal) in [
        ("nonsense\r\n".to_owned(), Refusal::Unknown),
        ("\r\n".to_owned(), Refusal::Unknown),
        ("get\r\n".to_owned(), Refusal::Unknown),
        (format!("get a {long}\r\n"), Refusal::FORMAT),
        ("get a\0\r\n".to_owned(), Refusal::FORMAT),
        ("set k 0 0\r\n".to_owned(), Refusal::Unknown),
        ("set k 0 0 -1\r\n".to_owned(), Refusal::FORMAT),
        (
            "set k 0 0 99999999999999999999\r\n".to_owned(),
            Refusal::FORMAT,
        ),
        ("set k 0 0 2147483648\r\n".to_owned(), Refusal::FORMAT),
        ("set k 0 0 x noreply y\r\n".to_owned(), Refusal::Unknown),
        // What looks like commands is the value that was announced.
        ("set k -1 0 9\r\nflush_all\r\n".to_owned(), Refusal::FORMAT),
        (
            format!("set {long} 0 0 9\r\nflush_all\r\n"),
            Refusal::FORMAT,
        ),
        ("cas k 0 0 9 x\r\nflush_all\r\n".to_owned(), Refusal::FORMAT),
        (
            "ms k 9 !\r\nflush_all\r\n".to_owned(),
            Refusal::Client("invalid flag"),
        ),
        ("set k 0 0 1\r\nabc".to_owned(), Refusal::DATA),
        ("incr k x\r\n".to_owned(), Refusal::DELTA),
        ("touch k x\r\n".to_owned(), Refusal::EXPTIME),
        ("gat x k\r\n".to_owned(), Refusal::EXPTIME),
        ("mg k v v\r\n".to_owned(), Refusal::Client("duplicate flag")),
        (
            "mg k E1\r\n".to_owned(),
            Refusal::Client("versions are given by the node: E is not possible"),
        ),
    ] {
        let expected = [refused(refusal), Request::MetaNothing];
        assert_eq!(
            of(format!("{stream}mn\r\n").as_bytes()),
            expected,
            "{stream}"
        );
    }
}

#[test]
fn a_length_that_can_not_be_read_announces_nothing_as_in_memcached() {
    let flush = Request::FlushAll {
        exptime: 0,
        quiet: false,
    };
    for (line, refusal) in [
        ("set k 0 0 -1", Refusal::FORMAT),
        ("set k 0 0 9x", Refusal::FORMAT),
        ("set k 0 0 2147483646", Refusal::FORMAT),
        ("set k 0 0", Refusal::Unknown),
        ("set k 0 0 9 noreply x", Refusal::Unknown),
        ("cas k 0 0 9", Refusal::Unknown),
        ("ms k", Refusal::FORMAT),
        ("ms k -1", Refusal::FORMAT),
    ] {
        let stream = format!("{line}\r\nflush_all\r\n");
        let expected = [refused(refusal), flush.clone()];
        assert_eq!(of(stream.as_bytes()), expected, "{line}");
    }
}

#[test]
fn who_wants_no_reply_hears_of_no_mistake_either() {
    for stream in [
        "set k 0 0 -1 noreply\r\n",
        "set k -1 0 9 noreply\r\nflush_all\r\n",
        "cas k 0 0 9 x noreply\r\nflush_all\r\n",
    ] {
        let silent = Request::Refused(Refused {
            refusal: Refusal::FORMAT,
            quiet: true,
            is_last: false,
        });
        assert_eq!(of(stream.as_bytes()), [silent], "{stream}");
    }
}

#[test]
fn a_value_that_is_too_large_is_thrown_away_as_it_comes() {
    let chunk = [b'x'; 4096];
    let line = format!("set k 0 0 {}\r\n", VALUE_BYTES_MAX + 1);
    let chunks = VALUE_BYTES_MAX / chunk.len();
    let pieces = std::iter::once(line.as_bytes())
        .chain(std::iter::repeat_n(&chunk[..], chunks))
        .chain([&b"x\r\nmn\r\n"[..]]);
    let (requests, most) = requests(pieces);
    assert_eq!(requests, [refused(Refusal::LARGE), Request::MetaNothing]);
    assert_eq!(most, 0, "nothing of it is kept");
}

#[test]
fn lines_that_are_too_long_are_the_last_of_their_connection() {
    let fits = format!("{}\r\n", "x".repeat(LINE_BYTES_MAX));
    assert_eq!(of(fits.as_bytes()), [refused(Refusal::Unknown)]);
    let endless = "x".repeat(LINE_BYTES_MAX + 2);
    assert_eq!(of(endless.as_bytes()), [last(Refusal::LINE)]);
    let many = format!("get {}\r\n", "k ".repeat(KEYS_LINE_BYTES_MAX / 2 - 2));
    assert!(matches!(of(many.as_bytes())[..], [Request::Get(_)]));
    let too_many = format!("get {}", "k ".repeat(KEYS_LINE_BYTES_MAX / 2));
    assert_eq!(of(too_many.as_bytes()), [last(Refusal::LINE)]);
    assert_eq!(of(b"\x80\0\0\0"), [last(Refusal::BINARY)]);
    let after = [endless.as_bytes(), b"\r\nmn\r\n"].concat();
    assert_eq!(of(&after), [last(Refusal::LINE)]);
}

/// What clients really send, and what was once a mistake of somebody: `tests/corpus/memcached`. `PROPTEST_CASES=1000000`
/// has the tests below try as many others.
#[test]
fn the_corpus_means_the_same_however_it_is_cut() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/memcached");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        let stream = std::fs::read(&path).expect("it can be read");
        let whole = of(&stream);
        for size in [1, 2, 3, 7, 64] {
            let (cut, most) = requests(stream.chunks(size));
            assert_eq!(whole, cut, "{path:?} in pieces of {size}");
            assert!(most <= stream.len());
        }
        count += 1;
    }
    assert!(count >= 19, "{count} files");
}

/// Bytes that are often nearly a request.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        "get|gets|gat|set|add|cas|append|incr|delete|touch|mg|ms|md|ma|me|mn|flush_all|stats|quit",
        "[a-z]{1,8}",
        "-?[0-9]{1,21}",
        "noreply",
        "[a-zA-Z][0-9]{0,3}",
    ];
    let line = (vec(word, 0..7), "\r\n|\n|\r| ").prop_map(|(words, end)| {
        let mut line = words.join(" ").into_bytes();
        line.extend_from_slice(end.as_bytes());
        line
    });
    let any = vec(any::<u8>(), 0..40);
    vec(prop_oneof![4 => line, 1 => any], 0..12).prop_map(|parts| parts.concat())
}

/// A request that is well formed.
fn well_formed() -> impl Strategy<Value = Vec<u8>> {
    let key = "[!-~]{1,250}";
    let value = vec(any::<u8>(), 0..300);
    let stored =
        (key, any::<u32>(), any::<i32>(), value).prop_map(|(key, flags, exptime, value)| {
            let line = format!("set {key} {flags} {exptime} {}\r\n", value.len());
            [line.as_bytes(), &value, b"\r\n"].concat()
        });
    let meta = (key, vec(any::<u8>(), 0..300)).prop_map(|(key, value)| {
        let line = format!("ms {key} {} T0 c\r\n", value.len());
        [line.as_bytes(), &value, b"\r\n"].concat()
    });
    let got = vec(key, 1..5).prop_map(|keys| format!("get {}\r\n", keys.join(" ")).into_bytes());
    let counted = (key, any::<u64>())
        .prop_map(|(key, delta)| format!("incr {key} {delta} noreply\r\n").into_bytes());
    prop_oneof![stored, meta, got, counted]
}

/// The stream in pieces that end at these places, each taken as a share of its length.
fn cut(stream: &[u8], places: &[u16]) -> Vec<Vec<u8>> {
    let place = |share: &u16| usize::from(*share) * stream.len() / usize::from(u16::MAX);
    let mut places: Vec<usize> = places.iter().map(place).collect();
    places.sort_unstable();
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain([stream.len()]);
    let pieces = starts
        .zip(ends)
        .map(|(start, end)| stream[start..end].to_vec());
    pieces.collect()
}

proptest! {
    #[test]
    fn any_bytes_mean_the_same_however_they_are_cut(
        stream in nearly(),
        places in vec(any::<u16>(), 0..20),
    ) {
        let whole = of(&stream);
        let pieces = cut(&stream, &places);
        let (in_pieces, most) = requests(pieces.iter().map(Vec::as_slice));
        prop_assert_eq!(&whole, &in_pieces);
        prop_assert!(most <= stream.len());
        let (byte_by_byte, _) = requests(stream.chunks(1));
        prop_assert_eq!(&whole, &byte_by_byte);
    }

    #[test]
    fn what_is_well_formed_is_never_refused(
        stream in vec(well_formed(), 1..6),
        places in vec(any::<u16>(), 0..20),
    ) {
        let count = stream.len();
        let pieces = cut(&stream.concat(), &places);
        let (requests, _) = requests(pieces.iter().map(Vec::as_slice));
        prop_assert_eq!(requests.len(), count);
        let is_refused = |request: &Request| matches!(request, Request::Refused(_));
        prop_assert!(!requests.iter().any(is_refused), "{requests:?}");
    }
}
